#include "core/controller/image.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/controller/image_hash.h"

namespace harrow::controller {

namespace {

const ConfigMap no_configs;

bool contains(const NodeIds& ids, NodeId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }

template <class Map, class Key>
const typename Map::mapped_type* found(const Map& map, const Key& key) {
  const auto it = map.find(key);
  return it == map.end() ? nullptr : &it->second;
}

}  // namespace

const Endpoint* BrokerImage::endpoint(std::string_view listener) const {
  for (const Endpoint& e : endpoints) {
    if (e.name == listener) return &e;
  }
  return nullptr;
}

bool PartitionImage::has_replica(NodeId id) const { return contains(replicas, id); }
bool PartitionImage::in_isr(NodeId id) const { return contains(isr, id); }
bool PartitionImage::in_elr(NodeId id) const { return contains(elr, id); }

Uuid PartitionImage::directory_of(NodeId id) const {
  for (std::size_t i = 0; i < replicas.size() && i < directories.size(); ++i) {
    if (replicas[i] == id) return directories[i];
  }
  return Uuid{};
}

bool Delta::empty() const {
  return brokers.empty() && controllers.empty() && removed_topics.empty() && created_topics.empty() && partitions.empty() &&
         configs.empty() && features.empty() && !producer_ids;
}

NodeIds nodes_of(const std::vector<std::int32_t>& ids) {
  NodeIds nodes;
  nodes.reserve(ids.size());
  for (const std::int32_t id : ids) nodes.push_back(NodeId(id));
  return nodes;
}

std::vector<std::int32_t> numbers_of(const NodeIds& nodes) {
  std::vector<std::int32_t> ids;
  ids.reserve(nodes.size());
  for (const NodeId node : nodes) ids.push_back(node.value());
  return ids;
}

// Reading

const BrokerImage* Image::broker(NodeId id) const { return found(brokers_, id); }
const TopicImage* Image::topic(const Uuid& id) const { return found(topics_, id); }

const TopicImage* Image::topic(std::string_view name) const {
  const Uuid* const id = found(topic_ids_, name);
  return id == nullptr ? nullptr : topic(*id);
}

const PartitionImage* Image::partition(const Uuid& topic_id, std::int32_t index) const {
  const TopicImage* const found_topic = topic(topic_id);
  if (found_topic == nullptr || index < 0 || static_cast<std::size_t>(index) >= found_topic->partitions.size()) return nullptr;
  return &found_topic->partitions[static_cast<std::size_t>(index)];
}

const ConfigMap& Image::config(ConfigResourceType type, std::string_view name) const {
  const ConfigMap* const map = found(configs_, ConfigResource{type, std::string(name)});
  return map == nullptr ? no_configs : *map;
}

const std::string* Image::topic_config(std::string_view topic, std::string_view key) const {
  if (const std::string* const own = found(config(ConfigResourceType::topic, topic), key)) return own;
  return found(config(ConfigResourceType::broker, ""), key);
}

std::int16_t Image::feature_level(std::string_view name) const {
  const std::int16_t* const level = found(features_, std::string(name));
  return level == nullptr ? std::int16_t{0} : *level;
}

bool Image::active(NodeId id) const {
  const BrokerImage* const found_broker = broker(id);
  return found_broker != nullptr && found_broker->active();
}

void Image::advance_to(Offset offset) { offset_ = std::max(offset_, offset); }

std::uint64_t Image::hash_from_scratch() const {
  std::uint64_t sum = hash_entry(producer_ids_);
  for (const auto& [id, value] : brokers_) sum += hash_entry(value);
  for (const auto& [id, value] : controllers_) sum += hash_entry(value);
  for (const auto& [id, value] : topics_) sum += hash_whole(value);
  for (const auto& [resource, value] : configs_) sum += hash_entry(resource, value);
  for (const auto& [name, level] : features_) sum += hash_entry(name, level);
  return sum;
}

bool operator==(const Image& a, const Image& b) {
  return a.hash_ == b.hash_ && a.brokers_ == b.brokers_ && a.controllers_ == b.controllers_ && a.topics_ == b.topics_ &&
         a.configs_ == b.configs_ && a.features_ == b.features_ && a.producer_ids_ == b.producer_ids_;
}

// Changing content

void Image::set_broker(NodeId id, std::optional<BrokerImage> value) {
  const auto it = brokers_.find(id);
  if (it != brokers_.end()) hash_ -= hash_entry(it->second);
  if (value) {
    hash_ += hash_entry(*value);
    brokers_.insert_or_assign(id, std::move(*value));
  } else if (it != brokers_.end()) {
    brokers_.erase(it);
  }
}

void Image::set_controller(NodeId id, std::optional<ControllerImage> value) {
  const auto it = controllers_.find(id);
  if (it != controllers_.end()) hash_ -= hash_entry(it->second);
  if (value) {
    hash_ += hash_entry(*value);
    controllers_.insert_or_assign(id, std::move(*value));
  } else if (it != controllers_.end()) {
    controllers_.erase(it);
  }
}

void Image::set_topic(const Uuid& id, std::optional<TopicImage> value) {
  const auto it = topics_.find(id);
  if (it != topics_.end()) {
    hash_ -= hash_whole(it->second);
    topic_ids_.erase(it->second.name);
  }
  if (value) {
    hash_ += hash_whole(*value);
    topic_ids_.insert_or_assign(value->name, id);
    topics_.insert_or_assign(id, std::move(*value));
  } else if (it != topics_.end()) {
    topics_.erase(it);
  }
}

void Image::resize_topic(TopicImage& topic, std::size_t partitions) {
  const std::size_t old = topic.partitions.size();
  hash_ -= hash_entry(topic);
  for (std::size_t i = partitions; i < old; ++i) hash_ -= hash_entry(topic.id, static_cast<std::int32_t>(i), topic.partitions[i]);
  topic.partitions.resize(partitions);
  for (std::size_t i = old; i < partitions; ++i) hash_ += hash_entry(topic.id, static_cast<std::int32_t>(i), topic.partitions[i]);
  hash_ += hash_entry(topic);
}

void Image::set_partition(TopicImage& topic, std::int32_t index, PartitionImage value) {
  PartitionImage& slot = topic.partitions[static_cast<std::size_t>(index)];
  hash_ -= hash_entry(topic.id, index, slot);
  slot = std::move(value);
  hash_ += hash_entry(topic.id, index, slot);
}

void Image::set_config(const ConfigResource& resource, ConfigMap value) {
  const auto it = configs_.find(resource);
  if (it != configs_.end()) hash_ -= hash_entry(resource, it->second);
  if (!value.empty()) {
    hash_ += hash_entry(resource, value);
    configs_.insert_or_assign(resource, std::move(value));
  } else if (it != configs_.end()) {
    configs_.erase(it);
  }
}

void Image::set_feature(const std::string& name, std::optional<std::int16_t> level) {
  const auto it = features_.find(name);
  if (it != features_.end()) hash_ -= hash_entry(name, it->second);
  if (level) {
    hash_ += hash_entry(name, *level);
    features_.insert_or_assign(name, *level);
  } else if (it != features_.end()) {
    features_.erase(it);
  }
}

void Image::set_producer_ids(ProducerIdBlocks value) {
  hash_ -= hash_entry(producer_ids_);
  producer_ids_ = value;
  hash_ += hash_entry(producer_ids_);
}

void Image::revert_to(Offset end, ImageJournal& journal) {
  struct Undo {
    Image& image;
    void operator()(Before<NodeId, BrokerImage>&& b) { image.set_broker(b.key, std::move(b.value)); }
    void operator()(Before<NodeId, ControllerImage>&& b) { image.set_controller(b.key, std::move(b.value)); }
    void operator()(Before<Uuid, TopicImage>&& b) { image.set_topic(b.key, std::move(b.value)); }
    void operator()(BeforeTopicGrew&& b) {
      image.resize_topic(image.topics_.find(b.topic_id)->second, static_cast<std::size_t>(b.partitions));
    }
    void operator()(BeforePartition&& b) {
      image.set_partition(image.topics_.find(b.id.topic_id)->second, b.id.partition, std::move(b.value));
    }
    void operator()(Before<ConfigResource, ConfigMap>&& b) {
      image.set_config(b.key, b.value ? std::move(*b.value) : ConfigMap{});
    }
    void operator()(Before<std::string, std::int16_t>&& b) { image.set_feature(b.key, b.value); }
    void operator()(ProducerIdBlocks&& b) { image.set_producer_ids(b); }
  };
  journal.revert_to(end.value(), [this](ImageChange&& change) { std::visit(Undo{*this}, std::move(change)); });
  offset_ = std::min(offset_, end - 1);
}

// Text

namespace {

std::string text_of(const NodeIds& ids) {
  std::string text;
  for (const NodeId id : ids) text += fmt::format("{}{}", text.empty() ? "" : ",", id.value());
  return text.empty() ? "-" : text;
}

}  // namespace

std::string print(const PartitionImage& p) {
  std::string text = fmt::format("leader={} epoch={} partition-epoch={} replicas={} isr={}", p.leader.value(),
                                 p.leader_epoch.value(), p.partition_epoch.value(), text_of(p.replicas), text_of(p.isr));
  if (!p.elr.empty()) text += " elr=" + text_of(p.elr);
  if (!p.last_known_elr.empty()) text += " last-known-elr=" + text_of(p.last_known_elr);
  if (!p.adding.empty()) text += " adding=" + text_of(p.adding);
  if (!p.removing.empty()) text += " removing=" + text_of(p.removing);
  if (p.leader_recovery == LeaderRecovery::recovering) text += " recovering";
  return text;
}

std::string print(const BrokerImage& b) {
  return fmt::format("epoch={}{}{}{}", b.epoch.value(), b.rack ? " rack=" + *b.rack : "", b.fenced ? " fenced" : "",
                     b.in_controlled_shutdown ? " stopping" : "");
}

std::string Image::print() const {
  std::string text;
  for (const auto& [name, level] : features_) text += fmt::format("feature {} {}\n", name, level);
  for (const auto& [id, b] : brokers_) text += fmt::format("broker {} {}\n", id.value(), controller::print(b));
  for (const auto& [id, c] : controllers_) text += fmt::format("controller {}\n", id.value());
  for (const auto& [name, id] : topic_ids_) {
    const TopicImage& t = topics_.find(id)->second;
    text += fmt::format("topic {}\n", name);
    for (std::size_t i = 0; i < t.partitions.size(); ++i) text += fmt::format("  {} {}\n", i, controller::print(t.partitions[i]));
  }
  for (const auto& [resource, map] : configs_) {
    for (const auto& [key, value] : map) {
      text += fmt::format("config {} '{}' {}={}\n", static_cast<int>(resource.type), resource.name, key, value);
    }
  }
  if (producer_ids_.next_producer_id != 0) text += fmt::format("next producer id {}\n", producer_ids_.next_producer_id);
  return text;
}

}  // namespace harrow::controller
