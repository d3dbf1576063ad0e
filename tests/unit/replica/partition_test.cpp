// One replica on a disk in memory: what a leader takes, whom it counts, when the high watermark moves, whom it fences.
#include "core/replica/partition.h"

#include <gtest/gtest.h>

#include "core/async/task.h"
#include "sim/kernel/kernel.h"
#include "tests/unit/log/log_fixture.h"

namespace harrow::test {
namespace {

constexpr std::int64_t lag_ms = 10'000;

struct Members final : Membership {
  std::map<NodeId, bool> fenced;
  std::map<NodeId, BrokerEpoch> epochs;
  std::map<NodeId, MonoNs> fetched;
  bool eligible(NodeId id) const override { return fenced.find(id) == fenced.end(); }
  BrokerEpoch epoch_of(NodeId id) const override {
    const auto found = epochs.find(id);
    return found == epochs.end() ? BrokerEpoch(1) : found->second;
  }
  MonoNs last_fetch_of(NodeId id) const override {
    const auto found = fetched.find(id);
    return found == fetched.end() ? MonoNs(INT64_MIN / 4) : found->second;
  }
};

struct Requests final : IsrRequests {
  int proposals = 0;
  void isr_proposed(const TopicIdPartition&) override { ++proposals; }
};

struct Watch final : FetchWatch {
  int woken = 0, told = 0;
  void partition_changed(bool wakes) override { ++(wakes ? woken : told); }
};

/// Replica 1 of a partition on brokers 1, 2, 3.
class PartitionTest : public ::testing::Test {
 public:
  PartitionTest() {
    auto loading = Log::load(Log::Place{disk, Tracer(trace, 0, clock_ns), "data", TopicPartition{"orders", 0}, Uuid{1, 2}, std::make_shared<LogConfig>()}, Log::LoadOptions{.now = WallMs(1000)});
    auto log = loading.take();
    CHECK(log.has_value());
    partition = std::make_unique<Partition>(Partition::Wiring{NodeId(1), kernel, Tracer(trace, 0, clock_ns), members, requests}, TopicIdPartition{Uuid{1, 2}, 0}, TopicPartition{"orders", 0},
                                            std::move(*log), Offset(0));
    partition->set_limits(2, lag_ms);
  }
  ~PartitionTest() override {
    scope.destroy_all();
    partition.reset();
  }
  static PartitionTerm term(std::vector<int> isr, int leader = 1, int epoch = 1, int partition_epoch = 1) {
    PartitionTerm term;
    term.leader = NodeId(leader);
    term.leader_epoch = LeaderEpoch(epoch);
    term.partition_epoch = PartitionEpoch(partition_epoch);
    term.replicas = {NodeId(1), NodeId(2), NodeId(3)};
    for (const int id : isr) term.isr.push_back(NodeId(id));
    return term;
  }
  void lead(std::vector<int> isr = {1, 2, 3}, int epoch = 1, int partition_epoch = 1) {
    ASSERT_TRUE(partition->become_leader(term(std::move(isr), 1, epoch, partition_epoch), now()));
  }
  MonoNs now() const { return MonoNs(now_ms * ns_per_ms); }
  Code append(int records = 1, Acks acks = Acks::all) {
    const Result<Appended> appended = partition->append_as_leader(batch_of(records, WallMs(1000)), acks, AppendOrigin::client, WallMs(1000), now());
    return appended ? Code::none : appended.error().code;
  }
  Code fetched(int follower, std::int64_t offset, std::int64_t broker_epoch = 1) {
    members.fetched[NodeId(follower)] = now();
    return partition->follower_fetched(NodeId(follower), BrokerEpoch(broker_epoch), Offset(offset), Offset(0), now());
  }
  std::int64_t high_watermark() const { return partition->high_watermark().value(); }
  std::vector<int> proposed() const {
    std::vector<int> ids;
    if (partition->proposal())
      for (const NodeId id : partition->proposal()->isr) ids.push_back(id.value());
    return ids;
  }
  void accept(std::vector<int> isr, int partition_epoch) { partition->isr_accepted(term(std::move(isr), 1, 1, partition_epoch), now()); }
  Root wait_replicated(Scope&, Label, Offset end, std::optional<Reached>& answer) {
    const Reached reached = co_await partition->replicated(end, MonoNs(INT64_MAX / 2));
    answer = reached;
  }
  std::optional<Reached>& waits_for(std::int64_t end) {
    answers.push_back(std::make_unique<std::optional<Reached>>());
    wait_replicated(scope, Label("produce"), Offset(end), *answers.back());
    return *answers.back();
  }
  void turn() { kernel.run_until(kernel.now_ns() + 1); }

