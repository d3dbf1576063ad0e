// Produce, versions 3 to 13 (advertised from 0: some librdkafka releases switch compression off otherwise).
// - acks 0: no answer; an error closes the connection. acks 1: answered after the local append. acks -1: answered when
//   the high watermark has passed the batch, or with REQUEST_TIMED_OUT (the data stays).
// - exactly one batch a partition; its bytes are stored as sent, but for offset and leader epoch. A second one that is cut
//   short is not looked at. No whole batch, one of an older format or with a base offset of its own is INVALID_RECORD.
// - 7: zstd.
// - 10: the answer to NOT_LEADER_OR_FOLLOWER names the leader. 13: topic ids.
#include "core/model/record_batch.h"
#include "core/model/trace_payloads.h"
#include "core/node/api/handlers.h"
#include "core/wire/produce_request.h"
#include "core/wire/produce_response.h"

namespace harrow {
namespace {

using PartitionAnswer = wire::ProduceResponse::PartitionProduceResponse;

PartitionAnswer refused(std::int32_t index, const Error& why) {
  PartitionAnswer answer;
  answer.index = index;
  answer.error_code = static_cast<std::int16_t>(to_wire(why.code));
  answer.base_offset = -1;
  if (why.what[0] != '\0') answer.error_message = why.what;
  return answer;
}

PartitionAnswer accepted(std::int32_t index, const Appended& appended, Offset log_start) {
  PartitionAnswer answer;
  answer.index = index;
  answer.base_offset = appended.base.value();
  answer.log_append_time_ms = appended.log_append_time.value();
  answer.log_start_offset = log_start.value();
  return answer;
}

/// The batch to append; cuts off what is behind it and is none. Everything within the batch is the log's to judge.
Result<bool> take_batch(Bytes& records, std::int16_t version) {
  constexpr std::uint64_t up_to_magic = 17;     // of a batch's header
  constexpr std::int64_t least_length = 14;     // of the oldest format: what is below is damage, not a cut
  constexpr std::int16_t zstd_from = 7;
  const auto invalid = [](const char* why) { return error(Code::invalid_record, why); };
  if (records.size() < up_to_magic) return invalid("no whole batch");
  Reader reader(records);
  const std::int64_t base_offset = reader.i64();
  const std::int64_t length = reader.i32();
  reader.skip(4);
  const std::int8_t magic = reader.i8();
  if (length < least_length) return true;
  const auto batch_bytes = static_cast<std::uint64_t>(length) + batch_prefix_bytes;
  if (batch_bytes > records.size()) return invalid("no whole batch");
  if (magic >= 0 && magic < 2) return invalid("a batch of an older format");
  if (magic != 2) return true;
  if (const Result<BatchHeader> header = parse_batch_header(records); header && header->codec() == Codec::zstd && version < zstd_from)
    return error(Code::unsupported_compression_type, "zstd comes with version 7");
  if (base_offset != 0) return invalid("a batch's base offset is the broker's to give");
  const std::uint64_t behind = records.size() - batch_bytes;
  if (behind == 0) return true;
  const std::optional<BatchPrefix> next = behind < up_to_magic ? std::nullopt : parse_batch_prefix(records, batch_bytes);
  if (!next || (next->size_bytes >= batch_prefix_bytes + least_length && static_cast<std::uint64_t>(next->size_bytes) > behind)) records = records.sub(0, batch_bytes);
  return true;
}

void trace_answer(Broker& broker, const Partition* partition, std::int16_t acks, const PartitionAnswer& answer, Offset last, ProducerId producer) {
  const TopicPartition unknown;
  const TopicPartition& name = partition == nullptr ? unknown : partition->name();
  const ProduceNote note{name.topic, name.partition, acks, Offset(answer.base_offset), last,
                         partition == nullptr ? no_epoch : partition->leader_epoch(), producer, static_cast<Code>(answer.error_code)};
  broker.host().trace.emit(TraceKind::produce_answered, partition == nullptr ? 0 : partition->subject(), answer.base_offset, answer.error_code, &note);
}

/// After a wait: the replica is still there and leads in the epoch in which it appended.
bool still_leads(Broker& broker, const TopicIdPartition& id, const Partition* partition, LeaderEpoch epoch) {
  return broker.find(id) == partition && partition->is_leader() && partition->leader_epoch() == epoch;
}

Task<PartitionAnswer> produce_one(Broker& broker, TopicIdPartition id, Bytes records, Acks acks, MonoNs deadline) {
  const std::shared_ptr<Partition> partition = broker.share(id);
  if (partition == nullptr || !partition->is_leader()) {
    const bool known = broker.image().partition(id) != nullptr;
    PartitionAnswer answer = refused(id.partition, Error{known ? Code::not_leader_or_follower : Code::unknown_topic_or_partition, ""});
    if (const controller::PartitionImage* const image = broker.image().partition(id); image != nullptr) {
      answer.current_leader.leader_id = image->leader.value();
      answer.current_leader.leader_epoch = image->leader_epoch.value();
    }
    trace_answer(broker, partition.get(), static_cast<std::int16_t>(acks), answer, no_offset, no_producer_id);
    co_return answer;
  }
  Host& host = broker.host();
  const Result<Appended> appended =
      partition->append_as_leader(records, acks, AppendOrigin::client, host.clock.wall(), host.clock.mono());
  if (!appended) {
    if (appended.error().code == Code::io_error || appended.error().code == Code::disk_full) broker.fail_storage(appended.error());
    PartitionAnswer answer = refused(id.partition, appended.error());
    trace_answer(broker, partition.get(), static_cast<std::int16_t>(acks), answer, no_offset, no_producer_id);
    co_return answer;
  }
  const LeaderEpoch epoch = partition->leader_epoch();
  if (partition->log().roll_flush_due()) broker.flush_later(id);
  PartitionAnswer answer = accepted(id.partition, *appended, partition->log_start());
  if (partition->log().flush_due()) {
    const Result<bool> synced = co_await partition->log().synced(appended->end);
    if (!synced) {
      broker.fail_storage(synced.error());
      co_return refused(id.partition, Error{Code::kafka_storage_error, ""});
    }
  }
  // The sync may have outlasted the leadership: what a follower's high watermark passes are its leader's records, not these.
  if (acks == Acks::all && !still_leads(broker, id, partition.get(), epoch)) {
    answer = refused(id.partition, Error{Code::not_leader_or_follower, ""});
  } else if (acks == Acks::all) {
    const Reached reached = co_await partition->replicated(appended->end, deadline);
    Code code = Code::none;
    if (reached == Reached::deadline) code = Code::request_timed_out;
    else if (reached == Reached::closed) code = Code::not_leader_or_follower;
    else code = partition->replication_verdict();
    if (code != Code::none) answer = refused(id.partition, Error{code, ""});
  }
  trace_answer(broker, broker.find(id), static_cast<std::int16_t>(acks), answer, appended->last, appended->producer_id);
  co_return answer;
}

std::uint64_t record_count(const wire::ProduceRequest& request) {
  std::uint64_t records = 0;
  for (const auto& topic : request.topic_data)
    for (const auto& partition : topic.partition_data) {
      if (!partition.records) continue;
      const Result<BatchHeader> header = parse_batch_header(*partition.records);
      if (header) records += static_cast<std::uint64_t>(header->record_count > 0 ? header->record_count : 0);
    }
  return records;
}

}  // namespace

Task<wire::ProduceResponse> produce(const RequestContext& context, wire::ProduceRequest request) {
  Broker& broker = context.broker();
  Host& host = context.host();
  co_await host.cpu.spend(Work::handler, record_count(request));
  // Before anything is read: appends themselves never wait.
  co_await host.disk.room(1);
  wire::ProduceResponse response;
  const MonoNs deadline = after_ms(host.clock.mono(), request.timeout_ms);
  const bool acks_known = request.acks >= -1 && request.acks <= 1;
  const auto acks = static_cast<Acks>(request.acks);

  // All appends happen in this turn; then each is awaited in order: the latency of waiting side by side.
  boost::container::small_vector<Task<PartitionAnswer>, 4> waiting;
  response.responses.reserve(request.topic_data.size());
  for (auto& topic : request.topic_data) {
    Uuid topic_id = topic.topic_id;
    if (context.version < 13)
      if (const controller::TopicImage* const image = broker.image().topic(topic.name); image != nullptr) topic_id = image->id;
    auto& answers = response.responses.emplace_back();
    answers.name = topic.name;
    answers.topic_id = topic.topic_id;
    answers.partition_responses.resize(topic.partition_data.size());
    for (auto& data : topic.partition_data) {
      const bool known = broker.image().topic(topic_id) != nullptr;
      std::optional<Error> refusal;
      if (!acks_known) refusal = Error{Code::invalid_required_acks, ""};
      else if (!known) refusal = Error{context.version < 13 ? Code::unknown_topic_or_partition : Code::unknown_topic_id, ""};
      else if (!data.records) refusal = Error{Code::corrupt_message, ""};
      else if (const Result<bool> taken = take_batch(*data.records, context.version); !taken) refusal = taken.error();
      if (refusal) {
        answers.partition_responses[static_cast<std::size_t>(&data - topic.partition_data.data())] = refused(data.index, *refusal);
        waiting.emplace_back();
        continue;
      }
      waiting.push_back(produce_one(broker, TopicIdPartition{topic_id, data.index}, std::move(*data.records), acks, deadline));
    }
  }
  std::size_t next = 0;
  for (auto& topic : response.responses)
    for (auto& answer : topic.partition_responses) {
      Task<PartitionAnswer>& one = waiting[next++];
      if (!one.valid()) continue;
      answer = co_await one;
    }
  for (auto& topic : response.responses)
    for (auto& answer : topic.partition_responses) {
      if (context.version < 10) {
        answer.current_leader = {};  // older versions have no place for it
        continue;
      }
      const controller::BrokerImage* const leader = broker.image().broker(NodeId(answer.current_leader.leader_id));
      const controller::Endpoint* const endpoint = leader == nullptr ? nullptr : leader->endpoint("PLAINTEXT");
      if (endpoint == nullptr) continue;
      auto& node = response.node_endpoints.emplace_back();
      node.node_id = leader->id.value();
      node.host = endpoint->host;
      node.port = endpoint->port;
      node.rack = leader->rack;
    }
  co_return response;
}

}  // namespace harrow
