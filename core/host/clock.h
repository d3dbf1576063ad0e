// A node's two clocks. Real: clock_gettime. Simulated: kernel time with the node's offset, drift and jumps.
#pragma once

#include "core/base/time.h"

namespace harrow {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Milliseconds since 1970 as this node believes; may jump either way. For records, retention, offset expiry.
  virtual WallMs wall() const = 0;
  /// Never goes back; may drift. For time-outs, sessions, leases.
  virtual MonoNs mono() const = 0;
};

}  // namespace harrow
