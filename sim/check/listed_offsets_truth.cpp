// I63, listed offsets: earliest is the leader's log start and does not go back on a leader; the offset of a time is that of the
// first record that is at least as new.
// Listens to: offsets_listed; a look-up by time is compared with a scan of the leader's log, every fourth.
// Legal exceptions: a record above the high watermark is not told to clients; latest is I9's.
#include "sim/check/comparisons.h"
#include "sim/check/log_reader.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/view.h"

namespace harrow::sim {
namespace {

class ListedOffsetsTruth final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::offsets_listed};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (payload == nullptr || event.b < 0) return;
    const PartitionTruth* const partition = oracle().partition(event.subject);
    const ReplicaTruth* const replica = partition == nullptr ? nullptr : partition->replica_on(event.node);
    if (replica == nullptr) return;
    constexpr std::int64_t earliest = -2;
    if (event.a == earliest) {
      expect(event.b == replica->start, at(event, event.b), [&] { return "told " + std::to_string(event.b) + " as earliest, the log starts at " + std::to_string(replica->start); });
    } else if (event.a >= 0 && ++looked_up_ % every == 1 && !oracle().disk_damage_possible()) {
      const SimDisk* const disk = view().disk(replica->id);
      if (disk == nullptr) return;
      const std::string folder = view().log_dir(replica->id) + "/" + folder_of(TopicPartition{partition->topic, partition->partition});
      const std::int64_t first = first_offset_at(batches_of(read_segments(*disk, folder), replica->start, replica->end), event.a, replica->start, replica->end);
      expect(first == event.b, at(event, event.b), [&] { return "told " + std::to_string(event.b) + " for time " + std::to_string(event.a) + ", a scan finds " + std::to_string(first); });
    }
  }

 private:
  static constexpr std::int64_t every = 4;
  std::int64_t looked_up_ = 0;
};

}  // namespace

std::unique_ptr<Check> make_listed_offsets_truth() { return std::make_unique<ListedOffsetsTruth>(); }

}  // namespace harrow::sim
