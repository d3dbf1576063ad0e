#include "core/posix/http_request.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <charconv>

namespace harrow::posix {

Result<HttpAnswer> http_request(const Endpoint& to, const HttpRequest& request, std::int64_t timeout_ms) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(to.port);
  if (::inet_pton(AF_INET, to.host == "localhost" ? "127.0.0.1" : to.host.c_str(), &address.sin_addr) != 1) return error(Code::malformed_input, "not a numeric address");
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return error(Code::io_error, "no socket");
  const timeval limit{static_cast<time_t>(timeout_ms / 1000), static_cast<suseconds_t>(timeout_ms % 1000 * 1000)};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return error(Code::connection_refused, "nobody listens there");
  const std::string sent = request.method + " " + request.path + " HTTP/1.1\r\nHost: " + to.host + "\r\nContent-Length: " + std::to_string(request.body.size()) +
                           "\r\nConnection: close\r\n\r\n" + request.body;
  for (std::size_t done = 0; done < sent.size();) {
    const ssize_t piece = ::send(socket.get(), sent.data() + done, sent.size() - done, MSG_NOSIGNAL);
    if (piece < 0) return error(Code::io_error, "cannot send");
    done += static_cast<std::size_t>(piece);
  }
  std::string text;
  for (char piece[4096];;) {
    const ssize_t got = ::recv(socket.get(), piece, sizeof(piece), 0);
    if (got < 0) return error(errno == EAGAIN || errno == EWOULDBLOCK ? Code::timed_out : Code::io_error, "no answer");
    if (got == 0) break;
    text.append(piece, static_cast<std::size_t>(got));
  }
  const std::size_t space = text.find(' '), end = text.find("\r\n\r\n");
  HttpAnswer answer;
  if (!text.starts_with("HTTP/1.") || space == std::string::npos || end == std::string::npos ||
      std::from_chars(text.data() + space + 1, text.data() + end, answer.status).ec != std::errc())
    return error(Code::malformed_input, "not an HTTP answer");
  answer.body = text.substr(end + 4);
  return answer;
}

}  // namespace harrow::posix
