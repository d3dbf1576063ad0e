// The names in a recorded file's header, for whoever has to guess which column is what.
#pragma once

#include <string>
#include <vector>

#include "sim/workload/replay_file.h"

namespace harrow::sim {

/// None for JSON lines, which name their members themselves.
tl::expected<std::vector<std::string>, ReplayProblem> replay_columns(const std::string& path);

}  // namespace harrow::sim
