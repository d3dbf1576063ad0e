// DeleteRecords, versions 0 to 2: moves the log start; answered when every live replica's log start has followed
// (the low watermark). -1 = the high watermark.
#include <algorithm>

#include "core/node/api/handlers.h"

namespace harrow {
namespace {

using PartitionAnswer = wire::DeleteRecordsResponse::DeleteRecordsPartitionResult;

Task<PartitionAnswer> delete_one(Broker& broker, TopicIdPartition id, Offset offset, MonoNs deadline) {
  PartitionAnswer answer;
  answer.partition_index = id.partition;
  answer.low_watermark = -1;
  const std::shared_ptr<Partition> partition = broker.share(id);
  if (partition == nullptr) {
    answer.error_code = static_cast<std::int16_t>(broker.image().partition(id) == nullptr ? Code::unknown_topic_or_partition : Code::not_leader_or_follower);
    co_return answer;
  }
  const Result<Offset> moved = partition->delete_records_before(offset);
  if (!moved) {
    answer.error_code = static_cast<std::int16_t>(to_wire(moved.error().code));
    co_return answer;
  }
  const Reached reached = co_await partition->low_watermark_reached(*moved, deadline);
  if (reached == Reached::reached) answer.low_watermark = std::max(*moved, partition->log_start()).value();
  else answer.error_code = static_cast<std::int16_t>(reached == Reached::closed ? Code::not_leader_or_follower : Code::request_timed_out);
  co_return answer;
}

}  // namespace

Task<wire::DeleteRecordsResponse> delete_records(const RequestContext& context, wire::DeleteRecordsRequest request) {
  Broker& broker = context.broker();
  co_await context.host().cpu.spend(Work::handler, request.topics.size());
  const MonoNs deadline = after_ms(context.host().clock.mono(), request.timeout_ms);
  wire::DeleteRecordsResponse response;
  std::vector<Task<PartitionAnswer>> waiting;
  for (const auto& topic : request.topics) {
    const controller::TopicImage* const image = broker.image().topic(topic.name);
    for (const auto& asked : topic.partitions)
      waiting.push_back(delete_one(broker, TopicIdPartition{image == nullptr ? Uuid{} : image->id, asked.partition_index}, Offset(asked.offset), deadline));
  }
  std::size_t next = 0;
  for (const auto& topic : request.topics) {
    auto& answers = response.topics.emplace_back();
    answers.name = topic.name;
    for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
      Task<PartitionAnswer>& one = waiting[next++];
      PartitionAnswer answer = co_await one;
      answers.partitions.push_back(std::move(answer));
    }
  }
  co_return response;
}

}  // namespace harrow
