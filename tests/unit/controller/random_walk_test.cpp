// Random cluster histories. Cluster checks I16, I18, monotone epochs and the hash after each batch; here stand what must
// hold of the history as a whole: undo equals replay, and a snapshot at any point equals the image.
#include "core/base/random.h"
#include "tests/unit/controller/cluster.h"

namespace harrow::controller {
namespace {

class Walk {
 public:
  Walk(std::uint64_t seed, bool elr) : random_(seed), cluster_(elr, static_cast<int>(1 + seed % 3), seed) {
    for (int id = 1; id <= 5; ++id) cluster_.start(id, std::string(1, static_cast<char>('a' + id % 3)));
    cluster_.create("t0", 4, 3);
  }
  void step() {
    switch (random_.below(14)) {
      case 0: cluster_.create("t" + std::to_string(random_.below(6)), pick(1, 4), pick(1, 3)); break;
      case 1:
        if (random_.chance(1, 4)) cluster_.remove("t" + std::to_string(random_.below(6)));
        break;
      case 2:
      case 3: cluster_.advance(9'001, broker()); break;
      case 4: cluster_.register_broker(broker(), "a", ++life_); break;
      case 5: {  // a clean restart
        const int id = broker();
        const BrokerImage* const b = cluster_.image().broker(NodeId(id));
        cluster_.register_broker(id, "b", ++life_, b == nullptr ? -1 : b->epoch.value());
        break;
      }
      case 6: cluster_.heartbeat(broker(), random_.chance(1, 5), random_.chance(1, 3)); break;
      case 7: cluster_.heartbeat(broker()); break;
      case 8:
      case 9:
      case 10: alter(); break;
      case 11: configure(); break;
      case 12: reassign(); break;
      default:
        if (random_.chance(1, 6)) cluster_.unregister(broker());
        else elect();
    }
  }
  Cluster& cluster() { return cluster_; }
  Random& random() { return random_; }

 private:
  int pick(int low, int high) { return static_cast<int>(random_.between(low, high)); }
  int broker() { return pick(1, 5); }
  bool choose(std::string& topic, int& index) {
    if (cluster_.image().topic_ids().empty()) return false;
    auto it = cluster_.image().topic_ids().begin();
    std::advance(it, static_cast<long>(random_.below(cluster_.image().topic_ids().size())));
    topic = it->first;
    index = static_cast<int>(random_.below(cluster_.image().topic(it->second)->partitions.size()));
    return true;
  }
  void alter() {
    std::string topic;
    int index = 0;
    if (!choose(topic, index)) return;
    const PartitionImage& p = cluster_.partition(topic, index);
    std::vector<std::int32_t> isr;
    for (const NodeId id : p.replicas) {
      if (id == p.leader || random_.chance(2, 3)) isr.push_back(id.value());
    }
    auto request = cluster_.proposal(topic, index, isr);
    if (random_.chance(1, 8)) request.topics.front().partitions.front().partition_epoch -= 1;
    cluster_.alter(request);
  }
  void configure() {
    std::string topic;
    int index = 0;
    if (!choose(topic, index)) return;
    if (random_.chance(1, 2)) {
      cluster_.set_config(ConfigResourceType::topic, topic, "min.insync.replicas", std::to_string(pick(1, 3)));
    } else if (random_.chance(1, 2)) {
      cluster_.set_config(ConfigResourceType::broker, "", "min.insync.replicas", std::to_string(pick(1, 3)));
    } else {
      cluster_.set_config(ConfigResourceType::topic, topic, "unclean.leader.election.enable", random_.chance(1, 4) ? "true" : "false");
    }
  }
  void reassign() {
    std::string topic;
    int index = 0;
    if (!choose(topic, index)) return;
    if (random_.chance(1, 4)) {
      cluster_.reassign(topic, index, std::nullopt);
      return;
    }
    std::vector<std::int32_t> replicas;
    for (int id = 1; id <= 5; ++id) {
      if (random_.chance(1, 2)) replicas.push_back(id);
    }
    cluster_.reassign(topic, index, std::move(replicas));
  }
  void elect() {
    std::string topic;
    int index = 0;
    if (choose(topic, index)) cluster_.elect(static_cast<int>(random_.below(2)), topic, index);
  }

  Random random_;
  Cluster cluster_;
  int life_ = 0;
};

Image replayed(const std::vector<wire::MetadataRecord>& log, std::size_t count) {
  Image image;
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_TRUE(image.replay(log[i], Offset(static_cast<std::int64_t>(i))).has_value());
  }
  return image;
}

void walk(std::uint64_t seed, bool elr) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Walk walk(seed, elr);
  Cluster& c = walk.cluster();
  for (int i = 0; i < 300; ++i) {
    walk.step();
    if (::testing::Test::HasFailure()) return;
    if (i % 50 != 49) continue;
    const Result<Image> again = image_of(snapshot_of(c.image()), c.image().offset());
    ASSERT_TRUE(again.has_value());
    ASSERT_EQ(*again, c.image());
    // Commit up to somewhere, lose leadership, and lead again from there.
    const std::size_t lost = std::min<std::size_t>(walk.random().below(8), c.batch_ends.size() - 1);
    c.batch_ends.resize(c.batch_ends.size() - lost);
    const std::size_t committed = c.batch_ends.back();
    c.controller.committed_to(Offset(static_cast<std::int64_t>(committed)));
    c.controller.renounce(Offset(static_cast<std::int64_t>(committed)));
    c.log.resize(committed);
    ASSERT_EQ(c.image(), replayed(c.log, committed));
    ASSERT_EQ(c.image().hash(), c.image().hash_from_scratch());
    c.controller.activate(c.now);
  }
}

TEST(RandomWalk, StaysLegalWithEligibleLeaderReplicas) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) walk(seed, true);
}

TEST(RandomWalk, StaysLegalWithoutEligibleLeaderReplicas) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) walk(seed, false);
}

}  // namespace
}  // namespace harrow::controller
