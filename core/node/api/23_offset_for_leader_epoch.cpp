// OffsetForLeaderEpoch, versions 2 to 4: the end of an epoch in the leader's log; consumers find with it where their
// position was cut (KIP-320).
#include "core/node/api/handlers.h"

namespace harrow {

Task<wire::OffsetForLeaderEpochResponse> offset_for_leader_epoch(const RequestContext& context, wire::OffsetForLeaderEpochRequest request) {
  Broker& broker = context.broker();
  co_await context.host().cpu.spend(Work::handler, request.topics.size());
  wire::OffsetForLeaderEpochResponse response;
  for (const auto& topic : request.topics) {
    auto& answers = response.topics.emplace_back();
    answers.topic = topic.topic;
    const controller::TopicImage* const image = broker.image().topic(topic.topic);
    for (const auto& asked : topic.partitions) {
      auto& answer = answers.partitions.emplace_back();
      answer.partition = asked.partition;
      const TopicIdPartition id{image == nullptr ? Uuid{} : image->id, asked.partition};
      Partition* const partition = broker.find(id);
      Code code = Code::none;
      if (partition == nullptr) code = broker.image().partition(id) == nullptr ? Code::unknown_topic_or_partition : Code::not_leader_or_follower;
      else if (!partition->is_leader()) code = Code::not_leader_or_follower;
      else code = partition->check_leader_epoch(LeaderEpoch(asked.current_leader_epoch));
      answer.error_code = static_cast<std::int16_t>(code);
      if (code != Code::none) continue;
      const EpochEnd end = partition->end_of_epoch(LeaderEpoch(asked.leader_epoch));
      answer.leader_epoch = end.epoch.value();
      answer.end_offset = end.end.value();
    }
  }
  co_return response;
}

}  // namespace harrow
