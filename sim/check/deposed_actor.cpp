// I24, deposed actors: what a leader acknowledges after its successor's first commit is in the successor's log, or it has no
// effect; and a fetch that names a leader's epoch is answered in that epoch only: whoever follows a deposed leader, or has
// not heard of the new one, is told so.
// Listens to: produce_answered with acks=all by a node that no longer leads the newest epoch; fetch_answered.
// A refusal by such a node counts as evaluated: it was asked, and nothing came of it.
// Legal exceptions: acks=0 and 1; an answer that was already earned: the records are in the successor's log; a fetch that
// names no epoch. Deposed controllers and coordinators write through their logs and are judged there (I21, I14, I53).
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class DeposedActor final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::produce_answered, TraceKind::fetch_answered};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (payload == nullptr) return;
    if (event.kind == TraceKind::fetch_answered) {
      const auto& fetch = note_of<FetchNote>(payload);
      if (event.b != 0 || fetch.asked_epoch == no_epoch || fetch.judged_epoch == no_epoch) return;
      expect(fetch.asked_epoch == fetch.judged_epoch, at(event, event.a), [&] {
        return "a fetch in epoch " + std::to_string(fetch.asked_epoch.value()) + (fetch.replica.value() >= 0 ? " of broker " + std::to_string(fetch.replica.value()) : std::string(" of a consumer")) +
               " was served by the leader of epoch " + std::to_string(fetch.judged_epoch.value());
      });
      return;
    }
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
