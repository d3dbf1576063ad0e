// Room: controller. Pure decisions: no waiting, no Host, no clock; time, randomness and offsets come in as arguments.
//
// The image is the cluster's metadata as the metadata log tells it: every node replays the same records and holds the
// same image. Brokers read it (after `publish`), the active controller decides on it.
// Owner: the broker's publisher, or the controller's State (which may run ahead of the committed offset, see ImageJournal).
// May touch: model and wire only.
// Invariants: the same records give the same content and `hash()` (I19); an image rebuilt from `snapshot_of` is equal
// (I20); partitions of a topic are dense from 0; a rejected record changes nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/result.h"
#include "core/base/undo_journal.h"
#include "core/model/config_keys.h"
#include "core/model/ids.h"
#include "core/wire/metadata_records.h"

namespace harrow::controller {

using NodeIds = std::vector<NodeId>;

struct Endpoint {
  std::string name;  // of the listener
  std::string host;
  std::uint16_t port = 0;
  std::int16_t security_protocol = 0;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct FeatureRange {
  std::string name;
  std::int16_t min_version = 0;
  std::int16_t max_version = 0;
  friend bool operator==(const FeatureRange&, const FeatureRange&) = default;
};

struct BrokerImage {
  NodeId id = no_node;
  BrokerEpoch epoch{-1};
  Uuid incarnation_id;
  std::vector<Endpoint> endpoints;
  std::vector<FeatureRange> features;
  std::optional<std::string> rack;
  std::vector<Uuid> log_dirs;
  bool fenced = true;
  bool in_controlled_shutdown = false;

  /// A broker that has applied its own registration record may be unfenced: the epoch is that record's offset.
  Offset registered_at() const { return Offset(epoch.value()); }
  /// May lead and may be in an ISR.
  bool active() const { return !fenced && !in_controlled_shutdown; }
  /// The endpoint of this listener, or nullptr.
  const Endpoint* endpoint(std::string_view listener) const;
  friend bool operator==(const BrokerImage&, const BrokerImage&) = default;
};

/// A controller's registration (its listeners and the features that it supports).
struct ControllerImage {
  NodeId id = no_node;
  Uuid incarnation_id;
  std::vector<Endpoint> endpoints;
  std::vector<FeatureRange> features;
  friend bool operator==(const ControllerImage&, const ControllerImage&) = default;
};

enum class LeaderRecovery : std::int8_t { recovered = 0, recovering = 1 };

struct PartitionImage {
  NodeIds replicas;
  NodeIds isr;
  NodeIds elr;
  NodeIds last_known_elr;
  NodeIds adding;
  NodeIds removing;
  std::vector<Uuid> directories;  // one a replica, in the order of `replicas`
  NodeId leader = no_node;
  LeaderEpoch leader_epoch{0};
  PartitionEpoch partition_epoch{0};
  LeaderRecovery leader_recovery = LeaderRecovery::recovered;

  bool has_replica(NodeId id) const;
  bool in_isr(NodeId id) const;
  bool in_elr(NodeId id) const;
  bool reassigning() const { return !adding.empty() || !removing.empty(); }
  /// Zero uuid when this replica has none.
  Uuid directory_of(NodeId id) const;
  friend bool operator==(const PartitionImage&, const PartitionImage&) = default;
};

struct TopicImage {
  Uuid id;
  std::string name;
  std::vector<PartitionImage> partitions;  // by index
  friend bool operator==(const TopicImage&, const TopicImage&) = default;
};

enum class ConfigResourceType : std::int8_t { topic = 2, broker = 4, client_metrics = 16, group = 32 };

/// What a configuration belongs to; a broker's name is its id, and the empty name is the cluster's default.
struct ConfigResource {
  ConfigResourceType type = ConfigResourceType::topic;
  std::string name;
  friend auto operator<=>(const ConfigResource&, const ConfigResource&) = default;
};

struct ProducerIdBlocks {
  std::int64_t next_producer_id = 0;
  friend bool operator==(const ProducerIdBlocks&, const ProducerIdBlocks&) = default;
};

/// What a batch of records changed, in id order, so that a broker applies it in one turn.
struct Delta {
  struct RemovedTopic {
    std::string name;
    std::int32_t partitions = 0;
  };
  std::set<NodeId> brokers;  // registered, changed or gone: look the id up
  std::set<NodeId> controllers;
  std::map<Uuid, RemovedTopic> removed_topics;  // those that the last published image had, or a publisher may have seen
  std::set<Uuid> created_topics;
  std::set<TopicIdPartition> partitions;  // new or changed, of topics that still exist
  std::set<ConfigResource> configs;
  std::set<std::string> features;
  bool producer_ids = false;

