#include "sim/size/model.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sim/size/design.h"

namespace harrow::size {
namespace {

constexpr double mib = 1 << 20;

Wish wish_of(WishOptions extra = {}) {
  WishOptions options{{"ingress", "100MiB/s"}, {"record", "1KiB"}, {"egress", "2x"}, {"retention", "1d"}};
  options.insert(options.end(), extra.begin(), extra.end());
  auto wish = parse_wish(options);
  EXPECT_TRUE(wish) << (wish ? "" : wish.error()[0]);
  return *wish;
}

const Machine& machine_named(std::string_view name) {
  for (const Machine& one : builtin_catalogue().machines)
    if (one.name == name) return one;
  ADD_FAILURE() << name;
  return builtin_catalogue().machines[0];
}

const CpuCosts& costs() { return *builtin_catalogue().costs_named("harrow"); }

TEST(Model, TheLogHoldsHeaderAndFramingToo) {
  const Wish wish = wish_of();
  EXPECT_DOUBLE_EQ(wish.records_a_batch(), 16);
  EXPECT_DOUBLE_EQ(wish.batch_log_bytes(), 61 + 16 * 1034);
  EXPECT_NEAR(wish.log_rate() / wish.ingress, 1.0135, 0.0001);
}

TEST(Model, PerBrokerLoadsAreWRBAndWRMinusOnePlusF) {
  const Wish wish = wish_of();
  const Design design = design_of(wish, machine_named("m5.2xlarge"), costs(), 9);
  const double k = design.candidate.spread.broker_skew, W = wish.log_rate();
  EXPECT_DOUBLE_EQ(k, 1.05);
  EXPECT_NEAR(design.demand.net_in(0), k * W * 3 / 9, 1);
  EXPECT_NEAR(design.demand.net_out(0), k * W * 4 / 9, 1);
  EXPECT_NEAR(design.demand.disk_write(0), 1.05 * k * W * 3 / 9, 1);
}

TEST(Model, AZonesLossLeavesInAndDiskAndRaisesOut) {
  const Wish wish = wish_of();
  const Design design = design_of(wish, machine_named("m5.2xlarge"), costs(), 9);
  EXPECT_NEAR(design.demand.net_in(2), design.demand.net_in(0), 1);
  EXPECT_NEAR(design.demand.disk_write(2), design.demand.disk_write(0), 1);
  // two groups: 4 becomes 1.5 * (2 + 3 - 2) = 4.5
  EXPECT_NEAR(design.demand.net_out(2) / design.demand.net_out(0), 4.5 / 4, 1e-6);
}

TEST(Model, TheLastBrokersCopiesGoNowhere) {
  const Wish wish = wish_of();
  const Design three = design_of(wish, machine_named("m5.2xlarge"), costs(), 3);
  EXPECT_NEAR(three.demand.net_in(1), three.demand.net_in(0), 1);  // two copies on two brokers
  EXPECT_EQ(three.demand.rebuild_s, 0);
  const Design six = design_of(wish, machine_named("m5.2xlarge"), costs(), 6);
  EXPECT_NEAR(six.demand.net_in(1) / six.demand.net_in(0), 6.0 / 5, 1e-6);
  EXPECT_GT(six.demand.rebuild_s, 0);
}

TEST(Model, AStateWithoutMinIsrCopiesIsNone) {
  const Wish one = wish_of({{"survive", "none"}});
  const Design design = design_of(one, machine_named("m5.2xlarge"), costs(), 6);
  EXPECT_FALSE(std::isnan(design.table(0, 0)));
  EXPECT_TRUE(std::isnan(design.table(0, 1)));
  EXPECT_TRUE(std::isnan(design.table(0, 2)));
}

TEST(Model, CrossZoneTrafficCostsMoreThanTheMachines) {
  // 100 MiB/s for a month are 275,600 GB: produce 3,674, two copies 11,000, two groups that do not know zones 7,350.
  Wish wish = wish_of();
  wish.batch = 1e9;  // no framing to speak of
  wish.record = 1e6;
  const Design design = design_of(wish, machine_named("m5.2xlarge"), costs(), 6);
  EXPECT_NEAR(design.cost.produce_zone, 3674, 5);
  EXPECT_NEAR(design.cost.replication_zone, 11023, 15);
  EXPECT_NEAR(design.cost.consume_zone, 7348, 10);
  EXPECT_GT(design.cost.cross_zone, design.cost.machines);
  wish.rack_aware = true;
  EXPECT_EQ(cost_of(wish, design.candidate).consume_zone, 0);
  const Design managed = design_of(wish, machine_named("msk.m5.2xlarge"), costs(), 6);
  EXPECT_EQ(managed.cost.replication_zone, 0);
}

TEST(Model, SpaceIsRetentionAndTheSegmentsStillWritten) {
  Wish wish = wish_of();
  const Design design = design_of(wish, machine_named("i3en.6xlarge"), costs(), 3);
  const double kept = 1.05 * wish.log_rate() * (86400 + 360);
  EXPECT_GT(design.demand.space, kept);
  EXPECT_LE(design.demand.space, (kept + design.candidate.partitions * 1073741824.0) * 1.000001);
  wish.segment = 100 * mib;
  EXPECT_LT(design_of(wish, machine_named("i3en.6xlarge"), costs(), 3).demand.space, design.demand.space);
}

TEST(Model, WaitingIsThatOfTheSimpleQueues) {
  // M/M/1: rho / (1 - rho) services; M/D/1: half of it.
  for (const double rho : {0.2, 0.5, 0.9}) {
    EXPECT_NEAR(waiting_s(rho, 1, 1), rho / (1 - rho), 1e-9);
    EXPECT_NEAR(waiting_s(rho, 1, 1, 1, 0), rho / (1 - rho) / 2, 1e-9);
  }
  EXPECT_TRUE(std::isinf(waiting_s(1, 4, 1)));
  EXPECT_LT(waiting_s(0.8, 4, 1), waiting_s(0.8, 1, 1));
}

TEST(Model, OtherPeoplesRulesGiveTheirPublishedAnswers) {
  EXPECT_EQ(google_vcpus(100 * mib, 200 * mib, 3, 0.5), 40);
  EXPECT_EQ(alibaba_brokers(100 * mib, 2, 3), 4);
  // AWS: m5.xlarge (EBS 144 MB/s, 1.25 Gbit/s), 250 MiB/s volumes, r 3, two groups, at 80 %: as many as three zones share.
  const auto at_80 = [](double brokers) { return 0.8 * aws_throughput(brokers, 3, 2, 250 * mib, 144e6, 1250e6 / 8); };
  EXPECT_LT(at_80(3), 100 * mib);
  EXPECT_GE(at_80(6), 100 * mib);
}

TEST(Model, AHotKeyMakesOnePartitionFull) {
  const Wish wish = wish_of({{"keys", "zipf(1000, 1.2)"}});
  const Spread spread = spread_of(wish, 60, 6);
  EXPECT_GT(spread.hot_key_share, 0.2);
  EXPECT_GE(spread.partition_share, spread.hot_key_share);
  EXPECT_GT(spread.broker_skew, 1.3);
  const Spread even = spread_of(wish_of({{"keys", "uniform(100k)"}}), 60, 6);
  EXPECT_LT(even.broker_skew, 1.2);
}

TEST(Model, FlushingTakesTheDisksTurn) {
  const Design without = design_of(wish_of(), machine_named("m5.2xlarge"), costs(), 6);
  const Design flushed = design_of(wish_of({{"flush", "yes"}}), machine_named("m5.2xlarge"), costs(), 6);
  const auto sync = static_cast<int>(Constraint::sync);
  EXPECT_EQ(without.table(sync, 0), 0);
  EXPECT_GT(flushed.table(sync, 0), 1);
}

}  // namespace
}  // namespace harrow::size
