#include <filesystem>

#include "core/base/mutation.h"
#include "sim/cli/one_run.h"
#include "sim/cli/scenario_files.h"
#include "sim/scenario/run_json.h"
#include "sim/scenario/units.h"
#include "sim/trace/compare_events.h"

namespace harrow::cli {

namespace {

/// The seed of a failed run once more with every event written: the first time nobody wanted them.
void write_events_of_failure(const Terminal& terminal, OneRun what, const OneRunResult& failed) {
  if (failed.result.wall_ns > 60'000'000'000) {
    terminal.say("the events of this run: " + failed.result.replay + " --events");
    return;
  }
  what.events = true;
  what.follow = failed.result.failure ? &*failed.result.failure : nullptr;
  what.progress = false;
  what.out = failed.folder;
  Terminal silent = terminal;
  silent.quiet = true;
  int ignored = 0;
  const auto again = run_once(silent, what, ignored);
  if (again && again->result.trace_hash != failed.result.trace_hash) terminal.warn("NOT DETERMINISTIC: the second run of this seed had another hash");
}

/// Says where two runs part: the first event if both wrote theirs, else between which times.
std::string where_they_differ(const std::string& first, const std::string& second, const HashPath& first_hashes, const HashPath& second_hashes) {
  std::string problem;
  const auto difference = sim::first_difference(first + "/events.jsonl.zst", second + "/events.jsonl.zst", problem);
  if (difference) {
    const auto line = [](const std::string& text) { return text.empty() ? std::string("(it has ended)") : text; };
    return "the first event that differs is number " + std::to_string(difference->number) + ":\n  " + first + ": " + line(difference->first) + "\n  " + second + ": " + line(difference->second) + "\n";
  }
  std::int64_t same_until_ns = 0;
  for (std::size_t i = 0; i < first_hashes.size() && i < second_hashes.size(); ++i) {
    if (first_hashes[i] != second_hashes[i])
      return "they part between " + sim::duration_text(same_until_ns) + " and " + sim::duration_text(std::max(first_hashes[i].first, second_hashes[i].first)) + "\n";
    same_until_ns = first_hashes[i].first;
  }
  return first_hashes.empty() || second_hashes.empty() ? "no events and no hashes along the way were kept\n" : "they part after " + sim::duration_text(same_until_ns) + "\n";
}

}  // namespace

int run_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("file", -1);
  options.add()("seed", po::value<std::string>()->value_name("N"), "seed of everything random (1, or HARROW_SEED)")("set", po::value<std::vector<std::string>>()->composing()->value_name("PATH=VALUE"),
                                                                                                                    "change a value of the scenario")(
      "out", po::value<std::string>()->value_name("DIR"), "write straight into this folder")("format", po::value<std::string>()->value_name("FORM"), "text or json (text)")(
      "events", "write every event")("export-disks", po::value<std::string>()->value_name("DIR"), "write the nodes' files there at the end");
  if (museum_build) options.add()("bug", po::value<std::string>()->value_name("ID"), "switch a bug of the museum on");
  if (const auto done = options.parse(arguments)) return *done;
  const std::vector<std::string> files = options.texts("file");
  const std::string format = options.text("format", "text");
  if (files.empty() || (format != "text" && format != "json")) {
    options.terminal.warn(files.empty() ? "harrow run: which file? See harrow run -h" : "harrow run: --format is text or json, not '" + format + "'");
    return exit_usage;
  }
  OneRun what;
  if (const std::string seed = environment("HARROW_SEED"); !seed.empty()) {
    const auto range = parse_seeds(seed);
    if (!range || range->from != range->until) {
      options.terminal.warn("HARROW_SEED wants a whole number, not '" + seed + "'");
      return exit_usage;
    }
    what.seed = range->from;
  }
  if (!options.number("seed", what.seed)) return exit_usage;
  what.sets = options.texts("set");
  what.events = options.has("events");
  what.export_disks = options.text("export-disks");
  if (museum_build) what.bug = options.text("bug");
  if (!what.bug.empty() && !is_bug(what.bug)) {
    options.terminal.warn("harrow run: there is no bug '" + what.bug + "'; see harrow museum list");
    return exit_nothing;
  }
  watch_signals();
  int worst = exit_ok;
  for (const std::string& file : files) {
    what.file = file;
    what.out = options.text("out");
    if (!what.out.empty() && files.size() > 1) what.out += "/" + std::filesystem::path(file).stem().string();
    int code = exit_ok;
    const auto done = run_once(options.terminal, what, code);
    if (code == exit_usage || interrupted != 0) worst = code;
    if (!done) return code;
    if (done->result.verdict == sim::Verdict::fail && !what.events && interrupted == 0) write_events_of_failure(options.terminal, what, *done);
    options.terminal.put(format == "json" ? to_json(done->result) : to_text(done->result, options.terminal.colour_out));
    if (format == "text") options.terminal.say("results in " + done->folder);
    if (interrupted != 0) return 128 + interrupted;
    if (code == exit_failed || (code == exit_undecided && worst != exit_failed)) worst = code;
  }
  return worst;
}

