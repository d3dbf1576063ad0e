// Room: sim/check. The invariants that a run is judged by, one file each, on what the trace says.
// Purpose: each Check states one thing that must hold, listens to the events that can break it, and says where it broke.
// Owner: the run's Judge. May touch: core's headers to read, sim/cluster through View (const, between turns); it never
// changes a node, emits no event, draws no random number, so a run has one hash with checks on or off.
// Invariants: `evaluated` counts only evaluations whose premise occurred; an event costs a bounded handful of look-ups,
// whatever the run's length; expensive comparisons happen at role changes, loads, every Nth time and at the end.
//
// How to write one: README.md in this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/base/trace.h"
#include "core/model/ids.h"
#include "core/model/trace_payloads.h"

namespace harrow::sim {

class Accounting;
class Oracle;
class View;
struct JudgeSetup;

enum class CheckKind : std::uint8_t { safety, liveness, slo };

/// Where a check failed; what is unknown stays empty.
struct Where {
  std::int32_t machine = -1;   // index in the trace
  std::uint32_t subject = 0;   // "orders-3", interned
  std::int64_t offset = -1;
  std::string topic;           // when there is no subject
  std::int32_t partition = -1;
};
inline Where at(const TraceEvent& event, std::int64_t offset = -1) { return Where{event.node, event.subject, offset, "", -1}; }

/// What the Judge does for a check.
class Bench {
 public:
  virtual ~Bench() = default;
  virtual const Oracle& oracle() const = 0;
  virtual const View& view() const = 0;
  /// Counted before at_end().
  virtual const Accounting& accounting() const = 0;
  virtual const JudgeSetup& setup() const = 0;
  virtual std::int64_t now_ns() const = 0;
  /// When every fault had ended; -1 before.
  virtual std::int64_t healed_at_ns() const = 0;
  virtual const std::string& subject(std::uint32_t number) const = 0;
  virtual void failed(class Check& check, Where where, std::string message) = 0;
  /// Calls check.between_turns(token) soon, when no node is in the middle of anything.
  virtual void defer(class Check& check, std::uint64_t token) = 0;
};

class Check {
 public:
  virtual ~Check() = default;
  /// The events that it wants to hear.
  virtual std::span<const TraceKind> kinds() const { return {}; }
  /// Within the emitting turn: payload and oracle only, never the view.
  virtual void on_event(const TraceEvent&, const void*) {}
  /// What defer() asked for.
  virtual void between_turns(std::uint64_t) {}
  /// All faults have ended long enough ago that the cluster must be at rest. Called before at_end().
  virtual void at_quiescence() {}
  virtual void at_end() {}

  std::int64_t evaluations() const { return evaluated_; }
  std::int64_t failures() const { return failed_; }
  void place(Bench& bench, std::size_t row) {
    bench_ = &bench;
    row_ = row;
  }
  std::size_t row() const { return row_; }

 protected:
  /// One evaluation whose premise occurred: `good` or a failure. The message is built only when it is needed.
  template <class Message>
  void expect(bool good, Where where, const Message& message) {
    ++evaluated_;
    if (!good) [[unlikely]] fail(std::move(where), message());
  }
  void evaluated() { ++evaluated_; }
  /// A failure of an evaluation that is already counted.
  void fail(Where where, std::string message) {
    ++failed_;
    bench_->failed(*this, std::move(where), std::move(message));
  }
  const Oracle& oracle() const { return bench_->oracle(); }
  const View& view() const { return bench_->view(); }
  const Accounting& accounting() const { return bench_->accounting(); }
  const JudgeSetup& setup() const { return bench_->setup(); }
  std::int64_t now_ns() const { return bench_->now_ns(); }
  Bench& bench() { return *bench_; }
  const Bench& bench() const { return *bench_; }

 private:
  Bench* bench_ = nullptr;
  std::size_t row_ = 0;
  std::int64_t evaluated_ = 0;
  std::int64_t failed_ = 0;
};

template <class Payload>
const Payload& note_of(const void* payload) {
  return *static_cast<const Payload*>(payload);
}

}  // namespace harrow::sim
