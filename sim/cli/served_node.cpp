#include "sim/cli/served_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/model/trace_payloads.h"
#include "core/wire/api.h"

namespace harrow::cli {

namespace {

constexpr std::int64_t readiness_poll_ms = 2;

Root await_ready(Scope&, Label, Host& host, const Node& node, std::function<void()> ready) {
  while (!node.ready()) co_await Sleep(host.timers, after_ms(host.clock.mono(), readiness_poll_ms), "readiness");
  ready();
}

/// Clients are heard once the broker has the cluster's metadata, as with Kafka: one that asks a restarted broker too early would be told
/// that its topics do not exist.
Root admit_clients(Scope&, Label, posix::PosixHost& process, const Node& node) {
  Host& host = process.host();
  while (node.broker() == nullptr || node.broker()->published_offset() == no_offset)
    co_await Sleep(host.timers, after_ms(host.clock.mono(), readiness_poll_ms), "metadata");
  process.network().admit(node.config().broker_port);
}

Root stop_broker_part(Scope&, Label, Node& node, std::function<void(bool)> done) {
  bool clean = true;
  if (node.broker() != nullptr) {
    Task<bool> stopping = node.broker()->stop();
    clean = co_await stopping;
  }
  done(clean);
}

Root stop_quorum_part(Scope&, Label, posix::PosixHost& process, Node& node, std::function<void(bool)> done) {
  bool clean = true;
  if (node.quorum() != nullptr) {
    Task<bool> stopping = node.quorum()->stop();
    clean = co_await stopping;
  }
  done(clean);
  process.finish();
}

NodeFigures figures_of(const Node& node, const TrafficCounter& traffic) {
  NodeFigures figures;
  figures.id = node.config().id.value();
  figures.ready = node.ready();
  figures.requests = traffic.requests();
  figures.asked = traffic.asked();
  figures.traffic = traffic.topics();
  figures.logs_recovered = traffic.logs_recovered();
  if (node.broker() != nullptr) {
    for (const auto& [id, partition] : node.broker()->partitions()) {
      ++figures.partitions;
      if (!partition->is_leader()) continue;
      ++figures.leaders;
      if (partition->under_replicated()) ++figures.under_replicated;
      if (static_cast<std::int32_t>(partition->isr().size()) < partition->effective_min_isr()) ++figures.under_min_isr;
    }
  }
  figures.active_controller = node.quorum() != nullptr && node.config().is_controller && node.quorum()->is_active();
  if (figures.active_controller) {
    for (const auto& [id, topic] : node.image().topics()) {
      ++figures.topics;
      for (const controller::PartitionImage& partition : topic.partitions) {
        ++figures.cluster_partitions;
        if (partition.leader == no_node) ++figures.offline_partitions;
      }
    }
  }
  return figures;
}

/// A label's value as Prometheus' text wants it.
std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    text += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return text;
}

}  // namespace

TrafficCounter::Counts& TrafficCounter::counts_of(const ClientSoftware& software) {
  const auto known = clients_.find(software);
  if (known != clients_.end()) return known->second;
  const bool fits = clients_.size() < most_clients && software.name.size() <= longest_client_name && software.version.size() <= longest_client_name;
  return clients_[fits ? software : ClientSoftware{"other", ""}];
}

std::vector<TrafficCounter::Asked> TrafficCounter::asked() const {
  std::vector<Asked> rows;
  for (const auto& [client, counts] : clients_)
    for (const auto& [api, handled] : counts) rows.push_back(Asked{api.first, api.second, client.name, client.version, handled});
  return rows;
}

void TrafficCounter::emit(const TraceEvent& event, const void* payload) {
  if (payload == nullptr) return;
  if (recorder_ != nullptr) recorder_->on_event(event, payload);
  switch (event.kind) {
    case TraceKind::request_handled: {
      const RequestNote& note = *static_cast<const RequestNote*>(payload);
      Requests& row = requests_[note.api];
      row.request_bytes += note.frame->size();
      if (note.software != nullptr) ++counts_of(*note.software)[{note.api, note.version}];
      break;
    }
    case TraceKind::response_sent: requests_[static_cast<std::int16_t>(event.a)].response_bytes += static_cast<const RequestNote*>(payload)->frame->size(); break;
    case TraceKind::appended: {
      const AppendNote& note = *static_cast<const AppendNote*>(payload);
      if (!note.as_leader || note.topic == metadata_topic_name) break;
      auto row = topics_.find(note.topic);
      if (row == topics_.end()) row = topics_.emplace(std::string(note.topic), TopicTraffic{}).first;
      row->second.bytes_in += note.batch->size();
      row->second.messages_in += static_cast<std::uint64_t>(event.b - event.a + 1);
      break;
    }
    case TraceKind::log_loaded: {
      const LogNote& note = *static_cast<const LogNote*>(payload);
      if (!note.clean_shutdown && note.topic != metadata_topic_name && event.b > std::max(event.a, note.recovery_point.value())) ++logs_recovered_;
      break;
    }
    default: break;
  }
}

