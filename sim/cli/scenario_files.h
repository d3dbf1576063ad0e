// What several commands do with scenario files.
#pragma once

#include <string>

#include "sim/cli/command.h"
#include "sim/scenario/read.h"

namespace harrow::cli {

void say_problems(const Terminal& terminal, const sim::Problems& problems);
/// Reads every recorded file that the scenario replays; says what is wrong with one.
bool replays_are_whole(const Terminal& terminal, const sim::Scenario& scenario);
/// By a temporary file and renaming.
bool write_whole(const std::string& path, std::string_view text);
/// "latest", "latest-failed" or a folder, as the folder; empty when it holds no run.json.
std::string run_folder(const std::string& name);
std::string results_root();
/// The command that repeats a run.
std::string repeat_command(const std::string& file, std::uint64_t seed, const std::vector<std::string>& sets);

}  // namespace harrow::cli
