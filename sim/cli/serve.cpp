// `harrow serve`: one real node (broker and controller) on this machine's loopback, for development, tests and CI.
#include <fmt/format.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>

#include "core/model/config_keys.h"
#include "core/node/node.h"
#include "core/posix/posix_host.h"
#include "sim/cli/command.h"

namespace harrow::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* local_cluster_id = "harrow-local-cluster-1";
constexpr std::int64_t readiness_poll_ms = 5;

/// A temporary data folder, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() = default;
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  bool create() {
    std::error_code failed;
    std::string pattern = (fs::temp_directory_path(failed) / "harrow-XXXXXX").string();
    if (failed || ::mkdtemp(pattern.data()) == nullptr) return false;
    path_ = pattern;
    return true;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Written beside and renamed, so that whoever waits for the file finds it whole.
bool write_ready_file(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".tmp";
  std::FILE* const file = std::fopen(fresh.c_str(), "wb");
  if (file == nullptr) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return (std::fclose(file) == 0) && written && std::rename(fresh.c_str(), path.c_str()) == 0;
}

Root announce(Scope&, Label, posix::PosixHost& process, const Node& node, const Terminal& terminal, const std::string& listener, const std::string& ready_file) {
  while (!node.ready()) co_await Sleep(process.host().timers, after_ms(process.host().clock.mono(), readiness_poll_ms), "readiness");
  terminal.put(listener + "\n");
  if (!ready_file.empty() && !write_ready_file(ready_file, listener + "\n")) terminal.warn("harrow serve: cannot write " + ready_file);
}

Root stop_cleanly(Scope&, Label, posix::PosixHost& process, Node& node, bool& clean) {
  Task<bool> stopping = node.stop();
  clean = co_await stopping;
  process.finish();
}

bool take_port(const Options& options, const char* name, std::uint16_t& port) {
  std::uint64_t given = port;
  if (!options.number(name, given)) return false;
  if (given > 65535) {
    options.terminal.warn(std::string("harrow serve: --") + name + " is at most 65535");
    return false;
  }
  port = static_cast<std::uint16_t>(given);
  if (port == 0) port = posix::PosixNetwork::free_port();
  return true;
}

}  // namespace

int serve_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.add()("port", po::value<std::string>()->value_name("PORT"), "where clients connect; 0: any free one (default 9092)");
  options.add()("controller-port", po::value<std::string>()->value_name("PORT"), "the metadata quorum's own listener (default: any free one)");
  options.add()("data", po::value<std::string>()->value_name("DIR"), "where logs are kept (default: a temporary folder)");
  options.add()("ready-file", po::value<std::string>()->value_name("FILE"), "written with the listener's address once requests are served");
  options.add()("set", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"), "a broker setting of Kafka's, as in server.properties");
  if (const auto done = options.parse(arguments)) return *done;
  const Terminal& terminal = options.terminal;

  NodeConfig config;
  config.id = NodeId(1);
  config.is_controller = true;
  config.cluster_id = local_cluster_id;
  config.host = "127.0.0.1";
  config.broker_port = 9092;
  config.controller_port = 0;
  if (!take_port(options, "port", config.broker_port) || !take_port(options, "controller-port", config.controller_port)) return exit_usage;
  config.voters.push_back(QuorumVoter{config.id, Uuid{}, Endpoint{config.host, config.controller_port}});
  // After a kill the next start waits until the last one's session is over: no longer than this.
  config.properties = {{"broker.heartbeat.interval.ms", "500"},    {"broker.session.timeout.ms", "3000"}, {"default.replication.factor", "1"},
                       {"group.initial.rebalance.delay.ms", "0"}, {"min.insync.replicas", "1"},          {"num.partitions", "1"},
                       {"offsets.topic.replication.factor", "1"}};
  for (const std::string& setting : options.texts("set")) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos) {
      terminal.warn("harrow serve: --set wants KEY=VALUE, not '" + setting + "'");
      return exit_usage;
    }
    config.properties.insert_or_assign(setting.substr(0, equals), setting.substr(equals + 1));
  }
  if (const auto settings = ConfigSnapshot::of_broker(config.properties); !settings) {
    terminal.warn("harrow serve: " + settings.error().text);
    return exit_usage;
  }

  TemporaryFolder temporary;
  std::string data = options.text("data");
  if (data.empty()) {
    if (!temporary.create()) {
      terminal.warn("harrow serve: no temporary folder");
      return exit_failed;
    }
    data = temporary.path();
  }
  auto disk = posix::PosixDisk::open_root(data);
  if (!disk) {
    terminal.warn("harrow serve: " + data + ": " + disk.error().what);
    return exit_failed;
  }

  posix::PosixHost process(std::move(*disk));
  const std::string listener = fmt::format("{}:{}", config.host, config.broker_port);
  const std::string ready_file = options.text("ready-file");
  Node node(process.host(), std::move(config));
  bool clean = false;
  process.on_stop_signal([&] { stop_cleanly(process.host().scope, Label("clean stop"), process, node, clean); });
  process.enter([&] {
    node.start();
    announce(process.host().scope, Label("announce"), process, node, terminal, listener, ready_file);
  });
  process.run();
  process.end_scope();
  if (const auto why = process.halted()) {
    terminal.warn(fmt::format("harrow serve: the node gave up: {}", name_of(*why)));
    return exit_failed;
  }
  if (!clean) terminal.warn("harrow serve: stopped, but not cleanly: the next start recovers the logs");
  return clean ? exit_ok : exit_failed;
}

}  // namespace harrow::cli
