// Brokers come, live and go: registration, heartbeats, fencing by session, controlled shutdown. The log holds who is
// registered and fenced; when a broker was last heard is soft state.
#include "core/controller/controller.h"
#include "core/controller/elections.h"
#include "core/wire/broker_heartbeat_request.h"
#include "core/wire/broker_heartbeat_response.h"
#include "core/wire/broker_registration_request.h"
#include "core/wire/broker_registration_response.h"
#include "core/wire/controller_registration_request.h"
#include "core/wire/controller_registration_response.h"
#include "core/wire/unregister_broker_request.h"
#include "core/wire/unregister_broker_response.h"

namespace harrow::controller {

namespace {

bool expired(const State& state, const BrokerSession& session, MonoNs now) {
  return after_ms(session.last_contact, state.config.session_timeout_ms) < now;
}

/// Whether another process may still be acting under this registration.
bool alive(const State& state, const BrokerImage& broker, MonoNs now) {
  const auto session = state.sessions.find(broker.id);
  return broker.active() && session != state.sessions.end() && !expired(state, session->second, now);
}

bool leads_something(const Image& image, NodeId broker) {
  for (const auto& [id, topic] : image.topics()) {
    for (const PartitionImage& p : topic.partitions) {
      if (p.leader == broker) return true;
    }
  }
  return false;
}

/// What every active broker has applied.
Offset applied_by_all_active(const State& state) {
  Offset lowest{INT64_MAX};
  for (const auto& [id, broker] : state.image.brokers()) {
    if (!broker.active()) continue;
    const auto session = state.sessions.find(id);
    const Offset applied = session == state.sessions.end() ? no_offset : session->second.metadata_offset;
    if (applied < lowest) lowest = applied;
  }
  return lowest;
}

wire::BrokerRegistrationChangeRecord change_of(const BrokerImage& broker) {
  wire::BrokerRegistrationChangeRecord record;
  record.broker_id = broker.id.value();
  record.broker_epoch = broker.epoch.value();
  return record;
}

Fact fact_of(Fact::Kind kind, NodeId broker, BrokerEpoch epoch) {
  Fact fact;
  fact.kind = kind;
  fact.broker = broker;
  fact.broker_epoch = epoch;
  return fact;
}

template <class Response>
void fence(const State& state, const BrokerImage& broker, ControllerResult<Response>& result) {
  remove_from_partitions(state, broker.id, false, result.records, result.facts);
  if (broker.fenced) return;
  wire::BrokerRegistrationChangeRecord record = change_of(broker);
  record.fenced = 1;
  result.records.emplace_back(std::move(record));
  result.facts.push_back(fact_of(Fact::Kind::broker_fenced, broker.id, broker.epoch));
}

template <class Response>
void unfence(const State& state, const BrokerImage& broker, ControllerResult<Response>& result) {
  wire::BrokerRegistrationChangeRecord record = change_of(broker);
  record.fenced = -1;
  result.records.emplace_back(std::move(record));
  result.facts.push_back(fact_of(Fact::Kind::broker_unfenced, broker.id, broker.epoch));
  elect_with(state, broker.id, result.records, result.facts);
}

template <class Response>
void start_shutdown(const State& state, const BrokerImage& broker, ControllerResult<Response>& result) {
  wire::BrokerRegistrationChangeRecord record = change_of(broker);
  record.in_controlled_shutdown = 1;
  result.records.emplace_back(std::move(record));
  remove_from_partitions(state, broker.id, false, result.records, result.facts);
}

enum class BrokerControl : std::uint8_t { fenced, unfenced, controlled_shutdown, shutdown_now };

BrokerControl current_control(const BrokerImage& broker) {
  if (broker.fenced) return BrokerControl::fenced;
  return broker.in_controlled_shutdown ? BrokerControl::controlled_shutdown : BrokerControl::unfenced;
}

BrokerControl next_control(const State& state, const BrokerImage& broker, const BrokerSession& session,
                           const wire::BrokerHeartbeatRequest& request) {
  switch (current_control(broker)) {
    case BrokerControl::fenced: {
      if (request.want_shut_down) return BrokerControl::shutdown_now;
      // A stopping broker that was fenced comes back by registering again.
      const bool caught_up = Offset(request.current_metadata_offset) >= broker.registered_at();
      return request.want_fence || !caught_up || broker.in_controlled_shutdown ? BrokerControl::fenced : BrokerControl::unfenced;
    }
    case BrokerControl::unfenced:
      if (request.want_fence) return request.want_shut_down ? BrokerControl::shutdown_now : BrokerControl::fenced;
      if (!request.want_shut_down) return BrokerControl::unfenced;
      return leads_something(state.image, broker.id) ? BrokerControl::controlled_shutdown : BrokerControl::shutdown_now;
    case BrokerControl::controlled_shutdown:
      if (leads_something(state.image, broker.id)) return BrokerControl::controlled_shutdown;
      // The others must know who leads now before this one goes.
      return session.shutdown_offset <= applied_by_all_active(state) ? BrokerControl::shutdown_now
                                                                     : BrokerControl::controlled_shutdown;
    case BrokerControl::shutdown_now: break;
  }
  return BrokerControl::shutdown_now;
}

/// Brokers and controllers register their listeners and features alike.
template <class Record, class Request>
void take_endpoints_and_features(Record& record, const Request& request) {
  for (const auto& l : request.listeners) {
    auto& out = record.end_points.emplace_back();
    out.name = l.name;
    out.host = l.host;
    out.port = l.port;
    out.security_protocol = l.security_protocol;
  }
  for (const auto& f : request.features) {
    auto& out = record.features.emplace_back();
    out.name = f.name;
    out.min_supported_version = f.min_supported_version;
    out.max_supported_version = f.max_supported_version;
  }
}

wire::RegisterBrokerRecord record_of(const wire::BrokerRegistrationRequest& request, Offset epoch) {
  wire::RegisterBrokerRecord record;
  record.broker_id = request.broker_id;
  record.incarnation_id = request.incarnation_id;
  record.broker_epoch = epoch.value();
  take_endpoints_and_features(record, request);
  if (request.rack && !request.rack->empty()) record.rack = request.rack;
  else record.rack.reset();
  record.fenced = true;
  record.log_dirs = request.log_dirs;
  return record;
}

bool supports_finalised_features(const Image& image, const wire::BrokerRegistrationRequest& request) {
  for (const auto& f : request.features) {
    const std::int16_t level = image.feature_level(f.name);
    if (level != 0 && (level < f.min_supported_version || level > f.max_supported_version)) return false;
  }
  return true;
}

}  // namespace

ControllerResult<wire::BrokerRegistrationResponse> Controller::register_broker(const wire::BrokerRegistrationRequest& request,
                                                                               Offset next_offset, MonoNs now) {
  ControllerResult<wire::BrokerRegistrationResponse> result;
  const auto refuse = [&result](Code code) {
    result.response.error_code = static_cast<std::int16_t>(code);
    return result;
  };
  if (request.cluster_id != state_.config.cluster_id) return refuse(Code::inconsistent_cluster_id);
  if (request.broker_id < 0 || request.listeners.empty()) return refuse(Code::invalid_registration);
  if (!supports_finalised_features(state_.image, request)) return refuse(Code::unsupported_version);

  const NodeId id(request.broker_id);
  const BrokerImage* const existing = state_.image.broker(id);
  if (existing != nullptr && existing->incarnation_id == request.incarnation_id) {
    // The answer was lost: the same process asks again and keeps its epoch.
    state_.sessions[id].last_contact = now;
    result.response.broker_epoch = existing->epoch.value();
    return result;
  }
  if (existing != nullptr && alive(state_, *existing, now)) return refuse(Code::duplicate_broker_registration);

  result.records.emplace_back(record_of(request, next_offset));
  result.facts.push_back(fact_of(Fact::Kind::broker_registered, id, BrokerEpoch(next_offset.value())));
  if (existing != nullptr) {
    // Only a broker that stopped cleanly knows the epoch it had; any other may have lost what it acknowledged.
    const bool unclean = BrokerEpoch(request.previous_broker_epoch) != existing->epoch;
    remove_from_partitions(state_, id, unclean, result.records, result.facts);
  }
  state_.sessions[id] = BrokerSession{now, no_offset, no_offset};
  result.response.broker_epoch = next_offset.value();
  return result;
}

ControllerResult<wire::BrokerHeartbeatResponse> Controller::broker_heartbeat(const wire::BrokerHeartbeatRequest& request,
                                                                             MonoNs now) {
  ControllerResult<wire::BrokerHeartbeatResponse> result;
  const NodeId id(request.broker_id);
  const BrokerImage* const broker = state_.image.broker(id);
  if (broker == nullptr || broker->epoch != BrokerEpoch(request.broker_epoch)) {
    result.response.error_code = static_cast<std::int16_t>(broker == nullptr ? Code::broker_id_not_registered
                                                                             : Code::stale_broker_epoch);
    return result;
  }
  BrokerSession& session = state_.sessions[id];
  session.last_contact = now;
  session.metadata_offset = Offset(request.current_metadata_offset);

  const BrokerControl next = next_control(state_, *broker, session, request);
  if (next != current_control(*broker)) {
    switch (next) {
      case BrokerControl::fenced:
      case BrokerControl::shutdown_now: fence(state_, *broker, result); break;
      case BrokerControl::unfenced: unfence(state_, *broker, result); break;
      case BrokerControl::controlled_shutdown: start_shutdown(state_, *broker, result); break;
    }
  }
  result.response.is_caught_up = session.metadata_offset >= broker->registered_at();
  result.response.is_fenced = next == BrokerControl::fenced || next == BrokerControl::shutdown_now;
  result.response.should_shut_down = next == BrokerControl::shutdown_now;
  return result;
}

ControllerResult<wire::UnregisterBrokerResponse> Controller::unregister_broker(const wire::UnregisterBrokerRequest& request) const {
  ControllerResult<wire::UnregisterBrokerResponse> result;
  result.response.error_message.reset();
  const BrokerImage* const broker = state_.image.broker(NodeId(request.broker_id));
  if (broker == nullptr) {
    result.response.error_code = static_cast<std::int16_t>(Code::broker_id_not_registered);
    return result;
  }
  // With the registration goes the memory of its epoch: should it ever return, nobody can call that restart clean.
  remove_from_partitions(state_, broker->id, true, result.records, result.facts);
  wire::UnregisterBrokerRecord record;
  record.broker_id = broker->id.value();
  record.broker_epoch = broker->epoch.value();
  result.records.emplace_back(std::move(record));
  return result;
}

ControllerResult<wire::ControllerRegistrationResponse> Controller::register_controller(
    const wire::ControllerRegistrationRequest& request) const {
  ControllerResult<wire::ControllerRegistrationResponse> result;
  result.response.error_message.reset();
  const auto existing = state_.image.controllers().find(NodeId(request.controller_id));
  if (existing != state_.image.controllers().end() && existing->second.incarnation_id == request.incarnation_id) return result;
  wire::RegisterControllerRecord record;
  record.controller_id = request.controller_id;
  record.incarnation_id = request.incarnation_id;
  take_endpoints_and_features(record, request);
  result.records.emplace_back(std::move(record));
  return result;
}

Decision Controller::fence_stale_broker(MonoNs now) {
  Decision result;
  for (const auto& [id, broker] : state_.image.brokers()) {
    if (broker.fenced) continue;
    const auto session = state_.sessions.find(id);
    if (session != state_.sessions.end() && !expired(state_, session->second, now)) continue;
    fence(state_, broker, result);
    break;  // the next one is decided on the state that this makes
  }
  return result;
}

}  // namespace harrow::controller
