#include "sim/size/hardware.h"

#include <algorithm>
#include <map>

#include "core/base/check.h"
#include "sim/scenario/units.h"

namespace harrow::size {
namespace {

using sim::Position;
using sim::Problems;
using sim::Tree;

/// One map of a file: takes its keys one by one, and in the end says which nobody took.
class Fields {
 public:
  Fields(const Tree& tree, std::string what, Problems& problems) : tree_(tree), what_(std::move(what)), problems_(problems), before_(problems.size()) {
    if (tree.kind != Tree::Kind::map) say(tree.at, "expected a map for " + what_);
  }
  bool good() const { return problems_.size() == before_; }
  bool has(std::string_view key) const { return tree_.kind == Tree::Kind::map && tree_.find(key) != nullptr; }
  const Tree* tree(std::string_view key, bool required = true) {
    known_.push_back(key);
    const Tree* const found = tree_.kind == Tree::Kind::map ? tree_.find(key) : nullptr;
    if (found == nullptr && required && tree_.kind == Tree::Kind::map) say(tree_.at, what_ + ": '" + std::string(key) + "' is missing" + (key == "hour" ? ": a machine without a price cannot be compared" : ""));
    return found;
  }
  std::string text(std::string_view key, bool required = true) {
    const Tree* const found = tree(key, required);
    if (found == nullptr) return "";
    if (found->kind != Tree::Kind::scalar || found->text.empty()) say(found->at, "expected a text for '" + std::string(key) + "'");
    return found->text;
  }
  template <class Parse>
  double value(std::string_view key, Parse parse, double fallback = -1) {
    const Tree* const found = tree(key, fallback < 0);
    if (found == nullptr) return std::max(fallback, 0.0);
    if (found->kind != Tree::Kind::scalar) {
      say(found->at, "expected one value for '" + std::string(key) + "'");
      return 0;
    }
    const auto parsed = parse(std::string_view(found->text));
    if (!parsed) {
      say(found->at, std::string(key) + ": " + parsed.error());
      return 0;
    }
    if (static_cast<double>(*parsed) < 0) say(found->at, std::string(key) + " must not be negative");
    return static_cast<double>(*parsed);
  }
  double number(std::string_view key, double fallback = -1) {
    return value(key, [](std::string_view text) { return sim::parse_millionths(text); }, fallback < 0 ? fallback : fallback * 1e6) / 1e6;
  }
  double rate(std::string_view key) { return value(key, parse_byte_rate); }
  double size(std::string_view key) { return value(key, parse_size); }
  double seconds(std::string_view key) { return value(key, parse_seconds); }
  void close() {
    if (tree_.kind != Tree::Kind::map) return;
    for (const Tree::Entry& entry : tree_.entries)
      if (std::find(known_.begin(), known_.end(), entry.key) == known_.end()) say(entry.at, what_ + ": unknown key '" + entry.key + "'" + sim::did_you_mean(entry.key, known_));
  }
  void say(const Position& at, std::string text) { problems_.push_back({at, std::move(text)}); }
  const Position& at() const { return tree_.at; }

