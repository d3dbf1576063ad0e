#include "sim/net/topology.h"

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/dijkstra_shortest_paths.hpp>

#include "core/base/check.h"

namespace harrow::sim {
namespace {

struct Cable {
  std::int64_t ns = 0;
  PipeIndex pipe = UINT32_MAX;  // none: no limit
};
using Net = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, boost::no_property, Cable>;
using Vertex = boost::graph_traits<Net>::vertex_descriptor;
using Edge = boost::graph_traits<Net>::edge_descriptor;

}  // namespace

struct Topology::Graph {
  NetworkShape shape;
  Net net;
  struct Host {
    std::string name, rack, zone, region;
    Vertex vertex;
  };
  std::vector<Host> hosts;
  std::map<std::string, Vertex, std::less<>> places;
  std::map<std::string, HostIndex, std::less<>> names;
  std::vector<std::uint64_t> capacities;
  mutable std::vector<std::unique_ptr<std::vector<Path>>> rows;  // by source host, computed when first asked

  void cable(Vertex from, Vertex to, std::int64_t ns, std::uint64_t bytes_per_s) {
    for (const auto& [a, b] : {std::pair(from, to), std::pair(to, from)}) {
      Cable cable{ns, UINT32_MAX};
      if (bytes_per_s != 0) {
        cable.pipe = static_cast<PipeIndex>(capacities.size());
        capacities.push_back(bytes_per_s);
      }
      boost::add_edge(a, b, cable, net);
    }
    rows.clear();
  }
  Vertex place(const std::string& name, const std::string& above, std::int64_t ns, std::uint64_t bytes_per_s) {
    if (const auto known = places.find(name); known != places.end()) return known->second;
    const Vertex vertex = boost::add_vertex(net);
    places.emplace(name, vertex);
    if (!above.empty()) cable(vertex, places.at(above), ns, bytes_per_s);
    return vertex;
  }
  void compute(HostIndex from) const {
    const std::size_t count = boost::num_vertices(net);
    std::vector<std::int64_t> distance(count);
    std::vector<Edge> arrival(count);
    std::vector<Vertex> before(count);
    boost::dijkstra_shortest_paths(
        net, hosts[from].vertex,
        boost::weight_map(boost::get(&Cable::ns, net))
            .distance_map(distance.data())
            .predecessor_map(before.data())
            .visitor(boost::make_dijkstra_visitor(boost::record_edge_predecessors(arrival.data(), boost::on_edge_relaxed()))));
    auto row = std::make_unique<std::vector<Path>>(hosts.size());
    for (HostIndex to = 0; to < hosts.size(); ++to) {
      Path& path = (*row)[to];
      if (to == from) {
        path.reachable = true;
        path.one_way_ns = shape.loopback_rtt_ns / 2;
        continue;
      }
      Vertex at = hosts[to].vertex;
      if (before[at] == at) continue;  // no way there
      path.reachable = true;
      path.one_way_ns = distance[at];
      for (; at != hosts[from].vertex; at = before[at])
        if (const PipeIndex pipe = net[arrival[at]].pipe; pipe != UINT32_MAX) path.pipes.push_back(pipe);
      std::reverse(path.pipes.begin(), path.pipes.end());
    }
    rows[from] = std::move(row);
  }
};

Topology::Topology(NetworkShape shape) : graph_(std::make_unique<Graph>()) {
  graph_->shape = shape;
  graph_->place("backbone", "", 0, 0);
}
Topology::Topology(Topology&&) noexcept = default;
Topology& Topology::operator=(Topology&&) noexcept = default;
Topology::~Topology() = default;

HostIndex Topology::add_host(std::string_view name, std::string_view rack, std::string_view zone, std::string_view region) {
  return add_host_with(name, rack, zone, region, 0);
}

HostIndex Topology::add_host_with(std::string_view name, std::string_view rack, std::string_view zone, std::string_view region,
                                  std::uint64_t bytes_per_s) {
  Graph& graph = *graph_;
  CHECK_SAYING(graph.hosts.size() < no_host, "too many hosts");
  Graph::Host host{std::string(name), std::string(rack), std::string(zone.empty() ? rack : zone), std::string(region), {}};
  const NetworkShape& shape = graph.shape;
  // The tree's cables are as long as makes the round trips of the shape.
  const std::int64_t step = (shape.zone_rtt_ns - shape.rack_rtt_ns) / 8;
  const std::string region_place = "region:" + host.region;
  const std::string zone_place = "zone:" + host.zone;
  const std::string rack_place = "rack:" + host.rack;
  graph.place(region_place, "backbone", (shape.region_rtt_ns - shape.zone_rtt_ns) / 4, shape.region_bytes_per_s);
  graph.place(zone_place, region_place, step, shape.zone_bytes_per_s);
  graph.place(rack_place, zone_place, step, shape.rack_bytes_per_s);
  host.vertex = graph.place("host:" + host.name, rack_place, shape.rack_rtt_ns / 4, bytes_per_s != 0 ? bytes_per_s : shape.host_bytes_per_s);
  const auto index = static_cast<HostIndex>(graph.hosts.size());
  const bool fresh = graph.names.emplace(host.name, index).second;
  CHECK_SAYING(fresh, "two hosts of one name");
  graph.hosts.push_back(std::move(host));
  graph.rows.clear();
  return index;
}

bool Topology::add_cable(std::string_view from, std::string_view to, std::int64_t one_way_ns, std::uint64_t bytes_per_s) {
  const auto a = graph_->places.find(from);
  const auto b = graph_->places.find(to);
  if (a == graph_->places.end() || b == graph_->places.end() || a == b) return false;
  graph_->cable(a->second, b->second, one_way_ns, bytes_per_s);
  return true;
}

std::size_t Topology::hosts() const { return graph_->hosts.size(); }
const std::string& Topology::name(HostIndex host) const { return graph_->hosts[host].name; }
const std::string& Topology::rack(HostIndex host) const { return graph_->hosts[host].rack; }
const std::string& Topology::zone(HostIndex host) const { return graph_->hosts[host].zone; }
const std::string& Topology::region(HostIndex host) const { return graph_->hosts[host].region; }

HostIndex Topology::find(std::string_view name) const {
  const auto known = graph_->names.find(name);
  return known == graph_->names.end() ? no_host : known->second;
}

std::vector<HostIndex> Topology::hosts_in_rack(std::string_view rack) const {
  std::vector<HostIndex> found;
  for (HostIndex i = 0; i < graph_->hosts.size(); ++i)
    if (graph_->hosts[i].rack == rack) found.push_back(i);
  return found;
}

std::vector<HostIndex> Topology::hosts_in_zone(std::string_view zone) const {
  std::vector<HostIndex> found;
  for (HostIndex i = 0; i < graph_->hosts.size(); ++i)
    if (graph_->hosts[i].zone == zone) found.push_back(i);
  return found;
}

const Topology::Path& Topology::path(HostIndex from, HostIndex to) const {
  auto& rows = graph_->rows;
  if (rows.size() != graph_->hosts.size()) rows.resize(graph_->hosts.size());
  if (rows[from] == nullptr) graph_->compute(from);
  return (*rows[from])[to];
}

const std::vector<std::uint64_t>& Topology::pipe_capacities() const { return graph_->capacities; }

}  // namespace harrow::sim
