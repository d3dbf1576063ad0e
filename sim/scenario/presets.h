// Published workloads by name: scenarios/presets/*.yaml, compiled into the program so that it runs from anywhere. A file
// of that name in the folder `presets` beside the scenario counts more.
#pragma once

#include <span>
#include <string_view>

namespace harrow::sim {

struct BuiltinPreset {
  std::string_view name;  // "activity"
  std::string_view text;  // YAML
};
/// Sorted by name. Made by the build from scenarios/presets.
std::span<const BuiltinPreset> builtin_presets();

}  // namespace harrow::sim
