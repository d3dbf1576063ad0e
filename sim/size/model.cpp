#include "sim/size/model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/base/random.h"

namespace harrow::size {
namespace {

// Shares that may be used, so that the rest stands ready for bursts and for what is not modelled.
constexpr double net_share = 0.8, disk_share = 0.8, space_share = 0.8;
constexpr double tcp_efficiency = 0.95;
constexpr double write_amplification = 1.05;   // indexes, journals: measured on NVMe
constexpr double write_back_bytes = 262144;    // one operation of write-back
constexpr double volume_share = 0.8;
constexpr double heap_most = 6.0 * (1 << 30);  // of a broker's process
constexpr double system_bytes = 1.0 * (1 << 30);
constexpr double cache_least_s = 30;           // records stay cached at least so long
constexpr double zone_rtt_s = 500e-6;
constexpr double request_bytes = 120;          // of a request or answer beside its records
constexpr double check_interval_s = 300 + 60;  // log.retention.check.interval.ms and file.delete.delay.ms

constexpr double not_a_state = std::numeric_limits<double>::quiet_NaN();

/// Without min ISR copies of some partition writes stop: that is no state of a working cluster.
bool is_a_state(const Wish& wish, const Demand& demand, State state) {
  if (demand.brokers(static_cast<int>(state)) < 1) return false;
  const int gone = state == State::now ? 0 : state == State::broker_lost ? 1 : (wish.replication + wish.zones - 1) / wish.zones;
  return wish.replication - gone >= wish.min_isr;
}

double copies_after(double copies, double brokers) { return std::min(copies, std::max(brokers, 0.0)); }

}  // namespace

std::string_view name_of(Constraint constraint) {
  constexpr std::array<std::string_view, constraints> names{"net_in", "net_out", "disk_write", "disk_iops", "disk_read", "sync", "cpu", "space", "cache", "replicas", "hot_partition"};
  return names[static_cast<std::size_t>(constraint)];
}
std::string_view words_of(Constraint constraint) {
  constexpr std::array<std::string_view, constraints> words{"network in",  "network out",    "disk bandwidth, written", "disk operations", "disk bandwidth, in all", "syncs, one at a time",
                                                            "processor",   "disk space",     "page cache",              "replicas",        "fullest partition"};
  return words[static_cast<std::size_t>(constraint)];
}

Spread spread_of(const Wish& wish, double partitions, double brokers) {
  Spread spread;
  const auto count = static_cast<std::size_t>(std::clamp(partitions, 1.0, 1e6));
  const auto places = static_cast<std::size_t>(std::clamp(brokers, 1.0, 1e6));
  spread.partition_share = 1.05 / static_cast<double>(count);
  if (wish.keys <= 0) {
    // Batches go around; what is left is that partitions may not divide evenly.
    const double uneven = std::ceil(static_cast<double>(count) / static_cast<double>(places)) / (static_cast<double>(count) / static_cast<double>(places));
    spread.broker_skew = 1.05 * uneven;
    return spread;
  }
  const auto keys = static_cast<std::size_t>(std::min(wish.keys, 500.0));
  std::vector<double> weights(keys);
  double sum = 0;
  for (std::size_t i = 0; i < keys; ++i) sum += weights[i] = wish.key_alpha == 0 ? 1 : std::pow(static_cast<double>(i + 1), -wish.key_alpha);
  // Keys beyond the first 500 are dust that spreads evenly.
  double dust = 0;
  if (wish.keys > static_cast<double>(keys)) {
    const double from = static_cast<double>(keys), to = wish.keys;
    dust = wish.key_alpha == 0 ? to - from : std::abs(wish.key_alpha - 1) < 1e-9 ? std::log(to / from) : (std::pow(to, 1 - wish.key_alpha) - std::pow(from, 1 - wish.key_alpha)) / (1 - wish.key_alpha);
  }
  const double all = sum + dust;
  spread.hot_key_share = weights[0] / all;
  spread.broker_skew = 1.05;
  spread.partition_share = 0;
  constexpr std::uint64_t seeds = 3;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Random random = Random(seed).fork("placement");
    std::vector<double> load(count, dust / all / static_cast<double>(count));
    for (const double weight : weights) load[random.below(count)] += weight / all;
    std::vector<double> broker(places, 0.0);
    for (std::size_t p = 0; p < count; ++p) broker[p % places] += load[p];
    spread.partition_share = std::max(spread.partition_share, *std::max_element(load.begin(), load.end()));
    spread.broker_skew = std::max(spread.broker_skew, *std::max_element(broker.begin(), broker.end()) * static_cast<double>(places));
  }
  return spread;
}

