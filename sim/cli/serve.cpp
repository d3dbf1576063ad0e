// `harrow serve`: real nodes on sockets and files, for development, tests and CI: a whole cluster in this process, one
// thread a node, or one node of a larger cluster as its server.properties says.
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "core/log/checkpoint_files.h"
#include "core/model/config_keys.h"
#include "sim/cli/allocator.h"
#include "sim/cli/command.h"
#include "sim/cli/served_cluster.h"

namespace harrow::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t most_brokers = 100;

/// Detecting a dead node within a fraction of a second, on one machine. Each is printed.
const ConfigMap fast_failover_settings = {{"broker.heartbeat.interval.ms", "100"},
                                          {"broker.session.timeout.ms", "400"},
                                          {"controller.quorum.election.backoff.max.ms", "50"},
                                          {"controller.quorum.election.timeout.ms", "100"},
                                          {"controller.quorum.fetch.timeout.ms", "300"},
                                          {"controller.quorum.request.timeout.ms", "300"},
                                          {"replica.fetch.wait.max.ms", "100"},
                                          {"replica.lag.time.max.ms", "500"}};

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

/// "orders:12:3"; the counts may be left out.
std::optional<NewTopic> parse_topic(std::string_view text) {
  NewTopic topic;
  const std::size_t first = text.find(':');
  topic.name = std::string(text.substr(0, first));
  const auto number = [](std::string_view digits, auto& value) {
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return !digits.empty() && end.ec == std::errc() && end.ptr == digits.data() + digits.size() && value > 0;
  };
  if (topic.name.empty()) return std::nullopt;
  if (first == std::string_view::npos) return topic;
  const std::string_view counts = text.substr(first + 1);
  const std::size_t second = counts.find(':');
  if (!number(counts.substr(0, second), topic.partitions)) return std::nullopt;
  if (second != std::string_view::npos && !number(counts.substr(second + 1), topic.replication_factor)) return std::nullopt;
  return topic;
}

/// The cluster that a folder was formatted for, if it was; an empty text if its meta.properties is damaged.
std::optional<std::string> formatted_for(const fs::path& folder) {
  const std::optional<std::string> text = read_text((folder / "meta.properties").string());
  if (!text) return std::nullopt;
  const Result<MetaProperties> found = parse_meta_properties(*text);
  return found ? found->cluster_id : std::string();
}

std::string fresh_cluster_id(Host& host) {
  Random random = host.random.fork("cluster");
  Uuid id;
  id.high = random.next();
  id.low = random.next();
  return to_text(id);
}

/// More descriptors than the usual 1024, as far as the system lets us.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// A node's share for files: half of what the system allows goes to files, half to connections.
std::size_t descriptors_for_files(std::size_t nodes) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return posix::OpenFiles::most_by_default;
  return std::min<std::size_t>(limit.rlim_cur / 2 / nodes, posix::OpenFiles::most_by_default);
}

struct Wishes {
  const Options& options;
  const Terminal& terminal;
  std::optional<ServerFile> file;
  bool one_of_file = false;  // the node that the file describes, instead of a cluster of our own
  std::uint64_t brokers = 1;
  std::uint16_t port = 9092, controller_port = 0;
  bool memory = false;
};

void warn(const Wishes& wishes, const std::string& why) { wishes.terminal.warn("harrow serve: " + why); }

bool take_port(const Options& options, const char* name, std::uint16_t& port) {
  std::uint64_t given = port;
  if (!options.number(name, given)) return false;
  if (given > 65535) {
    options.terminal.warn(std::string("harrow serve: --") + name + " is at most 65535");
    return false;
  }
  port = static_cast<std::uint16_t>(given);
  return true;
}

/// What the command line sets above our defaults and the file; nothing after saying what is wrong.
std::optional<ConfigMap> settings_of(const Wishes& wishes, std::size_t nodes) {
  const std::string replicas = std::to_string(std::min<std::size_t>(nodes, 3));
  ConfigMap settings = {{"controller.quorum.append.linger.ms", "0"},
                        {"default.replication.factor", replicas},
                        {"group.initial.rebalance.delay.ms", "0"},
                        {"min.insync.replicas", "1"},
                        {"offsets.topic.replication.factor", replicas}};
  if (!wishes.one_of_file) {
    // After a kill the next start waits until the last one's session is over: no longer than this.
    settings.insert({{"broker.heartbeat.interval.ms", "500"}, {"broker.session.timeout.ms", "3000"}, {"controller.quorum.election.backoff.max.ms", "100"}});
  } else {
    settings.erase("default.replication.factor");
  }
  if (wishes.options.has("fast-failover")) {
    std::string said;
    for (const auto& [key, value] : fast_failover_settings) {
      settings.insert_or_assign(key, value);
      said += fmt::format("{}{}={}", said.empty() ? "" : " ", key, value);
    }
    wishes.terminal.say("harrow serve: --fast-failover: " + said);
  }
  if (wishes.file)
    for (const auto& [key, value] : wishes.file->properties) settings.insert_or_assign(key, value);
  for (const std::string& setting : wishes.options.texts("set")) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos) {
      warn(wishes, "--set wants KEY=VALUE, not '" + setting + "'");
      return std::nullopt;
    }
    settings.insert_or_assign(setting.substr(0, equals), setting.substr(equals + 1));
  }
  if (const auto checked = ConfigSnapshot::of_broker(settings); !checked) {
    warn(wishes, checked.error().text);
    return std::nullopt;
  }
  return settings;
}

