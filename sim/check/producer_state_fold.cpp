// I34, producer state: after a load or a role change, what a log knows of its producers is the fold of its batches.
// Listens to: became_follower, became_leader (a loaded log takes its role); then, between turns, compares the live state with the oracle's path.
// Legal exceptions: producers all of whose batches retention removed, or who were silent for
// producer.id.expiration.ms, may be known or not; and so may those whose last batch here was compacted away before this
// replica copied the log (a later one is still on its way).
#include <map>

#include "core/replica/partition.h"
#include "sim/check/comparisons.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/view.h"

namespace harrow::sim {
namespace {

class ProducerStateFold final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::became_follower, TraceKind::became_leader};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    const PartitionTruth* const partition = oracle().partition(event.subject);
    if (partition == nullptr || partition->metadata) return;
    bench().defer(*this, std::uint64_t{event.subject} << 16 | event.node);
  }
  void between_turns(std::uint64_t token) override {
    const auto machine = static_cast<std::uint16_t>(token & 0xffff);
    const PartitionTruth* const partition = oracle().partition(static_cast<std::uint32_t>(token >> 16));
    const ReplicaTruth* const replica = partition == nullptr ? nullptr : partition->replica_on(machine);
    if (replica == nullptr || replica->id == no_node || partition->metadata) return;
    const Partition* const live = view().replica(replica->id, TopicIdPartition{partition->topic_id, partition->partition});
    if (live == nullptr || live->log_end().value() != replica->end) return;
    const std::int64_t expiration_ms = live->log().config().producer_expiration_ms;
    if (now_ns() / 1'000'000 > expiration_ms) return;  // some may have been forgotten
    std::map<std::int64_t, FoldedProducer> folded;
    for (const auto& [producer, id] : replica->last_of_producer) {
      const BatchRow* const row = partition->row(id);
      if (row == nullptr || row->end() <= replica->start || row->control || replica->absent.contains(id)) continue;
      folded[producer] = {row->producer_epoch, row->last_sequence(), row->end() - 1};
    }
    if (folded.empty()) return;
    const std::string problem = compare_producers(folded, live->log().producers());
    expect(problem.empty(), partition->where(machine, replica->end), [&] { return problem; });
  }
  void at_end() override {
    for (const auto& [name, partition] : oracle().partitions())
      for (const ReplicaTruth& replica : partition->replicas) between_turns(std::uint64_t{partition->subject} << 16 | replica.machine);
  }
};

}  // namespace

std::unique_ptr<Check> make_producer_state_fold() { return std::make_unique<ProducerStateFold>(); }

}  // namespace harrow::sim
