#include "sim/scenario/read.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "sim/scenario/reader.h"

namespace harrow::sim {

namespace {

struct Profile {
  const char* name;
  std::int32_t cores;
  std::int64_t memory_bytes, nic_bits_per_s, disk_bytes_per_s, disk_iops, capacity_bytes, read_ns, sync_median_ns, sync_sigma;
};
// Figures of public instance types and disk classes: local NVMe with about 20 us syncs, a cloud volume (3,000 IOPS,
// 125 MiB/s, syncs of about 2.6 ms), a 7200 rpm disk (about 100 operations a second, syncs of about 10 ms).
constexpr Profile profile_table[] = {
    {"default", 4, std::int64_t{16} << 30, 10'000'000'000, 500'000'000, 16'000, std::int64_t{1} << 40, 100'000, 1'000'000, 500'000},
    {"nvme", 8, std::int64_t{32} << 30, 12'500'000'000, 2'000'000'000, 200'000, std::int64_t{2} << 40, 80'000, 40'000, 600'000},
    {"gp3", 4, std::int64_t{16} << 30, 5'000'000'000, 131'072'000, 3'000, std::int64_t{1} << 40, 800'000, 2'400'000, 400'000},
    {"hdd", 4, std::int64_t{16} << 30, 1'000'000'000, 160'000'000, 100, std::int64_t{4} << 40, 8'000'000, 9'000'000, 400'000},
};

Hardware hardware_named(std::string_view name) {
  for (const Profile& p : profile_table) {
    if (name != p.name) continue;
    Hardware hardware;
    hardware.name = p.name;
    hardware.cores = p.cores;
    hardware.memory_bytes = p.memory_bytes;
    hardware.nic_bits_per_s = p.nic_bits_per_s;
    hardware.disk_bytes_per_s = p.disk_bytes_per_s;
    hardware.disk_iops = p.disk_iops;
    hardware.disk_capacity_bytes = p.capacity_bytes;
    hardware.disk_read_ns = constant(p.read_ns);
    hardware.disk_sync_ns = Distribution{Distribution::Shape::lognormal, p.sync_median_ns, p.sync_sigma};
    return hardware;
  }
  return {};
}

std::string stem_of(const std::string& path) {
  std::string name = std::filesystem::path(path).stem().string();
  for (char& c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-')) c = '-';
  return name.empty() ? "scenario" : name;
}

std::optional<Tree> load_with_bases(const std::string& path, std::vector<std::string>& chain, Problems& problems) {
  auto tree = read_yaml(path, problems);
  if (!tree) return std::nullopt;
  if (tree->kind == Tree::Kind::null) *tree = Tree::map(tree->at);
  if (tree->kind != Tree::Kind::map) {
    problems.push_back({tree->at, "expected a map that starts with `harrow: 1`"});
    return std::nullopt;
  }
  const Tree* const base = tree->find("extends");
  if (base == nullptr) return tree;
  if (base->kind != Tree::Kind::scalar || base->text.empty()) {
    problems.push_back({base->at, "expected a file name for 'extends'"});
    return std::nullopt;
  }
  const std::string base_path = (std::filesystem::path(path).parent_path() / base->text).lexically_normal().string();
  if (std::find(chain.begin(), chain.end(), base_path) != chain.end()) {
    problems.push_back({base->at, "'" + base->text + "' extends itself"});
    return std::nullopt;
  }
  if (!std::filesystem::exists(base_path)) {
    problems.push_back({base->at, "'" + base->text + "' is not there (looked for " + base_path + ")"});
    return std::nullopt;
  }
  chain.push_back(base_path);
  auto under = load_with_bases(base_path, chain, problems);
  if (!under) return std::nullopt;
  // what is the base's own does not carry over
  const auto drop = [&](const char* key) {
    std::erase_if(under->entries, [&](const Tree::Entry& e) { return e.key == key; });
    std::erase_if(tree->entries, [&](const Tree::Entry& e) { return e.key == std::string_view("extends"); });
  };
  for (const char* key : {"extends", "name", "description", "expect"}) drop(key);
  return merged(std::move(*under), *tree);
}

}  // namespace

std::optional<Tree> load_scenario(const std::string& path, const std::vector<std::string>& sets, Problems& problems) {
  const std::size_t before = problems.size();
  std::vector<std::string> chain{std::filesystem::path(path).lexically_normal().string()};
  auto tree = load_with_bases(path, chain, problems);
  if (!tree) return std::nullopt;
  for (const std::string& set : sets) {
    const std::size_t sign = set.find('=');
    const Position at{std::make_shared<const std::string>("--set " + set), 1, 1};
    if (sign == std::string::npos || sign == 0) {
      problems.push_back({at, "expected PATH=VALUE, such as cluster/brokers/count=5"});
      continue;
    }
    auto value = parse_yaml(set.substr(sign + 1), "--set " + set, problems);
    if (value && value->kind == Tree::Kind::map && value->entries.empty()) *value = Tree::scalar("", at);
    if (value) set_path(*tree, std::string_view(set).substr(0, sign), std::move(*value), problems);
  }
  if (problems.size() > before) return std::nullopt;
  return tree;
}

std::optional<BoundScenario> bind_scenario(Tree tree, const std::string& path, std::uint64_t seed, Problems& problems) {
  return Reader(path, seed, problems).read(std::move(tree));
}

std::optional<BoundScenario> read_scenario(const std::string& path, const std::vector<std::string>& sets, std::uint64_t seed, Problems& problems) {
  auto tree = load_scenario(path, sets, problems);
  if (!tree) return std::nullopt;
  return bind_scenario(std::move(*tree), path, seed, problems);
}

std::optional<BoundScenario> read_scenario_text(std::string_view text, const std::string& name, std::uint64_t seed, Problems& problems) {
  auto tree = parse_yaml(text, name, problems);
  if (!tree) return std::nullopt;
  return bind_scenario(std::move(*tree), name, seed, problems);
}

void sort_by_position(Problems& problems) {
  std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    static const std::string none;
    const std::string& file_a = a.at.file ? *a.at.file : none;
    const std::string& file_b = b.at.file ? *b.at.file : none;
    return std::tie(file_a, a.at.line, a.at.column) < std::tie(file_b, b.at.line, b.at.column);
  });
}