std::string metrics_text(const std::vector<NodeFigures>& nodes) {
  std::string text;
  const auto family = [&](std::string_view name, std::string_view type, std::string_view help) {
    text += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  };
  const auto gauge = [&](std::string_view name, std::string_view help, auto value) {
    family(name, "gauge", help);
    for (const NodeFigures& node : nodes) text += fmt::format("{}{{broker=\"{}\"}} {}\n", name, node.id, value(node));
  };
  gauge("kafka_server_replicamanager_partitioncount", "Replicas on this broker.", [](const NodeFigures& n) { return n.partitions; });
  gauge("kafka_server_replicamanager_leadercount", "Partitions that this broker leads.", [](const NodeFigures& n) { return n.leaders; });
  gauge("kafka_server_replicamanager_underreplicatedpartitions", "Partitions led here whose in-sync set is not whole.", [](const NodeFigures& n) { return n.under_replicated; });
  gauge("kafka_server_replicamanager_underminisrpartitioncount", "Partitions led here with too few in-sync replicas.", [](const NodeFigures& n) { return n.under_min_isr; });
  family("harrow_log_unclean_recoveries_total", "counter", "Logs with records that were read again at the start, since the last stop was not clean.");
  for (const NodeFigures& node : nodes) text += fmt::format("harrow_log_unclean_recoveries_total{{broker=\"{}\"}} {}\n", node.id, node.logs_recovered);
  gauge("kafka_controller_kafkacontroller_activecontrollercount", "1 on the active controller.", [](const NodeFigures& n) { return n.active_controller ? 1 : 0; });
  gauge("kafka_controller_kafkacontroller_offlinepartitionscount", "Partitions without a leader; told by the active controller.", [](const NodeFigures& n) { return n.offline_partitions; });
  gauge("kafka_controller_kafkacontroller_globaltopiccount", "Topics; told by the active controller.", [](const NodeFigures& n) { return n.topics; });
  gauge("kafka_controller_kafkacontroller_globalpartitioncount", "Partitions; told by the active controller.", [](const NodeFigures& n) { return n.cluster_partitions; });
  const auto by_request = [&](std::string_view name, std::string_view help, std::uint64_t TrafficCounter::Requests::*field) {
    family(name, "counter", help);
    for (const NodeFigures& node : nodes)
      for (const auto& [api, row] : node.requests)
        text += fmt::format("{}{{broker=\"{}\",request=\"{}\"}} {}\n", name, node.id, wire::name_of(static_cast<wire::ApiKey>(api)), row.*field);
  };
  family("kafka_network_requestmetrics_requests_total", "counter", "Requests taken, by API, its version, and the client software as it names itself, or else the client id.");
  for (const NodeFigures& node : nodes)
    for (const TrafficCounter::Asked& row : node.asked)
      text += fmt::format("kafka_network_requestmetrics_requests_total{{broker=\"{}\",request=\"{}\",version=\"{}\",client_software_name=\"{}\",client_software_version=\"{}\"}} {}\n",
                          node.id, wire::name_of(static_cast<wire::ApiKey>(row.api)), row.version, escaped(row.client), escaped(row.client_version), row.handled);
  by_request("kafka_network_requestmetrics_requestbytes_total", "Bytes of request frames, by API.", &TrafficCounter::Requests::request_bytes);
  by_request("kafka_network_requestmetrics_responsebytes_total", "Bytes of response frames, by API.", &TrafficCounter::Requests::response_bytes);
  const auto by_topic = [&](std::string_view name, std::string_view help, std::uint64_t TrafficCounter::TopicTraffic::*field) {
    family(name, "counter", help);
    for (const NodeFigures& node : nodes)
      for (const auto& [topic, row] : node.traffic) text += fmt::format("{}{{broker=\"{}\",topic=\"{}\"}} {}\n", name, node.id, topic, row.*field);
  };
  by_topic("kafka_server_brokertopicmetrics_bytesin_total", "Bytes of batches appended as leader, as stored.", &TrafficCounter::TopicTraffic::bytes_in);
  by_topic("kafka_server_brokertopicmetrics_messagesin_total", "Records appended as leader.", &TrafficCounter::TopicTraffic::messages_in);
  return text;
}

