#include "core/posix/http_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace harrow::posix {
namespace {

constexpr std::size_t most_exchanges = 64;
constexpr std::size_t most_bytes = 64u << 10;

const char* reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 409: return "Conflict";
    case 405: return "Method Not Allowed";
    case 503: return "Service Unavailable";
    default: return "Answer";
  }
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

/// The Content-Length among the headers; 0 without one.
std::size_t body_bytes(const std::string& headers) {
  const std::string name = "\r\ncontent-length:";
  const std::size_t at = lower(headers).find(name);
  if (at == std::string::npos) return 0;
  std::size_t from = at + name.size(), value = 0;
  while (from < headers.size() && headers[from] == ' ') ++from;
  std::from_chars(headers.data() + from, headers.data() + headers.size(), value);
  return value;
}

}  // namespace

class HttpListener::Exchange final : public Watched {
 public:
  Exchange(HttpListener& owner, Descriptor socket) : owner_(owner), socket_(std::move(socket)) {
    owner_.poller_.watch(socket_.get(), *this, true, false);
  }
  ~Exchange() override {
    *self_ = nullptr;
    owner_.poller_.forget(socket_.get());
  }
  void on_io(bool, bool, bool broken) override {
    // The owner frees this object when it is over.
    const bool over = broken || (answering_ ? write() : read());
    if (over) owner_.exchanges_.remove_if([this](const std::unique_ptr<Exchange>& other) { return other.get() == this; });
  }

 private:
  bool read() {
    char piece[4096];
    const ssize_t got = ::recv(socket_.get(), piece, sizeof(piece), 0);
    if (got < 0) return errno != EAGAIN && errno != EINTR;
    if (got == 0 || text_.size() + static_cast<std::size_t>(got) > most_bytes) return true;
    text_.append(piece, static_cast<std::size_t>(got));
    const std::size_t end = text_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const std::string headers = text_.substr(0, end);
    const std::size_t wanted = body_bytes(headers);
    if (wanted > most_bytes) return true;
    if (text_.size() - end - 4 < wanted) return false;
    const std::size_t method_end = headers.find(' ');
    const std::size_t path_end = method_end == std::string::npos ? std::string::npos : headers.find(' ', method_end + 1);
    owner_.poller_.change(socket_.get(), false, false);
    if (path_end == std::string::npos) {
      answer({400, "not an HTTP request\n"});
      return false;
    }
    const HttpRequest request{headers.substr(0, method_end), headers.substr(method_end + 1, path_end - method_end - 1), text_.substr(end + 4, wanted)};
    owner_.handler_(request, [self = self_](HttpAnswer answer) {
      if (*self != nullptr) (*self)->answer(answer);
    });
    return false;
  }
  void answer(const HttpAnswer& answer) {
    text_ = "HTTP/1.1 " + std::to_string(answer.status) + " " + reason_of(answer.status) + "\r\nContent-Type: " + answer.content_type +
            "\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\nConnection: close\r\n\r\n" + answer.body;
    answering_ = true;
    owner_.poller_.change(socket_.get(), false, true);
  }
  bool write() {
    const ssize_t sent = ::send(socket_.get(), text_.data() + sent_, text_.size() - sent_, MSG_NOSIGNAL);
    if (sent < 0) return errno != EAGAIN && errno != EINTR;
    sent_ += static_cast<std::size_t>(sent);
    return sent_ == text_.size();
  }
  HttpListener& owner_;
  Descriptor socket_;
  std::string text_;  // the request, then the answer
  std::size_t sent_ = 0;
  bool answering_ = false;
  std::shared_ptr<Exchange*> self_ = std::make_shared<Exchange*>(this);  // for replies that come later
};

HttpListener::HttpListener(Poller& poller, Handler handler) : poller_(poller), handler_(std::move(handler)) {}

HttpListener::~HttpListener() {
  exchanges_.clear();
  if (socket_.valid()) poller_.forget(socket_.get());
}

Result<std::uint16_t> HttpListener::listen(std::uint16_t port) {
  socket_ = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_.valid()) return error(Code::io_error, "no socket");
  const int on = 1;
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t size = sizeof(address);
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(socket_.get(), SOMAXCONN) != 0 ||
      ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    const int number = errno;
    socket_.reset();
    if (number == EADDRINUSE) return error(Code::already_exists, "somebody listens on this port");
    return error(Code::io_error, "cannot listen");
  }
  poller_.watch(socket_.get(), *this, true, false);
  return ntohs(address.sin_port);
}

void HttpListener::on_io(bool, bool, bool) {
  Descriptor accepted(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!accepted.valid()) return;
  if (exchanges_.size() == most_exchanges) exchanges_.pop_front();
  exchanges_.push_back(std::make_unique<Exchange>(*this, std::move(accepted)));
}

}  // namespace harrow::posix
