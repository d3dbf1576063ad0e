#include "sim/workload/operator.h"

#include <algorithm>

namespace harrow::sim {
namespace {
constexpr std::int64_t retry_ms = 200;
}

Operator::Operator(Cluster& cluster) : cluster_(cluster), machine_(cluster.add_client("operator", "a")) {
  machine_.start([this](SimHost& host) {
    ClientConfig config;
    config.client_id = "operator";
    config.bootstrap_servers = cluster_.bootstrap();
    config.allow_auto_create_topics = false;
    admin_ = std::make_unique<Admin>(host.host(), std::move(config));
  });
}

Operator::~Operator() {
  if (!machine_.running()) return;
  cluster_.fabric().crash(machine_.index(), CrashMode::reset);
  machine_.host()->scope().destroy_all();
  admin_.reset();
  machine_.kill();
}

void Operator::later(std::function<void()> done) {
  if (done) cluster_.kernel().call_at(cluster_.kernel().now_ns(), std::move(done));
}

void Operator::create_topics(std::vector<TopicPlan> topics, std::function<void()> done) {
  machine_.host()->enter([&] { creating(machine_.host()->scope(), Label("create topics"), std::move(topics), std::move(done)); });
}

Root Operator::creating(Scope&, Label, std::vector<TopicPlan> topics, std::function<void()> done) {
  Host& host = machine_.host()->host();
  // Placement needs the brokers: wait until all that the plan has are there, as an operator would.
  for (;;) {
    const controller::Image* const image = cluster_.newest_image();
    std::int32_t unfenced = 0;
    if (image != nullptr)
      for (const auto& [id, broker] : image->brokers()) unfenced += broker.fenced ? 0 : 1;
    if (unfenced >= cluster_.plan().brokers.count) break;
    co_await Sleep(host.timers, after_ms(host.clock.mono(), retry_ms), "brokers");
  }
  for (;;) {
    std::vector<NewTopic> wanted;
    for (const TopicPlan& topic : topics) {
      if (cluster_.topic(topic.name) != nullptr) continue;
      NewTopic made;
      made.name = topic.name;
      made.partitions = topic.partitions;
      made.replication_factor = topic.replication;
      for (std::size_t i = 0; i < topic.assignment.size(); ++i)
        for (const std::int32_t broker : topic.assignment[i]) made.assignment[static_cast<std::int32_t>(i)].push_back(NodeId(broker));
      if (!topic.assignment.empty()) {
        made.partitions = -1;
        made.replication_factor = -1;
      }
      for (const auto& [key, value] : topic.config) made.configs[key] = value;
      wanted.push_back(std::move(made));
    }
    const bool led = std::all_of(topics.begin(), topics.end(), [this](const TopicPlan& topic) {
      const controller::TopicImage* const image = cluster_.topic(topic.name);
      return image != nullptr && std::all_of(image->partitions.begin(), image->partitions.end(), [](const auto& partition) { return partition.leader != no_node; });
    });
    if (wanted.empty() && led) break;
    if (!wanted.empty()) {
      Task<Result<std::vector<NamedOutcome>>> asking = admin_->create_topics(std::move(wanted));
      co_await asking;
    }
    co_await Sleep(host.timers, after_ms(host.clock.mono(), retry_ms), "topics");
  }
  later(std::move(done));
}

void Operator::delete_topic(std::string topic, std::function<void()> done) {
  machine_.host()->enter([&] { deleting(machine_.host()->scope(), Label("delete topic"), std::move(topic), std::move(done)); });
}

Root Operator::deleting(Scope&, Label, std::string topic, std::function<void()> done) {
  std::vector<std::string> names;
  names.push_back(topic);
  Task<Result<std::vector<NamedOutcome>>> asking = admin_->delete_topics(std::move(names));
  co_await asking;
  later(std::move(done));
}

void Operator::add_partitions(std::string topic, std::int32_t total, std::function<void()> done) {
  machine_.host()->enter([&] { adding(machine_.host()->scope(), Label("add partitions"), std::move(topic), total, std::move(done)); });
}

Root Operator::adding(Scope&, Label, std::string topic, std::int32_t total, std::function<void()> done) {
  Task<Result<NamedOutcome>> asking = admin_->create_partitions(std::move(topic), total);
  co_await asking;
  later(std::move(done));
}

void Operator::alter_config(ConfigResource resource, std::string name, ConfigChange change, std::function<void()> done) {
  machine_.host()->enter([&] { altering(machine_.host()->scope(), Label("alter config"), resource, std::move(name), std::move(change), std::move(done)); });
}

/// Until somebody takes it: the one broker that may be asked for its own configuration may be down.
Root Operator::altering(Scope&, Label, ConfigResource resource, std::string name, ConfigChange change, std::function<void()> done) {
  Host& host = machine_.host()->host();
  for (;;) {
    std::vector<ConfigChange> changes(1, change);
    Task<Result<NamedOutcome>> asking = admin_->alter_configs(resource, name, std::move(changes));
    const Result<NamedOutcome> answer = co_await asking;
    if (answer && !is_retriable(answer->code)) break;
    co_await Sleep(host.timers, after_ms(host.clock.mono(), retry_ms), "alter config");
  }
  later(std::move(done));
}

void Operator::delete_records(TopicPartition partition, Offset before, std::function<void()> done) {
  machine_.host()->enter([&] { trimming(machine_.host()->scope(), Label("delete records"), std::move(partition), before, std::move(done)); });
}

Root Operator::trimming(Scope&, Label, TopicPartition partition, Offset before, std::function<void()> done) {
  std::map<TopicPartition, Offset> wanted;
  wanted.emplace(std::move(partition), before);
  Task<Result<std::map<TopicPartition, Offset>>> asking = admin_->delete_records(std::move(wanted));
  co_await asking;
  later(std::move(done));
}

namespace {
Root moving(Scope&, Label, ControllerShell& shell, TopicIdPartition id, NodeId to, Kernel& kernel, std::function<void()> done) {
  const auto decide = [id, to](controller::Controller& controller) { return controller.move_leader(id, to); };
  Task<Result<Code>> running = shell.run<Code>(decide);
  co_await running;
  if (done) kernel.call_at(kernel.now_ns(), std::move(done));
}
}  // namespace

void Operator::move_leader(std::string topic, std::int32_t partition, NodeId to, std::function<void()> done) {
  const NodeId active = cluster_.active_controller();
  const controller::TopicImage* const image = cluster_.topic(topic);
  Cluster::NodePlace* const place = active == no_node ? nullptr : cluster_.find_node(active);
  if (place == nullptr || image == nullptr || place->machine->paused()) {
    later(std::move(done));
    return;
  }
  Machine& machine = *place->machine;
  machine.host()->enter([&] {
    moving(machine.host()->scope(), Label("move leader"), *machine.node()->controller(), TopicIdPartition{image->id, partition}, to, cluster_.kernel(), std::move(done));
  });
}

}  // namespace harrow::sim
