#include "tests/unit/raft/cluster.h"

#include <fmt/format.h>

namespace harrow::raft {

std::string text_of(const Entry& entry) {
  return entry.kind == EntryKind::leader_change ? fmt::format("<{}>", entry.epoch.value()) : entry.bytes.to_string();
}

Cluster::Cluster(std::vector<int> voters, std::vector<int> observers, std::uint64_t seed) : voters_(voters), random_(seed) {
  for (const int id : voters) nodes_[id].id = NodeId{id};
  for (const int id : observers) nodes_[id].id = NodeId{id};
}

void Cluster::start(int id) {
  Node& n = node(id);
  Config config;
  config.self.id = n.id;
  std::vector<ReplicaKey> keys;
  for (const int voter : voters_) keys.push_back(ReplicaKey{NodeId{voter}, {}});
  config.voters = VoterSet(keys);
  LogState log;
  log.end = n.end();
  std::vector<EpochStart> starts;
  for (const Entry& entry : n.log)
    if (starts.empty() || starts.back().epoch != entry.epoch) starts.push_back({entry.epoch, entry.base});
  log.epochs = EpochCache(n.base, starts);
  if (!n.snapshots.empty()) {
    log.oldest_snapshot = n.snapshots.front().id;
    log.newest_snapshot = n.snapshots.back().id;
  }
  n.durable = n.end();
  n.applied = n.snapshots.empty() ? Offset{0} : n.snapshots.back().id.offset;
  n.state = n.snapshots.empty() ? "" : n.snapshots.back().content;
  ++n.life;
  n.raft.emplace(config, n.hard, log, random_.fork("raft", static_cast<std::uint64_t>(id) * 1000 + n.life), n.now);
  drain(n);
}

void Cluster::crash(int id, std::size_t keep) {
  Node& n = node(id);
  n.raft.reset();
  ++n.life;
  n.loading.clear();
  std::vector<Entry> kept;
  for (const Entry& entry : n.log) {
    if (entry.last >= n.durable) {
      if (keep == 0) break;
      --keep;
    }
    kept.push_back(entry);
  }
  n.log = kept;
  if (sabotage.forget_hard_state) n.hard = HardState{};
}

void Cluster::append(int id, const std::string& text, std::int64_t count) {
  Node& n = node(id);
  const Result<Offset> base = n.raft->append(n.raft->epoch(), count, Bytes::copy_of(text), n.now);
  if (!base) events.push_back(fmt::format("{} append refused: {}", id, name_of(base.error().code)));
  drain(n);
}

void Cluster::flush_done(int id, Offset end, std::uint64_t log_version) {
  Node& n = node(id);
  if (!n.raft) return;
  if (log_version == n.raft->log_version() && end > n.raft->end()) {
    violations.push_back(fmt::format("{}: the disk ends at {}, the core says {}", id, end.value(), n.raft->end().value()));
    return;
  }
  if (log_version == n.raft->log_version() && end > n.durable && !sabotage.lie_about_flush) n.durable = end;
  n.raft->flushed(end, log_version, n.now);
  drain(n);
}

void Cluster::flush(int id) {
  Node& n = node(id);
  flush_done(id, n.end(), n.raft->log_version());
}

void Cluster::snapshot(int id, bool cut_log) {
  Node& n = node(id);
  LeaderEpoch epoch = n.base.epoch;
  for (const Entry& entry : n.log)
    if (entry.last < n.applied) epoch = entry.epoch;
  const OffsetAndEpoch snapshot_id{n.applied, epoch};
  if (!n.snapshots.empty() && n.snapshots.back().id >= snapshot_id) return;
  n.snapshots.push_back(Snapshot{snapshot_id, n.state});
  n.raft->snapshot_written(snapshot_id);
  if (!cut_log || n.durable < snapshot_id.offset) return;
  n.snapshots.erase(n.snapshots.begin(), n.snapshots.end() - 1);
  std::erase_if(n.log, [&](const Entry& entry) { return entry.last < snapshot_id.offset; });
  n.base = snapshot_id;
  n.raft->log_start_moved(snapshot_id, snapshot_id);
}

void Cluster::tick(int id, MonoNs now) {
  Node& n = node(id);
  n.now = now;
  if (!n.raft) return;
  n.raft->tick(now);
  drain(n);
}

void Cluster::deliver(const InFlight& message) {
  const int to = message.envelope.to.value();
  const auto at = nodes_.find(to);
  if (at == nodes_.end() || !at->second.raft || at->second.life != message.to_life) return;
  if (is_request(message.envelope.message) || at->second.life == message.to_life) {
    Envelope envelope = message.envelope;
    // A node's ticket for an answer: who asks and under which number.
    at->second.raft->step(envelope, at->second.now);
    drain(at->second);
  }
}

void Cluster::lost(const InFlight& message) {
  if (!is_request(message.envelope.message)) return;
  Node& n = node(message.envelope.from.value());
  if (!n.raft || n.life != message.from_life) return;
  n.raft->request_failed(message.envelope.to, message.envelope.request, n.now);
  drain(n);
}

void Cluster::fill(Node& n, Message& message) {
  if (auto* fetch = std::get_if<FetchResponse>(&message); fetch != nullptr && fetch->read_from >= Offset{0}) {
    for (const Entry& entry : n.log)
      if (entry.base >= fetch->read_from && fetch->entries.size() < fetch_entries) fetch->entries.push_back(entry);
  }
  if (auto* piece = std::get_if<FetchSnapshotResponse>(&message); piece != nullptr && piece->error == Code::none) {
    piece->error = Code::snapshot_not_found;
    for (const Snapshot& snapshot : n.snapshots) {
      if (snapshot.id != piece->id) continue;
      const std::string content = snapshot.content + ";";  // never empty
      piece->error = Code::none;
      piece->size = static_cast<std::int64_t>(content.size());
      piece->chunk = Bytes::copy_of(content.substr(static_cast<std::size_t>(piece->position), chunk_bytes));
    }
  }
}

void Cluster::drain(Node& n) {
  while (n.raft && n.raft->has_ready()) {
    Ready ready = n.raft->take_ready();
    if (ready.hard_state) n.hard = *ready.hard_state;
    if (ready.truncate_to) {
      while (!n.log.empty() && n.log.back().last >= *ready.truncate_to) n.log.pop_back();
      n.durable = std::min(n.durable, *ready.truncate_to);
    }
    for (const Entry& entry : ready.append) {
      if (entry.base != n.end()) violations.push_back(fmt::format("{}: append at {} of a log that ends at {}", n.id.value(), entry.base.value(), n.end().value()));
      n.log.push_back(entry);
    }
    for (const SnapshotChunk& chunk : ready.snapshot_chunks) store_chunk(n, chunk);
    for (Envelope& envelope : ready.messages) {
      if (const auto* vote = std::get_if<VoteResponse>(&envelope.message); vote != nullptr && vote->granted && vote->error == Code::none && n.hard.voted.id != no_node) {
        const auto [at, fresh] = votes_.try_emplace({n.id, n.hard.epoch}, n.hard.voted.id);
        if (!fresh && at->second != n.hard.voted.id) violations.push_back(fmt::format("{} voted twice in epoch {}", n.id.value(), n.hard.epoch.value()));
      }
      fill(n, envelope.message);
      const auto to = nodes_.find(envelope.to.value());
      if (to == nodes_.end()) continue;
      network.push_back(InFlight{std::move(envelope), n.life, to->second.life, send_time});
    }
    for (const RoleChange& change : ready.roles)
      if (change.role == Role::leader) check_leader(n, change.epoch);
    for (const Fact& fact : ready.facts) record(n, fact);
    if (ready.high_watermark) apply(n, *ready.high_watermark);
    if (!ready.append.empty() || ready.truncate_to) {
      if (n.auto_flush) flush_done(n.id.value(), n.end(), n.raft->log_version());
      else wants_flush.push_back({n.id.value(), {n.end(), n.raft->log_version()}});
    }
  }
}

void Cluster::store_chunk(Node& n, const SnapshotChunk& chunk) {
  if (chunk.position == 0) n.loading.clear();
  n.loading += chunk.bytes.to_string();
  if (!chunk.last) return;
  n.loading.pop_back();
  n.log.clear();
  n.base = chunk.id;
  n.durable = chunk.id.offset;
  n.snapshots = {Snapshot{chunk.id, n.loading}};
  n.state = n.loading;
  n.applied = chunk.id.offset;
  ++snapshots_loaded;
  events.push_back(fmt::format("{} loaded {} '{}'", n.id.value(), print(chunk.id), n.state));
  n.raft->snapshot_loaded(chunk.id, n.now);
}

void Cluster::check_leader(Node& n, LeaderEpoch epoch) {
  ++elections;
  const auto [at, fresh] = leaders_.try_emplace(epoch, n.id);
  if (!fresh && at->second != n.id) violations.push_back(fmt::format("{} and {} lead epoch {}", at->second.value(), n.id.value(), epoch.value()));
  for (const auto& [base, entry] : committed) {
    if (base < n.base.offset) continue;
    bool found = false;
    for (const Entry& own : n.log) found = found || (own.base == base && own.epoch == entry.epoch && own.last == entry.last && own.bytes == entry.bytes);
    if (!found) violations.push_back(fmt::format("leader {} of epoch {} lacks committed {}@{}", n.id.value(), epoch.value(), base.value(), entry.epoch.value()));
  }
}

void Cluster::apply(Node& n, Offset high_watermark) {
  for (const Entry& entry : n.log) {
    if (entry.last < n.applied || entry.base >= high_watermark) continue;
    if (entry.last >= high_watermark) violations.push_back("a high watermark inside a batch");
    const auto [at, fresh] = committed.try_emplace(entry.base, entry);
    const Entry& first = at->second;
    if (!fresh && (first.epoch != entry.epoch || first.last != entry.last || !(first.bytes == entry.bytes)))
      violations.push_back(fmt::format("{} applies {}@{} where {}@{} was committed", n.id.value(), entry.base.value(), entry.epoch.value(), first.base.value(), first.epoch.value()));
    n.state += (n.state.empty() ? "" : " ") + text_of(entry);
    n.applied = entry.last + 1;
  }
  if (n.applied != high_watermark) violations.push_back(fmt::format("{}: high watermark {} above what can be applied, {}", n.id.value(), high_watermark.value(), n.applied.value()));
}

void Cluster::record(const Node& n, const Fact& fact) {
  switch (fact.kind) {
    case FactKind::role: events.push_back(fmt::format("{} {} epoch={}", n.id.value(), name_of(static_cast<Role>(fact.a)), fact.b)); break;
    case FactKind::vote_granted: events.push_back(fmt::format("{} votes for {} in epoch {}", n.id.value(), fact.b, fact.a)); break;
    case FactKind::pre_vote_refused: ++pre_votes_refused; events.push_back(fmt::format("{} refuses a pre-vote to {}", n.id.value(), fact.b)); break;
    case FactKind::high_watermark: events.push_back(fmt::format("{} hw={}", n.id.value(), fact.a)); break;
    case FactKind::resigned: ++resigned; events.push_back(fmt::format("{} resigns epoch {}", n.id.value(), fact.a)); break;
    case FactKind::truncated: ++truncations; events.push_back(fmt::format("{} truncates {} to {}", n.id.value(), fact.b, fact.a)); break;
    case FactKind::truncation_refused: events.push_back(fmt::format("{} refuses to truncate to {} below hw {}", n.id.value(), fact.a, fact.b)); break;
  }
}

}  // namespace harrow::raft
