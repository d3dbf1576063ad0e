// I2, leader completeness: a new leader holds every record below the true high watermark, the highest offset that a whole
// replication quorum ever held.
// Listens to: became_leader.
// Legal exceptions: an unclean election that the configuration allows, and un-synced loss on every copy (the oracle lowers
// the true high watermark then).
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class LeaderCompleteness final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::became_leader};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    const ElectionView& election = oracle().election();
    if (election.partition == nullptr || election.partition->committed_end == 0) return;
    const PartitionTruth& partition = *election.partition;
    const ReplicaTruth& leader = *election.replica;
    const bool good = partition.holds(leader, partition.committed_tip);
    expect(good, partition.where(event.node, partition.common_end(leader, partition.committed_tip)), [&] {
      return "the leader of epoch " + std::to_string(event.a) + " ends at " + std::to_string(leader.end) + "; committed is everything below " +
             std::to_string(partition.committed_end) + ", of which it has what is below " + std::to_string(partition.common_end(leader, partition.committed_tip));
    });
  }
};

}  // namespace

std::unique_ptr<Check> make_leader_completeness() { return std::make_unique<LeaderCompleteness>(); }

}  // namespace harrow::sim
