// core/client/admin.cpp against real nodes: every call does what it says, and retries what may be retried.
#include <gtest/gtest.h>

#include "core/client/admin.h"
#include "core/client/producer.h"
#include "core/node/rpc.h"
#include "core/wire/api_versions_request.h"
#include "core/wire/api_versions_response.h"
#include "core/wire/create_topics_request.h"
#include "core/wire/create_topics_response.h"
#include "sim/cluster/cluster.h"

namespace harrow::sim {
namespace {

class AdminTest : public ::testing::Test {
 protected:
  AdminTest() : cluster(kernel, plan(), 5), machine(cluster.add_client("operator", "a")) {
    cluster.start();
    kernel.run_until(10 * ns_per_s);
    machine.start([this](SimHost& host) {
      ClientConfig config;
      config.client_id = "operator";
      config.bootstrap_servers = cluster.bootstrap();
      admin = std::make_unique<Admin>(host.host(), config);
    });
  }
  ~AdminTest() override {
    cluster.fabric().crash(machine.index(), CrashMode::reset);
    machine.host()->scope().destroy_all();
    admin.reset();
    machine.kill();
  }
  static ClusterPlan plan() {
    ClusterPlan plan;
    plan.controllers.racks = plan.brokers.racks = {"a", "b", "c"};
    for (ConfigMap* config : {&plan.controllers.config, &plan.brokers.config}) (*config)["default.replication.factor"] = "3";
    return plan;
  }
  template <class T>
  static Root wait(Scope&, Label, Task<Result<T>> task, std::optional<Result<T>>& answer) {
    Result<T> got = co_await task;
    answer = std::move(got);
  }
  /// Runs until the call is answered; `start` makes the task on the operator's machine.
  template <class Start>
  auto answer(Start start, std::int64_t limit_s = 90) {
    using R = decltype(start().take());
    using T = typename R::value_type;
    std::optional<Result<T>> got;
    machine.host()->enter([&] { wait<T>(machine.host()->scope(), Label("call"), start(), got); });
    const std::int64_t limit_ns = kernel.now_ns() + limit_s * ns_per_s;
    while (!got && kernel.now_ns() < limit_ns) kernel.run_until(kernel.now_ns() + 10 * ns_per_ms);
    EXPECT_TRUE(got.has_value()) << "no answer";
    return got.value_or(Result<T>(error(Code::request_timed_out)));
  }
  static NewTopic orders(std::int32_t partitions = 2) {
    NewTopic topic;
    topic.name = "orders";
    topic.partitions = partitions;
    topic.replication_factor = 3;
    return topic;
  }
  /// So many records, one after the other.
  static Task<Result<bool>> write(Host& host, ClientConfig client, std::string topic, int count) {
    ProducerConfig config;
    static_cast<ClientConfig&>(config) = std::move(client);
    Producer producer(host, config, nullptr);
    ProducerRecord record;
    record.topic = producer.topic(topic);
    record.value = "a value";
    for (int i = 0; i < count; ++i) {
      Task<Delivery> sending = producer.send_and_wait(record);
      const Delivery delivery = co_await sending;
      if (delivery.fate != Fate::acked) co_return error(delivery.code);
    }
    co_return true;
  }
  ClientConfig client_config() const {
    ClientConfig config;
    config.client_id = "operator";
    config.bootstrap_servers = cluster.bootstrap();
    return config;
  }
  Code create(NewTopic topic, bool validate_only = false) {
    const auto made = answer([&] { return admin->create_topics({topic}, validate_only); });
    if (!made) return made.error().code;
    EXPECT_EQ(made->size(), 1u);
    kernel.run_until(kernel.now_ns() + ns_per_s);
    return made->at(0).code;
  }

