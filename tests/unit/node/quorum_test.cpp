#include "tests/unit/node/quorum_rig.h"

namespace harrow::sim {
namespace {

bool settle(QuorumRig& rig, std::int64_t limit_ms = 20'000) {
  for (std::int64_t i = 0; i < limit_ms / 50 && !rig.converged(); ++i) rig.run_ms(50);
  return rig.converged();
}

TEST(Quorum, elects_a_leader_and_shows_every_node_the_same_records) {
  QuorumRig rig(QuorumOptions{});
  ASSERT_NE(rig.await_leader(), nullptr) << rig.dump();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(rig.append(fmt::format("record {}", i)));
    rig.run_ms(10);
  }
  rig.run_ms(1000);
  EXPECT_EQ(rig.acked.size(), 20u);
  ASSERT_TRUE(settle(rig)) << rig.dump();
  for (auto& [id, node] : rig.nodes) EXPECT_EQ(node.records.size(), 20u) << id;
  EXPECT_EQ(rig.halts, 0);
}

TEST(Quorum, records_of_one_linger_share_a_batch) {
  QuorumRig rig(QuorumOptions{});
  ASSERT_NE(rig.await_leader(), nullptr);
  const std::size_t before = rig.committed.size();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(rig.append(fmt::format("record {}", i)));
  rig.run_ms(500);
  EXPECT_EQ(rig.acked.size(), 10u);
  EXPECT_EQ(rig.committed.size(), before + 1);
}

TEST(Quorum, loses_nothing_committed_when_its_leader_loses_power) {
  QuorumRig rig(QuorumOptions{});
  QuorumRig::Node* const first = rig.await_leader();
  ASSERT_NE(first, nullptr);
  const int old = first->id;
  for (int i = 0; i < 10; ++i) rig.append(fmt::format("a{}", i));
  rig.run_ms(200);
  for (int i = 0; i < 10; ++i) rig.append(fmt::format("uncertain{}", i));
  rig.power_loss(old);
  ASSERT_NE(rig.await_leader(), nullptr);
  ASSERT_NE(rig.leader()->id, old);
  EXPECT_TRUE(rig.append("b"));
  rig.run_ms(300);
  rig.start(old);
  ASSERT_TRUE(settle(rig)) << rig.dump();
  std::set<std::string> kept(rig.leader()->records.begin(), rig.leader()->records.end());
  for (const std::string& text : rig.acked) EXPECT_TRUE(kept.contains(text)) << text;
  EXPECT_TRUE(rig.acked.contains("b"));
}

TEST(Quorum, hands_over_quickly_when_its_leader_stops_cleanly) {
  QuorumRig rig(QuorumOptions{});
  QuorumRig::Node* const first = rig.await_leader();
  ASSERT_NE(first, nullptr);
  const int old = first->id;
  rig.append("a");
  rig.run_ms(200);
  rig.stop_clean(old);
  rig.run_ms(400);
  EXPECT_EQ(rig.stopped, 1);
  ASSERT_NE(rig.leader(), nullptr) << rig.dump();
  EXPECT_NE(rig.leader()->id, old);
  rig.kill(old);
  rig.start(old);
  ASSERT_TRUE(settle(rig)) << rig.dump();
}

TEST(Quorum, a_leader_cut_off_resigns_and_its_uncommitted_records_are_refused) {
  QuorumRig rig(QuorumOptions{});
  QuorumRig::Node* const first = rig.await_leader();
  ASSERT_NE(first, nullptr);
  const int old = first->id;
  rig.isolate({old});
  ASSERT_TRUE(rig.append("stranded"));
  rig.run_ms(6000);
  EXPECT_EQ(rig.nodes.at(old).leads, no_epoch);
  ASSERT_NE(rig.leader(), nullptr);
  EXPECT_NE(rig.leader()->id, old);
  EXPECT_FALSE(rig.acked.contains("stranded"));
  rig.append("after");
  rig.run_ms(500);
  rig.heal();
  ASSERT_TRUE(settle(rig)) << rig.dump();
  EXPECT_TRUE(rig.acked.contains("after"));
}

TEST(Quorum, a_node_far_behind_loads_the_snapshot_in_pieces) {
  QuorumOptions options;
  options.snapshot_bytes = 400'000;
  options.retention_bytes = 300'000;
  options.segment_bytes = 200'000;
  options.fetch_max_bytes = 100'000;
  QuorumRig rig(options);
  ASSERT_NE(rig.await_leader(), nullptr);
  const int late = rig.leader()->id % 3 + 1;
  rig.kill(late);
  rig.nodes.at(late).disk->wipe();
  for (int i = 0; i < 100; ++i) {
    rig.append(fmt::format("{} {}", i, std::string(10'000, 'x')));
    rig.run_ms(30);
  }
  rig.run_ms(70'000);  // retention runs once a minute
  ASSERT_GT(rig.leader()->snapshots_written, 0);
  ASSERT_GT(rig.leader()->quorum->log_start().value(), 0);
  rig.start(late);
  ASSERT_TRUE(settle(rig)) << rig.dump();
  EXPECT_EQ(rig.nodes.at(late).snapshots_loaded, 1);
  EXPECT_EQ(rig.nodes.at(late).records.size(), 100u);
  // And from its own snapshot after a restart.
  rig.power_loss(late);
  rig.start(late);
  ASSERT_TRUE(settle(rig)) << rig.dump();
  EXPECT_EQ(rig.nodes.at(late).snapshots_loaded, 2);
}

TEST(Quorum, retention_never_cuts_the_log_above_a_snapshot) {
  QuorumOptions options;
  options.retention_bytes = 100'000;
  options.segment_bytes = 100'000;
  QuorumRig rig(options);
  ASSERT_NE(rig.await_leader(), nullptr);
  const int late = 4;
  rig.kill(late);
  rig.nodes.at(late).disk->wipe();
  for (int i = 0; i < 60; ++i) {
    rig.append(fmt::format("{} {}", i, std::string(10'000, 'x')));
    rig.run_ms(30);
  }
  rig.run_ms(70'000);
  for (int id = 1; id <= 3; ++id) EXPECT_EQ(rig.nodes.at(id).quorum->log_start().value(), 0) << id;
  rig.start(late);
  ASSERT_TRUE(settle(rig)) << rig.dump();
  EXPECT_EQ(rig.nodes.at(late).records.size(), 60u);
}

TEST(Quorum, writes_kafkas_files) {
  QuorumRig rig(QuorumOptions{});
  ASSERT_NE(rig.await_leader(), nullptr);
  rig.append("a");
  rig.run_ms(500);
  QuorumRig::Node& lead = *rig.leader();
  const std::string folder = "data/__cluster_metadata-0/";
  const auto state = lead.disk->durable_bytes(folder + "quorum-state");
  ASSERT_TRUE(state);
  EXPECT_EQ(state->to_string(),
            fmt::format(R"({{"clusterId":"","leaderId":{},"leaderEpoch":{},"votedId":{},"appliedOffset":0,"currentVoters":[{{"voterId":1}},)"
                        R"({{"voterId":2}},{{"voterId":3}}],"data_version":0}})",
                        lead.id, lead.leads.value(), lead.id));
  EXPECT_TRUE(lead.disk->exists(folder + "00000000000000000000.log"));
  lead.host->enter([&] { lead.quorum->request_snapshot(); });
  rig.run_ms(500);
  EXPECT_TRUE(lead.disk->exists(folder + fmt::format("{:020}-{:010}.checkpoint", lead.applied.value(), lead.leads.value())));
}

TEST(Quorum, keeps_its_promises_in_random_runs_with_power_losses_and_partitions) {
  std::size_t acked = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    QuorumOptions options;
    options.seed = seed;
    options.voters = seed % 4 == 0 ? 5 : 3;
    options.snapshot_bytes = 3'000;
    options.retention_bytes = 5'000;
    options.segment_bytes = 2'000;
    options.fetch_max_bytes = 1'500;
    QuorumRig rig(options);
    Random random(seed);
    int next = 0;
    for (int turn = 0; turn < 400; ++turn) {
      if (random.chance(2, 3)) rig.append(fmt::format("s{}r{}", seed, next++));
      const int id = static_cast<int>(random.between(1, options.voters + options.observers));
      const std::uint64_t what = random.below(60);
      if (what == 0 && rig.up(id)) rig.power_loss(id);
      if (what == 1 && rig.up(id)) rig.kill(id);
      if (what == 2) rig.isolate({id});
      if (what < 8)
        for (auto& [other, node] : rig.nodes)
          if (!rig.up(other)) rig.start(other);
      if (what == 9) rig.heal();
      rig.run_ms(random.between(5, 150));
      ASSERT_EQ(rig.halts, 0) << "seed " << seed << "\n" << rig.dump();
    }
    rig.heal();
    for (auto& [other, node] : rig.nodes)
      if (!rig.up(other)) rig.start(other);
    rig.run_ms(5000);
    ASSERT_TRUE(settle(rig, 60'000)) << "seed " << seed << "\n" << rig.dump();
    const std::set<std::string> kept(rig.leader()->records.begin(), rig.leader()->records.end());
    for (const std::string& text : rig.acked) ASSERT_TRUE(kept.contains(text)) << "seed " << seed << " lost " << text;
    acked += rig.acked.size();
    ASSERT_EQ(rig.halts, 0) << "seed " << seed;
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
  EXPECT_GT(acked, 3000u);
}

}  // namespace
}  // namespace harrow::sim
