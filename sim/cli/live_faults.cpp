#include "sim/cli/live_faults.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/scenario/fault_text.h"
#include "sim/scenario/read.h"
#include "sim/scenario/units.h"

namespace harrow::cli {

using sim::Fault;
using sim::FaultKind;
using sim::Selector;
using sim::Tree;

namespace {

constexpr std::int64_t answer_timeout_ms = 1000;
constexpr std::int64_t condition_poll_ms = 50;
constexpr std::int64_t ready_poll_ms = 20;

bool needs_a_machine(FaultKind kind) {
  switch (kind) {
    case FaultKind::power_loss:
    case FaultKind::slow_cpu:
    case FaultKind::hold_api:
    case FaultKind::drop_api:
    case FaultKind::delay:
    case FaultKind::loss:
    case FaultKind::bandwidth:
    case FaultKind::slow_disk:
    case FaultKind::bit_rot:
    case FaultKind::misdirect:
    case FaultKind::clock_drift: return true;
    default: return false;
  }
}

bool lasts(FaultKind kind) { return kind > FaultKind::rolling_restart; }

bool instant(FaultKind kind) {
  return kind == FaultKind::reset || kind == FaultKind::clock_step || kind == FaultKind::advance_clock || (kind >= FaultKind::move_leader && kind <= FaultKind::delete_records);
}

std::function<bool(std::string_view)> files_of(Fault::FileClass file) {
  switch (file) {
    case Fault::FileClass::any: break;
    case Fault::FileClass::log: return [](std::string_view path) { return path.ends_with(".log"); };
    case Fault::FileClass::index: return [](std::string_view path) { return path.ends_with("index"); };
    case Fault::FileClass::checkpoint: return [](std::string_view path) { return path.find("checkpoint") != std::string_view::npos; };
    case Fault::FileClass::quorum_state: return [](std::string_view path) { return path.find("quorum-state") != std::string_view::npos; };
    case Fault::FileClass::metadata: return [](std::string_view path) { return path.find(metadata_topic_name) != std::string_view::npos; };
  }
  return [](std::string_view) { return true; };
}

Root move_leader(Scope&, Label, ControllerShell& shell, TopicIdPartition id, NodeId to, std::function<void(Code)> done) {
  const auto decide = [id, to](controller::Controller& controller) { return controller.move_leader(id, to); };
  Task<Result<Code>> running = shell.run<Code>(decide);
  const Result<Code> moved = co_await running;
  done(moved ? *moved : moved.error().code);
}

}  // namespace

const ClusterView::Part* ClusterView::part(const std::string& topic, std::int32_t partition) const {
  const auto found = topics.find(topic);
  if (found == topics.end() || partition < 0 || static_cast<std::size_t>(partition) >= found->second.size()) return nullptr;
  return &found->second[static_cast<std::size_t>(partition)];
}

LiveFaults::LiveFaults(posix::PosixHost& supervisor, std::vector<std::unique_ptr<ServedNode>>& nodes)
    : supervisor_(supervisor), nodes_(nodes), draws_(supervisor.host().random.fork("live faults")), changed_(supervisor.host().timers) {}

std::int64_t LiveFaults::elapsed_ns() const { return supervisor_.host().clock.mono() - started_at_; }

ServedNode* LiveFaults::find(NodeId id) {
  for (const auto& node : nodes_)
    if (node->config().id == id) return node.get();
  return nullptr;
}

ClusterView LiveFaults::view() {
  ClusterView newest;
  NodeId active = no_node;
  LeaderEpoch epoch = no_epoch;
  for (const auto& node : nodes_) {
    struct Seen {
      ClusterView view;
      LeaderEpoch active_epoch = no_epoch;
    };
    const auto look = [](Node& one, posix::PosixHost&) {
      Seen seen;
      seen.view.offset = one.image().offset();
      if (one.controller() != nullptr && one.controller()->active()) seen.active_epoch = one.controller()->epoch();
      for (const auto& [id, topic] : one.image().topics()) {
        auto& parts = seen.view.topics[topic.name];
        for (const controller::PartitionImage& partition : topic.partitions)
          parts.push_back({id, partition.leader, partition.leader_epoch, {partition.replicas.begin(), partition.replicas.end()}, {partition.isr.begin(), partition.isr.end()}});
      }
      return seen;
    };
    std::optional<Seen> seen = node->ask<Seen>(look, answer_timeout_ms);
    if (!seen) continue;
    if (seen->active_epoch > epoch) {
      epoch = seen->active_epoch;
      active = node->config().id;
    }
    if (seen->view.offset >= newest.offset) newest = std::move(seen->view);
  }
  newest.active_controller = active;
  return newest;
}

/// The grammar is the scenario's: the lines are read as a scenario about a cluster like this one.
std::optional<std::vector<Fault>> LiveFaults::read(const Tree& lines, const std::string& name, std::string& wrong) {
  const ClusterView seen = view();
  std::int32_t brokers = 1;
  for (const auto& node : nodes_) brokers = std::max(brokers, node->config().id.value());
  Tree topics = Tree::list();
  for (const auto& [topic, parts] : seen.topics) {
    if (topic == offsets_topic_name) continue;
    Tree row = Tree::map();
    row.set("name", Tree::scalar(topic));
    row.set("partitions", Tree::scalar(std::to_string(parts.size())));
    row.set("replication", Tree::scalar("1"));
    topics.items.push_back(std::move(row));
  }
  Tree faults = lines;
  Tree consumers = Tree::list();
  for (Tree& line : faults.items) {
    if (line.kind != Tree::Kind::map) continue;
    if (line.find("at") == nullptr && line.find("when") == nullptr && line.find("random") == nullptr) line.set("at", Tree::scalar("0s", line.at));
    // Any group may be named here: which exist is the cluster's business.
    for (const Tree::Entry& entry : line.entries) {
      const std::string open = "coordinator(";
      const std::size_t from = entry.value.text.find(open), until = entry.value.text.find(')');
      if (from == std::string::npos || until == std::string::npos || topics.items.empty()) continue;
      Tree group = Tree::map();
      const std::string group_name = entry.value.text.substr(from + open.size(), until - from - open.size());
      group.set("name", Tree::scalar(group_name));
      group.set("topics", Tree::scalar(topics.items.front().find("name")->text));
      consumers.items.push_back(std::move(group));
    }
  }
  Tree cluster = Tree::map(), broker_set = Tree::map(), workload = Tree::map(), stop = Tree::map(), file = Tree::map();
  broker_set.set("count", Tree::scalar(std::to_string(brokers)));
  cluster.set("combined", Tree::scalar("true"));
  cluster.set("brokers", std::move(broker_set));
  workload.set("producers", Tree::list());
  workload.set("consumers", std::move(consumers));
  stop.set("heal", Tree::scalar("360d"));
  stop.set("after", Tree::scalar("364d"));
  file.set("harrow", Tree::scalar("1"));
  file.set("name", Tree::scalar("live"));
  file.set("cluster", std::move(cluster));
  if (!topics.items.empty()) file.set("topics", std::move(topics));
  file.set("workload", std::move(workload));
  file.set("faults", std::move(faults));
  file.set("stop", std::move(stop));
  sim::Problems problems;
  std::optional<sim::BoundScenario> bound = sim::bind_scenario(std::move(file), name, 1, problems);
  if (bound && problems.empty()) {
    for (const Fault& fault : bound->scenario.faults)
      if (needs_a_machine(fault.kind)) problems.push_back({{}, std::string(sim::name_of(fault.kind)) + " needs the simulated machines of `harrow run`"});
    if (!bound->scenario.random_faults.empty()) problems.push_back({{}, "random phases need the budget that `harrow run` keeps"});
    for (const Fault& fault : bound->scenario.faults)
      for (const sim::Clause& clause : fault.when)
        if (clause.measure == sim::Clause::Measure::lag || clause.measure == sim::Clause::Measure::members || clause.measure == sim::Clause::Measure::high_watermark)
          problems.push_back({{}, "conditions on lag, members and high watermarks need the simulated clients of `harrow run`"});
  }
  for (const sim::Problem& problem : problems) wrong += (wrong.empty() ? "" : "\n") + (problem.at.file != nullptr ? to_text(problem) : problem.text);
  if (!wrong.empty() || !bound) return std::nullopt;
  return std::move(bound->scenario.faults);
}

void LiveFaults::apply(const std::string& line, Reply reply) {
  const std::size_t first = line.find_first_not_of(" \t\r\n-");
  const std::string text = first == std::string::npos ? "" : line[first] == '{' ? line : "{ " + line + " }";
  sim::Problems problems;
  const std::optional<Tree> tree = sim::parse_yaml(text, "fault", problems);
  std::string wrong;
  for (const sim::Problem& problem : problems) wrong += (wrong.empty() ? "" : "\n") + to_text(problem);
  if (!tree || !wrong.empty()) return reply({false, wrong.empty() ? "expected a fault such as kill: broker(1), restart: after 2s" : wrong});
  Tree lines = Tree::list();
  lines.items.push_back(*tree);
  const std::optional<std::vector<Fault>> faults = read(lines, "fault", wrong);
  if (!faults || faults->size() != 1) return reply({false, wrong.empty() ? "expected one fault" : wrong});
  const auto id = static_cast<std::int64_t>(records_.size());
  records_.push_back({id, faults->front().kind});
  Fault fault = faults->front();
  fault.at_ns += elapsed_ns();
  supervisor_.enter([&] { run(supervisor_.host().scope, Label("fault"), *this, id, std::move(fault), std::move(reply)); });
}

std::optional<std::string> LiveFaults::load(const std::string& path) {
  sim::Problems problems;
  std::optional<Tree> tree = sim::read_yaml(path, problems);
  std::string wrong;
  for (const sim::Problem& problem : problems) wrong += (wrong.empty() ? "" : "\n") + to_text(problem);
  if (!tree || !wrong.empty()) return wrong.empty() ? path + ": nothing in it" : wrong;
  if (const Tree* const under = tree->find("faults")) {
    Tree lines = *under;
    tree = std::move(lines);
  }
  std::optional<std::vector<Fault>> faults = read(*tree, path, wrong);
  if (!faults) return wrong;
  scheduled_ = std::move(*faults);
  return std::nullopt;
}

void LiveFaults::start() {
  started_at_ = supervisor_.host().clock.mono();
  for (Fault& fault : scheduled_) {
    const auto id = static_cast<std::int64_t>(records_.size());
    records_.push_back({id, fault.kind});
    run(supervisor_.host().scope, Label("scheduled fault"), *this, id, std::move(fault), [](const Outcome&) {});
  }
  scheduled_.clear();
}

bool LiveFaults::holds(const sim::Condition& condition) {
  const ClusterView seen = view();
  return std::all_of(condition.begin(), condition.end(), [&](const sim::Clause& clause) {
    using Measure = sim::Clause::Measure;
    const ClusterView::Part* const part = clause.index < 0 ? nullptr : seen.part(clause.name, clause.index);
    std::int64_t value = 0;
    switch (clause.measure) {
      case Measure::isr:
      case Measure::leader:
      case Measure::leader_epoch:
        if (part == nullptr) return false;
        value = clause.measure == Measure::isr ? static_cast<std::int64_t>(part->isr.size()) : clause.measure == Measure::leader ? part->leader.value() : part->leader_epoch.value();
        break;
      case Measure::under_replicated:
      case Measure::offline:
        for (const auto& [name, parts] : seen.topics)
          for (const ClusterView::Part& one : parts) value += clause.measure == Measure::offline ? one.leader == no_node : one.isr.size() < one.replicas.size();
        break;
      case Measure::active_controller: value = seen.active_controller.value(); break;
      case Measure::time: value = elapsed_ns(); break;
      default: return false;
    }
    return sim::holds(clause.compare, value, clause.number);
  });
}

LiveFaults::Nodes LiveFaults::resolve(const std::vector<Selector>& selectors, const ClusterView& seen) {
  Nodes found;
  const auto add = [&](NodeId id) {
    ServedNode* const node = find(id);
    if (node != nullptr && std::find(found.begin(), found.end(), node) == found.end()) found.push_back(node);
  };
  const auto add_one_of = [&](std::vector<NodeId> ids) {
    if (!ids.empty()) add(ids[draws_.below(ids.size())]);
  };
  for (const Selector& selector : selectors) {
    const ClusterView::Part* part = seen.part(selector.name, selector.index);
    std::vector<NodeId> running;
    for (const auto& node : nodes_)
      if (node->running() && !node->paused()) running.push_back(node->config().id);
    switch (selector.kind) {
      case Selector::Kind::broker: add(NodeId(selector.index)); break;
      case Selector::Kind::active_controller: add(seen.active_controller); break;
      case Selector::Kind::controller: {
        std::int32_t number = 0;
        for (const auto& node : nodes_)
          if (node->config().is_controller && ++number == selector.index) add(node->config().id);
        break;
      }
      case Selector::Kind::leader:
        if (part != nullptr) add(part->leader);
        break;
      case Selector::Kind::follower: {
        std::vector<NodeId> followers;
        if (part != nullptr) std::copy_if(part->replicas.begin(), part->replicas.end(), std::back_inserter(followers), [&](NodeId id) { return id != part->leader; });
        add_one_of(std::move(followers));
        break;
      }
      case Selector::Kind::coordinator: {
        const auto offsets = seen.topics.find(std::string(offsets_topic_name));
        if (offsets == seen.topics.end()) break;
        part = seen.part(offsets->first, coordinator_partition_of(selector.name, static_cast<std::int32_t>(offsets->second.size())));
        if (part != nullptr) add(part->leader);
        break;
      }
      case Selector::Kind::rack:
      case Selector::Kind::zone:
        for (const auto& node : nodes_)
          if (node->config().rack == selector.name) add(node->config().id);
        break;
      case Selector::Kind::any_broker: add_one_of(std::move(running)); break;
      case Selector::Kind::minority:
        for (std::size_t left = (running.size() - 1) / 2; left > 0 && !running.empty(); --left) {
          const std::size_t pick = draws_.below(running.size());
          add(running[pick]);
          running.erase(running.begin() + static_cast<std::ptrdiff_t>(pick));
        }
        break;
      case Selector::Kind::all:
        for (const auto& node : nodes_) add(node->config().id);
        break;
      case Selector::Kind::producer:
      case Selector::Kind::consumer: break;  // clients are not ours
    }
  }
  return found;
}

Root LiveFaults::run(Scope&, Label, LiveFaults& faults, std::int64_t id, Fault fault, Reply reply) {
  Host& host = faults.supervisor_.host();
  const auto record = [&faults, id]() -> Record& { return faults.records_[static_cast<std::size_t>(id)]; };
  const bool conditional = !fault.when.empty();
  if (conditional) {
    if (reply) reply({true, faults.json_of(record())});
    reply = nullptr;
  }
  for (;;) {
    const std::uint64_t healed = faults.healed_;
    if (faults.elapsed_ns() < fault.at_ns) co_await Sleep(host.timers, faults.started_at_ + fault.at_ns, "fault");
    while (conditional && !faults.holds(fault.when)) co_await Sleep(host.timers, after_ms(host.clock.mono(), condition_poll_ms), "condition");
    record().from_ns = faults.elapsed_ns();
    record().until_ns = -1;
    faults.active_[id];
    std::string wrong;
    Task<bool> beginning = faults.begin(id, fault, wrong);
    const bool acted = co_await beginning;
    if (!acted) {
      faults.active_.erase(id);
      record().state = "had no effect";
      record().note = wrong.empty() ? "nobody matched" : wrong;
      record().until_ns = record().from_ns;
      if (reply) reply({false, record().note});
    } else {
      record().state = "in effect";
      if (instant(fault.kind)) faults.finish(id);
      if (reply) reply({true, faults.json_of(record())});
      if (lasts(fault.kind) && fault.for_ns >= 0) {
        co_await Sleep(host.timers, MonoNs(host.clock.mono().value() + fault.for_ns), "end of a fault");
        if (healed == faults.healed_) faults.finish(id);
      }
    }
    reply = nullptr;
    if (!conditional || fault.once) co_return;
    while (faults.holds(fault.when)) co_await Sleep(host.timers, after_ms(host.clock.mono(), condition_poll_ms), "condition's end");
  }
}

Task<bool> LiveFaults::begin(std::int64_t id, const Fault& fault, std::string& wrong) {
  const ClusterView seen = view();
  Nodes nodes = resolve(fault.targets, seen);
  std::string names;
  for (const ServedNode* const node : nodes) names += (names.empty() ? "" : ",") + std::string("broker-") + std::to_string(node->config().id.value());
  if (nodes.empty() && !fault.topic.empty()) names = fault.topic + (fault.partition >= 0 ? "/" + std::to_string(fault.partition) : "");
  if (fault.kind == FaultKind::partition || fault.kind == FaultKind::one_way) names = "links";
  records_[static_cast<std::size_t>(id)].target = names;
  if (fault.kind >= FaultKind::move_leader && fault.kind <= FaultKind::delete_records) {
    Task<bool> acting = act_on_metadata(fault, wrong);
    const bool acted = co_await acting;
    co_return acted;
  }
  if (fault.kind <= FaultKind::rolling_restart || fault.kind == FaultKind::wipe_disk) {
    Task<bool> acting = act_on_processes(id, fault, std::move(nodes), wrong);
    const bool acted = co_await acting;
    co_return acted;
  }
  co_return act_on_nodes(id, fault, nodes);
}

void LiveFaults::undo_on(std::int64_t id, ServedNode& node, std::function<void(posix::PosixHost&)> undo) {
  active_[id].push_back([&node, undo = std::move(undo)] {
    node.ask<bool>([undo](Node&, posix::PosixHost& process) {
      undo(process);
      return true;
    }, answer_timeout_ms);
  });
}

bool LiveFaults::act_on_nodes(std::int64_t id, const Fault& fault, const Nodes& nodes) {
  const auto rule = static_cast<std::uint32_t>(id) + 1;
  const ClusterView seen = view();
  bool acted = false;
  const auto on = [&](ServedNode& node, const std::function<void(posix::PosixHost&)>& act) {
    const std::optional<bool> done = node.ask<bool>([act](Node&, posix::PosixHost& process) {
      act(process);
      return true;
    }, answer_timeout_ms);
    acted = acted || done.has_value();
  };
  // Of the links between two nodes each end knows only those that it opened itself.
  const auto ports_of = [](const Nodes& others) {
    std::set<std::uint16_t> ports;
    for (const ServedNode* const other : others) {
      const NodeConfig& config = other->config();
      if (config.is_broker) ports.insert(config.broker_port);
      if (config.is_controller) ports.insert(config.controller_port);
    }
    return ports;
  };
  const auto cut = [&](const Nodes& here, const Nodes& there, bool sends, bool reads) {
    for (ServedNode* const node : here) {
      posix::LinkRule link{false, ports_of(there), sends, reads, fault.mode == Fault::Mode::reset};
      on(*node, [rule, link](posix::PosixHost& process) { process.network().set_rule(rule, link); });
      undo_on(id, *node, [rule](posix::PosixHost& process) { process.network().clear_rule(rule); });
    }
  };
  switch (fault.kind) {
    case FaultKind::partition: {
      std::vector<Nodes> sides;
      for (const auto& side : fault.sides) sides.push_back(resolve(side, seen));
      for (const Nodes& side : sides) {
        Nodes others;
        for (const Nodes& other : sides)
          if (&other != &side) others.insert(others.end(), other.begin(), other.end());
        cut(side, others, true, true);
      }
      return acted;
    }
    case FaultKind::one_way: {
      Nodes everybody;
      for (const auto& node : nodes_) everybody.push_back(node.get());
      const Nodes from = fault.from.empty() ? everybody : resolve(fault.from, seen), to = fault.to.empty() ? everybody : resolve(fault.to, seen);
      const std::uint32_t back = rule | 0x8000'0000u;
      cut(from, to, true, false);
      for (ServedNode* const node : to) {
        posix::LinkRule link{false, ports_of(from), false, true, false};
        on(*node, [back, link](posix::PosixHost& process) { process.network().set_rule(back, link); });
        undo_on(id, *node, [back](posix::PosixHost& process) { process.network().clear_rule(back); });
      }
      return acted;
    }
    default: break;
  }
  const auto calls = std::make_shared<sim::ArmedApiFaults::Calls>();
  for (ServedNode* const node : nodes) {
    if (!node->running()) continue;
    switch (fault.kind) {
      case FaultKind::pause:
        node->pause();
        active_[id].push_back([node] { node->resume(); });
        acted = true;
        break;
      case FaultKind::isolate: {
        const posix::LinkRule link{true, {}, true, true, fault.mode == Fault::Mode::reset};
        on(*node, [rule, link](posix::PosixHost& process) { process.network().set_rule(rule, link); });
        undo_on(id, *node, [rule](posix::PosixHost& process) { process.network().clear_rule(rule); });
        break;
      }
      case FaultKind::reset: on(*node, [](posix::PosixHost& process) { process.network().reset_connections(); }); break;
      case FaultKind::stall_disk:
        on(*node, [](posix::PosixHost& process) { process.disk_faults()->stall(); });
        undo_on(id, *node, [](posix::PosixHost& process) { process.disk_faults()->go_on(); });
        break;
      case FaultKind::full_disk:
        on(*node, [](posix::PosixHost& process) { process.disk_faults()->full = true; });
        undo_on(id, *node, [](posix::PosixHost& process) { process.disk_faults()->full = false; });
        break;
      case FaultKind::disk_error:
      case FaultKind::sync_error: {
        using Operation = posix::DiskFaults::Operation;
        std::vector<Operation> operations;
        if (fault.kind == FaultKind::sync_error) operations = {Operation::sync};
        else if (fault.op == Fault::Op::read) operations = {Operation::read};
        else if (fault.op == Fault::Op::write) operations = {Operation::write};
        else operations = {Operation::read, Operation::write};
        const auto hits = files_of(fault.file);
        const auto count = static_cast<std::uint32_t>(std::max(fault.count, 0));
        on(*node, [rule, operations, hits, count](posix::PosixHost& process) {
          for (const Operation operation : operations) process.disk_faults()->fail({rule, operation, hits, count});
        });
        undo_on(id, *node, [rule](posix::PosixHost& process) { process.disk_faults()->clear(rule); });
        break;
      }
      case FaultKind::clock_step:
      case FaultKind::advance_clock: {
        const std::int64_t by_ns = fault.by_ns;
        const bool both = fault.kind == FaultKind::advance_clock;
        on(*node, [by_ns, both](posix::PosixHost& process) {
          if (both) process.clock().advance(by_ns);
          else process.clock().step_wall(by_ns);
        });
        break;
      }
      case FaultKind::inject:
      case FaultKind::disconnect: {
        const auto spent = [this, id] { supervisor_.post([this, id] { finish(id); }); };
        sim::ArmedApiFaults& armed = node->api_faults();
        const auto made = std::make_shared<sim::ArmedApiFaults::Rule>(sim::ArmedApiFaults::rule_of(fault, draws_.fork("calls", rule), calls, spent));
        on(*node, [&armed, rule, made](posix::PosixHost&) { armed.arm(rule, *made); });
        undo_on(id, *node, [&armed, rule](posix::PosixHost&) { armed.disarm(rule); });
        break;
      }
      default: break;
    }
  }
  return acted;
}

/// Ends a node's thread, and waits until it is gone.
Task<bool> LiveFaults::end_process(ServedNode& node, bool cleanly) {
  if (!cleanly) {
    node.kill();
  } else {
    const auto parts = std::make_shared<int>(0);
    const auto note = [this, parts](bool) {
      ++*parts;
      changed_.wake();
    };
    node.stop_broker(note);
    while (*parts < 1 && node.running()) co_await changed_.next();
    if (node.running()) node.stop_quorum(note);
  }
  while (node.running()) co_await changed_.next();
  co_return true;
}

Task<bool> LiveFaults::act_on_processes(std::int64_t id, const Fault& fault, Nodes nodes, std::string& wrong) {
  if (fault.kind == FaultKind::pause) co_return act_on_nodes(id, fault, nodes);
  Host& host = supervisor_.host();
  const std::uint64_t healed = healed_;
  std::vector<NodeId> ended;
  for (ServedNode* const node : nodes) {
    if (!node->running()) continue;
    ended.push_back(node->config().id);
    Task<bool> ending = end_process(*node, fault.kind == FaultKind::stop || fault.kind == FaultKind::rolling_restart);
    co_await ending;
    if (fault.kind == FaultKind::wipe_disk && !node->wipe()) wrong = "the folder cannot be emptied";
    if (fault.kind != FaultKind::rolling_restart) continue;
    co_await Sleep(host.timers, MonoNs(host.clock.mono().value() + fault.restart_after_ns), "restart");
    if (healed != healed_) co_return true;
    if (const std::optional<std::string> why = node->restart()) {
      wrong = *why;
      co_return false;
    }
    // The next one goes when this one is back in every ISR.
    for (bool whole = false; !whole && healed == healed_;) {
      co_await Sleep(host.timers, after_ms(host.clock.mono(), ready_poll_ms), "rolling restart");
      const ClusterView seen = view();
      whole = node->ask<bool>([](Node& one, posix::PosixHost&) { return one.ready(); }, answer_timeout_ms).value_or(false);
      for (const auto& [name, parts] : seen.topics)
        for (const ClusterView::Part& part : parts) whole = whole && part.isr.size() == part.replicas.size();
    }
    if (node != nodes.back()) co_await Sleep(host.timers, MonoNs(host.clock.mono().value() + fault.gap_ns), "gap");
  }
  if (ended.empty()) co_return false;
  if (fault.kind == FaultKind::rolling_restart) finish(id);
  else if (fault.restart == Fault::Restart::after) bring_back(host.scope, Label("restart"), *this, id, ended, fault.restart_after_ns);
  co_return true;
}

Root LiveFaults::bring_back(Scope&, Label, LiveFaults& faults, std::int64_t id, std::vector<NodeId> nodes, std::int64_t after_ns) {
  Host& host = faults.supervisor_.host();
  const std::uint64_t healed = faults.healed_;
  co_await Sleep(host.timers, MonoNs(host.clock.mono().value() + after_ns), "restart");
  if (healed != faults.healed_) co_return;
  for (const NodeId node_id : nodes) {
    ServedNode* const node = faults.find(node_id);
    if (node == nullptr || node->running()) continue;
    if (const std::optional<std::string> wrong = node->restart()) faults.records_[static_cast<std::size_t>(id)].note = *wrong;
  }
  faults.finish(id);
}

Task<bool> LiveFaults::act_on_metadata(const Fault& fault, std::string& wrong) {
  Host& host = supervisor_.host();
  if (fault.kind == FaultKind::move_leader) {
    const ClusterView seen = view();
    const ClusterView::Part* const part = seen.part(fault.topic, fault.partition);
    ServedNode* const active = find(seen.active_controller);
    if (part == nullptr || active == nullptr) co_return false;
    NodeId to = no_node;
    if (fault.new_leader) {
      const Nodes named = resolve({*fault.new_leader}, seen);
      if (!named.empty()) to = named.front()->config().id;
    } else {
      for (const NodeId member : part->isr)
        if (member != part->leader) to = member;
    }
    if (to == no_node) co_return false;
    const auto answer = std::make_shared<std::optional<Code>>();
    const TopicIdPartition id{part->topic_id, fault.partition};
    const auto done = [this, answer](Code code) {
      supervisor_.post([this, answer, code] {
        *answer = code;
        changed_.wake();
      });
    };
    const std::optional<bool> asked = active->ask<bool>([id, to, done](Node& node, posix::PosixHost& process) {
      if (node.controller() == nullptr) return false;
      move_leader(process.host().scope, Label("move leader"), *node.controller(), id, to, done);
      return true;
    }, answer_timeout_ms);
    if (!asked.value_or(false)) co_return false;
    const MonoNs deadline = after_ms(host.clock.mono(), 10 * answer_timeout_ms);
    while (!answer->has_value() && host.clock.mono() < deadline) co_await changed_.next(deadline);
    if (!answer->has_value() || **answer != Code::none) wrong = answer->has_value() ? std::string(kafka_name_of(**answer)) : "no answer";
    co_return wrong.empty();
  }
  ClientConfig config;
  for (const auto& node : nodes_)
    if (node->config().is_broker) config.bootstrap_servers.push_back(Endpoint{node->config().host, node->config().broker_port});
  Admin admin(host, config);
  const auto judge = [&wrong](const NamedOutcome& outcome) {
    if (outcome.code != Code::none) wrong = std::string(kafka_name_of(outcome.code)) + (outcome.message.empty() ? "" : ": " + outcome.message);
  };
  const auto judge_all = [&](const Result<std::vector<NamedOutcome>>& answer) {
    if (!answer) wrong = answer.error().what;
    else for (const NamedOutcome& outcome : *answer) judge(outcome);
  };
  if (fault.kind == FaultKind::create_topic) {
    std::vector<NewTopic> made(1);
    made[0].name = fault.topic;
    made[0].partitions = fault.partitions;
    made[0].replication_factor = static_cast<std::int16_t>(std::min<std::size_t>(static_cast<std::size_t>(fault.replication), nodes_.size()));
    Task<Result<std::vector<NamedOutcome>>> asking = admin.create_topics(std::move(made));
    const Result<std::vector<NamedOutcome>> answer = co_await asking;
    judge_all(answer);
  } else if (fault.kind == FaultKind::delete_topic) {
    std::vector<std::string> doomed(1, fault.topic);
    Task<Result<std::vector<NamedOutcome>>> asking = admin.delete_topics(std::move(doomed));
    const Result<std::vector<NamedOutcome>> answer = co_await asking;
    judge_all(answer);
  } else if (fault.kind == FaultKind::add_partitions) {
    Task<Result<NamedOutcome>> asking = admin.create_partitions(fault.topic, fault.partitions);
    const Result<NamedOutcome> answer = co_await asking;
    if (!answer) wrong = answer.error().what;
    else judge(*answer);
  } else if (fault.kind == FaultKind::alter_config) {
    std::vector<ConfigChange> changes(1);
    changes[0].name = fault.config_key;
    changes[0].operation = fault.config_value.empty() ? ConfigOperation::remove : ConfigOperation::set;
    changes[0].value = fault.config_value;
    Task<Result<NamedOutcome>> asking = admin.alter_configs(fault.config_of_broker ? ConfigResource::broker : ConfigResource::topic, fault.config_of_broker.value_or(fault.topic), std::move(changes));
    const Result<NamedOutcome> answer = co_await asking;
    if (!answer) wrong = answer.error().what;
    else judge(*answer);
  } else {
    std::map<TopicPartition, Offset> before;
    before.emplace(TopicPartition{fault.topic, std::max(fault.partition, 0)}, Offset(fault.before_offset));
    Task<Result<std::map<TopicPartition, Offset>>> asking = admin.delete_records(std::move(before));
    const Result<std::map<TopicPartition, Offset>> answer = co_await asking;
    if (!answer) wrong = answer.error().what;
  }
  co_return wrong.empty();
}

void LiveFaults::finish(std::int64_t id) {
  const auto found = active_.find(id);
  if (found == active_.end()) return;
  const std::vector<std::function<void()>> undo = std::move(found->second);
  active_.erase(found);
  for (auto it = undo.rbegin(); it != undo.rend(); ++it) (*it)();
  Record& record = records_[static_cast<std::size_t>(id)];
  record.state = "over";
  record.until_ns = elapsed_ns();
}

void LiveFaults::heal() {
  ++healed_;
  while (!active_.empty()) finish(active_.begin()->first);
  for (const auto& node : nodes_) {
    if (node->paused()) node->resume();
    if (!node->running()) node->restart();
  }
}

bool LiveFaults::node_ended(const ServedNode&) {
  changed_.wake();
  return !active_.empty();
}

std::string LiveFaults::json_of(const Record& record) const {
  nlohmann::ordered_json row{{"id", record.id}, {"kind", std::string(sim::name_of(record.kind))}, {"target", record.target}, {"state", record.state}};
  const auto seconds = [](std::int64_t ns) { return static_cast<double>(ns / ns_per_ms) / 1000; };
  if (record.from_ns >= 0) row["at_s"] = seconds(record.from_ns);
  if (record.until_ns >= 0) row["until_s"] = seconds(record.until_ns);
  if (!record.note.empty()) row["note"] = record.note;
  return row.dump();
}

std::string LiveFaults::list() const {
  std::string text = "[";
  for (const Record& record : records_) text += (record.id == 0 ? "\n" : ",\n") + json_of(record);
  return text + "\n]\n";
}

}  // namespace harrow::cli
