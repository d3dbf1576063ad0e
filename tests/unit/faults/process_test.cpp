// kill, power-loss, stop, rolling-restart, pause, slow-cpu: what becomes of the process, of its disk, and of its work.
#include "stage.h"

namespace harrow::sim {
namespace {

TEST(ProcessFaults, kill_ends_the_process_and_keeps_what_the_page_cache_had) {
  Stage stage({"{ at: 10s, kill: broker(2), restart: after 5s }"});
  stage.until_ms(9'999);
  EXPECT_TRUE(stage.machine(2).running());
  const std::uint64_t written = stage.log_size(2);
  ASSERT_GT(written, stage.machine(2).disk().durable_size(stage.log_path(2)).value_or(0)) << "the test needs bytes that were not synced";
  stage.until_ms(10'001);
  EXPECT_FALSE(stage.machine(2).running());
  EXPECT_GE(stage.log_size(2), written);
  EXPECT_EQ(stage.count(TraceKind::node_stopped, NodeId(2)), 0) << "a kill is no clean stop";
  stage.until_ms(14'999);
  EXPECT_FALSE(stage.machine(2).running());
  stage.until_ms(15'001);
  EXPECT_TRUE(stage.machine(2).running());
  EXPECT_EQ(stage.machine(2).incarnation(), 2u);
  EXPECT_EQ(stage.fault().until_ns, 15 * second);
}

TEST(ProcessFaults, kill_with_restart_never_lasts_until_heal) {
  Stage stage({"{ at: 10s, kill: broker(2), restart: never }"});
  stage.until(60);
  EXPECT_FALSE(stage.machine(2).running());
  stage.heal();
  EXPECT_TRUE(stage.machine(2).running());
}

TEST(ProcessFaults, power_loss_takes_what_was_not_synced) {
  Stage stage({"{ at: 10s, power-loss: broker(2), profile: strict, restart: after 5s }"});
  stage.until_ms(9'999);
  const std::uint64_t written = stage.log_size(2);
  const std::uint64_t durable = stage.machine(2).disk().durable_size(stage.log_path(2)).value_or(0);
  ASSERT_GT(written, durable);
  stage.until_ms(10'001);
  EXPECT_FALSE(stage.machine(2).running());
  EXPECT_EQ(stage.log_size(2), durable);
  // A host without power answers nothing, so its peers have to find out; after a kill they get resets.
  EXPECT_FALSE(stage.reaches("shop/0", "broker-2"));
  stage.until_ms(15'001);
  EXPECT_TRUE(stage.machine(2).running());
}

TEST(ProcessFaults, power_loss_profiles_keep_different_amounts) {
  // A file system that journals in order may keep a part of the un-synced tail; a strict one keeps nothing.
  bool kept_some = false;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    StageSetup setup;
    setup.seed = seed;
    Stage stage({"{ at: 10s, power-loss: broker(2), profile: ext4, restart: never }"}, setup);
    stage.until_ms(9'999);
    const std::uint64_t durable = stage.machine(2).disk().durable_size(stage.log_path(2)).value_or(0);
    stage.until_ms(10'001);
    kept_some = kept_some || stage.log_size(2) > durable;
  }
  EXPECT_TRUE(kept_some);
}

TEST(ProcessFaults, stop_is_a_controlled_shutdown) {
  Stage stage({"{ at: 10s, stop: leader(orders/0), restart: after 5s }"});
  stage.until_ms(9'999);
  const NodeId leader = stage.leader();
  const int id = leader.value();
  stage.until_ms(14'900);
  EXPECT_FALSE(stage.machine(id).running());
  EXPECT_NE(stage.leader(), leader);
  EXPECT_NE(stage.leader(), no_node);
  EXPECT_EQ(stage.count(TraceKind::node_crashed), 0);
  EXPECT_GT(stage.count(TraceKind::clean_shutdown_marked, leader), 0) << "a clean stop leaves its mark on the disk";
  EXPECT_EQ(stage.log_size(id), stage.machine(id).disk().durable_size(stage.log_path(id)).value_or(0)) << "and syncs its logs";
  stage.until(20);
  EXPECT_TRUE(stage.machine(id).running());
}

TEST(ProcessFaults, stop_is_over_when_its_process_is_back_and_not_before) {
  Stage stage({"{ at: 10s, stop: broker(2), restart: after 12s }"});
  stage.until(15);
  EXPECT_EQ(stage.fault().until_ns, -1);
  EXPECT_EQ(stage.injector().active(), 1u);
  while (stage.kernel.now_ns() < 40 * second && (stage.machine(2).incarnation() < 2)) stage.until_ms(stage.kernel.now_ns() / ns_per_ms + 50);
  const std::int64_t back_ns = stage.kernel.now_ns();
  stage.until(40);
  EXPECT_GE(stage.fault().until_ns, back_ns - second / 10);
  EXPECT_LE(stage.fault().until_ns, back_ns + second / 10) << "a fixed wait would end it at another time";
}

TEST(ProcessFaults, stop_without_restart_lasts_until_heal) {
  Stage stage({"{ at: 10s, stop: broker(2), restart: never }"});
  stage.until(60);
  EXPECT_FALSE(stage.machine(2).running());
  EXPECT_EQ(stage.fault().until_ns, -1);
  stage.heal();
  EXPECT_TRUE(stage.machine(2).running());
  EXPECT_EQ(stage.fault().until_ns, 60 * second);
}

TEST(ProcessFaults, rolling_restart_takes_one_node_at_a_time_and_everyone_once) {
  Stage stage({"{ at: 10s, rolling-restart: [broker(1), broker(2), broker(3)], gap: 2s, restart: after 2s }"});
  int worst = 0;
  for (std::int64_t at = 10'000; at < 90'000 && (stage.faults() == 0 || stage.fault().until_ns < 0); at += 100) {
    stage.until_ms(at);
    int down = 0;
    for (int id = 1; id <= 3; ++id) down += stage.machine(id).running() ? 0 : 1;
    worst = std::max(worst, down);
  }
  EXPECT_EQ(worst, 1);
  for (int id = 1; id <= 3; ++id) EXPECT_EQ(stage.machine(id).incarnation(), 2u) << id;
  EXPECT_GT(stage.fault().until_ns, 18 * second);
  EXPECT_EQ(stage.isr(), 3u) << "it is over when everybody is back in sync";
  EXPECT_EQ(stage.count(TraceKind::node_crashed), 0);
}

TEST(ProcessFaults, pause_freezes_the_process_and_it_wakes_as_it_was) {
  Stage stage({"{ at: 10s, for: 15s, pause: leader(orders/0) }"});
  stage.until_ms(9'999);
  const NodeId zombie = stage.leader();
  const std::int32_t epoch = stage.epoch();
  stage.until(11);
  EXPECT_TRUE(stage.machine(zombie).paused());
  EXPECT_TRUE(stage.reaches("shop/0", stage.machine(zombie).name())) << "its host is still there";
  const std::int64_t handled = stage.count(TraceKind::request_handled, zombie);
  stage.until_ms(24'999);
  EXPECT_EQ(stage.count(TraceKind::request_handled, zombie), handled) << "it does nothing while it is frozen";
  EXPECT_NE(stage.leader(), zombie) << "longer than its session: another leads";
  EXPECT_GT(stage.epoch(), epoch);
  stage.until(26);
  EXPECT_FALSE(stage.machine(zombie).paused());
  EXPECT_EQ(stage.machine(zombie).incarnation(), 1u) << "the same process, not a new one";
  EXPECT_GT(stage.count(TraceKind::request_handled, zombie), handled);
}

TEST(ProcessFaults, pause_of_a_client_stops_its_sending) {
  Stage stage({"{ at: 10s, for: 5s, pause: producer(shop/0) }"});
  stage.until_ms(10'100);
  const std::int64_t sent = stage.clients.producers[0]->sent();
  stage.until_ms(14'999);
  EXPECT_EQ(stage.clients.producers[0]->sent(), sent);
  stage.until(20);
  EXPECT_GT(stage.clients.producers[0]->sent(), sent);
}

TEST(ProcessFaults, slow_cpu_makes_all_work_take_longer) {
  Stage stage({"{ at: 10s, for: 10s, slow-cpu: leader(orders/0), factor: 4000 }"});
  stage.until(6);
  stage.worst_latency_ms();
  stage.until_ms(9'999);
  const std::int64_t before = stage.worst_latency_ms();
  stage.until(19);
  EXPECT_GT(stage.worst_latency_ms(), before + 20);
  stage.until(23);
  stage.worst_latency_ms();
  stage.until(30);
  EXPECT_LT(stage.worst_latency_ms(), before + 20) << "as fast as before once it is over";
}

}  // namespace
}  // namespace harrow::sim
