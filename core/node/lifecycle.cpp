// A broker's life as the controller sees it: registration, heartbeats, unfencing, controlled shutdown (facts section 9).
#include "core/node/broker.h"
#include "core/wire/broker_heartbeat_request.h"
#include "core/wire/broker_registration_request.h"
#include "core/wire/broker_registration_response.h"

namespace harrow {
namespace {
constexpr std::int64_t retry_ms = 50;
constexpr std::int64_t catching_up_heartbeat_ms = 10;

/// What this release supports, from the lowest level it still works at.
constexpr struct {
  const char* name;
  std::int16_t min, max;
} features[] = {{"metadata.version", 7, 29}, {"kraft.version", 0, 1}, {"transaction.version", 0, 2}, {"group.version", 0, 1}, {"eligible.leader.replicas.version", 0, 1}};
}  // namespace

bool Broker::point_at_controller(RpcChannel& channel) const {
  const Endpoint* const endpoint = quorum_.leader_endpoint();
  if (endpoint == nullptr) return false;
  channel.set_endpoint(*endpoint);
  return true;
}

Task<bool> Broker::register_broker() {
  if (!point_at_controller(heartbeating_)) co_return false;
  wire::BrokerRegistrationRequest request;
  request.broker_id = config_.id.value();
  request.cluster_id = config_.cluster_id;
  request.incarnation_id = incarnation_id_;
  auto& listener = request.listeners.emplace_back();
  listener.name = "PLAINTEXT";
  listener.host = config_.host;
  listener.port = config_.broker_port;
  listener.security_protocol = 0;
  request.rack = config_.rack;
  request.log_dirs.push_back(directory_id_);
  request.previous_broker_epoch = previous_epoch_;
  for (const auto& row : features) {
    auto& feature = request.features.emplace_back();
    feature.name = row.name;
    feature.min_supported_version = row.min;
    feature.max_supported_version = row.max;
  }
  Task<Result<wire::BrokerRegistrationResponse>> call = heartbeating_.call<wire::BrokerRegistrationResponse>(
      wire::ApiKey::broker_registration, wire::BrokerRegistrationRequest::max_version, std::move(request));
  const Result<wire::BrokerRegistrationResponse> response = co_await call;
  if (!response || response->error_code != 0) co_return false;
  epoch_ = BrokerEpoch(response->broker_epoch);
  co_return true;
}

Task<Result<wire::BrokerHeartbeatResponse>> Broker::heartbeat(bool want_fence, bool want_shutdown) {
  if (!point_at_controller(heartbeating_)) co_return error(Code::not_controller, "no active controller is known");
  wire::BrokerHeartbeatRequest request;
  request.broker_id = config_.id.value();
  request.broker_epoch = epoch_.value();
  // Before the first publication what was read counts: that is how the controller can say that it is enough.
  request.current_metadata_offset = (published_offset_ == no_offset ? image_.offset() : published_offset_).value();
  request.want_fence = want_fence;
  request.want_shut_down = want_shutdown;
  Task<Result<wire::BrokerHeartbeatResponse>> call = heartbeating_.call<wire::BrokerHeartbeatResponse>(
      wire::ApiKey::broker_heartbeat, wire::BrokerHeartbeatRequest::max_version, std::move(request));
  Result<wire::BrokerHeartbeatResponse> response = co_await call;
  co_return response;
}

Root Broker::live(Scope&, Label) {
  const auto set_state = [this](BrokerState state) {
    if (state_ == state) return;
    state_ = state;
    host_.trace.emit(TraceKind::broker_state, 0, static_cast<std::int64_t>(state));
  };
  set_state(BrokerState::starting);
  for (;;) {
    Task<bool> registering = register_broker();
    const bool registered = co_await registering;
    if (registered) break;
    co_await Sleep(host_.timers, after_ms(host_.clock.mono(), retry_ms), "registration retry");
  }
  const std::int64_t interval_ms = settings_.number(ConfigKey::broker_heartbeat_interval_ms);
  for (;;) {
    const bool want_shutdown = stop_wanted_;
    Task<Result<wire::BrokerHeartbeatResponse>> beating = heartbeat(published_offset_ == no_offset, want_shutdown);
    const Result<wire::BrokerHeartbeatResponse> beat = co_await beating;
    std::int64_t pause_ms = interval_ms;
    if (!beat) {
      pause_ms = retry_ms;
    } else if (static_cast<Code>(beat->error_code) == Code::stale_broker_epoch || static_cast<Code>(beat->error_code) == Code::broker_id_not_registered) {
      // Kafka's broker gives up here; this one registers anew, as its restart would.
      Task<bool> registering = register_broker();
      co_await registering;
      pause_ms = retry_ms;
    } else if (beat->error_code != 0) {
      pause_ms = retry_ms;
    } else {
      answered_at_ = host_.clock.mono();
      if (want_shutdown) {
        set_state(BrokerState::pending_shutdown);
        if (beat->should_shut_down) {
          set_state(BrokerState::shutting_down);
          shutdown_granted_.set();
          co_return;
        }
        pause_ms = catching_up_heartbeat_ms * 5;
      } else {
        if (beat->is_caught_up) caught_up_.set();
        set_state(!beat->is_caught_up ? BrokerState::starting : beat->is_fenced ? BrokerState::recovery : BrokerState::running);
        if (!beat->is_caught_up || beat->is_fenced) pause_ms = catching_up_heartbeat_ms;
      }
    }
    co_await stopping_.next(after_ms(host_.clock.mono(), pause_ms));
  }
}

}  // namespace harrow
