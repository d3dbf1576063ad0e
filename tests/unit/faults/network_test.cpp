// partition, one-way, isolate, hold-api, drop-api, delay, loss, bandwidth, reset: who reaches whom, and how fast.
#include "stage.h"

namespace harrow::sim {
namespace {

TEST(NetworkFaults, partition_cuts_both_ways_and_joins_again) {
  Stage stage({"{ at: 10s, for: 8s, partition: [[broker(3)], [broker(1), broker(2), controller(1)]] }"});
  stage.until_ms(9'999);
  EXPECT_TRUE(stage.reaches("broker-3", "broker-1"));
  EXPECT_EQ(stage.isr(), 3u);
  stage.until_ms(10'001);
  EXPECT_FALSE(stage.reaches("broker-3", "broker-1"));
  EXPECT_FALSE(stage.reaches("broker-1", "broker-3"));
  EXPECT_FALSE(stage.reaches("controller-1", "broker-3"));
  EXPECT_TRUE(stage.reaches("broker-1", "broker-2")) << "one side stays together";
  EXPECT_TRUE(stage.reaches("shop/0", "broker-3")) << "hosts on no side reach everybody";
  stage.until_ms(17'999);
  EXPECT_EQ(stage.isr(), 2u) << "the ISR goes on without it";
  stage.until_ms(18'001);
  EXPECT_TRUE(stage.reaches("broker-3", "broker-1"));
  stage.until(40);
  EXPECT_EQ(stage.isr(), 3u);
}

TEST(NetworkFaults, partition_can_reset_instead_of_holding) {
  Stage held({"{ at: 10s, for: 4s, partition: [[broker(1)], [broker(2), broker(3), controller(1), producer(shop), consumer(billing)]] }"});
  Stage cut({"{ at: 10s, for: 4s, mode: reset, partition: [[broker(1)], [broker(2), broker(3), controller(1), producer(shop), consumer(billing)]] }"});
  for (Stage* stage : {&held, &cut}) stage->until_ms(9'999);
  const std::int64_t held_before = held.count(TraceKind::connection_closed);
  const std::int64_t cut_before = cut.count(TraceKind::connection_closed);
  for (Stage* stage : {&held, &cut}) stage->until_ms(11'000);
  EXPECT_EQ(held.count(TraceKind::connection_closed), held_before) << "a held connection is a silent one";
  EXPECT_GT(cut.count(TraceKind::connection_closed), cut_before);
}

TEST(NetworkFaults, one_way_cuts_one_direction_only) {
  Stage stage({"{ at: 10s, for: 5s, one-way: { from: rack:a, to: rack:b } }"});
  stage.until_ms(10'001);
  EXPECT_FALSE(stage.reaches("broker-1", "broker-2"));
  EXPECT_TRUE(stage.reaches("broker-2", "broker-1"));
  EXPECT_TRUE(stage.reaches("broker-1", "broker-3"));
  stage.until_ms(15'001);
  EXPECT_TRUE(stage.reaches("broker-1", "broker-2"));
}

TEST(NetworkFaults, isolate_cuts_the_target_off_from_everybody) {
  Stage stage({"{ at: 10s, for: 15s, isolate: leader(orders/0) }"});
  stage.until_ms(9'999);
  const NodeId leader = stage.leader();
  const std::string name = stage.machine(leader).name();
  stage.until_ms(10'001);
  for (const std::string other : {"controller-1", "broker-1", "broker-2", "broker-3", "shop/0", "billing/0"}) {
    if (other == name) continue;
    EXPECT_FALSE(stage.reaches(name, other)) << other;
    EXPECT_FALSE(stage.reaches(other, name)) << other;
  }
  EXPECT_TRUE(stage.reaches("shop/0", "controller-1"));
  stage.until_ms(24'900);
  EXPECT_NE(stage.leader(), leader);
  EXPECT_GT(stage.count(TraceKind::broker_fenced), 0);
  stage.until_ms(25'001);
  EXPECT_TRUE(stage.reaches(name, "controller-1"));
}

TEST(NetworkFaults, hold_api_keeps_one_request_type_back_and_lets_all_else_flow) {
  Stage stage({"{ at: 10s, for: 5s, hold-api: { api: Produce, side: request } }"});
  stage.until_ms(10'500);
  const std::int64_t acked = stage.acked();
  const std::int64_t handled = stage.count(TraceKind::request_handled);
  stage.until_ms(14'900);
  EXPECT_EQ(stage.acked(), acked);
  EXPECT_GT(stage.count(TraceKind::request_handled), handled + 10) << "fetches and heartbeats go on";
  stage.until(20);
  EXPECT_GT(stage.acked(), acked + 250);
}

TEST(NetworkFaults, hold_api_of_the_answer_lets_the_request_take_effect) {
  Stage stage({"{ at: 10s, for: 5s, hold-api: { api: Produce, side: response } }"});
  stage.until_ms(10'500);
  const std::int64_t acked = stage.acked();
  const std::int64_t appended = stage.count(TraceKind::produce_answered);
  stage.until_ms(12'000);
  EXPECT_EQ(stage.acked(), acked);
  EXPECT_GE(stage.count(TraceKind::produce_answered), appended);
  const std::uint64_t end_offset = stage.log_size(stage.leader().value());
  stage.until_ms(14'900);
  EXPECT_GE(stage.log_size(stage.leader().value()), end_offset);
  stage.until(20);
  EXPECT_GT(stage.acked(), acked + 250);
}

TEST(NetworkFaults, drop_api_swallows_one_answer_and_the_producer_state_answers_the_repeat) {
  Stage stage({"{ at: 10s, drop-api: { api: Produce, side: response }, count: 1 }"});
  stage.until_ms(9'999);
  const std::int64_t closed = stage.count(TraceKind::connection_closed);
  EXPECT_EQ(stage.count(TraceKind::duplicate_answered), 0);
  stage.until(15);
  EXPECT_GT(stage.count(TraceKind::connection_closed), closed) << "its connection is reset";
  EXPECT_GE(stage.count(TraceKind::duplicate_answered), 1) << "the batch was appended; its repeat is recognised";
  EXPECT_EQ(stage.clients.producers[0]->sent() - stage.acked(), static_cast<std::int64_t>(stage.clients.producers[0]->pending())) << "and nothing failed";
}

TEST(NetworkFaults, drop_api_of_a_request_leaves_nothing_to_repeat) {
  Stage stage({"{ at: 10s, drop-api: { api: Produce, side: request }, count: 1 }"});
  stage.until_ms(9'999);
  const std::int64_t closed = stage.count(TraceKind::connection_closed);
  stage.until(15);
  EXPECT_GT(stage.count(TraceKind::connection_closed), closed);
  EXPECT_EQ(stage.count(TraceKind::duplicate_answered), 0) << "the first try never arrived";
}

TEST(NetworkFaults, delay_makes_links_slower_by_what_it_says) {
  Stage stage({"{ at: 10s, for: 10s, delay: { from: producer(shop), by: 150ms } }"});
  stage.until(6);
  stage.worst_latency_ms();
  stage.until_ms(9'999);
  EXPECT_LT(stage.worst_latency_ms(), 100);
  stage.until(19);
  EXPECT_GE(stage.worst_latency_ms(), 300) << "150 ms each way";
  stage.until(22);
  stage.worst_latency_ms();
  stage.until(30);
  EXPECT_LT(stage.worst_latency_ms(), 100);
}

TEST(NetworkFaults, loss_shows_as_retransmissions) {
  Stage stage({"{ at: 10s, for: 20s, loss: { from: producer(shop), share: 20% } }"});
  stage.until(6);
  stage.worst_latency_ms();
  stage.until_ms(9'999);
  EXPECT_LT(stage.worst_latency_ms(), 100);
  stage.until(29);
  EXPECT_GE(stage.worst_latency_ms(), 200) << "a lost segment costs a retransmission time-out";
  EXPECT_GT(stage.acked(), 1000) << "late, but it arrives";
}

TEST(NetworkFaults, bandwidth_is_a_limit) {
  StageSetup setup;
  setup.producers = "[{ name: shop, topic: orders, rate: 20/s, arrival: even, size: 5KiB }]";
  Stage stage({"{ at: 10s, for: 10s, bandwidth: { from: producer(shop), limit: 400kbps } }"}, setup);
  stage.until(6);
  stage.worst_latency_ms();
  stage.until_ms(9'999);
  EXPECT_LT(stage.worst_latency_ms(), 100);
  stage.until(19);
  EXPECT_GE(stage.worst_latency_ms(), 500) << "100 KiB a second do not fit through 400 kbit/s";
  stage.until(35);
  stage.worst_latency_ms();
  stage.until(40);
  EXPECT_LT(stage.worst_latency_ms(), 100);
}

TEST(NetworkFaults, reset_breaks_every_connection_of_the_target_at_once) {
  Stage stage({"{ at: 10s, reset: broker(1) }"});
  stage.until_ms(9'999);
  const std::int64_t closed = stage.count(TraceKind::connection_closed);
  const std::int64_t connected = stage.count(TraceKind::connected);
  stage.until_ms(10'005);
  EXPECT_GT(stage.count(TraceKind::connection_closed), closed);
  EXPECT_TRUE(stage.machine(1).running());
  EXPECT_EQ(stage.fault().until_ns, 10 * second) << "an event without duration";
  stage.until(15);
  EXPECT_GT(stage.count(TraceKind::connected), connected) << "they connect again";
}

}  // namespace
}  // namespace harrow::sim
