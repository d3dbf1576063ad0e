// A judge without a cluster: events are made by hand and emitted through a kernel. Machines 0, 1, 2 are brokers 1, 2, 3;
// 3, 4, 5 are the voters 3001, 3002, 3003; 6 and up are clients.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/model/batch_builder.h"
#include "core/model/record_batch.h"
#include "sim/check/judge.h"

namespace harrow::sim {

constexpr std::uint16_t first_client = 6;
constexpr Uuid orders_id{7, 7};

struct BatchOf {
  std::int64_t base = 0;
  std::int32_t epoch = 0;
  std::vector<std::string> values{"v"};
  std::int64_t producer = -1;
  std::int16_t producer_epoch = 0;
  std::int32_t sequence = -1;
  std::int64_t timestamp = 1000;
};
inline Bytes make_batch(const BatchOf& wanted) {
  BatchOptions options;
  options.base_offset = Offset(wanted.base);
  options.leader_epoch = LeaderEpoch(wanted.epoch);
  if (wanted.producer >= 0) {
    options.producer_id = ProducerId(wanted.producer);
    options.producer_epoch = ProducerEpoch(wanted.producer_epoch);
    options.base_sequence = wanted.sequence;
  }
  BatchBuilder builder(options);
  for (const std::string& value : wanted.values) builder.add(WallMs(wanted.timestamp), std::nullopt, value, {});
  return builder.build();
}

class Rig {
 public:
  explicit Rig(std::unique_ptr<View> view = std::make_unique<View>(), JudgeSetup setup = usual_setup())
      : judge_(kernel_, std::move(view), std::move(setup)) {
    judge_.attach();
  }
  static JudgeSetup usual_setup() {
    JudgeSetup setup;
    setup.node_of_machine = {NodeId(1), NodeId(2), NodeId(3), NodeId(3001), NodeId(3002), NodeId(3003)};
    setup.voters = {NodeId(3001), NodeId(3002), NodeId(3003)};
    setup.config["min.insync.replicas"] = "2";
    setup.producers["shop/0"] = ProducerFacts{};
    setup.producers["shop/0"].plan = "shop";
    setup.topics_of_group["billing"] = {"orders"};
    return setup;
  }

  Judge& judge() { return judge_; }
  Kernel& kernel() { return kernel_; }
  std::uint32_t subject(std::string_view name) { return kernel_.intern(name); }
  void pass_ms(std::int64_t ms) { kernel_.run_until(kernel_.now_ns() + ms * 1'000'000); }
  void emit(TraceKind kind, std::uint16_t machine, std::string_view subject_name, std::int64_t a = 0, std::int64_t b = 0, const void* payload = nullptr) {
    const std::uint32_t number = subject_name.empty() ? 0 : subject(subject_name);
    kernel_.emit(TraceEvent{kind, machine, number, kernel_.now_ns(), a, b}, payload);
  }

