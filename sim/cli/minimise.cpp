#include <fmt/format.h>

#include "sim/cli/one_run.h"
#include "sim/cli/scenario_files.h"
#include "sim/scenario/run_json.h"
#include "sim/shrink/shrink.h"

namespace harrow::cli {

int minimise_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("run", 1);
  options.add()("out", po::value<std::string>()->value_name("FILE"), "the scenario to write (minimal.yaml in the run's folder)")("budget", po::value<std::string>()->value_name("N"), "trials at most (200)")(
      "seeds", po::value<std::string>()->value_name("N"), "a trial tries the run's seed and N-1 after it (1)");
  if (const auto done = options.parse(arguments)) return *done;
  const Terminal& terminal = options.terminal;
  const std::vector<std::string> runs = options.texts("run");
  const std::string folder = run_folder(runs.empty() ? "latest-failed" : runs[0]);
  const auto recorded = folder.empty() ? std::nullopt : sim::parse_run_json(read_text(folder + "/run.json").value_or(""));
  if (!recorded) {
    terminal.warn("harrow minimise: no run at " + (runs.empty() ? std::string("latest-failed") : runs[0]));
    return exit_usage;
  }
  if (!recorded->failure) {
    terminal.warn("harrow minimise: this run did not fail");
    return exit_nothing;
  }
  std::uint64_t budget = 200, seeds = 1;
  if (!options.number("budget", budget) || !options.number("seeds", seeds)) return exit_usage;
  const std::string path = folder + "/scenario.yaml";
  sim::Problems problems;
  const auto whole = sim::load_scenario(path, {}, problems);
  const sim::Tree* const faults = whole ? whole->find("faults") : nullptr;
  if (faults == nullptr) {
    say_problems(terminal, problems);
    return exit_usage;
  }
  watch_signals();
  ChildOptions child;
  child.bug = recorded->bug;  // a bug of the museum was switched on: the smaller scenario must still show it
  if (!child.bug.empty() && !is_bug(child.bug)) {
    terminal.warn("harrow minimise: the run had the bug " + child.bug + " switched on, which this program does not have");
    return exit_usage;
  }
  const std::string wanted = recorded->failure->signature();
  const auto with = [&](const std::vector<std::size_t>& kept) {
    sim::Tree tree = *whole;
    sim::Tree* const list = tree.find("faults");
    list->items.clear();
    for (const std::size_t i : kept) list->items.push_back(faults->items[i]);
    return tree;
  };
  std::uint64_t failing_seed = recorded->seed;
  std::size_t trials = 0;
  const auto still_fails = [&](const std::vector<std::size_t>& kept) {
    const sim::Tree tree = with(kept);
    for (std::uint64_t k = 0; k < std::max<std::uint64_t>(seeds, 1) && interrupted == 0; ++k) {
      ++trials;
      const sim::RunResult result = run_in_child(tree, path, recorded->seed + k, child);
      if (!result.failure || result.failure->signature() != wanted) continue;
      failing_seed = recorded->seed + k;
      terminal.say(fmt::format("{} of {} faults still fail", kept.size(), faults->items.size()));
      return true;
    }
    return false;
  };
  std::vector<std::size_t> everything(faults->items.size());
  for (std::size_t i = 0; i < everything.size(); ++i) everything[i] = i;
  if (!still_fails(everything)) {
    terminal.warn("harrow minimise: the run does not fail in the same way again (" + wanted + "); is this the same version?");
    return interrupted != 0 ? 128 + interrupted : exit_not_deterministic;
  }
  const std::vector<std::size_t> kept = sim::smallest_failing(faults->items.size(), still_fails, budget);
  const std::string out = options.text("out", folder + "/minimal.yaml");
  const std::string text = fmt::format("# Fails with seed {}: {}\n# {} of {} faults are left after {} runs.\n", failing_seed, wanted, kept.size(), faults->items.size(), trials) + to_yaml(with(kept));
  if (!write_whole(out, text)) {
    terminal.warn(out + ": cannot be written");
    return exit_usage;
  }
  terminal.put(fmt::format("{} of {} faults left after {} runs: {}\n{}\n", kept.size(), faults->items.size(), trials, out, repeat_command(out, failing_seed, {}) + (child.bug.empty() ? "" : " --bug " + child.bug)));
  return interrupted != 0 ? 128 + interrupted : exit_ok;
}

}  // namespace harrow::cli
