#include "sim/cluster/cluster.h"

#include <algorithm>

#include "sim/kernel/sampler.h"

namespace harrow::sim {
namespace {

constexpr std::int64_t bits_per_byte = 8;

NetworkShape shape_of(const NetworkPlan& plan) {
  NetworkShape shape;
  shape.rack_rtt_ns = plan.rtt_rack_ns;
  shape.zone_rtt_ns = plan.rtt_zone_ns;
  shape.region_rtt_ns = plan.rtt_region_ns;
  shape.host_bytes_per_s = static_cast<std::uint64_t>(plan.bandwidth_bits_per_s / bits_per_byte);
  return shape;
}

TransportProfile transport_of(const NetworkPlan& plan) {
  TransportProfile profile;
  profile.jitter_mean_ns = plan.jitter_ns.a;
  profile.loss_ppm = static_cast<std::uint32_t>(plan.loss_millionths);
  return profile;
}

DiskProfile disk_of(const Hardware& hardware) {
  DiskProfile disk;
  disk.read_ns = hardware.disk_read_ns.a;
  disk.fsync_ns = hardware.disk_sync_ns.a;
  disk.bandwidth_bytes_per_s = static_cast<std::uint64_t>(hardware.disk_bytes_per_s);
  disk.iops = static_cast<std::uint64_t>(hardware.disk_iops);
  disk.capacity_bytes = static_cast<std::uint64_t>(hardware.disk_capacity_bytes);
  disk.file_system = parse_file_system(hardware.filesystem).value_or(FileSystem::ext4);
  return disk;
}

CpuProfile cpu_of(const Hardware& hardware) {
  CpuProfile cpu;
  cpu.lanes = hardware.lanes;
  return cpu;
}

std::string zone_of(const ClusterPlan& plan, const std::string& rack) {
  const auto zone = plan.zone_of_rack.find(rack);
  return zone == plan.zone_of_rack.end() ? rack : zone->second;
}

std::string region_of(const ClusterPlan& plan, const std::string& zone) {
  const auto region = plan.region_of_zone.find(zone);
  return region == plan.region_of_zone.end() ? "" : region->second;
}

}  // namespace

Cluster::Cluster(Kernel& kernel, const ClusterPlan& plan, std::uint64_t seed)
    : kernel_(kernel), plan_(plan), random_(Random(seed).fork("cluster")), clock_random_(random_.fork("clocks")) {
  fabric_ = std::make_unique<Fabric>(kernel, Topology(shape_of(plan.network)), random_.fork("network"), transport_of(plan.network));
  std::vector<QuorumVoter> voters;
  const std::int32_t controllers = plan.combined ? plan.brokers.count : plan.controllers.count;
  for (std::int32_t i = 0; i < controllers; ++i) {
    const std::int32_t id = plan.controller_id(i);
    voters.push_back({NodeId(id), Uuid{}, Endpoint{(plan.combined ? "broker-" : "controller-") + std::to_string(plan.combined ? id : i + 1), 9093}});
  }
  const auto add_node = [&](std::int32_t id, const NodeSet& set, std::int32_t i, bool is_broker, bool is_controller) {
    NodePlace place;
    place.config.id = NodeId(id);
    place.config.is_broker = is_broker;
    place.config.is_controller = is_controller;
    place.config.cluster_id = "harrow-simulated-clust";
    place.config.host = (is_broker ? "broker-" : "controller-") + std::to_string(is_broker ? id : i + 1);
    const std::string rack = i < static_cast<std::int32_t>(set.racks.size()) ? set.racks[static_cast<std::size_t>(i)] : "a";
    place.config.rack = rack;
    place.config.voters = voters;
    for (const auto& [key, value] : set.config) place.config.properties[key] = value;
    machines_.push_back(make_machine(place.config.host, rack, set.hardware, true));
    place.machine = machines_.back().get();
    nodes_.push_back(std::move(place));
  };
  if (!plan.combined)
    for (std::int32_t i = 0; i < plan.controllers.count; ++i) add_node(plan.controller_id(i), plan.controllers, i, false, true);
  for (std::int32_t i = 0; i < plan.brokers.count; ++i) add_node(plan.broker_id(i), plan.brokers, i, true, plan.combined);
}

Cluster::~Cluster() {
  for (auto& machine : machines_)
    if (machine->running()) machine->kill();
}

std::unique_ptr<Machine> Cluster::make_machine(const std::string& name, const std::string& rack, const Hardware& hardware, bool is_node) {
  const std::string zone = zone_of(plan_, rack);
  const HostIndex index = fabric_->add_host(name, rack, zone, region_of(plan_, zone));
  CHECK(index == machines_.size());
  const Random own = random_.fork("machine", index);
  Random clock_random = clock_random_.fork("clock", index);
  const std::int64_t offset_ns = is_node || plan_.clocks.offset_ns.shape != Distribution::Shape::constant
                                     ? Sampler(plan_.clocks.offset_ns).draw(clock_random)
                                     : plan_.clocks.offset_ns.a;
  const std::int64_t drift_ppm = plan_.clocks.drift_ppb / 1000 == 0 ? 0 : clock_random.between(-plan_.clocks.drift_ppb / 1000, plan_.clocks.drift_ppb / 1000);
  return std::make_unique<Machine>(Machine::Parts{kernel_, *fabric_, index, name, rack, SimClock(kernel_, plan_.start_wall_ms, offset_ns, drift_ppm),
                                                  disk_of(hardware), cpu_of(hardware), own, [this](Machine& machine, Code) {
                                                    ++halts_;
                                                    machine.kill();
                                                  }});
}

Machine& Cluster::add_client(const std::string& name, const std::string& rack) {
  machines_.push_back(make_machine(name, rack, Hardware{}, false));
  return *machines_.back();
}

void Cluster::boot(NodePlace& place) {
  place.machine->start([&](SimHost& host) {
    auto node = std::make_unique<harrow::Node>(host.host(), place.config);
    harrow::Node& started = *node;
    place.machine->own_node(std::move(node));
    started.start();
  });
  if (on_start_) on_start_(*place.machine);
}

void Cluster::start() {
  for (NodePlace& place : nodes_) boot(place);
}

Cluster::NodePlace* Cluster::find_node(NodeId id) {
  for (NodePlace& place : nodes_)
    if (place.config.id == id) return &place;
  return nullptr;
}

const Cluster::NodePlace* Cluster::find_node(NodeId id) const { return const_cast<Cluster*>(this)->find_node(id); }

harrow::Node* Cluster::live(NodeId id) {
  NodePlace* const place = find_node(id);
  return place == nullptr ? nullptr : place->machine->node();
}

const harrow::Node* Cluster::live(NodeId id) const { return const_cast<Cluster*>(this)->live(id); }

std::vector<Endpoint> Cluster::bootstrap() const {
  std::vector<Endpoint> endpoints;
  for (const NodePlace& place : nodes_)
    if (place.config.is_broker) endpoints.push_back({place.config.host, place.config.broker_port});
  return endpoints;
}

void Cluster::kill(NodeId id) {
  NodePlace* const place = find_node(id);
  if (place == nullptr || !place->machine->running()) return;
  kernel_.emit(TraceEvent{TraceKind::node_crashed, place->machine->index(), 0, kernel_.now_ns(), place->machine->incarnation(), 0}, nullptr);
  place->machine->kill();
}

void Cluster::lose_power(NodeId id, std::optional<FileSystem> file_system) {
  NodePlace* const place = find_node(id);
  if (place == nullptr || !place->machine->running()) return;
  kernel_.emit(TraceEvent{TraceKind::node_crashed, place->machine->index(), 0, kernel_.now_ns(), place->machine->incarnation(), 1}, nullptr);
  place->machine->lose_power(file_system);
}

void Cluster::restart(NodeId id) {
  NodePlace* const place = find_node(id);
  if (place == nullptr || place->machine->running()) return;
  boot(*place);
}

namespace {
Root stop_node(Scope&, Label, Kernel& kernel, harrow::Node& node, std::function<void()> stopped) {
  Task<bool> stopping = node.stop();
  co_await stopping;
  // The process ends in an event of its own: this root belongs to it.
  kernel.call_at(kernel.now_ns(), std::move(stopped));
}
}  // namespace

void Cluster::stop(NodeId id, std::int64_t restart_after_ns) {
  NodePlace* const place = find_node(id);
  if (place == nullptr || place->machine->node() == nullptr) return;
  Machine& machine = *place->machine;
  const std::uint32_t incarnation = machine.incarnation();
  machine.host()->enter([&] {
    stop_node(machine.host()->scope(), Label("clean stop"), kernel_, *machine.node(), [this, place, incarnation, restart_after_ns] {
      if (!place->machine->running() || place->machine->incarnation() != incarnation) return;
      place->machine->kill();
      if (restart_after_ns < 0) return;
      kernel_.call_at(kernel_.now_ns() + restart_after_ns, [this, place, incarnation] {
        if (!place->machine->running() && place->machine->incarnation() == incarnation) boot(*place);
      });
    });
  });
}

bool Cluster::down(NodeId id) const {
  const NodePlace* const place = find_node(id);
  return place == nullptr || !place->machine->running();
}

void Cluster::restart_all() {
  for (NodePlace& place : nodes_)
    if (!place.machine->running()) boot(place);
}

NodeId Cluster::active_controller() const {
  NodeId active = no_node;
  LeaderEpoch newest = no_epoch;
  for (const NodePlace& place : nodes_) {
    harrow::Node* const node = place.machine->node();
    if (node == nullptr || node->controller() == nullptr || !node->controller()->active()) continue;
    if (node->controller()->epoch() > newest) {
      newest = node->controller()->epoch();
      active = place.config.id;
    }
  }
  return active;
}

const controller::Image* Cluster::newest_image() const {
  const controller::Image* newest = nullptr;
  for (const NodePlace& place : nodes_) {
    const harrow::Node* const node = place.machine->node();
    if (node != nullptr && (newest == nullptr || node->image().offset() > newest->offset())) newest = &node->image();
  }
  return newest;
}

const controller::TopicImage* Cluster::topic(std::string_view name) const {
  const controller::Image* const image = newest_image();
  return image == nullptr ? nullptr : image->topic(name);
}

const controller::PartitionImage* Cluster::partition(std::string_view topic_name, std::int32_t index) const {
  const controller::TopicImage* const image = topic(topic_name);
  return image == nullptr || index < 0 || static_cast<std::size_t>(index) >= image->partitions.size() ? nullptr : &image->partitions[static_cast<std::size_t>(index)];
}

const Partition* Cluster::replica(NodeId broker, const TopicIdPartition& id) const {
  const harrow::Node* const node = live(broker);
  if (node == nullptr || node->broker() == nullptr) return nullptr;
  const auto found = node->broker()->partitions().find(id);
  return found == node->broker()->partitions().end() ? nullptr : found->second.get();
}

NodeId Cluster::leader_of(std::string_view topic_name, std::int32_t index) const {
  const controller::PartitionImage* const image = partition(topic_name, index);
  return image == nullptr ? no_node : image->leader;
}

}  // namespace harrow::sim
