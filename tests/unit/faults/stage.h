// A small cluster under light traffic on which one fault is played; tests look at the machines while it lasts. The
// faults are lines of the grammar, so what a test shows is what a scenario file says.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/model/trace_payloads.h"
#include "sim/faults/injector.h"
#include "sim/scenario/read.h"

namespace harrow::sim {

constexpr std::int64_t second = ns_per_s;

struct StageSetup {
  std::string faults;  // lines of `faults:`, without the dash
  std::string cluster = "{ controllers: { count: 1, racks: [a] }, brokers: { count: 3, racks: [a, b, c] }, config: { min.insync.replicas: 2, replica.lag.time.max.ms: 3s, offsets.topic.num.partitions: 1, group.initial.rebalance.delay.ms: 0 } }";
  std::string topics = "[{ name: orders, partitions: 1 }]";
  std::string client = "{}";
  std::string producers = "";  // "" = one that writes 50 records a second to orders
  std::string consumers = "[{ name: billing, topics: [orders] }]";
  std::uint64_t seed = 1;
};

class Stage final : public TraceListener, public FaultObserver {
 public:
  explicit Stage(std::initializer_list<std::string> faults, StageSetup setup = {}) {
    for (const std::string& fault : faults) setup.faults += "  - " + fault + "\n";
    build(setup);
  }

  // The cluster's end is traced, too: this listener outlives it.
  ~Stage() override {
    injector_.reset();
    admin_.reset();
    clients = Clients();
    cluster.reset();
  }

  void on_event(const TraceEvent& event, const void* payload) override {
    ++counts_[event.kind];
    ++by_node_[{event.kind, event.node}];
    if (event.kind == TraceKind::send_invoked) sent_[event.a] = event.time_ns;
    if (event.kind == TraceKind::send_acked) {
      const auto found = sent_.find(event.a);
      if (found == sent_.end()) return;
      ++acked_;
      newest_latency_ns_ = event.time_ns - found->second;
      worst_latency_ns_ = std::max(worst_latency_ns_, newest_latency_ns_);
      sent_.erase(found);
    }
  }
  void fault_began(const FaultRecord& fault) override { began_.push_back(fault.target); }
  void fault_ended(const FaultRecord& fault) override { ended_.push_back(fault.target); }

  void until(std::int64_t seconds) { until_ms(seconds * 1000); }
  void until_ms(std::int64_t ms) { kernel.run_until(ms * ns_per_ms); }
  void heal() { injector_->heal(); }

  std::int64_t count(TraceKind kind) const {
    const auto found = counts_.find(kind);
    return found == counts_.end() ? 0 : found->second;
  }
  std::int64_t count(TraceKind kind, NodeId node) {
    const auto found = by_node_.find({kind, machine(node).index()});
    return found == by_node_.end() ? 0 : found->second;
  }
  std::int64_t acked() const { return acked_; }
  /// The longest time from a send to its answer among the answers since the last call.
  std::int64_t worst_latency_ms() { return std::exchange(worst_latency_ns_, 0) / ns_per_ms; }
  std::int64_t consumed() const {
    std::int64_t sum = 0;
    for (const auto& consumer : clients.consumers) sum += consumer->consumed();
    return sum;
  }

  Injector& injector() { return *injector_; }
  const FaultRecord& fault(std::size_t i = 0) const { return injector_->records().at(i); }
  std::size_t faults() const { return injector_->records().size(); }
  Machine& machine(NodeId id) { return *cluster->find_node(id)->machine; }
  Machine& machine(int id) { return machine(NodeId(id)); }
  Machine& machine(const std::string& name) {
    for (std::size_t i = 0; i < cluster->machines(); ++i)
      if (cluster->name_of_machine(i) == name) return cluster->machine(i);
    ADD_FAILURE() << "no machine " << name;
    return cluster->machine(0);
  }
  bool reaches(const std::string& from, const std::string& to) { return cluster->fabric().reachable(machine(from).index(), machine(to).index()); }
  NodeId leader(std::int32_t partition = 0) const { return cluster->leader_of("orders", partition); }
  int follower() const {
    for (int id = 1; id <= 3; ++id)
      if (NodeId(id) != leader()) return id;
    return 0;
  }
  std::size_t isr() const {
    const auto* const partition = cluster->partition("orders", 0);
    return partition == nullptr ? 0 : partition->isr.size();
  }
  std::int32_t epoch() const { return cluster->partition("orders", 0)->leader_epoch.value(); }
  /// The first segment of orders/0 on this node's disk.
  std::string log_path(int id) {
    for (const std::string& path : machine(id).disk().current_paths())
      if (path.find("orders-0/") != std::string::npos && path.ends_with(".log")) return path;
    return "";
  }
  std::uint64_t log_size(int id) {
    const std::optional<Bytes> bytes = machine(id).disk().current_bytes(log_path(id));
    return bytes ? bytes->size() : 0;
  }
  /// How many bytes of damage faults did to this node's disk that it can read now.
  std::size_t damages(int id) { return machine(id).disk().damages().size(); }

