#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/base/check.h"
#include "core/log/inspect.h"
#include "sim/cli/command.h"
#include "sim/cli/folder_disk.h"

namespace harrow::cli {

namespace fs = std::filesystem;

namespace {

bool is_partition(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().extension() == ".log") return true;
  return false;
}

/// The partition folders at or anywhere below a folder (a node's data folder, or several nodes').
std::vector<fs::path> partitions_below(const fs::path& folder) {
  std::vector<fs::path> found;
  if (is_partition(folder)) found.push_back(folder);
  std::error_code ignored;
  for (auto at = fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied, ignored); at != fs::recursive_directory_iterator(); at.increment(ignored)) {
    if (ignored) break;
    std::error_code no_folder;
    if (at->is_directory(no_folder) && is_partition(at->path())) found.push_back(at->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

int log_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("what", 2);
  options.add()("records", "dump: keys and values, too");
  if (const auto done = options.parse(arguments)) return *done;
  const Terminal& terminal = options.terminal;
  const std::vector<std::string> what = options.texts("what");
  if (what.size() != 2 || (what[0] != "dump" && what[0] != "verify")) {
    terminal.warn("harrow log: dump DIR or verify DIR");
    return exit_usage;
  }
  std::error_code ignored;
  if (!fs::is_directory(what[1], ignored)) {
    terminal.warn(what[1] + ": no such folder");
    return exit_usage;
  }
  const std::vector<fs::path> folders = partitions_below(what[1]);
  if (folders.empty()) {
    terminal.warn(what[1] + ": no partition folders here or below");
    return exit_nothing;
  }
  bool sound = true;
  for (const fs::path& path : folders) {
    const fs::path whole = fs::weakly_canonical(path, ignored);
    FolderDisk disk(whole.parent_path().string());
    const std::string name = whole.filename().string();
    if (what[0] == "dump") {
      terminal.put(path.string() + "\n");
      const LineSink sink = [&](std::string_view line) { terminal.put(std::string(line) + "\n"); };
      auto task = dump_folder(disk, name, options.has("records"), sink);
      CHECK_SAYING(task.done(), "reading a folder never waits");
      if (const auto result = task.take(); !result) {
        terminal.warn(path.string() + ": " + result.error().what);
        sound = false;
      }
      continue;
    }
    auto task = verify_folder(disk, name);
    CHECK_SAYING(task.done(), "reading a folder never waits");
    const auto report = task.take();
    if (!report) {
      terminal.put(path.string() + ": " + report.error().what + "\n");
      sound = false;
      continue;
    }
    terminal.put(fmt::format("{}: {}, {} segments, {} batches, {} records, {} bytes, offsets {} to {}\n", path.string(), report->findings.empty() ? "sound" : "DAMAGED", report->segments,
                             report->batches, report->records, report->bytes, report->first.value(), report->end.value()));
    for (const Finding& finding : report->findings) terminal.put(fmt::format("  {} at byte {}: {}\n", finding.file, finding.position, finding.what));
    sound = sound && report->findings.empty();
  }
  return sound ? exit_ok : exit_failed;
}

}  // namespace harrow::cli
