// One record on its way into an image. Each alternative checks first and changes after, so that a refused record leaves
// the image as it was. Records of parts we do not keep (tokens, SCRAM, quotas, ACLs, ZooKeeper migration) pass unseen.
#include <type_traits>

#include "core/controller/image.h"

namespace harrow::controller {

PartitionImage merged(const PartitionImage& before, const wire::PartitionChangeRecord& change) {
  PartitionImage after = before;
  if (change.isr) after.isr = nodes_of(*change.isr);
  if (change.replicas) {
    after.replicas = nodes_of(*change.replicas);
    after.directories.clear();
    for (const NodeId id : after.replicas) after.directories.push_back(before.directory_of(id));
  }
  if (change.directories) after.directories = *change.directories;
  if (change.removing_replicas) after.removing = nodes_of(*change.removing_replicas);
  if (change.adding_replicas) after.adding = nodes_of(*change.adding_replicas);
  if (change.eligible_leader_replicas) after.elr = nodes_of(*change.eligible_leader_replicas);
  if (change.last_known_elr) after.last_known_elr = nodes_of(*change.last_known_elr);
  if (change.leader_recovery_state >= 0) after.leader_recovery = static_cast<LeaderRecovery>(change.leader_recovery_state);
  if (change.leader != -2) {
    after.leader = NodeId(change.leader);
    ++after.leader_epoch;
  }
  ++after.partition_epoch;
  return after;
}

namespace {

PartitionImage partition_of(const wire::PartitionRecord& record) {
  PartitionImage p;
  p.replicas = nodes_of(record.replicas);
  p.isr = nodes_of(record.isr);
  if (record.eligible_leader_replicas) p.elr = nodes_of(*record.eligible_leader_replicas);
  if (record.last_known_elr) p.last_known_elr = nodes_of(*record.last_known_elr);
  p.adding = nodes_of(record.adding_replicas);
  p.removing = nodes_of(record.removing_replicas);
  p.directories = record.directories;
  if (p.directories.empty()) p.directories.resize(p.replicas.size());  // written before directories had ids
  p.leader = NodeId(record.leader);
  p.leader_epoch = LeaderEpoch(record.leader_epoch);
  p.partition_epoch = PartitionEpoch(record.partition_epoch);
  p.leader_recovery = static_cast<LeaderRecovery>(record.leader_recovery_state);
  return p;
}

template <class Listeners>
std::vector<Endpoint> endpoints_of(const Listeners& listeners) {
  std::vector<Endpoint> endpoints;
  for (const auto& l : listeners) endpoints.push_back({l.name, l.host, l.port, l.security_protocol});
  return endpoints;
}

template <class Features>
std::vector<FeatureRange> features_of(const Features& features) {
  std::vector<FeatureRange> ranges;
  for (const auto& f : features) ranges.push_back({f.name, f.min_supported_version, f.max_supported_version});
  return ranges;
}

Result<void> damaged(const char* what) { return error(Code::malformed_input, what); }

}  // namespace

class Image::Replay {
 public:
  Replay(Image& image, Offset offset, Delta& delta, ImageJournal* journal)
      : image_(image), offset_(offset), delta_(delta), journal_(journal) {}

  Result<void> operator()(const wire::RegisterBrokerRecord& r) {
    BrokerImage b;
    b.id = NodeId(r.broker_id);
    b.epoch = BrokerEpoch(r.broker_epoch);
    b.incarnation_id = r.incarnation_id;
    b.endpoints = endpoints_of(r.end_points);
    b.features = features_of(r.features);
    b.rack = r.rack;
    b.log_dirs = r.log_dirs;
    b.fenced = r.fenced;
    b.in_controlled_shutdown = r.in_controlled_shutdown;
    put_broker(b.id, std::move(b));
    return {};
  }
  Result<void> operator()(const wire::UnregisterBrokerRecord& r) {
    const BrokerImage* const b = image_.broker(NodeId(r.broker_id));
    if (b == nullptr) return damaged("unregisters an unknown broker");
    if (b->epoch != BrokerEpoch(r.broker_epoch)) return damaged("unregisters another epoch of a broker");
    put_broker(b->id, std::nullopt);
    return {};
  }
  Result<void> operator()(const wire::BrokerRegistrationChangeRecord& r) {
    const BrokerImage* const b = image_.broker(NodeId(r.broker_id));
    if (b == nullptr) return damaged("changes an unknown broker");
    if (b->epoch != BrokerEpoch(r.broker_epoch)) return damaged("changes another epoch of a broker");
    BrokerImage after = *b;
    if (r.fenced != 0) after.fenced = r.fenced > 0;
    if (r.in_controlled_shutdown != 0) after.in_controlled_shutdown = r.in_controlled_shutdown > 0;
    if (!r.log_dirs.empty()) after.log_dirs = r.log_dirs;
    put_broker(after.id, std::move(after));
    return {};
  }
  Result<void> operator()(const wire::FenceBrokerRecord& r) { return set_fenced(r.id, r.epoch, true); }
  Result<void> operator()(const wire::UnfenceBrokerRecord& r) { return set_fenced(r.id, r.epoch, false); }

