// When faults fire, whom they hit, how many at once, and the switch that ends them all.
#include "stage.h"

namespace harrow::sim {
namespace {

StageSetup three_racks() {
  StageSetup setup;
  setup.cluster = "{ controllers: { count: 3, racks: [a, b, c] }, brokers: { count: 3, racks: [a, b, c] }, zones: { near: [a, b], far: [c] }, config: { min.insync.replicas: 2, offsets.topic.num.partitions: 1 } }";
  setup.producers = "[{ name: shop, count: 2, topic: orders, rate: 20/s, rack: spread }]";
  setup.consumers = "[{ name: billing, count: 3, rack: spread, topics: [orders] }]";
  return setup;
}

/// Whom one fault with this selector is recorded to have hit.
std::set<std::string> hit(Stage& stage) {
  std::set<std::string> names;
  std::string text = stage.fault().target;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    names.insert(text.substr(0, comma));
    text = comma == std::string::npos ? "" : text.substr(comma + 1);
  }
  return names;
}
std::set<std::string> who(const std::string& selector, StageSetup setup = three_racks()) {
  Stage stage({"{ at: 15s, for: 100ms, pause: '" + selector + "' }"}, std::move(setup));
  stage.until_ms(15'050);
  const std::set<std::string> names = hit(stage);
  for (std::size_t i = 0; i < stage.cluster->machines(); ++i)
    EXPECT_EQ(stage.cluster->machine(i).paused(), names.contains(stage.cluster->name_of_machine(i))) << selector << " and " << stage.cluster->name_of_machine(i);
  return names;
}
using Names = std::set<std::string>;

TEST(Selectors, name_one_node) {
  EXPECT_EQ(who("broker(2)"), (Names{"broker-2"}));
  EXPECT_EQ(who("controller(3)"), (Names{"controller-3"}));
}

TEST(Selectors, name_places) {
  EXPECT_EQ(who("rack:c"), (Names{"broker-3", "controller-3", "billing/2"})) << "clients sit in racks, too";
  EXPECT_EQ(who("zone:near"), (Names{"broker-1", "broker-2", "controller-1", "controller-2", "shop/0", "shop/1", "billing/0", "billing/1", "operator"}));
}

TEST(Selectors, name_clients) {
  EXPECT_EQ(who("producer(shop/1)"), (Names{"shop/1"}));
  EXPECT_EQ(who("producer(shop)"), (Names{"shop/0", "shop/1"}));
  EXPECT_EQ(who("consumer(billing/0)"), (Names{"billing/0"}));
}

TEST(Selectors, all_is_every_node_and_no_client) { EXPECT_EQ(who("all"), (Names{"broker-1", "broker-2", "broker-3", "controller-1", "controller-2", "controller-3"})); }

TEST(Selectors, roles_are_looked_up_when_the_fault_fires) {
  Stage stage({"{ at: 10s, move-leader: orders/0, to: broker(3) }", "{ at: 15s, for: 1s, pause: leader(orders/0) }", "{ at: 15s, for: 1s, pause: follower(orders/0) }",
               "{ at: 15s, for: 1s, pause: controller }", "{ at: 15s, for: 1s, pause: coordinator(billing) }"},
              three_racks());
  stage.until_ms(14'999);
  const NodeId active = stage.cluster->active_controller();
  const NodeId coordinator = stage.cluster->leader_of("__consumer_offsets", 0);
  stage.until_ms(15'001);
  EXPECT_EQ(stage.fault(1).target, "broker-3");
  EXPECT_TRUE(stage.fault(2).target == "broker-1" || stage.fault(2).target == "broker-2") << stage.fault(2).target;
  EXPECT_EQ(stage.fault(3).target, stage.machine(active).name());
  EXPECT_EQ(stage.fault(4).target, stage.machine(coordinator).name());
}

TEST(Selectors, any_broker_is_a_live_one_and_another_with_another_seed) {
  Names seen;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    StageSetup setup;
    setup.seed = seed;
    Stage stage({"{ at: 9s, kill: broker(1), restart: never }", "{ at: 10s, for: 1s, pause: any-broker }"}, setup);
    stage.until_ms(10'001);
    seen.insert(stage.fault(1).target);
  }
  EXPECT_EQ(seen, (Names{"broker-2", "broker-3"}));
}

TEST(Selectors, minority_is_fewer_than_half_of_each_kind) {
  const Names names = who("minority");
  ASSERT_EQ(names.size(), 2u);
  EXPECT_TRUE(names.begin()->starts_with("broker-"));
  EXPECT_TRUE(names.rbegin()->starts_with("controller-"));
}

TEST(Selectors, nobody_matched_is_said_and_counts_for_nothing) {
  Stage stage({"{ at: 9s, kill: broker(1), restart: never }", "{ at: 10s, pause: broker(1) }"});
  stage.until(11);
  EXPECT_EQ(stage.fault(1).note, "nobody matched");
  EXPECT_EQ(stage.fault(1).until_ns, stage.fault(1).at_ns);
}

TEST(Conditions, fire_when_they_become_true_once_or_each_time) {
  Stage stage({"{ at: 10s, for: 8s, pause: follower(orders/0) }", "{ at: 30s, for: 8s, pause: follower(orders/0) }",
               "{ when: \"isr(orders/0) < 3\", once: true, reset: broker(1) }", "{ when: \"isr(orders/0) < 3\", once: false, reset: broker(2) }"});
  stage.until(50);
  int first = 0, each = 0;
  for (std::size_t i = 0; i < stage.faults(); ++i) {
    if (stage.fault(i).kind != FaultKind::reset) continue;
    (stage.fault(i).target == "broker-1" ? first : each) += 1;
    EXPECT_GT(stage.fault(i).at_ns, 10 * second);
  }
  // Topics are made one replica set at a time; the ISR is whole before the first pause.
  EXPECT_EQ(first, 1);
  EXPECT_GE(each, 2);
}

StageSetup stormy(const std::string& phases) {
  StageSetup setup;
  setup.faults = phases;
  return setup;
}

/// The most drawn faults of one kind that were under way at one time.
int most_at_once(const Stage& stage, FaultKind kind) {
  int most = 0;
  for (std::size_t i = 0; i < stage.faults(); ++i) {
    if (stage.fault(i).kind != kind) continue;
    int at_once = 0;
    for (std::size_t j = 0; j < stage.faults(); ++j) {
      if (stage.fault(j).kind != kind) continue;
      const bool over = stage.fault(j).until_ns >= 0 && stage.fault(j).until_ns <= stage.fault(i).at_ns;
      at_once += stage.fault(j).at_ns <= stage.fault(i).at_ns && !over ? 1 : 0;
    }
    most = std::max(most, at_once);
  }
  return most;
}
int number_of(const Stage& stage, FaultKind kind) {
  int number = 0;
  for (std::size_t i = 0; i < stage.faults(); ++i) number += stage.fault(i).kind == kind ? 1 : 0;
  return number;
}

TEST(RandomFaults, keep_to_their_budget) {
  Stage stage({}, stormy("  - random: { from: 10s, until: 90s, mean-gap: 1s, max-concurrent: 1, duration: 4s, pick: { pause: 1 } }\n"));
  stage.until(95);
  EXPECT_GT(number_of(stage, FaultKind::pause), 3);
  EXPECT_EQ(most_at_once(stage, FaultKind::pause), 1);
}

TEST(RandomFaults, wait_until_the_node_is_back_in_every_isr) {
  Stage stage({}, stormy("  - random: { from: 10s, until: 90s, mean-gap: 1s, max-concurrent: 1, duration: 4s, pick: { kill: 1 } }\n"));
  std::size_t seen = 0;
  for (std::int64_t at = 10'000; at < 95000; at += 1) {
    const bool whole = stage.isr() == 3u;
    stage.until_ms(at);
    if (stage.faults() > seen && seen > 0) {
      EXPECT_TRUE(whole) << "fault " << seen << " fired while a replica was out of sync";
    }
    seen = stage.faults();
  }
  EXPECT_GT(seen, 3u);
}

TEST(RandomFaults, without_a_budget_pile_up) {
  Stage stage({}, stormy("  - random: { from: 10s, until: 90s, mean-gap: 1s, budget: none, duration: 4s, pick: { pause: 1 } }\n"));
  stage.until(95);
  EXPECT_GT(most_at_once(stage, FaultKind::pause), 1);
}

TEST(RandomFaults, each_phase_has_its_own_budget_and_end) {
  Stage stage({}, stormy("  - random: { from: 10s, until: 11s, mean-gap: 5s, max-concurrent: 1, pick: { kill: 1 } }\n"
                         "  - random: { from: 20s, until: 90s, mean-gap: 1s, budget: none, duration: 4s, pick: { slow-cpu: 1 } }\n"));
  stage.until(95);
  EXPECT_GT(most_at_once(stage, FaultKind::slow_cpu), 1) << "the second phase has no budget, whatever the first has";
  Stage other({}, stormy("  - random: { from: 10s, until: 11s, mean-gap: 5s, budget: none, pick: { kill: 1 } }\n"
                         "  - random: { from: 20s, until: 90s, mean-gap: 1s, max-concurrent: 1, duration: 4s, pick: { slow-cpu: 1 } }\n"));
  other.until(95);
  EXPECT_EQ(most_at_once(other, FaultKind::slow_cpu), 1);
  EXPECT_GT(number_of(other, FaultKind::slow_cpu), 5) << "what had to wait is not measured by the first phase's end";
}

TEST(RandomFaults, are_the_seeds) {
  Stage a({}, stormy("  - random: { from: 10s, until: 90s, mean-gap: 1s, pick: { kill: 1, pause: 1 } }\n"));
  const auto text = [](const std::vector<Fault>& faults) {
    std::string all;
    for (const Fault& fault : faults) all += std::string(name_of(fault.kind)) + " " + std::to_string(fault.at_ns) + "\n";
    return all;
  };
  EXPECT_EQ(text(Injector::draw(a.scenario, 1)), text(Injector::draw(a.scenario, 1)));
  EXPECT_NE(text(Injector::draw(a.scenario, 1)), text(Injector::draw(a.scenario, 2)));
}

TEST(Heal, ends_every_fault_and_lets_nothing_new_begin) {
  Stage stage({"{ at: 10s, kill: broker(1), restart: never }", "{ at: 10s, pause: consumer(billing/0) }", "{ at: 10s, kill: producer(shop/0), restart: never }",
               "{ at: 10s, partition: [[broker(2)], [broker(3)]] }", "{ at: 10s, slow-disk: broker(2), factor: 10 }", "{ at: 10s, stall-disk: broker(3) }",
               "{ at: 10s, disk-error: broker(2), op: write, file: quorum-state, count: 0 }", "{ at: 10s, slow-cpu: broker(3), factor: 5 }",
               "{ at: 10s, clock-drift: broker(3), ppm: 1000ppm }", "{ at: 10s, loss: { share: 1% } }", "{ at: 10s, hold-api: { api: AlterPartition, side: request } }",
               "{ at: 30s, kill: broker(2) }", "{ when: \"time > 40s\", kill: broker(2) }",
               "random: { from: 21s, until: 90s, mean-gap: 1s, pick: { kill: 1 } }"});
  stage.until(20);
  EXPECT_EQ(stage.injector().active(), 11u);
  EXPECT_FALSE(stage.machine(1).running());
  EXPECT_FALSE(stage.machine("shop/0").running());
  EXPECT_TRUE(stage.machine("billing/0").paused());
  EXPECT_FALSE(stage.reaches("broker-2", "broker-3"));
  stage.heal();
  EXPECT_EQ(stage.injector().active(), 0u);
  for (std::size_t i = 0; i < stage.faults(); ++i) EXPECT_EQ(stage.fault(i).until_ns, 20 * second) << i;
  for (std::size_t i = 0; i < stage.cluster->machines(); ++i) {
    EXPECT_TRUE(stage.cluster->machine(i).running()) << stage.cluster->name_of_machine(i);
    EXPECT_FALSE(stage.cluster->machine(i).paused()) << stage.cluster->name_of_machine(i);
    EXPECT_EQ(stage.cluster->machine(i).clock().drift_ppm(), 0) << stage.cluster->name_of_machine(i);
  }
  EXPECT_TRUE(stage.reaches("broker-2", "broker-3"));
  const std::size_t before = stage.faults();
  const std::int64_t acked = stage.acked();
  stage.until(60);
  EXPECT_EQ(stage.faults(), before) << "neither by time, nor by condition, nor drawn";
  EXPECT_EQ(stage.isr(), 3u);
  EXPECT_GT(stage.acked(), acked + 500);
}

}  // namespace
}  // namespace harrow::sim
