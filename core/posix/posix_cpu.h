// A real node's processor, clocks and timers. Work is spent by running, so a spend is ready at once.
#pragma once

#include <cstdint>
#include <vector>

#include "core/async/timer.h"
#include "core/host/clock.h"
#include "core/host/cpu.h"

namespace harrow::posix {

class PosixCpu final : public Cpu {
 protected:
  void start_spend(Work, std::uint64_t, Completion<bool>& done) override { done.complete(true); }
};

class PosixClock final : public Clock {
 public:
  WallMs wall() const override;
  MonoNs mono() const override;
  /// As if somebody had set the system's clock; may be negative.
  void step_wall(std::int64_t by_ns) { wall_ahead_ns_ += by_ns; }
  /// As if so much time had passed.
  void advance(std::int64_t by_ns) {
    wall_ahead_ns_ += by_ns;
    mono_ahead_ns_ += by_ns;
  }

 private:
  std::int64_t wall_ahead_ns_ = 0;
  std::int64_t mono_ahead_ns_ = 0;
};

/// A binary heap by time, then by the order of arming.
class PosixTimers final : public Timers {
 public:
  explicit PosixTimers(const Clock& clock) : clock_(clock) {}
  MonoNs now() const override { return clock_.mono(); }
  /// Fires every timer whose time has come.
  void fire_due();
  /// When the first one is due; `never` without any.
  MonoNs next_at() const { return heap_.empty() ? never : heap_.front().timer->at; }

 protected:
  void insert(Timer& timer) override;
  void remove(Timer& timer) override;

 private:
  struct Entry {
    Timer* timer;
    std::uint64_t number;
  };
  static bool earlier(const Entry& a, const Entry& b) {
    return a.timer->at != b.timer->at ? a.timer->at < b.timer->at : a.number < b.number;
  }
  void put(std::size_t place, const Entry& entry);
  void settle(std::size_t place, const Entry& entry);

  const Clock& clock_;
  std::vector<Entry> heap_;
  std::uint64_t armed_ = 0;
};

}  // namespace harrow::posix
