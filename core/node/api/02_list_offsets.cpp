// ListOffsets, versions 1 to 11.
// - -1 latest (the high watermark for clients, the log's end for replicas), -2 earliest, -3 largest timestamp, -4 earliest
//   local; else the first record at or after the time. -5 and -6 (tiered storage) find nothing here.
// - Meanings below -2 came with versions: UNSUPPORTED_VERSION before. A partition that is asked for twice is INVALID_REQUEST.
// - 4: leader epochs are checked, answers carry the record's epoch. A leader whose high watermark has not reached the
//   start of its own epoch does not know the end yet: OFFSET_NOT_AVAILABLE (KIP-207).
#include <algorithm>

#include "core/model/trace_payloads.h"
#include "core/node/api/handlers.h"

namespace harrow {
namespace {

using PartitionAnswer = wire::ListOffsetsResponse::ListOffsetsPartitionResponse;

/// The version from which on a negative timestamp has a meaning.
std::int16_t known_from(std::int64_t timestamp) {
  switch (timestamp) {
    case -3: return 7;
    case -4: return 8;
    case -5: return 9;
    case -6: return 11;
    default: return timestamp < -6 ? INT16_MAX : 0;
  }
}

Task<PartitionAnswer> list_one(Broker& broker, TopicIdPartition id, wire::ListOffsetsRequest::ListOffsetsPartition asked, NodeId replica, std::int8_t isolation) {
  PartitionAnswer answer;
  answer.partition_index = id.partition;
  answer.timestamp = -1;
  answer.offset = -1;
  answer.leader_epoch = -1;
  const std::shared_ptr<Partition> partition = broker.share(id);
  Code code = Code::none;
  if (partition == nullptr) code = broker.image().partition(id) == nullptr ? Code::unknown_topic_or_partition : Code::not_leader_or_follower;
  else if (!partition->is_leader()) code = Code::not_leader_or_follower;
  else code = partition->check_leader_epoch(LeaderEpoch(asked.current_leader_epoch));
  const bool for_client = replica.value() < 0;
  if (code == Code::none && for_client && asked.timestamp == -1 && partition->high_watermark() < partition->epoch_start())
    code = Code::offset_not_available;
  if (code != Code::none) {
    answer.error_code = static_cast<std::int16_t>(code);
    co_return answer;
  }
  Log& log = partition->log();
  switch (asked.timestamp) {
    case -1: answer.offset = (for_client ? partition->high_watermark() : partition->log_end()).value(); break;
    case -2:
    case -4: answer.offset = partition->log_start().value(); break;
    case -5:
    case -6: break;
    default: {
      Task<Result<FoundOffset>> finding = asked.timestamp == -3 ? log.offset_of_max_timestamp() : log.offset_for_timestamp(WallMs(asked.timestamp));
      const Result<FoundOffset> found = co_await finding;
      if (broker.find(id) != partition.get() || !partition->is_leader()) {
        answer.error_code = static_cast<std::int16_t>(Code::not_leader_or_follower);
        co_return answer;
      }
      if (!found) {
        answer.error_code = static_cast<std::int16_t>(to_wire(found.error().code));
        co_return answer;
      }
      const Offset limit = for_client ? partition->high_watermark() : partition->log_end();
      if (found->offset >= Offset(0) && found->offset < limit) {
        answer.offset = found->offset.value();
        answer.timestamp = found->timestamp.value();
      }
    }
  }
  if (answer.offset >= 0) {
    const LeaderEpoch epoch = answer.offset == partition->log_end().value() ? log.latest_epoch() : log.epoch_at(Offset(answer.offset));
    answer.leader_epoch = epoch.value();
  }
  const ListOffsetsNote note{partition->name().topic, partition->name().partition, asked.timestamp, isolation, replica};
  broker.host().trace.emit(TraceKind::offsets_listed, partition->subject(), asked.timestamp, answer.offset, &note);
  co_return answer;
}

}  // namespace

Task<wire::ListOffsetsResponse> list_offsets(const RequestContext& context, wire::ListOffsetsRequest request) {
  Broker& broker = context.broker();
  co_await context.host().cpu.spend(Work::handler, request.topics.size());
  wire::ListOffsetsResponse response;
  for (const auto& topic : request.topics) {
    auto& answers = response.topics.emplace_back();
    answers.name = topic.name;
    const controller::TopicImage* const image = broker.image().topic(topic.name);
    const Uuid topic_id = image == nullptr ? Uuid{} : image->id;
    for (const auto& asked : topic.partitions) {
      const auto same = [&](const auto& other) { return other.partition_index == asked.partition_index; };
      const bool twice = std::count_if(topic.partitions.begin(), topic.partitions.end(), same) > 1;
      if (twice || context.version < known_from(asked.timestamp)) {
        const bool answered = std::any_of(answers.partitions.begin(), answers.partitions.end(), same);
        if (answered) continue;
        PartitionAnswer refusal;
        refusal.partition_index = asked.partition_index;
        refusal.error_code = static_cast<std::int16_t>(twice ? Code::invalid_request : Code::unsupported_version);
        answers.partitions.push_back(std::move(refusal));
        continue;
      }
      Task<PartitionAnswer> listing = list_one(broker, TopicIdPartition{topic_id, asked.partition_index}, asked, NodeId(request.replica_id), request.isolation_level);
      PartitionAnswer answer = co_await listing;
      if (context.version < 4) answer.leader_epoch = -1;
      answers.partitions.push_back(std::move(answer));
    }
  }
  co_return response;
}

}  // namespace harrow
