// A scenario's own expectations: slo, eventually. They are judged from the collector's figures and the committed
// metadata, at the end or when their time has come.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/scenario/scenario.h"

namespace harrow::sim {

class Collector;

/// What the cluster looks like now, for `eventually`.
struct ClusterFigures {
  std::int64_t under_replicated = 0;
  std::int64_t offline = 0;
};

class Expectations {
 public:
  struct Broken {
    std::string name;  // "slo" or "eventually"
    bool liveness = false;
    std::string message;
  };
  void use(const Collector& collector) { collector_ = &collector; }
  const Collector* collector() const { return collector_; }
  /// Called now and then and at the end: notes when an `eventually` first holds, and breaks what is overdue.
  void look(const CheckPlan& plan, std::int64_t now_ns, std::int64_t healed_at_ns, const ClusterFigures& figures);
  /// At the end of the run.
  void conclude(const CheckPlan& plan, std::int64_t now_ns, std::int64_t healed_at_ns, const ClusterFigures& figures);
  const std::vector<Broken>& broken() const { return broken_; }
  std::int64_t slo_evaluated() const { return slo_evaluated_; }
  std::int64_t slo_failed() const { return slo_failed_; }
  std::int64_t eventually_evaluated() const { return eventually_evaluated_; }
  std::int64_t eventually_failed() const { return eventually_failed_; }

 private:
  void judge_slo(const Slo& slo);
  void compare(const char* what, std::int64_t value, const std::optional<std::int64_t>& limit, const char* unit, std::int64_t divisor);
  std::string shortfall(const Eventually& wanted, const ClusterFigures& figures) const;

  const Collector* collector_ = nullptr;
  std::vector<bool> met_;
  std::vector<bool> judged_;
  std::vector<Broken> broken_;
  std::int64_t slo_evaluated_ = 0, slo_failed_ = 0, eventually_evaluated_ = 0, eventually_failed_ = 0;
};

}  // namespace harrow::sim
