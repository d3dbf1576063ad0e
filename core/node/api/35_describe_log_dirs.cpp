// DescribeLogDirs, versions 1 to 4: sizes of this broker's replicas and how far followers are behind.
#include <algorithm>

#include "core/node/api/handlers.h"

namespace harrow {

Task<wire::DescribeLogDirsResponse> describe_log_dirs(const RequestContext& context, wire::DescribeLogDirsRequest request) {
  Broker& broker = context.broker();
  co_await context.host().cpu.spend(Work::handler, broker.partitions().size());
  wire::DescribeLogDirsResponse response;
  auto& dir = response.results.emplace_back();
  dir.log_dir = broker.config().log_dir;
  std::map<std::string, std::vector<wire::DescribeLogDirsResponse::DescribeLogDirsPartition>> topics;
  for (const auto& [id, partition] : broker.partitions()) {
    if (request.topics) {
      const bool asked = std::any_of(request.topics->begin(), request.topics->end(), [&](const auto& topic) {
        return topic.topic == partition->name().topic && std::find(topic.partitions.begin(), topic.partitions.end(), id.partition) != topic.partitions.end();
      });
      if (!asked) continue;
    }
    auto& row = topics[partition->name().topic].emplace_back();
    row.partition_index = id.partition;
    row.partition_size = static_cast<std::int64_t>(partition->log().size_bytes());
    row.offset_lag = std::max<std::int64_t>(0, partition->high_watermark() - partition->log_end());
  }
  for (auto& [name, partitions] : topics) {
    auto& topic = dir.topics.emplace_back();
    topic.name = name;
    topic.partitions = std::move(partitions);
  }
  co_return response;
}

}  // namespace harrow
