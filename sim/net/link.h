// One connection: two streams of frames, one for each direction, and the two ends that nodes hold.
// Owner: the fabric, until both ends are gone. A stream keeps its frames in one ring, in the order of sending:
//   arrived and unread | travelling | waiting for bandwidth | waiting for room in the receiver's buffer
// so a frame never moves until it is read. Only the first travelling frame has an event.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/random.h"
#include "core/host/net.h"
#include "sim/kernel/kernel.h"
#include "sim/net/rules.h"
#include "sim/net/sharing.h"

namespace harrow::sim {

class Fabric;
class Link;

struct Frame {
  enum class Kind : std::uint8_t { data, malformed, fin, rst };
  Bytes bytes;
  std::int64_t sent_ns = 0;
  std::int64_t arrival_ns = 0;
  std::uint32_t size = 0;
  std::int16_t api = -1;
  Kind kind = Kind::data;
  bool judged = false;  // an API rule with a count has looked at it
};

class FrameRing {
 public:
  std::size_t size() const { return size_; }
  Frame& operator[](std::size_t index) { return frames_[(head_ + index) & (frames_.size() - 1)]; }
  Frame& push_back() {
    if (size_ == frames_.size()) grow();
    return (*this)[size_++];
  }
  /// The caller has taken its bytes.
  void pop_front() {
    head_ = (head_ + 1) & (frames_.size() - 1);
    --size_;
  }
  void resize_down(std::size_t size) {
    while (size_ > size) (*this)[--size_].bytes.clear();
  }

 private:
  void grow();
  std::vector<Frame> frames_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

/// One direction of a link; `side` is its sender's.
class Stream {
 public:
  Stream(Link& link, unsigned side);

  void send(Bytes&& frame);
  /// fin or rst, in order behind what was sent.
  void send_mark(Frame::Kind kind);
  std::uint64_t unsent_bytes() const { return unsent_; }
  bool has_arrived() const { return arrived_ > 0; }
  /// Completes with the first frame that arrived; false: it was too large.
  bool take(std::uint32_t limit_bytes, Completion<Result<Bytes>>& done);
  /// Nobody will read what has arrived.
  void discard_arrived();
  /// What has not left the sender's host is gone.
  void drop_unsent();
  /// Everything that did not arrive is gone.
  void drop_travelling();
  void rules_changed();
  void set_earliest_arrival(std::int64_t time_ns) { last_arrival_ns_ = std::max(last_arrival_ns_, time_ns); }
  std::size_t in_flight() const { return travelling_ + transmitting_; }

 private:
  friend class Link;
  /// What the rules do to this direction, looked up again when they change.
  struct Effects {
    std::uint64_t generation = 0;
    bool hold = false;
    bool drop = false;
    bool api = false;
    bool narrowed = false;  // by a cap or a pipe of a rule
    bool any = false;       // hold, drop or api
    std::int64_t extra_delay_ns = 0;
    std::uint32_t loss_ppm = 0;
    std::uint64_t cap = no_limit;
  };
  class Arrival final : public Event {
   public:
    explicit Arrival(Stream& stream) : stream_(stream) {}
    void fire() override { stream_.arrive(); }

   private:
    Stream& stream_;
  };
  class Window final : public Event {
   public:
    explicit Window(Stream& stream) : stream_(stream) {}
    void fire() override { stream_.window_opened(); }

   private:
    Stream& stream_;
  };
  class Transmission final : public Flow {
   public:
    explicit Transmission(Stream& stream) : stream_(stream) {}
    std::uint64_t drained() override { return stream_.transmitted(); }

   private:
    Stream& stream_;
  };
  enum class Verdict { pass, hold, api_hold, swallow, stop };

  void refresh();
  void assemble(Bytes bytes);
  void put(Bytes&& bytes, Frame::Kind kind);
  void launch(Frame& frame);
  void depart(Frame& frame, std::int64_t time_ns);
  std::int64_t retransmission_ns(const Frame& frame);
  std::uint64_t transmitted();
  void arrive();
  Verdict judge(Frame& frame);
  Verdict judge_by_api(Frame& frame);
  void hold_back();
  void remove_first_travelling();
  bool fits(const Frame& frame) const;
  std::size_t stalled() const { return ring_.size() - arrived_ - travelling_ - transmitting_; }
  void arm();
  void open_window();
  void window_opened();
  void note_api(Frame& frame);

