// I51, offsets are a register: OffsetFetch returns the offset of the last commit that its coordinator answered, per group and
// partition.
// Listens to: offset_committed (written and replicated), offset_fetched, offset_expired, coordinator_loaded.
// Legal exceptions: a deposed coordinator that has not noticed answers with what it has: only the coordinator that loaded or
// committed last is judged; commits under way at a failover (replicated, never answered) may be found by the next one, so
// after a load the register holds whatever is fetched first, if it is not older; expired and deleted offsets give -1, and so
// may those of a topic that was deleted since.
#include <algorithm>
#include <map>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class OffsetRegister final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::offset_committed, TraceKind::offset_fetched, TraceKind::offset_expired, TraceKind::coordinator_loaded};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::coordinator_loaded) {
      Coordinator& loaded = coordinators_[static_cast<std::int32_t>(event.a)];
      ++loaded.loads;
      loaded.machine = event.node;
      return;
    }
    if (payload == nullptr) return;
    const auto& note = note_of<CommitNote>(payload);
    const Coordinator& coordinator = coordinators_[coordinator_partition_of(note.group, partitions())];
    const Key key{std::string(note.group), std::string(note.topic), note.partition};
    if (event.kind == TraceKind::offset_committed) {
      registers_[key] = Register{note.offset.value(), event.node, coordinator.loads, times_made_anew(note), false};
      return;
    }
    const auto found = registers_.find(key);
    if (found == registers_.end()) return;
    Register& held = found->second;
    if (event.kind == TraceKind::offset_expired) {
      held.may_be_gone = true;
      return;
    }
    const bool same_coordinator = held.machine == event.node && held.loads == coordinator.loads;
    const bool successor = held.loads != coordinator.loads && event.node == coordinator.machine;
    if (!same_coordinator && !successor) return;
    const PartitionTruth* const partition = oracle().partition(note.topic, note.partition);
    if (partition == nullptr) return;
    held.may_be_gone = held.may_be_gone || partition->deleted || partition->times_made_anew != held.times_made_anew;
    if (note.offset.value() < 0 && held.may_be_gone) return;
    evaluated();
    const Where where{event.node, 0, note.offset.value(), key.topic, key.partition};
    if (same_coordinator ? note.offset.value() != held.offset : note.offset.value() < held.offset && excuses() == 0)
      fail(where, "group " + key.group + " committed " + std::to_string(held.offset) + " and is told " + std::to_string(note.offset.value()));
    if (successor) held = Register{note.offset.value(), event.node, coordinator.loads, held.times_made_anew, held.may_be_gone};
  }

 private:
  struct Key {
    std::string group, topic;
    std::int32_t partition;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Register {
    std::int64_t offset = -1;
    std::uint16_t machine = 0;
    std::int64_t loads = 0;
    std::int32_t times_made_anew = 0;  // of the topic, when this was committed
    bool may_be_gone = false;
  };
  std::int32_t times_made_anew(const CommitNote& note) const {
    const PartitionTruth* const partition = oracle().partition(note.topic, note.partition);
    return partition == nullptr ? 0 : partition->times_made_anew;
  }
  /// Legal losses in the offsets topic: any of them may have taken a commit.
  std::size_t excuses() const {
    std::size_t count = 0;
    for (const auto& [name, partition] : oracle().partitions())
      if (partition->topic == offsets_topic_name) count += partition->excuses.size();
    return count;
  }
  std::map<Key, Register> registers_;
  std::int32_t partitions() const {
    std::int32_t count = 0;
    for (const auto& [name, partition] : oracle().partitions())
      if (partition->topic == offsets_topic_name) count = std::max(count, partition->partition + 1);
    return std::max(count, 1);
  }
  struct Coordinator {
    std::int64_t loads = 0;
    std::uint16_t machine = 0;
  };
  std::map<std::int32_t, Coordinator> coordinators_;  // by offsets partition
};

}  // namespace

std::unique_ptr<Check> make_offset_register() { return std::make_unique<OffsetRegister>(); }

}  // namespace harrow::sim
