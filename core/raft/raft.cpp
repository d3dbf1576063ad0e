#include "core/raft/raft.h"

#include <algorithm>
#include <fmt/format.h>

namespace harrow::raft {

std::string_view name_of(Role role) {
  switch (role) {
    case Role::unattached: return "unattached";
    case Role::follower: return "follower";
    case Role::prospective: return "prospective";
    case Role::candidate: return "candidate";
    case Role::leader: return "leader";
    case Role::resigned: return "resigned";
  }
  return "?";
}

Raft::Raft(Config config, const HardState& hard_state, const LogState& log, Random random, MonoNs now)
    : config_(std::move(config)), random_(random), hard_(hard_state), handed_out_(hard_state), epochs_(log.epochs), end_(log.end),
      flushed_(log.end), high_watermark_(log.epochs.base().offset), oldest_snapshot_(log.oldest_snapshot),
      newest_snapshot_(log.newest_snapshot) {
  CHECK(end_ >= log_start());
  if (newest_snapshot_ && newest_snapshot_->offset > high_watermark_ && newest_snapshot_->offset <= end_)
    high_watermark_ = newest_snapshot_->offset;  // only committed records are in snapshots
  for (const ReplicaKey& voter : config_.voters.all())
    if (voter.id != config_.self.id) peers_.push_back(Peer{voter.id});

  if (epochs_.last_epoch() > hard_.epoch) {
    // A lost quorum-state: at least never vote again where the log shows that an election is over.
    become_unattached(epochs_.last_epoch(), now);
  } else if (hard_.leader == config_.self.id) {
    // It led this epoch and cannot know what it lost in between: others must elect.
    become_resigned({}, now);
  } else if (hard_.leader != no_node) {
    become_follower(hard_.epoch, hard_.leader, now);
  } else {
    role_ = Role::unattached;
    election_deadline_ = is_voter() ? now + draw_election_ns() : never;
    enter(Role::unattached);
  }
  if (config_.voters.is_only(config_.self)) become_prospective(now);
  poll(now);
}

bool Raft::has_ready() const { return !ready_.empty() || hard_ != handed_out_; }

Ready Raft::take_ready() {
  Ready ready = std::move(ready_);
  ready_ = Ready{};
  if (hard_ != handed_out_) ready.hard_state = hard_;
  handed_out_ = hard_;
  ready.log_version = log_version_;
  return ready;
}

void Raft::step(const Envelope& envelope, MonoNs now) {
  settle_timeouts(now);
  if (!is_request(envelope.message)) {
    Peer& from = peer(envelope.from);
    if (from.request == 0 || from.request != envelope.request) return;  // given up or from an older role
    from.request = 0;
    from.deadline = never;
  }
  std::visit([&](const auto& message) { on(envelope, message, now); }, envelope.message);
  poll(now);
}

void Raft::tick(MonoNs now) {
  settle_timeouts(now);
  poll(now);
}

void Raft::request_failed(NodeId to, std::uint64_t request, MonoNs now) {
  Peer& p = peer(to);
  if (request == 0 || p.request != request) return;
  p.request = 0;
  p.deadline = never;
  p.rest_until = after_ms(now, config_.timeouts.retry_backoff_ms);
  poll(now);
}

Result<Offset> Raft::append(LeaderEpoch epoch, std::int64_t count, Bytes bytes, MonoNs now) {
  if (role_ != Role::leader || epoch != hard_.epoch) return error(Code::not_controller, "not the leader of this epoch");
  CHECK(count > 0);
  const Entry entry{end_, end_ + (count - 1), hard_.epoch, EntryKind::records, std::move(bytes)};
  const Offset base = end_;
  append_entries({entry});
  answer_waiting_fetches();
  poll(now);
  return base;
}

void Raft::flushed(Offset end, std::uint64_t log_version, MonoNs now) {
  if (log_version != log_version_ || end <= flushed_) return;
  CHECK_SAYING(end <= end_, "flushed beyond the end");
  flushed_ = end;
  if (role_ == Role::leader) advance_leader_high_watermark();
  poll(now);
}

void Raft::snapshot_written(OffsetAndEpoch id) {
  CHECK_SAYING(id.offset <= high_watermark_, "a snapshot holds committed records only");
  if (!newest_snapshot_ || id > *newest_snapshot_) newest_snapshot_ = id;
  if (!oldest_snapshot_) oldest_snapshot_ = id;
}

void Raft::snapshot_loaded(OffsetAndEpoch id, MonoNs now) {
  CHECK_SAYING(role_ != Role::leader, "a leader never loads a snapshot");
  CHECK_SAYING(id.offset >= high_watermark_, "a snapshot never takes back what is committed");
  epochs_ = EpochCache(id, {});
  end_ = flushed_ = id.offset;
  ++log_version_;
  oldest_snapshot_ = newest_snapshot_ = id;
  fetching_snapshot_.reset();
  snapshot_complete_ = false;
  move_high_watermark(id.offset);
  poll(now);
}

void Raft::snapshot_refused(MonoNs now) {
  fetching_snapshot_.reset();
  snapshot_complete_ = false;
  poll(now);
}

void Raft::log_start_moved(OffsetAndEpoch new_base, std::optional<OffsetAndEpoch> oldest) {
  CHECK(new_base.offset <= high_watermark_ && new_base.offset >= log_start());
  epochs_.drop_below(new_base);
  if (oldest) oldest_snapshot_ = oldest;
}

void Raft::resign(MonoNs now) {
  stopping_ = true;
  if (role_ == Role::leader) become_resigned(successors(), now);
  poll(now);
}

void Raft::renounce(LeaderEpoch epoch, MonoNs now) {
  if (role_ != Role::leader || epoch != hard_.epoch) return;
  become_resigned(successors(), now);
  poll(now);
}

// Runs what is due in this role and says when to look again.
void Raft::poll(MonoNs now) {
  deadline_ = never;
  poll_election(now);
  if (role_ == Role::follower) poll_follower(now);
  if (role_ == Role::leader) poll_leader(now);
  for (const Peer& p : peers_) {
    wake_at(p.deadline);
    if (p.request == 0 && p.rest_until > now) wake_at(p.rest_until);
  }
}

void Raft::wake_at(MonoNs at) { deadline_ = std::min(deadline_, at); }

Raft::Peer& Raft::peer(NodeId id) {
  for (Peer& p : peers_)
    if (p.id == id) return p;
  peers_.push_back(Peer{id});
  return peers_.back();
}

void Raft::settle_timeouts(MonoNs now) {
  for (Peer& p : peers_) {
    if (p.request == 0 || p.deadline > now) continue;
    p.request = 0;
    p.deadline = never;
    p.rest_until = after_ms(now, config_.timeouts.retry_backoff_ms);
  }
}

bool Raft::can_send(NodeId to, MonoNs now) {
  const Peer& p = peer(to);
  return p.request == 0 && p.rest_until <= now;
}

void Raft::send(NodeId to, Message message, MonoNs now) {
  Peer& p = peer(to);
  p.request = next_request_++;
  p.deadline = after_ms(now, config_.timeouts.request_ms);
  ready_.messages.push_back(Envelope{config_.self.id, to, p.request, std::move(message)});
}

void Raft::answer(const Envelope& request, Message message) {
  ready_.messages.push_back(Envelope{config_.self.id, request.from, request.request, std::move(message)});
}

// Answers to requests of an older role are no longer awaited, and a slow one must not hold up an election.
void Raft::reset_peers() {
  for (Peer& p : peers_) {
    p.request = 0;
    p.deadline = never;
    p.rest_until = MonoNs{0};
  }
}

void Raft::note(FactKind kind, std::int64_t a, std::int64_t b) { ready_.facts.push_back(Fact{kind, a, b}); }

std::int64_t Raft::draw_election_ns() {
  const std::int64_t base = config_.timeouts.election_ms * ns_per_ms;
  return base + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(base)));
}