  Result<void> operator()(const wire::RegisterControllerRecord& r) {
    const NodeId id(r.controller_id);
    if (journal_ != nullptr) journal_->note(offset_.value(), before_of(image_.controllers_, id));
    image_.set_controller(id, ControllerImage{id, r.incarnation_id, endpoints_of(r.end_points), features_of(r.features)});
    delta_.controllers.insert(id);
    return {};
  }

  Result<void> operator()(const wire::TopicRecord& r) {
    if (image_.topic(r.topic_id) != nullptr) return damaged("a topic id is used twice");
    if (image_.topic(r.name) != nullptr) return damaged("a topic name is used twice");
    note_topic(r.topic_id);
    image_.set_topic(r.topic_id, TopicImage{r.topic_id, r.name, {}});
    delta_.created_topics.insert(r.topic_id);
    return {};
  }
  Result<void> operator()(const wire::RemoveTopicRecord& r) {
    const TopicImage* const t = image_.topic(r.topic_id);
    if (t == nullptr) return damaged("removes an unknown topic");
    const ConfigResource resource{ConfigResourceType::topic, t->name};
    if (image_.configs_.contains(resource)) put_config(resource, {});
    const auto partitions = static_cast<std::int32_t>(t->partitions.size());
    for (std::int32_t i = 0; i < partitions; ++i) delta_.partitions.erase({r.topic_id, i});
    if (delta_.created_topics.erase(r.topic_id) == 0) delta_.removed_topics[r.topic_id] = {t->name, partitions};
    note_topic(r.topic_id);
    image_.set_topic(r.topic_id, std::nullopt);
    return {};
  }
  Result<void> operator()(const wire::PartitionRecord& r) {
    const auto found = image_.topics_.find(r.topic_id);
    if (found == image_.topics_.end()) return damaged("a partition of an unknown topic");
    TopicImage& t = found->second;
    const auto count = static_cast<std::int32_t>(t.partitions.size());
    if (r.partition_id < 0 || r.partition_id > count) return damaged("a partition out of order");
    const TopicIdPartition id{r.topic_id, r.partition_id};
    if (r.partition_id == count) {
      if (journal_ != nullptr) journal_->note(offset_.value(), BeforeTopicGrew{r.topic_id, count});
      image_.resize_topic(t, t.partitions.size() + 1);
    } else {
      note_partition(id);
    }
    image_.set_partition(t, r.partition_id, partition_of(r));
    delta_.partitions.insert(id);
    return {};
  }
  Result<void> operator()(const wire::PartitionChangeRecord& r) {
    const TopicIdPartition id{r.topic_id, r.partition_id};
    const PartitionImage* const p = image_.partition(id);
    if (p == nullptr) return damaged("changes an unknown partition");
    put_partition(id, merged(*p, r));
    return {};
  }
  Result<void> operator()(const wire::ClearElrRecord& r) {
    if (!r.topic_name.empty() && image_.topic(r.topic_name) == nullptr) return damaged("clears the ELR of an unknown topic");
    for (const auto& [id, t] : image_.topics_) {
      if (!r.topic_name.empty() && t.name != r.topic_name) continue;
      for (std::size_t i = 0; i < t.partitions.size(); ++i) {
        if (t.partitions[i].elr.empty() && t.partitions[i].last_known_elr.empty()) continue;
        PartitionImage after = t.partitions[i];
        after.elr.clear();
        after.last_known_elr.clear();
        put_partition({id, static_cast<std::int32_t>(i)}, std::move(after));
      }
    }
    return {};
  }

  Result<void> operator()(const wire::ConfigRecord& r) {
    const ConfigResource resource{static_cast<ConfigResourceType>(r.resource_type), r.resource_name};
    ConfigMap after = image_.config(resource.type, resource.name);
    if (r.value) after.insert_or_assign(r.name, *r.value);
    else after.erase(r.name);
    put_config(resource, std::move(after));
    return {};
  }
  Result<void> operator()(const wire::FeatureLevelRecord& r) {
    if (journal_ != nullptr) journal_->note(offset_.value(), before_of(image_.features_, r.name));
    image_.set_feature(r.name, r.feature_level == 0 ? std::nullopt : std::optional<std::int16_t>(r.feature_level));
    delta_.features.insert(r.name);
    return {};
  }
  Result<void> operator()(const wire::ProducerIdsRecord& r) {
    if (r.next_producer_id < image_.next_producer_id()) return damaged("producer ids go back");
    if (journal_ != nullptr) journal_->note(offset_.value(), image_.producer_ids_);
    image_.set_producer_ids({r.next_producer_id});
    delta_.producer_ids = true;
    return {};
  }
  /// Batches are atomic by themselves here; a transaction's borders carry no content. An abort would have to take
  /// records back that readers saw: no controller of ours writes one.
  Result<void> operator()(const wire::AbortTransactionRecord&) { return damaged("aborted metadata transaction"); }
  template <class Other>
  Result<void> operator()(const Other&) {
    return {};
  }

