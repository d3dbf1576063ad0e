// The simulated network of a run: connections that carry frames between hosts.
// Purpose: implements core/host/net.h. Owner: the run (sim/cluster). It touches the kernel and its trace only.
// Invariants: within a connection and direction frames arrive in the order in which they were sent, whatever the
// latency draws, rules and losses; a frame is one event; no code of a node runs inside send(), only through posts and,
// for accepted connections, in an event of their own; a paused node's frames arrive in its buffers.
//
// A crash: call `crash(host, ...)` before the node's scope is destroyed, then `restart(host)` and `attach` again.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/host/net.h"
#include "sim/kernel/kernel.h"
#include "sim/net/link.h"
#include "sim/net/rules.h"
#include "sim/net/sharing.h"
#include "sim/net/topology.h"

namespace harrow::sim {

class Fabric;

class Connecting;

/// How the transport behaves, the same for all hosts. Latency is the topology's one-way time plus an exponential jitter.
struct TransportProfile {
  std::int64_t jitter_mean_ns = 20'000;
  std::uint32_t slow_ppm = 0;            // so many frames a million take `slow_mean_ns` longer on average
  std::int64_t slow_mean_ns = 0;
  std::uint32_t loss_ppm = 0;            // a segment
  std::uint64_t receive_buffer_bytes = 1 << 20;
  std::int64_t connect_timeout_ns = 10 * ns_per_s;
  std::int64_t rto_min_ns = 200 * ns_per_ms;
  std::int64_t rto_max_ns = 120 * ns_per_s;
  std::int64_t user_timeout_ns = 900 * ns_per_s;   // unacknowledged for so long: the connection is given up
  std::int64_t keepalive_ns = 7200 * ns_per_s;
};

enum class CrashMode {
  reset,       // the process dies, its host lives on: peers get a reset, new connections are refused
  black_hole,  // the host dies: peers notice nothing until they send and give up, or it is back and answers with resets
};

/// A host's network. It outlives the node's incarnations.
class Port final : public Network {
 public:
  Port(Fabric& fabric, HostIndex host) : fabric_(fabric), host_(host) {}
  ~Port() override;
  Result<bool> listen(std::uint16_t port, AcceptHandler on_accept) override;
  HostIndex host() const { return host_; }
  std::uint32_t incarnation() const { return incarnation_; }

 protected:
  void start_connect(const Endpoint& to, Completion<Result<ConnectionPtr>>& done) override;

 private:
  friend class Fabric;
  friend class Connecting;
  friend class Link;
  friend class Stream;
  Fabric& fabric_;
  HostIndex host_;
  std::uint32_t incarnation_ = 0;
  bool host_up_ = true;     // answers at all
  bool process_up_ = true;  // may listen and connect
  ReadyQueue* queue_ = nullptr;
  std::map<std::uint16_t, AcceptHandler> listeners_;
};

class Fabric {
 public:
  Fabric(Kernel& kernel, Topology topology, Random random, TransportProfile profile = {});
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;
  ~Fabric();

  /// The host's network, under this name (which endpoints use) and for this node's turns. Again after a restart.
  Port& attach(HostIndex host, std::string_view name, ReadyQueue& queue);
  /// Adds a host while the run goes on.
  HostIndex add_host(std::string_view name, std::string_view rack, std::string_view zone, std::string_view region);
  /// Ends every connection and listener of the host, in the given way. Its Connection objects are dead from now on.
  void crash(HostIndex host, CrashMode mode);
  /// The host is up again and a new process may attach; its incarnation has grown.
  void restart(HostIndex host);

  /// Rules stand until they are cleared; the same id replaces.
  void set_rule(std::uint32_t id, Rule rule);
  void clear_rule(std::uint32_t id);
  void clear_rules();
  /// Resets every connection of the host, seen by both sides.
  void reset_connections(HostIndex host);
  /// Whether messages from one host get to the other now (no crash and no rule against it).
  bool reachable(HostIndex from, HostIndex to) const;

  const Topology& topology() const { return topology_; }
  Topology& topology() { return topology_; }
  const TransportProfile& profile() const { return profile_; }
  std::uint32_t incarnation(HostIndex host) const;

  // Counters for tests and reports.
  std::uint64_t frames_sent() const { return frames_sent_; }
  std::uint64_t frames_delivered() const { return frames_delivered_; }
  std::uint64_t bytes_delivered() const { return bytes_delivered_; }
  std::uint64_t frames_in_flight() const { return frames_in_flight_; }
  std::size_t connections();

 private:
  friend class Port;
  friend class Link;
  friend class Stream;
  friend class Connecting;
  struct StandingRule {
    Rule rule;
    PipeIndex pipe = no_pipe;  // its shared capacity
    std::uint32_t taken = 0;   // frames of its count
  };
  Port* port_of(HostIndex host) const { return host < ports_.size() ? ports_[host].get() : nullptr; }
  HostIndex host_named(const std::string& name) const;
  bool blocked(HostIndex from, HostIndex to) const;
  bool refused(HostIndex from, HostIndex to) const;
  bool blocked_by_mode(HostIndex from, HostIndex to, RuleMode a, RuleMode b) const;
  void rules_changed();
  Pipes pipes_of(const std::vector<PipeIndex>& path);

  Kernel& kernel_;
  Topology topology_;
  Random random_;
  TransportProfile profile_;
  Sharing sharing_;
  std::vector<PipeIndex> pipe_numbers_;  // the topology's pipes among all that are shared
  std::vector<std::unique_ptr<Port>> ports_;
  std::map<std::string, HostIndex, std::less<>> names_;
  std::map<std::uint32_t, StandingRule> rules_;
  std::uint64_t rules_generation_ = 1;
  List<Link> links_;              // owned
  List<Connecting> connecting_;   // owned
  std::uint64_t next_link_ = 0;
  std::uint64_t next_connect_ = 0;
  std::uint64_t frames_sent_ = 0;
  std::uint64_t frames_delivered_ = 0;
  std::uint64_t bytes_delivered_ = 0;
  std::uint64_t frames_in_flight_ = 0;
};

}  // namespace harrow::sim
