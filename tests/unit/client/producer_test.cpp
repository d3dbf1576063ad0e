#include <gtest/gtest.h>

#include "core/client/producer.h"
#include "tests/unit/client/fake_cluster.h"

namespace harrow::test {
namespace {

using wire::ApiKey;
using Values = std::vector<std::string>;

ProducerConfig producer_config() {
  ProducerConfig config;
  config.client_id = "p";
  config.bootstrap_servers = {Endpoint{"broker", 1}, Endpoint{"broker", 2}};
  config.linger_ms = 0;
  return config;
}

struct Reports final : DeliveryListener {
  void on_delivery(std::uint64_t tag, const Delivery& delivery) override {
    order.push_back(tag);
    by_tag[tag] = delivery;
  }
  std::vector<std::uint64_t> order;
  std::map<std::uint64_t, Delivery> by_tag;
};

Root flush(Scope&, Label, Producer& producer, bool& done) {
  const Result<bool> flushed = co_await producer.flush();
  done = flushed.has_value();
}

struct ProducerTest : testing::Test {
  ProducerTest() { cluster.create_topic("orders", 1); }
  void start(ProducerConfig config = producer_config()) {
    producer = std::make_unique<Producer>(machine.host(), config, &reports);
    topic = producer->topic("orders");
    ASSERT_TRUE(cluster.run_until([&] { return producer->partitions_of(topic) > 0; }));
  }
  Accepted send(std::uint64_t tag, std::int32_t partition = 0) {
    const std::string value = std::to_string(tag);
    ProducerRecord record;
    record.topic = topic;
    record.partition = partition;
    record.value = value;
    record.tag = tag;
    return producer->send(record);
  }
  /// Sends 1..n, each in a batch of its own, all requests under way at once.
  void send_apart(std::uint64_t n) {
    for (std::uint64_t tag = 1; tag <= n; ++tag) {
      ASSERT_EQ(send(tag), Accepted::accepted);
      cluster.kernel.run_until(cluster.kernel.now_ns() + 1000);
    }
  }
  /// One record ahead, so that producer id and connection are there.
  void warm_up() {
    ASSERT_EQ(send(0), Accepted::accepted);
    ASSERT_TRUE(finished(1));
    cluster.journal.clear();
  }
  bool finished(std::size_t count, std::int64_t limit_ms = 300'000) {
    return cluster.run_until([&] { return reports.by_tag.size() >= count; }, limit_ms);
  }
  std::vector<std::string> produced() const {
    std::vector<std::string> lines;
    for (const auto& [api, line] : cluster.journal)
      if (api == ApiKey::produce) lines.push_back(line);
    return lines;
  }
  FakeCluster cluster;
  FakeMachine machine{cluster, 1};
  Reports reports;
  std::unique_ptr<Producer> producer;
  TopicHandle topic;
};

TEST_F(ProducerTest, records_are_stored_in_order_and_reported_with_their_offsets) {
  start();
  for (std::uint64_t tag = 0; tag < 100; ++tag) ASSERT_EQ(send(tag), Accepted::accepted);
  ASSERT_TRUE(finished(100));
  Values expected;
  for (std::uint64_t tag = 0; tag < 100; ++tag) {
    expected.push_back(std::to_string(tag));
    EXPECT_EQ(reports.by_tag[tag].fate, Fate::acked);
    EXPECT_EQ(reports.by_tag[tag].offset, Offset(static_cast<std::int64_t>(tag)));
  }
  EXPECT_EQ(cluster.values("orders", 0), expected);
  EXPECT_EQ(producer->pending(), 0u);
  EXPECT_EQ(producer->buffered_bytes(), 0);
}

TEST_F(ProducerTest, linger_collects_a_batch_and_flush_ends_it) {
  ProducerConfig config = producer_config();
  config.linger_ms = 1000;
  start(config);
  send(0);
  send(1);
  cluster.run_ms(500);
  EXPECT_EQ(cluster.count(ApiKey::produce), 0);
  bool done = false;
  flush(machine.scope, Label("flush"), *producer, done);
  ASSERT_TRUE(cluster.run_until([&] { return done; }, 200));
  EXPECT_EQ(cluster.count(ApiKey::produce), 1);
  EXPECT_EQ(reports.by_tag.size(), 2u);
}

TEST_F(ProducerTest, a_broker_that_knows_only_older_api_versions_is_asked_again_in_its_own) {
  cluster.newest_api_versions = 2;
  start();
  send(0);
  ASSERT_TRUE(finished(1));
  EXPECT_EQ(cluster.journal[0].second.substr(1), " v4");
  EXPECT_EQ(cluster.journal[1].second.substr(1), " v2");
}

TEST_F(ProducerTest, five_in_flight_and_a_lost_answer_store_each_record_once_and_in_order) {
  start();
  warm_up();
  int seen = 0;
  cluster.meddle = [&](std::int32_t, ApiKey api, const std::string&) {
    Meddling meddling;
    if (api == ApiKey::produce && ++seen == 1) meddling.what = Meddling::lose_answer;
    return meddling;
  };
  send_apart(5);
  ASSERT_TRUE(finished(6));
  EXPECT_EQ(cluster.values("orders", 0), (Values{"0", "1", "2", "3", "4", "5"}));
  for (std::uint64_t tag = 1; tag <= 5; ++tag) EXPECT_EQ(reports.by_tag[tag].offset, Offset(static_cast<std::int64_t>(tag)));
  EXPECT_EQ(producer->counts().epoch_bumps, 0u);
  EXPECT_EQ(produced()[0], produced()[1]) << "the lost one goes again as it was";
}

TEST_F(ProducerTest, batches_that_only_follow_a_refused_one_are_retried_behind_it) {
  start();
  warm_up();
  int seen = 0;
  cluster.meddle = [&](std::int32_t, ApiKey api, const std::string&) {
    Meddling meddling;
    if (api == ApiKey::produce && ++seen == 1) meddling.code = Code::not_enough_replicas;
    return meddling;
  };
  send_apart(5);
  ASSERT_TRUE(finished(6));
  EXPECT_EQ(cluster.values("orders", 0), (Values{"0", "1", "2", "3", "4", "5"}));
  EXPECT_EQ(reports.order, (std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(producer->counts().epoch_bumps, 0u);
}

TEST_F(ProducerTest, the_oldest_batch_out_of_order_goes_on_under_a_new_epoch) {
  start();
  warm_up();
  cluster.log("orders", 0).producers.begin()->second.last.back().last = 77;  // the broker's state is not what it was
  send_apart(3);
  ASSERT_TRUE(finished(4));
  EXPECT_EQ(cluster.values("orders", 0), (Values{"0", "1", "2", "3"}));
  EXPECT_EQ(producer->counts().epoch_bumps, 1u);
  EXPECT_EQ(producer->producer_epoch(), ProducerEpoch(1));
  EXPECT_NE(produced().back().find("epoch 1 seq 2..2"), std::string::npos) << produced().back();
}

TEST_F(ProducerTest, a_request_without_an_answer_times_out_and_its_connection_is_dropped) {
  start();
  warm_up();
  int seen = 0;
  cluster.meddle = [&](std::int32_t, ApiKey api, const std::string&) {
    Meddling meddling;
    if (api == ApiKey::produce && ++seen == 1) meddling.what = Meddling::stay_silent;
    return meddling;
  };
  send_apart(2);
  cluster.run_ms(29'000);
  EXPECT_EQ(reports.by_tag.size(), 1u);
  ASSERT_TRUE(finished(3, 5'000));
  EXPECT_EQ(cluster.values("orders", 0), (Values{"0", "1", "2"}));
}

TEST_F(ProducerTest, fates_tell_what_is_known_when_the_delivery_timeout_ends) {
  start();
  warm_up();
  cluster.meddle = [&](std::int32_t, ApiKey api, const std::string&) {
    Meddling meddling;
    if (api == ApiKey::produce) meddling.what = Meddling::lose_answer;
    return meddling;
  };
  send(1);
  cluster.run_ms(500);
  cluster.down = {1, 2};
  cluster.run_ms(100);
  send(2);  // never leaves the machine
  cluster.run_ms(118'000);
  EXPECT_EQ(reports.by_tag.size(), 1u);
  ASSERT_TRUE(finished(3, 5'000));
  EXPECT_EQ(reports.by_tag[1].fate, Fate::unknown);
  EXPECT_EQ(reports.by_tag[2].fate, Fate::failed);
  // The gap that the unknown one leaves costs an epoch, not the partition.
  cluster.down.clear();
  cluster.meddle = nullptr;
  send(3);
  ASSERT_TRUE(finished(4));
  EXPECT_EQ(reports.by_tag[3].fate, Fate::acked);
  EXPECT_EQ(cluster.values("orders", 0), (Values{"0", "1", "3"}));
}

TEST_F(ProducerTest, a_batch_refused_for_good_fails_and_those_behind_it_close_the_gap) {
  start();
  warm_up();
  int seen = 0;
  cluster.meddle = [&](std::int32_t, ApiKey api, const std::string&) {
    Meddling meddling;
    if (api == ApiKey::produce && ++seen == 1) meddling.code = Code::invalid_timestamp;
    return meddling;
  };
  send_apart(3);
  ASSERT_TRUE(finished(4));
  EXPECT_EQ(reports.by_tag[1].fate, Fate::failed);
  EXPECT_EQ(reports.by_tag[1].code, Code::invalid_timestamp);
  EXPECT_EQ(cluster.values("orders", 0), (Values{"0", "2", "3"}));
  EXPECT_EQ(producer->counts().epoch_bumps, 0u);
}

TEST_F(ProducerTest, not_leader_refreshes_metadata_and_the_new_leader_gets_the_same_sequence) {
  start();
  warm_up();
  cluster.move_leader("orders", 0, NodeId(2));
  send(1);
  ASSERT_TRUE(finished(2));
  const std::vector<std::string> lines = produced();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0][0], '1');
  EXPECT_EQ(lines[1][0], '2');
  EXPECT_EQ(lines[0].substr(1), lines[1].substr(1));
}

TEST_F(ProducerTest, one_request_carries_the_batches_of_all_partitions_of_a_broker) {
  cluster.create_topic("wide", 6);
  start();
  warm_up();
  topic = producer->topic("wide");
  ASSERT_TRUE(cluster.run_until([&] { return producer->partitions_of(topic) == 6; }));
  for (std::int32_t partition = 0; partition < 6; ++partition) send(100 + static_cast<std::uint64_t>(partition), partition);
  ASSERT_TRUE(finished(7));
  // Broker 2 had no connection yet; each broker still gets all three of its partitions at once.
  EXPECT_EQ(produced().size(), 2u);
}

TEST_F(ProducerTest, a_key_always_goes_to_its_murmur2_partition) {
  cluster.create_topic("wide", 6);
  start();
  topic = producer->topic("wide");
  ASSERT_TRUE(cluster.run_until([&] { return producer->partitions_of(topic) == 6; }));
  for (const char* const key : {"a", "b", "kafka", "some-longer-key"}) {
    ProducerRecord record;
    record.topic = topic;
    record.key = key;
    record.tag = 500;
    reports.by_tag.clear();
    ASSERT_EQ(producer->send(record), Accepted::accepted);
    ASSERT_TRUE(finished(1));
    EXPECT_EQ(reports.by_tag[500].partition, partition_of_key(key, 6));
  }
}

TEST_F(ProducerTest, full_memory_refuses_until_a_batch_is_delivered) {
  ProducerConfig config = producer_config();
  config.buffer_memory = 2 * 16'384;
  config.linger_ms = 100'000;
  cluster.create_topic("wide", 3);
  start(config);
  topic = producer->topic("wide");
  ASSERT_TRUE(cluster.run_until([&] { return producer->partitions_of(topic) == 3; }));
  EXPECT_EQ(send(0, 0), Accepted::accepted);
  EXPECT_EQ(send(1, 1), Accepted::accepted);
  EXPECT_EQ(send(2, 2), Accepted::no_memory);
  EXPECT_EQ(send(2, 3), Accepted::no_partition);
  ASSERT_TRUE(finished(2)) << "being short of memory ends the linger";
  EXPECT_EQ(send(2, 2), Accepted::accepted);
}

TEST_F(ProducerTest, acks_0_is_reported_when_sent) {
  ProducerConfig config = producer_config();
  config.acks = Acks::none;
  start(config);
  send(0);
  ASSERT_TRUE(finished(1));
  EXPECT_EQ(reports.by_tag[0].fate, Fate::acked);
  EXPECT_EQ(reports.by_tag[0].offset, no_offset);
  cluster.run_ms(10);
  EXPECT_EQ(cluster.values("orders", 0), (Values{"0"}));
}

Root close(Scope&, Label, FakeCluster& cluster, Producer& producer, bool& done) {
  const Result<bool> closed = co_await producer.close(after_ms(MonoNs(cluster.kernel.now_ns()), 1'000));
  done = !closed.has_value();
}

TEST_F(ProducerTest, close_gives_what_it_cannot_deliver_its_fate) {
  start();
  warm_up();
  cluster.meddle = [&](std::int32_t, ApiKey api, const std::string&) {
    Meddling meddling;
    if (api == ApiKey::produce) meddling.what = Meddling::stay_silent;
    return meddling;
  };
  send(1);
  bool done = false;
  close(machine.scope, Label("close"), cluster, *producer, done);
  ASSERT_TRUE(cluster.run_until([&] { return done; }, 2'000));
  EXPECT_EQ(reports.by_tag[1].fate, Fate::unknown);
  EXPECT_EQ(send(2), Accepted::closed);
}

TEST_F(ProducerTest, destroying_the_producer_at_any_moment_leaves_nothing_behind) {
  for (std::int64_t us = 0; us < 20'000; us += 700) {
    producer = std::make_unique<Producer>(machine.host(), producer_config(), nullptr);
    topic = producer->topic("orders");
    cluster.kernel.run_until(cluster.kernel.now_ns() + us * 1000);
    send(1);
    cluster.kernel.run_until(cluster.kernel.now_ns() + us * 1000);
    producer.reset();
    cluster.run_ms(20);
  }
}

}  // namespace
}  // namespace harrow::test