 private:
  Result<void> set_fenced(std::int32_t id, std::int64_t epoch, bool fenced) {
    const BrokerImage* const b = image_.broker(NodeId(id));
    if (b == nullptr || b->epoch != BrokerEpoch(epoch)) return damaged("fences an unknown broker or epoch");
    BrokerImage after = *b;
    after.fenced = fenced;
    put_broker(after.id, std::move(after));
    return {};
  }
  void put_broker(NodeId id, std::optional<BrokerImage> value) {
    if (journal_ != nullptr) journal_->note(offset_.value(), before_of(image_.brokers_, id));
    image_.set_broker(id, std::move(value));
    delta_.brokers.insert(id);
  }
  void put_partition(const TopicIdPartition& id, PartitionImage value) {
    note_partition(id);
    image_.set_partition(image_.topics_.find(id.topic_id)->second, id.partition, std::move(value));
    delta_.partitions.insert(id);
  }
  void put_config(const ConfigResource& resource, ConfigMap value) {
    if (journal_ != nullptr) journal_->note(offset_.value(), before_of(image_.configs_, resource));
    image_.set_config(resource, std::move(value));
    delta_.configs.insert(resource);
  }
  void note_topic(const Uuid& id) {
    if (journal_ != nullptr) journal_->note(offset_.value(), before_of(image_.topics_, id));
  }
  void note_partition(const TopicIdPartition& id) {
    if (journal_ != nullptr) journal_->note(offset_.value(), BeforePartition{id, *image_.partition(id)});
  }

  Image& image_;
  Offset offset_;
  Delta& delta_;
  ImageJournal* journal_;
};

Result<void> Image::replay(const wire::MetadataRecord& record, Offset offset, Delta* delta, ImageJournal* journal) {
  if (offset <= offset_) return error(Code::malformed_input, "a metadata record twice");
  Delta unread;
  const Result<void> done = std::visit(Replay(*this, offset, delta == nullptr ? unread : *delta, journal), record);
  if (done) offset_ = offset;
  return done;
}

void Delta::merge(const Delta& later) {
  brokers.insert(later.brokers.begin(), later.brokers.end());
  controllers.insert(later.controllers.begin(), later.controllers.end());
  for (const auto& [id, topic] : later.removed_topics) {
    partitions.erase(partitions.lower_bound({id, INT32_MIN}), partitions.upper_bound({id, INT32_MAX}));
    if (created_topics.erase(id) == 0) removed_topics.insert_or_assign(id, topic);
  }
  created_topics.insert(later.created_topics.begin(), later.created_topics.end());
  partitions.insert(later.partitions.begin(), later.partitions.end());
  configs.insert(later.configs.begin(), later.configs.end());
  features.insert(later.features.begin(), later.features.end());
  producer_ids = producer_ids || later.producer_ids;
}

Delta difference(const Image& from, const Image& to) {
  Delta delta;
  const auto compare = [](const auto& old_map, const auto& new_map, auto& changed) {
    for (const auto& [key, value] : old_map) {
      const auto it = new_map.find(key);
      if (it == new_map.end() || !(it->second == value)) changed.insert(key);
    }
    for (const auto& [key, value] : new_map) {
      if (!old_map.contains(key)) changed.insert(key);
    }
  };
  compare(from.brokers(), to.brokers(), delta.brokers);
  compare(from.controllers(), to.controllers(), delta.controllers);
  compare(from.configs(), to.configs(), delta.configs);
  compare(from.features(), to.features(), delta.features);
  delta.producer_ids = from.next_producer_id() != to.next_producer_id();
  for (const auto& [id, t] : from.topics()) {
    if (to.topic(id) == nullptr) delta.removed_topics[id] = {t.name, static_cast<std::int32_t>(t.partitions.size())};
  }
  for (const auto& [id, t] : to.topics()) {
    const TopicImage* const old = from.topic(id);
    if (old == nullptr) delta.created_topics.insert(id);
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(t.partitions.size()); ++i) {
      const PartitionImage* const before = from.partition(id, i);
      if (before == nullptr || !(*before == t.partitions[static_cast<std::size_t>(i)])) delta.partitions.insert({id, i});
    }
  }
  return delta;
}

}  // namespace harrow::controller
