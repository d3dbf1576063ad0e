// A small HTTP/1.1 server on 127.0.0.1, for a program's own status pages and orders: one request a connection, answered at
// once or later.
//
// Owner: the program. It touches sockets and the poller of the host that it is given. Invariants: a request may take
// 64 KiB and 64 connections are kept at most; a new one pushes the oldest out, so silent peers hold nothing for long.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "core/posix/posix_host.h"

namespace harrow::posix {

struct HttpRequest {
  std::string method, path, body;
};
struct HttpAnswer {
  int status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
};

class HttpListener final : private Watched {
 public:
  /// Called once, on the host's thread, at any time; whoever asked may have left by then.
  using Reply = std::function<void(HttpAnswer)>;
  using Handler = std::function<void(const HttpRequest&, Reply)>;
  HttpListener(Poller& poller, Handler handler);
  ~HttpListener() override;
  /// The port listened on (for 0: a free one). Errors: already_exists, io_error.
  Result<std::uint16_t> listen(std::uint16_t port);

 private:
  class Exchange;
  void on_io(bool readable, bool writable, bool broken) override;
  Poller& poller_;
  Handler handler_;
  Descriptor socket_;
  std::list<std::unique_ptr<Exchange>> exchanges_;  // the oldest first
};

}  // namespace harrow::posix