std::string Reader::beside(const Position& at, const std::string& file) {
  const std::filesystem::path path(file);
  if (path.is_absolute() || !at.file || at.file->rfind("--set", 0) == 0) return file;
  return (std::filesystem::path(*at.file).parent_path() / path).lexically_normal().string();
}

std::optional<BoundScenario> Reader::read(Tree tree) {
  const std::size_t before = problems_.size();
  if (tree.kind == Tree::Kind::null) tree = Tree::map(tree.at);
  make_draws(tree, scenario_.seed, scenario_.drawn, problems_);
  Bound top(section_named("scenario"), &tree, tree.at, problems_);
  if (!top["name"].given) top.fill("name", stem_of(path_));
  scenario_.name = top["name"].text;
  scenario_.description = top["description"].text;
  scenario_.file = path_;
  scenario_.cluster.start_wall_ms = top["start"].number;

  Bound stop(section_named("stop"), top["stop"].tree, tree.at, problems_);
  scenario_.after_ns = std::max<std::int64_t>(stop["after"].number, 0);
  if (problems_.size() > before) scenario_.after_ns = 60'000'000'000;  // what follows shall not stumble over it again
  if (problems_.size() == before && stop["heal"].given) {
    scenario_.heal_ns = stop["heal"].number;
    if (scenario_.heal_ns >= scenario_.after_ns)
      say(stop["heal"].at, "faults heal at " + duration_text(scenario_.heal_ns) + ", not before the run ends at " + duration_text(scenario_.after_ns));
  } else {
    stop.fill("heal", duration_text(scenario_.heal_at_ns()));
    scenario_.heal_ns = scenario_.heal_at_ns();
  }
  top.put("stop", stop.counted());
  top.put("cluster", read_cluster(top["cluster"].tree, tree.at));
  top.put("topics", read_topics(top["topics"].tree, tree.at));
  top.put("workload", read_workload(top["workload"].tree, tree.at));
  top.put("faults", read_faults(top["faults"].tree));
  Tree checks = read_checks(top["checks"].tree);
  if (top["expect"].given) {
    Tree shown;
    read_check("expect", *top["expect"].tree, shown);
    top.put("expect", shown);
  }
  top.put("checks", std::move(checks));
  if (problems_.size() > before) {
    sort_by_position(problems_);
    return std::nullopt;
  }
  BoundScenario result;
  result.scenario = std::move(scenario_);
  top.drop("extends");
  result.expanded = top.counted();
  result.warnings = std::move(warnings_);
  result.lint = lint(result.scenario, places_, ordered_);
  return result;
}

