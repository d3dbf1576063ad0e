// Doing what the core orders: quorum-state, log, snapshots, messages, and the listener's view of what is committed.
#include "core/base/buffer.h"
#include "core/base/mutation.h"
#include "core/model/batch_builder.h"
#include "core/model/trace_payloads.h"
#include "core/node/quorum_state.h"
#include "core/wire/leader_change_message.h"

namespace harrow {
namespace {
constexpr std::uint64_t apply_read_bytes = 1 << 20;
constexpr std::int64_t clean_interval_ms = 60'000;
}  // namespace

Root Quorum::State::drive(Scope&, Label) {
  for (;;) {
    if (!core->has_ready()) {
      const MonoNs at = core->next_deadline();
      if (at <= now()) {
        core->tick(now());
        continue;
      }
      const Reached reached = co_await work.next(at);
      if (reached == Reached::closed) break;
      continue;
    }
    Task<Result<bool>> obeying = obey(core->take_ready());
    const Result<bool> obeyed = co_await obeying;
    if (!obeyed) {
      fail(obeyed.error());
      break;
    }
  }
}

Task<Result<bool>> Quorum::State::obey(raft::Ready ready) {
  if (ready.hard_state) {
    Task<Result<bool>> writing = store.write_hard_state(*ready.hard_state, voters, quorum_state_version);
    const Result<bool> written = co_await writing;
    if (!written) co_return written;
    host.trace.emit(TraceKind::quorum_state_written, subject, ready.hard_state->epoch.value(), ready.hard_state->voted.id.value());
  }
  for (const raft::Fact& fact : ready.facts) emit(fact);
  for (const raft::RoleChange& change : ready.roles) change_role(change);
  if (ready.truncate_to) {
    Task<Result<bool>> cutting = store.truncate_to(*ready.truncate_to);
    const Result<bool> cut = co_await cutting;
    if (!cut) co_return cut;
  }
  log_version = ready.log_version;
  for (const raft::Entry& entry : ready.append) {
    const Bytes batch = entry.kind == raft::EntryKind::leader_change ? leader_change_batch(entry, ready.granting_voters) : entry.bytes;
    const Result<Appended> appended = store.log().append_as_follower(batch, host.clock.wall());
    if (!appended) co_return pass(appended.error());
    CHECK_SAYING(appended->end == entry.last + 1, "the log and the quorum's core disagree about an offset");
  }
  if (!ready.append.empty() || ready.truncate_to) unsynced.wake();
  for (raft::SnapshotChunk& chunk : ready.snapshot_chunks) {
    const Result<bool> written = store.write_piece(chunk.id, chunk.position, std::move(chunk.bytes));
    if (!written) co_return written;
    if (!chunk.last) continue;
    loading_snapshot = true;
    Task<Result<bool>> installing = store.install_snapshot(chunk.id);
    const Result<bool> installed = co_await installing;
    loading_snapshot = false;
    if (!installed && installed.error().code == Code::corrupt_message) {
      core->snapshot_refused(now());
      continue;
    }
    if (!installed) co_return installed;
    core->snapshot_loaded(chunk.id, now());
    log_version = core->log_version();
    Task<Result<bool>> showing = show_snapshot(chunk.id);
    const Result<bool> shown = co_await showing;
    if (!shown) co_return shown;
  }
  for (raft::Envelope& envelope : ready.messages) {
    if (raft::is_request(envelope.message)) {
      send(std::move(envelope));
      continue;
    }
    const auto waiting = pending.find(envelope.request);
    if (waiting == pending.end()) continue;
    waiting->second->answer = std::move(envelope.message);
    waiting->second->done.set();
  }
  if (ready.high_watermark && *ready.high_watermark > high_watermark) {
    high_watermark = *ready.high_watermark;
    commits.wake();
  }
  co_return true;
}

void Quorum::State::emit(const raft::Fact& fact) {
  switch (fact.kind) {
    case raft::FactKind::role: host.trace.emit(TraceKind::quorum_role, subject, fact.a, fact.b); break;
    case raft::FactKind::vote_granted: host.trace.emit(TraceKind::vote_granted, subject, fact.a, fact.b); break;
    case raft::FactKind::pre_vote_refused: host.trace.emit(TraceKind::pre_vote_refused, subject, fact.a, fact.b); break;
    case raft::FactKind::high_watermark: host.trace.emit(TraceKind::quorum_high_watermark, subject, fact.a, fact.b); break;
    case raft::FactKind::resigned: host.trace.emit(TraceKind::quorum_resigned, subject, fact.a, fact.b); break;
    case raft::FactKind::truncated: host.trace.emit(TraceKind::quorum_truncated, subject, fact.a, fact.b); break;
    case raft::FactKind::truncation_refused: host.trace.emit(TraceKind::quorum_truncation_refused, subject, fact.a, fact.b); break;
  }
}

void Quorum::State::change_role(const raft::RoleChange& change) {
  if (change.role != raft::Role::leader || change.epoch != active_epoch) {
    if (active) {
      active = false;
      waiting_records.clear();
      waiting_bytes = 0;
      linger_until = never;
      committed_mark.close();
      committed_mark.reopen();
      listener.on_resign(active_epoch);
    }
    active_epoch = no_epoch;
  }
  if (change.leader == known_leader && change.epoch == known_epoch) return;
  known_leader = change.leader;
  known_epoch = change.epoch;
  listener.on_leader_known(known_leader, known_epoch);
}

Bytes Quorum::State::leader_change_batch(const raft::Entry& entry, const std::vector<raft::ReplicaKey>& granting) {
  wire::LeaderChangeMessage message;
  const std::int16_t version = quorum_state_version;  // directory ids came together in both
  message.version = version;
  message.leader_id = config.self.value();
  for (const raft::ReplicaKey& voter : voters.all()) {
    wire::LeaderChangeMessage::Voter row;
    row.voter_id = voter.id.value();
    if (version > 0) row.voter_directory_id = voter.directory;
    message.voters.push_back(std::move(row));
  }
  for (const raft::ReplicaKey& voter : granting) {
    wire::LeaderChangeMessage::Voter row;
    row.voter_id = voter.id.value();
    if (version > 0) row.voter_directory_id = voter.directory;
    message.granting_voters.push_back(std::move(row));
  }
  Writer writer;
  message.encode(writer, version);
  const Bytes value = writer.finish().flat();
  BatchOptions options;
  options.base_offset = entry.base;
  options.leader_epoch = entry.epoch;
  return control_batch(options, host.clock.wall(), ControlType::leader_change, value.span());
}

// A voter's end counts once it is on disk. Observers sync only what has been rolled.
Root Quorum::State::flush(Scope&, Label) {
  for (;;) {
    const bool voter = core->is_voter();
    const Offset end = voter ? store.log().end_offset() : store.log().active_base();
    const bool due = voter ? end > core->flushed_end() || core->log_version() != log_version : store.log().roll_flush_due();
    if (!due || mutated(Bug::Q01)) {
      const Reached reached = co_await unsynced.next();
      if (reached == Reached::closed) break;
      continue;
    }
    const std::uint64_t version = log_version;
    Task<Result<bool>> syncing = store.log().synced(end);
    const Result<bool> synced = co_await syncing;
    if (!synced) {
      fail(synced.error());
      break;
    }
    if (!voter) continue;
    if (version == log_version) host.trace.emit(TraceKind::quorum_flushed, subject, end.value(), core->epoch().value());
    core->flushed(end, version, now());
    stepped();
    const bool behind_core = version == log_version && version != core->log_version();
    if (behind_core && end == store.log().end_offset()) {
      // The core has decided on a truncation that is not done yet; whoever does it wakes this.
      const Reached reached = co_await unsynced.next();
      if (reached == Reached::closed) break;
    }
  }
}

void Quorum::State::lead_if_caught_up() {
  if (active || stopping || !core->is_leader() || core->epoch() != known_epoch || known_leader != config.self) return;
  if (applied_end <= core->epoch_start()) return;
  active = true;
  active_epoch = core->epoch();
  listener.on_leader(active_epoch, core->epoch_start());
}

Root Quorum::State::apply(Scope&, Label) {
  for (;;) {
    if (applied_end < high_watermark && !loading_snapshot) {
      Task<Result<bool>> applying = apply_up_to(high_watermark);
      const Result<bool> done = co_await applying;
      if (!done) {
        fail(done.error());
        break;
      }
    }
    lead_if_caught_up();
    if (snapshot_due()) {
      Task<Result<bool>> taking = take_snapshot();
      const Result<bool> taken = co_await taking;
      if (!taken) {
        fail(taken.error());
        break;
      }
    }
    if (applied_end < high_watermark && !loading_snapshot) continue;
    const MonoNs at = applied_end > Offset{0} ? after_ms(last_snapshot, config.snapshot_max_interval_ms) : never;
    const MonoNs deadline = bytes_since_snapshot > 0 ? at : never;
    const Reached reached = co_await commits.next(deadline);
    if (reached == Reached::closed) break;
  }
}

Task<Result<bool>> Quorum::State::apply_up_to(Offset end) {
  const Offset from = applied_end;
  Task<Result<Bytes>> reading = store.read(from, apply_read_bytes, end);
  const Result<Bytes> records = co_await reading;
  // A snapshot may have replaced the log meanwhile.
  if (applied_end != from || loading_snapshot) co_return true;
  if (!records) co_return pass(records.error());
  BatchCursor cursor(*records);
  while (cursor.next()) {
    if (cursor.header().last_offset() < applied_end) continue;
    if (cursor.header().end_offset() > end) break;
    show_batch(cursor.header(), cursor.batch());
  }
  if (cursor.broken() || applied_end == from) co_return error(Code::corrupt_message, "committed metadata cannot be read");
  co_return true;
}

void Quorum::State::show_batch(const BatchHeader& header, const Bytes& batch) {
  std::vector<Bytes> values;
  if (!header.is_control()) {
    Result<RecordReader> reader = RecordReader::open(batch);
    Record record;
    while (reader && reader->next(record))
      if (record.value) values.push_back(reader->share(*record.value));
  }
  CommittedBatch shown;
  shown.base = header.base_offset;
  shown.last = header.last_offset();
  shown.epoch = header.leader_epoch;
  shown.appended_at = header.max_timestamp;
  shown.records = values;
  applied_end = header.end_offset();
  applied_epoch = header.leader_epoch;
  applied_timestamp = header.max_timestamp;
  bytes_since_snapshot += batch.size();
  listener.on_commit(shown);
  applied_mark.advance(applied_end.value());
  committed_mark.advance(applied_end.value());
}

Task<Result<bool>> Quorum::State::show_snapshot(raft::OffsetAndEpoch id) {
  Task<Result<std::vector<Bytes>>> loading = store.load_snapshot(id);
  const Result<std::vector<Bytes>> records = co_await loading;
  if (!records) co_return pass(records.error());
  listener.load_snapshot(id, *records);
  applied_end = id.offset;
  applied_epoch = id.epoch;
  bytes_since_snapshot = 0;
  last_snapshot = now();
  if (high_watermark < id.offset) high_watermark = id.offset;
  const SnapshotNote note{listener.state_hash(), store.log().start_offset()};
  host.trace.emit(TraceKind::snapshot_loaded, subject, id.offset.value(), id.epoch.value(), &note);
  applied_mark.advance(std::max(applied_mark.value(), applied_end.value()));
  committed_mark.advance(std::max(committed_mark.value(), applied_end.value()));
  commits.wake();
  co_return true;
}

bool Quorum::State::snapshot_due() const {
  if (loading_snapshot || bytes_since_snapshot == 0) return false;
  return snapshot_asked || bytes_since_snapshot >= config.snapshot_max_new_record_bytes ||
         after_ms(last_snapshot, config.snapshot_max_interval_ms) <= now();
}

Task<Result<bool>> Quorum::State::take_snapshot() {
  const raft::OffsetAndEpoch id{applied_end, applied_epoch};
  snapshot_asked = false;
  bytes_since_snapshot = 0;
  last_snapshot = now();
  const SnapshotNote note{listener.state_hash(), store.log().start_offset()};
  Task<Result<bool>> writing = store.write_snapshot(id, listener.write_snapshot(), applied_timestamp, host.clock.wall());
  const Result<bool> written = co_await writing;
  if (!written) co_return written;
  core->snapshot_written(id);
  host.trace.emit(TraceKind::snapshot_written, subject, id.offset.value(), id.epoch.value(), &note);
  co_return true;
}

// Retention: only below a snapshot (and, while the museum's Q07 is armed, wherever the limits say).
Root Quorum::State::clean(Scope&, Label) {
  for (;;) {
    const Reached reached = co_await ending.next(after_ms(now(), clean_interval_ms));
    if (reached == Reached::closed) break;
    if (loading_snapshot) continue;
    co_await host.cpu.spend(Work::background, 1);
    if (loading_snapshot) continue;
    const Result<bool> cleaned = store.clean(host.clock.wall(), high_watermark);
    if (!cleaned) {
      fail(cleaned.error());
      break;
    }
    const raft::LogState state = store.log_state();
    if (!*cleaned || state.epochs.base().offset <= core->log_start()) continue;
    core->log_start_moved(state.epochs.base(), state.oldest_snapshot);
    stepped();
  }
}

// Records of one linger become one batch; their offsets were promised when they were scheduled.
Root Quorum::State::append(Scope&, Label) {
  for (;;) {
    const bool due = !waiting_records.empty() && (linger_until <= now() || waiting_bytes >= config.append_max_bytes);
    if (due) {
      seal();
      continue;
    }
    const Reached reached = co_await scheduled.next(linger_until);
    if (reached == Reached::closed) break;
  }
}

void Quorum::State::seal() {
  if (waiting_records.empty()) return;
  const std::vector<Bytes> records = std::move(waiting_records);
  waiting_records.clear();
  waiting_bytes = 0;
  linger_until = never;
  if (!core->is_leader() || core->epoch() != waiting_epoch) return;  // on_resign tells, or has told, the listener
  BatchOptions options;
  options.base_offset = core->end();
  options.leader_epoch = waiting_epoch;
  BatchBuilder builder(options);
  const WallMs wall = host.clock.wall();
  for (const Bytes& record : records) {
    const Bytes flat = record.flat();
    builder.add(wall, std::nullopt, std::string_view(reinterpret_cast<const char*>(flat.span().data()), flat.size()));
  }
  const Result<Offset> base = core->append(waiting_epoch, static_cast<std::int64_t>(records.size()), builder.build(), now());
  CHECK(base.has_value());
  stepped();
}

}  // namespace harrow
