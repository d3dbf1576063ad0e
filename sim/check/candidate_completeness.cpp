// I4, candidate completeness: each running member of a partition's committed ISR and ELR holds all records below the true
// high watermark, so that whoever is elected loses nothing.
// Listens to: image_published (a changed ISR or ELR), high_watermark_moved.
// Legal exceptions: a member whose process came back and has not registered yet: it is still listed, and its registration
// takes it out. A partition whose record says RECOVERING (an unclean election that was allowed). What every copy lost is not below the true high watermark any more.
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class CandidateCompleteness final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::image_published, TraceKind::high_watermark_moved};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::image_published) {
      for (const RecordChange& change : oracle().record_changes()) judge(*change.partition);
    } else if (const HighWatermarkView& moved = oracle().high_watermark();
               moved.partition != nullptr && moved.replica->role == TruthRole::leader && moved.partition->record.leader_epoch == moved.replica->leader_epoch) {
      judge(*moved.partition);
    }
  }

 private:
  void judge(const PartitionTruth& partition) {
    if (!partition.record.known || partition.committed_end == 0 || partition.record.recovering) return;
    for (const auto* const list : {&partition.record.isr, &partition.record.elr})
      for (const NodeId id : *list) {
        const NodeTruth* const node = oracle().node_of(id);
        const ReplicaTruth* const replica = partition.replica_of(id);
        if (node == nullptr || !node->up || !node->registered || replica == nullptr) continue;
        expect(partition.holds(*replica, partition.committed_tip), partition.where(replica->machine, replica->end), [&] {
          return "broker " + std::to_string(id.value()) + " is in the " + (list == &partition.record.isr ? "ISR" : "ELR") + " of partition epoch " +
                 std::to_string(partition.record.partition_epoch) + " and lacks committed records: it ends at " + std::to_string(replica->end) +
                 ", committed is everything below " + std::to_string(partition.committed_end);
        });
      }
  }
};

}  // namespace

std::unique_ptr<Check> make_candidate_completeness() { return std::make_unique<CandidateCompleteness>(); }

}  // namespace harrow::sim
