// Whole clusters: built-in scenarios, run one after another in this thread.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "core/base/check.h"
#include "core/wire/api.h"
#include "sim/scenario/bench.h"
#include "sim/scenario/read.h"
#include "sim/scenario/run.h"

namespace harrow::sim {

namespace {

constexpr const char* cluster_yaml = R"yaml(harrow: 1
name: bench-cluster
topics: [{ name: records, partitions: 12 }]
workload:
  producers: [{ name: producer, rate: 50/s, size: 512B }]
  consumers: [{ name: first, count: 3 }, { name: second, count: 3 }]
faults: [{ random: { from: 10s, until: 570s, mean-gap: 30s, pick: { kill: 3, pause: 2, one-way: 1 } } }]
stop: { heal: 570s, after: 600s }
)yaml";

// One record a batch and a batch a request, because nothing lingers and a batch is full with one; requests overlap.
std::string saturated_yaml(std::int64_t seconds) {
  return fmt::format(R"yaml(harrow: 1
name: bench-saturated
cluster: {{ config: {{ min.insync.replicas: 2, offsets.topic.num.partitions: 1 }} }}
topics: [{{ name: records, partitions: 12 }}]
workload:
  producers: [{{ name: producer, count: 6, rate: 6000/s, size: 512B, arrival: even, client: {{ linger.ms: 0, batch.size: 1 }} }}]
  consumers: [{{ name: reader, count: 3 }}]
stop: {{ heal: {}s, after: {}s }}
)yaml",
                     4 + seconds, 5 + seconds);
}

std::string brokers_yaml(std::int64_t brokers, std::int64_t seconds) {
  return fmt::format(R"yaml(harrow: 1
name: bench-brokers
cluster: {{ brokers: {{ count: {} }} }}
topics: [{{ name: records, partitions: {} }}]
workload:
  producers: [{{ name: producer, count: {}, rate: {}/s, size: 512B }}]
  consumers: [{{ name: reader, count: {} }}]
stop: {{ heal: {}s, after: {}s }}
)yaml",
                     brokers, brokers * 4, brokers, brokers * 20, brokers, seconds - 1, seconds);
}

constexpr const char* idle_yaml = R"yaml(harrow: 1
name: bench-idle
cluster: { config: { metadata.max.idle.interval.ms: 0 } }
topics: [{ name: records, partitions: 12 }]
workload: { producers: [], consumers: [] }
stop: { heal: 119s, after: 120s }
)yaml";

RunResult run_text(const std::string& yaml, std::uint64_t seed, RunOptions run, const BenchOptions& options) {
  Problems problems;
  const auto bound = read_scenario_text(yaml, "bench.yaml", seed, problems);
  CHECK_SAYING(bound.has_value(), "a built-in scenario is wrong");
  run.wall_ns = options.wall_ns;
  return run_scenario(bound->scenario, seed, run);
}

std::int64_t median(std::vector<std::int64_t> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}
std::int64_t over(std::int64_t a, std::int64_t b) { return a / std::max<std::int64_t>(b, 1); }

}  // namespace

void bench_cluster(const BenchOptions& options) {
  std::vector<std::int64_t> ratios, costs;
  for (std::uint64_t seed = options.from_seed; seed <= options.until_seed; ++seed) {
    const RunResult result = run_text(cluster_yaml, seed, RunOptions(), options);
    ratios.push_back(over(result.virtual_ns, result.wall_ns));
    costs.push_back(over(result.wall_ns, result.requests));
    if (!options.row(fmt::format("{{\"task\":\"cluster\",\"seed\":{},\"verdict\":\"{}\",\"times_real_time\":{},\"requests\":{},\"ns_per_request\":{},\"events\":{},\"hash\":\"{:016x}\"}}", seed,
                                 name_of(result.verdict), ratios.back(), result.requests, costs.back(), result.events, result.trace_hash)))
      return;
  }
  if (ratios.empty()) return;
  options.row(fmt::format("{{\"task\":\"cluster\",\"seeds\":{},\"median_times_real_time\":{},\"median_ns_per_request\":{},\"peak_memory_mb\":{}}}", ratios.size(), median(ratios), median(costs),
                          options.peak_bytes() >> 20));
}

