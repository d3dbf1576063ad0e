// I20, snapshots: a snapshot is the image at its offset; a metadata log that begins above 0 has a snapshot at or above its
// start; a leader never loads one.
// Listens to: snapshot_written, snapshot_loaded, log_start_moved and segment_deleted of the metadata log.
// Legal exceptions: an offset whose image nobody published is not judged (a batch may end in control records).
#include <algorithm>
#include <map>

#include "core/log/log.h"
#include "core/log/log.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class SnapshotTruth final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::snapshot_written, TraceKind::snapshot_loaded, TraceKind::log_start_moved};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::log_start_moved) {
      const PartitionTruth* const log = oracle().partition(event.subject);
      // A log that begins anew does so for a snapshot that is being put in place; snapshot_loaded follows.
      if (log == nullptr || !log->metadata || static_cast<LogStartReason>(event.b) == LogStartReason::restart) return;
      if (event.b == static_cast<std::int64_t>(LogStartReason::restart)) {
        begun_anew_[event.node] = event.a;  // at a snapshot that was fetched: its load is judged
        return;
      }
      const std::int64_t newest = newest_[event.node];
      expect(newest >= event.a, at(event, event.a), [&] { return "the metadata log begins at " + std::to_string(event.a) + ", its newest snapshot ends at " + std::to_string(newest); });
      return;
    }
    newest_[event.node] = std::max(newest_[event.node], event.a);
    if (event.kind == TraceKind::snapshot_loaded) {
      if (const auto begun = begun_anew_.find(event.node); begun != begun_anew_.end()) {
        expect(event.a == begun->second, at(event, event.a), [&] { return "the metadata log began anew at " + std::to_string(begun->second) + ", the snapshot loaded ends at " + std::to_string(event.a); });
        begun_anew_.erase(begun);
      }
      constexpr std::int32_t leader_role = 4;
      expect(oracle().node(event.node).quorum_role != leader_role, at(event, event.a), [] { return std::string("a leader loaded a snapshot"); });
    }
    if (payload == nullptr) return;
    const std::uint64_t* const image = oracle().image_hash_at(event.a - 1);
    if (image == nullptr || event.a - 1 > oracle().newest_image_offset()) return;
    expect(*image == note_of<SnapshotNote>(payload).image_hash, at(event, event.a), [&] { return "the snapshot that ends at " + std::to_string(event.a) + " is not the image at that offset"; });
  }

 private:
  std::map<std::uint16_t, std::int64_t> newest_;
  std::map<std::uint16_t, std::int64_t> begun_anew_;
};

}  // namespace

std::unique_ptr<Check> make_snapshot_truth() { return std::make_unique<SnapshotTruth>(); }

}  // namespace harrow::sim
