#include "sim/size/confirm.h"

#include <gtest/gtest.h>

#include "sim/size/traffic.h"
#include "sim/scenario/read.h"

namespace harrow::size {
namespace {

Wish wish_of(const WishOptions& options) {
  auto wish = parse_wish(options);
  EXPECT_TRUE(wish) << (wish ? "" : wish.error()[0]);
  return *wish;
}
WishOptions usual() { return {{"ingress", "200MB/s"}, {"record", "1KiB"}, {"egress", "3x"}, {"retention", "3d"}, {"survive", "zone"}}; }
Design best(const Wish& wish) {
  Answer answer = search(wish, builtin_catalogue(), {"harrow", "", 0});
  EXPECT_FALSE(answer.designs.empty());
  return answer.designs[0];
}

TEST(Scale, EachSimulatedBrokerCarriesWhatItWouldInTheWhole) {
  for (const double most : {500.0, 4000.0, 1e9}) {
    const Wish wish = wish_of(usual());
    const Design design = best(wish);
    const Scale scale = scale_of(wish, design, most);
    const sim::Scenario scenario = scenario_of(wish, design, scale, 1, 6, false, "");
    const sim::ProducerPlan& producer = scenario.producers[0];
    const double simulated = static_cast<double>(producer.rate_micro_per_s) / 1e6 * (static_cast<double>(producer.size_bytes.a) + 71) * 3 / scenario.cluster.brokers.count;
    const double link = static_cast<double>(scenario.cluster.brokers.hardware.nic_bits_per_s) / 8;
    // The equations count 5 % of skew on top.
    EXPECT_NEAR(simulated / link, design.table(static_cast<int>(Constraint::net_in), 0) / 1.05, 0.01) << most;
    EXPECT_LE(static_cast<double>(producer.rate_micro_per_s) / 1e6, std::max(most, 1.0) * 1.01);
    const double disk = static_cast<double>(scenario.cluster.brokers.hardware.disk_bytes_per_s);
    EXPECT_NEAR(simulated / disk, design.table(static_cast<int>(Constraint::disk_write), 0) / 1.05, 0.02) << most;
    EXPECT_FALSE(scale.notes.empty());
  }
}

TEST(Scale, TheProcessorIsSlowedByAWholeNumber) {
  const Wish wish = wish_of(usual());
  const Design design = best(wish);
  EXPECT_GE(scale_of(wish, design, 1e9).cpu_factor, 1);
  EXPECT_GT(scale_of(wish, design, 100).cpu_factor, scale_of(wish, design, 1e9).cpu_factor);
}

TEST(Scale, EveryPresetGivesAScenarioThatReads) {
  for (const Preset& preset : builtin_catalogue().presets) {
    const Wish wish = wish_of(preset.wish);
    const Design design = best(wish);
    const Scale scale = scale_of(wish, design, 4000);
    EXPECT_LE(scale.brokers, 24);
    sim::Problems problems;
    EXPECT_TRUE(sim::read_scenario_text(scenario_text(wish, design, scale, 1, 6, true, "{ at: 4s, power-loss: rack:a, restart: never }"), "a", 1, problems)) << preset.name << (problems.empty() ? "" : to_text(problems[0]));
  }
}

TEST(Confirm, ALoadBelowTheLimitsHoldsAndOneFarAboveDoesNot) {
  WishOptions options{{"ingress", "4MB/s"}, {"record", "1KiB"}, {"egress", "1x"}, {"retention", "1d"}, {"survive", "none"}, {"replication", "3"}};
  const Wish wish = wish_of(options);
  Machine machine;
  for (const Machine& one : builtin_catalogue().machines)
    if (one.name == "i3en.large") machine = one;
  machine.net = 8e6;
  const Design design = design_of(wish, machine, *builtin_catalogue().costs_named("harrow"), 3);
  const Scale scale = scale_of(wish, design, 4000);
  const Step held = run_step(wish, design, scale, 1, 1, {});
  EXPECT_TRUE(held.held) << held.why;
  EXPECT_GT(held.produce_p99_s, 0);
  EXPECT_NEAR(held.net_in, design.table(static_cast<int>(Constraint::net_in), 0) / 1.05, 0.08);
  const Step above = run_step(wish, design, scale, 2.5, 1, {});
  EXPECT_FALSE(above.held);
  EXPECT_FALSE(above.why.empty());
}

TEST(Traffic, AScenarioSaysWhatItNeeds) {
  sim::Problems problems;
  const auto bound = sim::read_scenario_text(R"yaml(harrow: 1
topics: [{ name: orders, partitions: 6, config: { retention.ms: 2h } }]
workload:
  producers: [{ name: shop, topic: orders, rate: 1000/s, size: 500B, keys: "zipf(1000, 0.9)" }]
  consumers: [{ name: one }, { name: two }]
checks: [{ slo: { produce-p99: "< 250ms" } }]
)yaml", "a.yaml", 1, problems);
  ASSERT_TRUE(bound) << to_text(problems[0]);
  const auto wishes = wishes_of(bound->scenario);
  ASSERT_TRUE(wishes);
  const Wish wish = wish_of(*wishes);
  EXPECT_DOUBLE_EQ(wish.ingress, 500'000);
  EXPECT_DOUBLE_EQ(wish.egress, 2);
  EXPECT_DOUBLE_EQ(wish.retention_s, 7200);
  EXPECT_EQ(wish.replication, 3);
  EXPECT_DOUBLE_EQ(wish.key_alpha, 0.9);
  ASSERT_EQ(wish.objectives.size(), 1u);
  EXPECT_DOUBLE_EQ(wish.objectives[0].limit_s, 0.25);
}

}  // namespace
}  // namespace harrow::size
