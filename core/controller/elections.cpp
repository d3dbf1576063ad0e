#include "core/controller/elections.h"

#include <algorithm>

#include "core/base/mutation.h"

namespace harrow::controller {

bool contains(const NodeIds& ids, NodeId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }

NodeIds without(const NodeIds& ids, NodeId id) {
  NodeIds rest;
  for (const NodeId other : ids) {
    if (other != id) rest.push_back(other);
  }
  return rest;
}

std::int32_t effective_min_isr(std::int32_t min_isr, std::size_t replicas) {
  return std::min(min_isr, static_cast<std::int32_t>(replicas));
}

PartitionTarget::PartitionTarget(const TopicIdPartition& of, const PartitionImage& current, std::int32_t topic_min_isr)
    : id(of),
      now(current),
      isr(current.isr),
      replicas(current.replicas),
      adding(current.adding),
      removing(current.removing),
      leader_recovery(current.leader_recovery),
      min_isr(topic_min_isr) {}

namespace {

struct Elr {
  NodeIds eligible;
  NodeIds last_known;
};

struct Elected {
  NodeId leader = no_node;
  bool unclean = false;
};

/// Members that leave an ISR below the minimum still hold everything that was committed: they become eligible. Above
/// the minimum nobody needs them.
NodeIds eligible_after(const PartitionTarget& t) {
  if (!t.elr_enabled) return {};
  if (static_cast<std::int32_t>(t.isr.size()) >= effective_min_isr(t.min_isr, t.replicas.size())) return {};
  NodeIds eligible;
  const auto consider = [&](NodeId id) {
    if (contains(t.isr, id) || contains(eligible, id) || id == t.unclean_restart || !contains(t.replicas, id)) return;
    eligible.push_back(id);
  };
  for (const NodeId id : t.now.elr) consider(id);
  for (const NodeId id : t.now.isr) consider(id);
  std::sort(eligible.begin(), eligible.end());
  return eligible;
}

class Chooser {
 public:
  Chooser(const PartitionTarget& target, const NodeIds& elr, const Candidates& candidates)
      : t_(target), elr_(elr), candidates_(candidates) {}

  Elected choose() const {
    if (t_.election == Election::preferred && valid(t_.replicas.front())) return {t_.replicas.front(), false};
    if (valid(t_.now.leader)) return {t_.now.leader, false};
    for (const NodeId id : t_.replicas) {
      if (valid(id)) return {id, false};
    }
    if (t_.elr_enabled && t_.isr.empty() && elr_.empty() && t_.now.last_known_elr.size() == 1 &&
        contains(t_.replicas, t_.now.last_known_elr.front()) && candidates_.may_lead(t_.now.last_known_elr.front())) {
      return {t_.now.last_known_elr.front(), true};
    }
    if (t_.election == Election::unclean) {
      for (const NodeId id : t_.replicas) {
        if (candidates_.may_lead(id)) return {id, true};
      }
    }
    return {};
  }

