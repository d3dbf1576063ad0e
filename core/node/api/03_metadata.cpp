// Metadata, versions 0 to 13.
// - null topics (or, in version 0, an empty list) = all; unknown names are created by the controller if the client and
//   auto.create.topics.enable allow, UNKNOWN_TOPIC_OR_PARTITION meanwhile. A topic is answered once.
// - the controller's id is that of a broker which forwards (KRaft), here this broker itself.
#include <algorithm>

#include "core/node/api/handlers.h"
#include "core/node/api/operations.h"
#include "core/node/api/topic_name.h"

namespace harrow {
namespace {

using TopicAnswer = wire::MetadataResponse::MetadataResponseTopic;

bool is_internal(std::string_view topic) { return topic == offsets_topic_name || topic == "__transaction_state"; }

TopicAnswer describe(const Broker& broker, const controller::TopicImage& topic) {
  TopicAnswer answer;
  answer.name = topic.name;
  answer.topic_id = topic.id;
  answer.is_internal = is_internal(topic.name);
  answer.partitions.reserve(topic.partitions.size());
  for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
    const controller::PartitionImage& partition = topic.partitions[i];
    auto& row = answer.partitions.emplace_back();
    row.partition_index = static_cast<std::int32_t>(i);
    row.leader_id = partition.leader.value();
    row.leader_epoch = partition.leader_epoch.value();
    row.replica_nodes = controller::numbers_of(partition.replicas);
    row.isr_nodes = controller::numbers_of(partition.isr);
    for (const NodeId replica : partition.replicas) {
      const controller::BrokerImage* const holder = broker.image().broker(replica);
      if (holder == nullptr || holder->fenced) row.offline_replicas.push_back(replica.value());
    }
    if (partition.leader == no_node) row.error_code = static_cast<std::int16_t>(Code::leader_not_available);
  }
  return answer;
}

}  // namespace

Task<wire::MetadataResponse> metadata(const RequestContext& context, wire::MetadataRequest request) {
  Broker& broker = context.broker();
  const std::size_t asked_for = request.topics ? request.topics->size() : broker.image().topics().size();
  co_await context.host().cpu.spend(Work::handler, asked_for);
  const controller::Image& image = broker.image();
  wire::MetadataResponse response;
  for (const auto& [id, node] : image.brokers()) {
    const controller::Endpoint* const endpoint = node.endpoint("PLAINTEXT");
    if (node.fenced || endpoint == nullptr) continue;
    auto& row = response.brokers.emplace_back();
    row.node_id = id.value();
    row.host = endpoint->host;
    row.port = endpoint->port;
    row.rack = node.rack;
  }
  response.cluster_id = broker.config().cluster_id;
  response.controller_id = broker.id().value();
  const bool all = !request.topics || (context.version == 0 && request.topics->empty());
  if (all) {
    for (const auto& [name, id] : image.topic_ids()) response.topics.push_back(describe(broker, *image.topic(id)));
    co_return response;
  }
  if (request.include_cluster_authorized_operations) response.cluster_authorized_operations = cluster_operations;
  std::vector<wire::MetadataRequest::MetadataRequestTopic> once;
  for (auto& asked : *request.topics)
    if (std::find(once.begin(), once.end(), asked) == once.end()) once.push_back(std::move(asked));
  for (const auto& asked : once) {
    const bool by_id = context.version >= 10 && !asked.topic_id.is_zero();
    const controller::TopicImage* const topic = by_id ? image.topic(asked.topic_id) : image.topic(asked.name.value_or(""));
    if (topic != nullptr) {
      TopicAnswer& answer = response.topics.emplace_back(describe(broker, *topic));
      if (request.include_topic_authorized_operations) answer.topic_authorized_operations = topic_operations;
      continue;
    }
    TopicAnswer answer;
    if (by_id) {
      if (context.version >= 12) answer.name = std::nullopt;
      answer.topic_id = asked.topic_id;
      answer.error_code = static_cast<std::int16_t>(Code::unknown_topic_id);
    } else {
      answer.name = asked.name.value_or("");
      if (!valid_topic_name(*answer.name)) {
        answer.error_code = static_cast<std::int16_t>(Code::invalid_topic_exception);
      } else {
        answer.error_code = static_cast<std::int16_t>(Code::unknown_topic_or_partition);
        answer.is_internal = is_internal(*answer.name);
        if (request.allow_auto_topic_creation && broker.settings().flag(ConfigKey::auto_create_topics_enable))
          broker.create_topic_automatically(*answer.name);
      }
    }
    response.topics.push_back(std::move(answer));
  }
  co_return response;
}

}  // namespace harrow
