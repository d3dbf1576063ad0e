// The product's own code on simulated machines: the shortest paths through all rooms.
#include <gtest/gtest.h>

#include "sim/cluster/cluster.h"
#include "sim/workload/consume.h"
#include "sim/workload/produce.h"

namespace harrow::sim {
namespace {

ClusterPlan plan_of(int controllers, int brokers) {
  ClusterPlan plan;
  plan.controllers.count = controllers;
  plan.brokers.count = brokers;
  for (int i = 0; i < controllers; ++i) plan.controllers.racks.push_back(std::string(1, static_cast<char>('a' + i % 3)));
  for (int i = 0; i < brokers; ++i) plan.brokers.racks.push_back(std::string(1, static_cast<char>('a' + i % 3)));
  plan.brokers.config["num.partitions"] = "3";
  plan.brokers.config["default.replication.factor"] = std::to_string(brokers < 3 ? brokers : 3);
  plan.brokers.config["offsets.topic.replication.factor"] = std::to_string(brokers < 3 ? brokers : 3);
  plan.controllers.config = plan.brokers.config;
  return plan;
}

struct Trial {
  explicit Trial(const ClusterPlan& plan, std::uint64_t seed = 7) : cluster(kernel, plan, seed) { cluster.start(); }
  Kernel kernel;
  Cluster cluster;
};

TEST(Cluster, elects_a_controller_and_unfences_its_brokers) {
  Trial run(plan_of(3, 3));
  run.kernel.run_until(20 * ns_per_s);
  EXPECT_NE(run.cluster.active_controller(), no_node);
  for (int id = 1; id <= 3; ++id) {
    ASSERT_NE(run.cluster.live(NodeId(id)), nullptr);
    ASSERT_NE(run.cluster.live(NodeId(id))->broker(), nullptr);
    EXPECT_EQ(run.cluster.live(NodeId(id))->broker()->state(), BrokerState::running) << id;
  }
}

struct Traffic {
  Traffic(Trial& run, std::int64_t until_ns) {
    producer_plan.name = "shop";
    producer_plan.topic = "orders";
    producer_plan.until_ns = until_ns;
    producer = std::make_unique<ProducerWorkload>(run.cluster, run.cluster.add_client("shop", "a"), ProducerWorkload::Job{&producer_plan, 0, until_ns, nullptr, Random(3)});
    consumer_plan.name = "billing";
    consumer_plan.group = "billing";
    consumer_plan.topics = {"orders"};
    consumer = std::make_unique<ConsumerWorkload>(run.cluster, run.cluster.add_client("billing", "b"), ConsumerWorkload::Job{&consumer_plan, 0, Random(4)});
    producer->start();
    consumer->start();
  }
  ProducerPlan producer_plan;
  ConsumerPlan consumer_plan;
  std::unique_ptr<ProducerWorkload> producer;
  std::unique_ptr<ConsumerWorkload> consumer;
};

TEST(Cluster, what_is_produced_is_consumed) {
  Trial run(plan_of(3, 3));
  Traffic traffic(run, 30 * ns_per_s);
  run.kernel.run_until(60 * ns_per_s);
  EXPECT_GT(traffic.producer->sent(), 1000);
  EXPECT_EQ(traffic.producer->pending(), 0u);
  EXPECT_EQ(traffic.consumer->consumed(), traffic.producer->sent());
}

TEST(Cluster, all_nodes_told_to_stop_at_once_end_within_a_session) {
  ClusterPlan plan = plan_of(3, 3);
  plan.combined = true;
  Trial run(plan);
  run.kernel.run_until(20 * ns_per_s);
  for (int id = 1; id <= 3; ++id) run.cluster.stop(NodeId(id), -1);
  run.kernel.run_until(35 * ns_per_s);  // a session lasts nine seconds
  for (int id = 1; id <= 3; ++id) EXPECT_TRUE(run.cluster.down(NodeId(id))) << id;
}

TEST(Cluster, same_seed_same_hash_other_seed_another) {
  const auto hash = [](std::uint64_t seed) {
    Trial run(plan_of(3, 3), seed);
    Traffic traffic(run, 10 * ns_per_s);
    run.kernel.run_until(20 * ns_per_s);
    return run.kernel.hash();
  };
  const std::uint64_t first = hash(7);
  EXPECT_EQ(first, hash(7));
  EXPECT_NE(first, hash(8));
}

}  // namespace
}  // namespace harrow::sim
