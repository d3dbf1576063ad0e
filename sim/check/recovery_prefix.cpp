// I26, recovery: what a log's load finds after a crash is a prefix of the log before it that holds everything that a
// successful sync covered; a kill loses nothing at all.
// Listens to: log_loaded; the oracle knows the log before the crash and log_synced.
// Legal exceptions: disk faults (errors, damage, a wiped disk) of the scenario; a log that nobody saw before.
#include <algorithm>

#include "sim/check/log_reader.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/view.h"

namespace harrow::sim {
namespace {

class RecoveryPrefix final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::log_loaded};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    const LoadView& load = oracle().load();
    if (load.partition == nullptr || load.end_before < 0 || load.disk_faulted) return;
    evaluated();
    const std::int64_t synced = load.partition->metadata ? 0 : load.synced_before;
    if (load.end > load.end_before) fail(at(event, load.end), "recovery found an end of " + std::to_string(load.end) + ", the log ended at " + std::to_string(load.end_before));
    else if (load.end < synced) fail(at(event, load.end), "recovery found an end of " + std::to_string(load.end) + ", synced was everything below " + std::to_string(synced));
    else if (!load.power_lost && load.end < load.end_before)
      fail(at(event, load.end), "the process was killed and its log went from " + std::to_string(load.end_before) + " to " + std::to_string(load.end));
    else if (++loads_ % content_every == 1) bench().defer(*this, std::uint64_t{event.subject} << 16 | event.node);
  }
  void between_turns(std::uint64_t token) override {
    // The bytes too: the tail of what stands on the disk is the tail of the oracle's path.
    const auto machine = static_cast<std::uint16_t>(token & 0xffff);
    const PartitionTruth* const partition = oracle().partition(static_cast<std::uint32_t>(token >> 16));
    const ReplicaTruth* const replica = partition == nullptr ? nullptr : partition->replica_on(machine);
    if (replica == nullptr || replica->id == no_node || oracle().disk_damage_possible()) return;
    const SimDisk* const disk = view().disk(replica->id);
    if (disk == nullptr || replica->empty()) return;
    const std::string folder = view().log_dir(replica->id) + "/" + folder_of(TopicPartition{partition->topic, partition->partition});
    const std::int64_t from = std::max(replica->start, replica->end - tail_records);
    for (const Bytes& batch : batches_of(read_segments(*disk, folder), from, replica->end)) {
      const Result<BatchHeader> header = parse_batch_header(batch);
      const BatchRow* const row = header ? partition->row(partition->find(*replica, header->base_offset.value())) : nullptr;
      if (row == nullptr) continue;
      constexpr std::uint64_t behind_crc = 21;
      expect(row->base == header->base_offset.value() && row->epoch == header->leader_epoch.value() &&
                 (row->hash == hash_of(batch.from(behind_crc)) || (partition->compacts && partition->is_compacted_form(*row, batch))),
             partition->where(machine, header->base_offset.value()), [] { return std::string("recovery kept a batch that was not in the log before the crash"); });
    }
  }

 private:
  static constexpr std::int64_t content_every = 4;
  static constexpr std::int64_t tail_records = 2000;
  std::int64_t loads_ = 0;
};

}  // namespace

std::unique_ptr<Check> make_recovery_prefix() { return std::make_unique<RecoveryPrefix>(); }

}  // namespace harrow::sim
