#include <algorithm>

#include "sim/cli/command.h"
#include "sim/scenario/bench.h"

namespace harrow::cli {

int bench_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("what", 1);
  options.add()("seeds", po::value<std::string>()->value_name("A..B"), "seeds of `cluster` (1..20)")("scale", po::value<std::string>()->value_name("PERCENT"), "share of the full size (100)");
  if (const auto done = options.parse(arguments)) return *done;
  const std::vector<std::string> what = options.texts("what");
  const std::string task = what.empty() ? "" : what[0];
  if (task != "kernel" && task != "cluster") {
    options.terminal.warn("harrow bench: kernel or cluster");
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
  bench.wall_ns = wall_clock_ns;
  bench.row = [&](const std::string& json) {
    options.terminal.put(json + "\n");
    return interrupted == 0;
  };
  const bool known = task == "kernel" ? sim::bench_kernel(bench) : sim::bench_cluster(bench);
  if (interrupted != 0) return 128 + interrupted;
  return known ? exit_ok : exit_nothing;
}

}  // namespace harrow::cli