  // Logs
  void append(std::uint16_t machine, const Bytes& batch, bool as_leader, std::string_view topic = "orders", std::int32_t partition = 0, Uuid id = orders_id) {
    const Result<BatchHeader> header = parse_batch_header(batch);
    ASSERT_TRUE(header.has_value());
    const AppendNote note{topic, partition, id, &batch, header->leader_epoch, as_leader, header->is_control()};
    emit(TraceKind::appended, machine, std::string(topic) + "-" + std::to_string(partition), header->base_offset.value(), header->last_offset().value(), &note);
  }
  void append(std::uint16_t machine, const BatchOf& batch, bool as_leader = true) { append(machine, make_batch(batch), as_leader); }
  /// A leader's batch that the other two fetch as well.
  void replicate(const BatchOf& batch, std::uint16_t leader = 0) {
    append(leader, batch, true);
    for (std::uint16_t machine = 0; machine < 3; ++machine)
      if (machine != leader) append(machine, batch, false);
  }
  void lead(std::uint16_t machine, std::int32_t epoch, std::int64_t log_end = 0) {
    emit(TraceKind::became_leader, machine, "orders-0", epoch, log_end);
    isr(machine, {NodeId(1), NodeId(2), NodeId(3)}, {NodeId(1), NodeId(2), NodeId(3)}, epoch);
  }
  void isr(std::uint16_t machine, const std::vector<NodeId>& ids, const std::vector<NodeId>& maximal, std::int32_t epoch, TraceKind kind = TraceKind::isr_committed) {
    const IsrNote note{"orders", 0, LeaderEpoch(epoch), ids, maximal, 2};
    emit(kind, machine, "orders-0", static_cast<std::int64_t>(ids.size()), 0, &note);
  }
  void high_watermark(std::uint16_t machine, std::int64_t to, std::int32_t epoch) { emit(TraceKind::high_watermark_moved, machine, "orders-0", to, epoch); }
  void load(std::uint16_t machine, std::int64_t start, std::int64_t end, bool clean = false, std::int64_t recovery_point = 0) {
    const LogNote note{"orders", 0, clean, Offset(recovery_point), Uuid{}};
    emit(TraceKind::log_loaded, machine, "orders-0", start, end, &note);
  }
  void power_loss(std::uint16_t machine) { emit(TraceKind::node_crashed, machine, "", 1, 1); }
  void kill(std::uint16_t machine) { emit(TraceKind::node_crashed, machine, "", 1, 0); }
  void answer_produce(std::uint16_t machine, std::int64_t base, std::int64_t last, std::int32_t epoch, Code code = Code::none, std::int16_t acks = -1) {
    const ProduceNote note{"orders", 0, acks, Offset(base), Offset(last), LeaderEpoch(epoch), no_producer_id, code};
    emit(TraceKind::produce_answered, machine, "orders-0", base, static_cast<std::int64_t>(code), &note);
  }

  // Metadata
  struct PartitionState {
    std::vector<NodeId> isr{NodeId(1), NodeId(2), NodeId(3)};
    std::vector<NodeId> elr;
    NodeId leader = NodeId(1);
    std::int32_t leader_epoch = 0, partition_epoch = 0;
    bool recovering = false;
  };
  static controller::Image image_with(const PartitionState& state, Uuid topic_id = orders_id, const std::vector<NodeId>& fenced = {}, std::int64_t epoch_of_3 = 3);
  void publish(const controller::Image& image, std::int64_t offset, std::uint16_t machine = 3) {
    const ImageNote note{&image, machine >= 3, true};
    emit(TraceKind::image_published, machine, "", offset, static_cast<std::int64_t>(image.hash()), &note);
  }

  // What was found
  std::int64_t failed(std::string_view id) { return judge_.check(id)->failures(); }
  std::int64_t evaluated(std::string_view id) { return judge_.check(id)->evaluations(); }
  std::string message(std::string_view id) {
    for (const Failure& failure : judge_.all_failures())
      if (failure.id == id) return failure.message;
    return "";
  }

 private:
  Kernel kernel_;
  Judge judge_;
};

inline controller::Image Rig::image_with(const PartitionState& state, Uuid topic_id, const std::vector<NodeId>& fenced, std::int64_t epoch_of_3) {
  std::vector<wire::MetadataRecord> records;
  for (std::int32_t id = 1; id <= 3; ++id) {
    wire::RegisterBrokerRecord broker;
    broker.broker_id = id;
    broker.broker_epoch = id == 3 ? epoch_of_3 : id;
    broker.incarnation_id = Uuid{1, static_cast<std::uint64_t>(id)};
    broker.fenced = std::find(fenced.begin(), fenced.end(), NodeId(id)) != fenced.end();
    records.emplace_back(std::move(broker));
  }
  wire::TopicRecord topic;
  topic.name = "orders";
  topic.topic_id = topic_id;
  records.emplace_back(std::move(topic));
  wire::PartitionRecord partition;
  partition.partition_id = 0;
  partition.topic_id = topic_id;
  partition.replicas = {1, 2, 3};
  partition.isr = controller::numbers_of(state.isr);
  if (!state.elr.empty()) partition.eligible_leader_replicas = controller::numbers_of(state.elr);
  partition.leader = state.leader.value();
  partition.leader_epoch = state.leader_epoch;
  partition.partition_epoch = state.partition_epoch;
  partition.leader_recovery_state = state.recovering ? 1 : 0;
  partition.directories = std::vector<Uuid>(3, Uuid{3, 3});
  records.emplace_back(std::move(partition));
  Result<controller::Image> image = controller::image_of(records, Offset(10));
  CHECK(image.has_value());
  return std::move(*image);
}

}  // namespace harrow::sim
