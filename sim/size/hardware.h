// Machines, volumes, prices and processor costs as data: what is compiled in (profiles/*.yaml) and files of the user in the
// same form. Strict: unknown keys, missing units and a machine without a price are errors with file, line and column.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/scenario/tree.h"
#include "sim/size/wish.h"

namespace harrow::size {

/// Of one file: all its machines share them.
struct Prices {
  std::string date, region, currency, source;
  double hours_a_month = 730;
  double cross_zone_a_gb = 0;
  bool replication_billed = true;  // copies between zones: managed services may not bill them
};

/// A network volume: bought by size, operations and throughput.
struct Volume {
  std::string name;
  double gb_month = 0;
  double iops = 0, iops_most = 0, iops_month = 0;                          // included; most; price of one more
  double throughput = 0, throughput_most = 0, throughput_mib_month = 0;    // bytes/s; price of one MiB/s more
  double size_most = 0;
  double read_s = 0, sync_s = 0;
};

struct Machine {
  std::string name;
  double vcpu = 0, memory = 0;
  double net = 0;             // bytes/s in each direction, sustained
  double disk = 0;            // bytes/s of one local disk, or of all volumes together
  std::int32_t disks = 0;     // local ones; 0: volumes
  double disk_size = 0, disk_iops = 0, disk_read_s = 0, disk_sync_s = 0;  // of one local disk
  std::optional<Volume> volume;
  double hour = 0;
  double replicas_most = 4000;  // partition replicas of one broker
  std::int32_t brokers_most = 200;  // of one cluster
  double cpu_most = 0.7;
  std::shared_ptr<const Prices> prices;
  std::string file;
};

/// What work costs, of one broker on one machine: the same four places at which a broker spends processor time.
struct CpuCosts {
  std::string name, what, date, machine, source;
  double lanes = 1;           // pieces of work at once; 0: as many as the machine has cores
  double frame_in_ns = 0, frame_in_byte_ns = 0;    // a frame that arrives
  double request_ns = 0, batch_ns = 0;             // its handling, and each batch in it
  double frame_out_ns = 0, frame_out_byte_ns = 0;  // a frame that leaves
  double lanes_of(const Machine& machine) const { return lanes > 0 ? lanes : machine.vcpu; }
};

struct Preset {
  std::string name, what, source;
  WishOptions wish;
};

struct Catalogue {
  std::vector<Machine> machines;
  std::vector<CpuCosts> costs;
  std::vector<Preset> presets;
  const CpuCosts* costs_named(std::string_view name) const;
  const Preset* preset_named(std::string_view name) const;
};

struct BuiltinProfile {
  std::string_view name, text;
};
/// profiles/*.yaml. Made by the build.
std::span<const BuiltinProfile> builtin_profiles();

/// What is compiled in; a mistake there is a bug.
const Catalogue& builtin_catalogue();
/// Adds one file's content; false with problems.
bool add_profiles(Catalogue& catalogue, std::string_view text, const std::string& file, sim::Problems& problems);

}  // namespace harrow::size