 private:
  bool valid(NodeId id) const {
    if (id == no_node || !candidates_.may_lead(id)) return false;
    return contains(t_.isr, id) || (t_.isr.empty() && contains(elr_, id));
  }
  const PartitionTarget& t_;
  const NodeIds& elr_;
  const Candidates& candidates_;
};

/// All that shall replicate does: drop the replicas that were only kept until now.
void complete_reassignment(PartitionTarget& t) {
  if (t.adding.empty() && t.removing.empty()) return;
  NodeIds replicas;
  for (const NodeId id : t.replicas) {
    if (contains(t.removing, id)) continue;
    if (!contains(t.isr, id)) return;
    replicas.push_back(id);
  }
  if (replicas.empty()) return;
  NodeIds isr;
  for (const NodeId id : t.isr) {
    if (contains(replicas, id)) isr.push_back(id);
  }
  t.replicas = std::move(replicas);
  t.isr = std::move(isr);
  t.adding.clear();
  t.removing.clear();
}

bool lost_a_replica(const PartitionTarget& t) {
  return std::any_of(t.now.replicas.begin(), t.now.replicas.end(), [&](NodeId id) { return !contains(t.replicas, id); });
}

/// The one who led last is worth remembering once nobody is left; with a leader again the memory goes.
NodeIds last_known_after(const PartitionTarget& t, NodeId leader) {
  if (!t.elr_enabled || leader != no_node) return {};
  if (!t.isr.empty()) return t.now.last_known_elr;
  if (t.now.leader != no_node) return {t.now.leader};
  return t.now.last_known_elr;
}

}  // namespace

std::optional<PartitionChange> change_to(PartitionTarget t, const Candidates& candidates) {
  const PartitionImage& now = t.now;
  complete_reassignment(t);
  NodeIds elr = eligible_after(t);
  const Elected elected = Chooser(t, elr, candidates).choose();

  PartitionChange change;
  wire::PartitionChangeRecord& record = change.record;
  record.partition_id = t.id.partition;
  record.topic_id = t.id.topic_id;
  bool changed = false;

  if (elected.leader != now.leader) {
    record.leader = elected.leader.value();
    change.leader_changed = true;
    change.unclean = elected.unclean;
    change.from_elr = !elected.unclean && contains(elr, elected.leader);
    changed = true;
    if (change.from_elr) {
      t.isr = {elected.leader};
      elr = without(elr, elected.leader);
    }
    if (elected.unclean) {
      // Whatever the others hold no longer counts: the new leader's log is the truth from here on.
      t.isr = {elected.leader};
      elr.clear();
      t.leader_recovery = LeaderRecovery::recovering;
    }
    if (static_cast<std::int32_t>(t.isr.size()) >= effective_min_isr(t.min_isr, t.replicas.size())) elr.clear();
  } else if (lost_a_replica(t)) {
    record.leader = now.leader.value();  // a new epoch fences the replica that was dropped
    changed = true;
  }
  // Without ELR the last member stays in the ISR, leaderless: it alone may come back.
  if (t.isr != now.isr && (!t.isr.empty() || t.elr_enabled)) {
    record.isr = numbers_of(t.isr);
    changed = true;
  }
  const auto put = [&changed](const NodeIds& before, const NodeIds& after, std::optional<std::vector<std::int32_t>>& field) {
    if (before == after) return;
    field = numbers_of(after);
    changed = true;
  };
  put(now.elr, elr, record.eligible_leader_replicas);
  put(now.last_known_elr, last_known_after(t, elected.leader), record.last_known_elr);
  put(now.adding, t.adding, record.adding_replicas);
  put(now.removing, t.removing, record.removing_replicas);
  if (t.replicas != now.replicas) {
    put(now.replicas, t.replicas, record.replicas);
    std::vector<Uuid> directories;
    for (const NodeId id : t.replicas) {
      Uuid directory = now.directory_of(id);
      const BrokerImage* const broker = candidates.image.broker(id);
      if (directory.is_zero() && broker != nullptr && broker->log_dirs.size() == 1) directory = broker->log_dirs.front();
      directories.push_back(directory);
    }
    record.directories = std::move(directories);
  }
  if (t.leader_recovery != now.leader_recovery) {
    record.leader_recovery_state = static_cast<std::int8_t>(t.leader_recovery);
    changed = true;
  }
  if (!changed) return std::nullopt;
  change.after = merged(now, record);
  return change;
}

void write(const TopicIdPartition& id, PartitionChange change, std::vector<wire::MetadataRecord>& records,
           std::vector<Fact>& facts) {
  if (change.leader_changed) {
    Fact fact;
    fact.kind = Fact::Kind::leader_elected;
    fact.partition = id;
    fact.leader = change.after.leader;
    fact.leader_epoch = change.after.leader_epoch;
    fact.unclean = change.unclean;
    fact.from_elr = change.from_elr;
    facts.push_back(fact);
  }
  records.emplace_back(std::move(change.record));
}

PartitionTarget target_of(const State& state, const TopicImage& topic, std::int32_t index) {
  PartitionTarget t({topic.id, index}, topic.partitions[static_cast<std::size_t>(index)], state.min_isr(topic.name));
  t.elr_enabled = state.elr_enabled();
  if (state.unclean_election_allowed(topic.name)) t.election = Election::unclean;
  return t;
}

void remove_from_partitions(const State& state, NodeId broker, bool unclean_restart, std::vector<wire::MetadataRecord>& records,
                            std::vector<Fact>& facts) {
  const Candidates candidates{state.image, broker, no_node};
  // Without ELR nothing replaces the last member, so a restart is a restart: the broker keeps its place.
  const bool unclean = unclean_restart && state.elr_enabled();
  for (const auto& [topic_id, topic] : state.image.topics()) {
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(topic.partitions.size()); ++i) {
      const PartitionImage& p = topic.partitions[static_cast<std::size_t>(i)];
      const bool member = p.in_isr(broker) || p.leader == broker || (unclean && p.in_elr(broker));
      if (!member) continue;
      PartitionTarget t = target_of(state, topic, i);
      t.isr = without(p.isr, broker);
      if (unclean) t.unclean_restart = broker;
      if (auto change = change_to(std::move(t), candidates)) write({topic_id, i}, std::move(*change), records, facts);
    }
  }
}

void elect_with(const State& state, NodeId broker, std::vector<wire::MetadataRecord>& records, std::vector<Fact>& facts) {
  const Candidates candidates{state.image, no_node, broker};
  for (const auto& [topic_id, topic] : state.image.topics()) {
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(topic.partitions.size()); ++i) {
      if (topic.partitions[static_cast<std::size_t>(i)].leader != no_node) continue;
      if (auto change = change_to(target_of(state, topic, i), candidates)) write({topic_id, i}, std::move(*change), records, facts);
    }
  }
}

}  // namespace harrow::controller