  bool empty() const;
  void clear() { *this = Delta{}; }
  /// Adds what a later batch changed.
  void merge(const Delta& later);
};

/// What undoing needs: the entries that uncommitted records overwrote.
struct BeforeTopicGrew {  // partitions were added: cut back to `partitions`
  Uuid topic_id;
  std::int32_t partitions;
};
struct BeforePartition {
  TopicIdPartition id;
  PartitionImage value;
};
using ImageChange = std::variant<Before<NodeId, BrokerImage>, Before<NodeId, ControllerImage>, Before<Uuid, TopicImage>,
                                 BeforeTopicGrew, BeforePartition, Before<ConfigResource, ConfigMap>,
                                 Before<std::string, std::int16_t>, ProducerIdBlocks>;
using ImageJournal = UndoJournal<ImageChange>;

class Image {
 public:
  // Reading. References and pointers stay valid until the next replay or revert.
  const std::map<NodeId, BrokerImage>& brokers() const { return brokers_; }
  const std::map<NodeId, ControllerImage>& controllers() const { return controllers_; }
  const std::map<Uuid, TopicImage>& topics() const { return topics_; }
  const std::map<std::string, Uuid, std::less<>>& topic_ids() const { return topic_ids_; }
  const std::map<ConfigResource, ConfigMap>& configs() const { return configs_; }
  const std::map<std::string, std::int16_t>& features() const { return features_; }
  std::int64_t next_producer_id() const { return producer_ids_.next_producer_id; }

  /// nullptr when there is none.
  const BrokerImage* broker(NodeId id) const;
  const TopicImage* topic(const Uuid& id) const;
  const TopicImage* topic(std::string_view name) const;
  const PartitionImage* partition(const Uuid& topic_id, std::int32_t index) const;
  const PartitionImage* partition(const TopicIdPartition& id) const { return partition(id.topic_id, id.partition); }
  /// The set keys of a resource; empty when none is set.
  const ConfigMap& config(ConfigResourceType type, std::string_view name) const;
  /// A topic's own value, else the cluster's default under the same key, else nullptr (the table's default counts then).
  const std::string* topic_config(std::string_view topic, std::string_view key) const;
  /// 0 when the feature is not finalised.
  std::int16_t feature_level(std::string_view name) const;
  bool active(NodeId broker) const;

  /// Offset of the last record applied; -1 for an empty image.
  Offset offset() const { return offset_; }
  /// A batch may end in control records, which are never replayed: moves the offset alone.
  void advance_to(Offset offset);

  /// Applies one record. `delta` gathers what changed; `journal` keeps what was overwritten. An error means that this
  /// log is not ours or is damaged: the image is unchanged and the node must stop.
  Result<void> replay(const wire::MetadataRecord& record, Offset offset, Delta* delta = nullptr, ImageJournal* journal = nullptr);
  /// Takes back every journalled record at or above `end`.
  void revert_to(Offset end, ImageJournal& journal);

  /// Hash of the content (not of the offset), kept up to date by replay: asking costs nothing.
  std::uint64_t hash() const { return hash_; }
  /// The same, computed from scratch (tests compare the two).
  std::uint64_t hash_from_scratch() const;
  /// Equal content; offsets may differ (NoOp records change nothing).
  friend bool operator==(const Image& a, const Image& b);
  std::string print() const;

 private:
  friend Result<Image> image_of(const std::vector<wire::MetadataRecord>& records, Offset last_offset);
  class Replay;  // one record on its way in

  // The only ways to change content; each keeps the hash true. An empty value erases.
  void set_broker(NodeId id, std::optional<BrokerImage> value);
  void set_controller(NodeId id, std::optional<ControllerImage> value);
  void set_topic(const Uuid& id, std::optional<TopicImage> value);
  void resize_topic(TopicImage& topic, std::size_t partitions);
  void set_partition(TopicImage& topic, std::int32_t index, PartitionImage value);
  void set_config(const ConfigResource& resource, ConfigMap value);
  void set_feature(const std::string& name, std::optional<std::int16_t> level);
  void set_producer_ids(ProducerIdBlocks value);

  std::map<NodeId, BrokerImage> brokers_;
  std::map<NodeId, ControllerImage> controllers_;
  std::map<Uuid, TopicImage> topics_;
  std::map<std::string, Uuid, std::less<>> topic_ids_;
  std::map<ConfigResource, ConfigMap> configs_;
  std::map<std::string, std::int16_t> features_;
  ProducerIdBlocks producer_ids_;
  Offset offset_ = no_offset;
  std::uint64_t hash_ = 0;
};

/// What a broker must apply to go from one image to another: used when a snapshot replaces the image.
Delta difference(const Image& from, const Image& to);

/// The records that rebuild the image, in a fixed order. Each fits a batch; write them with `offset` as the snapshot's end.
std::vector<wire::MetadataRecord> snapshot_of(const Image& image);
/// The image that these records make; its offset is `last_offset` (the snapshot's end offset - 1).
Result<Image> image_of(const std::vector<wire::MetadataRecord>& records, Offset last_offset);

/// The partition after this record.
PartitionImage merged(const PartitionImage& before, const wire::PartitionChangeRecord& change);

std::string print(const PartitionImage& partition);
std::string print(const BrokerImage& broker);

NodeIds nodes_of(const std::vector<std::int32_t>& ids);
std::vector<std::int32_t> numbers_of(const NodeIds& nodes);

}  // namespace harrow::controller
