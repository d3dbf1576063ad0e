// clock-step, clock-drift; move-leader, delete-topic, create-topic, add-partitions, delete-records.
#include "stage.h"

namespace harrow::sim {
namespace {

std::int64_t wall_ms(Stage& stage, int id) { return stage.machine(id).clock().wall().value(); }

TEST(ClockFaults, clock_step_moves_the_wall_clock_and_not_the_monotonic_one) {
  Stage stage({"{ at: 10s, clock-step: broker(1), by: -90s }"});
  stage.until_ms(9'999);
  const std::int64_t ahead_ms = wall_ms(stage, 1) - wall_ms(stage, 2);
  const std::int64_t mono_ns = stage.machine(1).clock().mono().value();
  stage.until_ms(10'001);
  EXPECT_NEAR(static_cast<double>(wall_ms(stage, 1) - wall_ms(stage, 2)), static_cast<double>(ahead_ms - 90'000), 2);
  EXPECT_NEAR(static_cast<double>(stage.machine(1).clock().mono().value() - mono_ns), 2e6, 1e4);
}

TEST(ClockFaults, clock_drift_changes_the_rate_while_it_lasts) {
  Stage stage({"{ at: 10s, for: 20s, clock-drift: broker(1), ppm: 50000ppm }"});
  const auto gained_ms = [&](std::int64_t from_s, std::int64_t to_s) {
    stage.until(from_s);
    const std::int64_t before_ns = stage.machine(1).clock().mono().value();
    stage.until(to_s);
    return (stage.machine(1).clock().mono().value() - before_ns) / ns_per_ms - (to_s - from_s) * 1000;
  };
  EXPECT_NEAR(static_cast<double>(gained_ms(5, 9)), 0, 1);
  EXPECT_NEAR(static_cast<double>(gained_ms(11, 21)), 500, 5);
  EXPECT_NEAR(static_cast<double>(gained_ms(31, 41)), 0, 1);
}

TEST(MetadataFaults, move_leader_makes_the_named_replica_leader) {
  Stage stage({"{ at: 10s, move-leader: orders/0, to: broker(1) }", "{ at: 15s, move-leader: orders/0, to: broker(2) }"});
  stage.until(14);
  EXPECT_EQ(stage.leader(), NodeId(1));
  const std::int32_t epoch = stage.epoch();
  stage.until(20);
  EXPECT_EQ(stage.leader(), NodeId(2));
  EXPECT_EQ(stage.epoch(), epoch + 1);
  EXPECT_EQ(stage.isr(), 3u) << "nobody died for it";
  EXPECT_GT(stage.fault(1).until_ns, 15 * second) << "over when it is answered";
  EXPECT_EQ(stage.injector().active(), 0u);
}

TEST(MetadataFaults, create_topic_then_delete_it) {
  Stage stage({"{ at: 10s, create-topic: scratch, partitions: 6, replication: 2 }", "{ at: 20s, delete-topic: scratch }"});
  stage.until(9);
  EXPECT_EQ(stage.cluster->topic("scratch"), nullptr);
  stage.until(15);
  ASSERT_NE(stage.cluster->topic("scratch"), nullptr);
  EXPECT_EQ(stage.cluster->topic("scratch")->partitions.size(), 6u);
  EXPECT_EQ(stage.cluster->topic("scratch")->partitions[0].replicas.size(), 2u);
  EXPECT_GT(stage.fault(0).until_ns, 10 * second);
  stage.until(25);
  EXPECT_EQ(stage.cluster->topic("scratch"), nullptr);
  EXPECT_GT(stage.fault(1).until_ns, 20 * second);
}

TEST(MetadataFaults, add_partitions_raises_the_number) {
  Stage stage({"{ at: 10s, add-partitions: orders, to: 5 }"});
  stage.until(9);
  EXPECT_EQ(stage.cluster->topic("orders")->partitions.size(), 1u);
  stage.until(15);
  EXPECT_EQ(stage.cluster->topic("orders")->partitions.size(), 5u);
  EXPECT_GE(stage.fault().until_ns, 10 * second);
}

TEST(MetadataFaults, delete_records_moves_the_start_of_the_log) {
  Stage stage({"{ at: 10s, delete-records: orders/0, before: 100 }", "{ at: 15s, delete-records: orders/0 }"});
  const auto log_start = [&] { return stage.cluster->replica(stage.leader(), {stage.cluster->topic("orders")->id, 0})->log_start().value(); };
  stage.until(9);
  EXPECT_EQ(log_start(), 0);
  stage.until(14);
  EXPECT_EQ(log_start(), 100);
  stage.until(20);
  EXPECT_GT(log_start(), 300) << "without `before` all that is committed goes";
}

}  // namespace
}  // namespace harrow::sim
