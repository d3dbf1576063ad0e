// The judge of a real run: the view over sim/cluster, and what the scenario says the settings promise. Apart from the
// rest, so that tests of checks need no cluster.
#include <algorithm>
#include <charconv>
#include <utility>

#include "sim/check/judge.h"
#include "sim/cluster/cluster.h"

namespace harrow::sim {
namespace {

class ClusterView final : public View {
 public:
  explicit ClusterView(const Cluster& cluster) : cluster_(cluster) {}

  std::vector<NodeId> brokers() const override {
    std::vector<NodeId> ids;
    for (const Cluster::NodePlace& place : cluster_.nodes())
      if (place.config.is_broker) ids.push_back(place.config.id);
    return ids;
  }
  std::vector<NodeId> voters() const override {
    std::vector<NodeId> ids;
    for (const Cluster::NodePlace& place : cluster_.nodes())
      if (place.config.is_controller) ids.push_back(place.config.id);
    return ids;
  }
  bool running(NodeId id) const override { return !cluster_.down(id); }
  const controller::Image* image() const override { return cluster_.newest_image(); }
  const controller::Image* image_of(NodeId id) const override {
    const harrow::Node* const node = cluster_.live(id);
    return node == nullptr ? nullptr : &node->image();
  }
  const Broker* broker(NodeId id) const override {
    const harrow::Node* const node = cluster_.live(id);
    return node == nullptr ? nullptr : node->broker();
  }
  const Partition* replica(NodeId id, const TopicIdPartition& partition) const override { return cluster_.replica(id, partition); }
  const SimDisk* disk(NodeId id) const override {
    const Cluster::NodePlace* const place = cluster_.find_node(id);
    return place == nullptr ? nullptr : &std::as_const(*place->machine).disk();
  }
  std::string log_dir(NodeId id) const override {
    const Cluster::NodePlace* const place = cluster_.find_node(id);
    return place == nullptr ? "" : place->config.log_dir;
  }
  NodeId active_controller() const override { return cluster_.active_controller(); }
  std::string machine_name(std::uint16_t index) const override { return index < cluster_.machines() ? cluster_.name_of_machine(index) : "cluster"; }

 private:
  const Cluster& cluster_;
};

std::int64_t number_of(const ConfigMap& config, std::string_view name, std::int64_t otherwise) {
  const auto found = config.find(name);
  std::int64_t value = otherwise;
  if (found != config.end()) std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  return value;
}

JudgeSetup setup_of(const Cluster& cluster, const Scenario& scenario) {
  JudgeSetup setup;
  for (const Cluster::NodePlace& place : cluster.nodes()) {
    const std::size_t machine = place.machine->index();
    if (setup.node_of_machine.size() <= machine) setup.node_of_machine.resize(machine + 1, no_node);
    setup.node_of_machine[machine] = place.config.id;
    if (place.config.is_controller) setup.voters.push_back(place.config.id);
    setup.elr = place.config.elr;
  }
  setup.checks = scenario.checks;
  setup.config = scenario.cluster.brokers.config;
  setup.start_wall_ms = scenario.cluster.start_wall_ms;
  for (const ProducerPlan& plan : scenario.producers)
    for (std::int32_t i = 0; i < plan.count; ++i) {
      ProducerFacts facts;
      facts.idempotent = plan.idempotent;
      facts.acks = plan.acks;
      facts.ordered = plan.idempotent || number_of(plan.client, "max.in.flight.requests.per.connection", 5) == 1;
      facts.delivery_timeout_ms = number_of(plan.client, "delivery.timeout.ms", 120'000);
      facts.plan = plan.name;
      setup.producers[plan.name + "/" + std::to_string(i)] = facts;
    }
  for (const ConsumerPlan& plan : scenario.consumers) {
    std::vector<std::string>& topics = setup.topics_of_group[plan.group];
    for (const std::string& topic : plan.topics)
      if (std::find(topics.begin(), topics.end(), topic) == topics.end()) topics.push_back(topic);
    const auto strategy = plan.client.find("partition.assignment.strategy");
    if (strategy != plan.client.end() && strategy->second == "cooperative-sticky") setup.cooperative_groups.insert(plan.group);
  }
  return setup;
}

}  // namespace

Judge::Judge(Kernel& kernel, const Cluster& cluster, const Scenario& scenario)
    : Judge(kernel, std::make_unique<ClusterView>(cluster), setup_of(cluster, scenario)) {}

}  // namespace harrow::sim