Demand demand_of(const Wish& wish, const Candidate& candidate) {
  Demand demand;
  const double B = candidate.brokers, A = wish.zones, r = wish.replication, W = wish.log_rate(), F = wish.egress, k = candidate.spread.broker_skew;
  const double batches = wish.batches_a_second();
  demand.brokers << B, B - 1, wish.zones > 1 ? B - std::ceil(B / A) : 0.0;
  demand.copies << r, copies_after(r, B - 1), wish.zones > 1 ? r * (A - 1) / A : 0.0;
  const Eigen::Array<double, 1, states> per_broker = k / demand.brokers;
  demand.net_in = per_broker * W * demand.copies;
  demand.net_out = per_broker * W * (demand.copies - 1 + F);
  demand.disk_write = per_broker * write_amplification * W * demand.copies;
  demand.iops = wish.flush ? (per_broker * batches * demand.copies).eval() : (demand.disk_write / write_back_bytes).eval();
  demand.flushes = wish.flush ? (per_broker * batches * demand.copies).eval() : Eigen::Array<double, 1, states>::Zero().eval();

  // Space: what retention keeps in the mean, and the segment of each replica that is still being written.
  const double replicas = candidate.partitions * r / B;
  demand.space = k * r * wish.mean_log_rate() * (wish.retention_s + check_interval_s) / B + replicas * std::min(wish.segment, wish.mean_log_rate() * wish.retention_s / candidate.partitions + 10e6);

  // How long a record stays cached; groups further behind read from the disk.
  const double heap = std::min(heap_most, candidate.machine->memory / 4);
  demand.cache_s = std::max(0.0, 0.8 * (candidate.machine->memory - heap - system_bytes)) * B / (W * r);
  demand.disk_read = wish.rewind_s > demand.cache_s ? (per_broker * W * wish.catch_up).eval() : Eigen::Array<double, 1, states>::Zero().eval();

  // Requests: one batch each; followers and consumers ask again as soon as they are answered, so at most once a round trip
  // and broker pair.
  demand.produce_requests = per_broker * batches;
  const double readers = std::max(std::ceil(F), wish.consumers > 0 ? static_cast<double>(wish.consumers) : F * std::min(candidate.partitions, std::ceil(wish.ingress / wish.partition_rate)));
  const auto followers = (demand.copies > 1).select(demand.brokers - 1, 0.0).eval();
  const auto own_fetches = (followers / zone_rtt_s).min(demand.produce_requests * (demand.copies - 1).max(0.0)).eval();
  demand.fetch_requests = own_fetches + (demand.produce_requests * F).min(readers / zone_rtt_s);
  const CpuCosts& c = *candidate.costs;
  const auto requests = (demand.produce_requests + demand.fetch_requests).eval();
  // `own_fetches` again: the follower's side of them, a request that leaves and an answer that arrives.
  const auto busy_ns = ((requests + own_fetches) * (c.frame_in_ns + c.frame_out_ns) + requests * c.request_ns + demand.produce_requests * c.batch_ns +
                        (demand.net_in + requests * request_bytes) * c.frame_in_byte_ns + (demand.net_out + requests * request_bytes) * c.frame_out_byte_ns).eval();
  demand.cpu_cores = busy_ns * 1e-9;
  demand.mean_service_s = requests(0) > 0 ? demand.cpu_cores(0) / (requests(0) + own_fetches(0)) / 3 : 0;

  // A lost broker's data is copied onto the others, with what their limits leave.
  if (B - 1 >= r && B > 1) {
    const double net_left = net_share * tcp_efficiency * candidate.machine->net - demand.net_in(1);
    const double disk_left = disk_share * candidate.storage.throughput - demand.disk_write(1);
    const double left = std::min(net_left, disk_left) * (B - 1);
    demand.rebuild_s = left > 0 ? demand.space / left : std::numeric_limits<double>::infinity();
  }
  return demand;
}

double limit_of(Constraint constraint, const Machine& machine) {
  switch (constraint) {
    case Constraint::net_in:
    case Constraint::net_out: return net_share;
    case Constraint::disk_write:
    case Constraint::disk_iops:
    case Constraint::disk_read:
    case Constraint::sync: return disk_share;
    case Constraint::cpu: return machine.cpu_most;
    case Constraint::space: return space_share;
    case Constraint::cache:
    case Constraint::replicas:
    case Constraint::hot_partition: return 1;
  }
  return 1;
}

bool counts(const Wish& wish, State state) {
  return state == State::now || (state == State::broker_lost && wish.survive != Survive::none) || (state == State::zone_lost && wish.survive == Survive::zone);
}

