// I27, indexes: a look-up by offset or time begins at or before the batch that a scan finds, and every entry names a batch.
// Listens to: segment_rolled and log_loaded, every eighth of them; at the end every log.
// Legal exceptions: none; a damaged index must be rebuilt at load.
#include "core/replica/partition.h"
#include "sim/check/comparisons.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/view.h"
#include "sim/disk/sim_disk.h"

namespace harrow::sim {
namespace {

class IndexTruth final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::segment_rolled, TraceKind::log_loaded};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (++events_ % every != 1) return;
    bench().defer(*this, std::uint64_t{event.subject} << 16 | event.node);
  }
  void between_turns(std::uint64_t token) override {
    const auto machine = static_cast<std::uint16_t>(token & 0xffff);
    const PartitionTruth* const partition = oracle().partition(static_cast<std::uint32_t>(token >> 16));
    const ReplicaTruth* const replica = partition == nullptr ? nullptr : partition->replica_on(machine);
    if (replica == nullptr || replica->id == no_node || partition->metadata || oracle().disk_damage_possible()) return;
    const Partition* const live = view().replica(replica->id, TopicIdPartition{partition->topic_id, partition->partition});
    const SimDisk* const disk = view().disk(replica->id);
    if (live == nullptr || disk == nullptr) return;
    const Log& log = live->log();
    for (const Segment& segment : log.segments()) {
      const std::optional<Bytes> bytes = disk->current_bytes(log.folder() + "/" + segment_file_name(segment.base(), ".log"));
      if (!bytes || bytes->size() < segment.size()) continue;
      const std::string problem = compare_indexes(segment.offset_index(), segment.time_index(), bytes->sub(0, segment.size()), segment.base().value());
      expect(problem.empty(), partition->where(machine, segment.base().value()), [&] { return problem; });
    }
  }
  void at_end() override {
    for (const auto& [name, partition] : oracle().partitions())
      for (const ReplicaTruth& replica : partition->replicas) between_turns(std::uint64_t{partition->subject} << 16 | replica.machine);
  }

 private:
  static constexpr std::int64_t every = 8;
  std::int64_t events_ = 0;
};

}  // namespace

std::unique_ptr<Check> make_index_truth() { return std::make_unique<IndexTruth>(); }

}  // namespace harrow::sim