  Kernel kernel;
  Cluster cluster;
  Machine& machine;
  std::unique_ptr<Admin> admin;
};

TEST_F(AdminTest, creates_describes_and_deletes_topics) {
  EXPECT_EQ(create(orders(), true), Code::none);
  EXPECT_EQ(cluster.topic("orders"), nullptr) << "only validated";
  EXPECT_EQ(create(orders()), Code::none);
  EXPECT_EQ(create(orders()), Code::topic_already_exists);
  NewTopic placed;
  placed.name = "placed";
  placed.assignment[0] = {NodeId(3), NodeId(1)};
  EXPECT_EQ(create(placed), Code::none);
  NewTopic too_wide = orders();
  too_wide.name = "wide";
  too_wide.replication_factor = 4;
  EXPECT_EQ(create(too_wide), Code::invalid_replication_factor);

  const auto described = answer([&] { return admin->describe_topics(std::vector<std::string>{"orders", "placed", "missing"}); });
  ASSERT_TRUE(described);
  std::map<std::string, DescribedTopic> topics;
  for (const DescribedTopic& topic : *described) topics[topic.name] = topic;
  EXPECT_EQ(topics["orders"].partitions.size(), 2u);
  EXPECT_EQ(topics["orders"].partitions[0].isr.size(), 3u);
  EXPECT_EQ(topics["placed"].partitions.at(0).replicas, (std::vector<NodeId>{NodeId(3), NodeId(1)}));
  EXPECT_EQ(topics["missing"].code, Code::unknown_topic_or_partition);

  const auto deleted = answer([&] { return admin->delete_topics({"orders", "missing"}); });
  ASSERT_TRUE(deleted);
  std::map<std::string, Code> codes;
  for (const NamedOutcome& outcome : *deleted) codes[outcome.name] = outcome.code;
  EXPECT_EQ(codes["orders"], Code::none);
  EXPECT_EQ(codes["missing"], Code::unknown_topic_or_partition);
  EXPECT_EQ(cluster.topic("orders"), nullptr);
}

TEST_F(AdminTest, raises_partitions_and_never_lowers_them) {
  ASSERT_EQ(create(orders()), Code::none);
  const auto more = answer([&] { return admin->create_partitions("orders", 5); });
  ASSERT_TRUE(more);
  EXPECT_EQ(more->code, Code::none);
  kernel.run_until(kernel.now_ns() + ns_per_s);
  EXPECT_EQ(cluster.topic("orders")->partitions.size(), 5u);
  const auto fewer = answer([&] { return admin->create_partitions("orders", 3); });
  ASSERT_TRUE(fewer);
  EXPECT_EQ(fewer->code, Code::invalid_partitions);
}

TEST_F(AdminTest, describes_the_cluster) {
  const auto described = answer([&] { return admin->describe_cluster(); });
  ASSERT_TRUE(described);
  EXPECT_EQ(described->brokers.size(), 3u);
  for (const DescribedBroker& broker : described->brokers) EXPECT_EQ(broker.rack, std::string(1, static_cast<char>('a' + broker.id.value() - 1)));
  EXPECT_FALSE(described->cluster_id.empty());
}

TEST_F(AdminTest, changes_and_shows_configurations) {
  ASSERT_EQ(create(orders()), Code::none);
  const auto set = answer([&] { return admin->alter_configs(ConfigResource::topic, "orders", {{"retention.ms", ConfigOperation::set, "60000"}}); });
  ASSERT_TRUE(set);
  EXPECT_EQ(set->code, Code::none);
  const auto retention = [&]() -> ConfigEntry {
    kernel.run_until(kernel.now_ns() + ns_per_s);
    const auto shown = answer([&] { return admin->describe_configs(ConfigResource::topic, "orders"); });
    EXPECT_TRUE(shown);
    for (const ConfigEntry& entry : shown.value_or(std::vector<ConfigEntry>()))
      if (entry.name == "retention.ms") return entry;
    ADD_FAILURE() << "retention.ms is not shown";
    return {};
  };
  const ConfigEntry own = retention();
  EXPECT_EQ(own.value, "60000");
  ASSERT_TRUE(answer([&] { return admin->alter_configs(ConfigResource::topic, "orders", {{"retention.ms", ConfigOperation::remove, ""}}); }));
  const ConfigEntry inherited = retention();
  EXPECT_EQ(inherited.value, "604800000");
  EXPECT_NE(inherited.source, own.source);
  const auto wrong = answer([&] { return admin->alter_configs(ConfigResource::topic, "orders", {{"retention.ms", ConfigOperation::set, "soon"}}); });
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->code, Code::invalid_config);
}

TEST_F(AdminTest, brokers_take_dynamic_configurations_at_once_and_show_where_a_value_comes_from) {
  ASSERT_EQ(create(orders()), Code::none);
  const auto set = [&](const std::string& broker, const std::string& key, const std::string& value) {
    const auto outcome = answer([&] { return admin->alter_configs(ConfigResource::broker, broker, {{key, value.empty() ? ConfigOperation::remove : ConfigOperation::set, value}}); });
    kernel.run_until(kernel.now_ns() + ns_per_s);
    EXPECT_TRUE(outcome);
    return outcome.value_or(NamedOutcome());
  };
  const auto shown = [&](ConfigResource resource, const std::string& name, const std::string& key) -> ConfigEntry {
    const auto entries = answer([&] { return admin->describe_configs(resource, name); });
    EXPECT_TRUE(entries);
    for (const ConfigEntry& entry : entries.value_or(std::vector<ConfigEntry>()))
      if (entry.name == key) return entry;
    return {};
  };
  const auto retention_of = [&](std::int32_t broker) {
    const controller::TopicImage* const topic = cluster.topic("orders");
    for (std::int32_t i = 0; i < 2; ++i)
      if (const Partition* const replica = cluster.replica(NodeId(broker), TopicIdPartition{topic->id, i})) return replica->log().config().retention_ms;
    return std::int64_t{0};
  };
  const auto source = [](ConfigSource wanted) { return static_cast<std::int8_t>(wanted); };
  EXPECT_EQ(set("", "log.retention.ms", "5000").code, Code::none);
  for (std::int32_t broker = 1; broker <= 3; ++broker) EXPECT_EQ(retention_of(broker), 5000) << broker;
  EXPECT_EQ(shown(ConfigResource::topic, "orders", "retention.ms").source, source(ConfigSource::dynamic_default));
  EXPECT_EQ(shown(ConfigResource::broker, "", "log.retention.ms").value, "5000");
  EXPECT_EQ(set("2", "log.retention.ms", "7000").code, Code::none);
  EXPECT_EQ(retention_of(1), 5000);
  EXPECT_EQ(retention_of(2), 7000) << "its own value is stronger than everybody's";
  const ConfigEntry own = shown(ConfigResource::broker, "2", "log.retention.ms");
  EXPECT_EQ(own.value, "7000");
  EXPECT_EQ(own.source, source(ConfigSource::dynamic_broker));
  const auto topic_set = answer([&] { return admin->alter_configs(ConfigResource::topic, "orders", {{"retention.ms", ConfigOperation::set, "9000"}}); });
  ASSERT_TRUE(topic_set);
  EXPECT_EQ(set("", "log.retention.ms", "6000").code, Code::none);
  EXPECT_EQ(retention_of(1), 9000) << "a topic's own value outlives a change of the default";
  EXPECT_EQ(retention_of(2), 9000);
  EXPECT_EQ(set("2", "log.retention.ms", "").code, Code::none);
  EXPECT_EQ(shown(ConfigResource::broker, "2", "log.retention.ms").value, "6000");

  const NamedOutcome read_only = set("2", "num.partitions", "5");
  EXPECT_EQ(read_only.code, Code::invalid_request);
  EXPECT_EQ(read_only.message, "Cannot update these configs dynamically: Set(num.partitions)");
  EXPECT_TRUE(shown(ConfigResource::broker, "2", "num.partitions").read_only);
  const NamedOutcome wrong = set("", "log.retention.ms", "soon");
  EXPECT_EQ(wrong.code, Code::invalid_request);
  EXPECT_EQ(wrong.message, "Invalid value soon for configuration log.retention.ms: Not a number of type LONG");
  EXPECT_EQ(set("", "log.retention.mss", "1").code, Code::invalid_config);
  EXPECT_EQ(set("1", "num.io.threads", "100").message, "Dynamic thread count update validation failed for num.io.threads=100, value should not be greater than double the current value 8");
  EXPECT_EQ(set("1", "num.io.threads", "16").code, Code::none);
  EXPECT_EQ(shown(ConfigResource::broker, "1", "num.io.threads").value, "16");

  // What a broker was told survives it.
  EXPECT_EQ(set("3", "log.retention.ms", "8000").code, Code::none);
  const auto removed = answer([&] { return admin->alter_configs(ConfigResource::topic, "orders", {{"retention.ms", ConfigOperation::remove, ""}}); });
  ASSERT_TRUE(removed);
  cluster.kill(NodeId(3));
  cluster.restart(NodeId(3));
  kernel.run_until(kernel.now_ns() + 20 * ns_per_s);
  EXPECT_EQ(retention_of(3), 8000);
  EXPECT_EQ(retention_of(1), 6000);
}

TEST_F(AdminTest, lists_offsets_and_deletes_records_of_an_empty_log) {
  ASSERT_EQ(create(orders(1)), Code::none);
  const TopicPartition id{"orders", 0};
  const auto latest = answer([&] { return admin->list_offsets({id}, list_latest); });
  ASSERT_TRUE(latest);
  EXPECT_EQ(latest->at(id).code, Code::none);
  EXPECT_EQ(latest->at(id).offset, Offset(0));
  const auto none_there = answer([&] { return admin->delete_records({{id, Offset(5)}}); });
  ASSERT_FALSE(none_there);
  EXPECT_EQ(none_there.error().code, Code::offset_out_of_range);
  const auto all = answer([&] { return admin->delete_records({{id, Offset(-1)}}); });
  ASSERT_TRUE(all);
  EXPECT_EQ(all->at(id), Offset(0));
}

TEST_F(AdminTest, deletes_records_although_nobody_writes_any_more) {
  ASSERT_EQ(create(orders(1)), Code::none);
  const TopicPartition id{"orders", 0};
  ASSERT_TRUE(answer([&] { return write(machine.host()->host(), client_config(), "orders", 5); }));
  kernel.run_until(kernel.now_ns() + 5 * ns_per_s);  // followers have nothing to ask for
  const auto deleted = answer([&] { return admin->delete_records({{id, Offset(3)}}); }, 5);
  ASSERT_TRUE(deleted);
  EXPECT_EQ(deleted->at(id), Offset(3));
}

TEST_F(AdminTest, elects_preferred_leaders) {
  ASSERT_EQ(create(orders(1)), Code::none);
  const TopicPartition id{"orders", 0};
  const NodeId preferred = cluster.leader_of("orders", 0);
  const auto none_needed = answer([&] { return admin->elect_leaders(false, std::vector<TopicPartition>{id}); });
  ASSERT_TRUE(none_needed);
  EXPECT_EQ(none_needed->at(id), Code::election_not_needed);
  cluster.kill(preferred);
  kernel.run_until(kernel.now_ns() + 15 * ns_per_s);
  ASSERT_NE(cluster.leader_of("orders", 0), preferred);
  cluster.restart(preferred);
  kernel.run_until(kernel.now_ns() + 20 * ns_per_s);
  ASSERT_EQ(cluster.partition("orders", 0)->isr.size(), 3u);
  ASSERT_NE(cluster.leader_of("orders", 0), preferred);
  const auto elected = answer([&] { return admin->elect_leaders(false, std::vector<TopicPartition>{id}); });
  ASSERT_TRUE(elected);
  EXPECT_EQ(elected->at(id), Code::none);
  EXPECT_EQ(cluster.leader_of("orders", 0), preferred);
}

TEST_F(AdminTest, groups_that_do_not_exist_are_no_error_to_list_and_dead_to_describe) {
  const auto listed = answer([&] { return admin->list_groups(); });
  ASSERT_TRUE(listed);
  EXPECT_TRUE(listed->empty());
  const auto described = answer([&] { return admin->describe_group("nobody"); });
  ASSERT_TRUE(described);
  EXPECT_TRUE(described->code == Code::group_id_not_found || described->state == "Dead") << static_cast<int>(described->code) << " " << described->state;
}

TEST_F(AdminTest, a_call_survives_the_loss_of_the_active_controller) {
  cluster.kill(cluster.active_controller());
  EXPECT_EQ(create(orders()), Code::none) << "it is repeated until another controller is active";
  EXPECT_NE(cluster.topic("orders"), nullptr);
}

TEST_F(AdminTest, a_broker_relays_until_there_is_an_active_controller_again) {
  RpcChannel channel(machine.host()->host(), "one try", 30'000);
  channel.set_endpoint(cluster.bootstrap().front());
  cluster.kill(cluster.active_controller());
  wire::CreateTopicsRequest request;
  request.topics.emplace_back().name = "orders";
  request.topics.back().num_partitions = 1;
  request.topics.back().replication_factor = 3;
  const auto made = answer([&] { return channel.call<wire::CreateTopicsResponse>(wire::ApiKey::create_topics, wire::CreateTopicsRequest::max_version, request); });
  ASSERT_TRUE(made);
  EXPECT_EQ(made->topics.at(0).error_code, 0) << "a client never hears NOT_CONTROLLER of a broker";
  channel.disconnect();
}

TEST_F(AdminTest, client_software_is_named_in_letters_digits_dots_and_dashes) {
  RpcChannel channel(machine.host()->host(), "one try", 30'000);
  channel.set_endpoint(cluster.bootstrap().front());
  const auto code = [&](const char* name, const char* version) {
    wire::ApiVersionsRequest request;
    request.client_software_name = name;
    request.client_software_version = version;
    const auto said = answer([&] { return channel.call<wire::ApiVersionsResponse>(wire::ApiKey::api_versions, 4, request); });
    return said ? static_cast<Code>(said->error_code) : Code::network_exception;
  };
  EXPECT_EQ(code("apache-kafka-java", "4.3.1"), Code::none);
  EXPECT_EQ(code("a", "1"), Code::none);
  EXPECT_EQ(code("", "1"), Code::invalid_request);
  EXPECT_EQ(code("name", "-1"), Code::invalid_request);
  EXPECT_EQ(code("two words", "1"), Code::invalid_request);
  channel.disconnect();
}

TEST_F(AdminTest, a_call_survives_the_loss_of_the_broker_that_it_talks_to) {
  ASSERT_EQ(create(orders()), Code::none);
  for (int id = 1; id <= 2; ++id) cluster.kill(NodeId(id));
  const auto described = answer([&] { return admin->describe_topics(std::vector<std::string>{"orders"}); });
  ASSERT_TRUE(described);
  EXPECT_EQ(described->at(0).partitions.size(), 2u);
}

TEST_F(AdminTest, a_call_that_nobody_answers_ends_with_its_time) {
  for (int id = 1; id <= 3; ++id) cluster.kill(NodeId(id));
  const auto described = answer([&] { return admin->describe_topics(std::vector<std::string>{"orders"}); }, 120);
  EXPECT_FALSE(described);
}

}  // namespace
}  // namespace harrow::sim
