#include "core/replica/partition.h"

#include <algorithm>

#include "core/base/mutation.h"
#include "core/model/record_batch.h"
#include "core/model/trace_payloads.h"

namespace harrow {
namespace {
bool contains(const std::vector<NodeId>& ids, NodeId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }
}  // namespace

Partition::Partition(Wiring wiring, TopicIdPartition id, TopicPartition name, std::unique_ptr<Log> log, Offset high_watermark)
    : wiring_(wiring),
      id_(id),
      name_(std::move(name)),
      subject_(wiring_.trace.intern(folder_of(name_))),
      log_(std::move(log)),
      high_watermark_(wiring_.timers, std::clamp(high_watermark, log_->start_offset(), log_->end_offset()).value()),
      low_watermark_(wiring_.timers, log_->start_offset().value()) {}

Result<bool> Partition::become_leader(const PartitionTerm& term, MonoNs now) {
  const bool new_epoch = role_ != ReplicaRole::leader || term.leader_epoch > term_.leader_epoch;
  if (!new_epoch && term.partition_epoch <= term_.partition_epoch) return true;
  // C04: who waits for an answer hears nothing else, so that a lost one can be had by asking again only.
  if (!new_epoch && proposal_ && mutated(Bug::C04)) return true;
  term_ = term;
  proposal_.reset();
  if (!new_epoch) {
    emit_isr(TraceKind::isr_committed, term_.isr);
    update_high_watermark(now);
    return true;
  }
  role_ = ReplicaRole::leader;
  epoch_start_ = log_->end_offset();
  // The epoch is remembered before anything is appended in it: a follower with a later tail must find where to cut.
  TRY_VOID(log_->assign_epoch_start(term.leader_epoch, epoch_start_));
  followers_.clear();
  for (const NodeId replica : term.replicas) {
    if (replica == wiring_.self) continue;
    FollowerState state;
    state.id = replica;
    state.caught_up_at = contains(term.isr, replica) ? now : MonoNs(INT64_MIN / 4);
    followers_.push_back(state);
  }
  high_watermark_.reopen();
  low_watermark_.reopen();
  wiring_.trace.emit(TraceKind::became_leader, subject_, term.leader_epoch.value(), epoch_start_.value());
  emit_isr(TraceKind::isr_committed, term_.isr);
  update_high_watermark(now);
  tell_watches(replica_watches_);
  tell_watches(consumer_watches_);
  return true;
}

bool Partition::become_follower(const PartitionTerm& term) {
  const bool new_epoch = role_ != ReplicaRole::follower || term.leader_epoch > term_.leader_epoch;
  const bool led = role_ == ReplicaRole::leader;
  term_ = term;
  proposal_.reset();
  if (!new_epoch) return false;
  role_ = ReplicaRole::follower;
  followers_.clear();
  if (led) {
    // Who waits for replication learns that leadership is gone; what was appended may or may not survive.
    high_watermark_.close();
    low_watermark_.close();
    high_watermark_.reopen();
    low_watermark_.reopen();
  }
  if (mutated(Bug::R01)) {
    const auto cut = truncate_to(high_watermark());
    CHECK(cut.has_value());
  }
  wiring_.trace.emit(TraceKind::became_follower, subject_, term.leader_epoch.value(), term.leader.value());
  tell_watches(replica_watches_);
  tell_watches(consumer_watches_);
  return true;
}

void Partition::update_term(const PartitionTerm& term) { term_ = term; }

void Partition::close() {
  role_ = ReplicaRole::none;
  high_watermark_.close();
  low_watermark_.close();
  tell_watches(replica_watches_);
  tell_watches(consumer_watches_);
}

Result<Appended> Partition::append_as_leader(const Bytes& batches, Acks acks, AppendOrigin origin, WallMs wall, MonoNs now) {
  if (!is_leader()) return error(Code::not_leader_or_follower);
  if (acks == Acks::all && !mutated(Bug::R25) && static_cast<std::int32_t>(term_.isr.size()) < effective_min_isr())
    return error(Code::not_enough_replicas, "the ISR is smaller than min.insync.replicas");
  const Offset end_before = log_->end_offset();
  TRY(const Appended appended, log_->append_as_leader(batches, term_.leader_epoch, origin, wall));
  if (appended.duplicate) {
    wiring_.trace.emit(TraceKind::duplicate_answered, subject_, appended.base.value());
    return appended;
  }
  // A follower that had everything was caught up as of its last fetch of anything: sessions name only what changed, so
  // an idle partition is not reported fetch by fetch.
  for (FollowerState& state : followers_)
    if (state.log_end == end_before) state.caught_up_at = std::max(state.caught_up_at, wiring_.membership.last_fetch_of(state.id));
  tell_watches(replica_watches_);
  update_high_watermark(now);  // moves it at once when there is nobody to wait for
  return appended;
}

Code Partition::replication_verdict() const {
  if (mutated(Bug::R25)) return Code::none;
  return static_cast<std::int32_t>(maximal_isr().size()) < effective_min_isr() ? Code::not_enough_replicas_after_append : Code::none;
}

Code Partition::check_leader_epoch(LeaderEpoch requested) const {
  if (requested == no_epoch || mutated(Bug::R05)) return Code::none;
  if (requested < term_.leader_epoch) return Code::fenced_leader_epoch;
  if (requested > term_.leader_epoch) return Code::unknown_leader_epoch;
  return Code::none;
}

EpochEnd Partition::end_of_epoch(LeaderEpoch epoch) const { return log_->end_of_epoch(epoch); }

Result<std::optional<EpochEnd>> Partition::divergence(LeaderEpoch last_fetched, Offset fetch_offset) const {
  if (last_fetched == no_epoch) return std::optional<EpochEnd>();
  const EpochEnd end = end_of_epoch(last_fetched);
  if (!end.known() || fetch_offset < log_->start_offset()) return error(Code::offset_out_of_range);
  if (end.epoch < last_fetched || end.end < fetch_offset) return std::optional<EpochEnd>(end);
  return std::optional<EpochEnd>();
}

bool Partition::has_replica(NodeId id) const { return contains(term_.replicas, id); }

FollowerState* Partition::follower(NodeId id) {
  for (FollowerState& state : followers_)
    if (state.id == id) return &state;
  return nullptr;
}

Code Partition::follower_fetched(NodeId id, BrokerEpoch epoch, Offset fetch_offset, Offset log_start, MonoNs now) {
  FollowerState* const state = follower(id);
  if (state == nullptr) return Code::unknown_leader_epoch;  // the assignment here may lag: the follower retries
  if (!mutated(Bug::C02) && epoch != BrokerEpoch(-1) && epoch < wiring_.membership.epoch_of(id)) return Code::not_leader_or_follower;
  const Offset before = state->log_end;
  const Offset start_before = state->log_start;
  note_fetch(*state, fetch_offset, log_start, epoch, log_->end_offset(), now);
  if (fetch_offset != before) {
    maybe_expand(*state, now);
    update_high_watermark(now);
  } else if (!contains(term_.isr, id)) {
    maybe_expand(*state, now);
  }
  if (log_start != start_before) update_low_watermark();
  return Code::none;
}

std::vector<NodeId> Partition::maximal_isr() const {
  std::vector<NodeId> ids = term_.isr;
  if (proposal_)
    for (const NodeId id : proposal_->isr)
      if (!contains(ids, id)) ids.push_back(id);
  return ids;
}

std::int32_t Partition::effective_min_isr() const {
  return std::min(min_isr_, static_cast<std::int32_t>(term_.replicas.size()));
}

void Partition::propose(std::vector<NodeId> isr, bool expands) {
  IsrProposal proposal;
  proposal.leader_epoch = term_.leader_epoch;
  proposal.partition_epoch = term_.partition_epoch;
  proposal.recovering = false;  // leading is having recovered: the report travels with the next ISR change
  proposal.expands = expands;
  for (const NodeId id : isr) {
    const FollowerState* const state = follower(id);
    BrokerEpoch epoch(-1);
    if (id == wiring_.self) epoch = wiring_.membership.epoch_of(id);
    else if (state != nullptr) epoch = state->broker_epoch;
    if (mutated(Bug::C02)) epoch = BrokerEpoch(-1);
    proposal.epochs.push_back(epoch);
  }
  proposal.isr = std::move(isr);
  proposal_ = std::move(proposal);
  emit_isr(TraceKind::isr_proposed, proposal_->isr);
  wiring_.isr_requests.isr_proposed(id_);
}

void Partition::maybe_expand(FollowerState& state, MonoNs now) {
  if (proposal_ || contains(term_.isr, state.id)) return;
  if (!may_join(state, high_watermark(), epoch_start_)) return;
  if (!mutated(Bug::C01) && !wiring_.membership.eligible(state.id)) return;
  if (!mutated(Bug::C02) && state.broker_epoch != BrokerEpoch(-1) && state.broker_epoch != wiring_.membership.epoch_of(state.id)) return;
  std::vector<NodeId> isr = term_.isr;
  isr.push_back(state.id);
  propose(std::move(isr), true);
  update_high_watermark(now);
}

void Partition::propose_expansion(MonoNs now) {
  if (!is_leader() || term_.isr.size() == term_.replicas.size()) return;
  for (FollowerState& state : followers_)
    if (now - wiring_.membership.last_fetch_of(state.id) <= lag_max_ms_ * ns_per_ms) maybe_expand(state, now);
}

void Partition::propose_shrink(MonoNs now) {
  if (!is_leader() || proposal_) return;
  std::vector<NodeId> isr;
  for (const NodeId id : term_.isr) {
    const FollowerState* const state = follower(id);
    if (id == wiring_.self || (state != nullptr && is_caught_up(*state, log_->end_offset(), now, lag_max_ms_))) isr.push_back(id);
  }
  if (isr.size() < term_.isr.size()) propose(std::move(isr), false);
}

void Partition::isr_accepted(const PartitionTerm& term, MonoNs now) {
  if (!is_leader() || term.leader_epoch != term_.leader_epoch || term.partition_epoch < term_.partition_epoch) return;
  proposal_.reset();
  term_.isr = term.isr;
  term_.partition_epoch = term.partition_epoch;
  term_.recovering = term.recovering;
  emit_isr(TraceKind::isr_committed, term_.isr);
  update_high_watermark(now);
  propose_expansion(now);
}

void Partition::isr_refused(Code code) {
  if (!proposal_ || !proposal_->sent) return;
  if (code == Code::invalid_update_version && mutated(Bug::C04)) {
    proposal_->sent = false;
    return;
  }
  switch (code) {
    case Code::ineligible_replica:
    case Code::operation_not_attempted: proposal_.reset(); return;
    case Code::fenced_leader_epoch:
    case Code::invalid_update_version:
    case Code::invalid_request:
    case Code::unknown_topic_id:
    case Code::unknown_topic_or_partition:
    case Code::new_leader_elected: return;  // it may have been applied: newer metadata decides
    default: proposal_->sent = false;       // again
  }
}

void Partition::update_high_watermark(MonoNs now) {
  if (!is_leader()) return;
  const Offset end = log_->end_offset();
  boost::container::small_vector<HighWatermarkMember, 8> members;
  members.push_back({wiring_.self, end});
  const bool maximal = !mutated(Bug::R24);
  for (const FollowerState& state : followers_) {
    const bool counted = contains(term_.isr, state.id) || (maximal && proposal_ && contains(proposal_->isr, state.id)) ||
                         (maximal && is_caught_up(state, end, now, lag_max_ms_) && wiring_.membership.eligible(state.id));
    if (counted) members.push_back({state.id, std::max(state.log_end, Offset(0))});
  }
  // The committed ISR decides whether there are enough: while it is below the minimum the controller keeps eligible
  // leaders outside of it, and what a proposed member lets through could be missing there.
  const Offset next = next_high_watermark(high_watermark(), std::span(members.data(), members.size()), term_.isr.size(),
                                          static_cast<std::size_t>(mutated(Bug::R25) ? 1 : effective_min_isr()));
  if (next > high_watermark()) {
    move_high_watermark(next);
    tell_watches(consumer_watches_);
    tell_watches(replica_watches_, false);  // followers learn it with their next answer, as in Kafka
  }
}

void Partition::move_high_watermark(Offset to) {
  wiring_.trace.emit(TraceKind::high_watermark_moved, subject_, to.value(), term_.leader_epoch.value());
  if (to.value() >= high_watermark_.value()) high_watermark_.advance(to.value());
  else high_watermark_.reset(to.value());
}

void Partition::update_low_watermark() {
  Offset low = log_->start_offset();
  for (const FollowerState& state : followers_)
    if (wiring_.membership.eligible(state.id)) low = std::min(low, state.log_start);
  if (low.value() > low_watermark_.value()) low_watermark_.advance(low.value());
}

Result<Offset> Partition::delete_records_before(Offset offset) {
  if (!is_leader()) return error(Code::not_leader_or_follower);
  const Offset to = offset == Offset(-1) ? high_watermark() : offset;
  if (to < Offset(0) || to > high_watermark()) return error(Code::offset_out_of_range);
  TRY_VOID(log_->advance_log_start(to, LogStartReason::delete_records));
  // Nobody has anything to fetch, and yet followers have to learn of it: with the answers that they wait for anyway.
  tell_watches(replica_watches_, false);
  tell_watches(consumer_watches_, false);
  update_low_watermark();
  return to;
}

Result<bool> Partition::append_as_follower(const Bytes& batches, LeaderEpoch leader_epoch) {
  BatchCursor cursor(batches);
  std::uint64_t keep = 0;
  while (cursor.next() && cursor.header().leader_epoch <= leader_epoch) keep = cursor.end_position();
  if (keep == 0) return true;
  if (keep == batches.size()) {
    TRY_VOID(log_->append_as_follower(batches));
  } else {
    TRY_VOID(log_->append_as_follower(batches.sub(0, keep)));
  }
  return true;
}

void Partition::learn_from_leader(Offset high_watermark_of_leader, Offset log_start_of_leader) {
  const Offset clamped = std::clamp(high_watermark_of_leader, log_->start_offset(), log_->end_offset());
  if (clamped > high_watermark()) {
    move_high_watermark(clamped);
    tell_watches(consumer_watches_);
  }
  if (log_start_of_leader > log_->start_offset() && log_start_of_leader <= high_watermark()) {
    const auto moved = log_->advance_log_start(log_start_of_leader, LogStartReason::leader);
    if (moved && low_watermark_.value() < log_->start_offset().value()) low_watermark_.advance(log_->start_offset().value());
  }
}

Result<Offset> Partition::truncate_to(Offset offset) {
  const Offset from = log_->end_offset();
  TRY_VOID(log_->truncate_to(offset));
  if (high_watermark() > log_->end_offset()) move_high_watermark(log_->end_offset());
  wiring_.trace.emit(TraceKind::divergence_truncated, subject_, offset.value(), from.value());
  return log_->end_offset();
}

Result<bool> Partition::restart_at(Offset offset) {
  TRY_VOID(log_->truncate_fully_and_start_at(offset));
  move_high_watermark(offset);
  if (low_watermark_.value() < offset.value()) low_watermark_.advance(offset.value());
  return true;
}

void Partition::tell_watches(List<FetchWatch>& watches, bool wakes) {
  watches.for_each([wakes](FetchWatch& watch) { watch.partition_changed(wakes); });
}

void Partition::emit_isr(TraceKind kind, const std::vector<NodeId>& isr) {
  if (!wiring_.trace.wants(kind)) {
    wiring_.trace.emit(kind, subject_, static_cast<std::int64_t>(isr.size()), term_.partition_epoch.value());
    return;
  }
  const std::vector<NodeId> maximal = maximal_isr();
  const IsrNote note{name_.topic, name_.partition, term_.leader_epoch, isr, maximal, effective_min_isr()};
  wiring_.trace.emit(kind, subject_, static_cast<std::int64_t>(isr.size()), term_.partition_epoch.value(), &note);
}

}  // namespace harrow
