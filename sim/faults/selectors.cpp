// Who a selector means right now, and what a condition measures.
#include <algorithm>

#include "sim/faults/injector.h"

namespace harrow::sim {

Injector::Target Injector::target_of(NodeId node) {
  Cluster::NodePlace* const place = cluster_.find_node(node);
  CHECK(place != nullptr);
  return Target{place->machine->index(), node};
}

Injector::Targets Injector::resolve(const std::vector<Selector>& selectors) {
  Targets all;
  for (const Selector& selector : selectors)
    for (const Target& target : resolve(selector))
      if (std::none_of(all.begin(), all.end(), [&](const Target& other) { return other.machine == target.machine; })) all.push_back(target);
  return all;
}

Injector::Targets Injector::resolve(const Selector& selector) {
  Targets targets;
  const auto add_node = [&](NodeId id) {
    if (id != no_node && cluster_.find_node(id) != nullptr) targets.push_back(target_of(id));
  };
  std::vector<NodeId> brokers, controllers;
  for (const auto& place : cluster_.nodes()) {
    if (place.config.is_broker) brokers.push_back(place.config.id);
    if (place.config.is_controller) controllers.push_back(place.config.id);
  }
  switch (selector.kind) {
    case Selector::Kind::broker: add_node(NodeId(selector.index)); break;
    case Selector::Kind::active_controller: add_node(cluster_.active_controller()); break;
    case Selector::Kind::controller:
      if (selector.index >= 1 && static_cast<std::size_t>(selector.index) <= controllers.size()) add_node(controllers[static_cast<std::size_t>(selector.index) - 1]);
      break;
    case Selector::Kind::leader: add_node(cluster_.leader_of(selector.name, selector.index)); break;
    case Selector::Kind::follower: {
      const controller::PartitionImage* const partition = cluster_.partition(selector.name, selector.index);
      if (partition == nullptr) break;
      std::vector<NodeId> followers;
      for (const NodeId replica : partition->replicas)
        if (replica != partition->leader) followers.push_back(replica);
      if (!followers.empty()) add_node(followers[draws_.below(followers.size())]);
      break;
    }
    case Selector::Kind::coordinator: {
      const controller::TopicImage* const topic = cluster_.topic(offsets_topic_name);
      if (topic == nullptr) break;
      add_node(topic->partitions[static_cast<std::size_t>(coordinator_partition_of(selector.name, static_cast<std::int32_t>(topic->partitions.size())))].leader);
      break;
    }
    case Selector::Kind::rack:
    case Selector::Kind::zone:
      for (std::size_t i = 0; i < cluster_.machines(); ++i) {
        Machine& machine = cluster_.machine(i);
        const std::string& place = selector.kind == Selector::Kind::rack ? machine.rack() : cluster_.fabric().topology().zone(machine.index());
        if (place != selector.name) continue;
        Target target{machine.index()};
        for (const auto& node : cluster_.nodes())
          if (node.machine == &machine) target.node = node.config.id;
        for (auto& producer : clients_.producers)
          if (&producer->machine() == &machine) target.producer = producer.get();
        for (auto& consumer : clients_.consumers)
          if (&consumer->machine() == &machine) target.consumer = consumer.get();
        targets.push_back(target);
      }
      break;
    case Selector::Kind::producer:
      for (auto& producer : clients_.producers)
        if (producer->name() == selector.name + "/" + std::to_string(selector.index) || (selector.index < 0 && producer->name().starts_with(selector.name + "/")))
          targets.push_back({producer->machine().index(), no_node, producer.get()});
      break;
    case Selector::Kind::consumer:
      for (auto& consumer : clients_.consumers)
        if (consumer->name() == selector.name + "/" + std::to_string(selector.index) || (selector.index < 0 && consumer->name().starts_with(selector.name + "/")))
          targets.push_back({consumer->machine().index(), no_node, nullptr, consumer.get()});
      break;
    case Selector::Kind::any_broker: {
      std::vector<NodeId> live;
      for (const NodeId id : brokers)
        if (!cluster_.down(id)) live.push_back(id);
      if (!live.empty()) add_node(live[draws_.below(live.size())]);
      break;
    }
    case Selector::Kind::minority: {
      const auto draw_some = [&](std::vector<NodeId> ids) {
        const std::size_t most = ids.empty() ? 0 : (ids.size() - 1) / 2;
        for (std::size_t taken = 0; taken < most; ++taken) {
          const std::size_t pick = draws_.below(ids.size());
          if (std::none_of(targets.begin(), targets.end(), [&](const Target& target) { return target.node == ids[pick]; })) add_node(ids[pick]);
          ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(pick));
        }
      };
      draw_some(brokers);
      if (!cluster_.plan().combined) draw_some(controllers);
      break;
    }
    case Selector::Kind::all:
      for (const auto& place : cluster_.nodes()) add_node(place.config.id);
      break;
  }
  return targets;
}

