// A simulated node's processor: `lanes` servers in one queue. Service times come from one table, in nanoseconds, so
// that a hardware profile (and later a calibration) is data.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "core/host/cpu.h"
#include "sim/kernel/kernel.h"

namespace harrow::sim {

/// Costs of one kind of work: fixed nanoseconds and picoseconds per unit.
struct WorkCost {
  std::int64_t base_ns = 0;
  std::int64_t unit_ps = 0;
};
struct CpuProfile {
  int lanes = 1;
  // In the order of enum Work: frame_in, handler, frame_out, background, client.
  std::array<WorkCost, 5> cost = {WorkCost{1500, 120}, WorkCost{4000, 150'000}, WorkCost{1500, 120},
                                  WorkCost{0, 1'000'000'000}, WorkCost{1000, 100}};
};

class SimCpu final : public Cpu {
 public:
  SimCpu(Kernel& kernel, const CpuProfile& profile)
      : kernel_(kernel), profile_(profile), free_at_ns_(static_cast<std::size_t>(profile.lanes), 0) {}
  /// Work that starts from now on takes `factor` times as long.
  void slow_by(std::int64_t factor) { factor_ = factor; }
  std::int64_t busy_ns() const { return busy_ns_; }

 protected:
  void start_spend(Work work, std::uint64_t units, Completion<bool>& done) override;

 private:
  struct Slice final : Event {
    SimCpu* cpu = nullptr;
    Completion<bool>* done = nullptr;
    void fire() override {
      if (done != nullptr) done->complete(true);
      cpu->idle_.push_back(this);
    }
  };
  Kernel& kernel_;
  CpuProfile profile_;
  std::vector<std::int64_t> free_at_ns_;
  std::int64_t factor_ = 1;
  std::int64_t busy_ns_ = 0;
  std::vector<std::unique_ptr<Slice>> slices_;
  std::vector<Slice*> idle_;
};

}  // namespace harrow::sim
