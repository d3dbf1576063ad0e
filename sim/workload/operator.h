// The operator of a run: a client machine with an admin client. Makes the scenario's topics before the workload begins
// and carries out administrative events. It tries again until it is answered.
#pragma once

#include <functional>
#include <memory>

#include "core/client/admin.h"
#include "sim/cluster/cluster.h"

namespace harrow::sim {

class Operator {
 public:
  explicit Operator(Cluster& cluster);
  ~Operator();
  Operator(const Operator&) = delete;

  /// Creates every topic and waits until each partition has a leader; then calls `done` in a turn of its own.
  void create_topics(std::vector<TopicPlan> topics, std::function<void()> done);
  void create_topic(TopicPlan topic, std::function<void()> done) { create_topics({std::move(topic)}, std::move(done)); }
  void delete_topic(std::string topic, std::function<void()> done);
  void add_partitions(std::string topic, std::int32_t total, std::function<void()> done);
  void alter_config(ConfigResource resource, std::string name, ConfigChange change, std::function<void()> done);
  void delete_records(TopicPartition partition, Offset before, std::function<void()> done);
  /// Makes the broker the leader by an event of the active controller (Kafka's API only re-elects the preferred one).
  void move_leader(std::string topic, std::int32_t partition, NodeId to, std::function<void()> done);

 private:
  Root creating(Scope& scope, Label label, std::vector<TopicPlan> topics, std::function<void()> done);
  Root deleting(Scope& scope, Label label, std::string topic, std::function<void()> done);
  Root adding(Scope& scope, Label label, std::string topic, std::int32_t total, std::function<void()> done);
  Root altering(Scope& scope, Label label, ConfigResource resource, std::string name, ConfigChange change, std::function<void()> done);
  Root trimming(Scope& scope, Label label, TopicPartition partition, Offset before, std::function<void()> done);
  void later(std::function<void()> done);

  Cluster& cluster_;
  Machine& machine_;
  std::unique_ptr<Admin> admin_;
};

}  // namespace harrow::sim