ConfigMap Reader::read_config_file(const Value& file, const ConfigMap& over) {
  ConfigMap config;
  const std::string path = beside(file.at, file.text);
  std::ifstream in(path);
  if (!in) {
    say(file.at, "'" + file.text + "' cannot be opened (looked for " + path + ")");
    return over;
  }
  const auto name = std::make_shared<const std::string>(path);
  std::string line;
  for (std::int32_t number = 1; std::getline(in, line); ++number) {
    const std::string_view text = trimmed(line);
    if (text.empty() || text.front() == '#' || text.front() == '!') continue;
    const std::size_t sign = text.find_first_of("=:");
    const Position at{name, number, 1};
    if (sign == std::string_view::npos) {
      say(at, "expected key=value");
      continue;
    }
    const std::string_view key = trimmed(text.substr(0, sign));
    const auto value = config_value(ConfigOf::broker, key, trimmed(text.substr(sign + 1)));
    if (value) {
      config[std::string(key)] = *value;
    } else if (value.error().find("set by the simulator") == std::string::npos) {
      say(at, value.error());
    }
  }
  for (const auto& [key, value] : over) config[key] = value;
  return config;
}

Tree Reader::read_cluster(const Tree* tree, const Position& at) {
  ClusterPlan& cluster = scenario_.cluster;
  Bound bound(section_named("cluster"), tree, at, problems_);
  cluster.combined = bound["combined"].number != 0;
  ConfigMap config = bound["config"].config;
  if (bound["config-file"].given) {
    config = read_config_file(bound["config-file"], config);
    Tree shown = Tree::map(bound.at());
    for (const auto& [key, value] : config) shown.set(key, Tree::scalar(value, bound.at()));
    bound.put("config", std::move(shown));
    bound.drop("config-file");
  }
  bound.put("brokers", read_nodes(bound["brokers"].tree, "brokers", bound.at(), config, cluster.brokers));
  if (cluster.combined) {
    if (bound["controllers"].given) say(bound["controllers"].at, "a combined cluster has no controllers of its own: leave `controllers` out");
    cluster.controllers = cluster.brokers;
    bound.drop("controllers");
    if (cluster.brokers.count > 15) say(bound["combined"].at, "a combined cluster has at most 15 nodes");
  } else {
    bound.put("controllers", read_nodes(bound["controllers"].tree, "controllers", bound.at(), config, cluster.controllers));
  }
  for (const std::string& rack : cluster.brokers.racks)
    if (std::find(broker_racks_.begin(), broker_racks_.end(), rack) == broker_racks_.end()) broker_racks_.push_back(rack);
  read_zones(bound);
  bound.put("network", read_network(bound["network"].tree, bound.at()));
  Bound clocks(section_named("clocks"), bound["clocks"].tree, bound.at(), problems_);
  cluster.clocks.offset_ns = clocks["offset"].distribution;
  cluster.clocks.drift_ppb = clocks["drift"].number;
  bound.put("clocks", clocks.counted());
  if (cluster.controllers.count % 2 == 0) warn(bound.at(), "an even number of controllers tolerates no more failures than one less");
  return bound.counted();
}

Tree Reader::read_nodes(const Tree* tree, const char* section, const Position& at, const ConfigMap& config, NodeSet& nodes) {
  Bound bound(section_named(section), tree, at, problems_);
  nodes.count = static_cast<std::int32_t>(bound["count"].number);
  const std::vector<std::string>& racks = bound["racks"].names;
  if (racks.empty()) say(bound["racks"].at, "expected at least one rack");
  if (bound["racks"].given && static_cast<std::size_t>(nodes.count) < racks.size())
    say(bound["racks"].at, std::to_string(racks.size()) + " racks for " + std::to_string(nodes.count) + " " + section + ": some would be empty");
  for (std::int32_t i = 0; i < nodes.count && !racks.empty() && nodes.count <= 1000; ++i) nodes.racks.push_back(racks[static_cast<std::size_t>(i) % racks.size()]);
  if (!bound["racks"].given && static_cast<std::size_t>(nodes.count) < racks.size()) {
    std::string text;
    for (const std::string& rack : nodes.racks) text += (text.empty() ? "" : ", ") + rack;
    if (!text.empty()) bound.fill("racks", text);
  }
  bound.put("hardware", read_hardware(bound["hardware"], bound.at(), nodes.hardware));
  nodes.config = config;
  for (const auto& [key, value] : bound["config"].config) nodes.config[key] = value;
  return bound.counted();
}