void bench_checks(const BenchOptions& options) {
  std::vector<std::int64_t> shares;
  for (std::uint64_t seed = options.from_seed; seed <= options.until_seed; ++seed) {
    RunOptions off;
    off.checks = false;
    const RunResult without = run_text(cluster_yaml, seed, off, options);
    const RunResult with = run_text(cluster_yaml, seed, RunOptions(), options);
    CHECK_SAYING(with.trace_hash == without.trace_hash, "checks changed the run");
    shares.push_back(over((with.wall_ns - without.wall_ns) * 1000, with.wall_ns));
  }
  const std::int64_t share = median(shares);
  options.row(fmt::format("{{\"task\":\"checks\",\"seeds\":{},\"median_share_of_run_time_percent\":{}.{}}}", shares.size(), share / 10, share % 10));
}

void bench_saturated(const BenchOptions& options) {
  const std::int64_t seconds = std::max<std::int64_t>(10 * options.percent / 100, 1);
  RunOptions run;
  run.checks = false;
  const RunResult result = run_text(saturated_yaml(seconds), options.from_seed, run, options);
  options.row(fmt::format("{{\"task\":\"saturated\",\"verdict\":\"{}\",\"requests\":{},\"acked\":{},\"requests_per_second\":{},\"ns_per_request\":{},\"events\":{},\"peak_memory_mb\":{}}}",
                          name_of(result.verdict), result.requests, result.records.acked, over(result.requests * 1'000'000'000, result.wall_ns), over(result.wall_ns, result.requests),
                          result.events, options.peak_bytes() >> 20));
}

void bench_brokers(const BenchOptions& options) {
  // What a longer run costs more than a shorter one: start and end are not meant.
  const auto cost_of = [&](std::int64_t brokers) {
    RunOptions run;
    run.checks = false;
    const std::int64_t seconds = std::max<std::int64_t>(10 * options.percent / 100, 2);
    const RunResult shorter = run_text(brokers_yaml(brokers, 20), options.from_seed, run, options);
    const RunResult longer = run_text(brokers_yaml(brokers, 20 + seconds), options.from_seed, run, options);
    const std::int64_t cost = over(longer.wall_ns - shorter.wall_ns, longer.requests - shorter.requests);
    options.row(fmt::format("{{\"task\":\"brokers\",\"brokers\":{},\"requests\":{},\"ns_per_request\":{},\"acked\":{}}}", brokers, longer.requests - shorter.requests, cost, longer.records.acked));
    return cost;
  };
  std::vector<std::int64_t> few;
  for (int turn = 0; turn < 3; ++turn) few.push_back(cost_of(3));
  const std::int64_t ratio = over(cost_of(100) * 100, median(few));
  options.row(fmt::format("{{\"task\":\"brokers\",\"cost_of_a_request_100_to_3\":{}.{:02}}}", ratio / 100, ratio % 100));
}

namespace {

/// Requests by API in the second minute, when everything has settled.
class Settled final : public TraceListener {
 public:
  void on_event(const TraceEvent& event, const void*) override {
    if (event.time_ns < 60 * ns_per_s) return;
    ++events;
    if (event.kind == TraceKind::response_sent) ++by_api[event.a];
  }
  std::int64_t events = 0;
  std::map<std::int64_t, std::int64_t> by_api;
};

}  // namespace

void bench_idle(const BenchOptions& options) {
  Settled settled;
  RunOptions run;
  run.checks = false;
  run.all_events = true;
  run.event_listener = &settled;
  const RunResult result = run_text(idle_yaml, options.from_seed, run, options);
  std::string answered;
  for (const auto& [api, count] : settled.by_api) {
    const wire::ApiInfo* const info = wire::find_api(static_cast<std::int16_t>(api));
    answered += fmt::format("{}\"{}\":{}", answered.empty() ? "" : ",", info == nullptr ? std::string_view("?") : info->name, count);
  }
  options.row(fmt::format("{{\"task\":\"idle\",\"virtual_seconds\":60,\"answered\":{{{}}},\"trace_events\":{},\"times_real_time\":{}}}", answered, settled.events, over(result.virtual_ns, result.wall_ns)));
}

}  // namespace harrow::sim