  Link& link_;
  unsigned side_;
  FrameRing ring_;
  std::size_t arrived_ = 0;
  std::size_t travelling_ = 0;
  std::size_t transmitting_ = 0;
  std::uint64_t window_used_ = 0;
  std::uint64_t unsent_ = 0;
  std::int64_t last_arrival_ns_ = 0;
  std::int64_t base_ns_ = 0;
  Pipes path_;       // of the topology
  Pipes narrowed_;   // and of the rules
  Effects effects_;
  std::int64_t held_since_ns_ = -1;
  std::int64_t rto_ns_ = 0;
  bool api_held_ = false;
  bool broken_ = false;   // a frame was swallowed: nothing behind it arrives
  bool closing_ = false;  // a mark was sent: nothing follows
  Bytes partial_;         // bytes that are no whole frame yet
  Random random_;
  Arrival arrival_{*this};
  Window window_{*this};
  Transmission transmission_{*this};
};

/// What a node holds.
class End final : public Connection {
 public:
  End(Link& link, unsigned side, Endpoint peer) : link_(&link), side_(side), peer_(std::move(peer)) {}
  ~End() override;
  void send(Bytes frame) override;
  std::uint64_t unsent_bytes() const override;
  void close() override;
  bool closed() const override;
  const Endpoint& peer() const override { return peer_; }

 protected:
  void start_read(std::uint32_t limit_bytes, Completion<Result<Bytes>>& done) override;
  void start_flush(Completion<Result<bool>>& done) override;

 private:
  friend class Link;
  friend class Stream;
  Link* link_;
  unsigned side_;
  Endpoint peer_;
  Completion<Result<Bytes>>* reader_ = nullptr;
  Completion<Result<bool>>* flusher_ = nullptr;
  std::uint32_t limit_bytes_ = 0;
  Code error_ = Code::none;   // why nothing comes any more, once what arrived is read
  bool local_closed_ = false;
};

class Link final : public Hook {
 public:
  Link(Fabric& fabric, std::uint64_t number, HostIndex client, HostIndex server, std::uint16_t port);
  ~Link();

  Fabric& fabric() { return fabric_; }
  HostIndex host(unsigned side) const { return hosts_[side]; }
  Stream& stream(unsigned side) { return side == 0 ? forth_ : back_; }
  std::unique_ptr<End> make_end(unsigned side, Endpoint peer);

  void close(unsigned side);
  /// May destroy the link.
  void end_gone(unsigned side);
  /// This side learns that the connection is gone.
  void fail(unsigned side, Code code);
  /// Both do, at once.
  void fail_both() {
    fail(0, Code::connection_reset);
    fail(1, Code::connection_reset);
  }
  /// The side's process or host is gone; its End is dead.
  void kill(unsigned side, bool host_lives);
  void rules_changed();

 private:
  friend class Fabric;
  friend class Stream;
  friend class End;
  friend class Connecting;
  struct Asked {
    std::int32_t correlation;
    std::int16_t api;
  };
  static constexpr std::uint32_t asked_limit = 64;  // acks=0 requests are never answered: the oldest are forgotten
  class Accept final : public Event {
   public:
    explicit Accept(Link& link) : link_(link) {}
    void fire() override { link_.accept(); }

   private:
    Link& link_;
  };
  class Keepalive final : public Event {
   public:
    explicit Keepalive(Link& link) : link_(link) {}
    void fire() override;

   private:
    Link& link_;
  };
  void accept();
  void wake_reader(unsigned side);
  void send_reset(unsigned side);
  void peer_closed(unsigned side);
  void emit_closed(unsigned side, Code code);

  Fabric& fabric_;
  std::uint64_t number_;
  HostIndex hosts_[2];
  std::uint16_t port_;
  Random random_;
  End* ends_[2] = {nullptr, nullptr};
  enum class Side : std::uint8_t { open, closed, crashed };
  Side sides_[2] = {Side::open, Side::open};  // unless open, nobody takes its frames
  bool reset_sent_[2] = {false, false};
  bool broken_ = false;            // a frame was swallowed
  Asked asked_[asked_limit];   // the latest requests, for the API of their responses; a ring
  std::uint32_t first_asked_ = 0;
  std::uint32_t asked_count_ = 0;
  std::unique_ptr<End> unaccepted_;
  Accept accept_{*this};
  Keepalive keepalive_{*this};
  Stream forth_;
  Stream back_;
};

}  // namespace harrow::sim
