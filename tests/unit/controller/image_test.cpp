#include "tests/unit/controller/cluster.h"

namespace harrow::controller {
namespace {

Cluster small_cluster() {
  Cluster c(true, 2);
  c.start(1, "a");
  c.start(2, "b");
  c.start(3, "c");
  c.create("orders", 3, 3);
  c.set_config(ConfigResourceType::topic, "orders", "retention.ms", "1000");
  return c;
}

Image replayed(const std::vector<wire::MetadataRecord>& log) {
  Image image;
  Offset offset{0};
  for (const wire::MetadataRecord& record : log) {
    EXPECT_TRUE(image.replay(record, offset).has_value());
    ++offset;
  }
  return image;
}

TEST(Image, IsTheSameForWhoeverReplaysTheSameRecords) {
  const Cluster c = small_cluster();
  const Image other = replayed(c.log);
  EXPECT_EQ(other, c.image());
  EXPECT_EQ(other.hash(), c.image().hash());
  EXPECT_EQ(other.offset(), c.image().offset());
}

TEST(Image, HashTellsAnyContentApart) {
  Cluster c = small_cluster();
  std::set<std::uint64_t> hashes;
  Image image;
  Offset offset{0};
  hashes.insert(image.hash());
  for (const wire::MetadataRecord& record : c.log) {
    ASSERT_TRUE(image.replay(record, offset).has_value());
    ++offset;
    hashes.insert(image.hash());
  }
  EXPECT_EQ(hashes.size(), c.log.size() + 1);
}

TEST(Image, SurvivesItsSnapshot) {
  Cluster c = small_cluster();
  c.advance(9'001, 3);
  c.advance(9'001, 2);
  c.advance(9'001, 1);
  const Result<Image> again = image_of(snapshot_of(c.image()), c.image().offset());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(*again, c.image());
  EXPECT_EQ(again->hash(), c.image().hash());
  EXPECT_EQ(again->offset(), c.image().offset());
}

TEST(Image, RefusesForeignRecordsAndStaysAsItWas) {
  const Cluster c = small_cluster();
  Image image = c.image();
  const auto refused = [&](wire::MetadataRecord record) {
    EXPECT_FALSE(image.replay(record, image.offset() + 1).has_value());
    EXPECT_EQ(image, c.image());
    EXPECT_EQ(image.offset(), c.image().offset());
  };
  wire::PartitionChangeRecord change;
  change.topic_id = Uuid{1, 2};
  change.partition_id = 0;
  refused(change);
  wire::RemoveTopicRecord removal;
  removal.topic_id = Uuid{1, 2};
  refused(removal);
  wire::UnregisterBrokerRecord gone;
  gone.broker_id = 1;
  gone.broker_epoch = 12345;
  refused(gone);
  wire::TopicRecord twice;
  twice.name = "orders";
  twice.topic_id = Uuid{5, 5};
  refused(twice);
  wire::PartitionRecord gap;
  gap.topic_id = c.image().topic("orders")->id;
  gap.partition_id = 7;
  refused(gap);
  EXPECT_FALSE(image.replay(wire::NoOpRecord{}, image.offset()).has_value()) << "a record twice";
}

TEST(Image, FindsConfigsOfATopicBeforeTheClusterDefault) {
  Cluster c = small_cluster();
  EXPECT_EQ(*c.image().topic_config("orders", "min.insync.replicas"), "2");
  c.set_config(ConfigResourceType::topic, "orders", "min.insync.replicas", "3");
  EXPECT_EQ(*c.image().topic_config("orders", "min.insync.replicas"), "3");
  EXPECT_EQ(c.image().topic_config("orders", "flush.ms"), nullptr);
}

TEST(Delta, NamesWhatABatchChangedInIdOrder) {
  Cluster c = small_cluster();
  Image image = c.image();
  const std::size_t before = c.log.size();
  c.create("payments", 2, 1);
  c.advance(9'001, 1);
  c.remove("orders");
  Delta delta;
  for (std::size_t i = before; i < c.log.size(); ++i) {
    ASSERT_TRUE(image.replay(c.log[i], Offset(static_cast<std::int64_t>(i)), &delta).has_value());
  }
  const Uuid payments = c.image().topic("payments")->id;
  EXPECT_EQ(delta.created_topics, std::set<Uuid>{payments});
  EXPECT_EQ(delta.partitions, (std::set<TopicIdPartition>{{payments, 0}, {payments, 1}}));
  ASSERT_EQ(delta.removed_topics.size(), 1U);
  EXPECT_EQ(delta.removed_topics.begin()->second.name, "orders");
  EXPECT_EQ(delta.removed_topics.begin()->second.partitions, 3);
  EXPECT_EQ(delta.brokers, std::set<NodeId>{NodeId(1)});
  EXPECT_EQ(delta.configs.size(), 1U);
}

TEST(Delta, OfTwoImagesNamesTheSameAsTheRecordsBetweenThem) {
  Cluster c = small_cluster();
  const Image from = c.image();
  c.create("payments", 2, 1);
  c.advance(9'001, 1);
  c.remove("orders");
  const Delta delta = difference(from, c.image());
  EXPECT_EQ(delta.created_topics.size(), 1U);
  EXPECT_EQ(delta.partitions.size(), 2U);
  EXPECT_EQ(delta.removed_topics.size(), 1U);
  EXPECT_EQ(delta.brokers, std::set<NodeId>{NodeId(1)});
  EXPECT_TRUE(difference(c.image(), c.image()).empty());
}

TEST(Controller, TakesUncommittedRecordsBackWhenItLosesLeadership) {
  Cluster c = small_cluster();
  const Offset committed = c.next_offset();
  c.controller.committed_to(committed);
  const Image before = c.image();
  c.create("payments", 2, 3);
  c.advance(9'001, 1);
  c.remove("orders");
  c.unregister(2);
  c.set_config(ConfigResourceType::broker, "", "min.insync.replicas", "1");
  EXPECT_FALSE(c.image() == before);
  c.controller.renounce(committed);
  EXPECT_EQ(c.image(), before);
  EXPECT_EQ(c.image().hash(), c.image().hash_from_scratch());
  EXPECT_EQ(c.image().offset(), committed - 1);
  EXPECT_EQ(c.controller.next_task_at(), never);
}

TEST(Controller, KeepsWhatIsCommittedWhenItLosesLeadership) {
  Cluster c = small_cluster();
  c.create("payments", 1, 1);
  const Image committed = c.image();
  const Offset end = c.next_offset();
  c.create("refunds", 1, 1);
  c.controller.renounce(end);
  EXPECT_EQ(c.image(), committed);
}

TEST(Controller, GivesEveryBrokerAFreshSessionWhenItBecomesActive) {
  Cluster c = small_cluster();
  Controller next(Cluster::config_of(2), Random(2));
  next.load(c.image());
  const MonoNs later = after_ms(c.now, 60'000);
  next.activate(later);
  EXPECT_TRUE(next.run_task(after_ms(later, 8'900)).facts.empty());
  const Decision decision = next.run_task(after_ms(later, 11'000));
  ASSERT_FALSE(decision.facts.empty());
  EXPECT_EQ(decision.facts.back().kind, Fact::Kind::broker_fenced);
}

TEST(Controller, NamesATopicOnlyOnceInARequest) {
  Cluster c = small_cluster();
  wire::CreateTopicsRequest request;
  for (const char* name : {"x", "x", "a.b", "a_b", "fine"}) {
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.num_partitions = 1;
    topic.replication_factor = 1;
  }
  std::map<std::string, Code> codes;
  for (const auto& t : c.append(c.controller.create_topics(request)).topics) codes[t.name] = static_cast<Code>(t.error_code);
  EXPECT_EQ(codes["x"], Code::invalid_request);
  EXPECT_EQ(codes["a.b"], Code::none);
  EXPECT_EQ(codes["a_b"], Code::invalid_topic_exception);
  EXPECT_EQ(codes["fine"], Code::none);
  EXPECT_EQ(c.image().topic("x"), nullptr);
}

TEST(Controller, ValidatesOnlyWhenAskedTo) {
  Cluster c = small_cluster();
  wire::CreateTopicsRequest request;
  request.validate_only = true;
  auto& topic = request.topics.emplace_back();
  topic.name = "x";
  topic.num_partitions = 2;
  topic.replication_factor = 2;
  const auto result = c.controller.create_topics(request);
  EXPECT_TRUE(result.records.empty());
  EXPECT_EQ(result.response.topics.front().num_partitions, 2);
  EXPECT_FALSE(result.response.topics.front().configs->empty());
}

TEST(Placement, SpreadsLeadersOverAllBrokers) {
  Cluster c;
  for (int id = 1; id <= 4; ++id) c.start(id, id <= 2 ? "a" : "b");
  c.create("orders", 8, 2);
  std::map<NodeId, int> leaders;
  for (const PartitionImage& p : c.image().topic("orders")->partitions) {
    ++leaders[p.leader];
    const auto rack_of = [&](NodeId id) { return c.image().broker(id)->rack; };
    EXPECT_NE(rack_of(p.replicas[0]), rack_of(p.replicas[1]));
  }
  for (int id = 1; id <= 4; ++id) EXPECT_EQ(leaders[NodeId(id)], 2);
}

}  // namespace
}  // namespace harrow::controller
