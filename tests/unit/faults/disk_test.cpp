// slow-disk, stall-disk, full-disk, disk-error, sync-error, bit-rot, misdirect, wipe-disk: what the node notices.
#include "stage.h"

namespace harrow::sim {
namespace {

/// Bytes of the node's files that differ from what they should be.
std::vector<std::string> wrong_files(Stage& stage, int id) {
  std::vector<std::string> wrong;
  SimDisk& disk = stage.machine(id).disk();
  for (const std::string& path : disk.current_paths()) {
    const std::optional<Bytes> is = disk.current_bytes(path);
    const std::optional<Bytes> should = disk.current_bytes(path, true);
    if (is && should && is->to_string() != should->to_string()) wrong.push_back(path);
  }
  return wrong;
}

TEST(DiskFaults, slow_disk_takes_times_as_long) {
  Stage stage({"{ at: 10s, for: 10s, slow-disk: leader(orders/0), factor: 200 }"}, flushing());
  stage.until(6);
  stage.worst_latency_ms();
  stage.until_ms(9'999);
  const std::int64_t before = stage.worst_latency_ms();
  stage.until(19);
  EXPECT_GT(stage.worst_latency_ms(), before + 100);
  stage.until(23);
  stage.worst_latency_ms();
  stage.until(30);
  EXPECT_LT(stage.worst_latency_ms(), before + 100);
}

TEST(DiskFaults, stall_disk_lets_nothing_end) {
  Stage stage({"{ at: 10s, for: 5s, stall-disk: leader(orders/0) }"}, flushing());
  stage.until_ms(10'100);
  const std::int64_t acked = stage.acked();
  stage.until_ms(14'999);
  EXPECT_EQ(stage.acked(), acked);
  EXPECT_TRUE(stage.machine(stage.leader()).running());
  stage.until(20);
  EXPECT_GT(stage.acked(), acked + 250);
}

TEST(DiskFaults, full_disk_refuses_writes_and_halts_the_node) {
  Stage stage({"{ at: 10s, for: 10s, full-disk: broker(2) }"});
  stage.until_ms(9'999);
  EXPECT_EQ(stage.count(TraceKind::node_halted), 0);
  stage.until(12);
  EXPECT_EQ(stage.count(TraceKind::node_halted, NodeId(2)), 1) << "no room on its only log directory";
  EXPECT_FALSE(stage.machine(2).running());
}

TEST(DiskFaults, disk_error_on_write_halts_the_node) {
  Stage stage({"{ at: 10s, disk-error: broker(2), op: write, file: log }"});
  stage.until(12);
  EXPECT_EQ(stage.count(TraceKind::node_halted, NodeId(2)), 1);
  EXPECT_FALSE(stage.machine(2).running());
}

TEST(DiskFaults, disk_error_on_read_fails_reads_only) {
  StageSetup setup;
  setup.consumers = "[]";
  Stage stage({"{ at: 10s, disk-error: follower(orders/0), op: read, file: log, count: 0 }", "{ at: 12s, kill: follower(orders/0), restart: after 1s }",
               "{ at: 12s, kill: broker(1), restart: after 1s }", "{ at: 12s, kill: broker(2), restart: after 1s }", "{ at: 12s, kill: broker(3), restart: after 1s }"}, setup);
  stage.until_ms(11'999);
  EXPECT_EQ(stage.count(TraceKind::node_halted), 0) << "a follower writes, which goes well";
  stage.until(14);
  EXPECT_EQ(stage.count(TraceKind::node_halted), 1) << "recovery after the kill has to read";
  EXPECT_FALSE(stage.machine(stage.fault().target).running());
}

TEST(DiskFaults, disk_error_hits_the_named_kind_of_file_only) {
  Stage stage({"{ at: 10s, disk-error: broker(2), op: write, file: quorum-state }"});
  stage.until(20);
  EXPECT_EQ(stage.count(TraceKind::node_halted), 0) << "a broker that only observes the quorum writes no such file now";
  EXPECT_TRUE(stage.machine(2).running());
}

TEST(DiskFaults, sync_error_halts_the_node_and_its_pages_are_lost_by_a_power_loss) {
  Stage stage({"{ at: 10s, sync-error: leader(orders/0), file: log }"}, flushing());
  stage.until_ms(9'999);
  const NodeId leader = stage.leader();
  const int id = leader.value();
  EXPECT_EQ(stage.damages(id), 0u);
  stage.until(12);
  EXPECT_EQ(stage.count(TraceKind::node_halted, leader), 1) << "after a failed fsync nobody knows what is on the disk";
  bool noted = false;
  for (const Damage& damage : stage.machine(id).disk().damages()) noted = noted || damage.kind == Damage::Kind::sync_lost;
  EXPECT_TRUE(noted) << "the pages count as clean and will never be durable";
}

TEST(DiskFaults, bit_rot_flips_stored_bits) {
  Stage stage({"{ at: 10s, bit-rot: broker(2), file: log, count: 3 }"});
  stage.until_ms(9'999);
  EXPECT_TRUE(wrong_files(stage, 2).empty());
  stage.until_ms(10'001);
  const std::vector<std::string> wrong = wrong_files(stage, 2);
  ASSERT_FALSE(wrong.empty());
  for (const std::string& path : wrong) EXPECT_TRUE(path.ends_with(".log")) << path;
  EXPECT_EQ(stage.damages(2), 3u);
  EXPECT_EQ(stage.damages(1), 0u);
  EXPECT_EQ(stage.fault().until_ns, 10 * second);
}

TEST(DiskFaults, misdirect_sends_a_write_somewhere_else) {
  Stage stage({"{ at: 10s, misdirect: follower(orders/0), file: log }"});
  stage.until_ms(9'999);
  const int leader = stage.leader().value();
  const auto bytes_at = [&](int id, const Damage& damage) {
    return stage.machine(id).disk().current_bytes(damage.path)->sub(damage.at, damage.size).to_string();
  };
  stage.until(11);
  const int id = std::stoi(stage.fault().target.substr(7));
  const std::vector<Damage>& damages = stage.machine(id).disk().damages();
  ASSERT_EQ(damages.size(), 2u);
  ASSERT_EQ(damages[0].kind, Damage::Kind::misdirected_from);
  ASSERT_EQ(damages[1].kind, Damage::Kind::misdirected_to);
  ASSERT_EQ(damages[0].path, stage.log_path(id));
  EXPECT_NE(bytes_at(id, damages[0]), bytes_at(leader, damages[0])) << "the follower's copy misses what its leader has";
  EXPECT_EQ(bytes_at(id, damages[1]), bytes_at(leader, damages[0])) << "it lies somewhere else";
}

TEST(DiskFaults, wipe_disk_ends_the_node_and_leaves_nothing_to_its_next_start) {
  Stage stage({"{ at: 10s, wipe-disk: broker(2), restart: after 5s }"});
  stage.until_ms(9'999);
  EXPECT_GT(stage.log_size(2), 10'000u);
  stage.until_ms(10'001);
  EXPECT_FALSE(stage.machine(2).running());
  stage.until_ms(15'001);
  EXPECT_TRUE(stage.machine(2).running());
  EXPECT_EQ(stage.machine(2).incarnation(), 2u);
  EXPECT_LT(stage.log_size(2), 1000u) << "an empty disk";
  EXPECT_EQ(stage.fault().until_ns, 15 * second);
  stage.until(40);
  EXPECT_GT(stage.log_size(2), 10'000u) << "it copies everything again";
  EXPECT_EQ(stage.isr(), 3u);
}

}  // namespace
}  // namespace harrow::sim