int replay_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("run", 1);
  options.add()("seed", po::value<std::string>()->value_name("N"), "seed, when a scenario file is given")("set", po::value<std::vector<std::string>>()->composing()->value_name("PATH=VALUE"),
                                                                                                          "change a value of the scenario")(
      "until", po::value<std::string>()->value_name("TIME"), "stop there and print the state of partitions, replicas and waits")("verify", "compare with the recorded hash, or run twice")(
      "events", "write every event")("out", po::value<std::string>()->value_name("DIR"), "write straight into this folder");
  if (const auto done = options.parse(arguments)) return *done;
  const Terminal& terminal = options.terminal;
  const std::vector<std::string> runs = options.texts("run");
  if (runs.size() != 1) {
    terminal.warn("harrow replay: which run or file? See harrow replay -h");
    return exit_usage;
  }
  OneRun what;
  what.sets = options.texts("set");
  what.events = options.has("events");
  what.out = options.text("out");
  std::optional<sim::RunResult> recorded;
  const std::string folder = run_folder(runs[0]);
  const bool verify = options.has("verify");
  if (!folder.empty()) {
    recorded = sim::parse_run_json(read_text(folder + "/run.json").value_or(""));
    if (!recorded) {
      terminal.warn(folder + "/run.json: cannot be read");
      return exit_usage;
    }
    if (recorded->version != HARROW_VERSION) {
      terminal.warn("this run was made by harrow " + recorded->version + ", this is " HARROW_VERSION ": only the same version repeats a run");
      return exit_usage;
    }
    what.file = folder + "/scenario.yaml";
    what.seed = recorded->seed;
    // with the recorded events at hand, this run's can be compared with them
    what.events = what.events || (verify && std::filesystem::exists(folder + "/events.jsonl.zst"));
    what.bug = recorded->bug;
  } else if (std::filesystem::is_regular_file(runs[0])) {
    what.file = runs[0];
    if (!options.has("seed")) {
      terminal.warn("harrow replay: a scenario file needs --seed N");
      return exit_usage;
    }
  } else {
    terminal.warn("harrow replay: neither a run nor a file: " + runs[0]);
    return exit_usage;
  }
  if (!options.number("seed", what.seed)) return exit_usage;
  if (options.has("until")) {
    const auto until = sim::parse_duration_ns(options.text("until"));
    if (!until || *until < 0) {
      terminal.warn("harrow replay: --until: " + (until ? std::string("must not be negative") : until.error()));
      return exit_usage;
    }
    what.until_ns = *until;
  }
  watch_signals();
  int code = exit_ok;
  const auto first = run_once(terminal, what, code);
  if (!first) return code;
  if (what.until_ns >= 0) {
    terminal.put(first->state);
    return interrupted != 0 ? 128 + interrupted : exit_ok;
  }
  if (!verify) {
    terminal.put(to_text(first->result, terminal.colour_out));
    return code;
  }
  if (interrupted != 0) return 128 + interrupted;
  std::uint64_t expected = recorded ? recorded->trace_hash : 0;
  std::string other = folder;
  HashPath other_hashes = recorded ? read_hashes(folder) : HashPath();
  const auto run_again = [&] {
    if (!what.out.empty()) what.out = options.text("out") + "/second";
    return run_once(terminal, what, code);
  };
  if (!recorded) {
    const auto second = run_again();
    if (!second) return code;
    expected = second->result.trace_hash;
    other = second->folder;
    other_hashes = second->hashes;
  }
  if (expected == first->result.trace_hash) {
    terminal.put("the same: seed " + std::to_string(what.seed) + "\n");
    return exit_ok;
  }
  terminal.put("NOT THE SAME: the hashes differ; " + where_they_differ(other, first->folder, other_hashes, first->hashes));
  if (!what.events) terminal.say("with --events, the first event that differs is named" + std::string(recorded ? ", if the recorded run has its events, too" : ""));
  return exit_not_deterministic;
}

int report_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("run", 1);
  if (const auto done = options.parse(arguments)) return *done;
  const std::vector<std::string> runs = options.texts("run");
  const std::string folder = run_folder(runs.empty() ? "latest" : runs[0]);
  const auto recorded = folder.empty() ? std::nullopt : sim::parse_run_json(read_text(folder + "/run.json").value_or(""));
  if (!recorded) {
    options.terminal.warn("harrow report: no run at " + (runs.empty() ? std::string("latest") : runs[0]));
    return exit_usage;
  }
  if (!std::filesystem::exists(folder + "/report.html")) {
    // the curves are not kept: they come from the same run again
    OneRun what;
    what.file = folder + "/scenario.yaml";
    what.seed = recorded->seed;
    what.out = folder;
    int code = exit_ok;
    watch_signals();
    if (!run_once(options.terminal, what, code)) return code;
  }
  options.terminal.put(folder + "/report.html\n");
  return exit_ok;
}

}  // namespace harrow::cli
