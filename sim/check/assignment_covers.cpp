// I49, coverage: once every member of a generation has its assignment, the partitions of each subscribed topic are covered,
// each exactly once.
// Listens to: assignment_made; judged when the last member of a generation has its own.
// Legal exceptions: topics and partitions that the member who assigned had not heard of: coverage is judged against the
// topics that appear, as far as the highest partition assigned; missing ones below it are a gap.
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
    if (event.a != generation.number || event.node != generation.machine) generation = Generation{event.a, event.node, {}, {}};
    generation.members.insert(std::string(note.member));
    for (const TopicPartition& partition : note.partitions) ++generation.owners[partition];
    if (static_cast<std::int64_t>(generation.members.size()) != event.b) return;
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
      expect(counts.first == counts.second + 1, Where{event.node, 0, -1, topic, -1}, [&] {
        return "group " + std::string(note.group) + ", generation " + std::to_string(event.a) + ": " + std::to_string(counts.first) + " of " + std::to_string(counts.second + 1) + " partitions are assigned";
      });
    }
  }

 private:
  struct Generation {
    std::int64_t number = -1;
    std::uint16_t machine = 0;
    std::set<std::string> members;
    std::map<TopicPartition, std::int32_t> owners;
  };
  std::map<std::string, Generation, std::less<>> groups_;
};

}  // namespace

std::unique_ptr<Check> make_assignment_covers() { return std::make_unique<AssignmentCovers>(); }

}  // namespace harrow::sim
