// I49, coverage: once every member of a generation has its assignment, the partitions of each subscribed topic are covered,
// each exactly once.
// Listens to: assignment_made; judged when the last member of a generation has its own, and at quiescence.
// Legal exceptions: topics and partitions that the member who assigned had not heard of: coverage is judged against the
// topics that appear, as far as the highest partition assigned; missing ones below it are a gap. In a cooperative group a
// partition that moves is nobody's until the member that had it has given it up: it may be missing while a member of the
// generation was ever given it, and not once the group is at rest.
#include <algorithm>
#include <map>
#include <set>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/setup.h"

namespace harrow::sim {
namespace {

class AssignmentCovers final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::assignment_made};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (payload == nullptr) return;
    const auto& note = note_of<AssignmentNote>(payload);
    auto found = groups_.find(note.group);
    if (found == groups_.end()) found = groups_.emplace(std::string(note.group), Generation{}).first;
    Generation& generation = found->second;
    if (event.a != generation.number || event.node != generation.machine) generation = Generation{event.a, event.node, {}, {}, {}, 0};
    generation.members.insert(std::string(note.member));
    const bool cooperative = setup().cooperative_groups.contains(note.group);
    for (const TopicPartition& partition : note.partitions) {
      ++generation.owners[partition];
      if (cooperative) had_[found->first][partition].insert(std::string(note.member));
    }
    if (static_cast<std::int64_t>(generation.members.size()) != event.b) return;
    if (cooperative) generation.in_transfer = take_transfers(had_[found->first], generation, event.time_ns);
    std::map<std::string, std::pair<std::int32_t, std::int32_t>> topics;  // partitions seen, highest
    for (const auto& [partition, owners] : generation.owners) {
      auto& [seen, highest] = topics.try_emplace(partition.topic, 0, -1).first->second;
      ++seen;
      highest = std::max(highest, partition.partition);
      if (owners != 1) fail(Where{event.node, 0, -1, partition.topic, partition.partition}, "group " + std::string(note.group) + ": assigned " + std::to_string(owners) + " times in generation " + std::to_string(event.a));
    }
    const auto subscribed = setup().topics_of_group.find(note.group);
    for (const auto& [topic, counts] : topics) {
      if (subscribed != setup().topics_of_group.end() && std::find(subscribed->second.begin(), subscribed->second.end(), topic) == subscribed->second.end())
        fail(Where{event.node, 0, -1, topic, -1}, "group " + std::string(note.group) + " was assigned a topic that it did not subscribe to");
      const auto missing = std::count_if(generation.in_transfer.begin(), generation.in_transfer.end(),
                                         [&, &name = topic, highest = counts.second](const TopicPartition& one) { return one.topic == name && one.partition <= highest; });
      expect(counts.first + missing == counts.second + 1, Where{event.node, 0, -1, topic, -1}, [&] {
        return "group " + std::string(note.group) + ", generation " + std::to_string(event.a) + ": " + std::to_string(counts.first) + " of " + std::to_string(counts.second + 1) + " partitions are assigned";
      });
    }
  }
  void at_quiescence() override {
    for (const auto& [name, generation] : groups_) {
      if (generation.in_transfer.empty() || now_ns() - generation.complete_at_ns < setup().settle_ns) continue;
      const TopicPartition& first = *generation.in_transfer.begin();
      fail(Where{generation.machine, 0, -1, first.topic, first.partition}, "group " + name + ": nobody's since generation " + std::to_string(generation.number) + ", in which it was to move");
    }
  }

 private:
  struct Generation {
    std::int64_t number = -1;
    std::uint16_t machine = 0;
    std::set<std::string> members;
    std::map<TopicPartition, std::int32_t> owners;
    std::set<TopicPartition> in_transfer;  // missing, and a member of this generation once had it
    std::int64_t complete_at_ns = 0;
  };
  using Had = std::map<TopicPartition, std::set<std::string>>;
  static std::set<TopicPartition> take_transfers(const Had& had, Generation& generation, std::int64_t now_ns) {
    generation.complete_at_ns = now_ns;
    std::set<TopicPartition> result;
    for (const auto& [partition, members] : had) {
      const bool by_one_of_these = std::any_of(members.begin(), members.end(), [&](const std::string& member) { return generation.members.contains(member); });
      if (by_one_of_these && !generation.owners.contains(partition)) result.insert(partition);
    }
    return result;
  }
  std::map<std::string, Had> had_;  // of cooperative groups: who was ever given a partition
  std::map<std::string, Generation, std::less<>> groups_;
};

}  // namespace

std::unique_ptr<Check> make_assignment_covers() { return std::make_unique<AssignmentCovers>(); }

}  // namespace harrow::sim
