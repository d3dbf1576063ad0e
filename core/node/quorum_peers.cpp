// Requests to the other voters: one lane for fetching, one for everything else, so that a long poll holds up no vote.
#include "core/node/quorum_state.h"
#include "core/wire/frame.h"

namespace harrow {
namespace {

constexpr std::uint32_t answer_limit_bytes = 104857600;

template <class Request>
Bytes encode(std::int32_t correlation, const std::string& client, const Request& request) {
  return wire::encode_request(Request::max_version, correlation, client, request);
}

template <class Response>
Result<raft::Message> decode(const Bytes& frame, std::int32_t correlation) {
  Reader reader(frame);
  TRY(const wire::ResponseHeader header, wire::ResponseHeader::decode(reader, Response::api_key, Response::max_version));
  if (header.correlation_id != correlation) return error(Code::malformed_input, "an answer to another request");
  TRY(const Response response, wire::decode_body<Response>(reader, Response::max_version));
  return raft::Message(quorum_wire::from_wire(response));
}

bool is_fetch(const raft::Message& message) {
  return std::holds_alternative<raft::FetchRequest>(message) || std::holds_alternative<raft::FetchSnapshotRequest>(message);
}

}  // namespace

void Quorum::State::make_lanes() {
  for (const QuorumVoter& voter : config.voters) {
    if (voter.id == config.self) continue;
    lanes.emplace_back(host.timers, voter.id, voter.endpoint);
    lanes.emplace_back(host.timers, voter.id, voter.endpoint);
  }
  for (Lane& lane : lanes) run_lane(host.scope, Label("quorum lane"), lane);
}

Endpoint Quorum::State::own_endpoint() const {
  for (const QuorumVoter& voter : config.voters)
    if (voter.id == config.self) return voter.endpoint;
  return {};
}

void Quorum::State::send(raft::Envelope envelope) {
  for (std::size_t i = is_fetch(envelope.message) ? 1 : 0; i < lanes.size(); i += 2) {
    if (lanes[i].id != envelope.to) continue;
    lanes[i].outgoing = std::move(envelope);
    lanes[i].changed.wake();
    return;
  }
}

Task<bool> Quorum::State::superseded(Lane& lane, MonoNs deadline) {
  while (!lane.outgoing) {
    const Reached reached = co_await lane.changed.next(deadline);
    if (reached != Reached::reached) co_return false;
  }
  co_return true;
}

Root Quorum::State::run_lane(Scope&, Label, Lane& lane) {
  for (;;) {
    Task<bool> waiting = superseded(lane, never);
    const bool something = co_await waiting;
    if (!something) break;
    const raft::Envelope envelope = std::move(*lane.outgoing);
    lane.outgoing.reset();
    const MonoNs deadline = after_ms(now(), config.timeouts.request_ms);
    Task<Result<raft::Message>> exchanging = exchange(lane, envelope.message);
    Task<bool> newer = superseded(lane, deadline);
    co_await either(exchanging, newer);
    if (!exchanging.done()) {
      exchanging = Task<Result<raft::Message>>();
      lane.connection.reset();
      core->request_failed(envelope.to, envelope.request, now());
      stepped();
      if (lane.changed.closed()) break;
      continue;
    }
    newer = Task<bool>();
    Result<raft::Message> answer = exchanging.take();
    if (answer) {
      const raft::Envelope back{envelope.to, config.self, envelope.request, std::move(*answer)};
      core->step(back, now());
    } else {
      lane.connection.reset();
      core->request_failed(envelope.to, envelope.request, now());
    }
    stepped();
  }
  lane.connection.reset();
}

Task<Result<Bytes>> Quorum::State::exchange_frame(Lane& lane, Bytes frame) {
  if (lane.connection == nullptr || lane.connection->closed()) {
    Result<ConnectionPtr> connected = co_await host.net.connect(lane.endpoint);
    if (!connected) co_return pass(connected.error());
    lane.connection = std::move(*connected);
  }
  const std::uint64_t sent_bytes = frame.size();
  lane.connection->send(std::move(frame));
  co_await host.cpu.spend(Work::frame_out, sent_bytes);
  Result<Bytes> answer = co_await lane.connection->read_frame(answer_limit_bytes);
  if (answer) co_await host.cpu.spend(Work::frame_in, answer->size());
  co_return answer;
}

Task<Result<raft::Message>> Quorum::State::exchange(Lane& lane, raft::Message request) {
  const std::int32_t correlation = lane.next_correlation++;
  const std::string client = "raft-client-" + std::to_string(config.self.value());
  const std::string& cluster = config.cluster_id;
  Bytes frame;
  if (const auto* vote = std::get_if<raft::VoteRequest>(&request)) {
    frame = encode(correlation, client, quorum_wire::to_wire(*vote, cluster));
  } else if (const auto* begin = std::get_if<raft::BeginQuorumEpochRequest>(&request)) {
    frame = encode(correlation, client, quorum_wire::to_wire(*begin, cluster, own_endpoint()));
  } else if (const auto* end = std::get_if<raft::EndQuorumEpochRequest>(&request)) {
    frame = encode(correlation, client, quorum_wire::to_wire(*end, cluster, own_endpoint()));
  } else if (const auto* fetch = std::get_if<raft::FetchRequest>(&request)) {
    frame = encode(correlation, client, quorum_wire::to_wire(*fetch, cluster, core->log_start()));
  } else if (const auto* piece = std::get_if<raft::FetchSnapshotRequest>(&request)) {
    frame = encode(correlation, client, quorum_wire::to_wire(*piece, cluster));
  }
  CHECK(!frame.empty());
  Task<Result<Bytes>> exchanging = exchange_frame(lane, std::move(frame));
  const Result<Bytes> answer = co_await exchanging;
  if (!answer) co_return pass(answer.error());
  if (std::holds_alternative<raft::VoteRequest>(request)) co_return decode<wire::VoteResponse>(*answer, correlation);
  if (std::holds_alternative<raft::BeginQuorumEpochRequest>(request)) co_return decode<wire::BeginQuorumEpochResponse>(*answer, correlation);
  if (std::holds_alternative<raft::EndQuorumEpochRequest>(request)) co_return decode<wire::EndQuorumEpochResponse>(*answer, correlation);
  if (std::holds_alternative<raft::FetchRequest>(request)) co_return decode<wire::FetchResponse>(*answer, correlation);
  co_return decode<wire::FetchSnapshotResponse>(*answer, correlation);
}

}  // namespace harrow
