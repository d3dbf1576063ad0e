// harrow size: machines and their number for a traffic and a wish.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "sim/cli/size.h"
#include "sim/cli/scenario_files.h"
#include "sim/scenario/read.h"
#include "sim/size/confirm.h"
#include "sim/size/report.h"
#include "sim/size/traffic.h"

namespace harrow::cli {

namespace {

struct WishOption {
  const char* name;
  const char* value;
  const char* help;
};
constexpr WishOption wish_options[] = {
    {"ingress", "RATE", "payload bytes written a second at the peak: 200MB/s"},
    {"records", "RATE", "the same as records a second: 200k/s"},
    {"mean", "RATE", "mean of the month, for storage and bills (the peak)"},
    {"record", "SIZE", "payload bytes of a record: 1KiB"},
    {"egress", "TIMES", "bytes consumed per byte produced, replication not counted: 3x"},
    {"retention", "TIME", "how long records are kept: 3d"},
    {"survive", "WHAT", "broker, zone or none (zone): at the peak, within the objectives"},
    {"zones", "N", "zones to spread over (3 for survive zone, else 1)"},
    {"replication", "N", "copies (3, or 1 where nothing must survive)"},
    {"min-isr", "N", "min.insync.replicas (one less than the copies, at most 2)"},
    {"batch", "SIZE", "payload bytes that reach a partition in one batch (16KiB)"},
    {"compression", "TIMES", "by how much producers compress: 3x (1x)"},
    {"keys", "KEYS", "none, uniform(10k) or zipf(10k, 0.99) (none)"},
    {"partitions", "N", "partitions in all (chosen)"},
    {"partition-rate", "RATE", "what one partition takes and one consumer reads (10MB/s)"},
    {"consumers", "N", "members of the largest group"},
    {"rewind", "TIME", "how far back a group reads at the peak: 1h"},
    {"catch-up", "TIMES", "at how many times its rate (2x)"},
    {"rack-aware", "YES", "consumers read within their zone: yes or no (no)"},
    {"flush", "YES", "each batch is flushed before it is answered: yes or no (no)"},
    {"segment", "SIZE", "log.segment.bytes (1GiB)"},
    {"most-brokers", "N", "no more than so many"},
};

/// The other wishes yield to what was given by hand; "records" and "ingress" are two names of one.
void yield_to(size::WishOptions& wishes, const size::WishOptions& given) {
  const auto has = [&](std::string_view name) { return std::any_of(given.begin(), given.end(), [&](const auto& one) { return one.first == name; }); };
  std::erase_if(wishes, [&](const auto& one) { return has(one.first) || (one.first == "records" && has("ingress")) || (one.first == "ingress" && has("records")) || (one.first == "mean" && (has("ingress") || has("records") || has("record"))); });
}

int explain(const Terminal& terminal, const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) terminal.warn("harrow size: " + problem);
  return exit_usage;
}

int list_catalogue(const Terminal& terminal, const size::Catalogue& catalogue) {
  std::string text = "machines\n";
  for (const size::Machine& one : catalogue.machines)
    text += fmt::format("  {:<16}{:>4} cpus {:>10} {:>11} each way  {:<14}{:>8} {}/h  {}\n", one.name, size::number_text(one.vcpu), size::size_text(one.memory), size::rate_text(one.net), one.volume ? one.volume->name : "local disks",
                        fmt::format("{:.4f}", one.hour), one.prices->currency, one.prices->date);
  text += "\nprocessor costs (--costs)\n";
  for (const size::CpuCosts& one : catalogue.costs) text += fmt::format("  {:<16}{}, {}\n", one.name, one.what, one.date);
  text += "\nwishes (--preset)\n";
  for (const size::Preset& one : catalogue.presets) text += fmt::format("  {:<24}{}\n  {:<24}{}\n", one.name, one.what, "", one.source);
  terminal.put(text);
  return exit_ok;
}

}  // namespace

