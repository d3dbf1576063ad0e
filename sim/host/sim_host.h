// One incarnation of a simulated node: its queue, scope, timers and processor, and the Host that core/ gets. Destroying
// it is the crash: roots go first, newest first. Clock, disk and network port belong to the machine and outlive it.
#pragma once

#include <functional>

#include "core/host/host.h"
#include "sim/host/sim_clock.h"
#include "sim/host/sim_cpu.h"
#include "sim/kernel/kernel.h"

namespace harrow::sim {

class SimHost {
 public:
  SimHost(Kernel& kernel, std::uint16_t node_index, SimClock& clock, Network& net, Disk& disk, const CpuProfile& cpu, Random random,
          ReadyQueue& queue, std::function<void(Code)> on_halt);
  SimHost(const SimHost&) = delete;
  /// Runs `start` as a turn of this node (for starting its first roots).
  template <class Start>
  void enter(Start start) {
    const Running before = running();
    running() = Running{&scope_.queue(), "start"};
    start();
    running() = before;
  }
  Host& host() { return host_; }
  SimCpu& cpu() { return cpu_; }
  SimTimers& timers() { return timers_; }
  Scope& scope() { return scope_; }

 private:
  SimTimers timers_;
  SimCpu cpu_;
  Scope scope_;
  Host host_;
};

}  // namespace harrow::sim
