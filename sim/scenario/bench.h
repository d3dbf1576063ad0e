// The benchmarks behind `harrow bench`. Each gives its rows as JSON, one a call, as soon as it has them; what is compared
// is run in turns within one process, so that a busy machine slows both sides. Time is the processor time of the one
// thread, which is the time on the wall when nothing else runs. Nothing here is a test.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace harrow::sim {

struct BenchOptions {
  std::uint64_t from_seed = 1, until_seed = 20;
  std::int64_t percent = 100;                     // of the full size
  std::function<std::int64_t()> wall_ns;          // that the work took
  std::function<std::int64_t()> peak_bytes;       // the process's memory at its highest
  std::function<bool(const std::string&)> row;    // false: stop
};

struct BenchTask {
  std::string_view name, what;
  void (*run)(const BenchOptions& options);
};
/// All of them, by name.
const std::vector<BenchTask>& bench_tasks();

void bench_kernel(const BenchOptions& options);     // mm1, phold, phold64, pingpong beside a bare heap; coroutines
void bench_cluster(const BenchOptions& options);    // a small cluster with faults and checks
void bench_checks(const BenchOptions& options);     // the same with checks on and off
void bench_saturated(const BenchOptions& options);  // as many requests as one core answers
void bench_brokers(const BenchOptions& options);    // cost of a request with 3 brokers and with 100
void bench_idle(const BenchOptions& options);       // what a cluster does when nobody asks for anything
void bench_append(const BenchOptions& options);     // a log by itself

}  // namespace harrow::sim