std::string Raft::print() const {
  const auto at = [](MonoNs t) { return t >= never ? std::string("-") : fmt::format("{}", t.value() / ns_per_ms); };
  std::string text =
      fmt::format("{} {} epoch={} leader={} voted={} log={}..{} flushed={} hw={} epochs={}", config_.self.id.value(), name_of(role_),
                  hard_.epoch.value(), hard_.leader.value(), hard_.voted.id.value(), log_start().value(), end_.value(),
                  flushed_.value(), high_watermark_.value(), epochs_.print());
  if (newest_snapshot_) text += fmt::format(" snapshots={}..{}", raft::print(*oldest_snapshot_), raft::print(*newest_snapshot_));
  text += fmt::format(" timers={},{},{},{}", at(election_deadline_), at(fetch_deadline_), at(check_quorum_deadline_), at(begin_epoch_deadline_));
  if (has_fetched_) text += " fetched";
  if (stopping_) text += " stopping";
  if (fetching_snapshot_) text += fmt::format(" loading={}:{}", raft::print(*fetching_snapshot_), snapshot_position_);
  const auto ids = [&](const char* name, const std::vector<NodeId>& list) {
    if (list.empty()) return;
    text += fmt::format(" {}=", name);
    for (const NodeId id : list) text += fmt::format("{}{}", id == list.front() ? "" : ",", id.value());
  };
  ids("granted", granted_);
  ids("rejected", rejected_);
  ids("untold", waiting_for_);
  if (role_ == Role::leader) {
    text += fmt::format(" start={}", epoch_start_.value());
    for (const ReplicaProgress& p : replicas_)
      text += fmt::format(" {}{}:{}", p.is_voter ? "" : "observer ", p.key.id.value(), p.end.value());
    for (const WaitingFetch& w : waiting_fetches_) text += fmt::format(" wait({}#{})", w.request.from.value(), w.request.request);
  }
  for (const Peer& p : peers_)
    if (p.request != 0) text += fmt::format(" sent({}#{})", p.id.value(), p.request);
  return text;
}

std::uint64_t Raft::hash() const {
  Random random = random_;  // the stream's position is part of the state
  const std::string text = print();
  return hash_of(Bytes::copy_of(text)) ^ random.next();
}

}  // namespace harrow::raft
