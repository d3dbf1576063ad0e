// Bandwidth shared max-min fairly among flows, at the level of flows (no packets). A flow is a stretch of bytes that
// some sender is transmitting over a path of pipes; when one starts or ends, the rates of those that share a pipe with
// it, directly or through others, are computed anew, and of no others.
// Small frames over idle pipes never become flows: they are charged to a pipe's account, and only if that shows the
// pipe to be busy do they join the flows.
// Invariants: integers only (bytes per second; progress in bytes x 10^9), so that rates are exact on every machine.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <vector>

#include "sim/kernel/kernel.h"
#include "sim/net/topology.h"

namespace harrow::sim {

constexpr PipeIndex no_pipe = UINT32_MAX;
constexpr std::uint64_t no_limit = UINT64_MAX / 4'000'000'000;  // bytes/s; x 1 s in ns still fits

class Sharing;

/// Derive; `drained()` is called, in an event, when the bytes given to start() have left.
class Flow : public Event {
 public:
  ~Flow() override;
  void fire() final;
  bool active() const { return active_; }
  std::uint64_t rate_bytes_per_s() const { return rate_; }

 protected:
  virtual void drained() = 0;

 private:
  friend class Sharing;
  Sharing* sharing_ = nullptr;
  boost::container::small_vector<PipeIndex, 6> pipes_;
  std::uint64_t cap_ = no_limit;
  std::uint64_t rate_ = 0;
  std::uint64_t left_ = 0;  // bytes x 10^9
  std::int64_t since_ns_ = 0;
  std::uint64_t visit_ = 0;
  std::uint64_t order_ = 0;
  bool active_ = false;
  bool fixed_ = false;
};

class Sharing {
 public:
  explicit Sharing(Kernel& kernel) : kernel_(kernel) {}
  PipeIndex add_pipe(std::uint64_t bytes_per_s);
  void set_capacity(PipeIndex pipe, std::uint64_t bytes_per_s);
  std::uint64_t capacity(PipeIndex pipe) const { return pipes_[pipe].capacity; }
  std::size_t pipes() const { return pipes_.size(); }
  std::size_t flows() const { return flows_; }

  /// Transmission time of so many bytes if they may go at once, beside the flows; -1 if they must become a flow.
  std::int64_t try_pass(const std::vector<PipeIndex>& path, std::uint64_t bytes);

  void start(Flow& flow, const std::vector<PipeIndex>& path, PipeIndex extra, std::uint64_t cap_bytes_per_s, std::uint64_t bytes);
  void stop(Flow& flow);

 private:
  friend class Flow;
  struct Pipe {
    std::uint64_t capacity;
    std::uint64_t ns_per_byte_q24;  // for the cheap way
    std::int64_t busy_until_ns = 0; // the account of frames that passed beside the flows
    std::vector<Flow*> flows;
    std::uint64_t visit = 0;
    std::uint64_t free = 0;
    std::uint32_t open = 0;
  };
  void finished(Flow& flow);
  void unlist(Flow& flow);
  void settle(Flow& flow);
  void share_anew(const boost::container::small_vector<PipeIndex, 6>& touched);

  Kernel& kernel_;
  std::vector<Pipe> pipes_;
  std::size_t flows_ = 0;
  std::uint64_t visit_ = 0;
  std::uint64_t next_order_ = 0;
};

}  // namespace harrow::sim