Tree Reader::read_hardware(const Value& value, const Position& at, Hardware& hardware) {
  Tree wrapped;
  const Tree* section = value.tree;
  if (section == nullptr || section->kind == Tree::Kind::scalar) {
    wrapped = Tree::map(value.at);
    if (section != nullptr) wrapped.set("like", *section);
    section = &wrapped;
  }
  Bound bound(section_named("hardware"), section, at, problems_);
  hardware = hardware_named(bound["like"].text);
  const auto take = [&](const char* key, auto& field, const std::string& text) {
    if (!bound[key].given) bound.fill(key, text);
    field = static_cast<std::remove_reference_t<decltype(field)>>(bound[key].number);
  };
  take("cores", hardware.cores, std::to_string(hardware.cores));
  take("lanes", hardware.lanes, std::to_string(hardware.lanes));
  take("memory", hardware.memory_bytes, bytes_text(hardware.memory_bytes));
  take("nic", hardware.nic_bits_per_s, std::to_string(hardware.nic_bits_per_s) + "bps");
  take("disk-bandwidth", hardware.disk_bytes_per_s, std::to_string(hardware.disk_bytes_per_s) + "B/s");
  if (bound["disk-bandwidth"].present) hardware.disk_bytes_per_s = bound["disk-bandwidth"].number / 8;
  take("disk-iops", hardware.disk_iops, std::to_string(hardware.disk_iops));
  take("disk-capacity", hardware.disk_capacity_bytes, bytes_text(hardware.disk_capacity_bytes));
  if (!bound["disk-read"].given) bound.fill("disk-read", to_text(hardware.disk_read_ns, Measured::time));
  if (!bound["disk-sync"].given) bound.fill("disk-sync", to_text(hardware.disk_sync_ns, Measured::time));
  if (!bound["filesystem"].given) bound.fill("filesystem", hardware.filesystem);
  hardware.disk_read_ns = bound["disk-read"].distribution;
  hardware.disk_sync_ns = bound["disk-sync"].distribution;
  hardware.filesystem = bound["filesystem"].text;
  return bound.counted();
}

void Reader::read_zones(Bound& bound) {
  ClusterPlan& cluster = scenario_.cluster;
  std::vector<std::string> racks = broker_racks_;
  for (const std::string& rack : cluster.controllers.racks)
    if (std::find(racks.begin(), racks.end(), rack) == racks.end()) racks.push_back(rack);
  const std::vector<std::string_view> rack_names(racks.begin(), racks.end());
  const std::size_t before = problems_.size();
  if (bound["zones"].given) {
    for (const auto& [zone, members] : bound["zones"].groups) {
      for (const std::string& rack : members) {
        if (std::find(racks.begin(), racks.end(), rack) == racks.end()) say(bound["zones"].at, "zone '" + zone + "' names rack '" + rack + "', in which there is no node" + did_you_mean(rack, rack_names));
        if (!cluster.zone_of_rack.emplace(rack, zone).second) say(bound["zones"].at, "rack '" + rack + "' is in two zones");
      }
    }
    for (const std::string& rack : racks)
      if (!cluster.zone_of_rack.contains(rack)) say(bound["zones"].at, "rack '" + rack + "' is in no zone");
    if (problems_.size() > before)
      for (const std::string& rack : racks) cluster.zone_of_rack.emplace(rack, rack);
  } else {
    for (const std::string& rack : racks) cluster.zone_of_rack[rack] = rack;
  }
  std::set<std::string> zones;
  for (const auto& [rack, zone] : cluster.zone_of_rack) zones.insert(zone);
  if (bound["regions"].given) {
    for (const auto& [region, members] : bound["regions"].groups) {
      for (const std::string& zone : members) {
        if (!zones.contains(zone)) say(bound["regions"].at, "region '" + region + "' names zone '" + zone + "', which does not exist");
        if (!cluster.region_of_zone.emplace(zone, region).second) say(bound["regions"].at, "zone '" + zone + "' is in two regions");
      }
    }
    for (const std::string& zone : zones)
      if (!cluster.region_of_zone.contains(zone)) say(bound["regions"].at, "zone '" + zone + "' is in no region");
  } else {
    for (const std::string& zone : zones) cluster.region_of_zone[zone] = "region";
  }
}

