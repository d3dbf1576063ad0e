// `harrow random-uuid` and `harrow format`: what kafka-storage does for a node's log folder.
#include <fmt/format.h>
#include <sys/random.h>

#include <filesystem>
#include <fstream>

#include "core/log/checkpoint_files.h"
#include "sim/cli/server_properties.h"
#include "sim/cli/tool.h"

namespace harrow::cli {

namespace fs = std::filesystem;

namespace {

/// No leading dash: it would look like an option.
Uuid random_uuid() {
  Uuid id;
  do {
    CHECK_SAYING(::getrandom(&id, sizeof(id), 0) == static_cast<ssize_t>(sizeof(id)), "the system gives random bytes");
    id.high = (id.high & ~0xf000ULL) | 0x4000;        // version 4
    id.low = (id.low & ~(3ULL << 62)) | (2ULL << 62);  // variant 2
  } while (to_text(id).front() == '-');
  return id;
}

Root write_meta(Scope&, Label, posix::PosixHost& process, MetaProperties properties, std::string problem_path, std::string& problem) {
  Task<Result<bool>> writing = write_durably(process.host().disk, "data/meta.properties", to_text(properties));
  const Result<bool> written = co_await writing;
  if (!written) problem = problem_path + ": " + written.error().what;
  process.finish();
}

}  // namespace

int random_uuid_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  if (const auto done = options.parse(arguments)) return *done;
  options.terminal.put(to_text(random_uuid()) + "\n");
  return exit_ok;
}

int format_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.add()("cluster-id,t", po::value<std::string>()->value_name("UUID"), "the cluster's id, the same for each of its nodes");
  options.add()("config,c", po::value<std::string>()->value_name("FILE"), "the node's server.properties");
  options.add()("standalone,s", "a quorum of this controller alone");
  options.add()("ignore-formatted,g", "leaves a folder that is formatted already as it is");
  if (const auto done = options.parse(arguments)) return *done;
  const Terminal& terminal = options.terminal;
  if (!options.has("cluster-id") || !options.has("config")) {
    terminal.warn("harrow format: -t UUID and -c FILE are needed");
    return exit_usage;
  }
  const std::string cluster_id = options.text("cluster-id");
  if (Uuid id; !parse_uuid(cluster_id, id)) {
    terminal.warn("harrow format: Cluster ID string " + cluster_id + " does not appear to be a valid UUID: harrow random-uuid makes one");
    return exit_failed;
  }
  const std::optional<ServerFile> file = read_server_file(options.text("config"), terminal);
  if (!file) return exit_usage;
  if (options.has("standalone") && (!file->is_controller || file->properties.count("controller.quorum.voters") > 0)) {
    terminal.warn("harrow format: --standalone is for a controller without controller.quorum.voters");
    return exit_usage;
  }
  const std::string folder = file->log_dir.empty() ? std::string(row_of(ConfigKey::log_dir).default_text) : file->log_dir;
  std::error_code ignored;
  if (fs::exists(fs::path(folder) / "meta.properties", ignored)) {
    if (options.has("ignore-formatted")) {
      terminal.put("All of the log directories are already formatted.\n");
      return exit_ok;
    }
    terminal.warn("Log directory " + folder + " is already formatted. Use --ignore-formatted to ignore this directory and format the others.");
    return exit_failed;
  }
  auto disk = posix::PosixDisk::open_as("data", folder);
  if (!disk) {
    terminal.warn("harrow format: " + folder + ": " + disk.error().what);
    return exit_failed;
  }
  posix::PosixHost process(std::move(*disk));
  MetaProperties properties;
  properties.cluster_id = cluster_id;
  properties.node_id = file->id.value();
  properties.directory_id = random_uuid();
  std::string problem;
  run_tool(process, [&] { write_meta(process.host().scope, Label("format"), process, properties, folder, problem); });
  if (!problem.empty()) {
    terminal.warn("harrow format: " + problem);
    return exit_failed;
  }
  const bool dynamic = file->is_controller && file->properties.count("controller.quorum.voters") == 0;
  terminal.put(fmt::format("Formatting {}{} with metadata.version 4.2-IV1.\n", dynamic ? "dynamic metadata voter directory " : "metadata directory ", folder));
  return exit_ok;
}

}  // namespace harrow::cli