int size_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("scenario", 1);
  for (const WishOption& one : wish_options) options.add()(one.name, po::value<std::string>()->value_name(one.value), one.help);
  options.add()("slo", po::value<std::vector<std::string>>()->composing()->value_name("LIMIT"), "produce-p99=50ms or e2e-p99=200ms (also p50, p95, p999), several times")(
      "preset", po::value<std::string>()->value_name("NAME"), "a published rate (see --list); what else is given counts more")(
      "traffic", po::value<std::string>()->value_name("FILE"), "a recorded trace, CSV or JSON lines, also .gz: its peak, sizes and keys")(
      "time", po::value<std::string>()->value_name("COLUMN"), "its column with the time")("key", po::value<std::string>()->value_name("COLUMN"), "its column with the key")(
      "size", po::value<std::string>()->value_name("COLUMN"), "its column with the bytes")("speed", po::value<std::string>()->value_name("TIMES"), "as if it went so many times as fast: 100x")(
      "hardware", po::value<std::vector<std::string>>()->composing()->value_name("FILE"), "machines with prices, or processor costs, beside those that are built in")(
      "only", "just the machines of --hardware")("machine", po::value<std::string>()->value_name("NAME"), "this machine only")("brokers", po::value<std::string>()->value_name("N"), "with --machine: judge so many brokers")(
      "costs", po::value<std::string>()->value_name("NAME"), "processor costs (harrow)")("equations", "do not simulate (the default)")("confirm", "simulate the best design, too: still being tuned, see ROADMAP")("thorough", "five seeds, a finer knee, slow disk, rolling restart")(
      "seed", po::value<std::string>()->value_name("N"), "seed of the simulation (1)")("keep", po::value<std::string>()->value_name("FILE"), "write the simulated cluster as a scenario")("list", "show machines, costs and presets")(
      "format", po::value<std::string>()->value_name("FORMAT"), "text or json (text)");
  if (const auto done = options.parse(arguments)) return *done;
  const Terminal& terminal = options.terminal;
  const std::string format = options.text("format", "text");
  if (format != "text" && format != "json") return explain(terminal, {"--format is text or json, not '" + format + "'"});

  // What there is to choose from.
  size::Catalogue catalogue = size::builtin_catalogue();
  if (options.has("only")) {
    if (!options.has("hardware")) return explain(terminal, {"--only is for the machines of --hardware, which is missing"});
    catalogue.machines.clear();
  }
  for (const std::string& file : options.texts("hardware")) {
    const auto text = read_text(file);
    if (!text) return explain(terminal, {file + ": cannot be read"});
    sim::Problems problems;
    if (!size::add_profiles(catalogue, *text, file, problems)) {
      say_problems(terminal, problems);
      return exit_usage;
    }
  }
  if (options.has("list")) return list_catalogue(terminal, catalogue);
  size::SearchOptions search;
  search.costs = options.text("costs", "harrow");
  search.machine = options.text("machine");
  if (catalogue.costs_named(search.costs) == nullptr) return explain(terminal, {"no processor costs '" + search.costs + "'; see harrow size --list"});
  if (!search.machine.empty()) {
    std::vector<std::string_view> names;
    for (const size::Machine& one : catalogue.machines) names.push_back(one.name);
    if (std::find(names.begin(), names.end(), search.machine) == names.end()) return explain(terminal, {"no machine '" + search.machine + "'" + sim::did_you_mean(search.machine, names) + "; see harrow size --list"});
  }
  std::uint64_t brokers = 0, seed = 1;
  if (!options.number("brokers", brokers) || !options.number("seed", seed)) return exit_usage;
  if (options.has("brokers") && (search.machine.empty() || brokers < 1 || brokers > 40'000)) return explain(terminal, {"--brokers wants --machine and a number from 1 to 40000"});
  search.brokers = static_cast<double>(brokers);

  // The wishes: by hand, then from a preset, a trace or a scenario.
  size::WishOptions given, other;
  for (const WishOption& one : wish_options)
    if (options.has(one.name)) given.emplace_back(one.name, options.text(one.name));
  for (const std::string& text : options.texts("slo")) given.emplace_back("slo", text);
  const std::vector<std::string> scenarios = options.texts("scenario");
  const int sources = (options.has("preset") ? 1 : 0) + (options.has("traffic") ? 1 : 0) + static_cast<int>(!scenarios.empty());
  if (sources > 1) return explain(terminal, {"--preset, --traffic and a scenario each give the traffic: take one of them"});
  std::string title, source;
  if (options.has("preset")) {
    const size::Preset* const preset = catalogue.preset_named(options.text("preset"));
    if (preset == nullptr) return explain(terminal, {"no preset '" + options.text("preset") + "'; see harrow size --list"});
    other = preset->wish;
    title = preset->name + ": " + preset->what;
    source = preset->source;
  }
  if (!options.has("traffic"))
    for (const char* const name : {"time", "key", "size", "speed"})
      if (options.has(name)) return explain(terminal, {std::string("--") + name + " is about a trace, but --traffic is missing"});
  if (options.has("traffic")) {
    size::TrafficColumns columns{options.text("time"), options.text("key"), options.text("size")};
    if (options.has("speed")) {
      const auto speed = size::parse_times(options.text("speed"));
      if (!speed || *speed <= 0) return explain(terminal, {"--speed: " + (speed ? std::string("must be more than nothing") : speed.error())});
      columns.speed = *speed;
    }
    const auto traffic = size::read_traffic(options.text("traffic"), columns);
    if (!traffic) return explain(terminal, {traffic.error()});
    other = size::wishes_of(*traffic);
    title = fmt::format("{}: {} records in {}, mean {}/s, peak {}/s over {}{}", std::filesystem::path(options.text("traffic")).filename().string(), size::number_text(traffic->records), size::span_text(traffic->seconds),
                        size::number_text(traffic->mean_rate), size::number_text(traffic->peak_rate), size::span_text(traffic->peak_over_s),
                        traffic->keys > 0 ? fmt::format("; {} keys, the hottest {:.1f} %, Zipf {:.2f}", size::number_text(traffic->keys), traffic->hottest_share * 100, traffic->key_alpha) : "");
  }
  if (!scenarios.empty()) {
    sim::Problems problems;
    const auto bound = sim::read_scenario(scenarios[0], {}, seed, problems);
    if (!bound) {
      say_problems(terminal, problems);
      return exit_usage;
    }
    const auto wishes = size::wishes_of(bound->scenario);
    if (!wishes) return explain(terminal, {wishes.error()});
    other = *wishes;
    title = scenarios[0];
  }
  yield_to(other, given);
  other.insert(other.end(), given.begin(), given.end());
  auto wish = size::parse_wish(other);
  if (!wish) return explain(terminal, wish.error());
  wish->title = title;
  wish->source = source;
  if (search.brokers > 0 && search.brokers < wish->replication) return explain(terminal, {fmt::format("--brokers {:.0f} cannot hold --replication {}", search.brokers, wish->replication)});

  const std::int64_t begun = wall_clock_ns();
  size::Answer answer = size::search(*wish, catalogue, search);
  if (terminal.verbose) terminal.say(fmt::format("{} machines weighed in {:.1f} ms", catalogue.machines.size(), static_cast<double>(wall_clock_ns() - begun) / 1e6));
  const auto finish = [&](const size::Confirmed* confirmed, int exit_code) {
    terminal.put(format == "json" ? size::json_of(answer, confirmed) : size::text_of(answer, confirmed, {terminal.colour_out, terminal.verbose}));
    return exit_code;
  };
  if (answer.impossible) return finish(nullptr, exit_failed);
  const bool judged_holds = answer.designs[0].verdict.holds;
  if (options.has("keep")) {
    const size::Design& design = answer.designs[0];
    const size::Scale scale = size::scale_of(*wish, design, size::ConfirmOptions().batches_most);
    const std::string file = options.text("keep");
    if (!write_whole(file, size::scenario_text(*wish, design, scale, 1, 8, false, ""))) return explain(terminal, {file + ": cannot be written"});
    terminal.say("wrote " + file);
  }
  if (options.has("equations") || !(options.has("confirm") || options.has("thorough"))) return finish(nullptr, judged_holds ? exit_ok : exit_failed);

  watch_signals();
  size::ConfirmOptions confirm;
  confirm.thorough = options.has("thorough");
  confirm.seed = seed;
  confirm.wall_ns = wall_clock_ns;
  confirm.say = [&](const std::string& line) {
    if (!line.empty()) terminal.say(line);
    return interrupted == 0;
  };
  size::Confirmed confirmed;
  for (int tries = 0;; ++tries) {
    confirmed = size::confirm(*wish, answer.designs[0], confirm);
    if (confirmed.held || confirmed.interrupted || tries == 2 || search.brokers > 0) break;
    const size::Design& failed = answer.designs[0];
    const double more = failed.candidate.brokers + size::smaller_by(*wish);
    if (wish->most_brokers > 0 && more > wish->most_brokers) break;
    const std::string line = fmt::format("{} x {} hold by equations, but not in the simulation", size::number_text(failed.candidate.brokers), failed.candidate.machine->name);
    terminal.say(line + fmt::format("; {} are tried", size::number_text(more)));
    answer.assumptions.push_back({"corrected", line, "so the next larger number is recommended"});
    size::Design larger = size::design_of(*wish, *failed.candidate.machine, *failed.candidate.costs, more);
    size::complete(*wish, larger);
    answer.designs[0] = larger;
  }
  if (interrupted != 0) return finish(&confirmed, 128 + interrupted);
  return finish(&confirmed, confirmed.held && judged_holds ? exit_ok : exit_failed);
}

}  // namespace harrow::cli
