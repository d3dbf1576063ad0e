#include "sim/size/confirm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/base/check.h"
#include "sim/scenario/read.h"
#include "sim/scenario/watched_run.h"
#include "sim/size/measure.h"

namespace harrow::size {
namespace {

constexpr double simulated_batch = 4096;   // bytes: more of a batch would only be copied about
constexpr double tcp_efficiency = 0.95;    // as in the equations
constexpr double write_amplification = 1.05;
constexpr double settle_s = 3;             // elections, topics, groups, first connections
constexpr double window_s = 3;
// A session of 9 s runs out and leaders move; what was sent to a machine without power is given up after request.timeout.ms
// (30 s) and sent again, by clients and by groups in turn; buffers drain.
constexpr double loss_at_s = 4, recover_s = 44, after_s = 4;
constexpr double sent_least = 0.995;
constexpr double behind_most = 0.005;
constexpr double apart = 0.15;

std::string racks_text(std::int32_t zones, bool without_first) {
  std::string text;
  for (std::int32_t i = without_first && zones > 1 ? 1 : 0; i < zones; ++i) text += std::string(text.empty() ? "" : ", ") + static_cast<char>('a' + i);
  return "[" + text + "]";
}

std::int64_t whole(double value) { return static_cast<std::int64_t>(std::llround(value)); }

/// Bytes of the simulated record's value: with header and framing it is a batch.
double value_bytes(const Wish& wish, const Scale& scale) { return std::max(16.0, wish.batch_log_bytes() / scale.byte - 61 - 10); }

double batches(const Wish& wish, const Scale& scale, double multiple) { return wish.batches_a_second() * multiple * scale.share / scale.thin; }

/// Processor costs of the simulator itself (sim/host/sim_cpu.h), in this room's form.
CpuCosts simulated_costs(double byte) {
  CpuCosts costs;
  costs.frame_in_ns = costs.frame_out_ns = 1500;
  costs.frame_in_byte_ns = costs.frame_out_byte_ns = 0.12 / byte;
  costs.request_ns = 4000;
  costs.batch_ns = 150;
  return costs;
}

/// What no scenario file can say: how wide each broker's link is in each direction, how much may be dirty, and by how much the
/// simulator's processor costs must be multiplied to be this machine's.
void set_up(sim::Cluster& cluster, const Wish& wish, const Design& design, const Scale& scale) {
  const double per_byte = scale.byte * scale.thin;
  const auto link = static_cast<std::uint64_t>(design.candidate.machine->net * tcp_efficiency / per_byte);
  const double files = scale.partitions * wish.replication / scale.brokers;
  constexpr std::uint32_t first_rule = 1'000'000;
  std::uint32_t rule = first_rule;
  for (const sim::Cluster::NodePlace& place : cluster.nodes()) {
    if (!place.config.is_broker) continue;
    sim::Machine& machine = *place.machine;
    sim::Rule out, in;
    out.from = sim::HostSet{machine.index()};
    out.to = sim::HostSet::everyone();
    in.from = sim::HostSet::everyone();
    in.to = sim::HostSet{machine.index()};
    out.bandwidth_bytes_per_s = in.bandwidth_bytes_per_s = std::max<std::uint64_t>(link, 1);
    cluster.fabric().set_rule(rule++, out);
    cluster.fabric().set_rule(rule++, in);
    machine.slow_cpu(scale.cpu_factor);
    // Little room for dirty pages, in pieces that are worth an operation: a disk that cannot follow shows within seconds
    // instead of minutes.
    sim::DiskProfile profile = machine.disk().profile();
    profile.dirty_limit_bytes = static_cast<std::uint64_t>(std::max(0.05 * static_cast<double>(profile.bandwidth_bytes_per_s), files * 262144 / scale.byte));
    machine.disk().set_profile(profile);
  }
}

struct Run {
  Step step;
  std::int64_t longest_wait_ns = 0;
  sim::RunResult result;
};

Run run_window(const Wish& wish, const Design& design, const Scale& scale, double multiple, const sim::Scenario& scenario, Window window, std::uint64_t seed, bool checks, const ConfirmOptions& options) {
  Records records(window, static_cast<int>(scale.groups));
  Machines machines(window);
  sim::RunOptions run;
  run.checks = checks;
  run.stop_at_first_failure = false;
  run.history_listener = &records;
  run.wall_ns = options.wall_ns;
  sim::RunWatch watch;
  watch.before_start = [&](sim::Cluster& cluster) {
    machines.attach(cluster);
    set_up(cluster, wish, design, scale);
  };
  watch.between = [&](sim::Cluster& cluster) { machines.look(cluster); };
  run.on_progress = [&](const sim::Progress&) { return options.say == nullptr || options.say(""); };
  Run done;
  done.result = sim::run_watched(scenario, seed, run, watch);
  records.finish(done.result.virtual_ns);
  Step& step = done.step;
  step.multiple = multiple;
  step.seed = seed;
  step.wall_s = static_cast<double>(done.result.wall_ns) / 1e9;
  step.produce_p50_s = static_cast<double>(records.produce_ns().quantile(500'000)) / 1e9;
  step.produce_p99_s = static_cast<double>(records.produce_ns().quantile(990'000)) / 1e9;
  step.end_to_end_p50_s = static_cast<double>(records.end_to_end_ns().quantile(500'000)) / 1e9;
  step.end_to_end_p99_s = static_cast<double>(records.end_to_end_ns().quantile(990'000)) / 1e9;
  done.longest_wait_ns = records.longest_wait_ns();
  const Machine& machine = *design.candidate.machine;
  const double per_byte = scale.byte * scale.thin;
  const Busy busy = machines.busiest();
  step.cpu = busy.cpu / design.candidate.costs->lanes_of(machine);
  step.net_in = busy.net_in * per_byte / (machine.net * tcp_efficiency);
  step.net_out = busy.net_out * per_byte / (machine.net * tcp_efficiency);
  step.disk = busy.disk * per_byte * write_amplification / design.candidate.storage.throughput;
  // Arrivals are drawn: what was asked for is what the rate says, give or take three deviations.
  const double asked = batches(wish, scale, multiple) * static_cast<double>(window.until_ns - window.from_ns) / 1e9;
  const double invoked = static_cast<double>(records.invoked());
  const double noise = 3 / std::sqrt(std::max(asked, 1.0));
  const double offered = std::min(1.0, invoked / (asked * (1 - noise)));
  step.sent_share = invoked > 0 ? static_cast<double>(records.acked()) / invoked * offered : 0;
  step.behind_share = invoked > 0 ? static_cast<double>(records.behind()) / invoked : 0;
  step.held = true;
  const auto fails = [&](std::string why) {
    step.held = false;
    step.why += (step.why.empty() ? "" : "; ") + why;
  };
  if (done.result.virtual_ns < window.until_ns) fails("stopped early");
  if (step.sent_share < sent_least) fails(fmt::format("{:.1f} % acknowledged in time", step.sent_share * 100));
  if (step.behind_share > behind_most) fails(fmt::format("{:.1f} % unread after a second", step.behind_share * 100));
  for (const Objective& objective : wish.objectives) {
    const sim::Histogram& of = objective.of == Objective::Of::produce ? records.produce_ns() : records.end_to_end_ns();
    const double reached = static_cast<double>(of.quantile(whole(objective.quantile * 1e6))) / 1e9;
    if (reached > objective.limit_s) fails(fmt::format("{}, but {}", objective.text, span_text(reached)));
  }
  return done;
}

std::int64_t ns_of(double seconds) { return whole(seconds * 1e9); }

}  // namespace

Scale scale_of(const Wish& wish, const Design& design, double batches_most) {
  Scale scale;
  const double B = design.candidate.brokers, zones = wish.zones;
  const double least = std::min(B, std::max(zones > 1 ? 2 * zones : 1.0, static_cast<double>(wish.replication) + (wish.zones > 1 ? 0 : 1)));
  const double rate = wish.batches_a_second();
  scale.brokers = B;
  if (rate > batches_most || B > 24) {
    const double fit = std::floor(std::min(24.0, B * batches_most / rate) / zones) * zones;
    scale.brokers = std::clamp(fit, least, B);
  }
  scale.share = scale.brokers / B;
  scale.thin = std::max(1.0, rate * scale.share / batches_most);
  scale.byte = std::max(1.0, wish.batch_log_bytes() / simulated_batch);
  const double share_of_partitions = std::max(1.0, std::round(design.candidate.partitions * scale.share / scale.brokers)) * scale.brokers;
  const double partitions_most = std::max(4 * scale.brokers, 48.0);
  scale.partitions = std::min(share_of_partitions, std::floor(partitions_most / scale.brokers) * scale.brokers);
  scale.groups = std::ceil(wish.egress - 1e-9);
  scale.producers = std::clamp(std::ceil(rate * scale.share / scale.thin / 400), 3.0, 12.0);
  scale.notes.push_back(fmt::format("batch level: a simulated record is a batch of {} records", number_text(wish.records_a_batch())));
  if (scale.byte > 1) scale.notes.push_back(fmt::format("one simulated byte stands for {}; links and disks shrink alike", number_text(scale.byte)));
  if (scale.share < 1) scale.notes.push_back(fmt::format("{:.0f} of {:.0f} brokers with their part of the load: each carries what it would in the whole; one lost of fewer weighs more", scale.brokers, B));
  if (scale.thin > 1) scale.notes.push_back(fmt::format("machines and load divided by {}: slower servers wait longer, so latencies are upper bounds", number_text(scale.thin)));
  if (scale.partitions < share_of_partitions) scale.notes.push_back(fmt::format("{:.0f} partitions instead of {:.0f}", scale.partitions, share_of_partitions));
  if (scale.groups > wish.egress) scale.notes.push_back(fmt::format("{:.0f} whole groups for an egress of {}x", scale.groups, number_text(wish.egress)));
  // The same work for the same traffic: a whole number of times what the simulator's own processor would need.
  const CpuCosts own = simulated_costs(scale.byte);
  Candidate simulated = design.candidate;
  simulated.costs = &own;
  const double wanted = design.demand.cpu_cores(0) / (demand_of(wish, simulated).cpu_cores(0) / scale.thin);
  scale.cpu_factor = std::max<std::int64_t>(1, std::llround(wanted));
  scale.notes.push_back(fmt::format("processor: the simulator's own costs times {}, {:.0f} % of what {} says", scale.cpu_factor, static_cast<double>(scale.cpu_factor) / wanted * 100, design.candidate.costs->name));
  scale.notes.push_back("logs begin empty: retention, cold reads and rebuilding are judged by the equations only");
  return scale;
}

std::string scenario_text(const Wish& wish, const Design& design, const Scale& scale, double multiple, double until_s, bool without_zone, const std::string& faults) {
  const Machine& machine = *design.candidate.machine;
  const Storage& storage = design.candidate.storage;
  const double per_byte = scale.byte * scale.thin;
  const auto limit = [&](double bytes) { return whole(std::max(bytes / scale.byte, 16384.0)); };
  const std::string racks = racks_text(wish.zones, false), clients = racks_text(wish.zones, without_zone);
  std::string text = fmt::format(
      "harrow: 1\n"
      "name: size-confirmation\n"
      "description: \"{} x {}: {} times the wished rate\"\n"
      "cluster:\n"
      "  controllers: {{ count: 3, racks: {} }}\n"
      "  brokers:\n"
      "    count: {:.0f}\n"
      "    racks: {}\n"
      "    hardware: {{ cores: {:.0f}, lanes: {:.0f}, memory: {}B, nic: {}bps, disk-bandwidth: {}B/s, disk-iops: {}, disk-capacity: {}B, disk-read: {}ns, disk-sync: {}ns }}\n"
      "  config: {{ min.insync.replicas: {}, offsets.topic.num.partitions: {:.0f}, offsets.topic.replication.factor: {}, replica.fetch.max.bytes: {}, replica.fetch.response.max.bytes: {}, group.initial.rebalance.delay.ms: 0 }}\n"
      "  network: {{ bandwidth: 400Gbps }}\n",
      number_text(design.candidate.brokers), machine.name, number_text(multiple), racks_text(std::min(wish.zones, 3), false), scale.brokers, racks, std::max(machine.vcpu, 1.0), design.candidate.costs->lanes_of(machine),
      whole(std::max(machine.memory / per_byte, 1.0 * (1 << 20))), whole(machine.net * tcp_efficiency * 8 / per_byte), whole(storage.throughput / write_amplification / per_byte), std::max<std::int64_t>(whole(storage.iops / scale.thin), 1),
      whole(std::max(storage.size / per_byte, 1.0 * (1 << 30))), ns_of(storage.read_s), ns_of(storage.sync_s), wish.min_isr, scale.brokers, wish.replication, limit(1 << 20), limit(10 << 20));
  text += fmt::format("topics: [{{ name: records, partitions: {:.0f}, replication: {}, config: {{ min.insync.replicas: {}{} }} }}]\n", scale.partitions, wish.replication, wish.min_isr, wish.flush ? ", flush.messages: 1" : "");
  const std::string keys = wish.keys <= 0 ? "none" : wish.key_alpha == 0 ? fmt::format("uniform({:.0f})", wish.keys) : fmt::format("\"zipf({:.0f}, {:.4f})\"", wish.keys, wish.key_alpha);
  text += fmt::format("workload:\n  producers: [{{ name: load, count: {:.0f}, rack: {}, topic: records, rate: {:.3f}/s, size: {}B, keys: {}, client: {{ acks: all, linger.ms: 0, batch.size: 1 }} }}]\n", scale.producers,
                      clients, batches(wish, scale, multiple), whole(value_bytes(wish, scale)), keys);
  text += "  consumers: [";
  const double members = std::min({scale.partitions, scale.brokers, 6.0});
  for (int group = 1; group <= static_cast<int>(scale.groups); ++group)
    text += fmt::format("{}{{ name: group-{}, count: {:.0f}, rack: {}, client: {{ max.partition.fetch.bytes: {}, fetch.max.bytes: {} }} }}", group > 1 ? ", " : "", group, members, clients, limit(1 << 20), limit(50 << 20));
  text += "]\n";
  if (!faults.empty()) text += "faults: [" + faults + "]\n";
  text += fmt::format("stop: {{ heal: {}ns, after: {}ns }}\n", ns_of(until_s), ns_of(until_s + 1.25));
  return text;
}

sim::Scenario scenario_of(const Wish& wish, const Design& design, const Scale& scale, double multiple, double until_s, bool without_zone, const std::string& faults) {
  sim::Problems problems;
  auto bound = sim::read_scenario_text(scenario_text(wish, design, scale, multiple, until_s, without_zone, faults), "size-confirmation", 1, problems);
  CHECK_SAYING(bound.has_value(), problems.empty() ? "a confirmation's scenario is wrong" : to_text(problems[0]).c_str());
  return std::move(bound->scenario);
}

Step run_step(const Wish& wish, const Design& design, const Scale& scale, double multiple, std::uint64_t seed, const ConfirmOptions& options) {
  const double until = settle_s + window_s + 0.25;
  const sim::Scenario scenario = scenario_of(wish, design, scale, multiple, until, false, "");
  return run_window(wish, design, scale, multiple, scenario, Window{ns_of(settle_s), ns_of(settle_s + window_s)}, seed, false, options).step;
}

Loss run_loss(const Wish& wish, const Design& design, const Scale& scale, LossOf what, std::uint64_t seed, const ConfirmOptions& options) {
  Loss loss;
  std::string faults;
  double recover = recover_s;
  switch (what) {
    case LossOf::broker:
      loss.what = "broker";
      faults = fmt::format("{{ at: {}s, power-loss: broker(1), restart: never }}", loss_at_s);
      break;
    case LossOf::zone:
      loss.what = "zone";
      faults = fmt::format("{{ at: {}s, power-loss: rack:a, restart: never }}", loss_at_s);
      break;
    case LossOf::rolling_restart:
      loss.what = "rolling restart";
      faults = fmt::format("{{ at: {}s, rolling-restart: [{}], restart: after 1s, gap: 1s }}", loss_at_s, "broker(1), broker(2)");
      recover = 12;
      break;
    case LossOf::slow_disk:
      loss.what = "slow disk";
      faults = fmt::format("{{ at: {}s, slow-disk: broker(1), factor: 4 }}", loss_at_s);
      recover = 4;
      break;
  }
  const double from = loss_at_s + recover, until = from + after_s + 0.25;
  const sim::Scenario scenario = scenario_of(wish, design, scale, 1, until, what == LossOf::zone, faults);
  Run run = run_window(wish, design, scale, 1, scenario, Window{ns_of(from), ns_of(from + after_s)}, seed, true, options);
  loss.after = run.step;
  loss.longest_wait_s = static_cast<double>(run.longest_wait_ns) / 1e9;
  loss.lost = run.result.records.lost;
  loss.acked = run.result.records.acked;
  loss.held = loss.after.held && loss.lost == 0;
  loss.why = loss.after.why;
  if (loss.lost > 0) loss.why += fmt::format("{}{} acknowledged batches lost", loss.why.empty() ? "" : "; ", loss.lost);
  return loss;
}

namespace {

void compare(Confirmed& confirmed, const Design& design, const Wish& wish) {
  const auto differ = [&](const std::string& what, double predicted, double simulated, const std::string& predicted_text, const std::string& simulated_text, const std::string& why) {
    if (predicted <= 0 || simulated <= 0) return;
    const double by = simulated / predicted - 1;
    if (std::abs(by) <= apart) return;
    confirmed.differences.push_back(fmt::format("{}: equations {}, simulated {} ({:+.0f} %){}", what, predicted_text, simulated_text, by * 100, why.empty() ? "" : ": " + why));
  };
  const Step* at_peak = nullptr;
  for (const Step& step : confirmed.ladder)
    if (step.multiple == 1) at_peak = &step;
  if (confirmed.past > 0) differ("knee", design.knee, confirmed.knee, rate_text(design.knee), rate_text(confirmed.knee), "");
  if (at_peak == nullptr) return;
  const auto share = [](double value) { return fmt::format("{:.0f} %", value * 100); };
  const auto used = [&](Constraint constraint) { return design.table(static_cast<int>(constraint), 0); };
  // Shares of a few per cent are no difference worth a line.
  const auto differ_in_share = [&](const std::string& what, Constraint constraint, double simulated, const std::string& why) {
    if (std::max(used(constraint), simulated) < 0.1) return;
    differ(what, used(constraint), simulated, share(used(constraint)), share(simulated), why);
  };
  differ_in_share("processor at the peak", Constraint::cpu, at_peak->cpu, "the simulated fetches are as many as there were, the equations' an upper bound");
  differ_in_share("network in at the peak", Constraint::net_in, at_peak->net_in, "");
  differ_in_share("network out at the peak", Constraint::net_out, at_peak->net_out, confirmed.scale.groups > wish.egress ? "whole groups are simulated" : "");
  differ_in_share("disk at the peak", Constraint::disk_write, at_peak->disk, "a window of seconds has whole write-backs or none");
  differ("produce p99 at the peak", design.latency.produce_p99_s, at_peak->produce_p99_s, span_text(design.latency.produce_p99_s), span_text(at_peak->produce_p99_s), confirmed.scale.thin > 1 ? "thinner machines are slower" : "the equation is for pruning only");
}

}  // namespace

Confirmed confirm(const Wish& wish, const Design& design, const ConfirmOptions& options) {
  Confirmed confirmed;
  confirmed.scale = scale_of(wish, design, options.batches_most);
  const std::int64_t begun = options.wall_ns ? options.wall_ns() : 0;
  const auto say = [&](const std::string& line) {
    if (options.say && !options.say(line)) confirmed.interrupted = true;
    return !confirmed.interrupted;
  };
  const auto finish = [&]() -> Confirmed& {
    std::sort(confirmed.ladder.begin(), confirmed.ladder.end(), [](const Step& a, const Step& b) { return a.multiple < b.multiple; });
    double held = 0, failed = 0;
    for (const Step& step : confirmed.ladder) {
      if (step.held) held = std::max(held, step.multiple);
      else if (failed == 0 || step.multiple < failed) failed = step.multiple;
    }
    confirmed.knee = held * wish.ingress;
    confirmed.past = failed * wish.ingress;
    for (const Step& step : confirmed.ladder)
      if (!step.held && step.multiple == failed) {
        const std::pair<double, const char*> uses[] = {{step.cpu, "cpu"}, {step.net_in, "net_in"}, {step.net_out, "net_out"}, {step.disk, "disk_write"}};
        confirmed.gave_way = std::max_element(std::begin(uses), std::end(uses))->second;
      }
    compare(confirmed, design, wish);
    if (options.wall_ns) confirmed.wall_s = static_cast<double>(options.wall_ns() - begun) / 1e9;
    return confirmed;
  };
  const auto climb = [&](double multiple) {
    confirmed.ladder.push_back(run_step(wish, design, confirmed.scale, multiple, options.seed, options));
    const Step& step = confirmed.ladder.back();
    say(fmt::format("  {:>5.2f} times the rate: {}, produce p99 {}{}", multiple, step.held ? "held" : "not held", span_text(step.produce_p99_s), step.held ? "" : " (" + step.why + ")"));
    return step.held;
  };

  if (!say(fmt::format("Confirming {:.0f} x {} by simulation ...", design.candidate.brokers, design.candidate.machine->name))) return finish();
  const double tolerance = options.thorough ? 0.02 : 0.05;
  // The wished rate first; then from where the equations see the knee, up or down, until it is between two rungs.
  double low = 0, high = 0;
  if (climb(1)) low = 1;
  else high = 1;
  double next = low > 0 ? std::max(1.05, 0.95 * design.knee / wish.ingress) : 0.8;
  const int rungs = options.thorough ? 12 : 6;
  for (int rung = 0; rung < rungs && !confirmed.interrupted; ++rung) {
    if (low > 0 && high > 0 && high / low - 1 <= tolerance * 1.01) break;
    if (low == 0 && next < 0.2) break;
    if (climb(next)) low = next;
    else high = next;
    if (low > 0 && high > 0) next = high / low > 1.0 + 2.5 * tolerance ? (low + high) / 2 : low * (1 + tolerance);
    else next = low > 0 ? low * 1.1 : high * 0.8;
    if (low > 0 && high > 0 && next >= high) break;
  }
  confirmed.seeds.push_back(confirmed.ladder.front());
  confirmed.held = confirmed.ladder.front().held;
  for (std::uint64_t seed = options.seed + 1; options.thorough && seed < options.seed + 5 && !confirmed.interrupted; ++seed) {
    confirmed.seeds.push_back(run_step(wish, design, confirmed.scale, 1, seed, options));
    say(fmt::format("  seed {}: {}, produce p99 {}", seed, confirmed.seeds.back().held ? "held" : "not held", span_text(confirmed.seeds.back().produce_p99_s)));
    confirmed.held = confirmed.held && confirmed.seeds.back().held;
  }
  std::vector<LossOf> losses;
  if (wish.survive != Survive::none) losses.push_back(LossOf::broker);
  if (wish.survive == Survive::zone) losses.push_back(LossOf::zone);
  if (options.thorough) losses.push_back(LossOf::slow_disk);
  if (options.thorough && wish.survive != Survive::none) losses.push_back(LossOf::rolling_restart);
  for (const LossOf what : losses) {
    if (confirmed.interrupted) break;
    confirmed.losses.push_back(run_loss(wish, design, confirmed.scale, what, options.seed, options));
    const Loss& loss = confirmed.losses.back();
    say(fmt::format("  {}: {}, then produce p99 {}, longest wait {}{}", loss.what, loss.held ? "held" : "not held", span_text(loss.after.produce_p99_s), span_text(loss.longest_wait_s), loss.held ? "" : " (" + loss.why + ")"));
    // A disk that slows down is shown, not judged.
    if (what != LossOf::slow_disk) confirmed.held = confirmed.held && loss.held;
  }
  if (confirmed.interrupted) confirmed.held = false;
  return finish();
}

}  // namespace harrow::size
