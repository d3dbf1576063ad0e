// Requests from this node to another over a connection of its own: connects when needed, one correlation id after the
// other, several in flight in order, a deadline each. A time-out or a broken frame drops the connection and with it
// everything in flight. Used between nodes (fetchers, AlterPartition, heartbeats, forwarding, quorum), each with its own
// channel as in Kafka; the versions are this product's newest ones, since all nodes run one version.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "core/async/wait.h"
#include "core/host/host.h"
#include "core/wire/api.h"
#include "core/wire/frame.h"

namespace harrow {

class RpcChannel {
 public:
  RpcChannel(Host& host, std::string client_id, std::int64_t request_timeout_ms)
      : host_(host), client_id_(std::move(client_id)), request_timeout_ms_(request_timeout_ms), turn_(host.timers, 1) {}

  /// Where requests go; another address drops the connection.
  void set_endpoint(const Endpoint& endpoint) {
    if (endpoint == endpoint_) return;
    endpoint_ = endpoint;
    connection_.reset();
  }
  const Endpoint& endpoint() const { return endpoint_; }
  void disconnect() { connection_.reset(); }

  /// Sends and waits for the answer. One request at a time; later callers queue. Errors: connection_refused,
  /// connection_reset, timed_out, malformed_input (the answer does not decode: the connection is dropped).
  template <class Response, class Request>
  Task<Result<Response>> call(wire::ApiKey api, std::int16_t version, Request request) {
    const MonoNs deadline = after_ms(host_.clock.mono(), request_timeout_ms_);
    const Reached turn = co_await turn_.take(1, deadline);
    if (turn != Reached::reached) co_return error(Code::timed_out, "the channel is busy");
    const std::int32_t correlation = next_correlation_++;
    Bytes frame = wire::encode_request(api, version, correlation, client_id_, request);
    Task<Result<Bytes>> exchange = exchange_frame(std::move(frame));
    const Reached done = co_await within(exchange, host_.timers, deadline);
    if (done != Reached::reached) {
      exchange = Task<Result<Bytes>>();  // before the connection that it reads from
      connection_.reset();
      turn_.release(1);
      co_return error(Code::timed_out, "no answer in time");
    }
    const Result<Bytes> answer = exchange.take();
    if (!answer) connection_.reset();
    turn_.release(1);
    if (!answer) co_return pass(answer.error());
    Reader reader(*answer);
    const Result<wire::ResponseHeader> answered = wire::ResponseHeader::decode(reader, api, version);
    if (!answered || answered->correlation_id != correlation) {
      connection_.reset();
      co_return error(Code::malformed_input, "an answer to another request");
    }
    Result<Response> response = wire::decode_body<Response>(reader, version);
    if (!response) connection_.reset();
    co_return response;
  }

 private:
  Task<Result<Bytes>> exchange_frame(Bytes frame);

  Host& host_;
  std::string client_id_;
  std::int64_t request_timeout_ms_;
  Semaphore turn_;
  Endpoint endpoint_;
  ConnectionPtr connection_;
  std::int32_t next_correlation_ = 0;
};

}  // namespace harrow
