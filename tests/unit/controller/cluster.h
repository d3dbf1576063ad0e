// A controller with its log, played by hand: each decision's records are appended and replayed at once, as the shell
// does, and the legality of the result is checked after each batch.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/controller/controller.h"
#include "core/controller/elections.h"
#include "core/wire/allocate_producer_ids_request.h"
#include "core/wire/allocate_producer_ids_response.h"
#include "core/wire/alter_configs_request.h"
#include "core/wire/alter_configs_response.h"
#include "core/wire/alter_partition_reassignments_request.h"
#include "core/wire/alter_partition_reassignments_response.h"
#include "core/wire/alter_partition_request.h"
#include "core/wire/alter_partition_response.h"
#include "core/wire/broker_heartbeat_request.h"
#include "core/wire/broker_heartbeat_response.h"
#include "core/wire/broker_registration_request.h"
#include "core/wire/broker_registration_response.h"
#include "core/wire/create_partitions_request.h"
#include "core/wire/create_partitions_response.h"
#include "core/wire/create_topics_request.h"
#include "core/wire/create_topics_response.h"
#include "core/wire/delete_topics_request.h"
#include "core/wire/delete_topics_response.h"
#include "core/wire/elect_leaders_request.h"
#include "core/wire/elect_leaders_response.h"
#include "core/wire/incremental_alter_configs_request.h"
#include "core/wire/incremental_alter_configs_response.h"
#include "core/wire/unregister_broker_request.h"
#include "core/wire/unregister_broker_response.h"
#include "core/wire/update_features_request.h"
#include "core/wire/update_features_response.h"

namespace harrow::controller {

inline Uuid incarnation(int broker, int life) {
  return Uuid{static_cast<std::uint64_t>(broker) << 32 | static_cast<std::uint64_t>(life), 7};
}

struct Cluster {
  explicit Cluster(bool elr = true, int min_isr = 1, std::uint64_t seed = 1)
      : controller(config_of(min_isr), Random(seed)) {
    controller.activate(now);
    append(controller.bootstrap(29, elr));
  }
  static ControllerConfig config_of(int min_isr) {
    ControllerConfig config;
    config.id = NodeId(100);
    config.cluster_id = "harrow";
    config.default_min_isr = min_isr;
    return config;
  }

  Offset next_offset() const { return controller.image().offset() + 1; }
  const Image& image() const { return controller.image(); }

  /// Appends, replays, checks. Returns the response.
  template <class Response>
  Response append(ControllerResult<Response> result) {
    const Image before = image();
    for (const wire::MetadataRecord& record : result.records) {
      const Result<void> replayed = controller.replay(record, next_offset());
      EXPECT_TRUE(replayed.has_value()) << (replayed ? "" : replayed.error().what);
      log.push_back(record);
    }
    if (!result.records.empty()) batch_ends.push_back(log.size());
    facts.insert(facts.end(), result.facts.begin(), result.facts.end());
    check_legal();
    check_step(before);
    return std::move(result.response);
  }

  /// I16: fenced or stopping brokers are in no ISR (but for the last member when there is no ELR) and lead nothing; ISR
  /// and ELR are disjoint subsets of the replicas; an ISR at its minimum leaves no ELR; the leader is in the ISR.
  void check_legal() const {
    EXPECT_EQ(image().hash(), image().hash_from_scratch());
    const bool elr = controller.state().elr_enabled();
    for (const auto& [id, topic] : image().topics()) {
      const int min_isr = controller.state().min_isr(topic.name);
      for (const PartitionImage& p : topic.partitions) {
        for (const NodeId member : p.isr) {
          EXPECT_TRUE(p.has_replica(member));
          EXPECT_FALSE(p.in_elr(member));
          const bool waiting = !elr && p.leader == no_node;  // the last member
          EXPECT_TRUE(waiting || image().active(member)) << member.value() << "\n" << image().print();
        }
        for (const NodeId member : p.elr) EXPECT_TRUE(p.has_replica(member));
        EXPECT_TRUE(p.leader == no_node || p.in_isr(p.leader)) << image().print();
        EXPECT_TRUE(elr || !p.isr.empty());
        const bool enough = static_cast<int>(p.isr.size()) >= effective_min_isr(min_isr, p.replicas.size());
        EXPECT_TRUE(!enough || p.elr.empty()) << image().print();
        EXPECT_EQ(p.directories.size(), p.replicas.size());
        EXPECT_EQ(std::set<NodeId>(p.replicas.begin(), p.replicas.end()).size(), p.replicas.size());
      }
    }
  }

