#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "sim/scenario/describe.h"
#include "sim/scenario/keys.h"
#include "sim/scenario/read.h"

namespace harrow::sim {
namespace {

std::string problems_text(const Problems& problems) {
  std::string text;
  for (const Problem& problem : problems) text += to_text(problem) + "\n";
  return text;
}

std::string file_text(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

BoundScenario bound(std::string_view text, std::uint64_t seed = 1) {
  Problems problems;
  auto result = read_scenario_text(text, "t.yaml", seed, problems);
  EXPECT_TRUE(result.has_value()) << problems_text(problems);
  return result ? std::move(*result) : BoundScenario();
}

// Blocks of `scenario text`, `----`, `expected problems`, separated by lines of `====`.
TEST(ReadScenario, SaysWhereAndWhatIsWrong) {
  const std::string path = HARROW_SOURCE_DIR "/tests/data/scenario/bad.txt";
  const std::string all = file_text(path);
  ASSERT_FALSE(all.empty());
  std::string rest = all, rewritten;
  int blocks = 0;
  while (!rest.empty()) {
    const std::size_t end = rest.find("====\n");
    const std::string block = rest.substr(0, end);
    rest = end == std::string::npos ? "" : rest.substr(end + 5);
    const std::size_t middle = block.find("----\n");
    ASSERT_NE(middle, std::string::npos) << block;
    const std::string text = block.substr(0, middle);
    Problems problems;
    const auto result = read_scenario_text(text, "t.yaml", 1, problems);
    EXPECT_EQ(problems_text(problems), block.substr(middle + 5)) << "for\n" << text;
    EXPECT_FALSE(result.has_value()) << text;
    rewritten += text + "----\n" + problems_text(problems) + (end == std::string::npos ? "" : "====\n");
    ++blocks;
  }
  EXPECT_GT(blocks, 30);
  if (HasFailure()) std::ofstream(std::filesystem::temp_directory_path() / "harrow-bad.txt") << rewritten;
}

TEST(ReadScenario, OneLineIsAWholeScenario) {
  const BoundScenario result = bound("harrow: 1\n");
  const Scenario& s = result.scenario;
  EXPECT_EQ(s.cluster.controllers.count, 3);
  EXPECT_EQ(s.cluster.brokers.count, 3);
  ASSERT_EQ(s.topics.size(), 1u);
  EXPECT_EQ(s.topics[0].partitions, 3);
  EXPECT_EQ(s.topics[0].replication, 3);
  ASSERT_EQ(s.producers.size(), 1u);
  EXPECT_EQ(s.producers[0].acks, -1);
  EXPECT_TRUE(s.producers[0].idempotent);
  EXPECT_EQ(s.producers[0].topic, s.topics[0].name);
  ASSERT_EQ(s.consumers.size(), 1u);
  EXPECT_EQ(s.after_ns, 60'000'000'000);
  EXPECT_EQ(s.cluster.start_wall_ms, 1'767'600'000'000);
  EXPECT_EQ(s.cluster.brokers.racks, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(result.warnings.empty());
}

TEST(ReadScenario, ReadsTheExampleOfTheReference) {
  const BoundScenario result = bound(R"yaml(
harrow: 1
name: leader-loss-under-load
cluster:
  controllers: { count: 3, racks: [a, b, c] }
  brokers: { count: 3, racks: [a, b, c], hardware: default }
  config: { min.insync.replicas: 2 }
  zones: { z1: [a], z2: [b], z3: [c] }
  network: { rtt: { rack: 100us, zone: 500us, region: 30ms }, jitter: exp(50us), loss: 0.01%, bandwidth: 10Gbps }
  clocks: { offset: "normal(0, 2ms)", drift: 20ppm }
topics:
  - { name: orders, partitions: 12, replication: 3, config: { retention.ms: 1h } }
  - { name: clicks }
workload:
  producers:
    - { name: checkout, count: 4, rack: a, topic: orders, rate: 500/s, size: "lognormal(1KiB, 0.5)", keys: "zipf(10k, 0.99)", client: { acks: all, linger.ms: 5 } }
    - { name: activity, topic: clicks, preset: activity }
  consumers:
    - { name: billing, count: 3, rack: spread, group: billing, topics: [orders], work: exp(200us) }
faults:
  - { at: 10s, power-loss: leader(orders/0), restart: after 5s }
  - { at: 30s, for: 8s, partition: [[rack:a], [rack:b, rack:c]] }
  - { at: 45s, for: 5s, slow-disk: broker(2), factor: 20 }
  - { when: "isr(orders/0) < 3", once: true, pause: controller, for: 2s }
  - random: { from: 70s, until: 110s, mean-gap: 4s, max-concurrent: 1, pick: { kill: 3, pause: 2, one-way: 2, clock-step: 1 } }
checks:
  - no-acked-loss: { producers: [checkout] }
  - slo: { produce-p99: "< 250ms", unavailable: "< 12s per fault", consumer-lag: "< 1000 at end" }
  - eventually: { under-replicated-partitions: 0, within: 30s, after: heal }
  - sometimes: [leader-changed, isr-shrunk, truncated]
stop: { heal: 112s, after: 150s }
)yaml");
  const Scenario& s = result.scenario;
  EXPECT_EQ(s.name, "leader-loss-under-load");
  EXPECT_EQ(s.cluster.network.loss_millionths, 100);
  EXPECT_EQ(s.cluster.clocks.drift_ppb, 20'000);
  EXPECT_EQ(s.topics[0].config.at("retention.ms"), "3600000");
  EXPECT_EQ(s.cluster.brokers.config.at("min.insync.replicas"), "2");
  EXPECT_EQ(s.producers[0].rate_micro_per_s, 500'000'000);
  EXPECT_EQ(s.producers[0].size_bytes, (Distribution{Distribution::Shape::lognormal, 1024, 500'000}));
  EXPECT_EQ(s.producers[0].keys, (Distribution{Distribution::Shape::zipf, 10'000, 990'000}));
  EXPECT_EQ(s.producers[1].rate_micro_per_s, 118'000'000);
  EXPECT_EQ(s.producers[1].preset, "activity");
  ASSERT_EQ(s.faults.size(), 4u);
  EXPECT_EQ(s.faults[0].kind, FaultKind::power_loss);
  EXPECT_EQ(s.faults[0].targets[0], (Selector{Selector::Kind::leader, "orders", 0}));
  EXPECT_EQ(s.faults[1].sides.size(), 2u);
  EXPECT_EQ(s.faults[2].factor_millionths, 20'000'000);
  EXPECT_EQ(to_text(s.faults[3].when), "isr(orders/0) < 3");
  EXPECT_EQ(s.faults[3].targets[0].kind, Selector::Kind::active_controller);
  ASSERT_EQ(s.random_faults.size(), 1u);
  EXPECT_EQ(s.random_faults[0].pick.size(), 4u);
  EXPECT_EQ(s.checks.slo.produce_p99_ns, 250'000'000);
  EXPECT_EQ(s.checks.slo.unavailable_per_fault_ns, 12'000'000'000);
  EXPECT_EQ(s.checks.slo.lag_at_end, 1000);
  EXPECT_EQ(s.heal_ns, 112'000'000'000);
}

TEST(ReadScenario, TheExpandedFileReadsBackAsTheSame) {
  for (const FaultRow& row : fault_rows()) {
    std::string text =
        "harrow: 1\ntopics: [{ name: orders, partitions: 12, config: { segment.ms: { draw: 1s..1h } } }, { name: scratch }]\n"
        "workload: { producers: [{ name: checkout, burst: { every: 10s, for: 1s } }], consumers: [{ name: billing, count: 2, until: 30s }] }\n"
        "checks: [no-acked-loss, { slo: { produce-p99: '< 250ms', unavailable: '< 3s in total' } }, { off: [I59] }, { reached: leader-changed }]\n"
        "stop: { heal: 100s, after: 150s }\nfaults:\n  - ";
    text += row.example;
    if (row.kind == FaultKind::create_topic) text.replace(text.find(", { name: scratch }"), 19, "");
    text += "\n";
    const BoundScenario first = bound(text, 7);
    const std::string expanded = to_yaml(first.expanded);
    const BoundScenario second = bound(expanded, 8);  // another seed: nothing is left to draw
    EXPECT_EQ(to_yaml(second.expanded), expanded);
    ASSERT_EQ(second.scenario.faults.size(), 1u) << expanded;
    EXPECT_EQ(second.scenario.faults[0].kind, row.kind);
    EXPECT_EQ(second.scenario.faults[0].factor_millionths, first.scenario.faults[0].factor_millionths);
    EXPECT_EQ(second.scenario.topics[0].config, first.scenario.topics[0].config);
    EXPECT_TRUE(second.scenario.drawn.empty());
  }
}

TEST(ReadScenario, EveryFaultHasARowInOrder) {
  ASSERT_EQ(fault_rows().size(), fault_kinds);
  for (std::size_t i = 0; i < fault_kinds; ++i) EXPECT_EQ(static_cast<std::size_t>(fault_rows()[i].kind), i);
}

TEST(ReadScenario, DrawsDependOnTheSeedAndStayInTheirRange) {
  const std::string text =
      "harrow: 1\ncluster: { config: { log.segment.bytes: { draw: 1MiB..64MiB }, max.incremental.fetch.session.cache.slots: { draw: [2, 4, 1000] } } }\n";
  std::set<std::string> sizes, slots;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const Scenario s = bound(text, seed).scenario;
    ASSERT_EQ(s.drawn.size(), 2u);
    const std::string size = s.cluster.brokers.config.at("log.segment.bytes");
    EXPECT_GE(std::stol(size), 1 << 20);
    EXPECT_LE(std::stol(size), 64 << 20);
    sizes.insert(size);
    slots.insert(s.cluster.brokers.config.at("max.incremental.fetch.session.cache.slots"));
    EXPECT_EQ(bound(text, seed).scenario.drawn, s.drawn);
  }
  EXPECT_GT(sizes.size(), 150u);
  EXPECT_EQ(slots, (std::set<std::string>{"2", "4", "1000"}));
}

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("harrow-read-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  std::filesystem::path folder_;
};

TEST_F(Files, ExtendsMergesMapsByKeyAndNamedItemsByName) {
  write("base.yaml",
        "harrow: 1\nname: base\ntopics: [{ name: orders, partitions: 6 }, { name: clicks }]\ncluster: { config: { min.insync.replicas: 2 } }\n"
        "faults: [{ at: 5s, kill: broker(1) }]\n");
  const std::string path = write("top.yaml", "extends: base.yaml\ncluster: { config: { num.partitions: 4 } }\ntopics: [{ name: orders, partitions: 9 }, { name: more }]\nharrow: 1\n");
  Problems problems;
  const auto result = read_scenario(path, {"stop/after=90s", "topics/clicks/partitions=2"}, 1, problems);
  ASSERT_TRUE(result) << problems_text(problems);
  const Scenario& s = result->scenario;
  EXPECT_EQ(s.name, "top");
  EXPECT_EQ(s.after_ns, 90'000'000'000);
  ASSERT_EQ(s.topics.size(), 3u);
  EXPECT_EQ(s.topics[0].partitions, 9);
  EXPECT_EQ(s.topics[1].partitions, 2);
  EXPECT_EQ(s.cluster.brokers.config.size(), 2u);
  EXPECT_EQ(s.faults.size(), 1u);
}

TEST_F(Files, ExtendsInACircleIsAnError) {
  write("a.yaml", "harrow: 1\nextends: b.yaml\n");
  write("b.yaml", "harrow: 1\nextends: a.yaml\n");
  Problems problems;
  EXPECT_FALSE(read_scenario((folder_ / "a.yaml").string(), {}, 1, problems));
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].text.find("extends itself"), std::string::npos);
}

TEST_F(Files, SetNamesItselfInProblems) {
  const std::string path = write("t.yaml", "harrow: 1\ntopics: [{ name: orders }]\n");
  Problems problems;
  EXPECT_FALSE(read_scenario(path, {"topics/ordres/partitions=2", "stop"}, 1, problems));
  EXPECT_EQ(problems_text(problems),
            "--set topics/ordres/partitions=2:1:1: nothing named 'ordres' in this list (did you mean 'orders'?)\n"
            "--set stop:1:1: expected PATH=VALUE, such as cluster/brokers/count=5\n");
  problems.clear();
  EXPECT_FALSE(read_scenario(path, {"stop/after=90"}, 1, problems));
  ASSERT_FALSE(problems.empty());
  EXPECT_EQ(to_text(problems[0]), "--set stop/after=90:1:1: missing unit in '90': expected a time such as 250ms, 5s or 1h30m");
}

TEST_F(Files, AMissingReplayFileIsAnErrorOrSkippedLoudly) {
  Problems problems;
  std::string text = "harrow: 1\nworkload: { producers: [{ name: p, replay: { file: no.csv, time: t } }] }\n";
  EXPECT_FALSE(read_scenario(write("t.yaml", text), {}, 1, problems));
  problems.clear();
  const auto result = read_scenario(write("t.yaml", text), {"workload/producers/p/replay/missing=skip"}, 1, problems);
  ASSERT_TRUE(result) << problems_text(problems);
  EXPECT_TRUE(result->scenario.producers.empty());
  ASSERT_EQ(result->warnings.size(), 1u);
  EXPECT_NE(result->warnings[0].text.find("SKIPPED"), std::string::npos);
}

TEST_F(Files, EveryScenarioOfTheProductIsValid) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(HARROW_SOURCE_DIR "/scenarios")) {
    if (entry.path().extension() != ".yaml") continue;
    Problems problems;
    const auto result = read_scenario(entry.path().string(), {}, 1, problems);
    EXPECT_TRUE(result) << problems_text(problems);
    if (result) {
      Problems again;
      const auto second = read_scenario_text(to_yaml(result->expanded), entry.path().string(), 1, again);
      EXPECT_TRUE(second) << problems_text(again) << to_yaml(result->expanded);
      EXPECT_EQ(second ? to_yaml(second->expanded) : "", to_yaml(result->expanded));
    }
    ++count;
  }
  EXPECT_GE(count, 10);
}

TEST_F(Files, TheTemplateIsValid) {
  Problems problems;
  const auto result = read_scenario(write("fresh.yaml", scenario_template("fresh")), {}, 1, problems);
  EXPECT_TRUE(result) << problems_text(problems);
}

TEST(Describe, TheCommittedSchemaAndPagesAreCurrent) {
  EXPECT_EQ(json_schema(), file_text(HARROW_SOURCE_DIR "/scenarios/scenario.schema.json")) << "harrow check --schema > scenarios/scenario.schema.json";
  EXPECT_NE(scenario_reference().find("| `rate` |"), std::string::npos);
  EXPECT_NE(fault_reference().find("| `power-loss` |"), std::string::npos);
}

TEST(Presets, ThereAreAtLeastTwelveWithASource) {
  const auto notes = preset_notes();
  EXPECT_GE(notes.size(), 12u);
  for (const PresetNote& note : notes) {
    EXPECT_FALSE(note.source.empty()) << note.name;
    Problems problems;
    EXPECT_TRUE(read_scenario_text("harrow: 1\nworkload: { producers: [{ name: p, preset: " + note.name + " }] }\n", "t.yaml", 1, problems)) << problems_text(problems);
  }
}

TEST(ReadScenario, NoCutOfAFileCrashesTheReader) {
  const std::string text = scenario_template("cut");
  for (std::size_t size = 0; size < text.size(); size += 3) {
    Problems problems;
    read_scenario_text(std::string_view(text).substr(0, size), "t.yaml", 1, problems);
  }
}

}  // namespace
}  // namespace harrow::sim
