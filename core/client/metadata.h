// What this client believes about the cluster: brokers, and leaders of the topics it asked for. Refreshed on demand (one
// request for all who ask) and every metadata.max.age.ms; an older leader epoch never replaces a newer one of the same
// topic id.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/client/connection_pool.h"
#include "core/wire/metadata_response.h"

namespace harrow {

class MetadataListener {
 public:
  virtual ~MetadataListener() = default;
  virtual void metadata_changed() = 0;
};

class Metadata {
 public:
  struct Partition {
    NodeId leader = no_node;
    LeaderEpoch epoch = no_epoch;
    Code code = Code::none;
    std::vector<NodeId> replicas, isr;
  };
  struct Topic {
    std::string name;
    Uuid id;
    Code code = Code::none;
    bool internal = false;
    std::vector<Partition> partitions;  // by index; empty while unknown
  };

  Metadata(Host& host, const ClientConfig& config, ConnectionPool& pool);

  /// From now on part of every refresh; the first time asks for one at once.
  void add_topic(std::string_view name);
  void retain_topics(const std::vector<std::string>& names);
  /// Null while nothing is known about it. Pointers hold until the topic is dropped.
  const Topic* find(std::string_view name) const;
  const Topic* find(const Uuid& id) const;

  /// Refresh soon (not more often than retry.backoff.ms).
  void request_update();
  /// Counts successful refreshes.
  std::uint64_t version() const { return version_; }
  /// Waits for a refresh that ends after `version` (see version()); asks for it.
  Task<Result<bool>> updated(std::uint64_t version, MonoNs deadline);
  /// A leader as told in a produce or fetch answer; false if that is no news.
  bool update_leader(const Uuid& topic, std::string_view name, std::int32_t partition, NodeId leader, LeaderEpoch epoch);
  void set_listener(MetadataListener& listener) { listener_ = &listener; }
  const std::string& cluster_id() const { return cluster_id_; }
  NodeId controller() const { return controller_; }

 private:
  Root run(Scope&, Label);
  /// True when something in it is not as it will be: no leader yet, an older epoch than known.
  bool apply(const wire::MetadataResponse& response);

  Host& host_;
  const ClientConfig& config_;
  ConnectionPool& pool_;
  Random random_;
  std::map<std::string, Topic, std::less<>> topics_;
  std::string cluster_id_;
  NodeId controller_ = no_node;
  MetadataListener* listener_ = nullptr;
  bool requested_ = false;
  std::uint64_t version_ = 0;
  Signal wake_;
  Signal changed_;
  Scope scope_;  // last: its roots use everything above
};

/// Exponential between the two bounds, a fifth more or less by chance; `attempt` counts from 1.
std::int64_t backoff_ns(const ClientConfig& config, std::int32_t attempt, Random& random);

}  // namespace harrow
