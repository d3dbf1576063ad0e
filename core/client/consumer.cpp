#include "core/client/consumer.h"

#include <algorithm>
#include <iterator>

#include "core/client/coordinator.h"
#include "core/client/fetcher.h"
#include "core/model/trace_payloads.h"

namespace harrow {

std::vector<RecordHeader> ConsumedRecord::headers() const {
  Record record;
  record.header_count = header_count;
  record.raw_headers = raw_headers;
  return record.headers();
}

Task<void> RebalanceListener::revoking(Consumer&, std::vector<TopicPartition>) { co_return; }
void RebalanceListener::lost(std::span<const TopicPartition>) {}
void RebalanceListener::assigned(std::span<const TopicPartition>) {}

namespace {
/// What stands in `all` and not in `without`, both sorted.
std::vector<TopicPartition> difference(const std::vector<TopicPartition>& all, const std::vector<TopicPartition>& without) {
  std::vector<TopicPartition> rest;
  std::set_difference(all.begin(), all.end(), without.begin(), without.end(), std::back_inserter(rest));
  return rest;
}
}  // namespace

class Consumer::Session {
 public:
  Session(Host& host, ConsumerConfig config, RebalanceListener* listener, Consumer& consumer)
      : host_(host), config_(std::move(config)), listener_(listener), consumer_(consumer), pool_(host, config_), metadata_(host, config_, pool_),
        changed_(host.timers), commit_turn_(host.timers, 1), coordinator_(host, config_, pool_, metadata_, changed_),
        fetcher_(host, config_, pool_, metadata_, changed_, coordinator_.member_id()),
        cooperative_(is_cooperative(config_.partition_assignment_strategy)),
        next_auto_commit_(after_ms(host.timers.now(), config_.auto_commit_interval_ms)), scope_(host.scope.queue()) {
    group_subject_ = config_.group_id.empty() ? 0 : host_.trace.intern(config_.group_id);
  }

  Task<Result<Polled>> poll(std::int64_t max_wait_ms);
  Task<Result<bool>> commit(CommitOffsets offsets, MonoNs deadline);
  void commit_async() {
    if (committing_) commit_again_ = true;
    else commit_behind(scope_, Label("commit"));
  }
  Task<Result<bool>> close(MonoNs deadline);

  Host& host_;
  ConsumerConfig config_;
  RebalanceListener* listener_;
  Consumer& consumer_;
  ConnectionPool pool_;
  Metadata metadata_;
  Signal changed_;
  Semaphore commit_turn_;  // one commit under way: an older one never overtakes a newer one
  CoordinatorLink coordinator_;
  Fetcher fetcher_;

 private:
  bool commits_by_itself() const { return config_.enable_auto_commit && !config_.group_id.empty(); }
  Task<Result<bool>> join(MonoNs deadline);
  Task<void> give_up_partitions(MonoNs deadline);
  Task<Result<bool>> join_beside();
  Task<void> take_assignment(std::vector<TopicPartition> assigned);
  void lose_partitions();
  /// Something changed while poll() waited for something else.
  bool rebalance_due() const {
    if (!cooperative_) return coordinator_.must_join();
    return coordinator_.lost() || (joining_.valid() ? joining_.done() : coordinator_.must_join());
  }
  MonoNs revocation_deadline() const { return after_ms(host_.timers.now(), std::min(config_.max_poll_interval_ms, config_.default_api_timeout_ms)); }
  Task<bool> find_positions(MonoNs deadline);
  Root commit_behind(Scope&, Label);
  void note_partitions(TraceKind kind, const std::vector<TopicPartition>& partitions);

