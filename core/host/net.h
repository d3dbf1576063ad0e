// Stream connections that carry frames. Real: TCP through Asio. Simulated: the fabric (latency, shared bandwidth, loss
// as delay, partitions, resets).
//
// A frame on the stream is a big-endian int32 size and that many bytes (facts section 1). `send` takes whole frames,
// size included; `read_frame` gives one frame without its size. Order holds within a connection and direction. A reset
// may cut a frame in two; the reader then sees only the reset.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/async/completion.h"
#include "core/async/wait.h"
#include "core/base/bytes.h"
#include "core/base/result.h"

namespace harrow {

struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

class Connection {
 public:
  virtual ~Connection() = default;  // closes

  /// Queues a frame (with its size field); never blocks. Errors show up in read_frame and flushed.
  virtual void send(Bytes frame) = 0;
  /// Bytes queued here and not yet handed to the peer's receive buffer.
  virtual std::uint64_t unsent_bytes() const = 0;
  virtual void close() = 0;
  virtual bool closed() const = 0;
  /// The other side, for logs and traces.
  virtual const Endpoint& peer() const = 0;

  class FrameWait : public Completion<Result<Bytes>> {
   public:
    FrameWait(Connection& connection, std::uint32_t limit_bytes) : connection_(connection), limit_bytes_(limit_bytes) {}
    bool await_ready() {
      connection_.start_read(limit_bytes_, *this);
      return completed();
    }
    void await_suspend(std::coroutine_handle<> h) { suspend(h, "read frame"); }
    Result<Bytes> await_resume() { return take(); }

   private:
    Connection& connection_;
    std::uint32_t limit_bytes_;
  };
  /// The next frame, without its size. Errors: connection_reset, closed (by either side), too_large (then the
  /// connection is closed). One reader at a time.
  FrameWait read_frame(std::uint32_t limit_bytes) { return FrameWait(*this, limit_bytes); }

  class FlushWait : public Completion<Result<bool>> {
   public:
    explicit FlushWait(Connection& connection) : connection_(connection) {}
    bool await_ready() {
      connection_.start_flush(*this);
      return completed();
    }
    void await_suspend(std::coroutine_handle<> h) { suspend(h, "flush connection"); }
    Result<bool> await_resume() { return take(); }

   private:
    Connection& connection_;
  };
  /// Waits until little enough is unsent that more may be queued (back-pressure). Errors as read_frame.
  FlushWait flushed() { return FlushWait(*this); }

 protected:
  virtual void start_read(std::uint32_t limit_bytes, Completion<Result<Bytes>>& done) = 0;
  virtual void start_flush(Completion<Result<bool>>& done) = 0;
};

using ConnectionPtr = std::unique_ptr<Connection>;

/// Gets each accepted connection in its own turn of the listening node; it usually starts a root for it.
using AcceptHandler = std::function<void(ConnectionPtr)>;

class Network {
 public:
  virtual ~Network() = default;
  /// Accepts on this port until the host ends. Error: already_exists.
  virtual Result<bool> listen(std::uint16_t port, AcceptHandler on_accept) = 0;

  class ConnectWait : public Completion<Result<ConnectionPtr>> {
   public:
    ConnectWait(Network& network, Endpoint to) : network_(network), to_(std::move(to)) {}
    bool await_ready() {
      network_.start_connect(to_, *this);
      return completed();
    }
    void await_suspend(std::coroutine_handle<> h) { suspend(h, "connect"); }
    Result<ConnectionPtr> await_resume() { return take(); }

   private:
    Network& network_;
    Endpoint to_;
  };
  /// Errors: connection_refused (nobody listens), timed_out (nobody answers; the transport's own limit), not_found
  /// (no such host).
  ConnectWait connect(Endpoint to) { return ConnectWait(*this, std::move(to)); }

 protected:
  virtual void start_connect(const Endpoint& to, Completion<Result<ConnectionPtr>>& done) = 0;
};

}  // namespace harrow
