// Room: posix. A real process as a node's Host: system clocks, TCP, files, one thread.
//
// Purpose: implements core/host for one node on this machine, and runs its turns. Owner: the program (sim/cli). It may
// touch the system; it alone in core/ does.
// Invariants: coroutines run only within run() and enter(), one at a time; what was posted runs before the sockets are
// asked again, but only so much of it that they never starve.
// Limits of this version: trace events are dropped; see posix_net.h and posix_disk.h for theirs.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "core/host/host.h"
#include "core/posix/posix_cpu.h"
#include "core/posix/posix_disk.h"
#include "core/posix/posix_net.h"
#include "core/posix/posix_poll.h"

namespace harrow::posix {

class PosixHost {
 public:
  explicit PosixHost(std::unique_ptr<PosixDisk> disk);
  ~PosixHost();
  PosixHost(const PosixHost&) = delete;
  PosixHost& operator=(const PosixHost&) = delete;

  Host& host() { return *host_; }
  /// Runs `start` as a turn (for starting roots).
  void enter(const std::function<void()>& start);
  /// Interrupt and terminate no longer end the process: the first one calls this in a turn of its own, a second one
  /// ends the process at once.
  void on_stop_signal(std::function<void()> stop);
  /// Runs turns until finish() or a halt.
  void run();
  /// Ends run() after the present turn.
  void finish() { finished_ = true; }
  /// Why the node halted, if it did.
  std::optional<Code> halted() const { return halted_; }
  /// Ends whatever the node was doing; before the node goes.
  void end_scope() { scope_.destroy_all(); }

 private:
  class DroppedTrace final : public TraceSink {
   public:
    std::uint32_t intern(std::string_view) override { return 0; }
    void emit(const TraceEvent&, const void*) override {}
    bool wants(TraceKind) const override { return false; }
  };
  class Signals;

  List<Ready> run_list_;
  ReadyQueue queue_;
  Poller poller_;
  PosixClock clock_;
  PosixTimers timers_;
  PosixNetwork net_;
  std::unique_ptr<PosixDisk> disk_;
  PosixCpu cpu_;
  DroppedTrace trace_;
  std::int64_t now_ns_ = 0;
  Scope scope_;
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<Host> host_;
  bool finished_ = false;
  std::optional<Code> halted_;
};

}  // namespace harrow::posix
