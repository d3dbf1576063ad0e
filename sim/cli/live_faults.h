// The fault grammar on a running cluster of `harrow serve`: from a file, over HTTP, or by `harrow chaos`. The same lines as
// in a scenario; times count from ready. Owner: the served cluster, on the supervisor's thread.
// Invariants: a fault is answered once it is in effect; every fault ends, at the latest with heal(); advertised addresses
// never move. What needs a machine of its own (power loss, slow links, damage at rest) is refused by name.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/client/admin.h"
#include "sim/cli/served_node.h"
#include "sim/scenario/scenario.h"
#include "sim/scenario/tree.h"

namespace harrow::cli {

/// What the newest metadata of the nodes that answer says.
struct ClusterView {
  struct Part {
    Uuid topic_id;
    NodeId leader = no_node;
    LeaderEpoch leader_epoch = no_epoch;
    std::vector<NodeId> replicas, isr;
  };
  Offset offset = no_offset;
  NodeId active_controller = no_node;
  std::map<std::string, std::vector<Part>> topics;
  const Part* part(const std::string& topic, std::int32_t partition) const;
};

class LiveFaults {
 public:
  struct Outcome {
    bool ok = false;
    std::string text;  // a line of JSON about the fault, or what is wrong
  };
  using Reply = std::function<void(Outcome)>;
  LiveFaults(posix::PosixHost& supervisor, std::vector<std::unique_ptr<ServedNode>>& nodes);

  /// One line of the grammar; without `at` or `when` it begins at once.
  void apply(const std::string& line, Reply reply);
  /// A file with a list of them, alone or under `faults:`. What is wrong with it, or nothing; start() schedules it.
  std::optional<std::string> load(const std::string& path);
  void start();
  /// Ends every fault and starts every node that is down.
  void heal();
  /// A JSON array, the oldest first.
  std::string list() const;
  /// Told when a node's thread has ended; true if a fault is why.
  bool node_ended(const ServedNode& node);

 private:
  struct Record {
    std::int64_t id = 0;
    sim::FaultKind kind = sim::FaultKind::kill;
    std::string target, state = "waits", note;
    std::int64_t from_ns = -1, until_ns = -1;  // since start()
  };
  using Nodes = std::vector<ServedNode*>;

  std::optional<std::vector<sim::Fault>> read(const sim::Tree& lines, const std::string& name, std::string& wrong);
  ClusterView view();
  bool holds(const sim::Condition& condition);
  Nodes resolve(const std::vector<sim::Selector>& selectors, const ClusterView& seen);
  ServedNode* find(NodeId id);
  std::int64_t elapsed_ns() const;
  std::string json_of(const Record& record) const;
  void finish(std::int64_t id);
  void undo_on(std::int64_t id, ServedNode& node, std::function<void(posix::PosixHost&)> undo);

  // Each runs one fault from its beginning to its end.
  static Root run(Scope& scope, Label label, LiveFaults& faults, std::int64_t id, sim::Fault fault, Reply reply);
  Task<bool> begin(std::int64_t id, const sim::Fault& fault, std::string& wrong);
  Task<bool> act_on_processes(std::int64_t id, const sim::Fault& fault, Nodes nodes, std::string& wrong);
  Task<bool> act_on_metadata(const sim::Fault& fault, std::string& wrong);
  bool act_on_nodes(std::int64_t id, const sim::Fault& fault, const Nodes& nodes);
  Task<bool> end_process(ServedNode& node, bool cleanly);
  static Root bring_back(Scope& scope, Label label, LiveFaults& faults, std::int64_t id, std::vector<NodeId> nodes, std::int64_t after_ns);

  posix::PosixHost& supervisor_;
  std::vector<std::unique_ptr<ServedNode>>& nodes_;
  Random draws_;
  Signal changed_;
  std::vector<sim::Fault> scheduled_;
  std::vector<Record> records_;
  std::map<std::int64_t, std::vector<std::function<void()>>> active_;
  MonoNs started_at_{0};
  std::uint64_t healed_ = 0;  // how often
};

}  // namespace harrow::cli