std::string Injector::names_of(const Targets& targets) const {
  std::string names;
  for (const Target& target : targets) names += (names.empty() ? "" : ",") + cluster_.name_of_machine(target.machine);
  return names;
}

HostSet Injector::hosts_of(const Targets& targets) const {
  HostSet hosts;
  for (const Target& target : targets) hosts.add(static_cast<HostIndex>(target.machine));
  return hosts;
}

std::optional<std::int64_t> Injector::measure(const Clause& clause) const {
  const controller::Image* const image = cluster_.newest_image();
  const controller::PartitionImage* const partition = clause.index < 0 ? nullptr : cluster_.partition(clause.name, clause.index);
  switch (clause.measure) {
    case Clause::Measure::isr:
      if (partition == nullptr) return std::nullopt;
      return static_cast<std::int64_t>(partition->isr.size());
    case Clause::Measure::leader:
      if (partition == nullptr) return std::nullopt;
      return partition->leader.value();
    case Clause::Measure::leader_epoch:
      if (partition == nullptr) return std::nullopt;
      return partition->leader_epoch.value();
    case Clause::Measure::high_watermark: {
      if (partition == nullptr) return std::nullopt;
      const controller::TopicImage* const topic = cluster_.topic(clause.name);
      const Partition* const replica = topic == nullptr ? nullptr : cluster_.replica(partition->leader, {topic->id, clause.index});
      return replica == nullptr ? -1 : replica->high_watermark().value();
    }
    case Clause::Measure::under_replicated:
    case Clause::Measure::offline: {
      std::int64_t count = 0;
      if (image != nullptr)
        for (const auto& [id, topic] : image->topics())
          for (const auto& one : topic.partitions)
            count += clause.measure == Clause::Measure::offline ? one.leader == no_node : one.isr.size() < one.replicas.size();
      return count;
    }
    case Clause::Measure::lag: {
      std::int64_t lag = 0;
      for (const auto& consumer : clients_.consumers) {
        if (consumer->consumer() == nullptr) continue;
        for (const TopicPartition& id : consumer->consumer()->assignment()) lag += consumer->consumer()->lag(id).value_or(0);
      }
      return lag;
    }
    case Clause::Measure::members: {
      std::int64_t members = 0;
      for (const auto& consumer : clients_.consumers)
        if (consumer->consumer() != nullptr && consumer->name().starts_with(clause.name + "/")) members += consumer->consumer()->assignment().empty() ? 0 : 1;
      return members;
    }
    case Clause::Measure::active_controller: return cluster_.active_controller().value();
    case Clause::Measure::time: return cluster_.kernel().now_ns();
  }
  return 0;
}

bool Injector::holds(const Condition& condition) const {
  return std::all_of(condition.begin(), condition.end(), [this](const Clause& clause) {
    const std::optional<std::int64_t> measured = measure(clause);
    return measured && sim::holds(clause.compare, *measured, clause.number);
  });
}

}  // namespace harrow::sim
