// The judge of a run: owns the checks, the oracle and the marks, hands each event to those who asked for it, and keeps
// the first failure. Owner: the run. It listens; it never emits, draws or changes anything.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/check/accounting.h"
#include "sim/check/check.h"
#include "sim/check/expectations.h"
#include "sim/check/marks.h"
#include "sim/check/oracle.h"
#include "sim/check/setup.h"
#include "sim/check/view.h"
#include "sim/kernel/kernel.h"
#include "sim/scenario/run.h"

namespace harrow::sim {

class Cluster;
class Collector;

class Judge final : public TraceListener, private Bench {
 public:
  /// The run's: what to judge is read off the scenario.
  Judge(Kernel& kernel, const Cluster& cluster, const Scenario& scenario);
  /// Tests': any view.
  Judge(Kernel& kernel, std::unique_ptr<View> view, JudgeSetup setup);
  Judge(const Judge&) = delete;
  ~Judge() override;

  /// Registers with the kernel; before the first event.
  void attach();
  /// Latencies, lag and unavailability for slo and eventually; without it they are not judged.
  void use(const Collector& collector) { expectations_.use(collector); }
  /// Stops the kernel at the first failure.
  void stop_at_first_failure(bool stop) { stop_at_first_ = stop; }
  /// All faults have ended.
  void at_heal();
  /// The run is over: between turns, before the cluster goes.
  void at_end();
  /// The hash of the same run done before (I71).
  void compare_hash(std::uint64_t before, std::uint64_t now);
  /// Checks, marks, records, failure, and the verdict as far as checks decide it.
  void fill(RunResult& result) const;

  bool failed() const { return first_.has_value(); }
  const std::optional<Failure>& failure() const { return first_; }
  /// Every failing check's first failure, in the order of their times.
  const std::vector<Failure>& all_failures() const { return failures_; }
  const Oracle& oracle() const override { return oracle_; }
  const Marks& marks() const { return marks_; }
  const Accounting& accounting() const override { return accounting_; }
  const Check* check(std::string_view id_or_name) const;

  void on_event(const TraceEvent& event, const void* payload) override;

 private:
  class Sweep final : public Event {
   public:
    explicit Sweep(Judge& judge) : judge_(judge) {}
    void fire() override { judge_.between_turns(); }

   private:
    Judge& judge_;
  };
  class Tick final : public Event {
   public:
    explicit Tick(Judge& judge) : judge_(judge) {}
    void fire() override { judge_.tick(); }

   private:
    Judge& judge_;
  };
  const View& view() const override { return *view_; }
  const JudgeSetup& setup() const override { return setup_; }
  std::int64_t now_ns() const override { return kernel_.now_ns(); }
  std::int64_t healed_at_ns() const override { return healed_at_ns_; }
  const std::string& subject(std::uint32_t number) const override { return kernel_.subject(number); }
  void failed(Check& check, Where where, std::string message) override;
  void defer(Check& check, std::uint64_t token) override;
  void between_turns();
  void tick();
  void make_checks();
  void note_failure(std::string_view id, std::string_view name, FailureKind kind, const Where& where, std::string message);
  void judge_expectations(bool at_end);

  Kernel& kernel_;
  std::unique_ptr<View> view_;
  JudgeSetup setup_;
  Oracle oracle_;
  Marks marks_;
  Accounting accounting_;
  Expectations expectations_;
  std::vector<std::unique_ptr<Check>> checks_;
  std::vector<Check*> by_kind_[trace_kind_limit];
  bool oracle_wants_[trace_kind_limit] = {};
  bool marks_want_[trace_kind_limit] = {};
  struct Deferred {
    Check* check;
    std::uint64_t token;
  };
  std::vector<Deferred> deferred_, running_;
  Sweep sweep_{*this};
  Tick tick_{*this};
  std::int64_t healed_at_ns_ = -1;
  bool stop_at_first_ = false;
  bool ended_ = false;
  std::optional<Failure> first_;
  std::vector<Failure> failures_;
  std::vector<bool> noted_;  // by check: its first failure is kept
};

}  // namespace harrow::sim
