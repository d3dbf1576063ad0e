// Who leads: roles, votes, the beginning and the end of an epoch.
#include <algorithm>

#include "core/raft/quorum_math.h"
#include "core/raft/raft.h"

namespace harrow::raft {

// Everything that belongs to one role only ends here; hard_ already holds the epoch and leader of the new one.
void Raft::enter(Role role) {
  if (role_ == Role::leader && role != Role::leader) {
    refuse_waiting_fetches();
    replicas_.clear();
    epoch_start_ = no_offset;
    check_quorum_deadline_ = begin_epoch_deadline_ = never;
  }
  role_ = role;
  has_fetched_ = false;
  granted_.clear();
  rejected_.clear();
  waiting_for_.clear();
  preferred_.clear();
  if (!snapshot_complete_) fetching_snapshot_.reset();
  if (role == Role::follower || role == Role::leader) election_deadline_ = never;
  if (role != Role::follower) fetch_deadline_ = never;
  reset_peers();
  if (role == Role::leader) epoch_start_ = end_;
  ready_.roles.push_back(RoleChange{role, hard_.epoch, hard_.leader, epoch_start_});
  note(FactKind::role, static_cast<std::int64_t>(role), hard_.epoch.value());
}

// The time left until an election is kept, so that a stream of higher epochs cannot put it off for ever.
void Raft::become_unattached(LeaderEpoch epoch, MonoNs now) {
  MonoNs deadline = election_deadline_;
  if (role_ == Role::follower) deadline = fetch_deadline_;
  if (deadline == never) deadline = now + draw_election_ns();
  if (epoch > hard_.epoch) hard_ = HardState{no_node, epoch, {}};
  hard_.leader = no_node;
  enter(Role::unattached);
  election_deadline_ = is_voter() ? deadline : never;
}

void Raft::become_follower(LeaderEpoch epoch, NodeId leader, MonoNs now) {
  CHECK(leader != config_.self.id);
  if (epoch > hard_.epoch) hard_ = HardState{no_node, epoch, {}};
  hard_.leader = leader;
  enter(Role::follower);
  fetch_deadline_ = after_ms(now, config_.timeouts.fetch_ms);
}

void Raft::become_prospective(MonoNs now) {
  CHECK_SAYING(is_voter(), "an observer never stands for election");
  enter(Role::prospective);
  election_deadline_ = now + draw_election_ns();
  count_vote(config_.self.id, true, now);
}

void Raft::become_candidate(MonoNs now) {
  hard_ = HardState{no_node, hard_.epoch + 1, config_.self};
  enter(Role::candidate);
  election_deadline_ = now + draw_election_ns();
  count_vote(config_.self.id, true, now);
}

void Raft::become_leader(MonoNs now) {
  hard_.leader = config_.self.id;
  std::vector<ReplicaKey> granting;
  for (const ReplicaKey& voter : config_.voters.all())
    if (std::find(granted_.begin(), granted_.end(), voter.id) != granted_.end()) granting.push_back(voter);
  enter(Role::leader);
  ready_.granting_voters = std::move(granting);
  for (const ReplicaKey& voter : config_.voters.all()) {
    ReplicaProgress progress;
    progress.key = voter;
    progress.is_voter = true;
    progress.last_fetch = now;
    progress.last_caught_up = now;
    replicas_.push_back(progress);
  }
  begin_epoch_deadline_ = now;
  if (config_.voters.size() > 1) check_quorum_deadline_ = after_ms(now, config_.timeouts.fetch_ms * 3 / 2);
  append_entries({Entry{end_, end_, hard_.epoch, EntryKind::leader_change, {}}});
}

void Raft::become_resigned(std::vector<ReplicaKey> preferred, MonoNs now) {
  enter(Role::resigned);
  preferred_ = std::move(preferred);
  for (const ReplicaKey& voter : config_.voters.all())
    if (voter.id != config_.self.id) waiting_for_.push_back(voter.id);
  election_deadline_ = now + draw_election_ns();
}

// The other voters, the one with the longest log first.
std::vector<ReplicaKey> Raft::successors() const {
  std::vector<ReplicaProgress> voters;
  for (const ReplicaProgress& p : replicas_)
    if (p.is_voter && p.key.id != config_.self.id) voters.push_back(p);
  std::stable_sort(voters.begin(), voters.end(), [](const auto& a, const auto& b) { return a.end > b.end; });
  std::vector<ReplicaKey> keys;
  for (const ReplicaProgress& p : voters) keys.push_back(p.key);
  return keys;
}

void Raft::leave_prospective(MonoNs now) {
  if (hard_.leader != no_node && hard_.leader != config_.self.id) {
    become_follower(hard_.epoch, hard_.leader, now);
    return;
  }
  become_unattached(hard_.epoch, now);
  election_deadline_ = now + draw_election_ns();
}

// What another replica says about epochs and leaders; true if it changed anything here.
bool Raft::learn(LeaderEpoch epoch, NodeId leader, MonoNs now) {
  if (epoch < hard_.epoch) return false;
  if (leader == config_.self.id) leader = no_node;  // about itself a replica knows best
  if (epoch == hard_.epoch && (leader == no_node || hard_.leader != no_node)) return false;
  if (leader == no_node) become_unattached(epoch, now);
  else become_follower(epoch, leader, now);
  return true;
}

bool Raft::may_grant(const VoteRequest& request) const {
  const OffsetAndEpoch asker{request.last_offset, request.last_epoch};
  const bool up_to_date =
      asker.epoch > last_epoch() || (asker.epoch == last_epoch() && asker.offset >= end_);
  if (request.pre_vote) {
    // A follower that hears its leader says no, so that a voter cut off for a while does not end a good epoch.
    if (role_ == Role::leader || (role_ == Role::follower && has_fetched_)) return false;
    return up_to_date;
  }
  if (role_ == Role::leader || role_ == Role::resigned || role_ == Role::candidate) return false;
  if (hard_.voted.id != no_node) return same_replica(hard_.voted, request.candidate);
  return hard_.leader == no_node && up_to_date;
}

void Raft::on(const Envelope& envelope, const VoteRequest& request, MonoNs now) {
  const auto reply = [&](Code code, bool granted) {
    answer(envelope, VoteResponse{code, hard_.epoch, hard_.leader, granted});
  };
  if (!same_replica(config_.self, request.voter)) return reply(Code::invalid_voter_key, false);
  if (request.epoch < hard_.epoch) return reply(Code::fenced_leader_epoch, false);
  const bool log_fits = request.pre_vote ? request.last_epoch <= request.epoch : request.last_epoch < request.epoch;
  if (request.candidate.id == config_.self.id || request.candidate.id < NodeId{0} || !log_fits || request.last_offset < Offset{0})
    return reply(Code::invalid_request, false);
  learn(request.epoch, no_node, now);
  const bool granted = may_grant(request);
  if (request.pre_vote) {
    if (!granted) note(FactKind::pre_vote_refused, request.epoch.value(), request.candidate.id.value());
    return reply(Code::none, granted);
  }
  if (granted && hard_.voted.id == no_node) {
    hard_.voted = request.candidate;
    if (role_ == Role::prospective) enter(Role::unattached);
    election_deadline_ = is_voter() ? now + draw_election_ns() : never;
    note(FactKind::vote_granted, hard_.epoch.value(), request.candidate.id.value());
  }
  reply(Code::none, granted);
}

void Raft::on(const Envelope& envelope, const VoteResponse& response, MonoNs now) {
  if (learn(response.epoch, response.leader, now)) return;
  if (response.error != Code::none || response.epoch != hard_.epoch) return rest(envelope.from, now);
  if (role_ == Role::prospective || role_ == Role::candidate) count_vote(envelope.from, response.granted, now);
}

void Raft::count_vote(NodeId voter, bool granted, MonoNs now) {
  std::vector<NodeId>& list = granted ? granted_ : rejected_;
  if (std::find(list.begin(), list.end(), voter) == list.end()) list.push_back(voter);
  count_election(now);
}

void Raft::count_election(MonoNs now) {
  const Ballot ballot = count_ballot(config_.voters.size(), granted_.size(), rejected_.size());
  if (ballot == Ballot::won) {
    if (role_ == Role::prospective) become_candidate(now);
    else become_leader(now);
  } else if (ballot == Ballot::lost && role_ == Role::prospective) {
    leave_prospective(now);
  }
  // A candidate that lost waits for the rest of its time: who won will tell, and if nobody did, haste splits votes.
}

void Raft::on(const Envelope& envelope, const BeginQuorumEpochRequest& request, MonoNs now) {
  const auto reply = [&](Code code) { answer(envelope, BeginQuorumEpochResponse{code, hard_.epoch, hard_.leader}); };
  if (!same_replica(config_.self, request.voter)) return reply(Code::invalid_voter_key);
  if (request.epoch < hard_.epoch) return reply(Code::fenced_leader_epoch);
  const bool contradicts = request.epoch == hard_.epoch && hard_.leader != no_node && hard_.leader != request.leader;
  if (request.leader < NodeId{0} || request.leader == config_.self.id || contradicts) return reply(Code::invalid_request);
  learn(request.epoch, request.leader, now);
  if (role_ == Role::prospective) become_follower(request.epoch, request.leader, now);
  reply(Code::none);
}

void Raft::on(const Envelope& envelope, const BeginQuorumEpochResponse& response, MonoNs now) {
  if (!learn(response.epoch, response.leader, now) && response.error != Code::none) rest(envelope.from, now);
}

void Raft::on(const Envelope& envelope, const EndQuorumEpochRequest& request, MonoNs now) {
  const auto reply = [&](Code code) { answer(envelope, EndQuorumEpochResponse{code, hard_.epoch, hard_.leader}); };
  if (request.epoch < hard_.epoch) return reply(Code::fenced_leader_epoch);
  const bool contradicts = request.epoch == hard_.epoch && hard_.leader != no_node && hard_.leader != request.leader;
  if (request.leader < NodeId{0} || request.leader == config_.self.id || contradicts) return reply(Code::invalid_request);
  learn(request.epoch, request.leader, now);
  if (role_ == Role::follower && is_voter()) {
    // The leader is gone by its own word: do not vouch for it any longer, and stand in the order it named.
    has_fetched_ = false;
    const auto mine = std::find_if(request.preferred.begin(), request.preferred.end(),
                                   [&](const ReplicaKey& key) { return same_replica(key, config_.self); });
    const std::int64_t position = mine == request.preferred.end() ? -1 : mine - request.preferred.begin();
    const MonoNs at = after_ms(now, succession_delay_ms(position, config_.timeouts.election_backoff_max_ms));
    fetch_deadline_ = std::min(fetch_deadline_, at);
  }
  reply(Code::none);
}

void Raft::on(const Envelope& envelope, const EndQuorumEpochResponse& response, MonoNs now) {
  if (learn(response.epoch, response.leader, now)) return;
  if (response.error != Code::none) return rest(envelope.from, now);
  std::erase(waiting_for_, envelope.from);
}

void Raft::poll_election(MonoNs now) {
  // While the shell replaces the log by a snapshot nobody may act on the log that was.
  if (snapshot_complete_) return;
  if (role_ == Role::follower && fetch_deadline_ <= now) {
    if (!is_voter()) become_unattached(hard_.epoch, now);
    else if (!stopping_) become_prospective(now);
  } else if (election_deadline_ <= now) {
    if (role_ == Role::prospective) leave_prospective(now);
    else if (role_ == Role::resigned) become_unattached(hard_.epoch + 1, now);
    else if (!stopping_) become_prospective(now);
  }
  if (role_ == Role::unattached) fetch_from_anyone(now);
  if (role_ == Role::prospective || role_ == Role::candidate) {
    for (const ReplicaKey& voter : config_.voters.all()) {
      const auto answered = [&](const std::vector<NodeId>& list) { return std::find(list.begin(), list.end(), voter.id) != list.end(); };
      if (answered(granted_) || answered(rejected_) || !can_send(voter.id, now)) continue;
      send(voter.id, VoteRequest{hard_.epoch, config_.self, voter, last_epoch(), end_, role_ == Role::prospective}, now);
    }
  }
  if (role_ == Role::resigned) {
    for (const NodeId voter : waiting_for_)
      if (can_send(voter, now)) send(voter, EndQuorumEpochRequest{hard_.epoch, config_.self.id, preferred_}, now);
  }
  if (election_deadline_ > now) wake_at(election_deadline_);
}

}  // namespace harrow::raft
