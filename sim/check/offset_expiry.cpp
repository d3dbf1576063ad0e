// I52, expiry: a group's offset goes only when the group has been empty, and the offset uncommitted, for
// offsets.retention.minutes.
// Listens to: group_state, offset_expired.
// Legal exceptions: topics that a living group is no longer subscribed to; simple groups without members; the clocks are the
// coordinator's own, one a node, so after a failover only the commit time and the state are judged.
#include <algorithm>
#include <map>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/setup.h"

namespace harrow::sim {
namespace {

class OffsetExpiry final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::group_state, TraceKind::offset_expired};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (payload == nullptr) return;
    const auto& note = note_of<CommitNote>(payload);
    constexpr std::int64_t empty = 0;
    constexpr std::int64_t stable = 3;
    if (event.kind == TraceKind::group_state) {
      groups_[std::string(note.group)] = Group{event.a, note.now.value(), event.node};
      return;
    }
    const std::int64_t retention_ms = setup().number("offsets.retention.minutes", 10'080) * 60'000;
    const Where where{event.node, 0, note.offset.value(), std::string(note.topic), note.partition};
    evaluated();
    if (note.now - note.commit_time < retention_ms)
      fail(where, "group " + std::string(note.group) + ": expired " + std::to_string(note.now - note.commit_time) + " ms after its commit, retention is " + std::to_string(retention_ms));
    const auto group = groups_.find(note.group);
    if (group == groups_.end()) return;
    const auto topics = setup().topics_of_group.find(note.group);
    const bool subscribed = topics != setup().topics_of_group.end() && std::find(topics->second.begin(), topics->second.end(), note.topic) != topics->second.end();
    if (group->second.state == stable && subscribed) fail(where, "group " + std::string(note.group) + ": an offset of a living group expired");
    else if (group->second.state == empty && group->second.machine == event.node && note.now.value() - group->second.since_ms < retention_ms)
      fail(where, "group " + std::string(note.group) + ": expired " + std::to_string(note.now.value() - group->second.since_ms) + " ms after the group became empty");
  }

 private:
  struct Group {
    std::int64_t state = -1;
    std::int64_t since_ms = 0;
    std::uint16_t machine = 0;
  };
  std::map<std::string, Group, std::less<>> groups_;
};

}  // namespace

std::unique_ptr<Check> make_offset_expiry() { return std::make_unique<OffsetExpiry>(); }

}  // namespace harrow::sim
