#include "core/node/replica_fetcher.h"

#include "core/node/broker.h"
#include "core/wire/fetch_request.h"
#include "core/wire/list_offsets_request.h"
#include "core/wire/list_offsets_response.h"

namespace harrow {

ReplicaFetcher::ReplicaFetcher(Broker& broker, NodeId leader)
    : broker_(broker),
      host_(broker.host()),
      leader_(leader),
      channel_(host_, "broker-" + std::to_string(broker.id().value()) + "-fetcher", broker.settings().number(ConfigKey::replica_socket_timeout_ms)),
      changed_(host_.timers) {
  run(host_.scope, Label("replica fetcher"));
}

void ReplicaFetcher::add(const TopicIdPartition& id) {
  Partition* const partition = broker_.find(id);
  CHECK(partition != nullptr);
  Wanted& wanted = wanted_[id];
  const bool in_session = wanted.in_session || forgotten_.erase(id) != 0;
  wanted = Wanted{};
  wanted.partition = partition;
  wanted.epoch = partition->leader_epoch();
  wanted.in_session = in_session;
  changed_.wake();
}

void ReplicaFetcher::remove(const TopicIdPartition& id) {
  const auto found = wanted_.find(id);
  if (found == wanted_.end()) return;
  if (found->second.in_session) forgotten_.insert(id);
  wanted_.erase(found);
}

void ReplicaFetcher::back_off(const TopicIdPartition& id) {
  const auto found = wanted_.find(id);
  if (found == wanted_.end()) return;
  found->second.sent_offset = no_offset;  // it must be named again
  found->second.not_before = after_ms(host_.clock.mono(), broker_.settings().number(ConfigKey::replica_fetch_backoff_ms));
}

void ReplicaFetcher::forget_session() {
  session_id_ = 0;
  session_epoch_ = 0;
  forgotten_.clear();
  for (auto& [id, wanted] : wanted_) {
    wanted.in_session = false;
    wanted.sent_offset = no_offset;
  }
}

Root ReplicaFetcher::run(Scope&, Label) {
  for (;;) {
    // Who is due now, and when the next one is.
    const MonoNs now = host_.clock.mono();
    MonoNs next = never;
    bool due = !forgotten_.empty();
    for (const auto& [id, wanted] : wanted_) {
      if (wanted.not_before <= now) due = true;
      else next = std::min(next, wanted.not_before);
    }
    if (!due) {
      co_await changed_.next(next);
      continue;
    }
    Task<bool> fetching = fetch_once();
    const bool went_well = co_await fetching;
    if (!went_well) {
      channel_.disconnect();
      forget_session();
      const MonoNs again = after_ms(host_.clock.mono(), broker_.settings().number(ConfigKey::replica_fetch_backoff_ms));
      co_await Sleep(host_.timers, again, "fetch back-off");
    }
  }
}

bool ReplicaFetcher::flush_is_due() const {
  for (const auto& [id, wanted] : wanted_)
    if (wanted.partition->log().flush_due()) return true;
  return false;
}

Task<bool> ReplicaFetcher::flush_what_is_due() {
  std::vector<TopicIdPartition> due;
  for (const auto& [id, wanted] : wanted_)
    if (wanted.partition->log().flush_due()) due.push_back(id);
  for (const TopicIdPartition& id : due) {
    const std::shared_ptr<Partition> partition = broker_.share(id);
    if (partition == nullptr) continue;
    const Result<bool> synced = co_await partition->log().flush();
    if (synced) continue;
    broker_.fail_storage(synced.error());
    co_return false;
  }
  co_return true;
}

Task<bool> ReplicaFetcher::fetch_once() {
  // With flush.messages the position that is reported must be durable; nothing is noted as sent before these waits.
  if (flush_is_due()) {
    Task<bool> flushing = flush_what_is_due();
    const bool flushed = co_await flushing;
    if (!flushed) co_return false;
  }
  co_await host_.disk.room(1);
  const controller::BrokerImage* const leader = broker_.image().broker(leader_);
  const controller::Endpoint* const endpoint = leader == nullptr ? nullptr : leader->endpoint("PLAINTEXT");
  if (endpoint == nullptr) co_return false;
  channel_.set_endpoint(Endpoint{endpoint->host, endpoint->port});

  wire::FetchRequest request;
  request.replica_state.replica_id = broker_.id().value();
  request.replica_state.replica_epoch = broker_.epoch().value();
  request.max_wait_ms = static_cast<std::int32_t>(broker_.settings().number(ConfigKey::replica_fetch_wait_max_ms));
  request.min_bytes = static_cast<std::int32_t>(broker_.settings().number(ConfigKey::replica_fetch_min_bytes));
  request.max_bytes = static_cast<std::int32_t>(broker_.settings().number(ConfigKey::replica_fetch_response_max_bytes));
  request.session_id = session_id_;
  request.session_epoch = session_epoch_;
  const auto partition_bytes = static_cast<std::int32_t>(broker_.settings().number(ConfigKey::replica_fetch_max_bytes));
  const MonoNs now = host_.clock.mono();
  for (auto& [id, wanted] : wanted_) {
    Partition* const partition = wanted.partition;
    if (partition->role() != ReplicaRole::follower || partition->leader_epoch() != wanted.epoch) continue;
    if (wanted.not_before > now) {
      if (wanted.in_session) forgotten_.insert(id);
      wanted.in_session = false;
      continue;
    }
    const LeaderEpoch last_epoch = partition->log().latest_epoch();
    wanted.asked_from = partition->log_end();
    const bool same = wanted.in_session && wanted.sent_offset == partition->log_end() && wanted.sent_epoch == wanted.epoch &&
                      wanted.sent_last_epoch == last_epoch && wanted.sent_log_start == partition->log_start();
    if (same) continue;
    if (request.topics.empty() || request.topics.back().topic_id != id.topic_id) request.topics.emplace_back().topic_id = id.topic_id;
    auto& asked = request.topics.back().partitions.emplace_back();
    asked.partition = id.partition;
    asked.current_leader_epoch = wanted.epoch.value();
    asked.fetch_offset = partition->log_end().value();
    asked.last_fetched_epoch = last_epoch.value();
    asked.log_start_offset = partition->log_start().value();
    asked.partition_max_bytes = partition_bytes;
    wanted.sent_offset = partition->log_end();
    wanted.sent_epoch = wanted.epoch;
    wanted.sent_last_epoch = last_epoch;
    wanted.sent_log_start = partition->log_start();
    wanted.in_session = true;
    forgotten_.erase(id);
  }
  for (const TopicIdPartition& id : forgotten_) {
    auto& topics = request.forgotten_topics_data;
    if (topics.empty() || topics.back().topic_id != id.topic_id) topics.emplace_back().topic_id = id.topic_id;
    topics.back().partitions.push_back(id.partition);
  }
  forgotten_.clear();
  if (session_id_ == 0 && request.topics.empty()) co_return true;

  Task<Result<wire::FetchResponse>> call =
      channel_.call<wire::FetchResponse>(wire::ApiKey::fetch, wire::FetchRequest::max_version, std::move(request));
  Result<wire::FetchResponse> response = co_await call;
  if (!response) co_return false;
  if (response->error_code != 0) {
    // The session is gone (evicted, or the leader restarted): the next fetch opens another, at once.
    forget_session();
    co_return true;
  }
  if (session_id_ == 0 && response->session_id == 0) forget_session();  // no room for a session there
  else {
    session_id_ = response->session_id;
    session_epoch_ = session_epoch_ == INT32_MAX ? 1 : session_epoch_ + 1;
  }
  for (auto& topic : response->responses)
    for (auto& data : topic.partitions) {
      const TopicIdPartition id{topic.topic_id, data.partition_index};
      std::optional<Result<bool>> taken = take_now(id, data);
      if (!taken) {
        Task<Result<bool>> taking = take(id, std::move(data));
        taken = co_await taking;
      }
      if (!*taken) {
        const Error& why = taken->error();
        if (why.code == Code::io_error || why.code == Code::disk_full) broker_.fail_storage(why);
        back_off(id);
      }
    }
  co_return true;
}

std::optional<Result<bool>> ReplicaFetcher::take_now(const TopicIdPartition& id, const wire::FetchResponse::PartitionData& data) {
  const auto found = wanted_.find(id);
  if (found == wanted_.end()) return true;
  Partition* const partition = found->second.partition;
  if (partition->role() != ReplicaRole::follower || partition->leader_epoch() != found->second.epoch ||
      partition->log_end() != found->second.asked_from)
    return true;  // asked under other circumstances
  switch (static_cast<Code>(data.error_code)) {
    case Code::none: break;
    case Code::offset_out_of_range: return std::nullopt;
    case Code::fenced_leader_epoch:
      // A newer leader exists; its metadata will start this partition again.
      remove(id);
      return true;
    default: return error(static_cast<Code>(data.error_code), "the leader refuses");
  }
  if (data.diverging_epoch.epoch >= 0) return std::nullopt;
  if (data.records && !data.records->empty()) {
    const LeaderEpoch epoch = found->second.epoch;
    if (const auto appended = partition->append_as_follower(*data.records, epoch); !appended) return pass(appended.error());
    if (partition->log().roll_flush_due()) broker_.flush_later(id);
  }
  partition->learn_from_leader(Offset(data.high_watermark), Offset(data.log_start_offset));
  return true;
}

Task<Result<bool>> ReplicaFetcher::take(TopicIdPartition id, wire::FetchResponse::PartitionData data) {
  if (static_cast<Code>(data.error_code) == Code::offset_out_of_range) {
    Task<Result<bool>> resolving = resolve_out_of_range(id);
    co_return co_await resolving;
  }
  Partition* const partition = wanted_.find(id)->second.partition;
  const EpochEnd leader{LeaderEpoch(data.diverging_epoch.epoch), Offset(data.diverging_epoch.end_offset)};
  const EpochEnd own = partition->log().end_of_epoch(leader.epoch);
  const Truncation cut = truncation_of(leader, own.known() ? std::optional<EpochEnd>(own) : std::nullopt, partition->log_end());
  Task<Result<bool>> cutting = truncate(id, cut.to);
  co_return co_await cutting;
}

Task<Result<bool>> ReplicaFetcher::truncate(TopicIdPartition id, Offset to) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    const std::shared_ptr<Partition> partition = broker_.share(id);
    if (partition == nullptr || partition->role() != ReplicaRole::follower) co_return true;
    const Result<Offset> cut = partition->truncate_to(to);
    if (cut) {
      // The recovery point may have fallen: it must be known on disk before anything new is appended, or a later torn
      // tail would look like damage.
      Task<Result<bool>> writing = broker_.write_checkpoints(true);
      co_return co_await writing;
    }
    if (cut.error().code != Code::not_cached) co_return pass(cut.error());
    const Result<bool> warm = co_await partition->log().warm(to);
    if (!warm) co_return pass(warm.error());
  }
  co_return error(Code::unknown_server_error, "the log cannot be cut");
}

