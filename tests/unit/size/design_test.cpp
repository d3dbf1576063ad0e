#include "sim/size/design.h"

#include <gtest/gtest.h>

#include "sim/size/report.h"

namespace harrow::size {
namespace {

Wish wish_of(WishOptions options) {
  auto wish = parse_wish(options);
  EXPECT_TRUE(wish) << (wish ? "" : wish.error()[0]);
  return *wish;
}
WishOptions usual() { return {{"ingress", "200MB/s"}, {"record", "1KiB"}, {"egress", "3x"}, {"retention", "3d"}, {"survive", "zone"}, {"slo", "produce-p99=50ms"}}; }
WishOptions usual_with(const std::string& name, const std::string& text) {
  WishOptions options = usual();
  std::erase_if(options, [&](const auto& one) { return one.first == name; });
  options.emplace_back(name, text);
  return options;
}
Answer answer_of(const WishOptions& options) { return search(wish_of(options), builtin_catalogue(), {"harrow", "", 0}); }

TEST(Search, GivesTheCheapestThreeAndEachHoldsInEveryStateThatCounts) {
  const Answer answer = answer_of(usual());
  ASSERT_EQ(answer.designs.size(), 3u);
  EXPECT_FALSE(answer.impossible);
  for (std::size_t i = 0; i < 3; ++i) {
    const Design& design = answer.designs[i];
    EXPECT_TRUE(design.verdict.holds);
    for (int row = 0; row < constraints; ++row)
      for (int state = 0; state < states; ++state) EXPECT_LE(design.table(row, state), limit_of(static_cast<Constraint>(row), *design.candidate.machine) + 1e-9);
    if (i > 0) EXPECT_GE(design.cost.total(), answer.designs[i - 1].cost.total());
    EXPECT_EQ(static_cast<int>(design.candidate.brokers) % 3, 0);
    EXPECT_EQ(static_cast<int>(design.candidate.partitions) % static_cast<int>(design.candidate.brokers), 0);
  }
}

TEST(Search, TheNextSmallerNumberDoesNotHold) {
  const Answer answer = answer_of(usual());
  for (const Design& design : answer.designs) {
    const double fewer = design.candidate.brokers - smaller_by(answer.wish);
    if (fewer < 3) continue;
    EXPECT_FALSE(design_of(answer.wish, *design.candidate.machine, *design.candidate.costs, fewer).verdict.holds) << design.candidate.machine->name;
  }
}

TEST(Search, SurvivingMoreCostsMore) {
  const double zone = answer_of(usual()).designs[0].cost.total(), broker = answer_of(usual_with("survive", "broker")).designs[0].cost.total(), none = answer_of(usual_with("survive", "none")).designs[0].cost.total();
  EXPECT_GT(zone, broker);
  EXPECT_GT(broker, none);
}

TEST(Search, RoomIsWhereTheVerdictChanges) {
  const Answer answer = answer_of(usual());
  const Design& design = answer.designs[0];
  ASSERT_GE(design.growth.ingress, 1);
  for (const double factor : {design.growth.ingress * 0.99, design.growth.ingress * 1.02}) {
    Wish more = answer.wish;
    more.ingress *= factor;
    more.mean_ingress *= factor;
    Candidate candidate = design.candidate;
    const Demand demand = demand_of(more, candidate);
    EXPECT_EQ(judge(more, candidate, utilisation_of(more, candidate, demand)).holds, factor <= design.growth.ingress) << factor;
  }
}

TEST(Search, AHotKeyIsImpossibleAndTheNearestIsNamed) {
  const Answer answer = answer_of(usual_with("keys", "zipf(1000, 1.3)"));
  ASSERT_TRUE(answer.impossible);
  EXPECT_TRUE(answer.designs.empty());
  EXPECT_EQ(answer.impossible->constraint, "hot_partition");
  ASSERT_TRUE(answer.impossible->nearest);
  EXPECT_TRUE(answer.impossible->nearest->verdict.holds);
}

TEST(Search, ALatencyBelowTheWayThereIsImpossible) {
  const Answer answer = answer_of(usual_with("slo", "produce-p99=100us"));
  ASSERT_TRUE(answer.impossible);
  EXPECT_EQ(answer.impossible->constraint, "produce-p99");
  EXPECT_FALSE(answer.impossible->possible.empty());
}

TEST(Search, TooFewBrokersIsImpossibleAndSaysHowManyItTakes) {
  const Answer answer = answer_of(usual_with("most-brokers", "3"));
  if (!answer.designs.empty()) {
    for (const Design& design : answer.designs) EXPECT_LE(design.candidate.brokers, 3);
    return;
  }
  ASSERT_TRUE(answer.impossible);
  EXPECT_EQ(answer.impossible->constraint, "most-brokers");
}

TEST(Search, PublishedRatesOfThousandsOfBrokersHaveAnAnswer) {
  for (const Preset& preset : builtin_catalogue().presets) {
    const Answer answer = answer_of(preset.wish);
    ASSERT_FALSE(answer.designs.empty()) << preset.name;
    EXPECT_GT(answer.designs[0].candidate.brokers, 2);
    EXPECT_EQ(answer.designs[0].candidate.clusters > 1, answer.designs[0].candidate.brokers > answer.designs[0].candidate.machine->brokers_most);
  }
}

TEST(Search, TheSameWishHasTheSameAnswer) { EXPECT_EQ(json_of(answer_of(usual()), nullptr), json_of(answer_of(usual()), nullptr)); }

TEST(Report, HasEveryFieldThatIsPromised) {
  const std::string json = json_of(answer_of(usual()), nullptr);
  for (const char* const name : {"\"designs\"", "\"profile\"", "\"brokers\"", "\"partitions\"", "\"cost\"", "\"cross_zone\"", "\"constraints\"", "\"now\"", "\"broker_lost\"", "\"zone_lost\"", "\"binding\"", "\"confirmed\"", "\"growth\"",
                                 "\"assumptions\"", "\"impossible\": null"})
    EXPECT_NE(json.find(name), std::string::npos) << name;
  const std::string text = text_of(answer_of(usual()), nullptr, {});
  for (const char* const words : {"<- binds", "cross-zone traffic", "page cache", "rebuild", "room", "Taken as given", "a zone lost"}) EXPECT_NE(text.find(words), std::string::npos) << words;
}

TEST(Hardware, AMachineWithoutAPriceIsAnError) {
  const char* const file = R"(harrow-hardware: 1
prices: { date: 2026-01-01, region: here, currency: EUR, cross-zone-a-gb: 0, source: our own }
machines:
  - { name: ours, vcpu: 8, memory: 64GiB, net: 10Gbps, disks: 4, disk-size: 4TB, disk: 200MB/s, disk-iops: 100, disk-read: 8ms, disk-sync: 10ms }
)";
  Catalogue catalogue;
  sim::Problems problems;
  EXPECT_FALSE(add_profiles(catalogue, file, "ours.yaml", problems));
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(to_text(problems[0]), "ours.yaml:4:5: a machine: 'hour' is missing: a machine without a price cannot be compared");
}

TEST(Hardware, UnknownKeysAndMissingUnitsPointAtTheirPlace) {
  const char* const file = R"(harrow-hardware: 1
prices: { date: 2026-01-01, region: here, currency: EUR, cross-zone-a-gb: 0, source: our own }
machines:
  - { name: ours, vcpu: 8, memory: 64, net: 10Gbps, disks: 4, disk-size: 4TB, disk: 200MB/s, disk-iops: 100, disk-read: 8ms, disk-sync: 10ms, hour: 1, colour: red }
)";
  Catalogue catalogue;
  sim::Problems problems;
  EXPECT_FALSE(add_profiles(catalogue, file, "ours.yaml", problems));
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_NE(to_text(problems[0]).find("memory: missing unit in '64'"), std::string::npos);
  EXPECT_NE(to_text(problems[1]).find("unknown key 'colour'"), std::string::npos);
}

TEST(Hardware, AFileOfTheUsersReplacesWhatIsBuiltIn) {
  const char* const file = R"(harrow-hardware: 1
prices: { date: 2026-01-01, region: here, currency: EUR, cross-zone-a-gb: 0, source: our own }
machines:
  - { name: m5.large, vcpu: 2, memory: 8GiB, net: 750Mbps, disks: 1, disk-size: 4TB, disk: 200MB/s, disk-iops: 100, disk-read: 8ms, disk-sync: 10ms, hour: 0.01 }
)";
  Catalogue catalogue = builtin_catalogue();
  const std::size_t before = catalogue.machines.size();
  sim::Problems problems;
  ASSERT_TRUE(add_profiles(catalogue, file, "ours.yaml", problems)) << to_text(problems[0]);
  EXPECT_EQ(catalogue.machines.size(), before);
  EXPECT_EQ(catalogue.machines.back().prices->currency, "EUR");
}

}  // namespace
}  // namespace harrow::size
