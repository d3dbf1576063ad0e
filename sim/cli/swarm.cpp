#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "sim/cli/one_run.h"
#include "sim/cli/scenario_files.h"
#include "sim/scenario/run_json.h"
#include "sim/scenario/units.h"

namespace harrow::cli {

namespace {

/// One scenario with one choice of grid values.
struct Cell {
  std::string file, name;
  std::vector<std::string> sets;
  sim::Tree tree;
  bool counter_example = false;
  std::set<std::string> marks;  // that must be reached by some seed
};

struct Signature {
  std::uint64_t first_seed = 0;
  std::int64_t count = 0;
  std::string message, command, folder;
};

struct Tally {
  std::int64_t passed = 0, failed = 0, undecided = 0;
  std::map<std::string, Signature> failures;
  std::map<std::string, std::int64_t> marks;  // seeds that reached it
  std::map<std::string, std::int64_t> checks;  // "I1 acked-durability": seeds in which its premise occurred
  std::int64_t repeated = 0;                   // seeds run a second time, for I71
  std::int64_t lost = 0, lost_unpromised = 0, unavailable_ns = 0;
  std::vector<std::int64_t> p99_ns;
  std::vector<std::uint64_t> failing_seeds;
  std::int64_t virtual_ns = 0;
  std::int64_t runs() const { return passed + failed + undecided; }
};

/// Of the seeds that pass, every so manieth is run a second time (I71).
constexpr std::int64_t repeat_every = 20;

struct Job {
  Child child;
  std::size_t cell = 0;
  std::uint64_t seed = 0;
  std::int64_t start_ns = 0;
  std::optional<std::uint64_t> hash_before;  // this is the second run of a seed whose first run had this hash
};

struct JunitCase {
  std::string suite, name, failure;
  std::int64_t wall_ns;
};

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') out += c;
  }
  return out;
}

class Swarm {
 public:
  Swarm(Options& options, const Command& command) : options_(options), command_(command) {}
  int run();

 private:
  bool read_options();
  bool read_cells();
  void make_cell(const std::string& file, const std::vector<std::string>& sets, bool& good);
  bool next(std::size_t& cell, std::uint64_t& seed);
  void start(std::size_t cell, std::uint64_t seed, std::optional<std::uint64_t> hash_before = std::nullopt);
  void finish(Job& job);
  void stop_children();
  void show_progress(bool last);
  void remember_seeds();
  bool write_junit() const;
  std::string checks_of(const Tally& tally) const;
  int report();
  std::string seeds_file(const Cell& cell) const { return std::filesystem::path(cell.file).replace_extension(".seeds").string(); }
  std::string resume_file(const Cell& cell) const { return results_root() + "/.swarms/" + cell.name + ".jsonl"; }

  Options& options_;
  const Command& command_;
  std::vector<std::string> files_, sets_;
  std::vector<std::pair<std::string, std::vector<std::string>>> grid_;
  SeedRange seeds_;
  bool by_time_ = false, resume_ = false, deterministic_ = true;
  std::int64_t until_wall_ns_ = 0;
  std::uint64_t jobs_ = 1, keep_going_ = 20;
  std::vector<Cell> cells_;
  std::vector<Tally> tallies_;
  std::vector<std::vector<std::uint64_t>> first_seeds_;  // known to have failed: run before the others
  std::vector<std::uint64_t> next_seed_;
  std::vector<std::set<std::uint64_t>> done_;
  std::size_t turn_ = 0;
  std::vector<Job> running_;
  std::vector<JunitCase> junit_;
  std::int64_t start_ns_ = 0, shown_ns_ = 0;
};

