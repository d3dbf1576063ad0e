// DescribeTopicPartitions, version 0 (KIP-966): topics sorted by name, unique, an empty list = all; at most the smaller of
// the request's and this broker's limit of partitions, at least one, with a cursor to go on; shows eligible leader
// replicas.
#include <algorithm>
#include <set>

#include "core/node/api/handlers.h"
#include "core/node/api/operations.h"

namespace harrow {

Task<wire::DescribeTopicPartitionsResponse> describe_topic_partitions(const RequestContext& context, wire::DescribeTopicPartitionsRequest request) {
  Broker& broker = context.broker();
  const controller::Image& image = broker.image();
  co_await context.host().cpu.spend(Work::handler, request.topics.size());
  std::set<std::string> names;
  for (const auto& topic : request.topics) names.insert(topic.name);
  if (request.topics.empty())
    for (const auto& [name, id] : image.topic_ids()) names.insert(name);
  const std::string first = request.cursor ? request.cursor->topic_name : "";
  wire::DescribeTopicPartitionsResponse response;
  std::int64_t room = std::max<std::int64_t>(1, std::min<std::int64_t>(request.response_partition_limit, broker.settings().number(ConfigKey::max_request_partition_size_limit)));
  for (const std::string& name : names) {
    if (name < first) continue;
    if (room <= 0) {
      response.next_cursor = wire::DescribeTopicPartitionsResponse::Cursor();
      response.next_cursor->topic_name = name;
      break;
    }
    auto& answer = response.topics.emplace_back();
    answer.name = name;
    if (request.cursor && name == first && request.cursor->partition_index < 0) {
      answer.error_code = static_cast<std::int16_t>(Code::invalid_request);
      continue;
    }
    answer.topic_authorized_operations = topic_operations;
    const controller::TopicImage* const topic = image.topic(name);
    if (topic == nullptr) {
      answer.error_code = static_cast<std::int16_t>(Code::unknown_topic_or_partition);
      continue;
    }
    answer.topic_id = topic->id;
    answer.is_internal = name == offsets_topic_name;
    const std::size_t from = request.cursor && name == first ? static_cast<std::size_t>(request.cursor->partition_index) : 0;
    for (std::size_t i = from; i < topic->partitions.size(); ++i) {
      if (room-- <= 0) {
        response.next_cursor = wire::DescribeTopicPartitionsResponse::Cursor();
        response.next_cursor->topic_name = name;
        response.next_cursor->partition_index = static_cast<std::int32_t>(i);
        co_return response;
      }
      const controller::PartitionImage& partition = topic->partitions[i];
      auto& row = answer.partitions.emplace_back();
      row.partition_index = static_cast<std::int32_t>(i);
      row.leader_id = partition.leader.value();
      row.leader_epoch = partition.leader_epoch.value();
      row.replica_nodes = controller::numbers_of(partition.replicas);
      row.isr_nodes = controller::numbers_of(partition.isr);
      row.eligible_leader_replicas = controller::numbers_of(partition.elr);
      row.last_known_elr = controller::numbers_of(partition.last_known_elr);
      for (const NodeId replica : partition.replicas)
        if (const controller::BrokerImage* const holder = image.broker(replica); holder == nullptr || holder->fenced) row.offline_replicas.push_back(replica.value());
      if (partition.leader == no_node) row.error_code = static_cast<std::int16_t>(Code::leader_not_available);
    }
  }
  co_return response;
}

}  // namespace harrow
