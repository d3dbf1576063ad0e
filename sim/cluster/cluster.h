// Room: sim/cluster. The machines of a run: nodes by plan, clients as the workload asks for them, the fabric between
// them, and const views for checks. Owner: the run. Invariants: machine indices are dense and fixed; node ids are the
// plan's; a crash leaves nothing of the process behind.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/cluster/machine.h"
#include "sim/kernel/kernel.h"
#include "sim/net/fabric.h"
#include "sim/scenario/scenario.h"

namespace harrow::sim {

class Cluster {
 public:
  Cluster(Kernel& kernel, const ClusterPlan& plan, std::uint64_t seed);
  ~Cluster();
  Cluster(const Cluster&) = delete;

  /// Starts every node at the present time.
  void start();

  Kernel& kernel() { return kernel_; }
  const Kernel& kernel() const { return kernel_; }
  Fabric& fabric() { return *fabric_; }
  const ClusterPlan& plan() const { return plan_; }
  Random random(std::string_view purpose) const { return random_.fork(purpose); }

  // Nodes
  struct NodePlace {
    NodeConfig config;
    Machine* machine;
  };
  const std::vector<NodePlace>& nodes() const { return nodes_; }
  NodePlace* find_node(NodeId id);
  const NodePlace* find_node(NodeId id) const;
  /// The live node, or null while it is down.
  harrow::Node* live(NodeId id);
  const harrow::Node* live(NodeId id) const;
  /// Bootstrap addresses of all brokers, for clients.
  std::vector<Endpoint> bootstrap() const;

  // Machines; faults act on these.
  std::size_t machines() const { return machines_.size(); }
  Machine& machine(std::size_t index) { return *machines_[index]; }
  const Machine& machine(std::size_t index) const { return *machines_[index]; }
  Machine& add_client(const std::string& name, const std::string& rack);
  std::string name_of_machine(std::size_t index) const { return machines_[index]->name(); }

  void kill(NodeId id);
  void lose_power(NodeId id, std::optional<FileSystem> file_system);
  void restart(NodeId id);
  /// Controlled shutdown, then the process ends; `restart_after_ns` < 0: it stays down.
  void stop(NodeId id, std::int64_t restart_after_ns);
  bool down(NodeId id) const;
  /// Called after each start of a node's process.
  void on_start(std::function<void(const Machine&)> listener) { on_start_ = std::move(listener); }
  /// Restarts every node that is down, from now on nothing stays dead (heal).
  void restart_all();
  /// Nodes that halted by themselves (storage failure) since the last restart.
  std::uint64_t halts() const { return halts_; }

  // Views over the live nodes; what an operator with all consoles open would see.
  /// The active controller by the newest epoch, or no_node.
  NodeId active_controller() const;
  /// The image of the node that has seen most of the metadata log.
  const controller::Image* newest_image() const;
  const controller::TopicImage* topic(std::string_view name) const;
  const controller::PartitionImage* partition(std::string_view topic, std::int32_t index) const;
  /// The live replica on a broker, or null.
  const Partition* replica(NodeId broker, const TopicIdPartition& id) const;
  NodeId leader_of(std::string_view topic, std::int32_t index) const;

 private:
  void boot(NodePlace& place);
  std::unique_ptr<Machine> make_machine(const std::string& name, const std::string& rack, const Hardware& hardware, bool is_node);

  Kernel& kernel_;
  ClusterPlan plan_;
  Random random_;
  Random clock_random_;
  std::unique_ptr<Fabric> fabric_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::vector<NodePlace> nodes_;
  std::uint64_t halts_ = 0;
  std::function<void(const Machine&)> on_start_;
};

}  // namespace harrow::sim
