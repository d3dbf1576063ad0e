// I50, fenced commits: a commit of an older generation is not taken once the next one has begun, and a static member is fenced
// only by a later holder of its instance id.
// Listens to: group_state (when a generation began), offset_committed; both with the coordinator's wall clock at the moment
// of the decision; partitions_assigned (who holds an instance id), commit_refused.
// Legal exceptions: commits without membership (generation -1); a commit that was decided before the new generation and
// replicated after it; another coordinator (its clock differs) starts over.
#include <map>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class FencedCommit final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::group_state, TraceKind::offset_committed, TraceKind::coordinator_loaded,
                                         TraceKind::partitions_assigned, TraceKind::commit_refused};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    constexpr std::int64_t completing = 2;
    if (event.kind == TraceKind::coordinator_loaded) {
      std::erase_if(groups_, [&](const auto& one) { return one.second.machine != event.node; });
      return;
    }
    if (payload == nullptr) return;
    if (event.kind == TraceKind::partitions_assigned) {
      const auto& assigned = note_of<AssignmentNote>(payload);
      if (const std::string_view instance = name_before_uuid(assigned.member); !instance.empty())
        holders_[std::string(assigned.group) + " " + std::string(instance)] = std::string(assigned.member);
      return;
    }
    const auto& note = note_of<CommitNote>(payload);
    if (event.kind == TraceKind::commit_refused) {
      if (note.code != Code::fenced_instance_id) return;
      const auto holder = holders_.find(std::string(note.group) + " " + std::string(name_before_uuid(note.member)));
      expect(holder == holders_.end() || holder->second != note.member, Where{event.node, 0, -1, "", -1}, [&] {
        return "group " + std::string(note.group) + ": " + std::string(note.member) + " is fenced, and nobody came after it";
      });
      return;
    }
    if (event.kind == TraceKind::group_state) {
      if (event.a != completing) return;
      auto& group = groups_[std::string(note.group)];
      group = Group{event.node, event.b, note.now.value()};
      return;
    }
    const auto group = groups_.find(note.group);
    if (group == groups_.end() || group->second.machine != event.node || note.generation < 0) return;
    expect(note.generation >= group->second.generation || note.commit_time.value() <= group->second.since_ms, Where{event.node, 0, note.offset.value(), std::string(note.topic), note.partition}, [&] {
      return "group " + std::string(note.group) + ": a commit of generation " + std::to_string(note.generation) + " was taken in generation " + std::to_string(group->second.generation);
    });
  }

 private:
  struct Group {
    std::uint16_t machine = 0;
    std::int64_t generation = -1;
    std::int64_t since_ms = 0;
  };
  /// A coordinator names members by instance (or client) and a uuid.
  static std::string_view name_before_uuid(std::string_view member) {
    constexpr std::size_t tail = 37;
    return member.size() > tail ? member.substr(0, member.size() - tail) : std::string_view();
  }
  std::map<std::string, Group, std::less<>> groups_;
  std::map<std::string, std::string, std::less<>> holders_;  // by group and instance: the last to take partitions
};

}  // namespace

std::unique_ptr<Check> make_fenced_commit() { return std::make_unique<FencedCommit>(); }

}  // namespace harrow::sim
