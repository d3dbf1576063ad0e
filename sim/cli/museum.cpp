#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "core/base/mutation.h"
#include "sim/cli/one_run.h"
#include "sim/cli/scenario_files.h"
#include "sim/scenario/units.h"

namespace harrow::cli {

namespace {

/// One bug hunted with one file.
struct Hunt {
  std::string file;
  bool reached = false, caught = false, control_silent = true;
  std::string by, message;  // what caught it
  std::uint64_t seed = 0, seeds = 0;
  std::int64_t wall_ns = 0;  // to the catch; the control's is not counted
};
struct Row {
  std::string bug;
  std::optional<Hunt> general, directed;
  bool reached() const { return (general && general->reached) || (directed && directed->reached); }
  bool caught() const { return (general && general->caught) || (directed && directed->caught); }
  bool silent() const { return (!general || general->control_silent) && (!directed || directed->control_silent); }
};

/// Seeds in order until one fails with the bug switched on; then the same seeds without it. Nothing if the file is wrong.
std::optional<Hunt> hunt(const Terminal& terminal, const std::string& bug, const std::string& file, const SeedRange& seeds) {
  Hunt hunt;
  hunt.file = file;
  sim::Problems problems;
  const auto tree = sim::load_scenario(file, {}, problems);
  if (!tree || !sim::bind_scenario(*tree, file, seeds.from, problems)) {
    say_problems(terminal, problems);
    return std::nullopt;
  }
  const std::int64_t start = wall_clock_ns();
  for (std::uint64_t seed = seeds.from; seed <= seeds.until && !hunt.caught && interrupted == 0; ++seed) {
    ++hunt.seeds;
    ChildOptions options;
    options.bug = bug;
    Child child = start_child(*tree, file, seed, options);
    while (child.descriptor >= 0 && read_child(child)) {
    }
    const std::size_t at = child.text.find("\nreached ");
    hunt.reached = hunt.reached || (at != std::string::npos && child.text.substr(at + 9, 2) != "0\n");
    const sim::RunResult result = finish_child(child, file, seed, "");
    if (result.verdict != sim::Verdict::fail || !result.failure) continue;
    // A failure without the bug's doing is the control's, not a catch. A process that died said nothing of the point.
    if (at != std::string::npos && !hunt.reached) continue;
    hunt.caught = hunt.reached = true;
    hunt.by = (result.failure->id.empty() ? "" : result.failure->id + " ") + result.failure->check;
    hunt.message = "at " + sim::short_duration(result.failure->at_ns) + ": " + result.failure->message;
    hunt.seed = seed;
  }
  hunt.wall_ns = wall_clock_ns() - start;
  for (std::uint64_t k = 0; k < hunt.seeds && hunt.control_silent && interrupted == 0; ++k) {
    const sim::RunResult result = run_in_child(*tree, file, seeds.from + k, {});
    hunt.control_silent = result.verdict != sim::Verdict::fail;
    if (!hunt.control_silent && result.failure) terminal.warn("NOT SILENT without the bug: " + result.failure->id + " " + result.failure->check + ": " + result.failure->message + "\n  " + repeat_command(file, seeds.from + k, {}));
  }
  return hunt;
}

std::string found_by(const std::optional<Hunt>& hunt) { return !hunt ? "" : hunt->caught ? hunt->by : hunt->reached ? "missed" : "not reached"; }
std::string cost(const std::optional<Hunt>& hunt) {
  return !hunt ? "" : fmt::format("{} {}", hunt->seeds, hunt->seeds == 1 ? "seed" : "seeds") + ", " + sim::short_duration(hunt->wall_ns);
}
std::string file_name(const Hunt& hunt) { return std::filesystem::path(hunt.file).filename().string(); }

std::string text_of(const Row& row) {
  return fmt::format("{:<5}{:<9}{:<31}{:<19}{:<31}{:<19}{}\n", row.bug, row.reached() ? "reached" : "never", found_by(row.general), cost(row.general), found_by(row.directed), cost(row.directed),
                     row.silent() ? "silent" : "NOT SILENT");
}
std::string text_head() { return fmt::format("{:<5}{:<9}{:<50}{:<50}{}\n", "bug", "point", "general file", "directed file", "control"); }

std::string markdown_of(const Row& row) {
  std::string line = "| " + row.bug + " | " + (row.reached() ? "reached" : "never");
  for (const std::optional<Hunt>& one : {row.general, row.directed})
    line += " | " + (!one ? "" : one->caught ? one->by : found_by(one)) + " | " + (one ? std::to_string(one->seeds) : "") + " | " + (one ? sim::short_duration(one->wall_ns) : "");
  return line + " | " + (row.directed ? file_name(*row.directed) : "") + " | " + (row.silent() ? "silent" : "not silent") + " |\n";
}
constexpr std::string_view markdown_head =
    "| bug | point | general file: caught first by | seeds | wall | directed file: caught first by | seeds | wall | directed file | control |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n";

/// scenarios/museum.yaml and R01: scenarios/museum-r01.yaml, if it is there.
std::string directed_file(const std::string& general, std::string bug) {
  std::transform(bug.begin(), bug.end(), bug.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const std::string path = (std::filesystem::path(general).parent_path() / ("museum-" + bug + ".yaml")).string();
  return std::filesystem::exists(path) ? path : "";
}

}  // namespace

int museum_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("what", -1);
  options.add()("all", "every bug")("seeds", po::value<std::string>()->value_name("A..B"), "seeds to try (1..50)")("scenario", po::value<std::string>()->value_name("FILE"),
                                                                                                             "the general scenario (scenarios/museum.yaml)")(
      "quick", "a bug with a file of its own is hunted with that one only")("table", po::value<std::string>()->value_name("FILE"), "write the table there, as Markdown");
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
  if (!seeds || (what.size() < 2 && !options.has("all"))) {
    terminal.warn(!seeds ? "harrow museum: --seeds wants A..B" : "harrow museum run: which bug? See harrow museum list");
    return exit_usage;
  }
  for (std::size_t i = 1; i < what.size(); ++i)
    if (!is_bug(what[i])) {
      terminal.warn("harrow museum: there is no bug '" + what[i] + "'");
      return exit_nothing;
    }
  watch_signals();
  const std::string general = options.text("scenario", "scenarios/museum.yaml");
  std::string out = text_head(), table(markdown_head);
  bool missed = false, never = false;
  for (const BugRow& bug : bugs()) {
    Row row;
    row.bug = std::string(bug.id);
    if (!options.has("all") && std::find(what.begin() + 1, what.end(), row.bug) == what.end()) continue;
    // A bug that the general file does not catch may have one of its own.
    const std::string directed = directed_file(general, row.bug);
    if (directed.empty() || !options.has("quick")) {
      row.general = hunt(terminal, row.bug, general, *seeds);
      if (!row.general) return exit_usage;
    }
    if (!directed.empty() && interrupted == 0) {
      row.directed = hunt(terminal, row.bug, directed, *seeds);
      if (!row.directed) return exit_usage;
    }
    out += text_of(row);
    table += markdown_of(row);
    const Hunt* const by = row.directed && row.directed->caught ? &*row.directed : row.general && row.general->caught ? &*row.general : nullptr;
    terminal.say(row.bug + (by != nullptr ? ": caught by " + by->by + " " + by->message + "\n  " + repeat_command(by->file, by->seed, {}) + " --bug " + row.bug
                            : row.reached() ? ": reached and missed"
                                            : ": never reached"));
    missed = missed || (row.caught() ? !row.silent() : row.reached());
    never = never || !row.reached();
    if (interrupted != 0) break;
  }
  terminal.put(out);
  if (options.has("table") && !write_whole(options.text("table"), table)) {
    terminal.warn(options.text("table") + ": cannot be written");
    return exit_usage;
  }
  if (interrupted != 0) return 128 + interrupted;
  return missed ? exit_failed : never ? exit_undecided : exit_ok;
}

}  // namespace harrow::cli