Table utilisation_of(const Wish& wish, const Candidate& candidate, const Demand& demand) {
  Table table;
  const Machine& machine = *candidate.machine;
  const auto row = [&](Constraint constraint) { return table.row(static_cast<int>(constraint)); };
  row(Constraint::net_in) = demand.net_in / (machine.net * tcp_efficiency);
  row(Constraint::net_out) = demand.net_out / (machine.net * tcp_efficiency);
  row(Constraint::disk_write) = demand.disk_write / candidate.storage.throughput;
  row(Constraint::disk_read) = (demand.disk_write + demand.disk_read) / candidate.storage.throughput;
  row(Constraint::disk_iops) = demand.iops / candidate.storage.iops;
  row(Constraint::sync) = demand.flushes * candidate.storage.sync_s / std::max(1.0, static_cast<double>(machine.disks));
  row(Constraint::cpu) = demand.cpu_cores / candidate.costs->lanes_of(machine);
  row(Constraint::space).setConstant(demand.space / candidate.storage.size);
  row(Constraint::cache) = cache_least_s / (demand.cache_s * demand.brokers / candidate.brokers * wish.replication / demand.copies.max(1e-9));
  row(Constraint::replicas) = candidate.partitions * demand.copies / demand.brokers / machine.replicas_most;
  row(Constraint::hot_partition).setConstant(candidate.spread.partition_share * wish.ingress / wish.partition_rate);
  for (int state = 0; state < states; ++state)
    if (!is_a_state(wish, demand, static_cast<State>(state))) table.col(state).setConstant(not_a_state);
  return table;
}

Verdict judge(const Wish& wish, const Candidate& candidate, const Table& table) {
  Verdict verdict;
  verdict.worst = -1;
  for (int state = 0; state < states; ++state) {
    if (!counts(wish, static_cast<State>(state))) continue;
    for (int row = 0; row < constraints; ++row) {
      const auto constraint = static_cast<Constraint>(row);
      const double over = std::isnan(table(row, state)) ? std::numeric_limits<double>::infinity() : table(row, state) / limit_of(constraint, *candidate.machine);
      if (over > verdict.worst * (1 + 1e-9)) verdict = {false, constraint, static_cast<State>(state), over};
    }
  }
  verdict.holds = verdict.worst <= 1 + 1e-9;
  return verdict;
}

double waiting_s(double utilisation, double servers, double service_s, double gaps_scv, double service_scv) {
  if (utilisation >= 1) return std::numeric_limits<double>::infinity();
  const double m = std::max(servers, 1.0);
  return (gaps_scv + service_scv) / 2 * std::pow(utilisation, std::sqrt(2 * (m + 1)) - 1) / (m * (1 - utilisation)) * service_s;
}

Latency latency_of(const Candidate& candidate, const Demand& demand, const Wish& wish, State state) {
  const int s = static_cast<int>(state);
  const Machine& machine = *candidate.machine;
  const CpuCosts& c = *candidate.costs;
  const double lanes = c.lanes_of(machine);
  const double batch = wish.batch_log_bytes();
  const double rtt = wish.zones > 1 ? zone_rtt_s : zone_rtt_s / 5;
  const double transfer = batch / (machine.net * tcp_efficiency);
  const double cpu_wait = waiting_s(std::min(demand.cpu_cores(s) / lanes, 0.999), lanes, demand.mean_service_s);
  const double in_wait = waiting_s(std::min(demand.net_in(s) / machine.net / tcp_efficiency, 0.999), 1, transfer);
  const double out_wait = waiting_s(std::min(demand.net_out(s) / machine.net / tcp_efficiency, 0.999), 1, transfer);
  const double handling = (c.frame_in_ns + c.request_ns + c.batch_ns + c.frame_out_ns + batch * c.frame_in_byte_ns) * 1e-9;
  double fixed = rtt + transfer + handling;
  double random = in_wait + 3 * cpu_wait + 100e-6;  // and the network's own jitter
  if (demand.copies(s) > 1) {
    // The follower hears of it at once, fetches the bytes, and says with its next fetch that it has them.
    fixed += rtt + transfer + 2 * handling + batch * c.frame_out_byte_ns * 1e-9;
    random += out_wait + in_wait + 6 * cpu_wait + 100e-6;
  }
  if (wish.flush) {
    fixed += 2 * candidate.storage.sync_s;
    random += waiting_s(std::min(demand.flushes(s) * candidate.storage.sync_s, 0.999), 1, candidate.storage.sync_s);
  }
  const double read_fixed = rtt / 2 + transfer + handling, read_random = out_wait + 3 * cpu_wait + 50e-6;
  Latency latency;
  const double tail99 = std::log(100.0);
  latency.produce_p50_s = fixed + 0.7 * random;
  latency.produce_p99_s = fixed + tail99 * random;
  latency.end_to_end_p50_s = latency.produce_p50_s - rtt / 2 + read_fixed + 0.7 * read_random;
  latency.end_to_end_p99_s = fixed - rtt / 2 + read_fixed + tail99 * (random + read_random);
  return latency;
}

