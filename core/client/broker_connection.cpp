#include "core/client/broker_connection.h"

#include <algorithm>

#include "core/wire/api_versions_request.h"

namespace harrow {
namespace {
constexpr std::uint32_t answer_limit_bytes = 100u << 20;
}

PendingAnswer::~PendingAnswer() {
  if (connection_ != nullptr) connection_->forget(correlation_);
}

BrokerConnection::BrokerConnection(Host& host, const ClientConfig& config, NodeId node, Endpoint endpoint, ConnectionListener* listener)
    : host_(host), config_(config), node_(node), endpoint_(std::move(endpoint)), listener_(listener),
      random_(host.random.fork(config.client_id).fork("reconnect", static_cast<std::uint64_t>(static_cast<std::uint32_t>(node.value())))),
      wanted_signal_(host.timers), state_signal_(host.timers), watch_signal_(host.timers), scope_(host.scope.queue()) {
  run(scope_, Label("client connection"));
  watch(scope_, Label("client request timeouts"));
}

BrokerConnection::~BrokerConnection() {
  for (InFlight& entry : in_flight_)
    if (entry.pending != nullptr) entry.pending->connection_ = nullptr;
}

void BrokerConnection::set_endpoint(const Endpoint& endpoint) {
  if (endpoint == endpoint_) return;
  endpoint_ = endpoint;
  next_attempt_ = host_.timers.now();
  drop(Code::network_exception);
}

void BrokerConnection::want() {
  if (wanted_) return;
  wanted_ = true;
  wanted_signal_.wake();
}

Task<Result<bool>> BrokerConnection::ready(MonoNs deadline) {
  const std::uint64_t failed_before = attempts_;
  while (!up_) {
    want();
    const Reached reached = co_await state_signal_.next(deadline);
    if (up_) break;
    if (attempts_ != failed_before) co_return error(last_failure_, "the broker cannot be reached");
    if (reached != Reached::reached) co_return error(Code::request_timed_out, "no connection in time");
  }
  co_return true;
}

void BrokerConnection::drop(Code code) {
  if (connection_ == nullptr) return;
  if (drop_code_ == Code::none) drop_code_ = code;
  up_ = false;  // nothing is sent any more; the reader ends the rest in its own turn
  connection_->close();
}

std::int16_t BrokerConnection::version_of(wire::ApiKey api, std::int16_t newest) const {
  if (!up_) return -1;
  const Range& range = ranges_[static_cast<std::size_t>(api)];
  const std::int16_t version = std::min(range.high, newest);
  return version >= range.low ? version : std::int16_t{-1};
}

void BrokerConnection::send(wire::ApiKey api, std::int16_t version, Bytes frame, PendingAnswer* pending, std::int64_t timeout_ms) {
  const std::int32_t correlation = next_correlation_;
  next_correlation_ = correlation == INT32_MAX ? 0 : correlation + 1;
  unpaid_bytes_ += frame.size();
  if (pending != nullptr) {
    const MonoNs deadline = after_ms(host_.timers.now(), timeout_ms);
    pending->connection_ = this;
    pending->correlation_ = correlation;
    in_flight_.push_back(InFlight{correlation, api, version, deadline, pending});
    if (watch_idle_ || deadline < watching_until_) watch_signal_.wake();
  }
  connection_->send(std::move(frame));
}

void BrokerConnection::forget(std::int32_t correlation) {
  for (InFlight& entry : in_flight_)
    if (entry.correlation == correlation) entry.pending = nullptr;
}

Root BrokerConnection::run(Scope&, Label) {
  for (;;) {
    while (!wanted_) {
      co_await wanted_signal_.next();
    }
    if (host_.timers.now() < next_attempt_) {
      co_await Sleep(host_.timers, next_attempt_, "reconnect backoff");
    }
    drop_code_ = Code::none;
    Code failure = Code::none;
    {
      Task<Result<bool>> setup = set_up();
      const Reached reached = co_await within(setup, host_.timers, after_ms(host_.timers.now(), config_.connection_setup_timeout_ms));
      if (reached != Reached::reached) {
        failure = Code::timed_out;
      } else {
        const Result<bool> made = setup.take();
        if (!made) failure = made.error().code;
      }
    }
    const bool was_up = failure == Code::none;
    if (was_up) {
      up_ = true;
      failures_ = 0;
      state_signal_.wake();
      if (listener_ != nullptr) listener_->connection_changed(*this);
      for (;;) {
        const Result<Bytes> frame = co_await connection_->read_frame(answer_limit_bytes);
        if (!frame) {
          failure = frame.error().code;
          break;
        }
        co_await host_.cpu.spend(Work::client, std::exchange(unpaid_bytes_, 0) + frame->size());
        if (!dispatch(*frame)) {
          failure = Code::malformed_input;
          break;
        }
      }
    }
    went_down(drop_code_ != Code::none ? drop_code_ : failure, was_up);
  }
}

Task<Result<bool>> BrokerConnection::set_up() {
  const Endpoint to = endpoint_;
  Result<ConnectionPtr> connected = co_await host_.net.connect(to);
  if (!connected) co_return pass(connected.error());
  connection_ = std::move(*connected);
  unpaid_bytes_ = 0;
  // Kafka's way: the newest ApiVersions first; a broker that does not know it says so in version 0's form, with its range.
  std::int16_t version = wire::latest_version(wire::ApiKey::api_versions);
  Result<wire::ApiVersionsResponse> versions = co_await ask_versions(version);
  if (versions && versions->error_code == static_cast<std::int16_t>(Code::unsupported_version)) {
    std::int16_t theirs = 0;
    for (const auto& range : versions->api_keys)
      if (range.api_key == static_cast<std::int16_t>(wire::ApiKey::api_versions)) theirs = range.max_version;
    version = std::min(version, theirs);
    versions = co_await ask_versions(version);
  }
  if (!versions) co_return pass(versions.error());
  if (versions->error_code != 0) co_return error(code_from_wire(versions->error_code), "the broker refuses ApiVersions");
  ranges_.fill(Range());
  for (const auto& range : versions->api_keys) {
    const wire::ApiInfo* const ours = wire::find_api(range.api_key);
    if (ours == nullptr || static_cast<std::size_t>(range.api_key) >= api_limit) continue;
    const Range common{std::max(range.min_version, ours->min_version), std::min(range.max_version, ours->max_version)};
    if (common.low <= common.high) ranges_[static_cast<std::size_t>(range.api_key)] = common;
  }
  co_return true;
}

Task<Result<wire::ApiVersionsResponse>> BrokerConnection::ask_versions(std::int16_t version) {
  wire::ApiVersionsRequest request;
  request.client_software_name = "harrow";
  request.client_software_version = "0.1";
  const std::int32_t correlation = next_correlation_++;
  connection_->send(wire::encode_request(version, correlation, config_.client_id, request));
  const Result<Bytes> frame = co_await connection_->read_frame(answer_limit_bytes);
  if (!frame) co_return pass(frame.error());
  Reader reader(*frame);
  const Result<wire::ResponseHeader> header = wire::ResponseHeader::decode(reader, wire::ApiKey::api_versions, version);
  if (!header || header->correlation_id != correlation) co_return error(Code::malformed_input, "an answer to another request");
  // The refusal comes in version 0's form, whatever was asked; its error code stands first in every version.
  Reader peek = reader;
  if (peek.i16() == static_cast<std::int16_t>(Code::unsupported_version)) version = 0;
  co_return wire::ApiVersionsResponse::decode(reader, version);
}

bool BrokerConnection::dispatch(const Bytes& frame) {
  if (in_flight_.empty()) return false;
  Reader reader(frame);
  const InFlight entry = in_flight_.front();
  const Result<wire::ResponseHeader> header = wire::ResponseHeader::decode(reader, entry.api, entry.version);
  if (!header || header->correlation_id != entry.correlation) return false;
  in_flight_.pop_front();
  if (entry.pending == nullptr) return true;
  entry.pending->connection_ = nullptr;
  entry.pending->answered(reader, entry.version);
  return true;
}

void BrokerConnection::went_down(Code code, bool was_up) {
  up_ = false;
  wanted_ = false;
  connection_.reset();
  if (code != Code::timed_out && code != Code::request_timed_out && code != Code::connection_refused && code != Code::not_found &&
      code != Code::unsupported_version)
    code = Code::network_exception;
  if (code == Code::timed_out) code = Code::request_timed_out;
  if (!was_up) ++attempts_;
  last_failure_ = code;
  // 50 ms, 100 ms, ... 1 s, a fifth more or less by chance.
  std::int64_t backoff_ms = config_.reconnect_backoff_ms;
  for (std::int32_t i = 0; i < failures_ && backoff_ms < config_.reconnect_backoff_max_ms; ++i) backoff_ms *= 2;
  backoff_ms = std::min<std::int64_t>(backoff_ms, config_.reconnect_backoff_max_ms);
  const std::int64_t backoff_us = backoff_ms * 1000 * random_.between(80, 120) / 100;
  next_attempt_ = host_.timers.now() + backoff_us * ns_per_us;
  ++failures_;
  while (!in_flight_.empty()) {
    PendingAnswer* const pending = in_flight_.front().pending;
    in_flight_.pop_front();
    if (pending == nullptr) continue;
    pending->connection_ = nullptr;
    pending->unanswered(Error{code, "the connection was lost"});
  }
  watch_signal_.wake();
  state_signal_.wake();
  if (listener_ != nullptr) listener_->connection_changed(*this);
}

Root BrokerConnection::watch(Scope&, Label) {
  for (;;) {
    if (in_flight_.empty()) {
      watch_idle_ = true;
      co_await watch_signal_.next();
      watch_idle_ = false;
      continue;
    }
    const InFlight* first = &in_flight_.front();
    for (const InFlight& entry : in_flight_)
      if (entry.deadline < first->deadline) first = &entry;
    if (first->deadline <= host_.timers.now()) {
      host_.trace.emit(TraceKind::request_timed_out, 0, static_cast<std::int64_t>(first->api), node_.value());
      drop(Code::request_timed_out);
      co_await watch_signal_.next();  // the reader fails them in its own turn
      continue;
    }
    watching_until_ = first->deadline;
    co_await watch_signal_.next(watching_until_);
    watching_until_ = never;
  }
}

}  // namespace harrow
