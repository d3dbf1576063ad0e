// I5, replication quorum: the maximal ISR of a partition's current leader contains the controller's ISR and ELR as long as
// its ISR is at least min.insync.replicas: whoever may be elected is waited for.
// Listens to: isr_proposed, isr_committed, image_published.
// Legal exceptions: a leader of an older epoch (it is about to learn), a leader whose view is of an older partition epoch
// than a record that only took members away.
#include <algorithm>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class ReplicationQuorum final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::isr_proposed, TraceKind::isr_committed, TraceKind::image_published};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::image_published) {
      for (const RecordChange& change : oracle().record_changes()) judge(*change.partition);
    } else if (const PartitionTruth* const partition = oracle().partition(event.subject)) {
      judge(*partition);
    }
  }

 private:
  void judge(const PartitionTruth& partition) {
    const PartitionRecord& record = partition.record;
    const ReplicaTruth* const leader = record.known && record.leader != no_node ? partition.replica_of(record.leader) : nullptr;
    if (leader == nullptr || leader->role != TruthRole::leader || !leader->has_isr || leader->leader_epoch != record.leader_epoch) return;
    if (static_cast<std::int32_t>(record.isr.size()) < record.min_isr) return;
    for (const auto* const list : {&record.isr, &record.elr})
      for (const NodeId id : *list)
        expect(std::find(leader->maximal_isr.begin(), leader->maximal_isr.end(), id) != leader->maximal_isr.end(), partition.where(leader->machine, -1), [&] {
          return "the controller has broker " + std::to_string(id.value()) + (list == &record.isr ? " in the ISR" : " in the ELR") + " of partition epoch " +
                 std::to_string(record.partition_epoch) + ", the leader of epoch " + std::to_string(record.leader_epoch) + " does not wait for it";
        });
  }
};

}  // namespace

std::unique_ptr<Check> make_replication_quorum() { return std::make_unique<ReplicationQuorum>(); }

}  // namespace harrow::sim
