#include <fmt/format.h>

#include <filesystem>

#include "core/base/mutation.h"
#include "sim/cli/one_run.h"
#include "sim/cli/scenario_files.h"
#include "sim/scenario/units.h"

namespace harrow::cli {

namespace {

struct Row {
  std::string file;
  bool reached = false, caught = false, control_silent = true;
  std::string by;
  std::uint64_t seeds = 0;
  std::int64_t wall_ns = 0;
};

/// Seeds in order until one fails with the bug switched on; then the same seeds without it.
Row visit(const Terminal& terminal, const std::string& bug, const std::string& file, const SeedRange& seeds, bool& readable) {
  Row row;
  row.file = file;
  sim::Problems problems;
  const auto tree = sim::load_scenario(file, {}, problems);
  if (!tree || !sim::bind_scenario(*tree, file, seeds.from, problems)) {
    say_problems(terminal, problems);
    readable = false;
    return row;
  }
  const std::int64_t start = wall_clock_ns();
  for (std::uint64_t seed = seeds.from; seed <= seeds.until && !row.caught && interrupted == 0; ++seed) {
    ++row.seeds;
    ChildOptions options;
    options.bug = bug;
    Child child = start_child(*tree, file, seed, options);
    while (child.descriptor >= 0 && read_child(child)) {
    }
    const std::size_t at = child.text.find("\nreached ");
    row.reached = row.reached || (at != std::string::npos && child.text.substr(at + 9, 2) != "0\n");
    const sim::RunResult result = finish_child(child, file, seed, "");
    if (result.verdict != sim::Verdict::fail || !result.failure) continue;
    row.caught = row.reached = true;
    row.by = result.failure->id + " " + result.failure->check;
  }
  row.wall_ns = wall_clock_ns() - start;
  for (std::uint64_t k = 0; k < row.seeds && row.control_silent && interrupted == 0; ++k)
    row.control_silent = run_in_child(*tree, file, seeds.from + k, {}).verdict != sim::Verdict::fail;
  return row;
}

std::string line_of(const std::string& bug, const Row& row) {
  return fmt::format("{:<6}{:<34}{:<10}{:<34}{:<7}{:<11}{}\n", bug, row.file, row.reached ? "reached" : "never", row.caught ? row.by : "missed", row.seeds, sim::short_duration(row.wall_ns),
                     row.control_silent ? "silent" : "NOT SILENT");
}

}  // namespace

int museum_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("what", -1);
  options.add()("all", "every bug")("seeds", po::value<std::string>()->value_name("A..B"), "seeds to try (1..50)")("scenario", po::value<std::string>()->value_name("FILE"),
                                                                                                             "the general scenario (scenarios/museum.yaml)");
  if (const auto done = options.parse(arguments)) return *done;
  const Terminal& terminal = options.terminal;
  const std::vector<std::string> what = options.texts("what");
  const std::string verb = what.empty() ? "" : what[0];
  if (verb != "list" && verb != "run") {
    terminal.warn("harrow museum: list, or run ID, or run --all" + sim::did_you_mean(verb, {"list", "run"}));
    return exit_usage;
  }
  if (!museum_build) {
    terminal.warn("this program has no museum: build it with `./dev build museum`");
    return exit_usage;
  }
  if (verb == "list") {
    std::string out;
    for (const BugRow& row : bugs()) out += fmt::format("{:<6}{}\n", row.id, row.name);
    terminal.put(out);
    return exit_ok;
  }
  const auto seeds = parse_seeds(options.text("seeds", "1..50"));
  if (!seeds || (what.size() != 2 && !options.has("all"))) {
    terminal.warn(!seeds ? "harrow museum: --seeds wants A..B" : "harrow museum run: which bug? See harrow museum list");
    return exit_usage;
  }
  watch_signals();
  const std::string general = options.text("scenario", "scenarios/museum.yaml");
  std::string out = fmt::format("{:<6}{:<34}{:<10}{:<34}{:<7}{:<11}{}\n", "bug", "scenario", "point", "caught by", "seeds", "wall", "control");
  bool found = false, missed = false, never = false;
  for (const BugRow& bug : bugs()) {
    const std::string id(bug.id);
    if (!options.has("all") && what[1] != id) continue;
    found = true;
    bool readable = true;
    Row row = visit(terminal, id, general, *seeds, readable);
    if (!readable) return exit_usage;
    out += line_of(id, row);
    // a bug that the general scenario does not catch may have one of its own
    const std::string directed = (std::filesystem::path(general).parent_path() / ("museum-" + id + ".yaml")).string();
    if (!row.caught && std::filesystem::exists(directed)) {
      row = visit(terminal, id, directed, *seeds, readable);
      if (!readable) return exit_usage;
      out += line_of(id, row);
    }
    terminal.say(id + (row.caught ? ": caught by " + row.by : row.reached ? ": reached and missed" : ": never reached"));
    missed = missed || (row.caught ? !row.control_silent : row.reached);
    never = never || !row.reached;
    if (interrupted != 0) break;
  }
  if (!found) {
    terminal.warn("harrow museum: there is no bug '" + what[1] + "'");
    return exit_nothing;
  }
  terminal.put(out);
  if (interrupted != 0) return 128 + interrupted;
  return missed ? exit_failed : never ? exit_undecided : exit_ok;
}

}  // namespace harrow::cli
