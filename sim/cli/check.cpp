#include <filesystem>

#include "sim/cli/command.h"
#include "sim/cli/scenario_files.h"
#include "sim/faults/injector.h"
#include "sim/scenario/describe.h"
#include "sim/scenario/fault_text.h"

namespace harrow::cli {

namespace {

/// What this seed drew, as comments: values are in the expanded file already, random phases stay phases there.
std::string drawn_text(const sim::Scenario& scenario, std::uint64_t seed) {
  std::string text;
  for (const auto& [path, value] : scenario.drawn) text += "# seed " + std::to_string(seed) + " draws " + path + " = " + value + "\n";
  const std::vector<sim::Fault> faults = sim::Injector::draw(scenario, seed);
  if (!faults.empty()) text += "# seed " + std::to_string(seed) + " draws these faults; each waits for its phase's budget, and targets are fixed when it fires:\n";
  for (const sim::Fault& fault : faults) text += "#   - " + to_text(fault) + "\n";
  return text;
}

}  // namespace

int check_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("file", -1);
  options.add()("schema", "print the JSON schema of scenario files")("reference", po::value<std::string>()->value_name("PAGE"), "print a reference page: scenario or faults")(
      "expand", "print the file with every default filled in and every draw made")("seed", po::value<std::string>()->value_name("N"), "seed of the draws (1)")(
      "set", po::value<std::vector<std::string>>()->composing()->value_name("PATH=VALUE"), "change a value")("strict", "warnings count: exit 1");
  if (const auto done = options.parse(arguments)) return *done;
  if (options.has("schema")) {
    options.terminal.put(sim::json_schema());
    return exit_ok;
  }
  if (options.has("reference")) {
    const std::string page = options.text("reference");
    if (page != "scenario" && page != "faults") {
      options.terminal.warn("harrow check: --reference is scenario or faults");
      return exit_usage;
    }
    options.terminal.put(page == "scenario" ? sim::scenario_reference() : sim::fault_reference());
    return exit_ok;
  }
  const std::vector<std::string> files = options.texts("file");
  std::uint64_t seed = 1;
  if (!options.number("seed", seed)) return exit_usage;
  if (files.empty()) {
    options.terminal.warn("harrow check: which file? See harrow check -h");
    return exit_usage;
  }
  bool wrong = false, warned = false;
  for (const std::string& file : files) {
    sim::Problems problems;
    const auto bound = sim::read_scenario(file, options.texts("set"), seed, problems);
    if (!bound) {
      say_problems(options.terminal, problems);
      wrong = true;
      continue;
    }
    // what it would replay is read, too: a damaged file is found here
    const bool good = replays_are_whole(options.terminal, bound->scenario);
    wrong = wrong || !good;
    sim::Problems warnings = bound->warnings;
    warnings.insert(warnings.end(), bound->lint.begin(), bound->lint.end());
    sim::sort_by_position(warnings);
    warned = warned || !warnings.empty();
    for (const sim::Problem& warning : warnings) options.terminal.warn("warning: " + to_text(warning));
    if (options.has("expand")) {
      options.terminal.put(sim::to_yaml(bound->expanded) + drawn_text(bound->scenario, seed));
    } else if (good) {
      options.terminal.say(file + ": good");
    }
  }
  if (wrong) return exit_usage;
  return warned && options.has("strict") ? exit_failed : exit_ok;
}

int new_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("file", 1);
  if (const auto done = options.parse(arguments)) return *done;
  const std::vector<std::string> files = options.texts("file");
  if (files.size() != 1) {
    options.terminal.warn("harrow new: which file? See harrow new -h");
    return exit_usage;
  }
  if (std::filesystem::exists(files[0])) {
    options.terminal.warn(files[0] + ": is there already; nothing written");
    return exit_usage;
  }
  if (!write_whole(files[0], sim::scenario_template(std::filesystem::path(files[0]).stem().string()))) {
    options.terminal.warn(files[0] + ": cannot be written");
    return exit_usage;
  }
  options.terminal.say("wrote " + files[0] + "; run it with: harrow run " + shell_quoted(files[0]));
  return exit_ok;
}

}  // namespace harrow::cli