Task<Result<bool>> ReplicaFetcher::resolve_out_of_range(TopicIdPartition id) {
  std::int64_t ends[2] = {-1, -1};
  for (int which = 0; which < 2; ++which) {
    Partition* const partition = broker_.find(id);
    const controller::TopicImage* const topic = broker_.image().topic(id.topic_id);
    if (partition == nullptr || topic == nullptr) co_return true;
    wire::ListOffsetsRequest request;
    request.replica_id = broker_.id().value();
    auto& asked_topic = request.topics.emplace_back();
    asked_topic.name = topic->name;
    auto& asked = asked_topic.partitions.emplace_back();
    asked.partition_index = id.partition;
    asked.current_leader_epoch = partition->leader_epoch().value();
    asked.timestamp = which == 0 ? -1 : -2;  // the end, then the start
    Task<Result<wire::ListOffsetsResponse>> call =
        channel_.call<wire::ListOffsetsResponse>(wire::ApiKey::list_offsets, wire::ListOffsetsRequest::max_version, std::move(request));
    const Result<wire::ListOffsetsResponse> response = co_await call;
    if (!response) co_return pass(response.error());
    if (response->topics.empty() || response->topics[0].partitions.empty()) co_return error(Code::malformed_input, "no answer for the partition");
    const auto& answer = response->topics[0].partitions[0];
    if (answer.error_code != 0) co_return error(static_cast<Code>(answer.error_code), "the leader does not list its offsets");
    ends[which] = answer.offset;
  }
  Partition* const partition = broker_.find(id);
  const auto found = wanted_.find(id);
  if (partition == nullptr || partition->role() != ReplicaRole::follower || found == wanted_.end() || partition->leader_epoch() != found->second.epoch)
    co_return true;
  if (Offset(ends[0]) < partition->log_end()) {
    Task<Result<bool>> cutting = truncate(id, Offset(ends[0]));
    co_return co_await cutting;
  }
  if (Offset(ends[1]) > partition->log_end()) {
    TRY_VOID_CO(partition->restart_at(Offset(ends[1])));
  }
  co_return true;
}

}  // namespace harrow