  sim::Kernel kernel;
  ReadyQueue queue{kernel.run_list()};
  MemoryDisk disk;
  KeptTrace trace;
  Members members;
  Requests requests;
  std::int64_t clock_ns = 0;
  std::int64_t now_ms = 100'000;
  std::unique_ptr<Partition> partition;
  std::vector<std::unique_ptr<std::optional<Reached>>> answers;
  Scope scope{queue};
};

// ---- acks and min.insync.replicas ----

TEST_F(PartitionTest, nobody_appends_to_a_replica_that_does_not_lead) {
  EXPECT_EQ(append(), Code::not_leader_or_follower);
  partition->become_follower(term({1, 2, 3}, 2));
  EXPECT_EQ(append(), Code::not_leader_or_follower);
}

TEST_F(PartitionTest, acks_all_is_refused_below_the_minimum_and_acks_one_is_not) {
  lead({1});
  EXPECT_EQ(append(1, Acks::all), Code::not_enough_replicas);
  EXPECT_EQ(append(1, Acks::leader), Code::none);
  EXPECT_EQ(append(1, Acks::none), Code::none);
  EXPECT_EQ(partition->log_end(), Offset(2)) << "what was refused is not in the log";
}

TEST_F(PartitionTest, the_minimum_is_never_more_than_there_are_replicas) {
  partition->set_limits(5, lag_ms);
  EXPECT_EQ(partition->effective_min_isr(), 0) << "no term yet";
  lead({1, 2, 3});
  EXPECT_EQ(partition->effective_min_isr(), 3);
  EXPECT_EQ(append(), Code::none);
}

TEST_F(PartitionTest, an_isr_that_shrank_after_the_append_is_told_at_the_end) {
  lead({1, 2});
  ASSERT_EQ(append(), Code::none);
  EXPECT_EQ(partition->replication_verdict(), Code::none);
  accept({1}, 2);
  EXPECT_EQ(partition->replication_verdict(), Code::not_enough_replicas_after_append);
}

// ---- the high watermark ----

TEST_F(PartitionTest, the_high_watermark_is_the_least_end_of_the_isr) {
  lead();
  append(5);
  EXPECT_EQ(high_watermark(), 0);
  fetched(2, 5);
  EXPECT_EQ(high_watermark(), 0) << "3 counts, too";
  fetched(3, 2);
  EXPECT_EQ(high_watermark(), 2);
  fetched(3, 5);
  EXPECT_EQ(high_watermark(), 5);
}

TEST_F(PartitionTest, the_high_watermark_waits_for_a_proposed_member_until_the_controller_decided) {
  lead({1, 2});
  append(4);
  fetched(2, 4);
  now_ms += 2 * lag_ms;  // 3 has not been caught up for long, so it does not count by itself
  fetched(2, 4);
  fetched(3, 4);
  ASSERT_EQ(proposed(), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(high_watermark(), 4);
  append(4);
  now_ms += 2 * lag_ms;
  fetched(2, 8);
  EXPECT_EQ(high_watermark(), 4) << "3 may be in the ISR already: it counts from the proposal on";
  fetched(3, 8);
  EXPECT_EQ(high_watermark(), 8);
}

TEST_F(PartitionTest, a_proposed_shrink_still_counts_who_is_dropped) {
  lead();
  append(3);
  fetched(2, 3);
  now_ms += 2 * lag_ms;
  fetched(2, 3);
  partition->propose_shrink(now());
  ASSERT_EQ(proposed(), (std::vector<int>{1, 2}));
  EXPECT_EQ(high_watermark(), 0);
  accept({1, 2}, 2);
  EXPECT_EQ(high_watermark(), 3);
}

TEST_F(PartitionTest, the_high_watermark_stands_still_below_the_minimum) {
  lead({1});
  append(3, Acks::leader);
  EXPECT_EQ(high_watermark(), 0);
  fetched(2, 3);
  EXPECT_EQ(high_watermark(), 0) << "the committed ISR decides, a proposal is not enough";
  accept({1, 2}, 2);
  EXPECT_EQ(high_watermark(), 3);
}

TEST_F(PartitionTest, the_high_watermark_moves_at_once_where_nobody_else_counts) {
  partition->set_limits(1, lag_ms);
  lead({1});
  append(3);
  EXPECT_EQ(high_watermark(), 3);
}

TEST_F(PartitionTest, a_caught_up_replica_outside_the_isr_counts_as_soon_as_it_could_join) {
  lead({1, 2});
  append(4);
  fetched(2, 4);
  members.fenced[NodeId(3)] = true;
  fetched(3, 4);
  ASSERT_TRUE(proposed().empty());
  append(2);
  fetched(2, 6);
  EXPECT_EQ(high_watermark(), 6) << "a fenced one cannot join";
  members.fenced.clear();
  append(2);
  fetched(2, 8);
  EXPECT_EQ(high_watermark(), 6) << "an unfenced one that was caught up a moment ago may be in the next ISR";
}

TEST_F(PartitionTest, who_waits_for_replication_is_woken_when_the_high_watermark_passes) {
  lead();
  append(2);
  append(2);
  std::optional<Reached>& first = waits_for(2);
  std::optional<Reached>& second = waits_for(4);
  fetched(2, 4);
  fetched(3, 2);
  turn();
  EXPECT_EQ(first, Reached::reached);
  EXPECT_FALSE(second.has_value());
  fetched(3, 4);
  turn();
  EXPECT_EQ(second, Reached::reached);
}

TEST_F(PartitionTest, who_waits_is_told_that_leadership_is_gone) {
  lead();
  append(2);
  std::optional<Reached>& waiting = waits_for(2);
  EXPECT_TRUE(partition->become_follower(term({1, 2, 3}, 2, 2, 2)));
  turn();
  EXPECT_EQ(waiting, Reached::closed);
}

// ---- the ISR ----

TEST_F(PartitionTest, a_replica_joins_once_it_has_what_is_committed) {
  lead({1, 2});
  append(4);
  fetched(2, 4);
  ASSERT_EQ(high_watermark(), 4);
  fetched(3, 3);
  EXPECT_TRUE(proposed().empty());
  fetched(3, 4);
  EXPECT_EQ(proposed(), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(requests.proposals, 1);
  EXPECT_EQ(partition->isr().size(), 2u) << "until the controller says so";
  accept({1, 2, 3}, 2);
  EXPECT_EQ(partition->isr().size(), 3u);
  EXPECT_TRUE(proposed().empty());
}

TEST_F(PartitionTest, a_replica_joins_no_earlier_than_at_the_start_of_the_leaders_own_epoch) {
  lead({1, 2});
  append(4);  // nobody has it: the high watermark stays at 0
  lead({1, 2}, 2, 2);
  ASSERT_EQ(partition->epoch_start(), Offset(4));
  fetched(3, 2);
  EXPECT_TRUE(proposed().empty()) << "it has all that is committed, not all that this leader began with";
  fetched(3, 4);
  EXPECT_EQ(proposed(), (std::vector<int>{1, 2, 3}));
}

TEST_F(PartitionTest, who_is_fenced_or_of_another_incarnation_does_not_join) {
  lead({1, 2});
  members.fenced[NodeId(3)] = true;
  fetched(3, 0);
  EXPECT_TRUE(proposed().empty());
  members.fenced.clear();
  members.epochs[NodeId(3)] = BrokerEpoch(7);
  EXPECT_EQ(fetched(3, 0, 6), Code::not_leader_or_follower) << "a fetch of an incarnation that is over";
  EXPECT_TRUE(proposed().empty());
  fetched(3, 0, 7);
  ASSERT_EQ(proposed(), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(partition->proposal()->epochs.back(), BrokerEpoch(7)) << "the controller hears which incarnation is meant";
}

TEST_F(PartitionTest, who_lags_is_dropped_after_the_lag_time_and_not_before) {
  lead();
  append(5);
  fetched(2, 5);
  fetched(3, 2);
  now_ms += lag_ms;
  fetched(2, 5);
  partition->propose_shrink(now());
  EXPECT_TRUE(proposed().empty());
  now_ms += 1;
  fetched(2, 5);
  partition->propose_shrink(now());
  EXPECT_EQ(proposed(), (std::vector<int>{1, 2}));
}

TEST_F(PartitionTest, a_follower_under_constant_load_never_sees_the_end_and_stays) {
  lead();
  std::int64_t end = 0;
  for (int i = 0; i < 20; ++i) {
    append(1);
    ++end;
    fetched(2, end);
    fetched(3, end - 1);  // always one behind, always where the leader was at its last fetch
    now_ms += lag_ms / 2;
    partition->propose_shrink(now());
    ASSERT_TRUE(proposed().empty()) << i;
  }
}

TEST_F(PartitionTest, one_proposal_at_a_time) {
  lead({1});
  append(1, Acks::leader);
  fetched(2, 1);
  fetched(3, 1);
  EXPECT_EQ(proposed(), (std::vector<int>{1, 2}));
  EXPECT_EQ(requests.proposals, 1);
  accept({1, 2}, 2);
  EXPECT_EQ(proposed(), (std::vector<int>{1, 2, 3})) << "the next one at once";
  EXPECT_EQ(requests.proposals, 2);
}

TEST_F(PartitionTest, what_a_refusal_means_depends_on_its_code) {
  lead({1, 2});
  fetched(3, 0);
  ASSERT_TRUE(partition->proposal().has_value());
  partition->mark_proposal_sent();
  partition->isr_refused(Code::invalid_update_version);
  EXPECT_TRUE(partition->proposal().has_value()) << "it may have been applied: newer metadata decides";
  partition->isr_refused(Code::request_timed_out);
  ASSERT_TRUE(partition->proposal().has_value());
  EXPECT_FALSE(partition->proposal()->sent) << "to be sent again";
  partition->mark_proposal_sent();
  partition->isr_refused(Code::ineligible_replica);
  EXPECT_FALSE(partition->proposal().has_value());
}

TEST_F(PartitionTest, an_answer_of_an_older_epoch_changes_nothing) {
  lead({1, 2}, 2, 5);
  partition->isr_accepted(term({1}, 1, 1, 9), now());
  EXPECT_EQ(partition->isr().size(), 2u);
  partition->isr_accepted(term({1}, 1, 2, 4), now());
  EXPECT_EQ(partition->isr().size(), 2u);
}

// ---- fencing ----

TEST_F(PartitionTest, requests_with_another_leader_epoch_are_fenced) {
  lead({1, 2, 3}, 5);
  EXPECT_EQ(partition->check_leader_epoch(LeaderEpoch(4)), Code::fenced_leader_epoch);
  EXPECT_EQ(partition->check_leader_epoch(LeaderEpoch(5)), Code::none);
  EXPECT_EQ(partition->check_leader_epoch(LeaderEpoch(6)), Code::unknown_leader_epoch);
  EXPECT_EQ(partition->check_leader_epoch(no_epoch), Code::none) << "who gives none is not checked";
}

TEST_F(PartitionTest, a_fetch_of_somebody_who_holds_no_replica_is_refused) {
  lead();
  EXPECT_EQ(fetched(9, 0), Code::unknown_leader_epoch);
  EXPECT_FALSE(partition->has_replica(NodeId(9)));
}

TEST_F(PartitionTest, a_new_epoch_forgets_what_it_knew_of_its_followers) {
  lead();
  append(3);
  fetched(2, 3);
  lead({1, 2, 3}, 2, 2);
  for (const FollowerState& follower : partition->followers()) EXPECT_EQ(follower.log_end, no_offset);
  EXPECT_EQ(high_watermark(), 0);
  fetched(2, 3);
  fetched(3, 3);
  EXPECT_EQ(high_watermark(), 3);
}

TEST_F(PartitionTest, a_term_that_is_known_changes_nothing) {
  lead({1, 2}, 2, 5);
  append(2);
  ASSERT_TRUE(partition->become_leader(term({1, 2, 3}, 1, 2, 5), now()));
  EXPECT_EQ(partition->isr().size(), 2u);
  EXPECT_EQ(partition->epoch_start(), Offset(0));
  EXPECT_FALSE(partition->become_follower(term({2, 3}, 2, 3, 6)) && partition->become_follower(term({2, 3}, 2, 3, 6))) << "the second one is no new epoch";
}

// ---- divergence and the follower's side ----

TEST_F(PartitionTest, a_diverging_follower_is_told_where_its_epoch_ended_here) {
  lead();
  append(3);
  lead({1, 2, 3}, 3, 2);
  append(2);
  const auto same = partition->divergence(LeaderEpoch(1), Offset(3));
  ASSERT_TRUE(same);
  EXPECT_FALSE(same->has_value());
  const auto longer = partition->divergence(LeaderEpoch(1), Offset(5));
  ASSERT_TRUE(longer && longer->has_value());
  EXPECT_EQ((*longer)->end, Offset(3));
  const auto unknown = partition->divergence(LeaderEpoch(2), Offset(4));
  ASSERT_TRUE(unknown && unknown->has_value());
  EXPECT_EQ((*unknown)->epoch, LeaderEpoch(1));
  EXPECT_EQ((*unknown)->end, Offset(3));
}

TEST_F(PartitionTest, a_follower_takes_nothing_of_a_newer_epoch_than_it_asked_in) {
  partition->become_follower(term({1, 2, 3}, 2, 4));
  Bytes batches = with_base_offset(batch_of(2, WallMs(1000)), *parse_batch_header(batch_of(2, WallMs(1000))), Offset(0), LeaderEpoch(4));
  batches.append(with_base_offset(batch_of(2, WallMs(1000)), *parse_batch_header(batch_of(2, WallMs(1000))), Offset(2), LeaderEpoch(5)));
  ASSERT_TRUE(partition->append_as_follower(batches, LeaderEpoch(4)));
  EXPECT_EQ(partition->log_end(), Offset(2));
}

TEST_F(PartitionTest, a_follower_never_believes_a_high_watermark_above_its_own_end) {
  partition->become_follower(term({1, 2, 3}, 2, 4));
  ASSERT_TRUE(partition->append_as_follower(with_base_offset(batch_of(2, WallMs(1000)), *parse_batch_header(batch_of(2, WallMs(1000))), Offset(0), LeaderEpoch(4)), LeaderEpoch(4)));
  partition->learn_from_leader(Offset(10), Offset(0));
  EXPECT_EQ(high_watermark(), 2);
  partition->learn_from_leader(Offset(1), Offset(0));
  EXPECT_EQ(high_watermark(), 2) << "nor one that falls";
  ASSERT_TRUE(partition->truncate_to(Offset(0)));
  EXPECT_EQ(high_watermark(), 0);
}

// ---- deleting records ----

TEST_F(PartitionTest, only_what_is_committed_can_be_deleted_and_everybody_has_to_follow) {
  lead();
  append(5);
  fetched(2, 3);
  fetched(3, 3);
  EXPECT_EQ(partition->delete_records_before(Offset(4)).error().code, Code::offset_out_of_range);
  const Result<Offset> all = partition->delete_records_before(Offset(-1));
  ASSERT_TRUE(all);
  EXPECT_EQ(*all, Offset(3));
  EXPECT_EQ(partition->log_start(), Offset(3));
  EXPECT_EQ(partition->low_watermark(), Offset(0)) << "followers still have them";
  for (const int id : {2, 3}) partition->follower_fetched(NodeId(id), BrokerEpoch(1), Offset(3), Offset(3), now());
  EXPECT_EQ(partition->low_watermark(), Offset(3));
}

// ---- watches ----

TEST_F(PartitionTest, an_append_wakes_followers_and_a_commit_wakes_consumers) {
  lead();
  Watch replica, consumer;
  partition->watch(replica, true);
  partition->watch(consumer, false);
  append(1);
  EXPECT_EQ(replica.woken, 1);
  EXPECT_EQ(consumer.woken, 0);
  fetched(2, 1);
  fetched(3, 1);
  EXPECT_EQ(consumer.woken, 1);
  EXPECT_EQ(replica.woken, 1);
  EXPECT_EQ(replica.told, 1) << "followers learn the high watermark with their next answer";
}

TEST_F(PartitionTest, a_log_start_that_was_moved_is_news_for_everybody_but_wakes_nobody) {
  lead();
  append(3);
  fetched(2, 3);
  fetched(3, 3);
  Watch replica, consumer;
  partition->watch(replica, true);
  partition->watch(consumer, false);
  ASSERT_TRUE(partition->delete_records_before(Offset(2)));
  EXPECT_EQ(replica.told, 1);
  EXPECT_EQ(consumer.told, 1);
  EXPECT_EQ(replica.woken + consumer.woken, 0);
}

}  // namespace
}  // namespace harrow::test
