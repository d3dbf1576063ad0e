// I13, no acked loss: success with acks=all means committed, and readable at the end at its offset with its bytes; a definite
// refusal means that the record never appears.
// Listens to: produce_answered; at the end compares what clients were told with what every leader's log gives.
// Legal exceptions (shown as lost_unpromised, and counted as failures only with `count: acked`): acks=0 and 1; un-synced on
// every copy that power losses took at once; an unclean election that the configuration allows. Not lost: what retention,
// DeleteRecords or the deletion of the topic removed, and what compaction may remove. An unknown outcome (a time-out) promises nothing either way.
#include <algorithm>

#include "sim/check/accounting.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/setup.h"

namespace harrow::sim {
namespace {

class NoAckedLoss final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::produce_answered};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (payload == nullptr || event.b != 0) return;
    const auto& note = note_of<ProduceNote>(payload);
    const PartitionTruth* const partition = oracle().partition(event.subject);
    if (note.acks != -1 || partition == nullptr || note.last_offset.value() < 0) return;
    // An answer that crossed a legal loss said what was true when the records were committed.
    const std::int64_t excused = partition->excuses.empty() ? 0 : partition->excuses.back().to;
    expect(note.last_offset.value() < std::max(partition->committed_end, excused), at(event, note.last_offset.value()), [&] {
      return "acknowledged up to " + std::to_string(note.last_offset.value()) + " with acks=all, committed is everything below " + std::to_string(partition->committed_end);
    });
  }
  void at_end() override {
    if (!accounting().counted()) return;
    const RecordCounts& records = accounting().records();
    if (records.promised > 0) {
      const auto& lost = accounting().first_lost();
      expect(!lost, Where{-1, 0, lost ? lost->offset : -1, lost ? lost->topic : "", lost ? lost->partition : -1},
             [&] { return std::to_string(records.lost) + " promised records are lost; the first was " + told(*lost, "acks=all"); });
    }
    if (accounting().refused_looked_for() > 0) {
      const auto& seen = accounting().first_refused_but_present();
      expect(!seen, Where{-1, 0, seen ? seen->offset : -1, seen ? seen->topic : "", seen ? seen->partition : -1}, [&] { return seen->what; });
    }
    if (setup().checks.count_unpromised) {
      const auto& lost = accounting().first_lost_unpromised();
      expect(!lost, Where{-1, 0, lost ? lost->offset : -1, lost ? lost->topic : "", lost ? lost->partition : -1},
             [&] { return std::to_string(records.lost_unpromised) + " acknowledged records are lost, as the settings allow; the first was " + told(*lost, lost->acks == 2 ? "acks=all" : "acks=1"); });
    }
  }

 private:
  static std::string told(const LostRecord& lost, const char* acks) {
    return "acknowledged to " + lost.producer + " with " + acks + " at " + std::to_string(lost.acked_at_ms) + " ms, cannot be read at the end: " + lost.why;
  }
};

}  // namespace

std::unique_ptr<Check> make_no_acked_loss() { return std::make_unique<NoAckedLoss>(); }

}  // namespace harrow::sim
