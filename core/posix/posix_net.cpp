#include "core/posix/posix_net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "core/base/buffer.h"

namespace harrow::posix {
namespace {

constexpr std::uint32_t block_bytes = 64u << 10;
constexpr std::uint32_t large_block_bytes = 1u << 20;
constexpr std::uint64_t read_ahead_bytes = 256u << 10;  // kept while nobody reads
constexpr std::uint64_t copied_frame_bytes = 2048;      // smaller frames do not keep their block alive
constexpr std::int64_t idle_look_ms = 1000;

Code code_of(int number) {
  switch (number) {
    case ECONNREFUSED: return Code::connection_refused;
    case ETIMEDOUT: return Code::timed_out;
    default: return Code::connection_reset;
  }
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

Endpoint endpoint_of(const sockaddr_in& address) {
  char text[INET_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text));
  return Endpoint{text, ntohs(address.sin_port)};
}

Descriptor tcp_socket() { return Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

/// Fills the address of a host's name in.
bool look_up(const std::string& host, sockaddr_in& address) {
  addrinfo wanted{};
  wanted.ai_family = AF_INET;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &wanted, &found) != 0) return false;
  address.sin_addr = reinterpret_cast<const sockaddr_in*>(found->ai_addr)->sin_addr;
  ::freeaddrinfo(found);
  return true;
}

bool bind_to(int fd, const sockaddr_in& address) { return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0; }

void send_without_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

void Descriptor::reset() {
  if (fd_ >= 0) ::close(release());
}

PosixConnection::PosixConnection(Poller& poller, Traffic& traffic, Descriptor socket, Endpoint peer, Opened opened)
    : poller_(poller), traffic_(traffic), socket_(std::move(socket)), peer_(std::move(peer)), opened_(opened), used_at_(traffic.now) {
  send_without_delay(socket_.get());
  poller_.watch(socket_.get(), *this, wants_read_, wants_write_);
}

PosixConnection::~PosixConnection() { close(); }

void PosixConnection::send(Bytes frame) {
  if (!socket_.valid()) return;
  const bool idle = unsent_.empty();
  for (const Slice& slice : frame.slices()) unsent_.push_back(slice);
  unsent_bytes_ += frame.size();
  if (idle) transmit();
}

void PosixConnection::transmit() {
  constexpr std::size_t most = 64;
  while (!unsent_.empty() && !sends_held_) {
    iovec parts[most];
    const std::size_t count = std::min(unsent_.size(), most);
    for (std::size_t i = 0; i < count; ++i) parts[i] = iovec{const_cast<std::uint8_t*>(unsent_[i].data()), unsent_[i].size()};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      return fail(Code::connection_reset);
    }
    used_at_ = traffic_.now;
    unsent_bytes_ -= static_cast<std::uint64_t>(sent);
    for (auto left = static_cast<std::uint64_t>(sent); left > 0;) {
      Slice& first = unsent_.front();
      if (first.size() > left) {
        first.drop_front(static_cast<std::uint32_t>(left));
        break;
      }
      left -= first.size();
      unsent_.pop_front();
    }
  }
  if (unsent_.empty() && flusher_ != nullptr) flusher_->complete(true);
  want();
}

void PosixConnection::close() {
  if (local_closed_) return;
  local_closed_ = true;
  fail(Code::closed);
  drop_socket();
}

void PosixConnection::drop_socket() {
  if (!socket_.valid()) return;
  poller_.forget(socket_.get());
  socket_.reset();
  unsent_.clear();
  unsent_bytes_ = 0;
}

/// The peer's end (`closed`) leaves this side able to send; everything else ends the connection.
void PosixConnection::fail(Code code) {
  if (error_ == Code::none || error_ == Code::closed) error_ = code;
  if (code != Code::closed) drop_socket();
  if (reader_ != nullptr) reader_->complete(error(error_, "connection gone"));
  if (flusher_ != nullptr && (local_closed_ || code != Code::closed)) flusher_->complete(error(error_, "connection gone"));
}

/// Tells the poller what this connection waits for, if that has changed.
void PosixConnection::want() {
  if (!socket_.valid()) return;
  const bool read = error_ == Code::none && !reads_held_ && (reader_ != nullptr || arrived_.size() < read_ahead_bytes);
  const bool write = !unsent_.empty() && !sends_held_;
  if (read == wants_read_ && write == wants_write_) return;
  wants_read_ = read;
  wants_write_ = write;
  poller_.change(socket_.get(), read, write);
}