ServedNode::ServedNode(NodeConfig config, Ground ground) : config_(std::move(config)), ground_(std::move(ground)) { config_.api_faults = &api_faults_; }

ServedNode::~ServedNode() {
  if (!thread_.joinable()) return;
  kill();
  thread_.join();
}

std::optional<std::string> ServedNode::open() {
  auto disk = posix::PosixDisk::open_as(config_.log_dir, ground_.folder, ground_.durability);
  if (!disk) return ground_.folder + ": " + std::string(disk.error().what);
  (*disk)->set_most_descriptors(ground_.most_descriptors);
  process_ = std::make_unique<posix::PosixHost>(std::move(*disk), &traffic_);
  if (const auto settings = ConfigSnapshot::of_broker(config_.properties)) process_->network().close_idle_after(settings->number(ConfigKey::connections_max_idle_ms));
  std::optional<std::string> wrong;
  const auto take = [&](ServerListener& listener, std::uint16_t& port) {
    const Result<std::uint16_t> got = process_->network().reserve(listener.address, listener.port, listener.advertised.port);
    if (!got) {
      wrong = fmt::format("port {}: {}", listener.port, got.error().what);
      return;
    }
    listener.port = *got;
    port = listener.advertised.port != 0 ? listener.advertised.port : *got;
  };
  if (config_.is_broker) take(ground_.broker, config_.broker_port);
  if (config_.is_controller && !wrong) take(ground_.controller, config_.controller_port);
  return wrong;
}

void ServedNode::kill() {
  if (process_ == nullptr) return;
  dying_ = true;
  process_->post([this] { process_->finish(); });
  resume();
}

void ServedNode::release() {
  if (thread_.joinable()) thread_.join();
  process_.reset();
}

std::optional<std::string> ServedNode::restart() {
  dying_ = false;
  if (std::optional<std::string> wrong = open()) return wrong;
  ended_ = false;
  thread_ = std::thread([this] { run(); });
  return std::nullopt;
}

bool ServedNode::wipe() {
  std::error_code failed;
  std::filesystem::remove_all(ground_.folder, failed);
  return !failed;
}

void ServedNode::pause() {
  paused_ = true;
  process_->post([this] {
    std::unique_lock<std::mutex> lock(pause_lock_);
    pause_over_.wait(lock, [this] { return !paused_.load(); });
    if (dying_) process_->finish();
  });
}

void ServedNode::resume() {
  {
    const std::lock_guard<std::mutex> lock(pause_lock_);
    paused_ = false;
  }
  pause_over_.notify_all();
}

void ServedNode::start(posix::PosixHost& supervisor, Events events) {
  supervisor_ = &supervisor;
  events_ = std::move(events);
  thread_ = std::thread([this] { run(); });
}

void ServedNode::run() {
  {
    Node node(process_->host(), config_);
    node_ = &node;
    process_->enter([&] {
      if (config_.is_broker) {
        process_->network().hold(config_.broker_port);
        admit_clients(process_->host().scope, Label("admission"), *process_, node);
      }
      node.start();
      await_ready(process_->host().scope, Label("announce"), process_->host(), node, [this] { supervisor_->post(events_.ready); });
    });
    process_->run();
    process_->end_scope();
    node_ = nullptr;
  }
  const std::optional<Code> gave_up = process_->halted();
  supervisor_->post([this, gave_up] {
    ended_ = true;
    events_.ended(gave_up);
  });
}

void ServedNode::stop_broker(std::function<void(bool)> done) {
  process_->post([this, done = std::move(done)] {
    stop_broker_part(process_->host().scope, Label("stop broker"), *node_, [this, done](bool clean) { supervisor_->post([done, clean] { done(clean); }); });
  });
}

void ServedNode::stop_quorum(std::function<void(bool)> done) {
  process_->post([this, done = std::move(done)] {
    stop_quorum_part(process_->host().scope, Label("stop quorum"), *process_, *node_,
                     [this, done](bool clean) { supervisor_->post([done, clean] { done(clean); }); });
  });
}

std::optional<NodeFigures> ServedNode::figures(std::int64_t timeout_ms) {
  return ask<NodeFigures>([this](Node& node, posix::PosixHost&) { return figures_of(node, traffic_); }, timeout_ms);
}

}  // namespace harrow::cli
