#include "core/node/quorum.h"

#include "core/node/quorum_state.h"

namespace harrow {
namespace {

MetadataStoreConfig store_config_of(const QuorumConfig& config) {
  MetadataStoreConfig store;
  store.log_dir = config.log_dir;
  store.segment_bytes = config.segment_bytes;
  store.segment_ms = config.segment_ms;
  store.index_interval_bytes = config.index_interval_bytes;
  store.segment_index_bytes = config.segment_index_bytes;
  store.retention_bytes = config.retention_bytes;
  store.retention_ms = config.retention_ms;
  return store;
}

raft::VoterSet voters_of(const QuorumConfig& config) {
  std::vector<raft::ReplicaKey> keys;
  for (const QuorumVoter& voter : config.voters) keys.push_back(raft::ReplicaKey{voter.id, voter.directory_id});
  return raft::VoterSet(std::move(keys));
}

bool has_directories(const QuorumConfig& config) {
  for (const QuorumVoter& voter : config.voters)
    if (voter.directory_id.is_zero()) return false;
  return !config.voters.empty();
}

}  // namespace

Quorum::State::State(Host& its_host, QuorumConfig its_config, QuorumListener& its_listener)
    : host(its_host),
      config(std::move(its_config)),
      listener(its_listener),
      voters(voters_of(config)),
      quorum_state_version(has_directories(config) ? 1 : 0),
      subject(host.trace.intern("__cluster_metadata-0")),
      store(host.disk, host.trace, store_config_of(config)),
      work(host.timers),
      unsynced(host.timers),
      commits(host.timers),
      scheduled(host.timers),
      ending(host.timers),
      applied_mark(host.timers),
      committed_mark(host.timers),
      last_snapshot(host.clock.mono()) {}

void Quorum::State::fail(const Error& why) {
  if (ended) return;
  host.halt(why.code);
}

Task<std::optional<raft::Message>> Quorum::State::ask(raft::Message request, NodeId from) {
  if (!core || ended) co_return std::nullopt;
  Pending waiting(*this, next_ticket++);
  const raft::Envelope envelope{from, config.self, waiting.number, std::move(request)};
  core->step(envelope, now());
  stepped();
  const Reached reached = co_await waiting.done.wait();
  if (reached != Reached::reached) co_return std::nullopt;
  co_return std::move(waiting.answer);
}

Quorum::Quorum(Host& host, QuorumConfig config, QuorumListener& listener)
    : state_(std::make_unique<State>(host, std::move(config), listener)) {}

Quorum::~Quorum() = default;

Task<Result<bool>> Quorum::open() {
  State& s = *state_;
  Task<Result<bool>> opening = s.store.open(s.host.clock.wall());
  const Result<bool> opened = co_await opening;
  if (!opened) co_return opened;
  if (const auto newest = s.store.newest_snapshot()) {
    Task<Result<bool>> showing = s.show_snapshot(*newest);
    const Result<bool> shown = co_await showing;
    if (!shown) co_return shown;
  }
  co_return true;
}

void Quorum::start() {
  State& s = *state_;
  raft::Config config;
  config.self = raft::ReplicaKey{s.config.self, s.config.directory_id};
  config.voters = s.voters;
  config.timeouts = s.config.timeouts;
  s.core.emplace(std::move(config), s.store.hard_state(), s.store.log_state(), s.host.random.fork("raft"), s.now());
  s.log_version = s.core->log_version();
  if (s.core->is_voter())
    s.host.trace.emit(TraceKind::quorum_flushed, s.subject, s.core->flushed_end().value(), s.core->epoch().value());
  s.make_lanes();
  s.drive(s.host.scope, Label("quorum drive"));
  s.flush(s.host.scope, Label("quorum flush"));
  s.apply(s.host.scope, Label("quorum apply"));
  s.append(s.host.scope, Label("quorum append"));
  s.clean(s.host.scope, Label("quorum clean"));
}

Task<bool> Quorum::stop() {
  State& s = *state_;
  bool clean = true;
  if (s.core && !s.ended) {
    s.seal();
    s.stopping = true;
    s.core->resign(s.now());
    s.stepped();
    const MonoNs deadline = after_ms(s.now(), s.config.timeouts.request_ms);
    while (!s.core->has_handed_over() && s.now() < deadline) co_await Sleep(s.host.timers, after_ms(s.now(), 10), "hand over");
    s.ended = true;
    s.work.close();
    s.unsynced.close();
    s.commits.close();
    s.scheduled.close();
    s.ending.close();
    s.applied_mark.close();
    s.committed_mark.close();
    for (State::Lane& lane : s.lanes) lane.changed.close();
    for (auto& [ticket, waiting] : s.pending) waiting->done.close();
    Task<Result<bool>> closing = s.store.log().close_clean();
    const Result<bool> closed = co_await closing;
    clean = closed.has_value();
  }
  co_return clean;
}

Task<wire::VoteResponse> Quorum::vote(wire::VoteRequest request) {
  const Result<raft::VoteRequest> asked = quorum_wire::from_wire(request, state_->config.cluster_id);
  if (!asked) co_return quorum_wire::refusal<wire::VoteResponse>(asked.error().code);
  Task<std::optional<raft::Message>> asking = state_->ask(*asked, asked->candidate.id);
  const std::optional<raft::Message> answer = co_await asking;
  if (!answer) co_return quorum_wire::refusal<wire::VoteResponse>(Code::broker_not_available);
  co_return quorum_wire::to_wire(std::get<raft::VoteResponse>(*answer));
}

Task<wire::BeginQuorumEpochResponse> Quorum::begin_quorum_epoch(wire::BeginQuorumEpochRequest request) {
  const Result<raft::BeginQuorumEpochRequest> asked = quorum_wire::from_wire(request, state_->config.cluster_id);
  if (!asked) co_return quorum_wire::refusal<wire::BeginQuorumEpochResponse>(asked.error().code);
  raft::BeginQuorumEpochRequest begin = *asked;
  if (begin.voter.id == no_node) begin.voter.id = state_->config.self;  // version 0 names nobody
  Task<std::optional<raft::Message>> asking = state_->ask(begin, begin.leader);
  const std::optional<raft::Message> answer = co_await asking;
  if (!answer) co_return quorum_wire::refusal<wire::BeginQuorumEpochResponse>(Code::broker_not_available);
  co_return quorum_wire::to_wire(std::get<raft::BeginQuorumEpochResponse>(*answer));
}

Task<wire::EndQuorumEpochResponse> Quorum::end_quorum_epoch(wire::EndQuorumEpochRequest request) {
  const Result<raft::EndQuorumEpochRequest> asked = quorum_wire::from_wire(request, state_->config.cluster_id);
  if (!asked) co_return quorum_wire::refusal<wire::EndQuorumEpochResponse>(asked.error().code);
  Task<std::optional<raft::Message>> asking = state_->ask(*asked, asked->leader);
  const std::optional<raft::Message> answer = co_await asking;
  if (!answer) co_return quorum_wire::refusal<wire::EndQuorumEpochResponse>(Code::broker_not_available);
  co_return quorum_wire::to_wire(std::get<raft::EndQuorumEpochResponse>(*answer));
}

Task<wire::FetchResponse> Quorum::fetch(wire::FetchRequest request, std::int16_t version) {
  State& s = *state_;
  const Result<raft::FetchRequest> asked = quorum_wire::from_wire(request, version, s.config.cluster_id);
  if (!asked) co_return quorum_wire::refusal<wire::FetchResponse>(asked.error().code);
  const auto max_bytes = static_cast<std::uint64_t>(std::max(asked->max_bytes, 1));
  Task<std::optional<raft::Message>> asking = s.ask(*asked, asked->replica.id);
  const std::optional<raft::Message> answer = co_await asking;
  if (!answer) co_return quorum_wire::refusal<wire::FetchResponse>(Code::broker_not_available);
  raft::FetchResponse response = std::get<raft::FetchResponse>(*answer);
  Bytes records;
  if (response.read_from >= Offset{0} && response.read_from < s.store.log().end_offset()) {
    Task<Result<Bytes>> reading = s.store.read(response.read_from, max_bytes, s.store.log().end_offset());
    Result<Bytes> got = co_await reading;
    if (got) records = std::move(*got);
    else response.error = got.error().code == Code::offset_out_of_range ? Code::offset_out_of_range : Code::unknown_server_error;
    if (!s.core->is_leader() || s.core->epoch() != response.epoch) {
      // What was read may be another leader's by now.
      records.clear();
      response.error = Code::not_leader_or_follower;
      response.epoch = s.core->epoch();
      response.leader = s.core->leader();
    }
  }
  co_return quorum_wire::to_wire(response, std::move(records), version);
}

Task<wire::FetchSnapshotResponse> Quorum::fetch_snapshot(wire::FetchSnapshotRequest request) {
  State& s = *state_;
  const Result<raft::FetchSnapshotRequest> asked = quorum_wire::from_wire(request, s.config.cluster_id);
  if (!asked) co_return quorum_wire::refusal<wire::FetchSnapshotResponse>(asked.error().code);
  Task<std::optional<raft::Message>> asking = s.ask(*asked, asked->replica.id);
  const std::optional<raft::Message> answer = co_await asking;
  if (!answer) co_return quorum_wire::refusal<wire::FetchSnapshotResponse>(Code::broker_not_available);
  raft::FetchSnapshotResponse response = std::get<raft::FetchSnapshotResponse>(*answer);
  if (response.error == Code::none) {
    Task<Result<MetadataStore::Piece>> reading =
        s.store.read_piece(asked->id, asked->position, static_cast<std::uint64_t>(std::max(asked->max_bytes, 1)));
    const Result<MetadataStore::Piece> piece = co_await reading;
    if (piece) {
      response.size = piece->size;
      response.chunk = piece->bytes;
    } else {
      response.error = piece.error().code;
    }
  }
  co_return quorum_wire::to_wire(response);
}

wire::DescribeQuorumResponse Quorum::describe(const wire::DescribeQuorumRequest& request) const {
  const State& s = *state_;
  wire::DescribeQuorumResponse response;
  if (request.topics.empty()) return response;
  wire::DescribeQuorumResponse::PartitionData partition;
  if (!request.topics[0].partitions.empty()) partition.partition_index = request.topics[0].partitions[0].partition_index;
  const bool known = request.topics.size() == 1 && request.topics[0].topic_name == metadata_topic_name &&
                     request.topics[0].partitions.size() == 1 && request.topics[0].partitions[0].partition_index == 0;
  if (!known) {
    partition.error_code = static_cast<std::int16_t>(Code::unknown_topic_or_partition);
  } else if (!s.core || !s.core->is_leader()) {
    partition.error_code = static_cast<std::int16_t>(Code::not_leader_or_follower);
  } else {
    const std::int64_t wall = s.host.clock.wall().value();
    const MonoNs mono = s.now();
    const auto wall_of = [&](MonoNs at) { return at < MonoNs{0} ? -1 : wall - (mono - at) / ns_per_ms; };
    partition.leader_id = s.core->leader().value();
    partition.leader_epoch = s.core->epoch().value();
    partition.high_watermark = s.core->high_watermark().value();
    for (const raft::ReplicaProgress& progress : s.core->replicas()) {
      wire::DescribeQuorumResponse::ReplicaState row;
      const bool self = progress.key.id == s.config.self;
      row.replica_id = progress.key.id.value();
      row.replica_directory_id = progress.key.directory;
      row.log_end_offset = self ? s.core->end().value() : progress.end.value();
      row.last_fetch_timestamp = self ? wall : wall_of(progress.last_fetch);
      row.last_caught_up_timestamp = self ? wall : wall_of(progress.last_caught_up);
      (progress.is_voter ? partition.current_voters : partition.observers).push_back(std::move(row));
    }
    for (const QuorumVoter& voter : s.config.voters) {
      wire::DescribeQuorumResponse::Node node;
      node.node_id = voter.id.value();
      wire::DescribeQuorumResponse::Listener listener;
      listener.name = "CONTROLLER";
      listener.host = voter.endpoint.host;
      listener.port = voter.endpoint.port;
      node.listeners.push_back(std::move(listener));
      response.nodes.push_back(std::move(node));
    }
  }
  wire::DescribeQuorumResponse::TopicData topic;
  topic.topic_name = request.topics[0].topic_name;
  topic.partitions.push_back(std::move(partition));
  response.topics.push_back(std::move(topic));
  return response;
}

Result<Offset> Quorum::schedule_append(LeaderEpoch epoch, std::vector<Bytes> records) {
  State& s = *state_;
  CHECK(!records.empty());
  if (!s.active || s.stopping || epoch != s.active_epoch || !s.core->is_leader() || s.core->epoch() != epoch)
    return error(Code::not_controller, "not the leader of this epoch");
  std::uint64_t bytes = 0;
  for (const Bytes& record : records) bytes += record.size() + 16;
  if (!s.waiting_records.empty() && s.waiting_bytes + bytes > s.config.append_max_bytes) s.seal();
  if (s.waiting_records.empty()) s.linger_until = after_ms(s.now(), s.config.append_linger_ms);
  s.waiting_epoch = epoch;
  s.waiting_bytes += bytes;
  for (Bytes& record : records) s.waiting_records.push_back(std::move(record));
  s.scheduled.wake();
  return next_append_offset() - 1;
}

Offset Quorum::next_append_offset() const {
  return state_->core->end() + static_cast<std::int64_t>(state_->waiting_records.size());
}

Watermark::Wait Quorum::committed(Offset offset, MonoNs deadline) { return state_->committed_mark.reach(offset.value() + 1, deadline); }
Watermark::Wait Quorum::applied(Offset end, MonoNs deadline) { return state_->applied_mark.reach(end.value(), deadline); }

void Quorum::renounce(LeaderEpoch epoch) {
  state_->core->renounce(epoch, state_->now());
  state_->stepped();
}

void Quorum::request_snapshot() {
  state_->snapshot_asked = true;
  state_->commits.wake();
}

NodeId Quorum::leader() const { return state_->core ? state_->core->leader() : no_node; }
LeaderEpoch Quorum::epoch() const { return state_->core ? state_->core->epoch() : state_->store.hard_state().epoch; }
bool Quorum::is_active() const { return state_->active && state_->core->is_leader() && state_->core->epoch() == state_->active_epoch; }
bool Quorum::is_voter() const { return state_->voters.contains_id(state_->config.self); }
Offset Quorum::high_watermark() const { return state_->high_watermark; }
Offset Quorum::log_end() const { return state_->store.log().end_offset(); }
Offset Quorum::log_start() const { return state_->store.log().start_offset(); }
Offset Quorum::applied_end() const { return state_->applied_end; }

const Endpoint* Quorum::leader_endpoint() const {
  for (const QuorumVoter& voter : state_->config.voters)
    if (voter.id == leader()) return &voter.endpoint;
  return nullptr;
}

const raft::Raft& Quorum::core() const { return *state_->core; }

}  // namespace harrow