void PosixConnection::hold(bool sends, bool reads) {
  const bool goes_on = sends_held_ && !sends;
  sends_held_ = sends;
  reads_held_ = reads;
  if (!socket_.valid()) return;
  if (goes_on) transmit();
  else want();
}

void PosixConnection::on_io(bool readable, bool writable, bool broken) {
  if (readable || (broken && error_ == Code::none)) receive();
  if (socket_.valid() && writable) transmit();
  if (socket_.valid() && broken && error_ != Code::none) fail(Code::connection_reset);
}

/// Before a read there is a block with room: what is left of ours, one of its own for a large frame, or the common one.
void PosixConnection::take_block() {
  if (memory_ != nullptr && filled_ < memory_->capacity()) return;
  std::uint64_t missing = 0;
  if (arrived_.size() >= 4) {
    Reader head(arrived_);
    const std::uint64_t whole = std::uint64_t{head.u32()} + 4;
    if (reader_ != nullptr && whole > arrived_.size() && whole - 4 <= limit_bytes_) missing = whole - arrived_.size();
  }
  if (missing <= block_bytes && traffic_.spare.data() != nullptr) {
    block_ = std::move(traffic_.spare);
    traffic_.spare = Slice();
    memory_ = traffic_.spare_block;
  } else {
    memory_ = Block::create(static_cast<std::uint32_t>(std::clamp<std::uint64_t>(missing, block_bytes, large_block_bytes)));
    block_ = Slice::adopt(memory_, 0, 0);
  }
  filled_ = 0;
  shared_ = false;
}

/// Between two frames the block goes to whoever reads next, or stays with the frames that were cut out of it.
void PosixConnection::give_block_back() {
  if (memory_ == nullptr || arrived_.size() != 0) return;
  if (!shared_ && memory_->capacity() == block_bytes) {
    traffic_.spare = std::move(block_);
    traffic_.spare_block = memory_;
  }
  block_ = Slice();
  memory_ = nullptr;
}

/// Reads once (what more there is comes with the next poll) and serves the reader.
void PosixConnection::receive() {
  take_block();
  const ssize_t got = ::recv(socket_.get(), memory_->data() + filled_, memory_->capacity() - filled_, 0);
  if (got < 0) {
    if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) fail(code_of(errno));
    return;
  }
  if (got == 0) {
    fail(Code::closed);
    want();
    return;
  }
  used_at_ = traffic_.now;
  memory_->retain();
  arrived_.append(Slice::adopt(memory_, filled_, static_cast<std::uint32_t>(got)));
  filled_ += static_cast<std::uint32_t>(got);
  if (reader_ != nullptr) give_frame(*reader_);
  if (!shared_) give_block_back();
  want();
}

/// Completes the read if a frame is there or its size is wrong.
bool PosixConnection::give_frame(Completion<Result<Bytes>>& done) {
  if (arrived_.size() < 4) return false;
  Reader head(arrived_);
  const std::int32_t size = head.i32();
  if (size < 0 || static_cast<std::uint32_t>(size) > limit_bytes_) {
    done.complete(error(Code::too_large, "the frame is larger than the limit"));
    close();
    return true;
  }
  const auto frame_bytes = static_cast<std::uint64_t>(size);
  if (arrived_.size() < 4 + frame_bytes) return false;
  arrived_.drop_front(4);
  Bytes frame = arrived_.sub(0, frame_bytes);
  arrived_.drop_front(frame_bytes);
  if (frame_bytes > 0 && frame_bytes <= copied_frame_bytes) {
    Block* const own = Block::create(static_cast<std::uint32_t>(frame_bytes));
    frame.copy_to(0, std::span(own->data(), frame_bytes));
    frame = Bytes(Slice::adopt(own, 0, static_cast<std::uint32_t>(frame_bytes)));
  } else if (frame_bytes > 0) {
    shared_ = true;
  }
  done.complete(std::move(frame));
  return true;
}

