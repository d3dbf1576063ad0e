// I58, polls: within one assignment a consumer's offsets of a partition go up without a skip, and so they do across
// assignments that leave it with the same member.
// Listens to: record_consumed, partitions_assigned, partitions_revoked, position_reset.
// Legal exceptions: a new assignment and a reset position start over; offsets that the log skips (control batches; gaps that
// a log start, a legal loss or compaction made: a newer record of the key stands).
#include <algorithm>
#include <map>
#include <set>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class PollOrder final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::record_consumed, TraceKind::partitions_assigned, TraceKind::partitions_revoked, TraceKind::position_reset};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::record_consumed) {
      std::int64_t& next = next_[{event.node, event.subject}];
      const PartitionTruth* const partition = oracle().partition(event.subject);
      if (next > 0 && partition != nullptr) {
        evaluated();
        if (event.a < next) fail(at(event, event.a), "went back to " + std::to_string(event.a) + " after " + std::to_string(next - 1));
        else if (event.a > next && !skipped_legally(*partition, next, event.a)) fail(at(event, event.a), "skipped from " + std::to_string(next) + " to " + std::to_string(event.a));
      }
      next = event.a + 1;
    } else if (event.kind == TraceKind::position_reset) {
      next_.erase({event.node, event.subject});
    } else if (payload == nullptr) {
      next_.erase(next_.lower_bound({event.node, 0}), next_.upper_bound({event.node, UINT32_MAX}));
      held_.erase(event.node);
    } else {
      const auto& note = note_of<AssignmentNote>(payload);
      Held& held = held_[event.node];
      const bool assigned = event.kind == TraceKind::partitions_assigned;
      std::set<TopicPartition> stays;
      for (const TopicPartition& partition : note.partitions)
        if (assigned && held.member == note.member && held.partitions.contains(partition)) stays.insert(partition);
      // What is revoked is named; what is assigned begins anew unless it stays.
      const auto ends = [&](const auto& one) {
        if (one.first.first != event.node) return false;
        const PartitionTruth* const partition = oracle().partition(one.first.second);
        if (partition == nullptr) return true;
        const TopicPartition id{partition->topic, partition->partition};
        return assigned ? !stays.contains(id) : std::find(note.partitions.begin(), note.partitions.end(), id) != note.partitions.end();
      };
      std::erase_if(next_, ends);
      if (assigned) {
        held = Held{std::string(note.member), {note.partitions.begin(), note.partitions.end()}};
      } else {
        for (const TopicPartition& partition : note.partitions) held.partitions.erase(partition);
      }
    }
  }

 private:
  /// Whether no data stands in [from, to) of the newest leader's log.
  static bool skipped_legally(const PartitionTruth& partition, std::int64_t from, std::int64_t to) {
    const ReplicaTruth* const leader = partition.leader();
    if (leader == nullptr || !partition.excuses.empty()) return true;
    for (std::int64_t offset = std::max(from, leader->start); offset < to;) {
      const BatchRow* const row = partition.row(partition.find(*leader, offset));
      if (row == nullptr) {
        ++offset;
        continue;
      }
      if (row->control) {
        offset = row->end();
        continue;
      }
      if (!partition.may_be_compacted(offset)) return false;
      ++offset;
    }
    return true;
  }
  struct Held {
    std::string member;
    std::set<TopicPartition> partitions;
  };
  std::map<std::uint16_t, Held> held_;  // by client's machine
  std::map<std::pair<std::uint16_t, std::uint32_t>, std::int64_t> next_;
};

}  // namespace

std::unique_ptr<Check> make_poll_order() { return std::make_unique<PollOrder>(); }

}  // namespace harrow::sim
