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
constexpr std::uint64_t no_limit = 1'000'000'000'000;  // bytes/s: faster than anything

class Sharing;
using Pipes = boost::container::small_vector<PipeIndex, 6>;

class Flow : public Event {
 public:
  ~Flow() override;
  void fire() final;
  bool active() const { return sharing_ != nullptr; }
  std::uint64_t rate_bytes_per_s() const { return rate_; }

 protected:
  /// The bytes have left, in an event of their own. Gives the size of what goes next on the same path; 0 = the end.
  virtual std::uint64_t drained() = 0;

 private:
  friend class Sharing;
  Sharing* sharing_ = nullptr;
  Pipes pipes_;
  std::uint64_t cap_ = no_limit;
  std::uint64_t rate_ = 0;
  std::uint64_t left_ = 0;  // bytes x 10^9
  std::int64_t since_ns_ = 0;
  std::uint64_t visit_ = 0;
  bool fixed_ = false;
};

class Sharing {
 public:
  explicit Sharing(Kernel& kernel) : kernel_(kernel) {}
  PipeIndex add_pipe(std::uint64_t bytes_per_s);
  std::uint64_t capacity(PipeIndex pipe) const { return pipes_[pipe].capacity; }
  std::size_t pipes() const { return pipes_.size(); }
  std::size_t flows() const { return flows_; }

  /// How long so many bytes take if they may pass beside the flows, and charges them; -1 if they must become a flow.
  std::int64_t try_pass(const Pipes& path, std::uint64_t bytes) {
    if (bytes > pass_bytes) return -1;
    const std::int64_t now = kernel_.now_ns();
    std::int64_t longest = 0;
    for (const PipeIndex index : path) {
      Pipe& pipe = pipes_[index];
      const auto time = static_cast<std::int64_t>(bytes * pipe.ns_per_byte_q24 >> 24);
      const std::int64_t start = pipe.busy_until_ns > now ? pipe.busy_until_ns : now;
      if (pipe.flow_count != 0 || start - now > backlog_ns || time > pass_ns || pipe.ns_per_byte_q24 == 0) [[unlikely]]
        return try_pass_busy(path, bytes, index);
      pipe.busy_until_ns = start + time;
      if (start + time - now > longest) longest = start + time - now;
    }
    return longest;
  }

  void start(Flow& flow, const Pipes& path, std::uint64_t cap_bytes_per_s, std::uint64_t bytes);
  /// The same bytes over another path or below another cap.
  void change(Flow& flow, const Pipes& path, std::uint64_t cap_bytes_per_s);
  void stop(Flow& flow);

 private:
  friend class Flow;
  static constexpr std::uint64_t pass_bytes = 64u << 10;
  static constexpr std::int64_t pass_ns = 60'000;      // longer transmissions are flows
  static constexpr std::int64_t backlog_ns = 100'000;  // and so is everything on a pipe that is so far behind
  struct Pipe {
    std::uint64_t capacity = 0;
    std::uint64_t ns_per_byte_q24 = 0;  // 0: too slow for passing
    std::int64_t busy_until_ns = 0;     // the account of what passed
    std::uint32_t flow_count = 0;       // the size of `flows`
    std::vector<Flow*> flows;
    std::uint64_t visit = 0;
    std::uint64_t free = 0;
    std::uint32_t open = 0;
  };
  std::int64_t try_pass_busy(const Pipes& path, std::uint64_t bytes, PipeIndex charged_before);
  void finished(Flow& flow);
  void enlist(Flow& flow, const Pipes& path);
  void unlist(Flow& flow);
  void settle(Flow& flow);
  void schedule(Flow& flow);
  void share_anew(const Pipes& touched, Flow* alone);

  Kernel& kernel_;
  std::vector<Pipe> pipes_;
  std::size_t flows_ = 0;
  std::uint64_t visit_ = 0;
};

}  // namespace harrow::sim
