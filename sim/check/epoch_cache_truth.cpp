// I15, epoch cache: a log's epoch cache is the one that its batches give, plus epochs that leaders began without a record; it
// is strictly monotone.
// Listens to: became_leader, became_follower (a loaded log takes its role), truncated; then, between turns, compares the live cache with the oracle's own.
// Legal exceptions: one incarnation is judged, from its load on; entries without records (a leader's own start) are extra,
// as long as they do not claim records of another epoch; the first entry begins at the log's start; a cache that was made anew
// from what compaction left begins an epoch with the first batch that stands, and does not know one of which none does.
#include "core/replica/partition.h"
#include "sim/check/comparisons.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/view.h"

namespace harrow::sim {
namespace {

class EpochCacheTruth final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::became_leader, TraceKind::became_follower, TraceKind::truncated};
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
    if (replica == nullptr || replica->id == no_node) return;
    const Partition* const live = view().replica(replica->id, TopicIdPartition{partition->topic_id, partition->partition});
    if (live == nullptr || live->log_end().value() != replica->end || live->log_start().value() != replica->start) return;
    const std::string problem = compare_epochs(replica->epochs, live->log().epochs().entries(), replica->start, latest_starts(*partition, *replica));
    expect(problem.empty(), partition->where(machine, -1), [&] { return problem; });
  }
  void at_end() override {
    for (const auto& [name, partition] : oracle().partitions())
      for (const ReplicaTruth& replica : partition->replicas) {
        if (partition->metadata || replica.id == no_node) continue;
        between_turns(std::uint64_t{partition->subject} << 16 | replica.machine);
      }
  }

 private:
  /// Of each epoch's records, the first that compaction may not have taken; INT64_MAX if it may have taken them all.
  static std::vector<std::int64_t> latest_starts(const PartitionTruth& partition, const ReplicaTruth& replica) {
    std::vector<std::int64_t> latest;
    for (std::size_t i = 0; partition.compacts && i < replica.epochs.size(); ++i) {
      const std::int64_t end = i + 1 < replica.epochs.size() ? replica.epochs[i + 1].second : replica.end;
      std::int64_t offset = std::max(replica.epochs[i].second, replica.start);
      while (offset < end && partition.may_be_compacted(offset)) ++offset;
      latest.push_back(offset < end ? offset : INT64_MAX);
    }
    return latest;
  }
};

}  // namespace

std::unique_ptr<Check> make_epoch_cache_truth() { return std::make_unique<EpochCacheTruth>(); }

}  // namespace harrow::sim
