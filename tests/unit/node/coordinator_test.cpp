// The coordinator's shell over a real log and partition on a simulated host. The second replica is played by the test:
// nothing is committed before `replicate()` says so.
#include "core/node/coordinator.h"

#include <gtest/gtest.h>

#include "core/group/consumer_protocol.h"
#include "core/log/log.h"
#include "sim/disk/sim_disk.h"
#include "sim/host/sim_host.h"
#include "sim/net/fabric.h"

namespace harrow::sim {
namespace {

class Rig final : public CoordinatorBroker, Membership, IsrRequests {
 public:
  explicit Rig(const ConfigMap& settings = {})
      : fabric_(kernel, topology(), Random(1)), clock_(kernel, 1'767'600'000'000, 0, 0), disk_(kernel, 0, DiskProfile{}, Random(2)),
        queue_(kernel.run_list()), port_(fabric_.attach(0, "n1", queue_)),
        host(kernel, 0, clock_, port_, disk_, cpu_, Random(3), queue_, [this](Code) { ++failures; }) {
    auto snapshot = ConfigSnapshot::of_broker(settings);
    CHECK(snapshot.has_value());
    settings_ = std::move(*snapshot);
    host.enter([&] { open(host.host().scope, Label("open")); });
    kernel.run_until(kernel.now_ns() + ns_per_s);
    CHECK(partition != nullptr);
    coordinator = std::make_unique<Coordinator>(host.host(), settings_, *this);
  }
  ~Rig() override { host.scope().destroy_all(); }

  std::shared_ptr<Partition> offsets_partition(std::int32_t) override { return partition; }
  std::int32_t offsets_partition_count() override { return 1; }
  void fail_storage(const Error&) override { ++failures; }
  void flush_later(const TopicIdPartition&) override {}
  bool eligible(NodeId) const override { return true; }
  BrokerEpoch epoch_of(NodeId) const override { return BrokerEpoch(-1); }
  MonoNs last_fetch_of(NodeId) const override { return MonoNs(0); }
  void isr_proposed(const TopicIdPartition&) override {}

  void lead(int epoch) {
    PartitionTerm term = term_of(epoch, NodeId(1));
    host.enter([&] {
      ASSERT_TRUE(partition->become_leader(term, host.host().clock.mono()).has_value());
      coordinator->elected(*partition);
    });
    run_ms(10);
  }
  void follow(int epoch) {
    host.enter([&] {
      partition->become_follower(term_of(epoch, NodeId(2)));
      coordinator->resigned(0, LeaderEpoch(epoch));
    });
    run_ms(1);
  }
  /// The follower fetches from the log's end.
  void replicate() {
    host.enter([&] {
      partition->follower_fetched(NodeId(2), BrokerEpoch(-1), partition->log_end(), Offset(0), host.host().clock.mono());
    });
    run_ms(1);
  }
  void run_ms(std::int64_t ms) { kernel.run_until(kernel.now_ns() + ms * ns_per_ms); }

  void commit(std::int32_t index, std::int64_t offset) {
    wire::OffsetCommitRequest request;
    request.group_id = "g";
    auto& topic = request.topics.emplace_back();
    topic.name = "orders";
    auto& row = topic.partitions.emplace_back();
    row.partition_index = index;
    row.committed_offset = offset;
    host.enter([&] { await_commit(host.host().scope, Label("commit"), request); });
    run_ms(1);
  }
  void join() {
    wire::JoinGroupRequest request;
    request.group_id = "m";
    request.session_timeout_ms = 10'000;
    request.rebalance_timeout_ms = 60'000;
    request.protocol_type = "consumer";
    auto& protocol = request.protocols.emplace_back();
    protocol.name = "range";
    protocol.metadata = group::encode(group::Subscription{});
    host.enter([&] { await_join(host.host().scope, Label("join"), request); });
    run_ms(1);
  }
  Code heartbeat(const std::string& member, std::int32_t generation) {
    wire::HeartbeatRequest request;
    request.group_id = "m";
    request.member_id = member;
    request.generation_id = generation;
    Code code = Code::none;
    host.enter([&] { code = static_cast<Code>(coordinator->heartbeat(request).take().error_code); });
    return code;
  }
  std::int64_t fetch(std::int32_t index) {
    wire::OffsetFetchRequest request;
    request.group_id = "g";
    request.topics.emplace();
    auto& topic = request.topics->emplace_back();
    topic.name = "orders";
    topic.partition_indexes = {index};
    std::int64_t found = -2;
    host.enter([&] {
      Task<wire::OffsetFetchResponse> task = coordinator->offset_fetch(request, 7);
      const wire::OffsetFetchResponse response = task.take();
      fetch_code = static_cast<Code>(response.error_code);
      if (!response.topics.empty()) found = response.topics[0].partitions[0].committed_offset;
    });
    return found;
  }

