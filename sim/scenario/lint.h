// What runs as it is written, but is rarely meant: settings that lose data, fill disks or cannot keep up, seen from rates and
// sizes. For `harrow check`; nothing here stops a run.
#pragma once

#include <map>
#include <set>
#include <string>

#include "sim/scenario/scenario.h"
#include "sim/scenario/tree.h"

namespace harrow::sim {

/// Where things stand in the file: "topic orders", "producer shop".
using Places = std::map<std::string, Position, std::less<>>;

/// `ordered`: topics whose readers rely on the order of records. `partition_bytes_per_s`: what one partition takes and one
/// consumer reads.
Problems lint(const Scenario& scenario, const Places& places, const std::set<std::string, std::less<>>& ordered, double partition_bytes_per_s = 10e6);

}  // namespace harrow::sim
