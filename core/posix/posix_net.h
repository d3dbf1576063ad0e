// Frames over TCP.
//
// Purpose: implements core/host/net.h with non-blocking sockets. Owner: PosixHost. It touches sockets and the poller.
// Invariants: no code of a node runs within send, close or a read's completion, which only posts; a connection's
// descriptor is closed with its object or by close(), whichever comes first. What was read ahead is bounded: a peer
// that sends more than is read meets a full socket. A connection between two frames holds no memory for reading.
// A peer that is silent for too long while it is its turn to speak or to read is closed; what a request waits for may take longer.
// A port that was not reserved at another address is listened to on 127.0.0.1 alone.
// Limits of this version: IPv4 alone; a host's name is looked up in place, so that the node waits for it; close() drops
// what the socket has not taken yet (wait for flushed() first).
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>

#include "core/base/intrusive.h"
#include "core/host/clock.h"
#include "core/host/net.h"
#include "core/posix/posix_poll.h"

namespace harrow::posix {

/// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = other.release();
    }
    return *this;
  }
  ~Descriptor() { reset(); }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void reset();
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// Who opened a connection: only then is the peer's port that of a listener.
enum class Opened : std::uint8_t { here, there };

/// A fault of a node's links, for tests. What is held stays in the system's buffers: the peer meets a full socket.
struct LinkRule {
  bool everybody = false;             // else connections from here to these ports
  std::set<std::uint16_t> ports;
  bool hold_sends = true, hold_reads = true;
  bool reset = false;                 // instead: connections end, new ones are refused
};

/// What the connections of a network share; outlives them.
struct Traffic {
  Slice spare;    // keeps a block that nobody reads into now
  Block* spare_block = nullptr;
  MonoNs now{0};  // when the poller was asked last
};

class PosixConnection final : public Connection, public Hook, private Watched {
 public:
  PosixConnection(Poller& poller, Traffic& traffic, Descriptor socket, Endpoint peer, Opened opened);
  ~PosixConnection() override;
  void send(Bytes frame) override;
  std::uint64_t unsent_bytes() const override { return unsent_bytes_; }
  void close() override;
  bool closed() const override { return error_ != Code::none; }
  const Endpoint& peer() const override { return peer_; }
  Opened opened() const { return opened_; }
  void hold(bool sends, bool reads);
  /// The transport's end, as if the peer had reset it.
  void reset() { fail(Code::connection_reset); }
  MonoNs used_at() const { return used_at_; }
  /// Whether the peer has to do something next: send a frame, or take what was sent. One that has said its last word may have gone.
  bool waits_for_peer() const { return reader_ != nullptr || flusher_ != nullptr || error_ == Code::closed; }

 protected:
  void start_read(std::uint32_t limit_bytes, Completion<Result<Bytes>>& done) override;
  void start_flush(Completion<Result<bool>>& done) override;

 private:
  void on_io(bool readable, bool writable, bool broken) override;
  void receive();
  void transmit();
  bool give_frame(Completion<Result<Bytes>>& done);
  void want();
  void fail(Code code);
  void drop_socket();
  void take_block();
  void give_block_back();

  Poller& poller_;
  Traffic& traffic_;
  Descriptor socket_;
  Endpoint peer_;
  Opened opened_;
  bool sends_held_ = false, reads_held_ = false;
  Completion<Result<Bytes>>* reader_ = nullptr;
  Completion<Result<bool>>* flusher_ = nullptr;
  std::uint32_t limit_bytes_ = 0;
  Code error_ = Code::none;  // why nothing comes any more, once what arrived is read
  bool local_closed_ = false;
  bool wants_read_ = true;
  bool wants_write_ = false;
  MonoNs used_at_;  // when bytes came or went last

  // What arrived and was not read: whole and partial frames, sizes included. The end of the newest block is free.
  Bytes arrived_;
  Slice block_;  // keeps the newest block, also while nothing of it is in `arrived_`
  Block* memory_ = nullptr;
  std::uint32_t filled_ = 0;
  bool shared_ = false;  // frames were cut out of the block

  std::deque<Slice> unsent_;
  std::uint64_t unsent_bytes_ = 0;
};

class PosixNetwork final : public Network {
 public:
  /// Accepted connections get their turns in this queue.
  PosixNetwork(Poller& poller, ReadyQueue& queue);
  ~PosixNetwork() override;
  Result<bool> listen(std::uint16_t port, AcceptHandler on_accept) override;
  /// Binds a port of `address` now (numeric; 0: any free port) for a later listen() with the port that it returns, so
  /// that nobody else takes it meanwhile; until then it refuses connections. With `name`, listen(name) means this one.
  Result<std::uint16_t> reserve(const std::string& address, std::uint16_t port, std::uint16_t name = 0);
  /// Who connects to this port waits until admit(): it may be listened on before there is anything to answer.
  void hold(std::uint16_t port) { held_.insert(port); }
  void admit(std::uint16_t port);
  /// Faults of links; they hold for connections to come, too.
  void set_rule(std::uint32_t id, LinkRule rule);
  void clear_rule(std::uint32_t id);
  /// Ends every connection.
  void reset_connections();
  /// Peers that connected to here are closed after so much silence (below 0: never).
  void close_idle_after(std::int64_t ms) { idle_ms_ = std::min<std::int64_t>(ms, 1'000'000'000'000); }
  /// Notes the time and closes who was silent for too long; before each time that the poller is asked.
  void tick(MonoNs now);
  /// How long it may take until the next tick.
  std::int64_t longest_wait_ms() const { return idle_ms_ < 0 ? INT64_MAX : std::max<std::int64_t>(idle_ms_ / 4, 10); }
  /// A port on which nobody listens now; 0 when there is none.
  static std::uint16_t free_port();

 protected:
  void start_connect(const Endpoint& to, Completion<Result<ConnectionPtr>>& done) override;

 private:
  class Listener;
  class Connecting;
  /// Rules apply to it from now on; null if one refuses it.
  ConnectionPtr adopt(std::unique_ptr<PosixConnection> connection);
  static bool concerns(const LinkRule& rule, Opened opened, std::uint16_t port) { return rule.everybody || (opened == Opened::here && rule.ports.contains(port)); }
  bool refused(Opened opened, std::uint16_t port) const;
  void apply_rules(PosixConnection& connection);
  Poller& poller_;
  ReadyQueue& queue_;
  Traffic traffic_;
  std::int64_t idle_ms_ = -1;
  MonoNs looked_for_idle_at_{0};
  List<PosixConnection> connections_;
  std::map<std::uint32_t, LinkRule> rules_;
  std::map<std::uint16_t, Descriptor> reserved_;
  std::set<std::uint16_t> held_;
  std::map<std::uint16_t, std::unique_ptr<Listener>> listeners_;
  std::map<int, std::unique_ptr<Connecting>> connecting_;  // by descriptor
};

}  // namespace harrow::posix
