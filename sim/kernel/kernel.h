// The simulator's kernel: virtual time in integer nanoseconds, one ready queue and one timer queue for the whole
// cluster, the run's trace. Owner: the run (sim/cluster). Laws: posts run before time moves; ties are FIFO; nothing
// here knows what a node is beyond its ReadyQueue.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/async/ready.h"
#include "core/async/timer.h"
#include "core/base/trace.h"
#include "sim/kernel/event_queue.h"

namespace harrow::sim {

class Kernel;

/// Something of the simulator's own that happens at a time: derive and override fire(). Destroying it cancels it.
class Event : public Timer {
 public:
  void fire() override = 0;
};

/// The world's timers: kernel time, no node, no drift. For the fabric, disks, faults, checks.
class Kernel final : public Timers, public TraceSink {
 public:
  Kernel() = default;
  Kernel(const Kernel&) = delete;
  /// Calls that never came are freed; every other timer must be gone.
  ~Kernel();

  std::int64_t now_ns() const { return now_ns_; }
  const std::int64_t& now_ref() const { return now_ns_; }
  List<Ready>& run_list() { return run_list_; }

  /// Fires `event` at that time (now, if it has passed). Again = move it.
  void at(std::int64_t time_ns, Event& event) {
    event.disarm();
    arm_at(time_ns, event);
  }
  /// Runs a function once at that time. For cold paths: it allocates.
  void call_at(std::int64_t time_ns, std::function<void()> function);
  /// Puts a timer of some node's Timers into the queue at kernel time. `owner` is set by Timers::arm.
  std::uint32_t push(std::int64_t time_ns, Timer& timer) { return queue_.push(time_ns < now_ns_ ? now_ns_ : time_ns, timer); }
  void pull(std::uint32_t slot) { queue_.remove(slot); }
  EventQueue& queue() { return queue_; }

  /// Runs one posted coroutine, or else the next event. False when nothing is left.
  bool step() {
    if (run_one(run_list_)) {
      ++turns_;
      return true;
    }
    return step_event(INT64_MAX);
  }
  /// Runs everything up to and including `time_ns`; the clock stands at `time_ns` afterwards. Stops early when stop()
  /// was called.
  void run_until(std::int64_t time_ns);
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }
  void clear_stop() { stopped_ = false; }

  std::uint64_t events() const { return events_; }
  std::uint64_t turns() const { return turns_; }

  // Timers (kernel time as a monotonic clock)
  MonoNs now() const override { return MonoNs(now_ns_); }
  void insert(Timer& timer) override { timer.position = push(timer.at.value(), timer); }
  void remove(Timer& timer) override { pull(timer.position); }

  // The trace
  std::uint32_t intern(std::string_view name) override;
  const std::string& subject(std::uint32_t number) const { return subjects_[number]; }
  std::size_t subjects() const { return subjects_.size(); }
  void emit(const TraceEvent& event, const void* payload) override {
    ++trace_events_;
    hash_ = fold(hash_, event);
    if (event.node >= node_hashes_.size()) [[unlikely]] node_hashes_.resize(event.node + 1u, 0);
    node_hashes_[event.node] = fold(node_hashes_[event.node], event);
    for (TraceListener* const listener : listeners_[static_cast<std::size_t>(event.kind)]) listener->on_event(event, payload);
  }
  bool wants(TraceKind kind) const override { return !listeners_[static_cast<std::size_t>(kind)].empty(); }
  void listen(TraceKind kind, TraceListener& listener) { listeners_[static_cast<std::size_t>(kind)].push_back(&listener); }
  void listen_all(TraceListener& listener);
  std::uint64_t hash() const { return hash_; }
  std::uint64_t hash_of_node(std::uint16_t node) const { return node < node_hashes_.size() ? node_hashes_[node] : 0; }
  std::uint64_t trace_events() const { return trace_events_; }

 private:
  bool step_event(std::int64_t limit_ns) {
    const std::int64_t time = queue_.next_time();
    if (time > limit_ns || time == INT64_MAX) return false;
    Timer& timer = queue_.pop();
    now_ns_ = time;
    timer.owner = nullptr;
    ++events_;
    running() = Running{};
    timer.fire();
    return true;
  }
  void arm_at(std::int64_t time_ns, Event& event) {
    event.at = MonoNs(time_ns);
    event.owner = this;
    insert(event);
  }

  std::int64_t now_ns_ = 0;
  List<Ready> run_list_;
  EventQueue queue_;
  std::uint64_t events_ = 0;
  std::uint64_t turns_ = 0;
  bool stopped_ = false;
  List<Hook> calls_;

  std::vector<std::string> subjects_{""};
  std::vector<std::uint32_t> subject_index_;  // open hash table of indices into subjects_
  std::vector<TraceListener*> listeners_[trace_kind_limit];
  std::vector<std::uint64_t> node_hashes_;
  std::uint64_t hash_ = 0;
  std::uint64_t trace_events_ = 0;
};

}  // namespace harrow::sim