void PosixConnection::start_read(std::uint32_t limit_bytes, Completion<Result<Bytes>>& done) {
  CHECK_SAYING(reader_ == nullptr, "one reader at a time");
  if (local_closed_) return done.complete(error(Code::closed, "connection closed"));
  limit_bytes_ = limit_bytes;
  if (give_frame(done)) return want();
  if (error_ != Code::none) return done.complete(error(error_, "connection gone"));
  done.attach(&reader_);
  give_block_back();
  want();
}

void PosixConnection::start_flush(Completion<Result<bool>>& done) {
  if (!socket_.valid()) return done.complete(error(error_, "connection gone"));
  if (unsent_.empty()) return done.complete(true);
  CHECK_SAYING(flusher_ == nullptr, "one flush at a time");
  done.attach(&flusher_);
}

class PosixNetwork::Listener final : public Watched {
 public:
  Listener(PosixNetwork& network, Descriptor socket, AcceptHandler on_accept, bool admits)
      : network_(network), socket_(std::move(socket)), spare_(::open("/dev/null", O_RDONLY | O_CLOEXEC)), on_accept_(std::move(on_accept)) {
    network_.poller_.watch(socket_.get(), *this, admits, false);
  }
  void admit() { network_.poller_.change(socket_.get(), true, false); }
  ~Listener() override { network_.poller_.forget(socket_.get()); }
  void on_io(bool, bool, bool) override {
    sockaddr_in from{};
    socklen_t size = sizeof(from);
    Descriptor accepted(::accept4(socket_.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!accepted.valid()) {
      if (errno == EMFILE || errno == ENFILE) refuse_one();
      return;
    }
    const Running before = running();
    running() = Running{&network_.queue_, "accept"};
    const Endpoint peer = endpoint_of(from);
    if (!network_.refused(Opened::there, peer.port)) on_accept_(network_.adopt(std::make_unique<PosixConnection>(network_.poller_, network_.traffic_, std::move(accepted), peer, Opened::there)));
    running() = before;
  }

 private:
  /// Out of descriptors: the spare one lets the waiting peer be told, instead of asking for ever.
  void refuse_one() {
    spare_.reset();
    Descriptor(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)).reset();
    spare_ = Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  PosixNetwork& network_;
  Descriptor socket_;
  Descriptor spare_;
  AcceptHandler on_accept_;
};

class PosixNetwork::Connecting final : public Watched {
 public:
  Connecting(PosixNetwork& network, Descriptor socket, Endpoint to, Completion<Result<ConnectionPtr>>& done)
      : network_(network), socket_(std::move(socket)), to_(std::move(to)) {
    done.attach(&done_);
    network_.poller_.watch(socket_.get(), *this, false, true);
  }
  ~Connecting() override {
    if (socket_.valid()) network_.poller_.forget(socket_.get());
    if (done_ != nullptr) done_->detach();
  }
  void on_io(bool, bool, bool) override {
    int failed = 0;
    socklen_t size = sizeof(failed);
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &failed, &size) != 0) failed = errno;
    const int fd = socket_.get();
    network_.poller_.forget(fd);
    Descriptor socket = std::move(socket_);
    if (done_ != nullptr) {
      if (failed != 0) done_->complete(error(code_of(failed), "cannot connect"));
      else done_->complete(network_.adopt(std::make_unique<PosixConnection>(network_.poller_, network_.traffic_, std::move(socket), to_, Opened::here)));
    }
    network_.connecting_.erase(fd);  // this object
  }

 private:
  PosixNetwork& network_;
  Descriptor socket_;
  Endpoint to_;
  Completion<Result<ConnectionPtr>>* done_ = nullptr;
};

PosixNetwork::PosixNetwork(Poller& poller, ReadyQueue& queue) : poller_(poller), queue_(queue) {}

PosixNetwork::~PosixNetwork() = default;

ConnectionPtr PosixNetwork::adopt(std::unique_ptr<PosixConnection> connection) {
  connections_.link_back(*connection);
  if (!rules_.empty()) apply_rules(*connection);
  return connection;
}

bool PosixNetwork::refused(Opened opened, std::uint16_t port) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const auto& rule) { return rule.second.reset && concerns(rule.second, opened, port); });
}

void PosixNetwork::apply_rules(PosixConnection& connection) {
  bool sends = false, reads = false;
  for (const auto& [id, rule] : rules_) {
    if (!concerns(rule, connection.opened(), connection.peer().port)) continue;
    if (rule.reset) return connection.reset();
    sends = sends || rule.hold_sends;
    reads = reads || rule.hold_reads;
  }
  connection.hold(sends, reads);
}