  /// I18 and monotone epochs, against the image before the batch.
  void check_step(const Image& before) const {
    for (const auto& [id, topic] : before.topics()) {
      const TopicImage* const after = image().topic(id);
      if (after == nullptr) continue;
      for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
        const PartitionImage& old = topic.partitions[i];
        const PartitionImage& p = after->partitions[i];
        EXPECT_GE(p.leader_epoch, old.leader_epoch);
        EXPECT_GE(p.partition_epoch, old.partition_epoch);
        EXPECT_TRUE(p == old || p.partition_epoch > old.partition_epoch);
        if (p.leader == old.leader) continue;
        EXPECT_GT(p.leader_epoch, old.leader_epoch);
        if (p.leader == no_node || old.in_isr(p.leader) || old.in_elr(p.leader)) continue;
        // Anybody else must have joined the ISR in this batch (a completed reassignment) or be marked.
        EXPECT_TRUE(p.leader_recovery == LeaderRecovery::recovering || old.reassigning()) << image().print();
      }
    }
    for (const auto& [id, broker] : before.brokers()) {
      const BrokerImage* const after = image().broker(id);
      EXPECT_TRUE(after == nullptr || after->epoch >= broker.epoch);
    }
  }

  // Requests in short form.
  Code register_broker(int id, std::string rack = "", int life = 0, std::int64_t previous_epoch = -1) {
    wire::BrokerRegistrationRequest request;
    request.broker_id = id;
    request.cluster_id = "harrow";
    request.incarnation_id = incarnation(id, life);
    request.listeners.emplace_back();
    request.listeners.back().name = "PLAINTEXT";
    request.listeners.back().host = "b" + std::to_string(id);
    request.listeners.back().port = 9092;
    if (!rack.empty()) request.rack = rack;
    request.log_dirs = {Uuid{9, static_cast<std::uint64_t>(id)}};
    request.previous_broker_epoch = previous_epoch;
    return static_cast<Code>(append(controller.register_broker(request, next_offset(), now)).error_code);
  }
  wire::BrokerHeartbeatResponse heartbeat(int id, bool want_fence = false, bool want_shut_down = false,
                                          std::optional<Offset> applied = {}) {
    wire::BrokerHeartbeatRequest request;
    request.broker_id = id;
    const BrokerImage* const broker = image().broker(NodeId(id));
    request.broker_epoch = broker == nullptr ? -1 : broker->epoch.value();
    request.current_metadata_offset = applied.value_or(image().offset()).value();
    request.want_fence = want_fence;
    request.want_shut_down = want_shut_down;
    return append(controller.broker_heartbeat(request, now));
  }
  Code start(int id, std::string rack = "") {
    const Code code = register_broker(id, std::move(rack));
    heartbeat(id);
    return code;
  }
  Code create(const std::string& name, int partitions, int replication_factor) {
    wire::CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.num_partitions = partitions;
    topic.replication_factor = static_cast<std::int16_t>(replication_factor);
    return static_cast<Code>(append(controller.create_topics(request)).topics.front().error_code);
  }
  Code create(const std::string& name, const std::vector<std::vector<std::int32_t>>& assignment) {
    wire::CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.num_partitions = -1;
    topic.replication_factor = -1;
    for (std::size_t i = 0; i < assignment.size(); ++i) {
      auto& a = topic.assignments.emplace_back();
      a.partition_index = static_cast<std::int32_t>(i);
      a.broker_ids = assignment[i];
    }
    return static_cast<Code>(append(controller.create_topics(request)).topics.front().error_code);
  }
  /// What the partition's leader would send now.
  wire::AlterPartitionRequest proposal(const std::string& topic, int index, const std::vector<std::int32_t>& isr) const {
    const TopicImage& t = *image().topic(topic);
    const PartitionImage& p = t.partitions[static_cast<std::size_t>(index)];
    wire::AlterPartitionRequest request;
    request.broker_id = p.leader.value();
    const BrokerImage* const leader = image().broker(p.leader);
    request.broker_epoch = leader == nullptr ? -1 : leader->epoch.value();
    auto& topic_data = request.topics.emplace_back();
    topic_data.topic_id = t.id;
    auto& data = topic_data.partitions.emplace_back();
    data.partition_index = index;
    data.leader_epoch = p.leader_epoch.value();
    data.partition_epoch = p.partition_epoch.value();
    for (const std::int32_t id : isr) {
      auto& member = data.new_isr_with_epochs.emplace_back();
      member.broker_id = id;
      const BrokerImage* const broker = image().broker(NodeId(id));
      member.broker_epoch = broker == nullptr ? -1 : broker->epoch.value();
    }
    return request;
  }
  Code alter(const wire::AlterPartitionRequest& request) {
    const auto response = append(controller.alter_partition(request));
    return response.topics.empty() ? static_cast<Code>(response.error_code)
                                   : static_cast<Code>(response.topics.front().partitions.front().error_code);
  }
  Code set_config(ConfigResourceType type, const std::string& resource, const std::string& key, std::optional<std::string> value,
                  int operation = 0) {
    wire::IncrementalAlterConfigsRequest request;
    auto& r = request.resources.emplace_back();
    r.resource_type = static_cast<std::int8_t>(type);
    r.resource_name = resource;
    auto& c = r.configs.emplace_back();
    c.name = key;
    c.config_operation = static_cast<std::int8_t>(value ? operation : 1);
    c.value = std::move(value);
    return static_cast<Code>(append(controller.incremental_alter_configs(request)).responses.front().error_code);
  }
  Code elect(int type, const std::string& topic, int index) {
    wire::ElectLeadersRequest request;
    request.election_type = static_cast<std::int8_t>(type);
    auto& t = request.topic_partitions.emplace().emplace_back();
    t.topic = topic;
    t.partitions = {index};
    const auto response = append(controller.elect_leaders(request));
    return static_cast<Code>(response.replica_election_results.front().partition_result.front().error_code);
  }
  Code reassign(const std::string& topic, int index, std::optional<std::vector<std::int32_t>> replicas) {
    wire::AlterPartitionReassignmentsRequest request;
    auto& t = request.topics.emplace_back();
    t.name = topic;
    auto& p = t.partitions.emplace_back();
    p.partition_index = index;
    p.replicas = std::move(replicas);
    return static_cast<Code>(
        append(controller.alter_partition_reassignments(request)).responses.front().partitions.front().error_code);
  }
  Code unregister(int id) {
    wire::UnregisterBrokerRequest request;
    request.broker_id = id;
    return static_cast<Code>(append(controller.unregister_broker(request)).error_code);
  }
  Code remove(const std::string& name) {
    wire::DeleteTopicsRequest request;
    request.topics.emplace_back().name = name;
    return static_cast<Code>(append(controller.delete_topics(request)).responses.front().error_code);
  }
  /// Time passes; every unfenced broker but `silent` is heard at its end; what is due is done.
  void advance(std::int64_t ms, int silent = -1) {
    now = after_ms(now, ms);
    std::vector<int> heard;
    for (const auto& [id, broker] : image().brokers()) {
      if (!broker.fenced && id != NodeId(silent)) heard.push_back(id.value());
    }
    for (const int id : heard) heartbeat(id, false, image().broker(NodeId(id))->in_controlled_shutdown);
    while (controller.next_task_at() <= now) append(controller.run_task(now));
  }
  const PartitionImage& partition(const std::string& topic, int index = 0) const {
    return image().topic(topic)->partitions[static_cast<std::size_t>(index)];
  }

  MonoNs now{0};
  Controller controller;
  std::vector<wire::MetadataRecord> log;  // the whole history, from offset 0
  std::vector<std::size_t> batch_ends;    // a batch commits as a whole
  std::vector<Fact> facts;                // of all batches; tests clear it
};

inline NodeIds nodes(std::initializer_list<int> ids) {
  NodeIds list;
  for (const int id : ids) list.push_back(NodeId(id));
  return list;
}

}  // namespace harrow::controller