bool Swarm::read_options() {
  const Terminal& terminal = options_.terminal;
  files_ = options_.texts("file");
  sets_ = options_.texts("set");
  if (files_.empty()) {
    terminal.warn("harrow swarm: which file? See harrow swarm -h");
    return false;
  }
  if (options_.has("seeds") == options_.has("duration")) {
    terminal.warn("harrow swarm: give --seeds A..B or --duration TIME");
    return false;
  }
  if (options_.has("seeds")) {
    const auto range = parse_seeds(options_.text("seeds"));
    if (!range) {
      terminal.warn("harrow swarm: --seeds wants A..B, such as 1..500, not '" + options_.text("seeds") + "'");
      return false;
    }
    seeds_ = *range;
  } else {
    const auto duration = sim::parse_duration_ns(options_.text("duration"));
    if (!duration || *duration <= 0) {
      terminal.warn("harrow swarm: --duration: " + (duration ? std::string("must be above zero") : duration.error()));
      return false;
    }
    by_time_ = true;
    until_wall_ns_ = wall_clock_ns() + *duration;
    seeds_ = {1, UINT64_MAX - 1};
  }
  jobs_ = static_cast<std::uint64_t>(std::max<long>(::sysconf(_SC_NPROCESSORS_ONLN), 1));
  if (const std::string jobs = environment("HARROW_JOBS"); !jobs.empty()) {
    const auto range = parse_seeds(jobs);
    if (!range || range->from == 0) {
      terminal.warn("HARROW_JOBS wants a whole number from 1, not '" + jobs + "'");
      return false;
    }
    jobs_ = range->from;
  }
  if (!options_.number("jobs", jobs_) || !options_.number("keep-going", keep_going_)) return false;
  jobs_ = std::clamp<std::uint64_t>(jobs_, 1, 1024);
  resume_ = options_.has("resume");
  for (const std::string& row : options_.texts("grid")) {
    const std::size_t sign = row.find('=');
    if (sign == std::string::npos || sign == 0 || sign + 1 == row.size()) {
      terminal.warn("harrow swarm: --grid wants PATH=a,b, not '" + row + "'");
      return false;
    }
    std::vector<std::string> values;
    for (std::size_t at = sign + 1; at <= row.size();) {
      const std::size_t comma = std::min(row.find(',', at), row.size());
      values.push_back(row.substr(at, comma - at));
      at = comma + 1;
    }
    grid_.emplace_back(row.substr(0, sign), values);
  }
  return true;
}

void Swarm::make_cell(const std::string& file, const std::vector<std::string>& sets, bool& good) {
  sim::Problems problems;
  auto tree = sim::load_scenario(file, sets, problems);
  std::optional<sim::BoundScenario> bound;
  if (tree) bound = sim::bind_scenario(*tree, file, seeds_.from, problems);
  if (!bound) {
    say_problems(options_.terminal, problems);
    good = false;
    return;
  }
  for (const sim::Problem& warning : bound->warnings) options_.terminal.warn("warning: " + to_text(warning));
  if (!replays_are_whole(options_.terminal, bound->scenario)) {
    good = false;
    return;
  }
  Cell cell{file, bound->scenario.name, sets, std::move(*tree), !bound->scenario.checks.expect_fails.empty(), {}};
  cell.marks.insert(bound->scenario.checks.sometimes.begin(), bound->scenario.checks.sometimes.end());
  cells_.push_back(std::move(cell));
}

bool Swarm::read_cells() {
  bool good = true;
  for (const std::string& file : files_) {
    std::vector<std::vector<std::string>> choices{sets_};
    for (const auto& [path, values] : grid_) {
      std::vector<std::vector<std::string>> more;
      for (const std::vector<std::string>& choice : choices)
        for (const std::string& value : values) {
          more.push_back(choice);
          more.back().push_back(path + "=" + value);
        }
      choices = std::move(more);
    }
    for (const std::vector<std::string>& choice : choices) make_cell(file, choice, good);
  }
  tallies_.resize(cells_.size());
  first_seeds_.resize(cells_.size());
  next_seed_.assign(cells_.size(), seeds_.from);
  done_.resize(cells_.size());
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    if (cells_[i].counter_example || !grid_.empty()) continue;
    std::ifstream in(seeds_file(cells_[i]));
    for (std::uint64_t seed = 0; in >> seed;) first_seeds_[i].push_back(seed);
    if (!resume_) continue;
    std::ifstream log(resume_file(cells_[i]));
    for (std::string line; std::getline(log, line);) {
      // {"version":"...","seed":N,...}: lines of another version do not count
      const std::size_t at = line.find("\"seed\":");
      if (line.find("\"version\":\"" HARROW_VERSION "\"") == std::string::npos || at == std::string::npos || line.find("\"verdict\":\"pass\"") == std::string::npos) continue;
      done_[i].insert(std::strtoull(line.c_str() + at + 7, nullptr, 10));
    }
  }
  return good && !cells_.empty();
}

bool Swarm::next(std::size_t& cell, std::uint64_t& seed) {
  if (by_time_ && wall_clock_ns() >= until_wall_ns_) return false;
  for (std::size_t tried = 0; tried < cells_.size(); ++tried) {
    const std::size_t i = turn_++ % cells_.size();
    if (keep_going_ > 0 && tallies_[i].failed >= static_cast<std::int64_t>(keep_going_) && !cells_[i].counter_example) continue;
    cell = i;
    while (!first_seeds_[i].empty()) {
      seed = first_seeds_[i].front();
      first_seeds_[i].erase(first_seeds_[i].begin());
      if (done_[i].insert(seed).second) return true;
    }
    while (next_seed_[i] <= seeds_.until) {
      seed = next_seed_[i]++;
      if (done_[i].insert(seed).second) return true;
    }
  }
  return false;
}

