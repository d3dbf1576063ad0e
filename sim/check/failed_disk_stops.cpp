// I36, failed disk: after a write or sync failed (EIO, ENOSPC) on a node's log directory, nothing more is written to a log or
// acknowledged by that process: it halts, as Kafka does when its only directory fails.
// Listens to: disk_failed, appended (by leaders), produce_answered.
// Legal exceptions: the same instant: the process ends at the end of its turn.
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class FailedDiskStops final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::disk_failed, TraceKind::appended, TraceKind::produce_answered};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::disk_failed) {
      evaluated();
      return;
    }
    const NodeTruth& node = oracle().node(event.node);
    if (node.disk_failed_at < 0 || event.time_ns <= node.disk_failed_at) return;
    if (event.kind == TraceKind::appended) {
      if (payload != nullptr && note_of<AppendNote>(payload).as_leader) fail(at(event, event.a), "appended after its disk had failed");
    } else if (event.b == 0) {
      fail(at(event, event.a), "acknowledged after its disk had failed");
    }
  }
};

}  // namespace

std::unique_ptr<Check> make_failed_disk_stops() { return std::make_unique<FailedDiskStops>(); }

}  // namespace harrow::sim