  Kernel kernel;
  int failures = 0;
  Code fetch_code = Code::none;
  std::vector<Code> commits;                      // in the order of the answers
  std::vector<wire::JoinGroupResponse> joins;

 private:
  static Topology topology() {
    Topology topology;
    topology.add_host("n1", "rack1");
    return topology;
  }
  static PartitionTerm term_of(int epoch, NodeId leader) {
    PartitionTerm term;
    term.leader = leader;
    term.leader_epoch = LeaderEpoch(epoch);
    term.partition_epoch = PartitionEpoch(epoch);
    term.replicas = {NodeId(1), NodeId(2)};
    term.isr = term.replicas;
    return term;
  }
  Root open(Scope&, Label) {
    auto config = std::make_shared<LogConfig>();
    config->compacts = true;
    config->deletes = false;
    Log::Place place{host.host().disk, host.host().trace, "data", {"__consumer_offsets", 0}, Uuid{1, 2}, config};
    Task<Result<std::unique_ptr<Log>>> loading = Log::load(std::move(place), Log::LoadOptions{});
    Result<std::unique_ptr<Log>> log = co_await loading;
    CHECK(log.has_value());
    const Partition::Wiring wiring{NodeId(1), host.host().timers, host.host().trace, *this, *this};
    partition = std::make_shared<Partition>(wiring, TopicIdPartition{Uuid{1, 2}, 0}, TopicPartition{"__consumer_offsets", 0},
                                            std::move(*log), Offset(0));
  }
  Root await_commit(Scope&, Label, wire::OffsetCommitRequest request) {
    Task<wire::OffsetCommitResponse> task = coordinator->offset_commit(std::move(request));
    const wire::OffsetCommitResponse response = co_await task;
    commits.push_back(static_cast<Code>(response.topics.at(0).partitions.at(0).error_code));
  }
  Root await_join(Scope&, Label, wire::JoinGroupRequest request) {
    Task<wire::JoinGroupResponse> task = coordinator->join_group(std::move(request), group::Caller{"c", "h", 3});
    wire::JoinGroupResponse response = co_await task;
    joins.push_back(std::move(response));
  }

  Fabric fabric_;
  SimClock clock_;
  SimDisk disk_;
  CpuProfile cpu_;
  ReadyQueue queue_;
  Port& port_;
  ConfigSnapshot settings_;