void Swarm::start(std::size_t cell, std::uint64_t seed, std::optional<std::uint64_t> hash_before) {
  Job job;
  job.hash_before = hash_before;
  job.cell = cell;
  job.seed = seed;
  job.start_ns = wall_clock_ns();
  ChildOptions child;
  child.replay_command = repeat_command(cells_[cell].file, seed, cells_[cell].sets);
  job.child = start_child(cells_[cell].tree, cells_[cell].file, seed, child);
  running_.push_back(std::move(job));
}

void Swarm::finish(Job& job) {
  const Cell& cell = cells_[job.cell];
  Tally& tally = tallies_[job.cell];
  const std::string command = repeat_command(cell.file, job.seed, cell.sets);
  sim::RunResult result = finish_child(job.child, cell.name, job.seed, command);
  if (interrupted != 0 && result.verdict != sim::Verdict::pass) return;  // cut short by us
  if (job.hash_before) {
    ++tally.repeated;
    if (result.trace_hash == *job.hash_before) return;
    --tally.passed;  // the first run was counted
    deterministic_ = false;
    result.verdict = sim::Verdict::fail;
    result.failure = sim::Failure{};
    result.failure->check = "determinism";
    result.failure->id = "I71";
    result.failure->message = fmt::format("the run's hash was {:016x} the first time and is {:016x} the second", *job.hash_before, result.trace_hash);
  } else if (result.verdict == sim::Verdict::pass && tally.passed % repeat_every == 0) {
    start(job.cell, job.seed, result.trace_hash);
  }
  for (const sim::CheckResult& check : result.checks)
    tally.checks[check.id + " " + check.name] += check.evaluated > 0 ? 1 : 0;
  tally.virtual_ns += result.virtual_ns;
  for (const sim::MarkResult& mark : result.sometimes)
    if (mark.reached > 0) ++tally.marks[mark.name];
  tally.lost += result.records.lost;
  tally.lost_unpromised += result.records.lost_unpromised;
  for (const sim::FaultResult& fault : result.faults) tally.unavailable_ns = std::max(tally.unavailable_ns, fault.unavailable_ns);
  if (result.produce.count > 0) tally.p99_ns.push_back(result.produce.p99_ns);
  std::string failure;
  if (result.verdict == sim::Verdict::pass) {
    ++tally.passed;
  } else if (result.verdict == sim::Verdict::undecided) {
    ++tally.undecided;
    failure = "undecided: " + result.undecided_because;
  } else {
    ++tally.failed;
    const std::string signature = result.failure ? result.failure->signature() : "failed";
    failure = signature + "\n" + (result.failure ? result.failure->message : "") + "\n" + command;
    Signature& seen = tally.failures[signature];
    tally.failing_seeds.push_back(job.seed);
    std::string folder;
    if (!cell.counter_example) {
      OneRun kept;
      kept.file = cell.file;
      kept.seed = job.seed;
      kept.sets = cell.sets;
      kept.progress = false;
      folder = keep_run(kept);
    }
    if (seen.count++ == 0 || job.seed < seen.first_seed) seen = {job.seed, seen.count, result.failure ? result.failure->message : "", command, folder};
    if (seen.count == 1 && !cell.counter_example) {
      show_progress(true);
      options_.terminal.say("FAIL  " + cell.name + " seed " + std::to_string(job.seed) + ": " + signature + (folder.empty() ? "" : "\n      " + folder) + "\n      " + command);
    }
  }
  junit_.push_back({cell.name, "seed " + std::to_string(job.seed), failure, wall_clock_ns() - job.start_ns});
  if (grid_.empty()) {
    std::error_code ignored;
    const std::string path = resume_file(cell);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
    std::ofstream(path, std::ios::app) << "{\"version\":\"" HARROW_VERSION "\",\"seed\":" << job.seed << ",\"verdict\":\"" << name_of(result.verdict) << "\",\"hash\":\""
                                       << fmt::format("{:016x}", result.trace_hash) << "\"}\n";
  }
}

void Swarm::stop_children() {
  for (Job& job : running_) {
    if (job.child.pid > 0) ::kill(job.child.pid, SIGTERM);
    finish_child(job.child, "", job.seed, "");
  }
  running_.clear();
}

