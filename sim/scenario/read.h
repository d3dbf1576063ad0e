// Reads a scenario file, strictly: every mistake is a problem with file, line and column, all of them are collected, and
// nothing runs. Reading has two steps, so that a swarm reads once and binds per seed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/scenario/scenario.h"
#include "sim/scenario/tree.h"

namespace harrow::sim {

/// The file with what it extends, and with `sets` ("cluster/brokers/count=5") laid over it.
std::optional<Tree> load_scenario(const std::string& path, const std::vector<std::string>& sets, Problems& problems);

struct BoundScenario {
  Scenario scenario;
  Tree expanded;      // every default filled in, every draw made: reads back as the same scenario
  Problems warnings;  // what runs, but is probably not meant
  Problems lint;      // and what only `check` says (lint.h)
};
/// Draws with this seed and binds. `path` names the scenario and is what its `file` says.
std::optional<BoundScenario> bind_scenario(Tree tree, const std::string& path, std::uint64_t seed, Problems& problems);

/// Both steps. Problems come sorted by position.
std::optional<BoundScenario> read_scenario(const std::string& path, const std::vector<std::string>& sets, std::uint64_t seed, Problems& problems);
/// The same from text, for tests and fuzzing.
std::optional<BoundScenario> read_scenario_text(std::string_view text, const std::string& name, std::uint64_t seed, Problems& problems);

void sort_by_position(Problems& problems);

/// Description and source of each preset, for `harrow list presets`.
struct PresetNote {
  std::string name, description, source;
};
std::vector<PresetNote> preset_notes();

}  // namespace harrow::sim
