// An image as records and back. The order is fixed, and every record stands after what it refers to, so that a snapshot
// replays through the same code as the log.
#include "core/controller/image.h"

namespace harrow::controller {

namespace {

std::optional<std::vector<std::int32_t>> some_numbers_of(const NodeIds& nodes) {
  if (nodes.empty()) return std::nullopt;
  return numbers_of(nodes);
}

template <class Record, class Registered>
void put_endpoints_and_features(Record& r, const Registered& node) {
  for (const Endpoint& e : node.endpoints) {
    auto& out = r.end_points.emplace_back();
    out.name = e.name;
    out.host = e.host;
    out.port = e.port;
    out.security_protocol = e.security_protocol;
  }
  for (const FeatureRange& f : node.features) {
    auto& out = r.features.emplace_back();
    out.name = f.name;
    out.min_supported_version = f.min_version;
    out.max_supported_version = f.max_version;
  }
}

wire::RegisterBrokerRecord record_of(const BrokerImage& b) {
  wire::RegisterBrokerRecord r;
  r.broker_id = b.id.value();
  r.incarnation_id = b.incarnation_id;
  r.broker_epoch = b.epoch.value();
  put_endpoints_and_features(r, b);
  r.rack = b.rack;
  r.fenced = b.fenced;
  r.in_controlled_shutdown = b.in_controlled_shutdown;
  r.log_dirs = b.log_dirs;
  return r;
}

wire::RegisterControllerRecord record_of(const ControllerImage& c) {
  wire::RegisterControllerRecord r;
  r.controller_id = c.id.value();
  r.incarnation_id = c.incarnation_id;
  put_endpoints_and_features(r, c);
  return r;
}

wire::PartitionRecord record_of(const Uuid& topic_id, std::int32_t index, const PartitionImage& p) {
  wire::PartitionRecord r;
  r.partition_id = index;
  r.topic_id = topic_id;
  r.replicas = numbers_of(p.replicas);
  r.isr = numbers_of(p.isr);
  r.removing_replicas = numbers_of(p.removing);
  r.adding_replicas = numbers_of(p.adding);
  r.leader = p.leader.value();
  r.leader_recovery_state = static_cast<std::int8_t>(p.leader_recovery);
  r.leader_epoch = p.leader_epoch.value();
  r.partition_epoch = p.partition_epoch.value();
  r.directories = p.directories;
  r.eligible_leader_replicas = some_numbers_of(p.elr);
  r.last_known_elr = some_numbers_of(p.last_known_elr);
  return r;
}

}  // namespace

std::vector<wire::MetadataRecord> snapshot_of(const Image& image) {
  std::vector<wire::MetadataRecord> records;
  for (const auto& [name, level] : image.features()) {
    wire::FeatureLevelRecord r;
    r.name = name;
    r.feature_level = level;
    records.emplace_back(std::move(r));
  }
  for (const auto& [id, b] : image.brokers()) records.emplace_back(record_of(b));
  for (const auto& [id, c] : image.controllers()) records.emplace_back(record_of(c));
  for (const auto& [id, t] : image.topics()) {
    wire::TopicRecord r;
    r.name = t.name;
    r.topic_id = id;
    records.emplace_back(std::move(r));
    std::int32_t index = 0;
    for (const PartitionImage& p : t.partitions) records.emplace_back(record_of(id, index++, p));
  }
  for (const auto& [resource, map] : image.configs()) {
    for (const auto& [key, value] : map) {
      wire::ConfigRecord r;
      r.resource_type = static_cast<std::int8_t>(resource.type);
      r.resource_name = resource.name;
      r.name = key;
      r.value = value;
      records.emplace_back(std::move(r));
    }
  }
  if (image.next_producer_id() != 0) {
    wire::ProducerIdsRecord r;
    r.broker_id = -1;
    r.next_producer_id = image.next_producer_id();
    records.emplace_back(std::move(r));
  }
  return records;
}

Result<Image> image_of(const std::vector<wire::MetadataRecord>& records, Offset last_offset) {
  Image image;
  // A snapshot may hold more records than the log had offsets (one topic record became two): count apart, then set.
  Offset position{0};
  for (const wire::MetadataRecord& record : records) {
    TRY_VOID(image.replay(record, position));
    ++position;
  }
  image.offset_ = last_offset;
  return image;
}

}  // namespace harrow::controller