 public:
  SimHost host;
  std::shared_ptr<Partition> partition;
  std::unique_ptr<Coordinator> coordinator;
};

TEST(Coordinator, answers_a_commit_once_it_is_replicated_and_shows_it_only_then) {
  Rig rig;
  EXPECT_EQ(rig.fetch(0), -2);
  EXPECT_EQ(rig.fetch_code, Code::not_coordinator);
  rig.lead(1);
  rig.commit(0, 5);
  rig.commit(1, 6);
  EXPECT_TRUE(rig.commits.empty());
  EXPECT_EQ(rig.fetch(0), -1);
  rig.replicate();
  EXPECT_EQ(rig.commits, (std::vector<Code>{Code::none, Code::none}));
  EXPECT_EQ(rig.fetch(0), 5);
  EXPECT_EQ(rig.fetch(1), 6);
}

TEST(Coordinator, a_commit_that_is_not_replicated_in_5_s_is_refused_and_still_counts_once_it_is) {
  Rig rig;
  rig.lead(1);
  rig.commit(0, 5);
  rig.run_ms(3000);
  rig.commit(1, 6);
  rig.run_ms(2100);
  EXPECT_EQ(rig.commits, std::vector<Code>{Code::coordinator_not_available});
  rig.replicate();
  EXPECT_EQ(rig.commits, (std::vector<Code>{Code::coordinator_not_available, Code::none}));
  EXPECT_EQ(rig.fetch(0), 5);
}

TEST(Coordinator, loads_what_the_log_holds_in_several_buffers_and_lets_nobody_in_before_it_is_committed) {
  Rig rig(ConfigMap{{"offsets.load.buffer.size", "100"}});
  rig.lead(1);
  for (int i = 0; i < 6; ++i) rig.commit(i % 2, 10 + i);
  rig.replicate();
  rig.commit(0, 99);  // in the log, not replicated
  rig.follow(2);
  EXPECT_EQ(rig.commits.back(), Code::not_coordinator);
  EXPECT_EQ(rig.fetch(0), -2);
  EXPECT_EQ(rig.fetch_code, Code::not_coordinator);
  rig.lead(3);
  rig.fetch(0);
  EXPECT_EQ(rig.fetch_code, Code::coordinator_load_in_progress);
  EXPECT_EQ(rig.heartbeat("x", 1), Code::none) << "members stay calm while their groups load";
  rig.replicate();
  EXPECT_EQ(rig.fetch(0), 99);
  EXPECT_EQ(rig.fetch(1), 15);
  ASSERT_NE(rig.coordinator->shard(0), nullptr);
  EXPECT_GT(rig.coordinator->shard(0)->buffers_loaded(), 1);
}

TEST(Coordinator, an_old_resignation_does_not_drop_a_newer_election) {
  Rig rig;
  rig.lead(3);
  rig.host.enter([&] { rig.coordinator->resigned(0, LeaderEpoch(2)); });
  EXPECT_NE(rig.coordinator->shard(0), nullptr);
  rig.host.enter([&] { rig.coordinator->elected(*rig.partition); });  // the same epoch again: nothing is loaded anew
  EXPECT_NE(rig.coordinator->shard(0), nullptr);
  rig.host.enter([&] { rig.coordinator->resigned(0, LeaderEpoch(3)); });
  EXPECT_EQ(rig.coordinator->shard(0), nullptr);
}

TEST(Coordinator, drives_the_clocks_of_its_groups_and_tells_who_waits_when_it_resigns) {
  Rig rig;
  rig.lead(1);
  rig.join();
  rig.run_ms(2900);
  EXPECT_TRUE(rig.joins.empty());
  rig.run_ms(200);
  ASSERT_EQ(rig.joins.size(), 1u);
  EXPECT_EQ(rig.joins[0].generation_id, 1);
  EXPECT_EQ(rig.heartbeat(rig.joins[0].member_id, 1), Code::none);
  rig.join();
  rig.run_ms(100);
  EXPECT_EQ(rig.heartbeat(rig.joins[0].member_id, 1), Code::rebalance_in_progress);
  rig.follow(2);
  ASSERT_EQ(rig.joins.size(), 2u);
  EXPECT_EQ(static_cast<Code>(rig.joins[1].error_code), Code::not_coordinator);
}

TEST(Coordinator, expires_offsets_by_its_own_clock) {
  Rig rig(ConfigMap{{"offsets.retention.minutes", "30"}});
  rig.lead(1);
  rig.commit(0, 5);
  rig.replicate();
  rig.run_ms(25 * 60'000);
  EXPECT_EQ(rig.fetch(0), 5);
  rig.run_ms(16 * 60'000);
  EXPECT_EQ(rig.fetch(0), 5) << "the tombstone is not replicated yet";
  rig.replicate();
  EXPECT_EQ(rig.fetch(0), -1);
  EXPECT_EQ(rig.failures, 0);
}

}  // namespace
}  // namespace harrow::sim