  std::uint32_t group_subject_ = 0;
  const bool cooperative_;
  std::vector<TopicPartition> owned_;  // before the rebalance under way
  Task<Result<std::vector<TopicPartition>>> joining_;
  Task<Result<CommitOffsets>> locating_;
  std::vector<TopicPartition> locating_for_;
  MonoNs next_auto_commit_;
  bool committing_ = false;
  bool commit_again_ = false;
  bool closed_ = false;
  Scope scope_;  // last: its roots use everything above
};

Task<Result<Polled>> Consumer::Session::poll(std::int64_t max_wait_ms) {
  const MonoNs deadline = after_ms(host_.timers.now(), max_wait_ms);
  for (;;) {
    if (closed_) co_return error(Code::closed, "the consumer is closed");
    coordinator_.polled();
    if (coordinator_.fatal()) co_return pass(*coordinator_.fatal());
    coordinator_.check_topics();
    if (cooperative_) {
      const Result<bool> joined = co_await join_beside();
      if (!joined) co_return pass(joined.error());
    } else if (coordinator_.must_join()) {
      const Result<bool> joined = co_await join(deadline);
      if (!joined) co_return pass(joined.error());
      if (!*joined) co_return Polled();
      continue;
    }
    if (commits_by_itself() && host_.timers.now() >= next_auto_commit_ && !committing_) {
      next_auto_commit_ = after_ms(host_.timers.now(), config_.auto_commit_interval_ms);
      commit_behind(scope_, Label("auto commit"));
    }
    const bool located = co_await find_positions(deadline);
    if (rebalance_due()) continue;
    Polled polled;
    const Result<bool> collected = fetcher_.collect(polled);
    if (!collected) co_return pass(collected.error());
    if (!polled.empty() || !located || host_.timers.now() >= deadline) co_return std::move(polled);
    co_await changed_.next(deadline);
  }
}

/// False: not yet; the next poll goes on where this one stopped.
Task<Result<bool>> Consumer::Session::join(MonoNs deadline) {
  if (!joining_.valid()) {
    locating_ = Task<Result<CommitOffsets>>();
    co_await give_up_partitions(revocation_deadline());
    joining_ = coordinator_.join(owned_);
  }
  const Reached reached = co_await within(joining_, host_.timers, deadline);
  if (reached != Reached::reached) co_return false;
  const Result<std::vector<TopicPartition>> assigned = joining_.take();
  joining_ = Task<Result<std::vector<TopicPartition>>>();
  if (!assigned) co_return pass(assigned.error());
  fetcher_.hold(*assigned);
  note_partitions(TraceKind::partitions_assigned, *assigned);
  next_auto_commit_ = after_ms(host_.timers.now(), config_.auto_commit_interval_ms);
  if (listener_ != nullptr) listener_->assigned(*assigned);
  co_return true;
}

Task<void> Consumer::Session::give_up_partitions(MonoNs deadline) {
  const std::vector<TopicPartition> held = fetcher_.held();
  owned_ = held;
  if (!held.empty()) {
    if (!coordinator_.lost() && commits_by_itself()) {
      // What cannot be committed is given again to the next owner.
      const Result<bool> committed = co_await commit(fetcher_.consumed(), deadline);
      if (!committed) next_auto_commit_ = host_.timers.now();
    }
    if (listener_ != nullptr) {
      if (coordinator_.lost()) listener_->lost(held);
      else {
        co_await listener_->revoking(consumer_, held);
      }
    }
    note_partitions(TraceKind::partitions_revoked, held);
    fetcher_.hold(std::vector<TopicPartition>());
  }
  coordinator_.acknowledge_loss();
}

/// A cooperative member's rebalance: one step of it, if one is due. The poll that takes it goes on with the partitions held.
Task<Result<bool>> Consumer::Session::join_beside() {
  if (coordinator_.lost()) lose_partitions();
  if (joining_.valid()) {
    if (!joining_.done()) co_return true;
    const Result<std::vector<TopicPartition>> assigned = joining_.take();
    joining_ = Task<Result<std::vector<TopicPartition>>>();
    if (!assigned) co_return pass(assigned.error());
    // A membership that ended since then: this assignment went with it.
    if (coordinator_.generation() >= 0) {
      co_await take_assignment(*assigned);
    }
  }
  if (!coordinator_.must_join()) co_return true;
  if (commits_by_itself() && !fetcher_.held().empty()) {
    const Result<bool> committed = co_await commit(fetcher_.consumed(), revocation_deadline());
    if (!committed) next_auto_commit_ = host_.timers.now();
  }
  if (coordinator_.lost()) lose_partitions();
  joining_ = coordinator_.join(fetcher_.held());
  co_return true;
}

/// What goes is committed and given up, and needs another rebalance before its next owner may have it; what stays is not
/// touched.
Task<void> Consumer::Session::take_assignment(std::vector<TopicPartition> assigned) {
  std::sort(assigned.begin(), assigned.end());
  const std::vector<TopicPartition> held = fetcher_.held();
  const std::vector<TopicPartition> added = difference(assigned, held);
  const std::vector<TopicPartition> leaving = difference(held, assigned);
  if (!leaving.empty()) {
    if (commits_by_itself()) {
      const Result<bool> committed = co_await commit(fetcher_.consumed(), revocation_deadline());
      if (!committed) next_auto_commit_ = host_.timers.now();
    }
    if (coordinator_.lost()) co_return;  // everything goes, and not by this road
    if (listener_ != nullptr) {
      co_await listener_->revoking(consumer_, leaving);
    }
    note_partitions(TraceKind::partitions_revoked, leaving);
    coordinator_.request_join();
  }
  fetcher_.hold(assigned);
  note_partitions(TraceKind::partitions_assigned, assigned);
  next_auto_commit_ = after_ms(host_.timers.now(), config_.auto_commit_interval_ms);
  if (listener_ != nullptr) listener_->assigned(added);
}

void Consumer::Session::lose_partitions() {
  const std::vector<TopicPartition> held = fetcher_.held();
  locating_ = Task<Result<CommitOffsets>>();
  if (!held.empty()) {
    if (listener_ != nullptr) listener_->lost(held);
    note_partitions(TraceKind::partitions_revoked, held);
    fetcher_.hold(std::vector<TopicPartition>());
  }
  coordinator_.acknowledge_loss();
}

/// Committed offsets for partitions without a position, else the reset policy. False: not all in time.
Task<bool> Consumer::Session::find_positions(MonoNs deadline) {
  const std::vector<TopicPartition> missing = fetcher_.without_position();
  if (missing.empty()) co_return true;
  if (config_.group_id.empty()) {
    for (const TopicPartition& id : missing) fetcher_.reset(id, config_.auto_offset_reset);
    co_return true;
  }
  if (!locating_.valid() || locating_for_ != missing) {
    locating_for_ = missing;
    locating_ = coordinator_.committed(missing, never);
  }
  const Reached reached = co_await within(locating_, host_.timers, deadline);
  if (reached != Reached::reached) co_return false;
  const Result<CommitOffsets> committed = locating_.take();
  locating_ = Task<Result<CommitOffsets>>();
  if (!committed) co_return false;
  const std::vector<TopicPartition> still = fetcher_.without_position();
  for (const TopicPartition& id : still) {
    const auto offset = committed->find(id);
    if (offset != committed->end()) fetcher_.seek(id, offset->second.offset, offset->second.leader_epoch);
    else fetcher_.reset(id, config_.auto_offset_reset);
  }
  co_return true;
}

Task<Result<bool>> Consumer::Session::commit(CommitOffsets offsets, MonoNs deadline) {
  if (config_.group_id.empty()) co_return error(Code::invalid_group_id, "a consumer without a group cannot commit");
  const Reached turn = co_await commit_turn_.take(1, deadline);
  if (turn != Reached::reached) co_return error(Code::request_timed_out, "another commit is under way");
  const Result<bool> committed = co_await coordinator_.commit(std::move(offsets), deadline);
  commit_turn_.release(1);
  co_return committed;
}

Root Consumer::Session::commit_behind(Scope&, Label) {
  committing_ = true;
  do {
    commit_again_ = false;
    const Result<bool> committed = co_await commit(fetcher_.consumed(), after_ms(host_.timers.now(), config_.request_timeout_ms));
    if (!committed) next_auto_commit_ = after_ms(host_.timers.now(), config_.retry_backoff_ms);
  } while (commit_again_);
  committing_ = false;
}

Task<Result<bool>> Consumer::Session::close(MonoNs deadline) {
  joining_ = Task<Result<std::vector<TopicPartition>>>();
  locating_ = Task<Result<CommitOffsets>>();
  Result<bool> result = true;
  const std::vector<TopicPartition> held = fetcher_.held();
  if (!held.empty() && commits_by_itself() && !coordinator_.lost()) {
    result = co_await commit(fetcher_.consumed(), deadline);
  }
  if (!held.empty() && coordinator_.subscribed()) {
    if (listener_ != nullptr) {
      if (coordinator_.lost()) listener_->lost(held);
      else {
        co_await listener_->revoking(consumer_, held);
      }
    }
    note_partitions(TraceKind::partitions_revoked, held);
  }
  closed_ = true;
  fetcher_.stop();
  changed_.wake();
  Task<void> leaving = coordinator_.leave();
  const Reached left = co_await within(leaving, host_.timers, deadline);
  if (left != Reached::reached && result) result = error(Code::request_timed_out, "the group did not answer in time");
  co_return result;
}

void Consumer::Session::note_partitions(TraceKind kind, const std::vector<TopicPartition>& partitions) {
  const AssignmentNote note{config_.group_id, coordinator_.member_id(), partitions};
  host_.trace.emit(kind, group_subject_, coordinator_.generation(), static_cast<std::int64_t>(partitions.size()), &note);
}

Consumer::Consumer(Host& host, ConsumerConfig config, RebalanceListener* listener)
    : session_(std::make_unique<Session>(host, std::move(config), listener, *this)) {}
Consumer::~Consumer() = default;

void Consumer::subscribe(std::vector<std::string> topics) { session_->coordinator_.subscribe(std::move(topics)); }
void Consumer::assign(std::vector<TopicPartition> partitions) { session_->fetcher_.hold(partitions); }
Task<Result<Polled>> Consumer::poll(std::int64_t max_wait_ms) { return session_->poll(max_wait_ms); }
Task<Result<bool>> Consumer::commit() { return commit(session_->fetcher_.consumed()); }
Task<Result<bool>> Consumer::commit(CommitOffsets offsets) {
  return session_->commit(std::move(offsets), after_ms(session_->host_.timers.now(), session_->config_.default_api_timeout_ms));
}
void Consumer::commit_async() { session_->commit_async(); }
void Consumer::seek(const TopicPartition& id, Offset offset) { session_->fetcher_.seek(id, offset, no_epoch); }
void Consumer::seek_to(std::span<const TopicPartition> ids, OffsetReset where) {
  for (const TopicPartition& id : ids) session_->fetcher_.reset(id, where);
}
void Consumer::pause(std::span<const TopicPartition> ids) {
  for (const TopicPartition& id : ids) session_->fetcher_.pause(id, true);
}
void Consumer::resume(std::span<const TopicPartition> ids) {
  for (const TopicPartition& id : ids) session_->fetcher_.pause(id, false);
}
std::vector<TopicPartition> Consumer::assignment() const { return session_->fetcher_.held(); }
std::optional<Offset> Consumer::position(const TopicPartition& id) const { return session_->fetcher_.position(id); }
std::optional<std::int64_t> Consumer::lag(const TopicPartition& id) const { return session_->fetcher_.lag(id); }
Task<Result<CommitOffsets>> Consumer::committed(std::vector<TopicPartition> ids) {
  return session_->coordinator_.committed(std::move(ids), after_ms(session_->host_.timers.now(), session_->config_.default_api_timeout_ms));
}
Task<Result<std::map<TopicPartition, Offset>>> Consumer::end_offsets(std::vector<TopicPartition> ids) {
  return session_->fetcher_.list_offsets(std::move(ids), -1, after_ms(session_->host_.timers.now(), session_->config_.default_api_timeout_ms));
}
Task<Result<bool>> Consumer::close(std::int64_t timeout_ms) { return session_->close(after_ms(session_->host_.timers.now(), timeout_ms)); }
const std::string& Consumer::member_id() const { return session_->coordinator_.member_id(); }
std::int32_t Consumer::generation() const { return session_->coordinator_.generation(); }

}  // namespace harrow
