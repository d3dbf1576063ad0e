#include "sim/cli/scenario_files.h"

#include <cstdio>
#include <filesystem>

#include "sim/workload/replay_file.h"

namespace harrow::cli {

namespace fs = std::filesystem;

void say_problems(const Terminal& terminal, const sim::Problems& problems) {
  for (const sim::Problem& problem : problems) terminal.warn(to_text(problem));
}

bool replays_are_whole(const Terminal& terminal, const sim::Scenario& scenario) {
  bool whole = true;
  for (const sim::ProducerPlan& producer : scenario.producers) {
    if (!producer.replay) continue;
    const auto file = sim::read_replay_file(*producer.replay);
    if (file) continue;
    terminal.warn(to_text(file.error()));
    whole = false;
  }
  return whole;
}

bool write_whole(const std::string& path, std::string_view text) {
  std::error_code failed;
  if (const fs::path folder = fs::path(path).parent_path(); !folder.empty()) fs::create_directories(folder, failed);
  const std::string part = path + ".part";
  std::FILE* const out = std::fopen(part.c_str(), "wb");
  if (out == nullptr) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), out) == text.size();
  const bool closed = std::fclose(out) == 0;
  if (written && closed) fs::rename(part, path, failed);
  if (written && closed && !failed) return true;
  fs::remove(part, failed);
  return false;
}

std::string results_root() {
  const std::string root = environment("HARROW_OUT");
  return root.empty() ? "results/runs" : root;
}

std::string run_folder(const std::string& name) {
  for (const std::string& candidate : {name, results_root() + "/" + name}) {
    std::error_code failed;
    if (fs::exists(candidate + "/run.json", failed)) return fs::is_symlink(candidate) ? fs::canonical(candidate, failed).string() : candidate;
  }
  return "";
}

std::string repeat_command(const std::string& file, std::uint64_t seed, const std::vector<std::string>& sets) {
  std::string text = "harrow run " + shell_quoted(file) + " --seed " + std::to_string(seed);
  for (const std::string& set : sets) text += " --set " + shell_quoted(set);
  return text;
}

}  // namespace harrow::cli