/// Each node's folder below the data folder; nothing after saying what is wrong.
std::optional<std::vector<fs::path>> folders_of(const Wishes& wishes, const std::string& data) {
  std::vector<fs::path> folders;
  std::error_code ignored;
  const bool holds_one = fs::exists(fs::path(data) / "meta.properties", ignored);
  const bool holds_many = fs::exists(fs::path(data) / "node-1", ignored);
  if (wishes.brokers == 1 && holds_many) {
    warn(wishes, data + " holds a cluster: say --brokers with the number that it was made with");
    return std::nullopt;
  }
  if (wishes.brokers > 1 && holds_one) {
    warn(wishes, data + " holds one node, not a cluster");
    return std::nullopt;
  }
  if (wishes.brokers == 1) return std::vector<fs::path>{data};
  for (std::uint64_t i = 1; i <= wishes.brokers; ++i) folders.push_back(fs::path(data) / fmt::format("node-{}", i));
  if (holds_many && (!fs::exists(folders.back(), ignored) || fs::exists(fs::path(data) / fmt::format("node-{}", wishes.brokers + 1), ignored))) {
    warn(wishes, data + " holds a cluster of another size than --brokers " + std::to_string(wishes.brokers));
    return std::nullopt;
  }
  return folders;
}

/// Opens folders and ports and makes the nodes; an exit code after saying why not.
std::optional<int> prepare(ServedCluster& cluster, const Wishes& wishes, const std::string& data) {
  const std::optional<std::vector<fs::path>> folders = folders_of(wishes, data);
  if (!folders) return exit_usage;
  const std::optional<ConfigMap> settings = settings_of(wishes, wishes.one_of_file ? wishes.file->voters.size() : folders->size());
  if (!settings) return exit_usage;

  std::string cluster_id;
  for (const fs::path& folder : *folders) {
    const std::optional<std::string> found = formatted_for(folder);
    if (!found) continue;
    if (found->empty() || (!cluster_id.empty() && *found != cluster_id)) {
      warn(wishes, folder.string() + "/meta.properties is damaged, or of another cluster than its neighbours");
      return exit_failed;
    }
    cluster_id = *found;
  }
  if (cluster_id.empty() && wishes.one_of_file && wishes.file->voters.size() > 1) {
    warn(wishes, data + " is not formatted, and this node is one of several: run harrow format -t UUID -c FILE with the same uuid for each");
    return exit_usage;
  }
  if (cluster_id.empty()) cluster_id = fresh_cluster_id(cluster.supervisor().host());

  std::vector<QuorumVoter> voters;
  for (std::size_t i = 0; i < folders->size(); ++i) {
    NodeConfig config;
    config.id = wishes.one_of_file ? wishes.file->id : NodeId(static_cast<std::int32_t>(i) + 1);
    config.is_broker = !wishes.one_of_file || wishes.file->is_broker;
    config.is_controller = !wishes.one_of_file || wishes.file->is_controller;
    config.cluster_id = cluster_id;
    config.properties = *settings;
    if (wishes.one_of_file) config.rack = wishes.file->rack;
    // On a fresh start the first node stands for election at once; the others only if nothing comes of it.
    if (!wishes.one_of_file) config.properties.insert({"controller.quorum.election.timeout.ms", i == 0 ? "40" : "250"});

    ServerListener broker, controller;
    const auto following = [i](std::uint16_t first) { return first == 0 ? first : static_cast<std::uint16_t>(first + i); };
    broker.port = following(wishes.port);
    controller.port = following(wishes.controller_port);
    broker.advertised.host = controller.advertised.host = "127.0.0.1";
    if (wishes.one_of_file) {
      broker = wishes.file->broker;
      controller = wishes.file->controller;
    }
    config.host = broker.advertised.host;
    Ground ground{(*folders)[i].string(), wishes.memory ? posix::Durability::forgotten : posix::Durability::kept, broker, controller, descriptors_for_files(folders->size())};
    auto node = std::make_unique<ServedNode>(std::move(config), std::move(ground));
    // Free ports are known only once they are taken.
    if (const std::optional<std::string> wrong = node->open()) {
      warn(wishes, *wrong);
      return exit_failed;
    }
    voters.push_back(QuorumVoter{node->config().id, Uuid{}, Endpoint{node->config().host, node->config().controller_port}});
    cluster.add(std::move(node));
  }
  for (const auto& node : cluster.nodes()) node->config().voters = wishes.one_of_file ? wishes.file->voters : voters;
  return std::nullopt;
}

}  // namespace

