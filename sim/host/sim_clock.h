// A simulated node's clocks. The monotonic one runs with the kernel at a rate that may drift; the wall clock is the
// monotonic one plus an offset that may be stepped. They outlive the node's incarnations, as a machine's do.
#pragma once

#include "core/async/timer.h"
#include "core/host/clock.h"
#include "sim/kernel/kernel.h"

namespace harrow::sim {

class SimClock final : public Clock {
 public:
  /// `wall_at_zero_ms`: what the run's wall clock shows at kernel time 0; `offset_ns`: this node's error from it.
  SimClock(const Kernel& kernel, std::int64_t wall_at_zero_ms, std::int64_t offset_ns, std::int64_t drift_ppm)
      : kernel_(kernel), wall_offset_ns_(wall_at_zero_ms * ns_per_ms + offset_ns), drift_ppm_(drift_ppm) {}

  WallMs wall() const override { return WallMs((mono().value() + wall_offset_ns_) / ns_per_ms); }
  MonoNs mono() const override { return MonoNs(base_mono_ns_ + scaled(kernel_.now_ns() - base_kernel_ns_)); }

  /// The first kernel time at which mono() is at least `at`.
  std::int64_t kernel_time_of(MonoNs at) const {
    if (drift_ppm_ == 0) return base_kernel_ns_ + (at.value() - base_mono_ns_);
    const std::int64_t wanted = at.value() - base_mono_ns_;
    std::int64_t kernel_ns = static_cast<std::int64_t>(static_cast<i128>(wanted) * 1'000'000 / (1'000'000 + drift_ppm_));
    while (scaled(kernel_ns) < wanted) ++kernel_ns;
    return base_kernel_ns_ + kernel_ns;
  }
  void step_wall(std::int64_t by_ns) { wall_offset_ns_ += by_ns; }
  /// Both clocks jump forwards; the owner of timers must re-arm them.
  void advance(std::int64_t by_ns) { base_mono_ns_ += by_ns; }
  /// From now on; the owner of timers must re-arm them.
  void set_drift(std::int64_t ppm) {
    const std::int64_t now_mono = mono().value();
    base_kernel_ns_ = kernel_.now_ns();
    base_mono_ns_ = now_mono;
    drift_ppm_ = ppm;
  }
  std::int64_t drift_ppm() const { return drift_ppm_; }

 private:
  __extension__ using i128 = __int128;
  std::int64_t scaled(std::int64_t ns) const {
    return drift_ppm_ == 0 ? ns : ns + static_cast<std::int64_t>(static_cast<i128>(ns) * drift_ppm_ / 1'000'000);
  }
  const Kernel& kernel_;
  std::int64_t base_kernel_ns_ = 0;
  std::int64_t base_mono_ns_ = 0;
  std::int64_t wall_offset_ns_;
  std::int64_t drift_ppm_;
};

class SimTimers final : public Timers {
 public:
  SimTimers(Kernel& kernel, SimClock& clock) : kernel_(kernel), clock_(clock) {}
  MonoNs now() const override { return clock_.mono(); }
  /// After a change of the clock's rate: every armed timer of this node gets its new kernel time.
  void rearm_all();

 protected:
  void insert(Timer& timer) override { timer.position = kernel_.push(clock_.kernel_time_of(timer.at), timer); }
  void remove(Timer& timer) override { kernel_.pull(timer.position); }

 private:
  Kernel& kernel_;
  SimClock& clock_;
};

}  // namespace harrow::sim
