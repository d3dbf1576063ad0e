// The seam: all that a node may do to the world. core/ owns no thread, clock, socket or file; it is given a Host and
// hands it down narrower. sim/host and core/posix implement it; nothing else does.
#pragma once

#include <functional>

#include "core/async/task.h"
#include "core/async/timer.h"
#include "core/base/random.h"
#include "core/base/trace.h"
#include "core/host/clock.h"
#include "core/host/cpu.h"
#include "core/host/disk.h"
#include "core/host/net.h"

namespace harrow {

struct Host {
  Clock& clock;
  Timers& timers;
  Network& net;
  Disk& disk;
  Cpu& cpu;
  Random random;  // fork it by purpose
  Scope& scope;
  Tracer trace;
  /// Ends the process at the end of the turn as a fatal storage error does: no clean stop, no mark. The host destroys
  /// the scope in a turn of its own.
  std::function<void(Code)> halt;
};

}  // namespace harrow
