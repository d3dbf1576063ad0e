// Where the hosts of a run stand: hosts in racks, racks in zones, zones in regions, as a weighted graph (Boost.Graph).
// Purpose: latency and capacity between any two hosts. Owner: the fabric. It touches nothing.
// Invariants: distances are shortest paths, computed once per source host, when first asked; integers only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace harrow::sim {

using HostIndex = std::uint16_t;
constexpr HostIndex no_host = UINT16_MAX;

/// Round trips and capacities of the usual three-level tree. `rack` is the round trip within a rack, `zone` between two
/// zones of a region, `region` between regions; racks of one zone lie half-way between `rack` and `zone`.
struct NetworkShape {
  std::int64_t loopback_rtt_ns = 20'000;
  std::int64_t rack_rtt_ns = 100'000;
  std::int64_t zone_rtt_ns = 500'000;
  std::int64_t region_rtt_ns = 30'000'000;
  std::uint64_t host_bytes_per_s = 1'250'000'000;
  std::uint64_t rack_bytes_per_s = 0;    // a rack's uplink, each way; 0 = no limit
  std::uint64_t zone_bytes_per_s = 0;
  std::uint64_t region_bytes_per_s = 0;
};

/// A one-way capacity that flows share (half of a full-duplex cable).
using PipeIndex = std::uint32_t;

class Topology {
 public:
  explicit Topology(NetworkShape shape = {});
  Topology(Topology&&) noexcept;
  Topology& operator=(Topology&&) noexcept;
  ~Topology();

  /// A zone and a region default to names of their own: a rack is a zone, and there is one region.
  HostIndex add_host(std::string_view name, std::string_view rack = "", std::string_view zone = "", std::string_view region = "");
  /// The same with a capacity of its own (0: the shape's).
  HostIndex add_host_with(std::string_view name, std::string_view rack, std::string_view zone, std::string_view region,
                          std::uint64_t bytes_per_s);
  /// A further cable between two places ("host:x", "rack:a", "zone:z", "region:r"); each way this latency and capacity.
  /// False: no such place.
  bool add_cable(std::string_view from, std::string_view to, std::int64_t one_way_ns, std::uint64_t bytes_per_s);

  std::size_t hosts() const;
  const std::string& name(HostIndex host) const;
  const std::string& rack(HostIndex host) const;
  const std::string& zone(HostIndex host) const;
  const std::string& region(HostIndex host) const;
  HostIndex find(std::string_view name) const;  // no_host
  std::vector<HostIndex> hosts_in_rack(std::string_view rack) const;
  std::vector<HostIndex> hosts_in_zone(std::string_view zone) const;

  struct Path {
    bool reachable = false;
    std::int64_t one_way_ns = 0;
    std::vector<PipeIndex> pipes;  // those with a limit, in order
  };
  const Path& path(HostIndex from, HostIndex to) const;
  const std::vector<std::uint64_t>& pipe_capacities() const;  // bytes/s by PipeIndex

 private:
  struct Graph;
  std::unique_ptr<Graph> graph_;
};

}  // namespace harrow::sim