int serve_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.add()("brokers", po::value<std::string>()->value_name("N"), "nodes of the cluster, each a broker and a controller (default 1)");
  options.add()("port", po::value<std::string>()->value_name("PORT"), "where clients connect, and the ports after it; 0: any free ones (default 9092)");
  options.add()("controller-port", po::value<std::string>()->value_name("PORT"), "the same for the metadata quorum (default: any free ones)");
  options.add()("data", po::value<std::string>()->value_name("DIR"), "keeps the logs there; an empty folder is formatted");
  options.add()("memory", "keeps nothing: a temporary folder that is never synced (default without --data)");
  options.add()("config", po::value<std::string>()->value_name("FILE"), "a server.properties; one with node.id or process.roles describes this one node");
  options.add()("set", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"), "a broker setting of Kafka's, above the file's");
  options.add()("topic", po::value<std::vector<std::string>>()->value_name("NAME:PARTITIONS:RF"), "a topic that is there when the cluster is ready");
  options.add()("faults", po::value<std::string>()->value_name("FILE"), "a list of faults, as in a scenario; times count from ready");
  options.add()("record", po::value<std::string>()->value_name("FILE"), "writes what is answered to producers and consumers, for harrow judge");
  options.add()("fast-failover", "short session, heartbeat, lag and quorum timings, for tests");
  options.add()("ready-file", po::value<std::string>()->value_name("FILE"), "written with host:port,host:port,... once requests are served");
  options.add()("admin", po::value<std::string>()->value_name("PORT"), "HTTP on this machine: /ready, /metrics and /faults; 0: any free port");
  options.add()("admin-file", po::value<std::string>()->value_name("FILE"), "written with the HTTP address (and means --admin 0)");
  if (const auto done = options.parse(arguments)) return *done;
  const Terminal& terminal = options.terminal;

  Wishes wishes{options, terminal};
  std::uint16_t admin_port = 0;
  if (!take_port(options, "port", wishes.port) || !take_port(options, "controller-port", wishes.controller_port) || !take_port(options, "admin", admin_port)) return exit_usage;
  if (!options.number("brokers", wishes.brokers)) return exit_usage;
  if (wishes.brokers == 0 || wishes.brokers > most_brokers || wishes.port + wishes.brokers > 65536 || wishes.controller_port + wishes.brokers > 65536) {
    warn(wishes, fmt::format("--brokers is 1 to {}, and their ports end at 65535", most_brokers));
    return exit_usage;
  }
  if (options.has("config")) {
    wishes.file = read_server_file(options.text("config"), terminal);
    if (!wishes.file) return exit_usage;
    wishes.one_of_file = wishes.file->names_a_node && !options.has("brokers");
    if (wishes.one_of_file && options.has("port")) {
      wishes.file->broker.port = wishes.port;
      wishes.file->broker.advertised.port = wishes.port;
    }
  }
  std::vector<NewTopic> topics;
  for (const std::string& text : options.texts("topic")) {
    const std::optional<NewTopic> topic = parse_topic(text);
    if (!topic) {
      warn(wishes, "--topic wants NAME:PARTITIONS:RF, not '" + text + "'");
      return exit_usage;
    }
    topics.push_back(*topic);
  }
  std::string data = options.text("data");
  if (data.empty() && wishes.one_of_file) data = wishes.file->log_dir;
  if (options.has("memory")) {
    if (options.has("data")) {
      warn(wishes, "--memory keeps nothing, --data keeps everything: say one of them");
      return exit_usage;
    }
    data.clear();
  }
  wishes.memory = data.empty();
  TemporaryFolder temporary;
  if (wishes.memory) {
    if (!temporary.create()) {
      warn(wishes, "no temporary folder");
      return exit_failed;
    }
    data = temporary.path();
    terminal.say("harrow serve: in memory: nothing is kept after the end (--data DIR keeps it)");
  }

  raise_descriptor_limit();
  keep_freed_pages_a_moment();
  ServedCluster cluster(terminal);
  cluster.make_at_start(std::move(topics));
  cluster.say_ready_in(options.text("ready-file"));
  cluster.play_faults_of(options.text("faults"));
  if (const auto failed = prepare(cluster, wishes, data)) return *failed;
  if (options.has("record") && !cluster.record_in(options.text("record"))) {
    warn(wishes, "cannot write " + options.text("record"));
    return exit_failed;
  }
  posix::HttpListener admin(cluster.supervisor().poller(),
                            [&cluster](const posix::HttpRequest& request, const posix::HttpListener::Reply& reply) { cluster.answer(request, reply); });
  if (options.has("admin") || options.has("admin-file")) {
    const Result<std::uint16_t> port = admin.listen(admin_port);
    if (!port) {
      warn(wishes, fmt::format("--admin {}: {}", admin_port, port.error().what));
      return exit_failed;
    }
    terminal.say(fmt::format("harrow serve: http://127.0.0.1:{}/metrics", *port));
    if (options.has("admin-file") && !write_whole(options.text("admin-file"), fmt::format("127.0.0.1:{}\n", *port))) {
      warn(wishes, "cannot write " + options.text("admin-file"));
      return exit_failed;
    }
  }
  return cluster.run();
}

}  // namespace harrow::cli
