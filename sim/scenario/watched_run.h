// A run that somebody looks into: the cluster before it starts (to set up what no file says) and between turns (to read
// machines). Whoever looks must not change a running cluster.
#pragma once

#include <functional>

#include "sim/cluster/cluster.h"
#include "sim/scenario/run.h"

namespace harrow::sim {

struct RunWatch {
  std::function<void(Cluster&)> before_start;
  std::function<void(Cluster&)> between;  // every quarter of a virtual second
};
RunResult run_watched(const Scenario& scenario, std::uint64_t seed, RunOptions& options, const RunWatch& watch);

}  // namespace harrow::sim
