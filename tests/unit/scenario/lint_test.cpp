#include <gtest/gtest.h>

#include "sim/scenario/read.h"

namespace harrow::sim {
namespace {

/// What lint says about a scenario of this topic and workload, joined.
std::string lint_of(const std::string& topic, const std::string& producer = "", const std::string& consumers = "[]", const std::string& cluster = "{}") {
  Problems problems;
  const std::string text = "harrow: 1\ncluster: " + cluster + "\ntopics: [{ name: orders, " + topic + " }]\nworkload:\n  producers: [{ name: shop, topic: orders" + (producer.empty() ? "" : ", " + producer) + " }]\n  consumers: " + consumers + "\n";
  const auto bound = read_scenario_text(text, "a.yaml", 1, problems);
  if (!bound) return "wrong: " + (problems.empty() ? std::string() : to_text(problems[0]));
  std::string all;
  for (const Problem& one : bound->lint) all += to_text(one) + "\n";
  return all;
}

TEST(Lint, AnOrdinaryTopicIsFine) { EXPECT_EQ(lint_of("partitions: 6"), ""); }

TEST(Lint, KeepingEverythingFillsDisks) {
  EXPECT_EQ(lint_of("partitions: 120, config: { retention.ms: -1 }", "rate: 1000/s, size: 1MiB"), "a.yaml:3:10: topic 'orders' has no retention limit, but disks are finite: at this rate after 17.5 min\n");
  EXPECT_EQ(lint_of("config: { retention.ms: -1, retention.bytes: 1GiB }"), "");
  EXPECT_EQ(lint_of("config: { retention.ms: -1, cleanup.policy: compact }"), "");
  EXPECT_NE(lint_of("partitions: 3", "", "[]", "{ config: { log.retention.ms: -1 } }"), "");
}

TEST(Lint, FewerThanThreeCopiesAreNamed) {
  EXPECT_EQ(lint_of("replication: 1"), "a.yaml:3:10: topic 'orders' has one copy: a lost disk loses it, and a stopped broker stops it\n");
  EXPECT_NE(lint_of("replication: 2").find("two copies"), std::string::npos);
  EXPECT_EQ(lint_of("replication: 1", "", "[]", "{ brokers: { count: 1, racks: [a] } }"), "");
}

TEST(Lint, OrderNeedsKeysAndNoOvertaking) {
  EXPECT_EQ(lint_of("partitions: 3, ordered: true"), "");
  EXPECT_EQ(lint_of("partitions: 3", "keys: none"), "");
  EXPECT_EQ(lint_of("partitions: 3, ordered: true", "keys: none"),
            "a.yaml:5:15: topic 'orders' is read for its order, but 'shop' gives no keys: its records go to 3 partitions, and order holds within one\n");
  EXPECT_EQ(lint_of("partitions: 1, ordered: true", "keys: none"), "");
  EXPECT_NE(lint_of("partitions: 3, ordered: true", "client: { acks: 1 }").find("a retry may overtake"), std::string::npos);
  EXPECT_EQ(lint_of("partitions: 3, ordered: true", "client: { acks: 1, max.in.flight.requests.per.connection: 1 }"), "");
}

TEST(Lint, AHotKeyMayOutgrowItsPartition) {
  EXPECT_NE(lint_of("partitions: 30", "rate: 100k/s, size: 1KiB, keys: \"zipf(1000, 1.2)\"").find("whatever their number"), std::string::npos);
  EXPECT_EQ(lint_of("partitions: 30", "rate: 100k/s, size: 1KiB, keys: \"zipf(1M, 0.5)\""), "");
  EXPECT_NE(lint_of("partitions: 3", "rate: 100k/s, size: 1KiB").find("into each of 3 partitions"), std::string::npos);
}

TEST(Lint, MembersOfAGroupAreCountedOverItsLines) {
  EXPECT_EQ(lint_of("partitions: 4", "", "[{ name: one, group: billing, count: 3 }, { name: two, group: billing, count: 1 }]"), "");
  EXPECT_EQ(lint_of("partitions: 4", "", "[{ name: one, group: billing, count: 3 }, { name: two, group: billing, count: 2 }]"), "a.yaml:6:56: 5 members of 'billing' share 4 partitions: some stay idle\n");
}

}  // namespace
}  // namespace harrow::sim
