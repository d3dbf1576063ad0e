// Room: posix. A real process as a node's Host: system clocks, TCP, files, one thread.
//
// Purpose: implements core/host for one node on this machine, and runs its turns. Owner: the program (sim/cli). It may
// touch the system; it alone in core/ does.
// Invariants: coroutines run only within run() and enter(), one at a time; what was posted runs before the sockets are
// asked again, but only so much of it that they never starve.
// Several hosts may live in one program, each run by a thread of its own; post() is the only door between them.
// Limits of this version: trace events are dropped unless a sink is given; see posix_net.h and posix_disk.h for theirs.
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
  /// Without a disk every file is an error: for clients. Without a sink trace events are dropped.
  explicit PosixHost(std::unique_ptr<PosixDisk> disk, TraceSink* trace = nullptr);
  ~PosixHost();
  PosixHost(const PosixHost&) = delete;
  PosixHost& operator=(const PosixHost&) = delete;

  Host& host() { return *host_; }
  /// Runs `start` as a turn (for starting roots).
  void enter(const std::function<void()>& start);
  /// From any thread: `turn` runs soon, in a turn of its own on the thread that runs this host; after run() it never does.
  void post(std::function<void()> turn);
  /// Interrupt and terminate no longer end the process: the first one calls this in a turn of its own, a second one
  /// ends the process at once.
  void on_stop_signal(std::function<void()> stop);
  PosixNetwork& network() { return net_; }
  Poller& poller() { return poller_; }
  PosixClock& clock() { return clock_; }
  /// Of the disk that the host was given; null for clients.
  DiskFaults* disk_faults() { return disk_faults_; }
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
  class Mailbox;
  class AbsentDisk;

  List<Ready> run_list_;
  ReadyQueue queue_;
  Poller poller_;
  PosixClock clock_;
  PosixTimers timers_;
  PosixNetwork net_;
  DiskFaults* disk_faults_ = nullptr;
  FileRounds* file_rounds_ = nullptr;  // of the same disk
  std::unique_ptr<Disk> disk_;
  PosixCpu cpu_;
  DroppedTrace dropped_;
  std::int64_t now_ns_ = 0;
  Scope scope_;
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<Mailbox> mailbox_;
  std::unique_ptr<Host> host_;
  bool finished_ = false;
  std::optional<Code> halted_;
};

}  // namespace harrow::posix