Tree Reader::read_network(const Tree* tree, const Position& at) {
  NetworkPlan& network = scenario_.cluster.network;
  Bound bound(section_named("network"), tree, at, problems_);
  Bound rtt(section_named("rtt"), bound["rtt"].tree, bound.at(), problems_);
  network.rtt_rack_ns = rtt["rack"].number;
  network.rtt_zone_ns = rtt["zone"].number;
  network.rtt_region_ns = rtt["region"].number;
  network.jitter_ns = bound["jitter"].distribution;
  network.loss_millionths = bound["loss"].number;
  network.bandwidth_bits_per_s = bound["bandwidth"].number;
  bound.put("rtt", rtt.counted());
  return bound.counted();
}

Tree Reader::read_topics(const Tree* tree, const Position& at) {
  Tree defaults = Tree::list(at);
  if (tree == nullptr) {
    Tree topic = Tree::map(at);
    topic.set("name", Tree::scalar("records", at));
    defaults.items.push_back(std::move(topic));
    tree = &defaults;
  }
  if (tree->kind != Tree::Kind::list) {
    say(tree->at, "expected a list of topics, such as [{ name: orders }]");
    return Tree::list(at);
  }
  Tree shown = Tree::list(tree->at);
  const std::int32_t brokers = scenario_.cluster.brokers.count;
  for (const Tree& item : tree->items) {
    Bound bound(section_named("topic"), &item, item.at, problems_);
    TopicPlan topic;
    topic.name = bound["name"].text;
    topic.partitions = static_cast<std::int32_t>(bound["partitions"].number);
    topic.config = bound["config"].config;
    topic.assignment = bound["assignment"].lists;
    if (bound["ordered"].number != 0) ordered_.insert(topic.name);
    places_["topic " + topic.name] = item.at;
    if (!topic.assignment.empty() && !bound["partitions"].given) {
      topic.partitions = static_cast<std::int32_t>(topic.assignment.size());
      bound.fill("partitions", std::to_string(topic.partitions));
    }
    if (!bound["replication"].given) {
      const std::size_t assigned = topic.assignment.empty() ? 0 : topic.assignment[0].size();
      bound.fill("replication", std::to_string(assigned > 0 ? static_cast<std::int32_t>(std::min<std::size_t>(assigned, 15)) : std::clamp(brokers, 1, 3)));
    }
    topic.replication = static_cast<std::int16_t>(bound["replication"].number);
    if (topic.replication > brokers)
      say(bound["replication"].at, "replication " + std::to_string(topic.replication) + " needs as many brokers, but there are " + std::to_string(brokers));
    if (!topic.assignment.empty() && topic.assignment.size() != static_cast<std::size_t>(topic.partitions))
      say(bound["assignment"].at, "assignment for " + std::to_string(topic.assignment.size()) + " partitions, but there are " + std::to_string(topic.partitions));
    for (const std::vector<std::int32_t>& replicas : topic.assignment) {
      if (replicas.size() != static_cast<std::size_t>(topic.replication)) {
        say(bound["assignment"].at, "expected " + std::to_string(topic.replication) + " brokers for each partition");
        break;
      }
      for (const std::int32_t id : replicas) {
        if (id < first_broker_id || id >= first_broker_id + brokers) say(bound["assignment"].at, "there is no broker " + std::to_string(id) + ": ids are 1 to " + std::to_string(brokers));
        if (std::count(replicas.begin(), replicas.end(), id) > 1) say(bound["assignment"].at, "broker " + std::to_string(id) + " twice in one partition");
      }
    }
    if (topic.name.rfind("__", 0) == 0) say(bound["name"].at, "names that begin with '__' are Kafka's own");
    if (scenario_.topic(topic.name) != nullptr) say(bound["name"].at, "a second topic named '" + topic.name + "'");
    std::string minimum;
    for (const ConfigMap* config : {&scenario_.cluster.brokers.config, &topic.config})
      if (const auto found = config->find("min.insync.replicas"); found != config->end()) minimum = found->second;
    if (const auto needed = parse_integer(minimum); needed && *needed > topic.replication) {
      warn(bound.at(), "topic '" + topic.name + "' can never take a write with acks=all: min.insync.replicas " + minimum + " is above its replication " +
                           std::to_string(topic.replication));
    } else if (needed && *needed == topic.replication && topic.replication > 1) {
      warn(bound.at(), "topic '" + topic.name + "' stops taking writes with acks=all when one replica is away");
    }
    shown.items.push_back(bound.counted());
    scenario_.topics.push_back(std::move(topic));
  }
  return shown;
}

}  // namespace harrow::sim
