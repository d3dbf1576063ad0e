// I24, deposed actors: what a leader acknowledges after its successor's first commit is in the successor's log, or it has no
// effect.
// Listens to: produce_answered with acks=all by a node that no longer leads the newest epoch.
// A refusal by such a node counts as evaluated: it was asked, and nothing came of it.
// Legal exceptions: acks=0 and 1; an answer that was already earned: the records are in the successor's log. Deposed
// controllers and coordinators write through their logs and are judged there (I21, I14, I53).
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class DeposedActor final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::produce_answered};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (payload == nullptr) return;
    const auto& note = note_of<ProduceNote>(payload);
    const PartitionTruth* const partition = oracle().partition(event.subject);
    if (partition == nullptr || note.acks != -1 || partition->newest_leader < 0 || partition->newest_leader == event.node) return;
    if (event.b != 0) {
      evaluated();
      return;
    }
    const ReplicaTruth* const deposed = partition->replica_on(event.node);
    const ReplicaTruth* const leader = partition->leader();
    if (deposed == nullptr || leader == nullptr || deposed->leader_epoch >= partition->newest_epoch) return;
    if (partition->committed_end <= partition->newest_epoch_start) return;  // the successor has not committed anything yet
    const RowId row = partition->find(*deposed, note.last_offset.value());
    expect(row != no_row && partition->holds(*leader, row), at(event, note.last_offset.value()), [&] {
      return "the deposed leader of epoch " + std::to_string(deposed->leader_epoch) + " acknowledged records that the leader of epoch " + std::to_string(partition->newest_epoch) + " does not have";
    });
  }
};

}  // namespace

std::unique_ptr<Check> make_deposed_actor() { return std::make_unique<DeposedActor>(); }

}  // namespace harrow::sim
