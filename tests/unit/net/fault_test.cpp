#include "tests/unit/net/rig.h"

namespace harrow::sim {
namespace {

TEST(NetworkFault, AKilledProcessResetsItsPeers) {
  Rig rig;
  rig.pair();
  rig.crash(1, CrashMode::reset);
  rig.run_for(5 * ms);
  EXPECT_EQ(rig[0].inbox.code, Code::connection_reset);
  rig[0].connection.reset();
  EXPECT_EQ(rig.fabric.connections(), 0u);
  rig.connect(0, 1);
  rig.run_for(5 * ms);
  EXPECT_EQ(rig[0].connect_code, Code::connection_refused);
}

TEST(NetworkFault, APowerLossLeavesThePeerHalfOpenUntilTheHostIsBack) {
  Rig rig;
  rig.pair();
  rig.crash(1, CrashMode::black_hole);
  rig.run_for(60'000 * ms);
  EXPECT_EQ(rig[0].inbox.code, Code::none);  // it has no way of knowing
  rig[0].connection->send(frame_of(100));
  rig.run_for(20'000 * ms);
  EXPECT_EQ(rig[0].inbox.code, Code::none);
  rig.fabric.restart(1);
  EXPECT_EQ(rig.fabric.incarnation(1), 1u);
  rig.run_for(60'000 * ms);
  EXPECT_EQ(rig[0].inbox.code, Code::connection_reset);
}

TEST(NetworkFault, AHostThatStaysDownIsGivenUpByTheUserTimeout) {
  Rig rig;
  rig.pair();
  rig.crash(1, CrashMode::black_hole);
  const std::int64_t sent_ns = rig.kernel.now_ns();
  rig[0].connection->send(frame_of(100));
  rig.run_for(1000'000 * ms);
  EXPECT_EQ(rig[0].inbox.code, Code::connection_reset);
  EXPECT_NEAR(static_cast<double>(rig[0].inbox.ended_ns - sent_ns), 900e9, 1e9);
}

TEST(NetworkFault, ASilentPeerIsFoundByKeepalive) {
  Rig rig;
  rig.pair();
  rig.crash(1, CrashMode::black_hole);
  rig.run_for(7300'000 * ms);
  EXPECT_EQ(rig[0].inbox.code, Code::connection_reset);
}

TEST(NetworkFault, AResetCutsAFrameInTwo) {
  NetworkShape shape;
  shape.host_bytes_per_s = 1'000'000;
  Rig rig(Rig::quiet(), shape);
  rig.pair();
  rig[0].connection->send(frame_of(100'000));
  rig[0].connection->send(frame_of(100'000));
  rig.run_for(150 * ms);  // the first is there, the second half
  rig.fabric.reset_connections(0);
  rig.run_for(1000 * ms);
  EXPECT_EQ(rig[1].inbox.frames.size(), 1u);
  EXPECT_EQ(rig[1].inbox.code, Code::connection_reset);
  EXPECT_EQ(rig[0].inbox.code, Code::connection_reset);
  EXPECT_EQ(rig.fabric.frames_in_flight(), 0u);
}

TEST(NetworkFault, AHeldDirectionDeliversAllInOrderAfterTheEnd) {
  Rig rig;
  rig.pair();
  Rule rule;
  rule.from = {0, 2};
  rule.to = {1};
  rule.both_ways = true;
  rule.mode = RuleMode::hold;
  rig.fabric.set_rule(1, rule);
  EXPECT_FALSE(rig.fabric.reachable(0, 1));
  for (int i = 0; i < 20; ++i) {
    rig[0].connection->send(frame_of(100, static_cast<std::uint8_t>(i)));
    rig[1].accepted[0]->send(frame_of(100, static_cast<std::uint8_t>(i)));
    rig.run_for(100 * ms);
  }
  rig.run_for(3'000 * ms);
  EXPECT_TRUE(rig[1].inbox.frames.empty());
  EXPECT_TRUE(rig[0].inbox.frames.empty());
  EXPECT_EQ(rig.fabric.frames_in_flight(), 40u);
  rig.fabric.clear_rule(1);
  rig.run_for(6'000 * ms);
  ASSERT_EQ(rig[1].inbox.frames.size(), 20u);
  ASSERT_EQ(rig[0].inbox.frames.size(), 20u);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(rig[1].inbox.frames[i].at(0), i);
  EXPECT_EQ(rig[0].inbox.code, Code::none);
}

TEST(NetworkFault, AOneWayCutStopsOneWay) {
  Rig rig;
  rig.pair();
  Rule rule;
  rule.from = {0};
  rule.to = HostSet::everyone();
  rule.mode = RuleMode::hold;
  rig.fabric.set_rule(1, rule);
  rig[0].connection->send(frame_of(100));
  rig[1].accepted[0]->send(frame_of(100));
  rig.run_for(1000 * ms);
  EXPECT_EQ(rig[0].inbox.frames.size(), 1u);
  EXPECT_TRUE(rig[1].inbox.frames.empty());
  EXPECT_FALSE(rig.fabric.reachable(0, 2));
  EXPECT_TRUE(rig.fabric.reachable(2, 0));
}

TEST(NetworkFault, APartitionThatOutlastsTheUserTimeoutBreaksTheConnection) {
  Rig rig;
  rig.pair();
  Rule rule;
  rule.from = {0};
  rule.to = {1};
  rule.both_ways = true;
  rule.mode = RuleMode::hold;
  rig.fabric.set_rule(1, rule);
  rig[0].connection->send(frame_of(100));
  rig.run_for(1000'000 * ms);
  EXPECT_EQ(rig[0].inbox.code, Code::connection_reset);
  EXPECT_EQ(rig[1].inbox.code, Code::none);  // it had nothing to send
}

TEST(NetworkFault, AConnectAcrossAPartitionGetsThroughWhenItHealsInTime) {
  Rig rig;
  rig.listen(1);
  Rule rule;
  rule.from = {0};
  rule.to = {1};
  rule.mode = RuleMode::hold;
  rig.fabric.set_rule(1, rule);
  rig.connect(0, 1);
  rig.run_for(2000 * ms);
  rig.fabric.clear_rules();
  rig.run_for(2000 * ms);
  EXPECT_NE(rig[0].connection, nullptr);
  EXPECT_GT(rig[0].connected_ns, 2000 * ms);
}

TEST(NetworkFault, DroppedTrafficBreaksTheConnectionWhenTheRuleEnds) {
  Rig rig;
  rig.pair();
  Rule rule;
  rule.from = {0};
  rule.to = {1};
  rule.mode = RuleMode::drop;
  rig.fabric.set_rule(1, rule);
  rig[0].connection->send(frame_of(100));
  rig.run_for(1000 * ms);
  EXPECT_TRUE(rig[1].inbox.frames.empty());
  EXPECT_EQ(rig[0].inbox.code, Code::none);
  rig.fabric.clear_rule(1);
  rig.run_for(10 * ms);
  EXPECT_TRUE(rig[1].inbox.frames.empty());
  EXPECT_EQ(rig[0].inbox.code, Code::connection_reset);
  EXPECT_EQ(rig[1].inbox.code, Code::connection_reset);
}

TEST(NetworkFault, AResetRuleResetsAndRefuses) {
  Rig rig;
  rig.pair();
  Rule rule;
  rule.from = {0};
  rule.to = {1};
  rule.mode = RuleMode::reset;
  rig.fabric.set_rule(1, rule);
  rig.run_for(10 * ms);
  EXPECT_EQ(rig[0].inbox.code, Code::connection_reset);
  EXPECT_EQ(rig[1].inbox.code, Code::connection_reset);
  rig.connect(0, 1);
  rig.run_for(10 * ms);
  EXPECT_EQ(rig[0].connect_code, Code::connection_refused);
}

TEST(NetworkFault, AHeldApiKeepsBackItsResponsesAndWhatIsBehindThem) {
  Rig rig;
  rig.pair();
  Rule rule;
  rule.from = HostSet::everyone();
  rule.to = HostSet::everyone();
  rule.mode = RuleMode::hold;
  rule.api = 3;
  rule.side = MessageSide::response;
  rig.fabric.set_rule(1, rule);
  rig[0].connection->send(request_of(0, 70));  // acks=0: never answered
  rig[0].connection->send(request_of(1, 71));
  rig[0].connection->send(request_of(3, 72));
  rig[0].connection->send(request_of(1, 73));
  rig.run_for(10 * ms);
  EXPECT_EQ(rig[1].inbox.frames.size(), 4u);
  for (const std::int32_t correlation : {71, 72, 73}) rig[1].accepted[0]->send(response_of(correlation));
  rig.run_for(5000 * ms);
  EXPECT_EQ(rig[0].inbox.frames.size(), 1u);
  rig.fabric.clear_rule(1);
  rig.run_for(ms);
  EXPECT_EQ(rig[0].inbox.frames.size(), 3u);
}

TEST(NetworkFault, ADroppedApiSwallowsOneRequestAndResetsItsConnection) {
  Rig rig;
  rig.pair();
  Rule rule;
  rule.from = {0};
  rule.to = {1};
  rule.mode = RuleMode::reset;
  rule.api = 0;
  rule.side = MessageSide::request;
  rule.count = 1;
  rig.fabric.set_rule(1, rule);
  rig[0].connection->send(request_of(3, 1));
  rig[0].connection->send(request_of(0, 2));
  rig.run_for(10 * ms);
  EXPECT_EQ(rig[1].inbox.frames.size(), 1u);
  EXPECT_EQ(rig[1].inbox.code, Code::connection_reset);
  EXPECT_EQ(rig[0].inbox.code, Code::connection_reset);
  rig[0].inbox = Inbox{};
  rig[1].inbox = Inbox{};
  rig.connect(0, 1);
  rig.run_for(10 * ms);
  rig[0].connection->send(request_of(0, 3));
  rig.run_for(10 * ms);
  EXPECT_EQ(rig[1].inbox.frames.size(), 1u);  // one was asked for
}

TEST(NetworkFault, ExtraDelayAndLossSlowALink) {
  Rig rig;
  rig.pair();
  Rule rule;
  rule.from = {0};
  rule.to = {1};
  rule.extra_delay_ns = 40 * ms;
  rig.fabric.set_rule(1, rule);
  std::int64_t before = rig.kernel.now_ns();
  rig[0].connection->send(frame_of(100));
  rig.run_for(100 * ms);
  EXPECT_NEAR(static_cast<double>(rig[1].inbox.times_ns.back() - before), 40.25e6, 1e4);
  rule.extra_delay_ns = 0;
  rule.loss_ppm = 1'000'000;
  rig.fabric.set_rule(1, rule);
  before = rig.kernel.now_ns();
  rig[0].connection->send(frame_of(100));
  rig.run_for(200'000'000 * ms);
  EXPECT_GE(rig[1].inbox.times_ns.back() - before, 200 * ms);  // at least one time-out of retransmission
}

TEST(NetworkFault, ACrashWhileANodeConnectsOrIsConnectedToLeavesNothing) {
  Rig rig;
  rig.listen(1);
  rig.connect(0, 1);
  rig.run_for(ms / 3);  // accepted there, not yet known here
  rig.crash(0, CrashMode::reset);
  rig.run_for(10 * ms);
  EXPECT_EQ(rig[1].inbox.code, Code::closed);
  rig[1].accepted.clear();
  EXPECT_EQ(rig.fabric.connections(), 0u);
}

}  // namespace
}  // namespace harrow::sim
