// I48, exclusive ownership: in a generation of a group no two members own a partition, by the coordinator's word and by the
// clients' own.
// Listens to: assignment_made (coordinator), partitions_assigned (clients), coordinator_loaded, group_state.
// Legal exceptions: a member of an older generation that has not noticed yet (a frozen process) still believes in what it
// had; its commits are refused (I50). A coordinator that lost its log legally counts generations anew, and so does a group that
// was deleted because it was empty.
#include <array>
#include <map>

#include "core/group/group.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class ExclusiveOwnership final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::assignment_made, TraceKind::partitions_assigned, TraceKind::coordinator_loaded, TraceKind::group_state};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::coordinator_loaded) {
      // What it loaded is what counts from now on: generations may begin anew where the offsets topic was lost.
      for (auto& [name, sides] : groups_)
        if (sides[0].machine == event.node) sides[0].machine = UINT16_MAX;
      return;
    }
    if (payload == nullptr) return;
    if (event.kind == TraceKind::group_state) {
      if (event.a != static_cast<std::int64_t>(group::GroupState::dead)) return;
      if (const auto dead = groups_.find(note_of<CommitNote>(payload).group); dead != groups_.end()) groups_.erase(dead);
      return;
    }
    const auto& note = note_of<AssignmentNote>(payload);
    const bool by_client = event.kind == TraceKind::partitions_assigned;
    auto found = groups_.find(note.group);
    if (found == groups_.end()) found = groups_.emplace(std::string(note.group), std::array<Owners, 2>{}).first;
    Owners& owners = found->second[by_client ? 1 : 0];
    if (!by_client && (event.a != owners.generation || event.node != owners.machine)) {
      if (event.a <= owners.generation) found->second[1] = Owners{};
      owners = Owners{event.a, event.node, {}};
    }
    if (by_client && event.a > owners.generation) owners = Owners{event.a, event.node, {}};
    if (event.a < owners.generation) return;
    for (const TopicPartition& partition : note.partitions) {
      const auto [owner, first] = owners.of.try_emplace(partition, Owner{std::string(note.member), event.node});
      // A client that comes back under a new member id replaces itself.
      if (by_client && owner->second.machine == event.node) owner->second.member = std::string(note.member);
      expect(first || owner->second.member == note.member, Where{event.node, 0, -1, partition.topic, partition.partition}, [&] {
        return "group " + std::string(note.group) + ", generation " + std::to_string(event.a) + ": owned by " + owner->second.member + " and by " + std::string(note.member);
      });
    }
  }

 private:
  struct Owner {
    std::string member;
    std::uint16_t machine;
  };
  struct Owners {
    std::int64_t generation = -1;
    std::uint16_t machine = 0;
    std::map<TopicPartition, Owner> of;
  };
  std::map<std::string, std::array<Owners, 2>, std::less<>> groups_;
};

}  // namespace

std::unique_ptr<Check> make_exclusive_ownership() { return std::make_unique<ExclusiveOwnership>(); }

}  // namespace harrow::sim
