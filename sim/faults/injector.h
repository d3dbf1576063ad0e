// Room: sim/faults. Carries out a scenario's faults on the simulated machines: when (a time, a condition, or drawn from
// the seed), whom (selectors, fixed when the fault fires), what, and for how long. One switch, heal(), ends them all.
// Owner: the run. It acts on machines, fabric and disks only, never inside product code.
// Invariants: every fault that began ends, at the latest at heal; random faults respect their budget: a node counts
// until it is back in every ISR and, for a controller, in the quorum.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/cluster/cluster.h"
#include "sim/faults/api_faults.h"
#include "sim/scenario/scenario.h"
#include "sim/workload/consume.h"
#include "sim/workload/operator.h"
#include "sim/workload/produce.h"
#include "sim/kernel/sampler.h"

namespace harrow::sim {

/// What a fault did, as faults.jsonl and the report want it.
struct FaultRecord {
  std::int64_t id = 0;
  FaultKind kind = FaultKind::kill;
  std::string target;  // resolved: "broker-2", "broker-1,broker-3 | controller-1"
  std::int64_t at_ns = 0;
  std::int64_t until_ns = -1;  // -1: still there
  bool drawn = false;
  std::string note;  // "nobody matched", "skipped: the budget is used up"
};

class FaultObserver {
 public:
  virtual ~FaultObserver() = default;
  virtual void fault_began(const FaultRecord& fault) = 0;
  virtual void fault_ended(const FaultRecord& fault) = 0;
};

struct Clients {
  std::vector<std::unique_ptr<ProducerWorkload>> producers;
  std::vector<std::unique_ptr<ConsumerWorkload>> consumers;
};

class Injector {
 public:
  Injector(Cluster& cluster, const Scenario& scenario, std::uint64_t seed, Clients& clients, Operator& admin, FaultObserver* observer);

  /// Schedules everything; call once, when the run begins.
  void start();
  /// Ends every fault, starts every dead node and client, and lets nothing new happen.
  void heal();
  bool healed() const { return healed_; }
  const std::vector<FaultRecord>& records() const { return records_; }
  std::size_t active() const { return active_.size(); }
  /// The faults that the random phases of this seed drew, in order; for `check --expand`.
  static std::vector<Fault> draw(const Scenario& scenario, std::uint64_t seed);
  /// Evaluates a condition of the grammar on the cluster as it is.
  bool holds(const Condition& condition) const;

 private:
  struct Target {
    std::size_t machine;
    NodeId node = no_node;                  // of a cluster node
    ProducerWorkload* producer = nullptr;   // of a client
    ConsumerWorkload* consumer = nullptr;
  };
  using Targets = std::vector<Target>;
  struct Active {
    std::int64_t record;  // index into records_
    std::vector<std::function<void()>> undo;
    std::set<std::size_t> impaired;   // machines that count against the budget
    std::set<std::size_t> returning;  // machines whose next start ends the fault
  };

  void schedule(const Fault& fault);
  void watch_conditions();
  void fire(const Fault& fault);
  void finish(std::int64_t id);
  Targets resolve(const Selector& selector);
  Targets resolve(const std::vector<Selector>& selectors);
  std::string names_of(const Targets& targets) const;
  HostSet hosts_of(const Targets& targets) const;
  Target target_of(NodeId node);
  /// Nothing where what the clause speaks of does not exist yet: such a clause does not hold.
  std::optional<std::int64_t> measure(const Clause& clause) const;
  bool impaired(const Cluster::NodePlace& place) const;
  std::int64_t impaired_nodes() const;
  std::int64_t begin_record(const Fault& fault, std::string target);

  // One function a family; each adds what ends it to `active`.
  bool act_on_process(const Fault& fault, const Targets& targets, Active& active);
  bool act_on_network(const Fault& fault, const Targets& targets, Active& active);
  bool act_on_disk(const Fault& fault, const Targets& targets, Active& active);
  bool act_on_clock(const Fault& fault, const Targets& targets, Active& active);
  bool act_on_metadata(const Fault& fault, Active& active);
  bool act_on_protocol(const Fault& fault, const Targets& targets, Active& active);
  void stop_process(const Target& target);
  void start_process(const Target& target);
  void restart_later(const Fault& fault, const Targets& targets, std::int64_t id);
  /// A process runs again on this machine.
  void started(std::size_t machine);
  void roll_next(std::shared_ptr<struct Rolling> rolling);

  Cluster& cluster_;
  const Scenario& scenario_;
  Clients& clients_;
  FaultObserver* observer_;
  Random draws_;
  Random dice_;
  std::vector<Fault> drawn_;
  std::vector<FaultRecord> records_;
  std::map<std::int64_t, Active> active_;
  struct Waiting {
    const Fault* fault;
    bool was_true = false;
    bool done = false;
  };
  std::vector<Waiting> waiting_;
  std::uint32_t next_rule_ = 1;
  std::map<NodeId, std::unique_ptr<ArmedApiFaults>> api_faults_;  // of the brokers, if a fault may need them
  bool healed_ = false;
  Operator& operator_;
};

}  // namespace harrow::sim
