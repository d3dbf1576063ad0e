// I8, order of offsets: log start <= high watermark <= log end on every replica; a leader's high watermark never falls within
// its epoch, and every member of its maximal ISR holds what is below it.
// Listens to: high_watermark_moved.
// Legal exceptions: one incarnation is judged (a high watermark comes back from a checkpoint after a crash); a follower's
// falls when it truncates; a member that lost un-synced data since it fetched is not held against the leader, who cannot know.
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class HighWatermarkMonotonic final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::high_watermark_moved};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    const HighWatermarkView& moved = oracle().high_watermark();
    if (moved.partition == nullptr) return;
    const ReplicaTruth& replica = *moved.replica;
    const std::int64_t to = event.a;
    evaluated();
    if (to > replica.end) fail(at(event, to), "the high watermark " + std::to_string(to) + " is behind the log's end " + std::to_string(replica.end));
    else if (to < replica.start) fail(at(event, to), "the high watermark " + std::to_string(to) + " is before the log's start " + std::to_string(replica.start));
    else if (replica.role == TruthRole::leader && moved.before > to && moved.epoch_before == event.b)
      fail(at(event, to), "the leader's high watermark fell from " + std::to_string(moved.before) + " to " + std::to_string(to));
    else if (moved.missing != no_node)
      fail(at(event, to), "broker " + std::to_string(moved.missing.value()) + " is in the maximal ISR and does not hold what is below the high watermark " + std::to_string(to));
  }
};

}  // namespace

std::unique_ptr<Check> make_high_watermark_monotonic() { return std::make_unique<HighWatermarkMonotonic>(); }

}  // namespace harrow::sim
