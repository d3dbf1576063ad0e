// I48, exclusive ownership: in a generation of a group no two members own a partition, by the coordinator's word and by the
// clients' own; and nobody takes one in a generation before the other members of that generation have let go of it.
// Listens to: assignment_made (coordinator), partitions_assigned and partitions_revoked (clients), coordinator_loaded,
// group_state.
// Legal exceptions: a member of an older generation that has not noticed yet (a frozen process) still believes in what it
// had; its commits are refused (I50). A coordinator that lost its log legally counts generations anew, and so does a group that
// was deleted because it was empty.
#include <array>
#include <map>
#include <span>

#include "core/group/group.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class ExclusiveOwnership final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::assignment_made, TraceKind::partitions_assigned, TraceKind::partitions_revoked,
                                         TraceKind::coordinator_loaded, TraceKind::group_state};
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
    if (event.kind == TraceKind::partitions_revoked) {
      let_go(event, note);
      return;
    }
    const bool by_client = event.kind == TraceKind::partitions_assigned;
    if (by_client) take(event, note);
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

  // What clients hold, and what was taken while another still held it: wrong if that one turns out to have been a member
  // of the same generation.
  struct Taken {
    Owner from;
    Owner by;
    std::int64_t generation = -1;
  };
  struct Holdings {
    std::map<TopicPartition, Owner> held;
    std::map<TopicPartition, Taken> taken;
  };
  void take(const TraceEvent& event, const AssignmentNote& note) {
    Holdings& holdings = holdings_of(note.group);
    judge(holdings, event, note, note.partitions);
    // What stands in no assignment of this client any more was given up when an older process of it ended.
    std::erase_if(holdings.held, [&](const auto& one) { return one.second.machine == event.node && one.second.member != note.member; });
    for (const TopicPartition& partition : note.partitions) {
      const auto [holder, first] = holdings.held.try_emplace(partition, Owner{std::string(note.member), event.node});
      if (first || holder->second.machine == event.node) continue;
      holdings.taken[partition] = Taken{holder->second, Owner{std::string(note.member), event.node}, event.a};
      holder->second = Owner{std::string(note.member), event.node};
    }
  }
  void let_go(const TraceEvent& event, const AssignmentNote& note) {
    Holdings& holdings = holdings_of(note.group);
    judge(holdings, event, note, note.partitions);
    for (const TopicPartition& partition : note.partitions) {
      const auto holder = holdings.held.find(partition);
      if (holder != holdings.held.end() && holder->second.machine == event.node) holdings.held.erase(holder);
    }
  }
  /// This client speaks as a member of a generation: did others take what it holds in that very generation?
  void judge(Holdings& holdings, const TraceEvent& event, const AssignmentNote& note, std::span<const TopicPartition> named) {
    for (const TopicPartition& partition : named) {
      const auto taken = holdings.taken.find(partition);
      if (taken == holdings.taken.end() || taken->second.from.machine != event.node) continue;
      const Taken one = taken->second;
      holdings.taken.erase(taken);
      expect(one.from.member != note.member || one.generation != event.a, Where{event.node, 0, -1, partition.topic, partition.partition}, [&] {
        return "group " + std::string(note.group) + ": taken by " + one.by.member + " in generation " + std::to_string(event.a) + " while " + one.from.member + " still held it in that generation";
      });
    }
  }
  Holdings& holdings_of(std::string_view group) {
    auto found = holdings_.find(group);
    if (found == holdings_.end()) found = holdings_.emplace(std::string(group), Holdings{}).first;
    return found->second;
  }
  std::map<std::string, Holdings, std::less<>> holdings_;
};

}  // namespace

std::unique_ptr<Check> make_exclusive_ownership() { return std::make_unique<ExclusiveOwnership>(); }

}  // namespace harrow::sim
