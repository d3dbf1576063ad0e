#include "sim/cli/served_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "core/async/wait.h"

namespace harrow::cli {
namespace {

constexpr std::int64_t topic_poll_ms = 5;
constexpr std::int64_t figures_timeout_ms = 500;
constexpr const char* what_is_here = "GET /ready, GET /metrics, GET /faults, POST /faults with a fault, DELETE /faults\n";

}  // namespace

bool write_whole(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".tmp";
  std::FILE* const file = std::fopen(fresh.c_str(), "wb");
  if (file == nullptr) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return (std::fclose(file) == 0) && written && std::rename(fresh.c_str(), path.c_str()) == 0;
}


std::string ServedCluster::bootstrap() const {
  std::string list;
  for (const auto& node : nodes_)
    if (node->config().is_broker) list += (list.empty() ? "" : ",") + node->config().host + ":" + std::to_string(node->config().broker_port);
  return list;
}

bool ServedCluster::record_in(const std::string& file) {
  history_ = std::make_unique<HistoryFile>();
  if (!history_->open(file)) return false;
  for (const auto& node : nodes_) node->record_in(*history_);
  return true;
}

int ServedCluster::run() {
  supervisor_.on_stop_signal([this] { shut_down(supervisor_.host().scope, Label("stop"), *this); });
  for (const auto& node : nodes_) {
    ServedNode* const one = node.get();
    node->start(supervisor_, {[this] {
                                ++ready_nodes_;
                                changed_.wake();
                              },
                              [this, one](std::optional<Code> gave_up) { ended(*one, gave_up); }});
  }
  supervisor_.enter([this] { bring_up(supervisor_.host().scope, Label("bring up"), *this); });
  supervisor_.run();
  supervisor_.end_scope();
  nodes_.clear();
  if (history_ != nullptr && !history_->flush()) {
    terminal_.warn("harrow serve: --record: the file could not be written to the end");
    clean_ = false;
  }
  if (usage_) return exit_usage;
  if (failed_) return exit_failed;
  if (!clean_) terminal_.warn("harrow serve: stopped, but not cleanly: the next start recovers the logs");
  return clean_ ? exit_ok : exit_failed;
}

void ServedCluster::answer(const posix::HttpRequest& request, const posix::HttpListener::Reply& reply) {
  if (request.path == "/faults") {
    if (request.method == "GET") return reply({200, faults_.list(), "application/json"});
    if (!ready_) return reply({503, "not ready\n"});
    if (request.method == "DELETE") {
      faults_.heal();
      return reply({200, faults_.list(), "application/json"});
    }
    if (request.method == "POST") return faults_.apply(request.body, [reply](const LiveFaults::Outcome& outcome) {
      reply({outcome.ok ? 200 : 400, outcome.text + "\n", outcome.ok ? "application/json" : "text/plain; charset=utf-8"});
    });
  }
  if (request.method != "GET") return reply({405, what_is_here});
  if (request.path == "/ready") return reply(ready_ ? posix::HttpAnswer{200, "ready\n"} : posix::HttpAnswer{503, stopping_ ? "stopping\n" : "starting\n"});
  if (request.path != "/metrics") return reply({404, what_is_here});
  std::vector<NodeFigures> figures;
  for (const auto& node : nodes_)
    if (std::optional<NodeFigures> one = node->figures(figures_timeout_ms)) figures.push_back(std::move(*one));
  reply({200, metrics_text(figures), "text/plain; version=0.0.4; charset=utf-8"});
}

void ServedCluster::ended(ServedNode& node, std::optional<Code> gave_up) {
  node.release();
  const bool by_fault = faults_.node_ended(node) && !stopping_;
  if (gave_up) {
    failed_ = failed_ || !by_fault;
    terminal_.warn(fmt::format("harrow serve: node {} gave up: {}{}", node.config().id.value(), name_of(*gave_up), by_fault ? " (a fault)" : ""));
  }
  changed_.wake();
  const bool any = std::any_of(nodes_.begin(), nodes_.end(), [](const auto& one) { return one->running(); });
  if (!any && !by_fault) supervisor_.finish();
}

void ServedCluster::fail(const std::string& why) {
  failed_ = true;
  terminal_.warn("harrow serve: " + why);
  shut_down(supervisor_.host().scope, Label("stop"), *this);
}

Root ServedCluster::bring_up(Scope&, Label, ServedCluster& cluster) {
  while (cluster.ready_nodes_ < cluster.nodes_.size()) co_await cluster.changed_.next();
  if (!cluster.topics_.empty()) {
    Task<std::string> making = make_topics(cluster);
    const std::string problem = co_await making;
    if (!problem.empty()) {
      cluster.fail(problem);
      co_return;
    }
  }
  if (cluster.stopping_) co_return;
  std::string text;
  for (std::size_t i = 0; i < cluster.nodes_.size(); ++i) {
    const NodeConfig& config = cluster.nodes_[i]->config();
    text += fmt::format("node {}:", config.id.value());
    if (config.is_broker) text += fmt::format(" PLAINTEXT://{}:{}", config.host, config.broker_port);
    if (config.is_controller) text += fmt::format(" CONTROLLER://{}:{}", config.host, config.controller_port);
    text += "\n";
    if (config.is_broker) text += fmt::format("node {}: Transitioning from RECOVERY to RUNNING\n", config.id.value());
  }
  const std::string list = cluster.bootstrap();
  if (!list.empty()) text += "bootstrap.servers=" + list + "\n";
  cluster.terminal_.put(text);
  if (!cluster.faults_file_.empty()) {
    if (const std::optional<std::string> wrong = cluster.faults_.load(cluster.faults_file_)) {
      cluster.usage_ = true;
      cluster.fail(*wrong);
      co_return;
    }
  }
  cluster.faults_.start();
  cluster.ready_ = true;
  if (!cluster.ready_file_.empty() && !write_whole(cluster.ready_file_, list + "\n")) cluster.terminal_.warn("harrow serve: cannot write " + cluster.ready_file_);
}

bool ServedCluster::leaders_at_work() {
  std::uint64_t leaders = 0;
  std::optional<std::uint64_t> led;
  for (const auto& node : nodes_) {
    const std::optional<NodeFigures> figures = node->figures(figures_timeout_ms);
    if (!figures) return false;
    leaders += figures->leaders;
    if (figures->active_controller) led = figures->cluster_partitions - figures->offline_partitions;
  }
  return led && leaders >= *led;
}

/// Creates the first topics and waits until each partition has a leader; what went wrong, or nothing.
Task<std::string> ServedCluster::make_topics(ServedCluster& cluster) {
  ClientConfig config;
  for (const auto& node : cluster.nodes_)
    if (node->config().is_broker) config.bootstrap_servers.push_back(Endpoint{node->config().host, node->config().broker_port});
  Host& host = cluster.supervisor_.host();
  Admin admin(host, config);
  Task<Result<std::vector<NamedOutcome>>> creating = admin.create_topics(cluster.topics_);
  const Result<std::vector<NamedOutcome>> created = co_await creating;
  if (!created) co_return fmt::format("--topic: {}", created.error().what);
  for (const NamedOutcome& outcome : *created) {
    if (outcome.code != Code::none && outcome.code != Code::topic_already_exists)
      co_return fmt::format("--topic {}: {}: {}", outcome.name, name_of(outcome.code), outcome.message);
  }
  std::vector<std::string> names;
  for (const NewTopic& topic : cluster.topics_) names.push_back(topic.name);
  for (;;) {
    Task<Result<std::vector<DescribedTopic>>> describing = admin.describe_topics(names);
    const Result<std::vector<DescribedTopic>> topics = co_await describing;
    const bool led = topics && std::all_of(topics->begin(), topics->end(), [](const DescribedTopic& topic) {
      return topic.code == Code::none && !topic.partitions.empty() &&
             std::all_of(topic.partitions.begin(), topic.partitions.end(), [](const DescribedPartition& p) { return p.leader != no_node; });
    });
    // Metadata names leaders that may still be making their logs.
    if (led && cluster.leaders_at_work()) co_return std::string();
    co_await Sleep(host.timers, after_ms(host.clock.mono(), topic_poll_ms), "leaders");
  }
}

/// First every broker hands over and closes its logs, for which it needs a quorum; then the quorum ends.
Root ServedCluster::shut_down(Scope&, Label, ServedCluster& cluster) {
  if (cluster.stopping_) co_return;
  cluster.stopping_ = true;
  cluster.ready_ = false;
  for (const auto& node : cluster.nodes_) node->resume();
  for (int part = 0; part < 2; ++part) {
    std::size_t asked = 0;
    const auto running = [&cluster] { return std::count_if(cluster.nodes_.begin(), cluster.nodes_.end(), [](const auto& node) { return node->running(); }); };
    const auto running_before = running();
    for (const auto& node : cluster.nodes_) {
      if (!node->running()) continue;
      ++asked;
      const auto note = [&cluster](bool clean) {
        ++cluster.parts_stopped_;
        cluster.clean_ = cluster.clean_ && clean;
        cluster.changed_.wake();
      };
      if (part == 0) node->stop_broker(note);
      else node->stop_quorum(note);
    }
    // A node may also end by itself meanwhile. The last one's end finishes the supervisor.
    while (part == 0 && cluster.parts_stopped_ + static_cast<std::size_t>(running_before - running()) < asked) co_await cluster.changed_.next();
    if (running() == 0) cluster.supervisor_.finish();
  }
}

}  // namespace harrow::cli
