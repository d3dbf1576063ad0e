// A disk's device: one queue that admits operations at its IOPS and bandwidth; latencies overlap. It only computes when
// an operation ends; SimDisk has the events.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sim/disk/profile.h"

namespace harrow::sim {

class Device {
 public:
  explicit Device(const DiskProfile& profile) : profile_(&profile) {}

  enum class Kind : std::uint8_t { read, write, sync };
  /// When an operation that is given now ends.
  std::int64_t submit(std::int64_t now_ns, Kind kind, std::uint64_t bytes);
  /// While it stalls, nothing ends before this.
  std::int64_t stalled_until() const { return stalled_until_; }
  void set_slow(std::uint32_t factor) { slow_ = std::max<std::uint32_t>(factor, 1); }
  void stall_until(std::int64_t time_ns) {
    if (time_ns < stalled_until_ && busy_until_ >= stalled_until_) busy_until_ -= stalled_until_ - time_ns;
    stalled_until_ = time_ns;
  }
  std::uint32_t slow() const { return slow_; }
  /// The queue is empty again (the host lost power).
  void reset() { busy_until_ = 0; }
  std::int64_t busy_until() const { return busy_until_; }

 private:
  const DiskProfile* profile_;
  std::int64_t busy_until_ = 0;
  std::int64_t stalled_until_ = 0;
  std::uint32_t slow_ = 1;
};

}  // namespace harrow::sim
