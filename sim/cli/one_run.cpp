#include "sim/cli/one_run.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "core/base/check.h"
#include "core/base/mutation.h"
#include "sim/cli/scenario_files.h"
#include "sim/scenario/run_json.h"
#include "sim/scenario/units.h"
#include "sim/trace/report_html.h"
#include "sim/trace/results.h"

namespace harrow::cli {

namespace {

/// What the CHECK hook needs to leave a record: it gets literals and no context of its own.
struct CrashRecord {
  sim::RunResult result;  // as far as known: scenario, seed, version, replay
  sim::RunFolder* folder = nullptr;
  int descriptor = -1;
  const Terminal* terminal = nullptr;
  std::int64_t now_ns = 0;
};
CrashRecord* crash_record = nullptr;
int folder_descriptor = -1;  // where a kept run says which folder it writes

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void on_check_failure(const char* expression, const char* file, int line, const char* message) {
  CrashRecord* const record = crash_record;
  if (record == nullptr) return;
  crash_record = nullptr;
  sim::Failure failure;
  failure.check = "no-crash";
  failure.id = "I72";
  failure.kind = sim::FailureKind::crash;
  failure.at_ns = record->now_ns;
  failure.message = fmt::format("CHECK failed: {} at {}:{}{}{}", expression, file, line, message[0] != '\0' ? ", " : "", message);
  failure.replay = record->result.replay;
  record->result.verdict = sim::Verdict::fail;
  record->result.virtual_ns = record->now_ns;
  record->result.failure = std::move(failure);
  if (record->descriptor >= 0) {
    write_all(record->descriptor, to_json(record->result));
    _exit(exit_failed);
  }
  if (record->folder != nullptr) {
    record->folder->write("run.json", to_json(record->result));
    record->folder->link(true);
  }
  if (record->terminal != nullptr) record->terminal->put(to_text(record->result, record->terminal->colour_out));
  std::fflush(nullptr);
  _exit(exit_failed);
}

class ProgressLine {
 public:
  ProgressLine(const Terminal& terminal, bool wanted) : terminal_(terminal), wanted_(wanted && !terminal.quiet), start_ns_(wall_clock_ns()), last_ns_(start_ns_) {}