 private:
  const Tree& tree_;
  std::string what_;
  Problems& problems_;
  std::size_t before_;
  std::vector<std::string_view> known_;
};

Volume read_volume(const Tree& tree, Problems& problems) {
  Fields fields(tree, "a volume", problems);
  Volume volume;
  volume.name = fields.text("name");
  volume.gb_month = fields.number("gb-month");
  volume.iops = fields.number("iops");
  volume.iops_most = fields.number("iops-most");
  volume.iops_month = fields.number("iops-month");
  volume.throughput = fields.rate("throughput");
  volume.throughput_most = fields.rate("throughput-most");
  volume.throughput_mib_month = fields.number("throughput-month");
  volume.size_most = fields.size("size-most");
  volume.read_s = fields.seconds("read");
  volume.sync_s = fields.seconds("sync");
  fields.close();
  return volume;
}

Machine read_machine(const Tree& tree, const std::map<std::string, Volume>& volumes, Problems& problems) {
  Fields fields(tree, "a machine", problems);
  Machine machine;
  machine.name = fields.text("name");
  machine.vcpu = fields.number("vcpu");
  machine.memory = fields.size("memory");
  machine.net = fields.rate("net");
  machine.disk = fields.rate("disk");
  machine.hour = fields.number("hour");
  machine.replicas_most = fields.number("replicas-most", 4000);
  machine.brokers_most = static_cast<std::int32_t>(fields.number("brokers-most", 200));
  machine.cpu_most = fields.value("cpu-most", [](std::string_view text) { return sim::parse_probability_millionths(text); }, 700'000) / 1e6;
  if (fields.has("disks")) {
    machine.disks = static_cast<std::int32_t>(fields.number("disks"));
    machine.disk_size = fields.size("disk-size");
    machine.disk_iops = fields.number("disk-iops");
    machine.disk_read_s = fields.seconds("disk-read");
    machine.disk_sync_s = fields.seconds("disk-sync");
    if (machine.disks < 1) fields.say(fields.at(), "a machine: 'disks' must be 1 or more");
  } else {
    const std::string name = fields.text("volume");
    if (const auto found = volumes.find(name); found != volumes.end()) machine.volume = found->second;
    else if (!name.empty()) fields.say(fields.at(), "a machine: this file has no volume '" + name + "'");
  }
  if (fields.good() && machine.hour == 0) fields.say(fields.at(), "a machine: '" + machine.name + "' has no price: give what an hour costs");
  const std::pair<const char*, double> needed[] = {{"vcpu", machine.vcpu}, {"replicas-most", machine.replicas_most}, {"brokers-most", machine.brokers_most}, {"cpu-most", machine.cpu_most}};
  for (const auto& [what, number] : needed)
    if (fields.good() && number <= 0) fields.say(fields.at(), "a machine: '" + std::string(what) + "' must be more than nothing");
  fields.close();
  return machine;
}

CpuCosts read_costs(const Tree& tree, Problems& problems) {
  Fields fields(tree, "processor costs", problems);
  CpuCosts costs;
  costs.name = fields.text("name");
  costs.what = fields.text("what");
  costs.date = fields.text("date");
  costs.machine = fields.text("machine");
  costs.source = fields.text("source");
  costs.lanes = fields.number("lanes");
  costs.frame_in_ns = fields.number("frame-in-ns");
  costs.frame_in_byte_ns = fields.number("frame-in-byte-ns");
  costs.request_ns = fields.number("request-ns");
  costs.batch_ns = fields.number("batch-ns");
  costs.frame_out_ns = fields.number("frame-out-ns");
  costs.frame_out_byte_ns = fields.number("frame-out-byte-ns");
  fields.close();
  return costs;
}

Preset read_preset(const Tree& tree, Problems& problems) {
  Fields fields(tree, "a preset", problems);
  Preset preset;
  preset.name = fields.text("name");
  preset.what = fields.text("what");
  preset.source = fields.text("source");
  const Tree* const wish = fields.tree("wish");
  if (wish != nullptr && wish->kind == Tree::Kind::map)
    for (const Tree::Entry& entry : wish->entries) preset.wish.emplace_back(entry.key, entry.value.text);
  fields.close();
  return preset;
}

}  // namespace

const CpuCosts* Catalogue::costs_named(std::string_view name) const {
  for (const CpuCosts& one : costs)
    if (one.name == name) return &one;
  return nullptr;
}
const Preset* Catalogue::preset_named(std::string_view name) const {
  for (const Preset& one : presets)
    if (one.name == name) return &one;
  return nullptr;
}

bool add_profiles(Catalogue& catalogue, std::string_view text, const std::string& file, Problems& problems) {
  const std::size_t before = problems.size();
  const auto tree = sim::parse_yaml(text, file, problems);
  if (!tree) return false;
  Fields top(*tree, "a file of hardware, processor costs or wishes", problems);
  const bool hardware = top.has("harrow-hardware"), costs = top.has("harrow-costs"), wishes = top.has("harrow-wishes");
  if (hardware + costs + wishes != 1) {
    top.say(tree->at, "expected a file that begins with `harrow-hardware: 1`, `harrow-costs: 1` or `harrow-wishes: 1`");
    return false;
  }
  const char* const version_key = hardware ? "harrow-hardware" : costs ? "harrow-costs" : "harrow-wishes";
  if (top.text(version_key) != "1") top.say(tree->at, std::string("only version 1 of ") + version_key + " is known");
  const auto each = [&](std::string_view key, bool required, auto act) {
    const Tree* const list = top.tree(key, required);
    if (list == nullptr) return;
    if (list->kind != Tree::Kind::list || list->items.empty()) {
      top.say(list->at, "expected a list for '" + std::string(key) + "'");
      return;
    }
    for (const Tree& item : list->items) act(item);
  };
  if (hardware) {
    auto prices = std::make_shared<Prices>();
    if (const Tree* const found = top.tree("prices")) {
      Fields fields(*found, "prices", problems);
      prices->date = fields.text("date");
      prices->region = fields.text("region");
      prices->currency = fields.text("currency");
      prices->source = fields.text("source");
      prices->hours_a_month = fields.number("hours-a-month", 730);
      prices->cross_zone_a_gb = fields.number("cross-zone-a-gb");
      const std::string billed = fields.text("replication-billed", false);
      if (!billed.empty() && billed != "yes" && billed != "no") fields.say(fields.at(), "prices: 'replication-billed' is yes or no");
      prices->replication_billed = billed != "no";
      fields.close();
    }
    top.text("source", false);
    std::map<std::string, Volume> volumes;
    each("volumes", false, [&](const Tree& item) {
      Volume volume = read_volume(item, problems);
      volumes[volume.name] = volume;
    });
    each("machines", true, [&](const Tree& item) {
      Machine machine = read_machine(item, volumes, problems);
      machine.prices = prices;
      machine.file = file;
      // A file of the user's may replace what is compiled in.
      std::erase_if(catalogue.machines, [&](const Machine& old) { return old.name == machine.name; });
      catalogue.machines.push_back(std::move(machine));
    });
  } else if (costs) {
    each("costs", true, [&](const Tree& item) {
      CpuCosts one = read_costs(item, problems);
      std::erase_if(catalogue.costs, [&](const CpuCosts& old) { return old.name == one.name; });
      catalogue.costs.push_back(std::move(one));
    });
  } else {
    each("presets", true, [&](const Tree& item) { catalogue.presets.push_back(read_preset(item, problems)); });
  }
  top.close();
  return problems.size() == before;
}

const Catalogue& builtin_catalogue() {
  static const Catalogue catalogue = [] {
    Catalogue made;
    for (const BuiltinProfile& profile : builtin_profiles()) {
      Problems problems;
      const bool good = add_profiles(made, profile.text, std::string(profile.name), problems);
      CHECK_SAYING(good, problems.empty() ? "a built-in profile is wrong" : sim::to_text(problems[0]).c_str());
    }
    return made;
  }();
  return catalogue;
}

}  // namespace harrow::size
