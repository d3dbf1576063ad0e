// The benchmarks behind `harrow bench`. Each gives its rows as JSON, one a call, as soon as it has them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace harrow::sim {

struct BenchOptions {
  std::uint64_t from_seed = 1, until_seed = 20;
  std::int64_t percent = 100;                     // of the full size
  std::function<std::int64_t()> wall_ns;          // monotonic
  std::function<bool(const std::string&)> row;    // false: stop
};

/// Each returns false when it has no rows to give.
bool bench_kernel(const BenchOptions& options);   // mm1, phold, phold64, pingpong beside a bare heap
bool bench_cluster(const BenchOptions& options);  // a small cluster with faults, and one saturated

}  // namespace harrow::sim
