#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "sim/cli/scenario_files.h"
#include "sim/scenario/keys.h"
#include "sim/scenario/run_json.h"
#include "sim/scenario/units.h"

namespace harrow::cli {

namespace fs = std::filesystem;

namespace {

int list_runs(const Terminal& terminal) {
  std::vector<std::string> folders;
  std::error_code failed;
  for (const auto& scenario : fs::directory_iterator(results_root(), failed)) {
    if (!scenario.is_directory() || scenario.is_symlink()) continue;
    std::error_code ignored;
    for (const auto& run : fs::directory_iterator(scenario.path(), ignored))
      if (fs::exists(run.path() / "run.json", ignored)) folders.push_back(run.path().string());
  }
  if (folders.empty()) {
    terminal.say("no runs below " + results_root());
    return exit_nothing;
  }
  std::sort(folders.begin(), folders.end(), [](const std::string& a, const std::string& b) { return fs::path(a).filename() < fs::path(b).filename(); });
  std::string out;
  for (const std::string& folder : folders) {
    const auto text = read_text(folder + "/run.json");
    const auto result = text ? sim::parse_run_json(*text) : std::nullopt;
    if (!result) continue;
    out += fmt::format("{:<10}{:<28}seed {:<8}{:<12}{:016x}  {}\n", name_of(result->verdict), result->scenario, result->seed, sim::short_duration(result->virtual_ns), result->trace_hash, folder);
  }
  terminal.put(out);
  return exit_ok;
}

std::optional<sim::RunResult> result_of(const Options& options, const Command& command, std::string& folder) {
  const std::vector<std::string> runs = options.texts("run");
  const std::string name = runs.empty() ? "latest" : runs[0];
  folder = run_folder(name);
  if (folder.empty()) {
    options.terminal.warn("harrow " + std::string(command.name) + ": no run at " + name + " (nor below " + results_root() + ")");
    return std::nullopt;
  }
  const auto text = read_text(folder + "/run.json");
  auto result = text ? sim::parse_run_json(*text) : std::nullopt;
  if (!result) options.terminal.warn(folder + "/run.json: cannot be read");
  return result;
}

}  // namespace

int list_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("what", 1);
  if (const auto done = options.parse(arguments)) return *done;
  const std::vector<std::string> what = options.texts("what");
  const std::string wanted = what.empty() ? "runs" : what[0];
  std::string out;
  if (wanted == "runs") return list_runs(options.terminal);
  if (wanted == "presets") {
    for (const sim::PresetNote& note : sim::preset_notes()) out += fmt::format("{:<16}{}\n                {}\n", note.name, note.description, note.source);
  } else if (wanted == "marks") {
    for (const sim::MarkRow& row : sim::mark_rows()) out += fmt::format("{:<34}{}\n", row.name, row.doc);
  } else if (wanted == "checks") {
    for (const sim::InvariantRow& row : sim::invariant_rows()) out += fmt::format("{:<5}{:<28}{}\n", row.id, row.name, row.statement);
  } else if (wanted == "faults") {
    for (const sim::FaultRow& row : sim::fault_rows()) out += fmt::format("{:<18}{}\n                  {}\n", name_of(row.kind), row.doc, row.example);
  } else {
    options.terminal.warn("harrow list: unknown '" + wanted + "'" + sim::did_you_mean(wanted, {"runs", "presets", "marks", "checks", "faults"}));
    return exit_usage;
  }
  options.terminal.put(out);
  return exit_ok;
}

int show_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("run", 1);
  options.add()("format", po::value<std::string>()->value_name("FORM"), "text or json");
  if (const auto done = options.parse(arguments)) return *done;
  std::string folder;
  const auto result = result_of(options, command, folder);
  if (!result) return exit_usage;
  if (options.text("format", "text") == "json") {
    options.terminal.put(to_json(*result));
  } else {
    options.terminal.put(to_text(*result, options.terminal.colour_out));
    options.terminal.put("folder      " + folder + "\n");
  }
  return exit_ok;
}

int version_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.add()("json", "as JSON");
  if (const auto done = options.parse(arguments)) return *done;
  options.terminal.put(options.has("json") ? "{\"version\": \"" HARROW_VERSION "\", \"kafka\": \"4.2\"}\n" : options.terminal.quiet ? HARROW_VERSION "\n" : "harrow " HARROW_VERSION " (speaks Apache Kafka 4.2)\n");
  return exit_ok;
}

}  // namespace harrow::cli
