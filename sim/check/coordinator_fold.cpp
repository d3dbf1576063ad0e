// I53, load: the state of a coordinator that has just loaded is the fold of its partition's log.
// Listens to: coordinator_loaded; reads the log off the leader's own disk, as it is at that moment, and folds it anew.
// Legal exceptions: none; a damaged disk is not judged.
#include "sim/check/comparisons.h"
#include "sim/check/log_reader.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/view.h"

namespace harrow::sim {
namespace {

class CoordinatorFold final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::coordinator_loaded};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (payload == nullptr || oracle().disk_damage_possible()) return;
    const auto* const shard = static_cast<const group::Shard*>(note_of<CoordinatorNote>(payload).state);
    const PartitionTruth* const partition = oracle().partition(offsets_topic_name, static_cast<std::int32_t>(event.a));
    const ReplicaTruth* const replica = partition == nullptr ? nullptr : partition->replica_on(event.node);
    const SimDisk* const disk = replica == nullptr ? nullptr : view().disk(replica->id);
    if (shard == nullptr || disk == nullptr) return;
    const std::string folder = view().log_dir(replica->id) + "/" + folder_of(TopicPartition{partition->topic, partition->partition});
    const std::string problem = compare_offsets(fold_offsets(batches_of(read_segments(*disk, folder), replica->start, replica->end)), *shard);
    expect(problem.empty(), partition->where(event.node, replica->end), [&] { return problem; });
  }
};

}  // namespace

std::unique_ptr<Check> make_coordinator_fold() { return std::make_unique<CoordinatorFold>(); }

}  // namespace harrow::sim
