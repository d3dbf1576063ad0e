// How the log gets from the leader to the others: fetching, divergence, snapshots, the high watermark.
#include <algorithm>

#include "core/base/mutation.h"
#include "core/raft/quorum_math.h"
#include "core/raft/raft.h"

namespace harrow::raft {

namespace {
// An observer silent for so long is forgotten.
constexpr std::int64_t observer_session_ms = 300'000;
}  // namespace

void Raft::rest(NodeId peer_id, MonoNs now) { peer(peer_id).rest_until = after_ms(now, config_.timeouts.retry_backoff_ms); }

// ---- the leader's side

Code Raft::leader_only(LeaderEpoch epoch) const {
  if (epoch < hard_.epoch) return Code::fenced_leader_epoch;
  if (epoch > hard_.epoch) return Code::unknown_leader_epoch;
  return role_ == Role::leader ? Code::none : Code::not_leader_or_follower;
}

// Where a follower's position stands against this log.
FetchResponse Raft::fetch_answer(const FetchRequest& request) const {
  FetchResponse response;
  response.epoch = hard_.epoch;
  response.leader = hard_.leader;
  response.high_watermark = high_watermark_;
  response.log_start = log_start();
  const bool empty_follower = request.offset == Offset{0} && request.last_fetched_epoch <= LeaderEpoch{0};
  if (newest_snapshot_ && newest_snapshot_->offset > Offset{0} && empty_follower) {
    response.snapshot = newest_snapshot_;
    return response;
  }
  if (empty_follower && log_start() == Offset{0}) {
    response.read_from = request.offset;
    return response;
  }
  const OffsetAndEpoch base = epochs_.base();
  const bool before_log = request.offset < base.offset ||
                          (request.offset == base.offset && base.offset > Offset{0} && request.last_fetched_epoch != base.epoch);
  if (newest_snapshot_ && (before_log || request.last_fetched_epoch < oldest_snapshot_->epoch)) {
    response.snapshot = newest_snapshot_;
    return response;
  }
  const OffsetAndEpoch ours = epochs_.end_of(request.last_fetched_epoch, end_);
  if (ours.epoch != request.last_fetched_epoch || ours.offset < request.offset) {
    response.diverging = ours;
    return response;
  }
  response.read_from = request.offset;
  return response;
}

void Raft::on(const Envelope& envelope, const FetchRequest& request, MonoNs now) {
  const Code refused = leader_only(request.epoch);
  if (refused != Code::none) {
    FetchResponse response;
    response.error = refused;
    response.epoch = hard_.epoch;
    response.leader = hard_.leader;
    return answer(envelope, std::move(response));
  }
  count_contact(request.replica, now);
  // A replica has one fetch: an older one that still waits belongs to a connection it gave up.
  for (auto at = waiting_fetches_.begin(); at != waiting_fetches_.end();) {
    const FetchRequest& waiting = std::get<FetchRequest>(at->request.message);
    if (waiting.replica != request.replica) {
      ++at;
      continue;
    }
    answer(at->request, fetch_answer(waiting));
    at = waiting_fetches_.erase(at);
  }
  FetchResponse response = fetch_answer(request);
  if (response.diverging || response.snapshot) return answer(envelope, std::move(response));

  ReplicaProgress& progress = progress_of(request.replica, now);
  progress.end = request.offset;  // may be lower than before: the replica lost its disk
  if (request.offset >= end_) progress.last_caught_up = now;
  advance_leader_high_watermark();
  response.high_watermark = high_watermark_;
  if (end_ > request.offset || request.high_watermark < high_watermark_ || request.max_wait_ms <= 0)
    return answer(envelope, std::move(response));
  waiting_fetches_.push_back(WaitingFetch{envelope, after_ms(now, request.max_wait_ms)});
}

void Raft::on(const Envelope& envelope, const FetchSnapshotRequest& request, MonoNs now) {
  FetchSnapshotResponse response;
  response.error = leader_only(request.epoch);
  if (response.error == Code::none) count_contact(request.replica, now);
  response.epoch = hard_.epoch;
  response.leader = hard_.leader;
  response.id = request.id;
  response.position = request.position;
  answer(envelope, std::move(response));
}

ReplicaProgress& Raft::progress_of(const ReplicaKey& replica, MonoNs now) {
  for (ReplicaProgress& p : replicas_) {
    if (p.is_voter ? same_replica(p.key, replica) : p.key == replica) return p;
  }
  std::erase_if(replicas_, [&](const ReplicaProgress& p) {
    return !p.is_voter && after_ms(p.last_fetch, observer_session_ms) <= now;
  });
  ReplicaProgress observer;
  observer.key = replica;
  observer.last_caught_up = MonoNs{-1};
  replicas_.push_back(observer);
  return replicas_.back();
}

void Raft::count_contact(const ReplicaKey& replica, MonoNs now) {
  ReplicaProgress& progress = progress_of(replica, now);
  progress.last_fetch = now;
  progress.fetched_in_interval = true;
  if (!progress.is_voter || check_quorum_deadline_ == never) return;
  progress.fetched_in_period = true;
  const auto heard = static_cast<std::size_t>(
      std::count_if(replicas_.begin(), replicas_.end(), [](const ReplicaProgress& p) { return p.is_voter && p.fetched_in_period; }));
  if (heard + 1 < config_.voters.majority()) return;
  for (ReplicaProgress& p : replicas_) p.fetched_in_period = false;
  check_quorum_deadline_ = after_ms(now, config_.timeouts.fetch_ms * 3 / 2);
}

Offset Raft::own_counted_end() const {
  if (mutated(Bug::Q01)) return end_;
  return flushed_;
}

void Raft::advance_leader_high_watermark() {
  std::vector<Offset> ends;
  for (ReplicaProgress& p : replicas_) {
    if (!p.is_voter) continue;
    if (p.key.id == config_.self.id) p.end = own_counted_end();
    ends.push_back(p.end);
  }
  const Offset majority = majority_end(std::move(ends));
  // Records of older epochs on a majority may still be replaced (figure 8); one of this epoch above them settles it.
  if (majority <= epoch_start_ || majority <= high_watermark_) return;
  move_high_watermark(majority);
  answer_waiting_fetches();
}

void Raft::move_high_watermark(Offset to) {
  if (to <= high_watermark_) return;
  high_watermark_ = to;
  ready_.high_watermark = to;
  note(FactKind::high_watermark, to.value(), hard_.epoch.value());
}

void Raft::answer_waiting_fetches() {
  for (auto at = waiting_fetches_.begin(); at != waiting_fetches_.end();) {
    const FetchRequest& request = std::get<FetchRequest>(at->request.message);
    if (end_ <= request.offset && request.high_watermark >= high_watermark_) {
      ++at;
      continue;
    }
    answer(at->request, fetch_answer(request));
    at = waiting_fetches_.erase(at);
  }
}

void Raft::refuse_waiting_fetches() {
  for (const WaitingFetch& waiting : waiting_fetches_) {
    FetchResponse response;
    response.error = Code::not_leader_or_follower;
    response.epoch = hard_.epoch;
    response.leader = hard_.leader;
    answer(waiting.request, std::move(response));
  }
  waiting_fetches_.clear();
}

void Raft::poll_leader(MonoNs now) {
  if (check_quorum_deadline_ <= now) {
    note(FactKind::resigned, hard_.epoch.value());
    become_resigned({}, now);
    return poll_election(now);
  }
  if (begin_epoch_deadline_ <= now) {
    for (ReplicaProgress& p : replicas_) {
      const bool silent = p.is_voter && p.key.id != config_.self.id && !p.fetched_in_interval;
      p.fetched_in_interval = false;
      if (silent && can_send(p.key.id, now)) send(p.key.id, BeginQuorumEpochRequest{hard_.epoch, config_.self.id, p.key}, now);
    }
    begin_epoch_deadline_ = config_.voters.size() > 1 ? after_ms(now, config_.timeouts.fetch_ms / 2) : never;
  }
  for (auto at = waiting_fetches_.begin(); at != waiting_fetches_.end();) {
    if (at->deadline > now) {
      wake_at(at->deadline);
      ++at;
      continue;
    }
    answer(at->request, fetch_answer(std::get<FetchRequest>(at->request.message)));
    at = waiting_fetches_.erase(at);
  }
  wake_at(check_quorum_deadline_);
  wake_at(begin_epoch_deadline_);
}

// ---- the follower's side

// What a voter says it has, it must have on disk: the leader counts it.
bool Raft::may_fetch() const {
  if (snapshot_complete_) return false;
  return !is_voter() || flushed_ == end_ || mutated(Bug::Q01);
}

void Raft::send_fetch(NodeId to, MonoNs now) {
  FetchRequest request;
  request.epoch = hard_.epoch;
  request.replica = config_.self;
  request.offset = end_;
  request.last_fetched_epoch = last_epoch();
  request.high_watermark = high_watermark_;
  request.max_wait_ms = config_.timeouts.fetch_max_wait_ms;
  request.max_bytes = config_.timeouts.fetch_max_bytes;
  send(to, request, now);
}

// Without a leader, any voter may know one; asked one at a time.
void Raft::fetch_from_anyone(MonoNs now) {
  if (!may_fetch() || stopping_) return;
  std::vector<NodeId> ready;
  for (const Peer& p : peers_) {
    if (p.request != 0 || p.rest_until > now) return;
    if (config_.voters.contains_id(p.id)) ready.push_back(p.id);
  }
  if (!ready.empty()) send_fetch(ready[random_.below(ready.size())], now);
}

void Raft::poll_follower(MonoNs now) {
  if (fetch_deadline_ > now) wake_at(fetch_deadline_);
  if (!may_fetch() || !can_send(hard_.leader, now)) return;
  if (!fetching_snapshot_) return send_fetch(hard_.leader, now);
  FetchSnapshotRequest request;
  request.epoch = hard_.epoch;
  request.replica = config_.self;
  request.id = *fetching_snapshot_;
  request.position = snapshot_position_;
  request.max_bytes = config_.timeouts.fetch_max_bytes;
  send(hard_.leader, request, now);
}

void Raft::on(const Envelope& envelope, const FetchResponse& response, MonoNs now) {
  learn(response.epoch, response.leader, now);
  const bool from_leader = role_ == Role::follower && hard_.leader == envelope.from && response.epoch == hard_.epoch;
  if (!from_leader || response.error != Code::none) return rest(envelope.from, now);
  fetch_deadline_ = after_ms(now, config_.timeouts.fetch_ms);
  has_fetched_ = true;
  if (response.diverging) {
    if (!truncate_diverging(*response.diverging)) rest(envelope.from, now);
    return;
  }
  if (response.snapshot) {
    if (response.snapshot->offset < high_watermark_) {
      note(FactKind::truncation_refused, response.snapshot->offset.value(), high_watermark_.value());
      return rest(envelope.from, now);
    }
    fetching_snapshot_ = response.snapshot;
    snapshot_position_ = 0;
    return;
  }
  Offset next = end_;
  LeaderEpoch epoch = last_epoch();
  for (const Entry& entry : response.entries) {
    if (entry.base != next || entry.last < entry.base || entry.epoch < epoch || entry.epoch > hard_.epoch)
      return rest(envelope.from, now);  // not a continuation of this log; ask again
    next = entry.last + 1;
    epoch = entry.epoch;
  }
  append_entries(response.entries);
  move_high_watermark(std::min(response.high_watermark, end_));
}

void Raft::on(const Envelope& envelope, const FetchSnapshotResponse& response, MonoNs now) {
  learn(response.epoch, response.leader, now);
  const bool from_leader = role_ == Role::follower && hard_.leader == envelope.from && response.epoch == hard_.epoch;
  if (!from_leader || !fetching_snapshot_ || snapshot_complete_) return rest(envelope.from, now);
  const bool fits = response.error == Code::none && response.id == *fetching_snapshot_ && response.position == snapshot_position_ &&
                    !response.chunk.empty() &&
                    response.position + static_cast<std::int64_t>(response.chunk.size()) <= response.size;
  if (!fits) {
    fetching_snapshot_.reset();  // a Fetch will say which snapshot there is by now
    return rest(envelope.from, now);
  }
  fetch_deadline_ = after_ms(now, config_.timeouts.fetch_ms);
  snapshot_position_ += static_cast<std::int64_t>(response.chunk.size());
  snapshot_complete_ = snapshot_position_ == response.size;
  ready_.snapshot_chunks.push_back(SnapshotChunk{response.id, response.position, snapshot_complete_, response.chunk});
}

// The leader's log and this one part at or below `diverging`; false if giving in would undo committed records.
bool Raft::truncate_diverging(const OffsetAndEpoch& diverging) {
  const OffsetAndEpoch ours = epochs_.end_of(diverging.epoch, end_);
  const Offset to = ours.epoch == diverging.epoch ? std::min(ours.offset, diverging.offset) : ours.offset;
  if (to < high_watermark_ && !mutated(Bug::Q02)) {
    note(FactKind::truncation_refused, to.value(), high_watermark_.value());
    return false;
  }
  if (to >= end_) return false;
  note(FactKind::truncated, to.value(), end_.value());
  epochs_.truncate_to(to);
  end_ = to;
  flushed_ = std::min(flushed_, to);
  ++log_version_;
  std::erase_if(ready_.append, [&](const Entry& entry) { return entry.base >= to; });
  ready_.truncate_to = ready_.truncate_to ? std::min(*ready_.truncate_to, to) : to;
  return true;
}

void Raft::append_entries(const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    CHECK(entry.base == end_);
    epochs_.assign(entry.epoch, entry.base);
    end_ = entry.last + 1;
    ready_.append.push_back(entry);
  }
}

}  // namespace harrow::raft
