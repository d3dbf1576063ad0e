#include "sim/workload/client_options.h"

#include <algorithm>
#include <charconv>

#include "core/client/assignors.h"

namespace harrow::sim {
namespace {

/// Reads `key` into `out` if the plan sets it.
template <class Number>
void read_number(const ConfigMap& map, std::string_view key, Number& out) {
  const auto found = map.find(key);
  if (found == map.end()) return;
  std::int64_t value = 0;
  const auto result = std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  if (result.ec == std::errc()) out = static_cast<Number>(value);
}
void read_flag(const ConfigMap& map, std::string_view key, bool& out) {
  const auto found = map.find(key);
  if (found != map.end()) out = found->second == "true";
}
/// "range,cooperative-sticky": names that the reader of the scenario has checked.
std::vector<Assignor> strategy_of(std::string_view list) {
  std::vector<Assignor> strategy;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    if (const std::optional<Assignor> assignor = assignor_named(list.substr(0, end))) strategy.push_back(*assignor);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return strategy;
}
void read_shared(const ConfigMap& map, ClientConfig& config) {
  read_number(map, "request.timeout.ms", config.request_timeout_ms);
  read_number(map, "default.api.timeout.ms", config.default_api_timeout_ms);
  read_number(map, "retry.backoff.ms", config.retry_backoff_ms);
  read_number(map, "retry.backoff.max.ms", config.retry_backoff_max_ms);
  read_number(map, "reconnect.backoff.ms", config.reconnect_backoff_ms);
  read_number(map, "reconnect.backoff.max.ms", config.reconnect_backoff_max_ms);
  read_number(map, "metadata.max.age.ms", config.metadata_max_age_ms);
  read_number(map, "socket.connection.setup.timeout.ms", config.connection_setup_timeout_ms);
}

}  // namespace

ProducerConfig producer_config_of(const ProducerPlan& plan, std::vector<Endpoint> bootstrap, std::string client_id) {
  ProducerConfig config;
  config.bootstrap_servers = std::move(bootstrap);
  config.client_id = std::move(client_id);
  read_shared(plan.client, config);
  config.acks = static_cast<Acks>(plan.acks);
  config.enable_idempotence = plan.idempotent;
  read_number(plan.client, "batch.size", config.batch_size);
  read_number(plan.client, "linger.ms", config.linger_ms);
  read_number(plan.client, "buffer.memory", config.buffer_memory);
  read_number(plan.client, "max.in.flight.requests.per.connection", config.max_in_flight_requests_per_connection);
  read_number(plan.client, "delivery.timeout.ms", config.delivery_timeout_ms);
  read_number(plan.client, "retries", config.retries);
  read_number(plan.client, "max.request.size", config.max_request_size);
  read_number(plan.client, "max.block.ms", config.max_block_ms);
  if (const auto codec = plan.client.find("compression.type"); codec != plan.client.end()) {
    if (codec->second == "gzip") config.compression_type = Codec::gzip;
    else if (codec->second == "snappy") config.compression_type = Codec::snappy;
    else if (codec->second == "lz4") config.compression_type = Codec::lz4;
    else if (codec->second == "zstd") config.compression_type = Codec::zstd;
  }
  return config;
}

ConsumerConfig consumer_config_of(const ConsumerPlan& plan, std::vector<Endpoint> bootstrap, std::string client_id, const std::string& rack) {
  ConsumerConfig config;
  config.bootstrap_servers = std::move(bootstrap);
  config.client_id = std::move(client_id);
  config.client_rack = rack;
  config.group_id = plan.group;
  config.auto_offset_reset = OffsetReset::earliest;  // a scenario's consumers read everything unless told otherwise
  config.enable_auto_commit = plan.commit == ConsumerPlan::Commit::automatic;
  const ConfigMap& map = plan.client;
  read_shared(map, config);
  if (const auto reset = map.find("auto.offset.reset"); reset != map.end())
    config.auto_offset_reset = reset->second == "latest" ? OffsetReset::latest : reset->second == "none" ? OffsetReset::none : OffsetReset::earliest;
  if (const auto id = map.find("group.instance.id"); id != map.end()) config.group_instance_id = id->second + config.client_id.substr(config.client_id.rfind('/'));
  if (const auto assignor = map.find("partition.assignment.strategy"); assignor != map.end())
    config.partition_assignment_strategy = strategy_of(assignor->second);
  read_flag(map, "enable.auto.commit", config.enable_auto_commit);
  read_flag(map, "check.crcs", config.check_crcs);
  read_number(map, "auto.commit.interval.ms", config.auto_commit_interval_ms);
  read_number(map, "session.timeout.ms", config.session_timeout_ms);
  read_number(map, "heartbeat.interval.ms", config.heartbeat_interval_ms);
  read_number(map, "max.poll.interval.ms", config.max_poll_interval_ms);
  read_number(map, "max.poll.records", config.max_poll_records);
  read_number(map, "fetch.min.bytes", config.fetch_min_bytes);
  read_number(map, "fetch.max.wait.ms", config.fetch_max_wait_ms);
  read_number(map, "fetch.max.bytes", config.fetch_max_bytes);
  read_number(map, "max.partition.fetch.bytes", config.max_partition_fetch_bytes);
  return config;
}

}  // namespace harrow::sim
