// inject, disconnect.
#include "sim/faults/injector.h"

namespace harrow::sim {

bool Injector::act_on_protocol(const Fault& fault, const Targets& targets, Active& active) {
  const std::int64_t id = active.record;
  const auto ticket = static_cast<std::uint32_t>(id);
  const auto calls = std::make_shared<ArmedApiFaults::Calls>();
  Kernel& kernel = cluster_.kernel();
  // The fault ends in an event of its own: a node is in the middle of a turn.
  const auto spent = [this, id, &kernel] { kernel.call_at(kernel.now_ns(), [this, id] { finish(id); }); };
  bool acted = false;
  for (const Target& target : targets) {
    const auto found = api_faults_.find(target.node);
    if (found == api_faults_.end()) continue;
    acted = true;
    ArmedApiFaults& faults = *found->second;
    Random dice = dice_.fork("calls", static_cast<std::uint64_t>(id) * 1000003 + static_cast<std::uint64_t>(target.node.value()));
    faults.arm(ticket, ArmedApiFaults::rule_of(fault, dice, calls, spent));
    active.undo.push_back([&faults, ticket] { faults.disarm(ticket); });
  }
  return acted;
}

}  // namespace harrow::sim