  void show(const sim::Progress& progress) {
    if (!wanted_) return;
    const std::int64_t now = wall_clock_ns();
    if (now - last_ns_ < (terminal_.tty_err ? 200'000'000 : 5'000'000'000)) return;
    last_ns_ = now;
    const std::int64_t wall = std::max<std::int64_t>(now - start_ns_, 1);
    const std::int64_t share = progress.until_ns > 0 ? progress.virtual_ns * 100 / progress.until_ns : 0;
    const std::string line = fmt::format("{:>3} %  {} of {} in {}  (x{})  {} records acked  {}", share, sim::short_duration(progress.virtual_ns), sim::short_duration(progress.until_ns),
                                         sim::short_duration(wall), progress.virtual_ns / wall, progress.records_acked, progress.doing);
    if (terminal_.tty_err) {
      std::fprintf(stderr, "\r\033[K%s", line.c_str());
      std::fflush(stderr);
      shown_ = true;
    } else {
      terminal_.warn(line);
    }
  }
  void clear() {
    if (shown_) std::fputs("\r\033[K", stderr);
    shown_ = false;
  }

 private:
  const Terminal& terminal_;
  bool wanted_;
  std::int64_t start_ns_, last_ns_;
  bool shown_ = false;
};

std::string faults_text(const sim::RunResult& result) {
  std::string out;
  for (const sim::FaultResult& fault : result.faults) {
    const auto seconds = [](std::int64_t ns) { return fmt::format("{}.{:09}", ns / 1'000'000'000, ns % 1'000'000'000); };
    out += "{\"kind\":" + sim::json_text(fault.kind) + ",\"target\":" + sim::json_text(fault.target) + ",\"at_s\":" + seconds(fault.at_ns) +
           ",\"until_s\":" + (fault.until_ns < 0 ? "null" : seconds(fault.until_ns)) + "}\n";
  }
  return out;
}

constexpr std::int64_t hash_points = 500;

std::string hashes_text(const HashPath& hashes) {
  std::string text = "t_ns,hash\n";
  for (const auto& [at_ns, hash] : hashes) text += fmt::format("{},{:016x}\n", at_ns, hash);
  return text;
}

std::string replay_script(const std::string& command) {
  return "#!/bin/sh\n# Repeats this run: the same program gives the same hash.\nexec " + command + " \"$@\"\n";
}

}  // namespace

HashPath read_hashes(const std::string& folder) {
  HashPath hashes;
  const std::string text = read_text(folder + "/hashes.csv").value_or("");
  for (std::size_t at = text.find('\n'); at != std::string::npos && at + 1 < text.size(); at = text.find('\n', at + 1)) {
    const std::size_t comma = text.find(',', at);
    if (comma == std::string::npos) break;
    hashes.emplace_back(std::strtoll(text.c_str() + at + 1, nullptr, 10), std::strtoull(text.c_str() + comma + 1, nullptr, 16));
  }
  return hashes;
}

bool is_bug(std::string_view id) {
  const auto rows = bugs();
  return std::any_of(rows.begin(), rows.end(), [id](const BugRow& row) { return row.id == id; });
}

int exit_code_of(const sim::RunResult& result) {
  if (result.verdict == sim::Verdict::fail) return exit_failed;
  if (interrupted != 0) return 128 + interrupted;
  return result.verdict == sim::Verdict::pass ? exit_ok : exit_undecided;
}

std::optional<OneRunResult> run_once(const Terminal& terminal, const OneRun& what, int& exit_code) {
  sim::Problems problems;
  auto bound = sim::read_scenario(what.file, what.sets, what.seed, problems);
  if (!bound) {
    say_problems(terminal, problems);
    exit_code = exit_usage;
    return std::nullopt;
  }
  for (const sim::Problem& warning : bound->warnings) terminal.warn("warning: " + to_text(warning));
  const sim::Scenario& scenario = bound->scenario;
  if (!replays_are_whole(terminal, scenario)) {
    exit_code = exit_usage;
    return std::nullopt;
  }
  sim::RunFolder folder;
  if (!folder.make(results_root(), what.out, scenario.name, what.seed, utc_seconds())) {
    terminal.warn("cannot make a folder for the results below " + (what.out.empty() ? results_root() : what.out));
    exit_code = exit_usage;
    return std::nullopt;
  }
  OneRunResult done;
  done.folder = folder.path();
  if (folder_descriptor >= 0) write_all(folder_descriptor, done.folder);
  const std::string repeat = repeat_command(what.file, what.seed, what.sets) + (what.bug.empty() ? "" : " --bug " + what.bug);
  folder.write("scenario.yaml", sim::to_yaml(bound->expanded));
  folder.write("replay.sh", replay_script(repeat));
  std::error_code ignored;
  std::filesystem::permissions(folder.file("replay.sh"), std::filesystem::perms::owner_exec, std::filesystem::perm_options::add, ignored);
  if (!scenario.drawn.empty() && terminal.verbose)
    for (const auto& [path, value] : scenario.drawn) terminal.say("drawn " + path + " = " + value);

  sim::HistoryWriter history;
  history.open(folder.file("history.jsonl"));
  sim::EventWriter events;
  if (what.events) events.open(folder.file("events.jsonl.zst"), folder.file("logs"));
  sim::ReportData report;
  ProgressLine line(terminal, what.progress);
  CrashRecord record;
  record.result.scenario = scenario.name;
  record.result.seed = what.seed;
  record.result.version = HARROW_VERSION;
  record.result.replay = repeat;
  record.folder = &folder;
  record.terminal = &terminal;
  crash_record = &record;
  set_check_failure_hook(on_check_failure);

  sim::RunOptions options;
  options.replay_command = repeat;
  options.collect_report = true;
  options.report = &report;
  options.until_ns = what.until_ns;
  options.state_at_stop = &done.state;
  options.export_disks = what.export_disks;
  options.bug = what.bug;
  if (what.follow != nullptr && what.follow->offset >= 0) {
    options.follow_topic = what.follow->topic;
    options.follow_partition = what.follow->partition;
    options.follow_offset = what.follow->offset;
  }
  options.history_listener = &history;
  options.all_events = what.events;
  if (what.events) options.event_listener = &events;
  options.on_subjects = [&](std::function<std::string(std::uint32_t)> subject) { events.name_subjects(std::move(subject)); };
  options.on_nodes = [&](std::vector<std::string> nodes) { events.name_nodes(std::move(nodes)); };
  options.wall_ns = wall_clock_ns;
  std::int64_t next_hash_ns = 0;
  options.on_progress = [&](const sim::Progress& progress) {
    record.now_ns = progress.virtual_ns;
    line.show(progress);
    if (progress.virtual_ns >= next_hash_ns) {
      done.hashes.emplace_back(progress.virtual_ns, progress.hash);
      next_hash_ns = progress.virtual_ns + scenario.after_ns / hash_points;
    }
    return interrupted == 0;
  };
  done.result = sim::run_scenario(scenario, what.seed, options);
  crash_record = nullptr;
  set_check_failure_hook(nullptr);
  line.clear();
  sim::RunResult& result = done.result;
  result.version = HARROW_VERSION;
  result.replay = repeat;
  if (result.failure) result.failure->replay = repeat;
  if (interrupted != 0 && result.verdict != sim::Verdict::fail) {
    result.verdict = sim::Verdict::undecided;
    result.undecided_because = "interrupted after " + sim::short_duration(result.virtual_ns) + "; what is here is what happened until then";
  }
  if (what.follow != nullptr) report.path.note = what.follow->message;
  bool whole = history.close();
  if (what.events) whole = events.close() && whole;
  whole = folder.write("faults.jsonl", faults_text(result)) && whole;
  whole = folder.write("hashes.csv", hashes_text(done.hashes)) && whole;
  whole = folder.write("metrics.csv", sim::metrics_csv(report.metrics)) && whole;
  const sim::ReportHead head{std::string(name_of(result.verdict)), to_text(result, false),
                             result.failure ? result.failure->check + " at " + sim::short_duration(result.failure->at_ns) + ": " + result.failure->message : sim::loss_line(result.records)};
  whole = folder.write("report.html", sim::report_html(report, head)) && whole;
  whole = folder.write("run.json", to_json(result)) && whole;
  folder.link(result.verdict == sim::Verdict::fail);
  if (!whole) terminal.warn("some results could not be written to " + folder.path() + " (is the disk full?); what is there is whole lines");
  exit_code = exit_code_of(result);
  return done;
}

Child start_child(const sim::Tree& scenario, const std::string& path, std::uint64_t seed, const ChildOptions& options) {
  int ends[2];
  Child child;
  if (::pipe(ends) != 0) return child;
  std::fflush(nullptr);
  child.pid = ::fork();
  if (child.pid != 0) {
    ::close(ends[1]);
    if (child.pid < 0) {
      ::close(ends[0]);
    } else {
      child.descriptor = ends[0];
    }
    return child;
  }
  ::close(ends[0]);
  ::signal(SIGINT, SIG_IGN);  // the parent decides
  CrashRecord record;
  record.result.scenario = path;
  record.result.seed = seed;
  record.result.version = HARROW_VERSION;
  record.result.replay = options.replay_command;
  record.descriptor = ends[1];
  crash_record = &record;
  set_check_failure_hook(on_check_failure);
  sim::Problems problems;
  auto bound = sim::bind_scenario(scenario, path, seed, problems);
  if (!bound) {
    sim::RunResult wrong = record.result;
    wrong.undecided_because = problems.empty() ? "the scenario is wrong" : to_text(problems[0]);
    write_all(ends[1], to_json(wrong));
    _exit(exit_usage);
  }
  sim::RunOptions run;
  run.replay_command = options.replay_command;
  run.bug = options.bug;
  run.checks = options.checks;
  run.wall_ns = wall_clock_ns;
  run.on_progress = [&](const sim::Progress& progress) {
    record.now_ns = progress.virtual_ns;
    return interrupted == 0;
  };
  sim::RunResult result = sim::run_scenario(bound->scenario, seed, run);
  result.version = HARROW_VERSION;
  result.replay = options.replay_command;
  if (result.failure) result.failure->replay = options.replay_command;
  std::string text = to_json(result);
  if (!options.bug.empty()) text += "\nreached " + std::to_string(mutation_reached()) + "\n";
  write_all(ends[1], text);
  _exit(exit_ok);
}

bool read_child(Child& child) {
  char block[1 << 16];
  const ssize_t got = ::read(child.descriptor, block, sizeof block);
  if (got > 0) {
    child.text.append(block, static_cast<std::size_t>(got));
    return true;
  }
  return got < 0 && errno == EINTR;
}

sim::RunResult finish_child(Child& child, const std::string& scenario, std::uint64_t seed, const std::string& replay_command) {
  int status = 0;
  if (child.pid > 0) {
    while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
    }
  }
  if (child.descriptor >= 0) ::close(child.descriptor);
  child.descriptor = -1;
  const std::size_t end = child.text.find("\nreached ");
  auto result = sim::parse_run_json(std::string_view(child.text).substr(0, end));
  if (result) return *result;
  sim::RunResult crash;
  crash.scenario = scenario;
  crash.seed = seed;
  crash.verdict = sim::Verdict::fail;
  crash.version = HARROW_VERSION;
  crash.replay = replay_command;
  sim::Failure failure;
  failure.check = "no-crash";
  failure.id = "I72";
  failure.kind = sim::FailureKind::crash;
  failure.message = child.pid < 0 ? "no process could be started" : WIFSIGNALED(status) ? fmt::format("the process ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status))) : "the process ended without a result";
  failure.replay = replay_command;
  crash.failure = std::move(failure);
  return crash;
}

std::string keep_run(const OneRun& what) {
  int ends[2];
  if (::pipe(ends) != 0) return "";
  std::fflush(nullptr);
  const int pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    ::signal(SIGINT, SIG_IGN);
    // What this run has to say is said by the swarm.
    if (std::freopen("/dev/null", "w", stdout) == nullptr || std::freopen("/dev/null", "w", stderr) == nullptr) _exit(exit_defect);
    Terminal silent;
    silent.quiet = true;
    int code = exit_ok;
    folder_descriptor = ends[1];
    run_once(silent, what, code);
    _exit(code);
  }
  ::close(ends[1]);
  std::string path;
  char block[4096];
  for (ssize_t got = 0; pid > 0 && ((got = ::read(ends[0], block, sizeof block)) > 0 || (got < 0 && errno == EINTR));)
    if (got > 0) path.append(block, static_cast<std::size_t>(got));
  ::close(ends[0]);
  int status = 0;
  while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return path;
}

sim::RunResult run_in_child(const sim::Tree& scenario, const std::string& path, std::uint64_t seed, const ChildOptions& options) {
  Child child = start_child(scenario, path, seed, options);
  while (child.descriptor >= 0 && read_child(child)) {
  }
  return finish_child(child, path, seed, options.replay_command);
}

}  // namespace harrow::cli
