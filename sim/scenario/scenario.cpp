#include "sim/scenario/scenario.h"

#include <algorithm>
#include <array>

#include "core/base/check.h"

namespace harrow::sim {

std::string_view name_of(FaultKind kind) {
  static constexpr std::array<std::string_view, fault_kinds> names{
      "kill",        "power-loss", "stop",       "rolling-restart", "pause",        "slow-cpu",     "partition",      "one-way",
      "isolate",     "hold-api",   "drop-api",   "delay",           "loss",         "bandwidth",    "reset",          "slow-disk",
      "stall-disk",  "full-disk",  "disk-error", "sync-error",      "bit-rot",      "misdirect",    "wipe-disk",      "clock-step",
      "clock-drift", "move-leader", "delete-topic", "create-topic", "add-partitions", "alter-config", "delete-records",
      "inject",      "disconnect",  "advance-clock"};
  return names[static_cast<std::size_t>(kind)];
}

bool holds(Clause::Compare compare, std::int64_t left, std::int64_t right) {
  switch (compare) {
    case Clause::Compare::less: return left < right;
    case Clause::Compare::less_equal: return left <= right;
    case Clause::Compare::equal: return left == right;
    case Clause::Compare::not_equal: return left != right;
    case Clause::Compare::greater_equal: return left >= right;
    case Clause::Compare::greater: return left > right;
  }
  return false;
}

bool Slo::empty() const {
  return !produce_p50_ns && !produce_p99_ns && !produce_p999_ns && !end_to_end_p50_ns && !end_to_end_p99_ns && !end_to_end_p999_ns &&
         !unavailable_per_fault_ns && !unavailable_total_ns && !lag_at_end && !lag_max && !under_replicated_ns;
}

std::int64_t Scenario::produce_until_ns() const {
  if (heal_ns >= 0) return heal_ns + (after_ns - heal_ns) / 2;
  return after_ns - std::min<std::int64_t>(after_ns / 4, 15'000'000'000);
}

const TopicPlan* Scenario::topic(std::string_view wanted) const {
  const auto found = std::find_if(topics.begin(), topics.end(), [&](const TopicPlan& t) { return t.name == wanted; });
  return found == topics.end() ? nullptr : &*found;
}

}  // namespace harrow::sim
