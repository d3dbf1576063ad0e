// kill, power-loss, stop, rolling-restart, pause, slow-cpu.
#include "sim/faults/injector.h"

namespace harrow::sim {
namespace {
constexpr std::int64_t rolling_check_ns = 500 * ns_per_ms;
}

struct Rolling {
  std::int64_t id;
  Fault fault;
  std::vector<NodeId> left;
};

void Injector::start_process(const Target& target) {
  if (target.producer != nullptr) {
    if (!target.producer->machine().running()) target.producer->start();
    started(target.machine);
  } else if (target.consumer != nullptr) {
    if (!target.consumer->machine().running()) target.consumer->start();
    started(target.machine);
  } else if (target.node != no_node) {
    cluster_.restart(target.node);
  }
}

void Injector::stop_process(const Target& target) {
  if (target.producer != nullptr) target.producer->kill();
  else if (target.consumer != nullptr) target.consumer->kill();
  else if (target.node != no_node) cluster_.kill(target.node);
}

bool Injector::act_on_process(const Fault& fault, const Targets& targets, Active& active) {
  if (targets.empty()) return false;
  Kernel& kernel = cluster_.kernel();
  const std::int64_t id = active.record;
  bool acted = false;
  for (const Target& target : targets) {
    Machine& machine = cluster_.machine(target.machine);
    if (!machine.running() && fault.kind != FaultKind::rolling_restart) continue;
    acted = true;
    switch (fault.kind) {
      case FaultKind::kill: stop_process(target); break;
      case FaultKind::power_loss:
        if (target.node != no_node) cluster_.lose_power(target.node, fault.profile.empty() ? std::nullopt : parse_file_system(fault.profile));
        else stop_process(target);
        break;
      case FaultKind::stop:
        if (target.node != no_node) cluster_.stop(target.node, fault.restart == Fault::Restart::never ? -1 : fault.restart_after_ns);
        else stop_process(target);
        active.returning.insert(target.machine);
        break;
      case FaultKind::pause:
        machine.pause();
        active.undo.push_back([&machine] { machine.resume(); });
        break;
      case FaultKind::slow_cpu:
        machine.slow_cpu(std::max<std::int64_t>(1, fault.factor_millionths / 1'000'000));
        active.undo.push_back([&machine] { machine.slow_cpu(1); });
        break;
      default: break;
    }
  }
  if (fault.kind == FaultKind::rolling_restart) {
    auto rolling = std::make_shared<Rolling>();
    rolling->id = id;
    rolling->fault = fault;
    for (const Target& target : targets)
      if (target.node != no_node) rolling->left.push_back(target.node);
    if (rolling->left.empty()) return false;
    kernel.call_at(kernel.now_ns(), [this, rolling] { roll_next(rolling); });
    return true;
  }
  if (acted && (fault.kind == FaultKind::kill || fault.kind == FaultKind::power_loss)) restart_later(fault, targets, id);
  // A node that stops is started by its cluster, counted from the end of its shutdown; a client has none.
  if (acted && fault.kind == FaultKind::stop && fault.restart == Fault::Restart::after)
    kernel.call_at(kernel.now_ns() + fault.restart_after_ns, [this, targets] {
      if (healed_) return;
      for (const Target& target : targets)
        if (target.node == no_node) start_process(target);
    });
  return acted;
}

void Injector::restart_later(const Fault& fault, const Targets& targets, std::int64_t id) {
  if (fault.restart != Fault::Restart::after) return;
  Kernel& kernel = cluster_.kernel();
  kernel.call_at(kernel.now_ns() + fault.restart_after_ns, [this, id, targets] {
    if (healed_) return;
    for (const Target& target : targets) start_process(target);
    finish(id);
  });
}

void Injector::started(std::size_t machine) {
  std::vector<std::int64_t> over;
  for (auto& [id, active] : active_)
    if (active.returning.erase(machine) != 0 && active.returning.empty()) over.push_back(id);
  for (const std::int64_t id : over) finish(id);
}

void Injector::roll_next(std::shared_ptr<Rolling> rolling) {
  if (healed_) return;
  Kernel& kernel = cluster_.kernel();
  // The next node goes only when everybody is back in every ISR.
  bool whole = true;
  for (const auto& place : cluster_.nodes())
    if (!place.machine->running() || place.machine->node() == nullptr || !place.machine->node()->ready()) whole = false;
  const controller::Image* const image = cluster_.newest_image();
  if (image == nullptr) whole = false;
  else
    for (const auto& [id, topic] : image->topics())
      for (const auto& partition : topic.partitions)
        if (partition.isr.size() < partition.replicas.size()) whole = false;
  if (!whole) {
    kernel.call_at(kernel.now_ns() + rolling_check_ns, [this, rolling] { roll_next(rolling); });
    return;
  }
  if (rolling->left.empty()) {
    finish(rolling->id);
    return;
  }
  const NodeId next = rolling->left.front();
  rolling->left.erase(rolling->left.begin());
  cluster_.stop(next, rolling->fault.restart_after_ns);
  kernel.call_at(kernel.now_ns() + rolling->fault.gap_ns, [this, rolling] { roll_next(rolling); });
}

}  // namespace harrow::sim
