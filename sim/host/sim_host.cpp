#include "sim/host/sim_host.h"

#include <algorithm>

namespace harrow::sim {

void SimTimers::rearm_all() {
  std::vector<Timer*> mine;
  kernel_.queue().for_each([&](Timer& timer) {
    if (timer.owner == this) mine.push_back(&timer);
  });
  for (Timer* const timer : mine) {
    kernel_.pull(timer->position);
    insert(*timer);
  }
}

void SimCpu::start_spend(Work work, std::uint64_t units, Completion<bool>& done) {
  const WorkCost& cost = profile_.cost[static_cast<std::size_t>(work)];
  const std::int64_t service_ns = (cost.base_ns + cost.unit_ps * static_cast<std::int64_t>(units) / 1000) * factor_;
  if (service_ns <= 0) {
    done.complete(true);
    return;
  }
  const auto lane = std::min_element(free_at_ns_.begin(), free_at_ns_.end());
  *lane = std::max(*lane, kernel_.now_ns()) + service_ns;
  busy_ns_ += service_ns;
  if (idle_.empty()) {
    slices_.push_back(std::make_unique<Slice>());
    slices_.back()->cpu = this;
    idle_.push_back(slices_.back().get());
  }
  Slice& slice = *idle_.back();
  idle_.pop_back();
  done.attach(&slice.done);
  kernel_.at(*lane, slice);
}

SimHost::SimHost(Kernel& kernel, std::uint16_t node_index, SimClock& clock, Network& net, Disk& disk, const CpuProfile& cpu,
                 Random random, ReadyQueue& queue, std::function<void(Code)> on_halt)
    : timers_(kernel, clock),
      cpu_(kernel, cpu),
      scope_(queue),
      host_{clock, timers_, net, disk, cpu_, random, scope_, Tracer(kernel, node_index, kernel.now_ref()), std::move(on_halt)} {}

}  // namespace harrow::sim