  Kernel kernel;
  std::unique_ptr<Cluster> cluster;
  Clients clients;
  Scenario scenario;

 private:
  void build(const StageSetup& setup) {
    const std::string producers = setup.producers.empty() ? "[{ name: shop, topic: orders, rate: 50/s, arrival: even, size: 200B, client: " + setup.client + " }]" : setup.producers;
    const std::string text = "harrow: 1\nname: stage\ncluster: " + setup.cluster + "\ntopics: " + setup.topics + "\nworkload:\n  producers: " + producers +
                             "\n  consumers: " + setup.consumers + "\nfaults:\n" + setup.faults + "stop: { heal: 100s, after: 150s }\n";
    Problems problems;
    auto bound = read_scenario_text(text, "stage", setup.seed, problems);
    for (const Problem& problem : problems) ADD_FAILURE() << to_text(problem);
    CHECK_SAYING(bound.has_value(), "a stage needs a right scenario");
    scenario = std::move(bound->scenario);
    cluster = std::make_unique<Cluster>(kernel, scenario.cluster, setup.seed);
    kernel.listen_all(*this);
    Random workload = Random(setup.seed).fork("workload");
    for (const ProducerPlan& plan : scenario.producers)
      for (std::int32_t i = 0; i < plan.count; ++i) {
        Machine& machine = cluster->add_client(plan.name + "/" + std::to_string(i), plan.racks.at(static_cast<std::size_t>(i)));
        clients.producers.push_back(std::make_unique<ProducerWorkload>(
            *cluster, machine, ProducerWorkload::Job{&plan, i, scenario.produce_until_ns(), nullptr, workload.fork(plan.name, static_cast<std::uint64_t>(i))}));
      }
    for (const ConsumerPlan& plan : scenario.consumers)
      for (std::int32_t i = 0; i < plan.count; ++i) {
        Machine& machine = cluster->add_client(plan.name + "/" + std::to_string(i), plan.racks.at(static_cast<std::size_t>(i)));
        clients.consumers.push_back(std::make_unique<ConsumerWorkload>(*cluster, machine, ConsumerWorkload::Job{&plan, i, workload.fork(plan.name, static_cast<std::uint64_t>(i))}));
      }
    admin_ = std::make_unique<Operator>(*cluster);
    injector_ = std::make_unique<Injector>(*cluster, scenario, setup.seed, clients, *admin_, this);
    cluster->start();
    admin_->create_topics(scenario.topics, [this] {
      for (auto& consumer : clients.consumers) consumer->start();
      for (auto& producer : clients.producers) producer->start();
    });
    injector_->start();
  }

  std::unique_ptr<Operator> admin_;
  std::unique_ptr<Injector> injector_;
  std::map<TraceKind, std::int64_t> counts_;
  std::map<std::pair<TraceKind, std::uint16_t>, std::int64_t> by_node_;
  std::map<std::int64_t, std::int64_t> sent_;
  std::vector<std::string> began_, ended_;
  std::int64_t acked_ = 0, newest_latency_ns_ = 0, worst_latency_ns_ = 0;
};

/// Flushes each batch before its answer, so that the disk shows in the latency.
inline StageSetup flushing() {
  StageSetup setup;
  setup.topics = "[{ name: orders, partitions: 1, config: { flush.messages: 1 } }]";
  return setup;
}

}  // namespace harrow::sim
