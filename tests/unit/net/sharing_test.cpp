#include "sim/net/latency.h"
#include "tests/unit/net/rig.h"

namespace harrow::sim {
namespace {

struct Load final : Flow {
  explicit Load(Kernel& kernel) : kernel(kernel) {}
  std::uint64_t drained() override {
    done_ns = kernel.now_ns();
    return 0;
  }
  Kernel& kernel;
  std::int64_t done_ns = -1;
};

TEST(Sharing, TwoFlowsGoAtHalfSpeedAndTheOneThatIsLeftAtFullSpeed) {
  Kernel kernel;
  Sharing sharing(kernel);
  const PipeIndex pipe = sharing.add_pipe(1'000'000);
  Load a(kernel), b(kernel);
  sharing.start(a, {pipe}, no_limit, 1'000'000);
  EXPECT_EQ(a.rate_bytes_per_s(), 1'000'000u);
  sharing.start(b, {pipe}, no_limit, 500'000);
  EXPECT_EQ(a.rate_bytes_per_s(), 500'000u);
  EXPECT_EQ(b.rate_bytes_per_s(), 500'000u);
  kernel.run_until(10 * ns_per_s);
  EXPECT_EQ(b.done_ns, ns_per_s);
  EXPECT_EQ(a.done_ns, ns_per_s * 3 / 2);
  EXPECT_EQ(sharing.flows(), 0u);
}

TEST(Sharing, SharesAreMaxMinFair) {
  Kernel kernel;
  Sharing sharing(kernel);
  const PipeIndex narrow = sharing.add_pipe(300);
  const PipeIndex wide = sharing.add_pipe(1000);
  const PipeIndex apart = sharing.add_pipe(77);
  Load a(kernel), b(kernel), c(kernel), d(kernel), e(kernel);
  sharing.start(a, {narrow}, no_limit, 1'000'000);
  sharing.start(b, {narrow, wide}, no_limit, 1'000'000);
  sharing.start(c, {wide}, no_limit, 1'000'000);
  sharing.start(d, {wide}, 100, 1'000'000);  // content with less
  sharing.start(e, {apart}, no_limit, 1'000'000);
  EXPECT_EQ(a.rate_bytes_per_s(), 150u);
  EXPECT_EQ(b.rate_bytes_per_s(), 150u);
  EXPECT_EQ(d.rate_bytes_per_s(), 100u);
  EXPECT_EQ(c.rate_bytes_per_s(), 750u);
  EXPECT_EQ(e.rate_bytes_per_s(), 77u);
  sharing.stop(b);
  EXPECT_EQ(a.rate_bytes_per_s(), 300u);
  EXPECT_EQ(c.rate_bytes_per_s(), 900u);
}

TEST(Sharing, TwoSendersToOneHostArriveAtHalfSpeed) {
  NetworkShape shape;
  shape.host_bytes_per_s = 10'000'000;
  const auto time_of = [&](bool both) {
    Rig rig(Rig::quiet(), shape);
    rig.listen(1);
    rig.connect(0, 1);
    rig.connect(2, 1);
    rig.run_for(100 * ms);
    const std::int64_t before = rig.kernel.now_ns();
    for (int i = 0; i < 10; ++i) {
      rig[0].connection->send(frame_of(100'000, 1));
      if (both) rig[2].connection->send(frame_of(100'000, 2));
    }
    rig.run_for(10'000 * ms);
    EXPECT_EQ(rig[1].inbox.frames.size(), both ? 20u : 10u);
    return rig[1].inbox.times_ns.back() - before;
  };
  const std::int64_t alone = time_of(false);
  const std::int64_t shared = time_of(true);
  EXPECT_NEAR(static_cast<double>(alone), 100e6, 1e6);
  EXPECT_NEAR(static_cast<double>(shared), 200e6, 2e6);
}

TEST(Sharing, ManySmallFramesCannotExceedThePipe) {
  NetworkShape shape;
  shape.host_bytes_per_s = 100'000'000;
  TransportProfile profile = Rig::quiet();
  profile.receive_buffer_bytes = 1u << 30;
  Rig rig(profile, shape);
  rig.pair();
  const std::int64_t before = rig.kernel.now_ns();
  for (int i = 0; i < 10'000; ++i) rig[0].connection->send(frame_of(1000));
  rig.run_for(10'000 * ms);
  ASSERT_EQ(rig[1].inbox.frames.size(), 10'000u);
  EXPECT_NEAR(static_cast<double>(rig[1].inbox.times_ns.back() - before), 100e6, 1e6);
}

TEST(Sharing, ABandwidthRuleIsSharedByAllThatItMatches) {
  Rig rig;
  rig.listen(1);
  rig.connect(0, 1);
  rig.connect(2, 1);
  rig.run_for(100 * ms);
  Rule rule;
  rule.from = HostSet::everyone();
  rule.to = {1};
  rule.bandwidth_bytes_per_s = 1'000'000;
  rig.fabric.set_rule(1, rule);
  const std::int64_t before = rig.kernel.now_ns();
  rig[0].connection->send(frame_of(500'000));
  rig[2].connection->send(frame_of(500'000));
  rig.run_for(500 * ms);
  EXPECT_TRUE(rig[1].inbox.frames.empty());
  rig.run_for(5000 * ms);
  ASSERT_EQ(rig[1].inbox.frames.size(), 2u);
  EXPECT_NEAR(static_cast<double>(rig[1].inbox.times_ns.back() - before), 1000e6, 2e6);
}

TEST(Sharing, ABandwidthFactorTakesHoldOfAFrameUnderWayAndLetsGo) {
  NetworkShape shape;
  shape.host_bytes_per_s = 1'000'000;
  Rig rig(Rig::quiet(), shape);
  rig.pair();
  const std::int64_t before = rig.kernel.now_ns();
  rig[0].connection->send(frame_of(1'000'000));
  rig.run_for(500 * ms);
  Rule rule;
  rule.from = {0};
  rule.to = {1};
  rule.bandwidth_permille = 100;
  rig.fabric.set_rule(1, rule);
  rig.run_for(1000 * ms);
  rig.fabric.clear_rule(1);
  rig.run_for(1000 * ms);
  ASSERT_EQ(rig[1].inbox.frames.size(), 1u);
  EXPECT_NEAR(static_cast<double>(rig[1].inbox.times_ns[0] - before), 1900e6, 1e6);
}

TEST(Latency, ExponentialDrawsHaveTheirMeanAndTheirTail) {
  Random random(5);
  std::int64_t sum = 0;
  int beyond = 0;
  constexpr int draws = 200'000;
  for (int i = 0; i < draws; ++i) {
    const std::int64_t value = draw_exponential(1'000'000, random);
    sum += value;
    beyond += value > 7'000'000 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(sum) / draws, 1e6, 1e4);
  EXPECT_NEAR(beyond, 182, 60);  // e^-7
}

}  // namespace
}  // namespace harrow::sim
