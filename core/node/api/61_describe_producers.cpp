// DescribeProducers, version 0: producers that a partition's leader remembers.
#include "core/node/api/handlers.h"
#include "core/node/api/topic_name.h"

namespace harrow {

Task<wire::DescribeProducersResponse> describe_producers(const RequestContext& context, wire::DescribeProducersRequest request) {
  Broker& broker = context.broker();
  co_await context.host().cpu.spend(Work::handler, request.topics.size());
  wire::DescribeProducersResponse response;
  for (const auto& topic : request.topics) {
    auto& answers = response.topics.emplace_back();
    answers.name = topic.name;
    for (const std::int32_t index : topic.partition_indexes) {
      auto& answer = answers.partitions.emplace_back();
      answer.partition_index = index;
      Partition* const partition = broker.find(topic.name, index);
      if (partition == nullptr || !partition->is_leader()) {
        const Code code = !valid_topic_name(topic.name) ? Code::invalid_topic_exception : partition == nullptr ? Code::unknown_topic_or_partition : Code::not_leader_or_follower;
        answer.error_code = static_cast<std::int16_t>(code);
        continue;
      }
      for (const auto& [id, producer] : partition->log().producers().producers()) {
        auto& row = answer.active_producers.emplace_back();
        row.producer_id = id.value();
        row.producer_epoch = producer.epoch;
        row.last_sequence = producer.last() == nullptr ? -1 : producer.last()->last_sequence;
        row.last_timestamp = producer.last_timestamp.value();
        row.coordinator_epoch = producer.coordinator_epoch;
        row.current_txn_start_offset = producer.open_transaction.value();
      }
    }
  }
  co_return response;
}

}  // namespace harrow
