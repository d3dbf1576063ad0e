#include "core/client/metadata.h"

#include <algorithm>

#include "core/base/mutation.h"
#include "core/wire/metadata_request.h"

namespace harrow {

std::int64_t backoff_ns(const ClientConfig& config, std::int32_t attempt, Random& random) {
  std::int64_t ms = config.retry_backoff_ms;
  for (std::int32_t i = 1; i < attempt && ms < config.retry_backoff_max_ms; ++i) ms *= 2;
  ms = std::min<std::int64_t>(ms, config.retry_backoff_max_ms);
  return ms * random.between(80, 120) * (ns_per_ms / 100);
}

Metadata::Metadata(Host& host, const ClientConfig& config, ConnectionPool& pool)
    : host_(host), config_(config), pool_(pool), random_(host.random.fork(config.client_id).fork("metadata backoff")), wake_(host.timers),
      changed_(host.timers), scope_(host.scope.queue()) {
  run(scope_, Label("client metadata"));
}

void Metadata::add_topic(std::string_view name) {
  if (topics_.find(name) != topics_.end()) return;
  topics_[std::string(name)].name = std::string(name);
  request_update();
}

void Metadata::retain_topics(const std::vector<std::string>& names) {
  std::erase_if(topics_, [&](const auto& entry) { return std::find(names.begin(), names.end(), entry.first) == names.end(); });
}

const Metadata::Topic* Metadata::find(std::string_view name) const {
  const auto found = topics_.find(name);
  return found == topics_.end() || found->second.partitions.empty() ? nullptr : &found->second;
}

const Metadata::Topic* Metadata::find(const Uuid& id) const {
  for (const auto& [name, topic] : topics_)
    if (topic.id == id && !topic.partitions.empty()) return &topic;
  return nullptr;
}

void Metadata::request_update() {
  if (requested_) return;
  requested_ = true;
  wake_.wake();
}

Task<Result<bool>> Metadata::updated(std::uint64_t version, MonoNs deadline) {
  while (version_ <= version) {
    request_update();
    const Reached reached = co_await changed_.next(deadline);
    if (reached != Reached::reached && version_ <= version) co_return error(Code::request_timed_out, "no metadata in time");
  }
  co_return true;
}

bool Metadata::update_leader(const Uuid& topic_id, std::string_view name, std::int32_t partition, NodeId leader, LeaderEpoch epoch) {
  if (leader == no_node || epoch == no_epoch || !pool_.knows(leader)) return false;
  Topic* topic = nullptr;
  for (auto& [key, entry] : topics_)
    if (topic_id.is_zero() ? key == name : entry.id == topic_id) topic = &entry;
  if (topic == nullptr || partition < 0 || static_cast<std::size_t>(partition) >= topic->partitions.size()) return false;
  Partition& entry = topic->partitions[static_cast<std::size_t>(partition)];
  if (epoch <= entry.epoch) return false;
  entry.epoch = epoch;
  entry.leader = leader;
  if (listener_ != nullptr) listener_->metadata_changed();
  return true;
}

Root Metadata::run(Scope&, Label) {
  MonoNs last_success = host_.timers.now();
  MonoNs earliest{0};
  std::int32_t failures = 0;
  std::int32_t unsettled = 1;
  for (;;) {
    if (!requested_) {
      co_await wake_.next(after_ms(last_success, config_.metadata_max_age_ms));
      if (!requested_ && host_.timers.now() < after_ms(last_success, config_.metadata_max_age_ms)) continue;
    }
    if (host_.timers.now() < earliest) {
      co_await Sleep(host_.timers, earliest, "metadata backoff");
    }
    requested_ = false;
    wire::MetadataRequest request;
    request.allow_auto_topic_creation = config_.allow_auto_create_topics;
    request.topics.emplace();
    for (const auto& [name, topic] : topics_) request.topics->emplace_back().name = name;
    BrokerConnection& broker = pool_.any();
    const Result<wire::MetadataResponse> response = co_await broker.call(std::move(request));
    if (!response || response->brokers.empty()) {
      ++failures;
      requested_ = true;
      earliest = host_.timers.now() + backoff_ns(config_, failures, random_);
      continue;
    }
    failures = 0;
    last_success = host_.timers.now();
    unsettled = apply(*response) ? unsettled + 1 : 1;
    earliest = last_success + backoff_ns(config_, unsettled, random_);
  }
}

bool Metadata::apply(const wire::MetadataResponse& response) {
  std::vector<NodeId> live;
  for (const auto& broker : response.brokers) {
    pool_.set_broker(NodeId(broker.node_id), Endpoint{broker.host, static_cast<std::uint16_t>(broker.port)});
    live.push_back(NodeId(broker.node_id));
  }
  pool_.set_live(std::move(live));
  if (response.cluster_id) cluster_id_ = *response.cluster_id;
  controller_ = NodeId(response.controller_id);
  bool again = false;
  for (const auto& told : response.topics) {
    if (!told.name) continue;
    const auto found = topics_.find(*told.name);
    if (found == topics_.end()) continue;
    Topic& topic = found->second;
    topic.code = code_from_wire(told.error_code);
    if (topic.code != Code::none) {
      again = again || is_retriable(topic.code);
      if (topic.code == Code::unknown_topic_or_partition) topic.partitions.clear();
      continue;
    }
    // Deleted and made anew: what was known is about another one.
    const bool other_topic = topic.id != told.topic_id && !mutated(Bug::F08);
    topic.id = told.topic_id;
    topic.internal = told.is_internal;
    if (other_topic) topic.partitions.clear();
    for (const auto& said : told.partitions) {
      const std::size_t index = static_cast<std::size_t>(said.partition_index);
      if (said.partition_index < 0 || index >= told.partitions.size()) continue;
      if (topic.partitions.size() <= index) topic.partitions.resize(index + 1);
      Partition& partition = topic.partitions[index];
      if (LeaderEpoch(said.leader_epoch) < partition.epoch && said.leader_epoch >= 0) {
        again = true;  // this broker lags
        continue;
      }
      partition.code = code_from_wire(said.error_code);
      partition.leader = NodeId(said.leader_id);
      partition.epoch = LeaderEpoch(said.leader_epoch);
      partition.replicas.clear();
      for (const std::int32_t replica : said.replica_nodes) partition.replicas.push_back(NodeId(replica));
      partition.isr.clear();
      for (const std::int32_t replica : said.isr_nodes) partition.isr.push_back(NodeId(replica));
      if (partition.leader == no_node || !pool_.knows(partition.leader)) {
        partition.leader = no_node;
        again = true;
      }
    }
  }
  ++version_;
  if (again) request_update();
  changed_.wake();
  if (listener_ != nullptr) listener_->metadata_changed();
  return again;
}

}  // namespace harrow