double Latency::quantile(const Objective& objective) const {
  const bool produce = objective.of == Objective::Of::produce;
  const double p50 = produce ? produce_p50_s : end_to_end_p50_s, p99 = produce ? produce_p99_s : end_to_end_p99_s;
  // An exponential tail through both.
  const double rate = (p99 - p50) / (std::log(100.0) - std::log(2.0));
  return p50 + rate * (std::log(1 / (1 - objective.quantile)) - std::log(2.0));
}

double partitions_for(const Wish& wish, double brokers) {
  if (wish.partitions > 0) return wish.partitions;
  const double by_rate = std::ceil(wish.ingress * 1.05 / wish.partition_rate);
  const double least = std::max({by_rate, static_cast<double>(wish.consumers), 2 * brokers});
  return std::ceil(least / brokers) * brokers;
}

Storage storage_for(const Machine& machine, double space, double bytes_a_second, double iops) {
  Storage storage;
  if (machine.disks > 0) {
    storage.local = true;
    storage.size = machine.disks * machine.disk_size;
    storage.throughput = machine.disks * machine.disk;
    storage.iops = machine.disks * machine.disk_iops;
    storage.read_s = machine.disk_read_s;
    storage.sync_s = machine.disk_sync_s;
    storage.volumes = machine.disks;
    return storage;
  }
  const Volume& volume = *machine.volume;
  constexpr double gb = 1e9, mib = 1 << 20;
  const double size = std::max(space / space_share, 20 * gb);
  storage.volumes = static_cast<std::int32_t>(std::ceil(size / volume.size_most));
  const double count = storage.volumes;
  storage.size = std::ceil(size / gb / count) * gb * count;
  const double wanted = std::ceil(bytes_a_second / volume_share / count / mib / 25) * 25 * mib;
  const double throughput = std::clamp(wanted, volume.throughput, volume.throughput_most);
  const double operations = std::clamp(std::ceil(iops / volume_share / count / 100) * 100, volume.iops, volume.iops_most);
  storage.throughput = std::min(throughput * count, machine.disk);
  storage.iops = operations * count;
  storage.read_s = volume.read_s;
  storage.sync_s = volume.sync_s;
  storage.month = storage.size / gb * volume.gb_month + count * ((operations - volume.iops) * volume.iops_month + (throughput - volume.throughput) / mib * volume.throughput_mib_month);
  return storage;
}

Cost cost_of(const Wish& wish, const Candidate& candidate) {
  Cost cost;
  const Prices& prices = *candidate.machine->prices;
  cost.machines = candidate.brokers * prices.hours_a_month * candidate.machine->hour;
  cost.storage = candidate.brokers * candidate.storage.month;
  if (wish.zones < 2) return cost;
  const double A = wish.zones;
  const double gb = wish.mean_log_rate() * prices.hours_a_month * 3600 / 1e9;
  const double elsewhere = (A - 1) / A;
  cost.produce_zone = gb * prices.cross_zone_a_gb * elsewhere;
  // Copies stand in other zones as long as there are any.
  const double copies_elsewhere = std::min(static_cast<double>(wish.replication - 1), A - 1) + std::max(0.0, static_cast<double>(wish.replication) - A) * elsewhere;
  cost.replication_zone = prices.replication_billed ? gb * prices.cross_zone_a_gb * copies_elsewhere : 0;
  cost.consume_zone = wish.rack_aware ? 0 : gb * prices.cross_zone_a_gb * wish.egress * elsewhere;
  cost.cross_zone = cost.produce_zone + cost.replication_zone + cost.consume_zone;
  return cost;
}

double aws_throughput(double brokers, double replication, double groups, double storage, double ebs, double net) {
  return std::min({storage * brokers / replication, ebs * brokers / replication, net * brokers / (groups + replication - 1)});
}

double google_vcpus(double produce, double consume, double replication, double utilisation) {
  constexpr double mib = 1 << 20;
  return std::ceil((produce * replication + (consume + produce * (replication - 1)) / 4) / (20 * mib) / utilisation);
}

double alibaba_brokers(double ingress, double fan_out, double replication) {
  constexpr double mb = 1 << 20;
  return std::max(4.0, std::ceil(ingress * (fan_out + 2 * replication - 1) * 2 / (400 * mb)));
}

}  // namespace harrow::size
