// I7, epochs do not go back: the leader epoch of a replica, the quorum epoch of a voter, a broker's epoch, a partition's
// epochs in the metadata and a group's generation on one coordinator never fall.
// Listens to: became_leader, became_follower, quorum_state_written, broker_registered, image_published, group_state.
// Legal exceptions: one incarnation is judged, and what was synced: a replica's epoch starts over with its process; the
// quorum's state is written durably and is judged across restarts, but for a wiped disk; a deleted topic or group starts over.
#include <map>

#include "core/group/group.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class EpochsMonotone final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::became_leader, TraceKind::became_follower, TraceKind::quorum_state_written, TraceKind::broker_registered, TraceKind::image_published, TraceKind::group_state, TraceKind::coordinator_loaded};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    switch (event.kind) {
      case TraceKind::became_leader:
      case TraceKind::became_follower: {
        const PartitionTruth* const partition = oracle().partition(event.subject);
        const std::uint64_t life = std::uint64_t{oracle().node(event.node).starts} << 32 ^ (partition == nullptr ? 0 : static_cast<std::uint32_t>(partition->topic_id.low));
        judge(event, {event.subject, event.node}, life, event.a, "leader epoch");
        break;
      }
      case TraceKind::quorum_state_written: judge(event, {event.subject, event.node}, oracle().node(event.node).disk_faulted ? 1 : 0, event.a, "quorum epoch"); break;
      case TraceKind::broker_registered: judge(event, {UINT32_MAX, static_cast<std::uint32_t>(event.a)}, 0, event.b, "broker epoch"); break;
      case TraceKind::group_state:
        judge(event, {event.subject, event.node}, loads_[event.node], event.b, "generation");
        if (event.a == dead_group) last_.erase({event.subject, event.node});  // deleted: whoever joins next starts over
        break;
      case TraceKind::coordinator_loaded: ++loads_[event.node]; break;
      default:
        for (const RecordChange& change : oracle().record_changes()) {
          const PartitionRecord& now = change.partition->record;
          if (!change.before.known) continue;
          expect(now.leader_epoch >= change.before.leader_epoch && now.partition_epoch >= change.before.partition_epoch, change.partition->where(event.node, -1), [&] {
            return "the metadata went from leader epoch " + std::to_string(change.before.leader_epoch) + ", partition epoch " + std::to_string(change.before.partition_epoch) +
                   " back to " + std::to_string(now.leader_epoch) + ", " + std::to_string(now.partition_epoch);
          });
        }
    }
  }

 private:
  static constexpr std::int64_t dead_group = static_cast<std::int64_t>(group::GroupState::dead);
  struct Last {
    std::uint64_t life = 0;
    std::int64_t epoch = -1;
  };
  void judge(const TraceEvent& event, std::pair<std::uint32_t, std::uint32_t> key, std::uint64_t life, std::int64_t epoch, const char* what) {
    Last& last = last_[key];
    const std::int64_t before = last.life == life ? last.epoch : -1;
    expect(epoch >= before, at(event), [&] { return std::string(what) + " fell from " + std::to_string(before) + " to " + std::to_string(epoch); });
    last = {life, epoch};
  }
  std::map<std::pair<std::uint32_t, std::uint32_t>, Last> last_;
  std::map<std::uint16_t, std::uint64_t> loads_;
};

}  // namespace

std::unique_ptr<Check> make_epochs_monotone() { return std::make_unique<EpochsMonotone>(); }

}  // namespace harrow::sim
