#include <gtest/gtest.h>

#include "core/client/consumer.h"
#include "core/model/batch_builder.h"
#include "tests/unit/client/fake_cluster.h"

namespace harrow::test {
namespace {

using wire::ApiKey;
using Values = std::vector<std::string>;

ConsumerConfig consumer_config(std::string group = "") {
  ConsumerConfig config;
  config.client_id = "c";
  config.bootstrap_servers = {Endpoint{"broker", 1}, Endpoint{"broker", 2}};
  config.group_id = std::move(group);
  config.auto_offset_reset = OffsetReset::earliest;
  return config;
}

/// An application: polls for ever, notes what it gets.
struct Application final : RebalanceListener {
  Application(FakeMachine& machine, ConsumerConfig config) : consumer(machine.host(), std::move(config), this), scope(machine.host().scope.queue()) {}
  void run() { poll_loop(scope, Label("application"), *this); }
  static Root poll_loop(Scope&, Label, Application& app);
  static Root close_it(Scope&, Label, Application& app);
  void close() { close_it(scope, Label("close"), *this); }
  Task<void> revoking(Consumer&, std::vector<TopicPartition> partitions) override {
    events.push_back("revoked " + std::to_string(partitions.size()));
    co_return;
  }
  void lost(std::span<const TopicPartition> partitions) override { events.push_back("lost " + std::to_string(partitions.size())); }
  void assigned(std::span<const TopicPartition> partitions) override { events.push_back("assigned " + std::to_string(partitions.size())); }
  bool has_seen(const std::string& event) const { return std::find(events.begin(), events.end(), event) != events.end(); }

