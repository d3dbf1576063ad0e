#include <sys/resource.h>

#include <algorithm>
#include <ctime>

#include "sim/cli/bench_floor.h"
#include "sim/cli/command.h"
#include "sim/cli/size.h"
#include "sim/scenario/bench.h"

namespace harrow::cli {

namespace {

std::int64_t peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

/// Time that this process had a processor: a busy machine is not measured.
std::int64_t processor_ns() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return used.tv_sec * 1'000'000'000 + used.tv_nsec;
}

}  // namespace

int bench_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("what", 1);
  options.add()("seeds", po::value<std::string>()->value_name("A..B"), "seeds of `cluster` and `checks` (1..20); the others use the first")("scale", po::value<std::string>()->value_name("PERCENT"), "share of the full size (100)");
  if (const auto done = options.parse(arguments)) return *done;
  const std::vector<std::string> what = options.texts("what");
  if (what.size() == 1 && what[0] == "costs") return bench_costs(options.terminal);
  const auto& tasks = sim::bench_tasks();
  const auto task = std::find_if(tasks.begin(), tasks.end(), [&](const sim::BenchTask& one) { return !what.empty() && one.name == what[0]; });
  if (task == tasks.end()) {
    std::string names;
    for (const sim::BenchTask& one : tasks) names += (names.empty() ? "" : ", ") + std::string(one.name);
    options.terminal.warn("harrow bench: one of " + names + ", costs");
    return exit_usage;
  }
  const auto seeds = parse_seeds(options.text("seeds", "1..20"));
  std::uint64_t scale = 100;
  if (!options.number("scale", scale)) return exit_usage;
  if (!seeds || scale < 1 || scale > 10'000) {
    options.terminal.warn(!seeds ? "harrow bench: --seeds wants A..B" : "harrow bench: --scale is 1 to 10000 percent");
    return exit_usage;
  }
  watch_signals();
  sim::BenchOptions bench;
  bench.from_seed = seeds->from;
  bench.until_seed = seeds->until;
  bench.percent = static_cast<std::int64_t>(scale);
  bench.wall_ns = processor_ns;
  bench.peak_bytes = peak_bytes;
  bench.row = [&](const std::string& json) {
    options.terminal.put(json + "\n");
    return interrupted == 0;
  };
  task->run(bench);
  const bool served = task->name != "append" || interrupted != 0 || bench_floor(bench);
  if (!served && interrupted == 0) {
    options.terminal.warn("harrow bench: a server under load failed");
    return exit_failed;
  }
  return interrupted != 0 ? 128 + interrupted : exit_ok;
}

}  // namespace harrow::cli