void Swarm::show_progress(bool last) {
  const Terminal& terminal = options_.terminal;
  if (terminal.quiet) return;
  const std::int64_t now = wall_clock_ns();
  if (!last && now - shown_ns_ < (terminal.tty_err ? 200'000'000 : 5'000'000'000)) return;
  shown_ns_ = now;
  std::int64_t runs = 0, failed = 0;
  for (const Tally& tally : tallies_) {
    runs += tally.runs();
    failed += tally.failed;
  }
  const std::int64_t wall_ms = std::max<std::int64_t>((now - start_ns_) / 1'000'000, 1);
  if (terminal.tty_err) {
    if (last) {
      std::fputs("\r\033[K", stderr);
    } else {
      std::fprintf(stderr, "\r\033[K%s", fmt::format("{} seeds, {} failed, {}.{} seeds/s", runs, failed, runs * 1000 / wall_ms, runs * 10'000 / wall_ms % 10).c_str());
    }
    std::fflush(stderr);
  } else if (!last) {
    terminal.warn(fmt::format("{} seeds, {} failed, {}.{} seeds/s", runs, failed, runs * 1000 / wall_ms, runs * 10'000 / wall_ms % 10));
  }
}

void Swarm::remember_seeds() {
  if (!grid_.empty()) return;
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    if (cells_[i].counter_example) continue;
    // what failed now comes first; a seed that passes again drops out, one that was not run stays
    std::vector<std::uint64_t> seeds = tallies_[i].failing_seeds;
    std::sort(seeds.begin(), seeds.end());
    seeds.insert(seeds.end(), first_seeds_[i].begin(), first_seeds_[i].end());
    const std::string path = seeds_file(cells_[i]);
    std::error_code ignored;
    if (seeds.empty()) {
      std::filesystem::remove(path, ignored);
      continue;
    }
    std::string text;
    for (const std::uint64_t seed : seeds) text += std::to_string(seed) + "\n";
    if (!write_whole(path, text)) options_.terminal.warn(path + ": cannot be written");
  }
}

bool Swarm::write_junit() const {
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  for (const Cell& cell : cells_) {
    std::int64_t tests = 0, failures = 0;
    std::string cases;
    for (const JunitCase& row : junit_) {
      if (row.suite != cell.name) continue;
      ++tests;
      cases += fmt::format("  <testcase classname=\"{}\" name=\"{}\" time=\"{}.{:03}\"", xml_escaped(row.suite), xml_escaped(row.name), row.wall_ns / 1'000'000'000, row.wall_ns / 1'000'000 % 1000);
      if (row.failure.empty()) {
        cases += "/>\n";
      } else {
        ++failures;
        cases += "><failure message=\"" + xml_escaped(row.failure.substr(0, row.failure.find('\n'))) + "\">" + xml_escaped(row.failure) + "</failure></testcase>\n";
      }
    }
    out += fmt::format(" <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">\n{} </testsuite>\n", xml_escaped(cell.name), tests, failures, cases);
  }
  return write_whole(options_.text("junit"), out + "</testsuites>\n");
}

/// Which checks were of use: a check whose premise never occurred has shown nothing.
std::string Swarm::checks_of(const Tally& tally) const {
  std::int64_t evaluated = 0, known = 0;
  std::string idle;
  for (const auto& [name, seeds] : tally.checks) {
    const bool counts = seeds > 0 || (tally.repeated > 0 && name.starts_with("I71 "));
    ++known;
    evaluated += counts ? 1 : 0;
    if (!counts) idle += (idle.empty() ? "" : ", ") + name;
  }
  std::string out = fmt::format("  {} of {} checks evaluated", evaluated, known);
  if (!idle.empty()) out += "; by no seed: " + idle;
  if (tally.repeated > 0) out += fmt::format("; {} seeds run twice", tally.repeated);
  return out + "\n";
}

int Swarm::report() {
  const Terminal& terminal = options_.terminal;
  std::string out;
  bool failed = false, undecided = false;
  std::int64_t runs = 0;
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    const Cell& cell = cells_[i];
    Tally& tally = tallies_[i];
    runs += tally.runs();
    failed = failed || tally.failed > 0;
    undecided = undecided || tally.undecided > 0;
    out += fmt::format("{}: {} passed, {} failed, {} undecided", cell.name, tally.passed, tally.failed, tally.undecided);
    if (tally.failed == 0 && tally.passed > 0)
      out += fmt::format("; no failure in {}: the share of failing seeds is below 3/{} at 95 %", tally.passed, tally.passed);
    out += "\n";
    for (const auto& [signature, seen] : tally.failures)
      out += fmt::format("  {} x {}\n    first seed {}: {}\n    {}\n{}", seen.count, signature, seen.first_seed, seen.message, seen.command, seen.folder.empty() ? "" : "    kept in " + seen.folder + "\n");
    out += checks_of(tally);
    for (const std::string& mark : cell.marks) {
      const std::int64_t reached = tally.marks.contains(mark) ? tally.marks[mark] : 0;
      out += fmt::format("  {:<36}{}\n", mark, reached > 0 ? fmt::format("reached by {} of {} seeds", reached, tally.runs()) : "NEVER REACHED");
      if (reached == 0 && tally.runs() > 0) failed = true;
    }
  }
  if (!grid_.empty()) {
    out += "\nscenario                  lost      allowed   unavailable   produce p99   cell\n";
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      Tally& tally = tallies_[i];
      std::sort(tally.p99_ns.begin(), tally.p99_ns.end());
      std::string choice;
      for (std::size_t k = sets_.size(); k < cells_[i].sets.size(); ++k) choice += (choice.empty() ? "" : " ") + cells_[i].sets[k];
      out += fmt::format("{:<26}{:<10}{:<10}{:<14}{:<14}{}\n", cells_[i].name.substr(0, 25), tally.lost, tally.lost_unpromised, sim::short_duration(tally.unavailable_ns),
                         tally.p99_ns.empty() ? "-" : sim::short_duration(tally.p99_ns[tally.p99_ns.size() / 2]), choice);
    }
  }
  const std::int64_t wall_ms = std::max<std::int64_t>((wall_clock_ns() - start_ns_) / 1'000'000, 1);
  out += fmt::format("{} seeds in {}, {}.{:02} seeds per second, {} jobs\n", runs, sim::short_duration(wall_ms * 1'000'000), runs * 1000 / wall_ms, runs * 100'000 / wall_ms % 100, jobs_);
  terminal.put(out);
  if (interrupted != 0) return 128 + interrupted;
  if (runs == 0) return exit_nothing;
  if (!deterministic_) return exit_not_deterministic;
  return failed ? exit_failed : undecided ? exit_undecided : exit_ok;
}

int Swarm::run() {
  if (!read_options() || !read_cells()) return exit_usage;
  watch_signals();
  start_ns_ = shown_ns_ = wall_clock_ns();
  bool more = true;
  while (interrupted == 0) {
    while (more && running_.size() < jobs_) {
      std::size_t cell = 0;
      std::uint64_t seed = 0;
      more = next(cell, seed);
      if (more) start(cell, seed);
    }
    if (running_.empty()) break;
    std::vector<pollfd> descriptors;
    for (const Job& job : running_) descriptors.push_back({job.child.descriptor, POLLIN, 0});
    ::poll(descriptors.data(), descriptors.size(), 200);
    for (std::size_t i = running_.size(); i-- > 0;) {
      if (running_[i].child.descriptor >= 0 && descriptors[i].revents == 0) continue;
      if (running_[i].child.descriptor >= 0 && read_child(running_[i].child)) continue;
      Job job = std::move(running_[i]);
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
      finish(job);
    }
    show_progress(false);
  }
  stop_children();
  show_progress(true);
  remember_seeds();
  if (options_.has("junit") && !write_junit()) options_.terminal.warn(options_.text("junit") + ": cannot be written");
  return report();
}

}  // namespace

int swarm_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("file", -1);
  options.add()("seeds", po::value<std::string>()->value_name("A..B"), "seeds, both ends included")("duration", po::value<std::string>()->value_name("TIME"), "seeds 1, 2, ... for so long")(
      "jobs,j", po::value<std::string>()->value_name("N"), "processes at once (the processors, or HARROW_JOBS)")("set", po::value<std::vector<std::string>>()->composing()->value_name("PATH=VALUE"),
                                                                                                            "change a value of the scenario")(
      "grid", po::value<std::vector<std::string>>()->composing()->value_name("PATH=a,b"), "try each value; one row a cell")("junit", po::value<std::string>()->value_name("FILE"), "write JUnit XML")(
      "keep-going", po::value<std::string>()->value_name("N"), "stop a scenario after N failing seeds (20; 0 never)")("resume", "leave out seeds that passed before");
  if (const auto done = options.parse(arguments)) return *done;
  return Swarm(options, command).run();
}

}  // namespace harrow::cli
