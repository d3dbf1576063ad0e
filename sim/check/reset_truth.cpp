// I60, resets: a consumer's position is reset only if it is outside the log: below its start, or above everything committed.
// Listens to: position_reset.
// Legal exceptions: a consumer without a position (from -1) begins by its policy; after a legal loss positions may be beyond
// the new history (truncation is reported, and the position moves).
#include <algorithm>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class ResetTruth final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::position_reset};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    const PartitionTruth* const partition = oracle().partition(event.subject);
    if (partition == nullptr || event.a < 0 || partition->newest_leader < 0) return;
    evaluated();
    if (!partition->excuses.empty()) return;
    std::int64_t start = partition->highest_start;
    for (const ReplicaTruth& replica : partition->replicas) start = std::max(start, replica.start);
    if (event.a >= start && event.a <= partition->committed_end)
      fail(at(event, event.a), "reset from " + std::to_string(event.a) + " to " + std::to_string(event.b) + ", the log is [" + std::to_string(start) + ", " + std::to_string(partition->committed_end) + ")");
  }
};

}  // namespace

std::unique_ptr<Check> make_reset_truth() { return std::make_unique<ResetTruth>(); }

}  // namespace harrow::sim
