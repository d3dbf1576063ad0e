// clock-step, clock-drift, advance-clock.
#include "sim/faults/injector.h"

namespace harrow::sim {

bool Injector::act_on_clock(const Fault& fault, const Targets& targets, Active& active) {
  for (const Target& target : targets) {
    Machine& machine = cluster_.machine(target.machine);
    if (fault.kind == FaultKind::clock_step) {
      machine.clock().step_wall(fault.by_ns);
      continue;
    }
    if (fault.kind == FaultKind::advance_clock) {
      machine.advance_clock(fault.by_ns);
      continue;
    }
    const std::int64_t before_ppm = machine.clock().drift_ppm();
    machine.set_drift(fault.drift_ppb / 1000);
    active.undo.push_back([&machine, before_ppm] { machine.set_drift(before_ppm); });
  }
  return !targets.empty();
}

}  // namespace harrow::sim
