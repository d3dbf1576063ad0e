// One connection to one broker: connects when wanted, negotiates versions, pipelines requests, matches answers by
// order. It is kept for the life of its pool; a lost connection is made again when somebody wants it.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <utility>

#include "core/async/completion.h"
#include "core/async/wait.h"
#include "core/client/client_config.h"
#include "core/host/host.h"
#include "core/wire/api_versions_response.h"
#include "core/wire/frame.h"

namespace harrow {

class BrokerConnection;

/// A request whose answer is awaited. Dying before the answer comes is fine: the answer is then dropped.
class PendingAnswer {
 public:
  PendingAnswer() = default;
  PendingAnswer(const PendingAnswer&) = delete;
  PendingAnswer& operator=(const PendingAnswer&) = delete;
  virtual ~PendingAnswer();
  /// Exactly one of the two, in the connection's turn. They must not destroy the connection.
  virtual void answered(Reader& body, std::int16_t version) = 0;
  virtual void unanswered(Error error) = 0;

 private:
  friend class BrokerConnection;
  BrokerConnection* connection_ = nullptr;
  std::int32_t correlation_ = 0;
};

/// Hears that a connection came up, went down, or could not be made.
class ConnectionListener {
 public:
  virtual ~ConnectionListener() = default;
  virtual void connection_changed(BrokerConnection& connection) = 0;
};

class BrokerConnection {
 public:
  BrokerConnection(Host& host, const ClientConfig& config, NodeId node, Endpoint endpoint, ConnectionListener* listener);
  ~BrokerConnection();
  BrokerConnection(const BrokerConnection&) = delete;
  BrokerConnection& operator=(const BrokerConnection&) = delete;

  NodeId node() const { return node_; }
  const Endpoint& endpoint() const { return endpoint_; }
  /// Another address: the old connection is dropped.
  void set_endpoint(const Endpoint& endpoint);
  bool up() const { return up_; }
  /// Whether the last attempts failed and the next one has to wait.
  bool backing_off() const { return failures_ > 0 && host_.timers.now() < next_attempt_; }
  std::size_t in_flight() const { return in_flight_.size(); }
  /// Connects in the background if need be.
  void want();
  /// Waits until it is up. The error of the attempt, or request_timed_out.
  Task<Result<bool>> ready(MonoNs deadline);
  /// Ends the connection; what is in flight fails with this code.
  void drop(Code code);

  /// The version both sides speak, at most `newest`; -1: none (or not up).
  std::int16_t version_of(wire::ApiKey api, std::int16_t newest = INT16_MAX) const;

  /// Sends a request over an open connection; the answer goes to `pending`. null: no answer will come (acks=0).
  template <class Request>
  Result<bool> post(const Request& request, PendingAnswer* pending, std::int64_t timeout_ms, std::int16_t newest = INT16_MAX,
                    std::uint32_t expected_bytes = 256) {
    const std::int16_t version = version_of(Request::api_key, newest);
    if (version < 0) return error(up_ ? Code::unsupported_version : Code::network_exception, "no connection or no common version");
    send(Request::api_key, version,
         wire::encode_request(Request::api_key, version, next_correlation_, config_.client_id, request, expected_bytes), pending, timeout_ms);
    return true;
  }
  /// Connects if need be, sends, waits for the answer; timeout_ms 0: request.timeout.ms.
  template <class Request>
  Task<Result<typename Request::Response>> call(Request request, std::int64_t timeout_ms = 0, std::int16_t newest = INT16_MAX);

 private:
  friend class PendingAnswer;
  struct InFlight {
    std::int32_t correlation;
    wire::ApiKey api;
    std::int16_t version;
    MonoNs deadline;
    PendingAnswer* pending;
  };
  Root run(Scope&, Label);
  Root watch(Scope&, Label);
  Task<Result<bool>> set_up();
  Task<Result<wire::ApiVersionsResponse>> ask_versions(std::int16_t version);
  void send(wire::ApiKey api, std::int16_t version, Bytes frame, PendingAnswer* pending, std::int64_t timeout_ms);
  bool dispatch(const Bytes& frame);
  void went_down(Code code, bool was_up);
  void forget(std::int32_t correlation);

  static constexpr std::size_t api_limit = 96;
  struct Range {
    std::int16_t low = 0, high = -1;
  };

  Host& host_;
  const ClientConfig& config_;
  const NodeId node_;
  Endpoint endpoint_;
  ConnectionListener* listener_;
  Random random_;
  ConnectionPtr connection_;
  std::deque<InFlight> in_flight_;
  std::array<Range, api_limit> ranges_;
  bool up_ = false;
  bool wanted_ = false;
  std::int32_t next_correlation_ = 0;
  std::int32_t failures_ = 0;   // since it was last up
  std::uint64_t attempts_ = 0;  // that failed, ever
  Code last_failure_ = Code::none;
  Code drop_code_ = Code::none;
  MonoNs next_attempt_{0};
  MonoNs watching_until_ = never;
  bool watch_idle_ = false;
  std::uint64_t unpaid_bytes_ = 0;  // sent and not yet spent on
  Signal wanted_signal_;
  Signal state_signal_;
  Signal watch_signal_;
  Scope scope_;  // last: its roots use everything above
};

namespace detail {
template <class Response>
class CallAnswer final : public PendingAnswer, public Completion<Result<Response>> {
 public:
  void answered(Reader& body, std::int16_t version) override { this->complete(wire::decode_body<Response>(body, version)); }
  void unanswered(Error e) override { this->complete(pass(e)); }
  bool await_ready() const { return this->completed(); }
  void await_suspend(std::coroutine_handle<> handle) { this->suspend(handle, "answer"); }
  Result<Response> await_resume() { return this->take(); }
};
}  // namespace detail

template <class Request>
Task<Result<typename Request::Response>> BrokerConnection::call(Request request, std::int64_t timeout_ms, std::int16_t newest) {
  if (timeout_ms == 0) timeout_ms = config_.request_timeout_ms;
  const Result<bool> is_up = co_await ready(after_ms(host_.timers.now(), timeout_ms));
  if (!is_up) co_return pass(is_up.error());
  detail::CallAnswer<typename Request::Response> answer;
  const Result<bool> posted = post(request, &answer, timeout_ms, newest);
  if (!posted) co_return pass(posted.error());
  co_return co_await answer;
}

}  // namespace harrow
