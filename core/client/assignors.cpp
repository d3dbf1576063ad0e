#include "core/client/assignors.h"

#include <algorithm>
#include <set>

namespace harrow {
namespace {

bool subscribes(const group::Subscription& member, const std::string& topic) {
  return std::find(member.topics.begin(), member.topics.end(), topic) != member.topics.end();
}

/// Static members first, by instance id, then the others by member id: a static member that comes back under another
/// member id keeps its place.
std::vector<std::string> in_order(const GroupSubscriptions& members) {
  std::vector<std::string> order;
  for (const auto& [id, member] : members) order.push_back(id);
  std::stable_sort(order.begin(), order.end(), [&](const std::string& a, const std::string& b) {
    const auto& x = members.at(a).instance_id;
    const auto& y = members.at(b).instance_id;
    if (x && y) return *x < *y;
    if (x || y) return x.has_value();
    return a < b;
  });
  return order;
}

/// Topic by topic: each member a run of partitions, the first ones one more.
GroupAssignment range(const GroupSubscriptions& members, const PartitionCounts& topics) {
  GroupAssignment result;
  const std::vector<std::string> order = in_order(members);
  for (const auto& [topic, count] : topics) {
    std::vector<std::string> takers;
    for (const std::string& id : order)
      if (subscribes(members.at(id), topic)) takers.push_back(id);
    if (takers.empty()) continue;
    const std::int32_t each = count / static_cast<std::int32_t>(takers.size());
    const std::int32_t more = count % static_cast<std::int32_t>(takers.size());
    std::int32_t next = 0;
    for (std::size_t i = 0; i < takers.size(); ++i) {
      const std::int32_t share = each + (static_cast<std::int32_t>(i) < more ? 1 : 0);
      for (std::int32_t n = 0; n < share; ++n) result[takers[i]].push_back(TopicPartition{topic, next++});
    }
  }
  return result;
}

/// All partitions in order, dealt in turn to those who subscribe to the topic.
GroupAssignment roundrobin(const GroupSubscriptions& members, const PartitionCounts& topics) {
  GroupAssignment result;
  const std::vector<std::string> order = in_order(members);
  std::size_t turn = 0;
  for (const auto& [topic, count] : topics) {
    const bool wanted = std::any_of(members.begin(), members.end(), [&](const auto& entry) { return subscribes(entry.second, topic); });
    for (std::int32_t partition = 0; wanted && partition < count; ++partition) {
      while (!subscribes(members.at(order[turn]), topic)) turn = (turn + 1) % order.size();
      result[order[turn]].push_back(TopicPartition{topic, partition});
      turn = (turn + 1) % order.size();
    }
  }
  return result;
}

/// Balanced first, then as few moves as possible: everybody keeps what he owned up to his share, the rest goes to
/// whoever has least.
GroupAssignment sticky(const GroupSubscriptions& members, const PartitionCounts& topics) {
  GroupAssignment result;
  // Of two that claim a partition the one of the later generation owned it last.
  std::map<TopicPartition, std::pair<std::int32_t, std::string>> owner;
  std::set<TopicPartition> contested;
  for (const auto& [id, member] : members)
    for (const TopicPartition& partition : member.owned) {
      const auto count = topics.find(partition.topic);
      if (count == topics.end() || partition.partition >= count->second || !subscribes(member, partition.topic)) continue;
      const auto [entry, is_new] = owner.try_emplace(partition, member.generation, id);
      if (is_new) continue;
      if (entry->second.first == member.generation) contested.insert(partition);
      if (entry->second.first >= member.generation) continue;
      entry->second = {member.generation, id};
      contested.erase(partition);
    }
  for (const auto& [partition, who] : owner)
    if (!contested.contains(partition)) result[who.second].push_back(partition);
  std::vector<TopicPartition> free;
  for (const auto& [topic, count] : topics)
    for (std::int32_t partition = 0; partition < count; ++partition) {
      const TopicPartition id{topic, partition};
      if (!owner.contains(id) || contested.contains(id)) free.push_back(id);
    }
  const std::vector<std::string> order = in_order(members);
  const auto least = [&](const std::string& topic) -> const std::string* {
    const std::string* best = nullptr;
    for (const std::string& id : order)
      if (subscribes(members.at(id), topic) && (best == nullptr || result[id].size() < result[*best].size())) best = &id;
    return best;
  };
  for (const TopicPartition& partition : free) {
    const std::string* const to = least(partition.topic);
    if (to != nullptr) result[*to].push_back(partition);
  }
  // Level out: move while somebody has at least two more than another who could take it.
  for (bool moved = true; moved;) {
    moved = false;
    for (const std::string& from : order) {
      std::vector<TopicPartition>& mine = result[from];
      for (std::size_t i = mine.size(); i-- > 0;) {
        const std::string* const to = least(mine[i].topic);
        if (to == nullptr || *to == from || result[*to].size() + 1 >= mine.size()) continue;
        result[*to].push_back(mine[i]);
        mine.erase(mine.begin() + static_cast<std::ptrdiff_t>(i));
        moved = true;
      }
    }
  }
  for (auto& [id, partitions] : result) std::sort(partitions.begin(), partitions.end());
  return result;
}

/// Sticky, but what moves from one member to another is given to nobody yet: its owner learns from its own assignment
/// that it goes, gives it up and rejoins; the rebalance that follows hands it over.
GroupAssignment cooperative_sticky(const GroupSubscriptions& members, const PartitionCounts& topics) {
  GroupAssignment result = sticky(members, topics);
  std::set<TopicPartition> leaving;
  for (const auto& [id, member] : members) {
    const std::vector<TopicPartition>& kept = result[id];
    for (const TopicPartition& partition : member.owned)
      if (!std::binary_search(kept.begin(), kept.end(), partition)) leaving.insert(partition);
  }
  for (auto& [id, partitions] : result) {
    const std::vector<TopicPartition>& owned = members.at(id).owned;
    std::erase_if(partitions, [&](const TopicPartition& partition) {
      return leaving.contains(partition) && std::find(owned.begin(), owned.end(), partition) == owned.end();
    });
  }
  return result;
}

}  // namespace

std::string_view name_of(Assignor assignor) {
  switch (assignor) {
    case Assignor::range: return "range";
    case Assignor::roundrobin: return "roundrobin";
    case Assignor::sticky: return "sticky";
    case Assignor::cooperative_sticky: return "cooperative-sticky";
  }
  return "range";
}

std::optional<Assignor> assignor_named(std::string_view name) {
  for (const Assignor assignor : {Assignor::range, Assignor::roundrobin, Assignor::sticky, Assignor::cooperative_sticky})
    if (name_of(assignor) == name) return assignor;
  return std::nullopt;
}

bool is_cooperative(std::span<const Assignor> strategy) {
  return !strategy.empty() && std::all_of(strategy.begin(), strategy.end(), [](Assignor assignor) { return assignor == Assignor::cooperative_sticky; });
}

GroupAssignment assign_partitions(Assignor assignor, const GroupSubscriptions& members, const PartitionCounts& topics) {
  switch (assignor) {
    case Assignor::range: return range(members, topics);
    case Assignor::roundrobin: return roundrobin(members, topics);
    case Assignor::sticky: return sticky(members, topics);
    case Assignor::cooperative_sticky: return cooperative_sticky(members, topics);
  }
  return {};
}

}  // namespace harrow
