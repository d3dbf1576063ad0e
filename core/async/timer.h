// Timers of a node, on its monotonic clock. A Timer is armed with the Ready that it posts when its time comes; its
// destructor disarms it.
#pragma once

#include <cstdint>

#include "core/async/ready.h"
#include "core/base/time.h"

namespace harrow {

class Timer;

class Timers {
 public:
  virtual ~Timers() = default;
  /// The node's monotonic clock now.
  virtual MonoNs now() const = 0;
  /// Posts `wake` at `at` (at once in the next turn if that has passed). Arming again moves the timer. `never` is legal
  /// and arms nothing.
  void arm(Timer& timer, MonoNs at, Ready& wake);

 protected:
  friend class Timer;
  virtual void insert(Timer& timer) = 0;
  virtual void remove(Timer& timer) = 0;
};

/// A host may derive from it to have its own action at a time; core/ only ever posts a Ready.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual ~Timer() { disarm(); }
  bool armed() const { return owner != nullptr; }
  void disarm() {
    if (owner != nullptr) {
      owner->remove(*this);
      owner = nullptr;
    }
  }
  /// Called by the owner when the time has come, after it forgot the timer (owner is null then).
  virtual void fire() { wake->post(); }

  MonoNs at{};
  Ready* wake = nullptr;
  Timers* owner = nullptr;
  std::uint32_t position = 0;  // where the owner keeps it
};

inline void Timers::arm(Timer& timer, MonoNs at, Ready& wake) {
  timer.disarm();
  if (at >= never) return;
  timer.at = at;
  timer.wake = &wake;
  timer.owner = this;
  insert(timer);
}

}  // namespace harrow
