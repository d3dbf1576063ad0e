// I17, unclean exclusion: a replica enters the committed ISR only if the same incarnation of its broker, on the same disk, had
// caught up: a broker that came back with less than it had must catch up again first.
// Listens to: image_published (members added to an ISR), judged by the start of the process in which the oracle last saw the
// replica hold everything committed.
// Legal exceptions: the first record of a partition (nothing to catch up with); an unclean election makes its winner the ISR; a
// log that begins anew where everything committed has been removed has nothing to catch up with; a process that came back and
// has not registered yet: the record still speaks of the one before it, and the registration will take it out.
#include <algorithm>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class UncleanExclusion final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::image_published};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    for (const RecordChange& change : oracle().record_changes()) {
      const PartitionTruth& partition = *change.partition;
      const PartitionRecord& now = partition.record;
      if (!change.before.known || partition.committed_end == 0 || now.recovering || now.leader_epoch < change.before.leader_epoch) continue;
      for (const NodeId id : now.isr) {
        if (std::find(change.before.isr.begin(), change.before.isr.end(), id) != change.before.isr.end()) continue;
        // From the ELR into the ISR by election: I4 and I18 judge that.
        if (now.leader == id && std::find(change.before.elr.begin(), change.before.elr.end(), id) != change.before.elr.end()) continue;
        const ReplicaTruth* const replica = partition.replica_of(id);
        const NodeTruth* const node = oracle().node_of(id);
        if (replica == nullptr || node == nullptr || !node->up || !node->registered || replica->start >= partition.committed_end) continue;
        expect(replica->caught_up_start == node->starts, partition.where(replica->machine, replica->end), [&] {
          return "broker " + std::to_string(id.value()) + " joined the ISR of partition epoch " + std::to_string(now.partition_epoch) +
                 ", but it was another incarnation that caught up; this one's log ends at " + std::to_string(replica->end);
        });
      }
    }
  }
};

}  // namespace

std::unique_ptr<Check> make_unclean_exclusion() { return std::make_unique<UncleanExclusion>(); }

}  // namespace harrow::sim