  std::vector<std::string> values;
  std::vector<Code> errors;
  std::vector<std::string> events;
  bool stop = false;
  bool stopped = false;
  bool closed = false;
  Consumer consumer;
  Scope scope;
};
Root Application::poll_loop(Scope&, Label, Application& app) {
  while (!app.stop) {
    const Result<Polled> polled = co_await app.consumer.poll(100);
    if (!polled) {
      app.errors.push_back(polled.error().code);
      continue;
    }
    for (const ConsumedRecord& record : *polled) app.values.push_back(std::string(record.value.value_or("null")));
  }
  app.stopped = true;
}
Root Application::close_it(Scope&, Label, Application& app) {
  app.stop = true;
  const Result<bool> closed = co_await app.consumer.close();
  app.closed = closed.has_value();
}

struct ConsumerTest : testing::Test {
  ConsumerTest() { cluster.create_topic("orders", 2); }
  /// One batch of these values.
  void store(std::int32_t partition, const Values& values, std::int32_t codec = 0) {
    FakeCluster::Log& log = cluster.log("orders", partition);
    BatchOptions options;
    options.base_offset = log.end;
    options.leader_epoch = log.epoch;
    options.codec = static_cast<Codec>(codec);
    BatchBuilder builder(options);
    for (const std::string& value : values) builder.add(WallMs(1000), std::nullopt, value);
    log.batches.push_back(builder.build());
    log.end = log.end + static_cast<std::int64_t>(values.size());
  }
  bool until_values(const Application& app, std::size_t count, std::int64_t limit_ms = 20'000) {
    return cluster.run_until([&] { return app.values.size() >= count; }, limit_ms);
  }
  const TopicPartition first{"orders", 0}, second{"orders", 1};
  FakeCluster cluster;
  FakeMachine machine{cluster, 1}, other_machine{cluster, 2};
};

TEST_F(ConsumerTest, an_assigned_partition_is_read_from_its_start_and_followed) {
  store(0, {"a", "b"});
  store(0, {"c"}, 4);
  Application app(machine, consumer_config());
  app.consumer.assign({first});
  app.run();
  ASSERT_TRUE(until_values(app, 3));
  store(0, {"d"});
  ASSERT_TRUE(until_values(app, 4, 600)) << "a long poll ends when there is data";
  EXPECT_EQ(app.values, (Values{"a", "b", "c", "d"}));
  EXPECT_EQ(app.consumer.position(first), Offset(4));
  EXPECT_EQ(app.consumer.lag(first), 0);
}

TEST_F(ConsumerTest, latest_skips_what_was_there_before) {
  store(0, {"a", "b"});
  ConsumerConfig config = consumer_config();
  config.auto_offset_reset = OffsetReset::latest;
  Application app(machine, config);
  app.consumer.assign({first});
  app.run();
  cluster.run_ms(1000);
  store(0, {"c"});
  ASSERT_TRUE(until_values(app, 1));
  EXPECT_EQ(app.values, (Values{"c"}));
}

TEST_F(ConsumerTest, polls_give_at_most_max_poll_records_and_nothing_twice) {
  Values many;
  for (int i = 0; i < 25; ++i) many.push_back(std::to_string(i));
  store(0, many);
  ConsumerConfig config = consumer_config();
  config.max_poll_records = 10;
  Application app(machine, config);
  app.consumer.assign({first});
  app.run();
  ASSERT_TRUE(until_values(app, 25));
  cluster.run_ms(1000);
  EXPECT_EQ(app.values, many);
}

TEST_F(ConsumerTest, control_batches_are_passed_unseen) {
  store(0, {"a"});
  cluster.append_control_batch("orders", 0);
  Application app(machine, consumer_config());
  app.consumer.assign({first});
  app.run();
  ASSERT_TRUE(until_values(app, 1));
  cluster.run_ms(1000);
  EXPECT_EQ(app.consumer.position(first), Offset(2));
  EXPECT_EQ(app.values, (Values{"a"}));
}

TEST_F(ConsumerTest, fetch_sessions_send_only_what_changed_and_survive_being_evicted) {
  store(0, {"a"});
  Application app(machine, consumer_config());
  app.consumer.assign({first});
  app.run();
  ASSERT_TRUE(until_values(app, 1));
  cluster.run_ms(2000);
  bool evicted = false;
  cluster.meddle = [&](std::int32_t, ApiKey api, const std::string&) {
    Meddling meddling;
    if (api == ApiKey::fetch && !evicted) {
      evicted = true;
      meddling.what = Meddling::lose_answer;  // with the connection goes the broker's memory of the session
    }
    return meddling;
  };
  ASSERT_TRUE(cluster.run_until([&] { return evicted; }));
  store(0, {"b"});
  ASSERT_TRUE(until_values(app, 2));
  EXPECT_EQ(app.values, (Values{"a", "b"}));
}

TEST_F(ConsumerTest, a_position_outside_the_log_is_reset_by_policy) {
  store(0, {"a", "b", "c"});
  Application app(machine, consumer_config());
  app.consumer.assign({first});
  app.consumer.seek(first, Offset(50));
  app.run();
  ASSERT_TRUE(until_values(app, 3));
  EXPECT_EQ(app.values, (Values{"a", "b", "c"}));
  EXPECT_TRUE(app.errors.empty());
}

TEST_F(ConsumerTest, without_a_policy_a_position_outside_the_log_is_an_error) {
  store(0, {"a"});
  ConsumerConfig config = consumer_config();
  config.auto_offset_reset = OffsetReset::none;
  Application app(machine, config);
  app.consumer.assign({first});
  app.consumer.seek(first, Offset(50));
  app.run();
  ASSERT_TRUE(cluster.run_until([&] { return !app.errors.empty(); }, 5'000));
  EXPECT_EQ(app.errors[0], Code::offset_out_of_range);
  EXPECT_EQ(app.consumer.position(first), Offset(50));
}

TEST_F(ConsumerTest, a_damaged_batch_is_refused_and_never_passed) {
  store(0, {"a"});
  store(0, {"bbbbbbbbbbbbbbbbbbbb"});
  store(0, {"c"});
  FakeCluster::Log& log = cluster.log("orders", 0);
  const Bytes good = log.batches[1];
  std::vector<std::uint8_t> bytes(good.size());
  good.copy_to(0, bytes);
  bytes[70] ^= 0x10;
  log.batches[1] = Bytes::copy_of(bytes);
  Application app(machine, consumer_config());
  app.consumer.assign({first});
  app.run();
  ASSERT_TRUE(cluster.run_until([&] { return !app.errors.empty(); }, 5'000));
  cluster.run_ms(1000);
  EXPECT_EQ(app.errors[0], Code::corrupt_message);
  EXPECT_EQ(app.values, (Values{"a"}));
  EXPECT_EQ(app.consumer.position(first), Offset(1));
  log.batches[1] = good;
  ASSERT_TRUE(until_values(app, 3));
  EXPECT_EQ(app.values, (Values{"a", "bbbbbbbbbbbbbbbbbbbb", "c"}));
}

TEST_F(ConsumerTest, a_new_leader_with_a_shorter_history_sets_the_position_back_to_where_it_diverged) {
  store(0, {"a", "b"});
  store(0, {"c", "d"});
  Application app(machine, consumer_config());
  app.consumer.assign({first});
  app.run();
  ASSERT_TRUE(until_values(app, 4));
  cluster.move_leader("orders", 0, NodeId(2), Offset(2));
  store(0, {"x", "y", "z"});
  ASSERT_TRUE(until_values(app, 7));
  EXPECT_EQ(app.values, (Values{"a", "b", "c", "d", "x", "y", "z"}));
}

TEST_F(ConsumerTest, paused_partitions_give_nothing_until_resumed) {
  store(0, {"a"});
  store(1, {"b"});
  Application app(machine, consumer_config());
  app.consumer.assign({first, second});
  app.consumer.pause(std::vector<TopicPartition>{first});
  app.run();
  ASSERT_TRUE(until_values(app, 1));
  cluster.run_ms(1000);
  EXPECT_EQ(app.values, (Values{"b"}));
  app.consumer.resume(std::vector<TopicPartition>{first});
  ASSERT_TRUE(until_values(app, 2));
}

TEST_F(ConsumerTest, a_new_member_is_given_an_id_first_then_joins_syncs_and_reads) {
  store(0, {"a"});
  store(1, {"b"});
  Application app(machine, consumer_config("g"));
  app.consumer.subscribe({"orders"});
  app.run();
  ASSERT_TRUE(until_values(app, 2));
  EXPECT_EQ(cluster.count(ApiKey::join_group), 2) << "MEMBER_ID_REQUIRED, then the join";
  EXPECT_EQ(cluster.count(ApiKey::sync_group), 1);
  EXPECT_EQ(app.consumer.generation(), 1);
  EXPECT_EQ(app.events, (Values{"assigned 2"}));
  cluster.run_ms(10'000);
  EXPECT_GE(cluster.count(ApiKey::heartbeat), 2);
  EXPECT_EQ(cluster.count(ApiKey::join_group), 2);
}

TEST_F(ConsumerTest, a_second_member_takes_half_and_gives_it_back_on_close) {
  Application one(machine, consumer_config("g")), two(other_machine, consumer_config("g"));
  one.consumer.subscribe({"orders"});
  two.consumer.subscribe({"orders"});
  one.run();
  ASSERT_TRUE(cluster.run_until([&] { return one.has_seen("assigned 2"); }));
  two.run();
  ASSERT_TRUE(cluster.run_until([&] { return two.has_seen("assigned 1"); }));
  EXPECT_EQ(one.events, (Values{"assigned 2", "revoked 2", "assigned 1"}));
  store(0, {"a"});
  store(1, {"b"});
  ASSERT_TRUE(cluster.run_until([&] { return one.values.size() + two.values.size() == 2; }));
  EXPECT_EQ(one.values.size(), 1u);
  two.close();
  ASSERT_TRUE(cluster.run_until([&] { return two.closed; }));
  ASSERT_TRUE(cluster.run_until([&] { return one.consumer.assignment().size() == 2; }));
  cluster.run_ms(2000);
  EXPECT_EQ(one.values.size() + two.values.size(), 2u) << "what was committed on close is not read again";
}

TEST_F(ConsumerTest, auto_commit_lets_a_successor_go_on_where_the_application_was) {
  store(0, {"a", "b"});
  {
    Application app(machine, consumer_config("g"));
    app.consumer.subscribe({"orders"});
    app.run();
    ASSERT_TRUE(until_values(app, 2));
    cluster.run_ms(6'000);
    EXPECT_EQ(cluster.count(ApiKey::offset_commit), 1);
  }  // dies without a word
  store(0, {"c"});
  Application next(other_machine, consumer_config("g"));
  next.consumer.subscribe({"orders"});
  next.run();
  ASSERT_TRUE(until_values(next, 1, 120'000)) << "after the session of the dead one";
  cluster.run_ms(1000);
  EXPECT_EQ(next.values, (Values{"c"}));
}

TEST_F(ConsumerTest, an_application_that_stops_polling_loses_its_partitions) {
  ConsumerConfig config = consumer_config("g");
  config.max_poll_interval_ms = 10'000;
  Application app(machine, config);
  app.consumer.subscribe({"orders"});
  app.run();
  ASSERT_TRUE(cluster.run_until([&] { return app.has_seen("assigned 2"); }));
  app.stop = true;
  cluster.run_ms(15'000);
  EXPECT_EQ(cluster.count(ApiKey::leave_group), 1);
  app.stop = false;
  app.run();
  ASSERT_TRUE(cluster.run_until([&] { return app.events.size() == 3; }));
  EXPECT_EQ(app.events, (Values{"assigned 2", "lost 2", "assigned 2"}));
}

TEST_F(ConsumerTest, a_static_member_comes_back_under_its_instance_id_without_a_rebalance) {
  ConsumerConfig config = consumer_config("g");
  config.group_instance_id = "i-1";
  {
    Application app(machine, config);
    app.consumer.subscribe({"orders"});
    app.run();
    ASSERT_TRUE(cluster.run_until([&] { return app.has_seen("assigned 2"); }));
    app.close();
    ASSERT_TRUE(cluster.run_until([&] { return app.closed; }));
    EXPECT_EQ(cluster.count(ApiKey::leave_group), 0);
  }
  Application again(machine, config);
  again.consumer.subscribe({"orders"});
  again.run();
  ASSERT_TRUE(cluster.run_until([&] { return again.has_seen("assigned 2"); }));
  EXPECT_EQ(again.consumer.generation(), 1);
}

TEST_F(ConsumerTest, a_cooperative_member_keeps_and_reads_what_stays_with_it) {
  ConsumerConfig config = consumer_config("g");
  config.partition_assignment_strategy = {Assignor::cooperative_sticky};
  Application one(machine, config), two(other_machine, config);
  one.consumer.subscribe({"orders"});
  two.consumer.subscribe({"orders"});
  one.run();
  ASSERT_TRUE(cluster.run_until([&] { return one.has_seen("assigned 2"); }));
  bool stored = false;
  cluster.meddle = [&](std::int32_t, ApiKey api, const std::string&) {
    if (api == ApiKey::sync_group && !stored) {
      stored = true;
      store(0, {"meanwhile 0"});
      store(1, {"meanwhile 1"});
    }
    return Meddling();
  };
  two.run();
  ASSERT_TRUE(cluster.run_until([&] { return two.has_seen("assigned 1"); }));
  cluster.run_ms(100);
  EXPECT_EQ(one.events, (Values{"assigned 2", "revoked 1", "assigned 0", "assigned 0"})) << "one partition goes, the other is not touched";
  EXPECT_EQ(two.events, (Values{"assigned 0", "assigned 1"})) << "it is handed over by a second rebalance";
  cluster.run_ms(2000);
  EXPECT_EQ(one.consumer.assignment().size(), 1u);
  EXPECT_EQ(one.values.size() + two.values.size(), 2u) << "what was read before the hand-over was committed";
}

TEST_F(ConsumerTest, a_cooperative_member_reads_on_while_its_join_waits) {
  ConsumerConfig config = consumer_config("g");
  config.partition_assignment_strategy = {Assignor::cooperative_sticky};
  Application one(machine, config), two(other_machine, config);
  one.consumer.subscribe({"orders"});
  two.consumer.subscribe({"orders"});
  one.run();
  two.run();
  ASSERT_TRUE(cluster.run_until([&] { return one.consumer.assignment().size() == 1 && two.consumer.assignment().size() == 1; }));
  two.stop = true;
  ASSERT_TRUE(cluster.run_until([&] { return two.stopped; }));
  // A third member makes the group rebalance; the second, which does not poll, keeps it waiting.
  FakeMachine third_machine(cluster, 3);
  Application three(third_machine, config);
  three.consumer.subscribe({"orders"});
  three.run();
  const int joins = cluster.count(ApiKey::join_group);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.count(ApiKey::join_group) >= joins + 3; }));
  store(one.consumer.assignment().at(0).partition, {"read on"});
  ASSERT_TRUE(until_values(one, 1, 2'000)) << "its join is not answered yet";
  EXPECT_TRUE(three.events.empty());
}

TEST_F(ConsumerTest, a_cooperative_member_that_was_forgotten_loses_everything_and_claims_nothing) {
  ConsumerConfig config = consumer_config("g");
  config.partition_assignment_strategy = {Assignor::cooperative_sticky};
  config.max_poll_interval_ms = 10'000;
  Application app(machine, config);
  app.consumer.subscribe({"orders"});
  app.run();
  ASSERT_TRUE(cluster.run_until([&] { return app.has_seen("assigned 2"); }));
  app.stop = true;
  cluster.run_ms(15'000);
  app.stop = false;
  app.run();
  ASSERT_TRUE(cluster.run_until([&] { return app.events.size() == 3; }));
  EXPECT_EQ(app.events, (Values{"assigned 2", "lost 2", "assigned 2"}));
}

TEST_F(ConsumerTest, a_static_leader_that_comes_back_assigns_nothing_and_watches_its_topics) {
  ConsumerConfig config = consumer_config("g");
  config.group_instance_id = "i-1";
  {
    Application app(machine, config);
    app.consumer.subscribe({"orders"});
    app.run();
    ASSERT_TRUE(cluster.run_until([&] { return app.has_seen("assigned 2"); }));
  }
  Application again(machine, config);
  again.consumer.subscribe({"orders"});
  again.run();
  ASSERT_TRUE(cluster.run_until([&] { return again.has_seen("assigned 2"); }));
  cluster.run_ms(10'000);
  EXPECT_EQ(again.events, (Values{"assigned 2"}));
  EXPECT_EQ(again.consumer.generation(), 1);
}

TEST_F(ConsumerTest, destroying_the_consumer_at_any_moment_leaves_nothing_behind) {
  store(0, {"a"});
  for (std::int64_t ms = 0; ms < 40; ++ms) {
    Application app(machine, consumer_config("g" + std::to_string(ms)));
    app.consumer.subscribe({"orders"});
    app.run();
    cluster.run_ms(ms < 20 ? ms : 3'000 + ms);
  }
}

}  // namespace
}  // namespace harrow::test