void PosixNetwork::set_rule(std::uint32_t id, LinkRule rule) {
  rules_.insert_or_assign(id, std::move(rule));
  connections_.for_each([this](PosixConnection& connection) { apply_rules(connection); });
}

void PosixNetwork::clear_rule(std::uint32_t id) {
  if (rules_.erase(id) != 0) connections_.for_each([this](PosixConnection& connection) { apply_rules(connection); });
}

void PosixNetwork::reset_connections() {
  connections_.for_each([](PosixConnection& connection) { connection.reset(); });
}

void PosixNetwork::tick(MonoNs now) {
  traffic_.now = now;
  if (idle_ms_ < 0 || now < after_ms(looked_for_idle_at_, std::min(idle_ms_, idle_look_ms))) return;
  looked_for_idle_at_ = now;
  connections_.for_each([&](PosixConnection& connection) {
    if (connection.opened() == Opened::there && connection.waits_for_peer() && now >= after_ms(connection.used_at(), idle_ms_)) connection.reset();
  });
}

Result<std::uint16_t> PosixNetwork::reserve(const std::string& address, std::uint16_t port, std::uint16_t name) {
  sockaddr_in bound = loopback(port);
  if (::inet_pton(AF_INET, address.c_str(), &bound.sin_addr) != 1) return error(Code::not_found, "not a numeric address");
  Descriptor socket = tcp_socket();
  if (!socket.valid()) return error(Code::io_error, "no socket");
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));  // a restart must not wait for old connections
  socklen_t size = sizeof(bound);
  if (!bind_to(socket.get(), bound) || ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    if (errno == EADDRINUSE) return error(Code::already_exists, "somebody listens on this port");
    return error(Code::io_error, "cannot listen");
  }
  const std::uint16_t given = ntohs(bound.sin_port);
  reserved_.insert_or_assign(name != 0 ? name : given, std::move(socket));
  return given;
}

Result<bool> PosixNetwork::listen(std::uint16_t port, AcceptHandler on_accept) {
  auto found = reserved_.find(port);
  if (found == reserved_.end()) {
    const Result<std::uint16_t> bound = reserve("127.0.0.1", port);
    if (!bound) return pass(bound.error());
    found = reserved_.find(*bound);
  }
  Descriptor socket = std::move(found->second);
  reserved_.erase(found);
  if (::listen(socket.get(), SOMAXCONN) != 0) {
    if (errno == EADDRINUSE) return error(Code::already_exists, "somebody listens on this port");
    return error(Code::io_error, "cannot listen");
  }
  listeners_.insert_or_assign(port, std::make_unique<Listener>(*this, std::move(socket), std::move(on_accept), !held_.contains(port)));
  return true;
}

void PosixNetwork::admit(std::uint16_t port) {
  held_.erase(port);
  if (const auto listener = listeners_.find(port); listener != listeners_.end()) listener->second->admit();
}

std::uint16_t PosixNetwork::free_port() {
  const Descriptor socket = tcp_socket();
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  if (!socket.valid() || !bind_to(socket.get(), address)) return 0;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.sin_port);
}

void PosixNetwork::start_connect(const Endpoint& to, Completion<Result<ConnectionPtr>>& done) {
  sockaddr_in address = loopback(to.port);
  if (to.host != "localhost" && ::inet_pton(AF_INET, to.host.c_str(), &address.sin_addr) != 1 && !look_up(to.host, address))
    return done.complete(error(Code::not_found, "no such host"));
  if (refused(Opened::here, to.port)) return done.complete(error(Code::connection_refused, "a fault refuses it"));
  Descriptor socket = tcp_socket();
  if (!socket.valid()) return done.complete(error(Code::connection_refused, "no socket"));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0)
    return done.complete(adopt(std::make_unique<PosixConnection>(poller_, traffic_, std::move(socket), to, Opened::here)));
  if (errno != EINPROGRESS) return done.complete(error(code_of(errno), "cannot connect"));
  const int fd = socket.get();
  connecting_.insert_or_assign(fd, std::make_unique<Connecting>(*this, std::move(socket), to, done));
}

}  // namespace harrow::posix
