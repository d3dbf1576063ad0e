#include "core/controller/image_hash.h"

#include "core/base/random.h"

namespace harrow::controller {

namespace {

enum class Entry : std::uint64_t { broker = 1, controller, partition, topic, config, feature, producer_ids };

class Hasher {
 public:
  explicit Hasher(Entry entry) : state_(mix64(static_cast<std::uint64_t>(entry) * 0x9e3779b97f4a7c15ULL)) {}
  Hasher& add(std::uint64_t value) {
    state_ = mix64(state_ ^ value) + 0x9e3779b97f4a7c15ULL;
    return *this;
  }
  Hasher& number(std::int64_t value) { return add(static_cast<std::uint64_t>(value)); }
  Hasher& text(std::string_view text) {
    add(text.size());
    std::uint64_t word = 0;
    unsigned bits = 0;
    for (const char c : text) {
      word |= static_cast<std::uint64_t>(static_cast<unsigned char>(c)) << bits;
      bits += 8;
      if (bits == 64) {
        add(word);
        word = 0;
        bits = 0;
      }
    }
    return bits == 0 ? *this : add(word);
  }
  Hasher& uuid(const Uuid& id) { return add(id.high).add(id.low); }
  Hasher& nodes(const NodeIds& ids) {
    add(ids.size());
    for (const NodeId id : ids) number(id.value());
    return *this;
  }
  Hasher& uuids(const std::vector<Uuid>& ids) {
    add(ids.size());
    for (const Uuid& id : ids) uuid(id);
    return *this;
  }
  Hasher& endpoints(const std::vector<Endpoint>& endpoints) {
    add(endpoints.size());
    for (const Endpoint& e : endpoints) text(e.name).text(e.host).number(e.port).number(e.security_protocol);
    return *this;
  }
  Hasher& features(const std::vector<FeatureRange>& features) {
    add(features.size());
    for (const FeatureRange& f : features) text(f.name).number(f.min_version).number(f.max_version);
    return *this;
  }
  std::uint64_t result() const { return mix64(state_); }

 private:
  std::uint64_t state_;
};

}  // namespace

std::uint64_t hash_entry(const BrokerImage& broker) {
  Hasher h(Entry::broker);
  h.number(broker.id.value()).number(broker.epoch.value()).uuid(broker.incarnation_id);
  h.endpoints(broker.endpoints).features(broker.features);
  h.number(broker.rack ? 1 : 0).text(broker.rack ? *broker.rack : std::string_view{});
  h.uuids(broker.log_dirs).number(broker.fenced).number(broker.in_controlled_shutdown);
  return h.result();
}

std::uint64_t hash_entry(const ControllerImage& controller) {
  Hasher h(Entry::controller);
  h.number(controller.id.value()).uuid(controller.incarnation_id);
  h.endpoints(controller.endpoints).features(controller.features);
  return h.result();
}

std::uint64_t hash_entry(const Uuid& topic, std::int32_t index, const PartitionImage& partition) {
  Hasher h(Entry::partition);
  h.uuid(topic).number(index).nodes(partition.replicas).nodes(partition.isr).nodes(partition.elr);
  h.nodes(partition.last_known_elr).nodes(partition.adding).nodes(partition.removing).uuids(partition.directories);
  h.number(partition.leader.value()).number(partition.leader_epoch.value()).number(partition.partition_epoch.value());
  h.number(static_cast<std::int64_t>(partition.leader_recovery));
  return h.result();
}

std::uint64_t hash_entry(const TopicImage& topic) {
  Hasher h(Entry::topic);
  h.uuid(topic.id).text(topic.name).add(topic.partitions.size());
  return h.result();
}

std::uint64_t hash_whole(const TopicImage& topic) {
  std::uint64_t sum = hash_entry(topic);
  std::int32_t index = 0;
  for (const PartitionImage& partition : topic.partitions) sum += hash_entry(topic.id, index++, partition);
  return sum;
}

std::uint64_t hash_entry(const ConfigResource& resource, const ConfigMap& configs) {
  Hasher h(Entry::config);
  h.number(static_cast<std::int64_t>(resource.type)).text(resource.name);
  for (const auto& [key, value] : configs) h.text(key).text(value);
  return h.result();
}

std::uint64_t hash_entry(const std::string& feature, std::int16_t level) {
  return Hasher(Entry::feature).text(feature).number(level).result();
}

std::uint64_t hash_entry(const ProducerIdBlocks& blocks) {
  return blocks.next_producer_id == 0 ? 0 : Hasher(Entry::producer_ids).number(blocks.next_producer_id).result();
}

}  // namespace harrow::controller
