// Requests whose answers the text scripts do not show.
#include "core/wire/controller_registration_request.h"
#include "core/wire/controller_registration_response.h"
#include "core/wire/list_partition_reassignments_request.h"
#include "core/wire/list_partition_reassignments_response.h"
#include "tests/unit/controller/cluster.h"

namespace harrow::controller {
namespace {

Code code_of(std::int16_t number) { return static_cast<Code>(number); }

TEST(DeleteTopics, GoesByNameOrById) {
  Cluster c;
  c.start(1);
  c.create("a", 1, 1);
  c.create("b", 1, 1);
  wire::DeleteTopicsRequest request;
  request.topics.emplace_back().name = "a";
  request.topics.emplace_back().topic_id = c.image().topic("b")->id;
  request.topics.emplace_back().topic_id = c.image().topic("a")->id;
  request.topics.emplace_back().topic_id = Uuid{3, 4};
  request.topics.emplace_back().name = "c";
  auto& both = request.topics.emplace_back();
  both.name = "a";
  both.topic_id = c.image().topic("a")->id;
  const auto r = c.append(c.controller.delete_topics(request)).responses;
  EXPECT_EQ(code_of(r[0].error_code), Code::none);
  EXPECT_EQ(code_of(r[1].error_code), Code::none);
  EXPECT_EQ(r[1].name, "b");
  EXPECT_EQ(code_of(r[2].error_code), Code::invalid_request) << "the same topic by its other handle";
  EXPECT_EQ(code_of(r[3].error_code), Code::unknown_topic_id);
  EXPECT_EQ(code_of(r[4].error_code), Code::unknown_topic_or_partition);
  EXPECT_EQ(code_of(r[5].error_code), Code::invalid_request);
  EXPECT_TRUE(c.image().topics().empty());
}

TEST(CreateTopics, GivesARecreatedTopicANewId) {
  Cluster c;
  c.start(1);
  c.create("a", 1, 1);
  const Uuid first = c.image().topic("a")->id;
  c.remove("a");
  c.create("a", 1, 1);
  EXPECT_NE(c.image().topic("a")->id, first);
}

TEST(CreateTopics, ShowsTheEffectiveConfiguration) {
  Cluster c;
  c.start(1);
  wire::CreateTopicsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = "a";
  topic.num_partitions = -1;
  topic.replication_factor = -1;
  auto& config = topic.configs.emplace_back();
  config.name = "retention.ms";
  config.value = "5";
  const auto answer = c.append(c.controller.create_topics(request)).topics.front();
  EXPECT_EQ(answer.num_partitions, 1);
  EXPECT_EQ(answer.replication_factor, 1);
  ASSERT_TRUE(answer.configs.has_value());
  int seen = 0;
  for (const auto& shown : *answer.configs) {
    if (shown.name == "retention.ms") {
      EXPECT_EQ(shown.value, "5");
      EXPECT_EQ(shown.config_source, 1);
      ++seen;
    }
    if (shown.name == "cleanup.policy") {
      EXPECT_EQ(shown.value, "delete");
      EXPECT_EQ(shown.config_source, 5);
      ++seen;
    }
  }
  EXPECT_EQ(seen, 2);
}

TEST(AlterConfigs, ReplacesEverythingThatWasSet) {
  Cluster c;
  c.start(1);
  c.create("a", 1, 1);
  c.set_config(ConfigResourceType::topic, "a", "retention.ms", "5");
  wire::AlterConfigsRequest request;
  auto& resource = request.resources.emplace_back();
  resource.resource_type = 2;
  resource.resource_name = "a";
  auto& config = resource.configs.emplace_back();
  config.name = "segment.ms";
  config.value = "7";
  EXPECT_EQ(c.append(c.controller.alter_configs(request)).responses.front().error_code, 0);
  EXPECT_EQ(c.image().config(ConfigResourceType::topic, "a"), (ConfigMap{{"segment.ms", "7"}}));
}

TEST(AlterConfigs, SeesTheOtherResourcesOfTheRequestWhenTheMinimumMoves) {
  Cluster c(true, 2);
  for (int id = 1; id <= 3; ++id) c.start(id);
  c.create("a", {{1, 2, 3}});
  c.set_config(ConfigResourceType::topic, "a", "min.insync.replicas", "3");
  c.alter(c.proposal("a", 0, {1}));
  EXPECT_EQ(c.partition("a").elr, nodes({2, 3}));
  wire::IncrementalAlterConfigsRequest request;
  for (const bool cluster : {false, true}) {
    auto& resource = request.resources.emplace_back();
    resource.resource_type = cluster ? 4 : 2;
    resource.resource_name = cluster ? "" : "a";
    auto& config = resource.configs.emplace_back();
    config.name = "min.insync.replicas";
    config.config_operation = cluster ? 0 : 1;
    if (cluster) config.value = "1";
    else config.value.reset();
  }
  c.append(c.controller.incremental_alter_configs(request));
  EXPECT_TRUE(c.partition("a").elr.empty());
  EXPECT_EQ(c.controller.state().min_isr("a"), 1);
}

TEST(BrokerRegistration, IsRefusedToStrangers) {
  Cluster c;
  wire::BrokerRegistrationRequest request;
  request.broker_id = 1;
  request.cluster_id = "another";
  request.incarnation_id = Uuid{1, 1};
  request.listeners.emplace_back();
  const auto answer = [&] { return code_of(c.controller.register_broker(request, c.next_offset(), c.now).response.error_code); };
  EXPECT_EQ(answer(), Code::inconsistent_cluster_id);
  request.cluster_id = "harrow";
  auto& feature = request.features.emplace_back();
  feature.name = "metadata.version";
  feature.min_supported_version = 7;
  feature.max_supported_version = 20;
  EXPECT_EQ(answer(), Code::unsupported_version);
  feature.max_supported_version = 29;
  EXPECT_EQ(answer(), Code::none);
  request.listeners.clear();
  EXPECT_EQ(answer(), Code::invalid_registration);
}

TEST(BrokerRegistration, WaitsForTheSessionOfACrashedIncarnation) {
  Cluster c;
  c.start(1);
  c.start(2);
  EXPECT_EQ(c.register_broker(2, "", 1), Code::duplicate_broker_registration);
  c.now = after_ms(c.now, 9'001);
  EXPECT_EQ(c.register_broker(2, "", 1), Code::none) << "even before the fencing task ran";
}

TEST(BrokerHeartbeat, OfAnOlderIncarnationIsRefused) {
  Cluster c;
  c.start(1);
  wire::BrokerHeartbeatRequest request;
  request.broker_id = 1;
  request.broker_epoch = c.image().broker(NodeId(1))->epoch.value() - 1;
  EXPECT_EQ(code_of(c.controller.broker_heartbeat(request, c.now).response.error_code), Code::stale_broker_epoch);
}

TEST(ElectLeaders, OfAllPartitionsAnswersOnlyThoseThatNeededOne) {
  Cluster c;
  c.start(1);
  c.start(2);
  c.create("a", {{1, 2}, {1, 2}});
  c.append(c.controller.move_leader({c.image().topic("a")->id, 1}, NodeId(2)));
  wire::ElectLeadersRequest request;
  request.topic_partitions.reset();
  const auto response = c.append(c.controller.elect_leaders(request));
  ASSERT_EQ(response.replica_election_results.size(), 1U);
  ASSERT_EQ(response.replica_election_results[0].partition_result.size(), 1U);
  EXPECT_EQ(response.replica_election_results[0].partition_result[0].partition_id, 1);
  EXPECT_EQ(c.partition("a", 1).leader, NodeId(1));
}

TEST(Reassignments, AreListedWhileTheyLast) {
  Cluster c;
  for (int id = 1; id <= 3; ++id) c.start(id);
  c.create("a", {{1}, {2}});
  c.reassign("a", 1, std::vector<std::int32_t>{3});
  const wire::ListPartitionReassignmentsRequest request;
  const auto response = c.append(c.controller.list_partition_reassignments(request));
  ASSERT_EQ(response.topics.size(), 1U);
  ASSERT_EQ(response.topics[0].partitions.size(), 1U);
  EXPECT_EQ(response.topics[0].partitions[0].adding_replicas, std::vector<std::int32_t>{3});
  EXPECT_EQ(response.topics[0].partitions[0].removing_replicas, std::vector<std::int32_t>{2});
}

TEST(ControllerRegistration, IsWrittenOncePerIncarnation) {
  Cluster c;
  wire::ControllerRegistrationRequest request;
  request.controller_id = 100;
  request.incarnation_id = Uuid{1, 1};
  EXPECT_EQ(c.controller.register_controller(request).records.size(), 1U);
  c.append(c.controller.register_controller(request));
  EXPECT_TRUE(c.controller.register_controller(request).records.empty());
  request.incarnation_id = Uuid{1, 2};
  EXPECT_EQ(c.controller.register_controller(request).records.size(), 1U);
}

TEST(UpdateFeatures, TurningEligibleReplicasOnMovesTheMinimumToTheCluster) {
  Cluster c(false, 2);
  c.start(1);
  c.set_config(ConfigResourceType::broker, "1", "min.insync.replicas", "3");
  wire::UpdateFeaturesRequest request;
  auto& update = request.feature_updates.emplace_back();
  update.feature = "eligible.leader.replicas.version";
  update.max_version_level = 1;
  EXPECT_EQ(c.append(c.controller.update_features(request)).error_code, 0);
  EXPECT_TRUE(c.controller.state().elr_enabled());
  EXPECT_EQ(c.image().config(ConfigResourceType::broker, "").at("min.insync.replicas"), "2");
  EXPECT_TRUE(c.image().config(ConfigResourceType::broker, "1").empty());
}

TEST(Delta, MergesWhatLaterBatchesChanged) {
  Cluster c;
  c.start(1);
  c.create("old", 1, 1);
  const Image before = c.image();
  const std::size_t from = c.log.size();
  c.create("brief", 2, 1);
  c.create("new", 1, 1);
  c.remove("brief");
  c.remove("old");
  Image image = before;
  Delta merged;
  for (std::size_t i = from; i < c.log.size(); ++i) {
    Delta one;
    ASSERT_TRUE(image.replay(c.log[i], Offset(static_cast<std::int64_t>(i)), &one).has_value());
    merged.merge(one);
  }
  const Delta expected = difference(before, c.image());
  EXPECT_EQ(merged.created_topics, expected.created_topics);
  EXPECT_EQ(merged.partitions, expected.partitions);
  ASSERT_EQ(merged.removed_topics.size(), 1U);
  EXPECT_EQ(merged.removed_topics.begin()->second.name, "old");
}

}  // namespace
}  // namespace harrow::controller
