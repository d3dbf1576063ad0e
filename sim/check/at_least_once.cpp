// I55, at least once: what a group commits was delivered to one of its members: nothing between two committed positions stays
// undelivered.
// Listens to: record_consumed (given to the application), commit_acked, offset_committed, position_reset.
// Legal exceptions: where a group begins (its first position) is its reset policy's business, and so is a position that was
// reset; records below the log start are gone; offsets that the log skips, and what compaction may have removed.
#include <algorithm>
#include <iterator>
#include <map>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class AtLeastOnce final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::record_consumed, TraceKind::commit_acked, TraceKind::offset_committed, TraceKind::position_reset};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::position_reset) {
      // Whichever group it was: this partition's gaps are explained up to where it went.
      for (auto& [group, partitions] : groups_) {
        const auto found = partitions.find(event.subject);
        if (found != partitions.end()) found->second = Reach{};
      }
      return;
    }
    if (payload == nullptr) return;
    if (event.kind == TraceKind::record_consumed) {
      const auto& note = note_of<ConsumeNote>(payload);
      if (note.group.empty()) return;
      Reach& reach = reach_of(note.group, event.subject);
      reach.deliver(event.a);
      return;
    }
    const auto& note = note_of<CommitNote>(payload);
    const PartitionTruth* const partition = oracle().partition(note.topic, note.partition);
    if (partition == nullptr || note.code != Code::none) return;
    Reach& reach = reach_of(note.group, partition->subject);
    const std::int64_t to = note.offset.value();
    if (!reach.spans.empty()) {
      std::int64_t missing = reach.first_missing(to);
      for (; missing < to && partition->may_be_compacted(missing); missing = reach.first_missing(to)) reach.deliver(missing);
      expect(missing >= to || missing < partition->highest_start || !partition->excuses.empty(), Where{event.node, 0, missing, partition->topic, partition->partition}, [&] {
        return "group " + std::string(note.group) + " committed " + std::to_string(to) + "; the record at " + std::to_string(missing) + " was never delivered to it";
      });
    }
    reach.forget_below(to);
  }

 private:
  /// What was delivered, as spans [from, to).
  struct Reach {
    std::map<std::int64_t, std::int64_t> spans;
    void deliver(std::int64_t offset) {
      auto after = spans.upper_bound(offset);
      if (after != spans.begin()) {
        auto before = std::prev(after);
        if (offset < before->second) return;
        if (offset == before->second) {
          before->second = offset + 1;
          if (after != spans.end() && after->first == offset + 1) {
            before->second = after->second;
            spans.erase(after);
          }
          return;
        }
      }
      if (after != spans.end() && after->first == offset + 1) {
        const std::int64_t end = after->second;
        spans.erase(after);
        spans[offset] = end;
        return;
      }
      spans[offset] = offset + 1;
    }
    /// The first offset below `to` that is missing behind the first delivered one; `to` if there is none.
    std::int64_t first_missing(std::int64_t to) const {
      if (spans.empty() || spans.begin()->first >= to) return to;
      return std::min(spans.begin()->second, to);
    }
    /// The last span goes on: what was delivered before it is settled.
    void forget_below(std::int64_t offset) {
      while (spans.size() > 1 && std::next(spans.begin())->first <= offset) spans.erase(spans.begin());
    }
  };
  Reach& reach_of(std::string_view group, std::uint32_t subject) {
    auto found = groups_.find(group);
    if (found == groups_.end()) found = groups_.emplace(std::string(group), std::map<std::uint32_t, Reach>{}).first;
    return found->second[subject];
  }
  std::map<std::string, std::map<std::uint32_t, Reach>, std::less<>> groups_;
};

}  // namespace

std::unique_ptr<Check> make_at_least_once() { return std::make_unique<AtLeastOnce>(); }

}  // namespace harrow::sim
