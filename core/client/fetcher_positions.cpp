// Where to read: resets through ListOffsets, and validation of a position against a new leader's history (KIP-320).
#include <algorithm>

#include "core/client/fetcher.h"
#include "core/wire/list_offsets_request.h"
#include "core/wire/list_offsets_response.h"
#include "core/wire/offset_for_leader_epoch_request.h"
#include "core/wire/offset_for_leader_epoch_response.h"

namespace harrow {
namespace {
constexpr std::int64_t latest_timestamp = -1;
constexpr std::int64_t earliest_timestamp = -2;
}  // namespace

Task<Result<std::map<TopicPartition, Offset>>> Fetcher::list_offsets(std::vector<TopicPartition> ids, std::int64_t timestamp, MonoNs deadline) {
  std::map<TopicPartition, Offset> found;
  for (const TopicPartition& id : ids) metadata_.add_topic(id.topic);
  for (std::int32_t attempt = 1;; ++attempt) {
    // One request a leader, all under way at once.
    std::map<NodeId, wire::ListOffsetsRequest> requests;
    bool missing = false;
    for (const TopicPartition& id : ids) {
      if (found.contains(id)) continue;
      const Metadata::Topic* const topic = metadata_.find(id.topic);
      if (topic == nullptr || static_cast<std::size_t>(id.partition) >= topic->partitions.size() ||
          topic->partitions[static_cast<std::size_t>(id.partition)].leader == no_node) {
        missing = true;
        continue;
      }
      const Metadata::Partition& known = topic->partitions[static_cast<std::size_t>(id.partition)];
      wire::ListOffsetsRequest& request = requests[known.leader];
      request.replica_id = -1;
      request.isolation_level = config_.read_committed ? 1 : 0;
      request.timeout_ms = config_.request_timeout_ms;
      if (request.topics.empty() || request.topics.back().name != id.topic) request.topics.emplace_back().name = id.topic;
      auto& partition = request.topics.back().partitions.emplace_back();
      partition.partition_index = id.partition;
      partition.current_leader_epoch = known.epoch.value();
      partition.timestamp = timestamp;
    }
    std::vector<Task<Result<wire::ListOffsetsResponse>>> calls;
    for (auto& [leader, request] : requests) calls.push_back(pool_.to(leader).call(std::move(request)));
    for (Task<Result<wire::ListOffsetsResponse>>& call : calls) {
      const Reached reached = co_await within(call, host_.timers, deadline);
      if (reached != Reached::reached) co_return error(Code::request_timed_out, "offsets were not listed in time");
      const Result<wire::ListOffsetsResponse> response = call.take();
      if (!response) continue;
      for (const auto& topic : response->topics)
        for (const auto& partition : topic.partitions) {
          const Code code = code_from_wire(partition.error_code);
          if (code == Code::none) found[TopicPartition{topic.name, partition.partition_index}] = Offset(partition.offset);
          else if (!is_retriable(code)) co_return error(code, "a broker refuses to list offsets");
        }
    }
    if (found.size() == ids.size()) co_return found;
    if (missing || !calls.empty()) metadata_.request_update();
    const MonoNs again = host_.timers.now() + backoff_ns(config_, attempt, random_);
    if (again >= deadline) co_return error(Code::request_timed_out, "offsets were not listed in time");
    co_await Sleep(host_.timers, again, "list offsets backoff");
  }
}

/// All partitions that wait for a reset, by policy; one round at a time.
Root Fetcher::look_up_positions(Scope&, Label) {
  looking_up_ = true;
  for (std::int32_t round = 0; round < 2; ++round) {
    const OffsetReset where = round == 0 ? OffsetReset::earliest : OffsetReset::latest;
    std::vector<TopicPartition> ids;
    std::vector<std::uint64_t> numbers;
    for (const auto& held : held_)
      if (held->state == State::resetting && held->reset_to == where && held->leader != no_node) {
        ids.push_back(held->id);
        numbers.push_back(held->number);
      }
    if (ids.empty()) continue;
    const std::int64_t timestamp = where == OffsetReset::earliest ? earliest_timestamp : latest_timestamp;
    const MonoNs deadline = after_ms(host_.timers.now(), config_.request_timeout_ms);
    const Result<std::map<TopicPartition, Offset>> found = co_await list_offsets(ids, timestamp, deadline);
    const MonoNs retry_at = host_.timers.now() + backoff_ns(config_, 1, random_);
    for (const std::uint64_t number : numbers) {
      Held* const held = find(number);
      if (held == nullptr || held->state != State::resetting || held->reset_to != where) continue;  // sought or taken away meanwhile
      if (!found) {
        held->retry_at = retry_at;
        if (found.error().code != Code::request_timed_out) held->failure = found.error();
        continue;
      }
      const Offset to = found->at(held->id);
      host_.trace.emit(TraceKind::position_reset, held->subject, held->position.value(), to.value());
      moved(*held, to, no_epoch);
    }
  }
  looking_up_ = false;
  wake();
  changed_.wake();
}

Root Fetcher::validate(Scope&, Label, std::uint64_t number) {
  Held* held = find(number);
  CHECK(held != nullptr);
  held->asking = true;
  const LeaderEpoch asked_of = held->leader_epoch;
  const Offset position = held->position;
  wire::OffsetForLeaderEpochRequest request;
  request.replica_id = -1;
  auto& topic = request.topics.emplace_back();
  topic.topic = held->id.topic;
  auto& partition = topic.partitions.emplace_back();
  partition.partition = held->id.partition;
  partition.current_leader_epoch = asked_of.value();
  partition.leader_epoch = held->position_epoch.value();
  BrokerConnection& broker = pool_.to(held->leader);
  const Result<wire::OffsetForLeaderEpochResponse> response = co_await broker.call(std::move(request));
  held = find(number);
  if (held == nullptr) co_return;
  held->asking = false;
  wake();
  if (held->state != State::validating || held->position != position || held->leader_epoch != asked_of) co_return;  // ask again
  const bool answered = response && response->topics.size() == 1 && response->topics[0].partitions.size() == 1;
  const Code code = answered ? code_from_wire(response->topics[0].partitions[0].error_code) : response ? Code::unknown_server_error : response.error().code;
  if (code == Code::unsupported_version) {
    held->state = State::fetching;
    co_return;
  }
  if (code != Code::none) {
    held->retry_at = host_.timers.now() + backoff_ns(config_, 1, random_);
    if (code != Code::unknown_leader_epoch) metadata_.request_update();
    co_return;
  }
  const auto& told = response->topics[0].partitions[0];
  if (told.end_offset >= held->position.value() && told.leader_epoch >= 0) {
    held->state = State::fetching;
    co_return;
  }
  // The history of this leader ends (for that epoch) before the position: the log was truncated.
  if (config_.auto_offset_reset == OffsetReset::none) {
    held->failure = Error{Code::offset_out_of_range, "the log was truncated below the position"};
    held->state = State::fetching;
    co_return;
  }
  if (told.end_offset < 0 || told.leader_epoch < 0) {
    held->state = State::resetting;
    held->reset_to = config_.auto_offset_reset;
    co_return;
  }
  host_.trace.emit(TraceKind::position_reset, held->subject, held->position.value(), told.end_offset);
  moved(*held, Offset(told.end_offset), no_epoch);
  held->position_epoch = held->fetch_epoch = LeaderEpoch(told.leader_epoch);
}

}  // namespace harrow
