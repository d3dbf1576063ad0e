#include "tests/unit/net/rig.h"

namespace harrow::sim {
namespace {

TEST(Connection, AFrameArrivesWithoutItsSizeAfterOneWayOfLatency) {
  Rig rig;
  rig.pair();
  const std::int64_t before = rig.kernel.now_ns();
  rig[0].connection->send(frame_of(512, 7));
  EXPECT_EQ(rig.fabric.frames_in_flight(), 1u);
  rig.run_for(5 * ms);
  ASSERT_EQ(rig[1].inbox.frames.size(), 1u);
  EXPECT_EQ(rig[1].inbox.frames[0], Bytes::copy_of(std::string(508, '\7')));
  // Half of the round trip between zones, and 512 bytes at 1.25 GB/s.
  EXPECT_EQ(rig[1].inbox.times_ns[0] - before, 250'000 + 409);
  EXPECT_EQ(rig.fabric.frames_in_flight(), 0u);
}

TEST(Connection, ConnectingTakesOneRoundTrip) {
  Rig rig;
  rig.listen(1);
  rig.connect(0, 1);
  rig.run_for(5 * ms);
  EXPECT_EQ(rig[0].connected_ns, 500'000);
  EXPECT_EQ(rig[0].connection->peer().host, "h1");
}

TEST(Connection, LatencyFollowsRackZoneAndRegion) {
  NetworkShape shape;
  Topology topology(shape);
  topology.add_host("a", "r1", "z1", "g1");
  topology.add_host("b", "r1", "z1", "g1");
  topology.add_host("c", "r2", "z1", "g1");
  topology.add_host("d", "r3", "z2", "g1");
  topology.add_host("e", "r4", "z3", "g2");
  EXPECT_EQ(topology.path(0, 0).one_way_ns, 10'000);
  EXPECT_EQ(topology.path(0, 1).one_way_ns, 50'000);
  EXPECT_EQ(topology.path(0, 2).one_way_ns, 150'000);
  EXPECT_EQ(topology.path(0, 3).one_way_ns, 250'000);
  EXPECT_EQ(topology.path(0, 4).one_way_ns, 15'000'000);
  EXPECT_EQ(topology.path(4, 0).one_way_ns, 15'000'000);
}

TEST(Connection, AShorterCableIsTaken) {
  Topology topology;
  topology.add_host("a", "r1", "z1", "g1");
  topology.add_host("b", "r2", "z2", "g2");
  EXPECT_TRUE(topology.add_cable("host:a", "host:b", 1'000, 5));
  EXPECT_FALSE(topology.add_cable("host:a", "host:x", 1'000, 5));
  EXPECT_EQ(topology.path(0, 1).one_way_ns, 1'000);
  EXPECT_EQ(topology.path(0, 1).pipes.size(), 1u);
}

TEST(Connection, OrderHoldsWhateverTheLatencyDraws) {
  TransportProfile profile;
  profile.jitter_mean_ns = 3 * ms;
  profile.slow_ppm = 100'000;
  profile.slow_mean_ns = 50 * ms;
  profile.loss_ppm = 20'000;
  Rig rig(profile);
  rig.listen(1);
  rig.connect(0, 1);
  rig.run_for(1000 * ms);
  for (int i = 0; i < 200; ++i) {
    rig[0].connection->send(frame_of(100, static_cast<std::uint8_t>(i)));
    rig.run_for(ms / 2);
  }
  rig.run_for(60'000 * ms);
  ASSERT_EQ(rig[1].inbox.frames.size(), 200u);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(rig[1].inbox.frames[static_cast<std::size_t>(i)].at(0), static_cast<std::uint8_t>(i));
}

TEST(Connection, BytesThatAreCutOtherwiseAreStillFrames) {
  Rig rig;
  rig.pair();
  Bytes two = frame_of(40, 1);
  two.append(frame_of(60, 2));
  rig[0].connection->send(two.sub(0, 30));
  rig[0].connection->send(two.from(30));
  rig.run_for(5 * ms);
  ASSERT_EQ(rig[1].inbox.frames.size(), 2u);
  EXPECT_EQ(rig[1].inbox.frames[0].size(), 36u);
  EXPECT_EQ(rig[1].inbox.frames[1].size(), 56u);
}

TEST(Connection, ATooLargeOrSenselessSizeEndsTheConnection) {
  Rig rig;
  rig.pair();
  rig[0].connection->send(bytes_from_hex("ffffffff00"));
  rig.run_for(5 * ms);
  EXPECT_EQ(rig[1].inbox.code, Code::too_large);
  EXPECT_TRUE(rig[1].accepted[0]->closed());
  EXPECT_EQ(rig[0].inbox.code, Code::connection_reset);  // bytes were left unread
}

TEST(Connection, NobodyListeningRefusesAfterOneRoundTrip) {
  Rig rig;
  rig.connect(0, 1);
  rig.run_for(50 * ms);
  EXPECT_EQ(rig[0].connect_code, Code::connection_refused);
  EXPECT_EQ(rig[0].connected_ns, 500'000);
}

TEST(Connection, AHostThatIsDownTimesOutAndAnUnknownOneIsNotFound) {
  Rig rig;
  rig.listen(1);
  rig.crash(1, CrashMode::black_hole);
  rig.connect(0, 1);
  rig.run_for(9'000 * ms);
  EXPECT_EQ(rig[0].connect_code, Code::none);
  rig.run_for(2'000 * ms);
  EXPECT_EQ(rig[0].connect_code, Code::timed_out);
  Rig::connect_to(*rig[0].scope, Label("client"), rig, rig[0], Endpoint{"nowhere", 1});
  EXPECT_EQ(rig[0].connect_code, Code::not_found);
}

TEST(Connection, ClosingDeliversWhatWasSentFirst) {
  Rig rig;
  rig.pair();
  for (int i = 0; i < 5; ++i) rig[0].connection->send(frame_of(1000));
  rig[0].connection.reset();
  rig.run_for(5 * ms);
  EXPECT_EQ(rig[1].inbox.frames.size(), 5u);
  EXPECT_EQ(rig[1].inbox.code, Code::closed);
  rig[1].accepted.clear();
  EXPECT_EQ(rig.fabric.connections(), 0u);
}

TEST(Connection, SendingToAClosedPeerBringsAReset) {
  Rig rig;
  rig.pair();
  rig[1].scope->destroy_all();
  rig[1].accepted.clear();
  rig[0].connection->send(frame_of(100));
  rig.run_for(5 * ms);
  EXPECT_EQ(rig[0].inbox.code, Code::closed);  // what it read first
  Result<Bytes> again = error(Code::none);
  const Result<bool> flushed = [&] {
    Result<bool> result = true;
    const auto ask = [](Scope& scope, Label, Connection& connection, Result<bool>& out) -> Root { out = co_await connection.flushed(); };
    ask(*rig[0].scope, Label("flush"), *rig[0].connection, result);
    return result;
  }();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().code, Code::connection_reset);
}

TEST(Connection, AFullBufferStallsItsSender) {
  Rig rig;
  rig.pair(false);
  for (int i = 0; i < 12; ++i) rig[0].connection->send(frame_of(100'000));
  EXPECT_EQ(rig[0].connection->unsent_bytes(), 200'000u);  // ten fit into the megabyte
  Rig::flush(*rig[0].scope, Label("flush"), rig, rig[0], *rig[0].connection);
  rig.run_for(1000 * ms);
  EXPECT_EQ(rig[0].flushed_ns, -1);
  const std::int64_t read_ns = rig.kernel.now_ns();
  Rig::read_all(*rig[1].scope, Label("server"), rig, *rig[1].accepted[0], rig[1].inbox);
  rig.run_for(1000 * ms);
  EXPECT_EQ(rig[1].inbox.frames.size(), 12u);
  EXPECT_GE(rig[0].flushed_ns, read_ns + 250'000);  // the news travels
  EXPECT_EQ(rig[0].connection->unsent_bytes(), 0u);
}

TEST(Connection, AFrameLargerThanTheBufferPassesAlone) {
  Rig rig;
  rig.pair();
  rig[0].connection->send(frame_of(1000));
  rig[0].connection->send(frame_of(5'000'000));
  rig[0].connection->send(frame_of(1000));
  rig.run_for(1000 * ms);
  ASSERT_EQ(rig[1].inbox.frames.size(), 3u);
  EXPECT_EQ(rig[1].inbox.frames[1].size(), 4'999'996u);
}

TEST(Connection, APausedNodesFramesArriveInItsBufferAndItAcceptsLater) {
  Rig rig;
  rig.pair();
  rig[1].queue->park();
  rig[0].connection->send(frame_of(100));
  rig.connect(2, 1);
  rig.run_for(100 * ms);
  EXPECT_TRUE(rig[1].inbox.frames.empty());
  EXPECT_EQ(rig.fabric.frames_in_flight(), 0u);
  ASSERT_NE(rig[2].connection, nullptr);  // the kernel answers for a stopped process
  EXPECT_EQ(rig[1].accepted.size(), 1u);
  rig[2].connection->send(frame_of(200));
  rig[1].queue->release();
  rig.run_for(100 * ms);
  EXPECT_EQ(rig[1].accepted.size(), 2u);
  EXPECT_EQ(rig[1].inbox.frames.size(), 2u);
}

TEST(Connection, TwoRunsGiveOneHashAndAnotherSeedAnother) {
  const auto run = [](std::uint64_t seed) {
    TransportProfile profile;
    profile.loss_ppm = 1000;
    Rig rig(profile, {}, 3, seed);
    rig.listen(1);
    rig.connect(0, 1);
    rig.connect(2, 1);
    rig.run_for(1000 * ms);
    for (int i = 0; i < 500; ++i) {
      rig[0].connection->send(frame_of(static_cast<std::uint32_t>(100 + i * 700)));
      rig[2].connection->send(frame_of(512));
      rig.run_for(ms / 10);
    }
    rig.run_for(10'000 * ms);
    EXPECT_EQ(rig[1].inbox.frames.size(), 1000u);
    return rig.kernel.hash();
  };
  EXPECT_EQ(run(7), run(7));
  EXPECT_NE(run(7), run(8));
}

}  // namespace
}  // namespace harrow::sim
