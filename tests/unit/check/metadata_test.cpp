// Invariants of the controller, the quorum and the nodes' lives.
#include <algorithm>

#include "sim/check/comparisons.h"
#include "sim/check/registry.h"
#include "tests/unit/check/rig.h"

namespace harrow::sim {
namespace {
constexpr std::int64_t leader_role = 4;

TEST(Check, I16_illegal_images_fail) {
  const auto problem = [](const Rig::PartitionState& state, const std::vector<NodeId>& fenced = {}) {
    const controller::Image image = Rig::image_with(state, orders_id, fenced);
    return illegal_state(image, *image.partition(orders_id, 0), 2, true);
  };
  EXPECT_EQ(problem({}), "");
  EXPECT_EQ(problem({.isr = {NodeId(1)}, .elr = {NodeId(2)}}), "");
  EXPECT_NE(problem({.isr = {NodeId(1), NodeId(2)}, .elr = {NodeId(3)}}), "");
  EXPECT_NE(problem({.isr = {NodeId(1)}, .elr = {NodeId(1)}}), "");
  EXPECT_NE(problem({.isr = {NodeId(2), NodeId(3)}}), "");
  EXPECT_NE(problem({}, {NodeId(3)}), "");
  Rig rig;
  rig.publish(Rig::image_with({}, orders_id, {NodeId(2)}), 10);
  EXPECT_EQ(rig.failed("I16"), 1);
}

TEST(Check, I17_a_member_whose_caught_up_incarnation_is_gone_fails) {
  for (const bool fetches_again : {false, true}) {
    Rig rig;
    for (std::uint16_t machine = 0; machine < 3; ++machine) {
      rig.load(machine, 0, 0);
      rig.emit(TraceKind::node_started, machine, "");
    }
    rig.publish(Rig::image_with({.isr = {NodeId(1), NodeId(2)}}), 10);
    rig.lead(0, 0);
    rig.isr(0, {NodeId(1), NodeId(2)}, {NodeId(1), NodeId(2)}, 0);
    rig.replicate({.base = 0});
    rig.high_watermark(0, 1, 0);
    rig.power_loss(2);
    rig.load(2, 0, 0);
    rig.emit(TraceKind::node_started, 2, "");
    if (fetches_again) rig.append(2, {.base = 0}, false);
    rig.publish(Rig::image_with({.isr = {NodeId(1), NodeId(2)}}, orders_id, {}, 13), 11);  // broker 3 registers again
    rig.publish(Rig::image_with({.partition_epoch = 1}, orders_id, {}, 13), 12);
    EXPECT_EQ(rig.failed("I17"), fetches_again ? 0 : 1);
    EXPECT_EQ(rig.evaluated("I17"), 1);
  }
}

TEST(Check, I17_a_process_that_has_not_registered_is_not_who_joined) {
  Rig rig;
  for (std::uint16_t machine = 0; machine < 3; ++machine) {
    rig.load(machine, 0, 0);
    rig.emit(TraceKind::node_started, machine, "");
  }
  rig.publish(Rig::image_with({.isr = {NodeId(1), NodeId(2)}}), 10);
  rig.lead(0, 0);
  rig.isr(0, {NodeId(1), NodeId(2)}, {NodeId(1), NodeId(2)}, 0);
  rig.replicate({.base = 0});
  rig.high_watermark(0, 1, 0);
  rig.power_loss(2);
  rig.load(2, 0, 0);
  rig.emit(TraceKind::node_started, 2, "");
  rig.publish(Rig::image_with({.partition_epoch = 1}), 11);
  EXPECT_EQ(rig.failed("I17"), 0) << "the record speaks of the broker that registered last";
}

TEST(Check, I18_an_election_outside_of_isr_and_elr_fails) {
  Rig rig;
  rig.publish(Rig::image_with({.isr = {NodeId(1), NodeId(2)}}), 10);
  rig.publish(Rig::image_with({.isr = {NodeId(2)}, .leader = NodeId(2), .leader_epoch = 1, .partition_epoch = 1}), 11);
  EXPECT_EQ(rig.failed("I18"), 0);
  rig.publish(Rig::image_with({.isr = {NodeId(3)}, .leader = NodeId(3), .leader_epoch = 2, .partition_epoch = 2}), 12);
  EXPECT_EQ(rig.failed("I18"), 1);
}

TEST(Check, I19_two_images_at_one_offset_fail) {
  Rig rig;
  const controller::Image image = Rig::image_with({});
  rig.publish(image, 10, 3);
  rig.publish(image, 10, 4);
  EXPECT_EQ(rig.failed("I19"), 0);
  EXPECT_EQ(rig.evaluated("I19"), 1);
  rig.publish(Rig::image_with({.leader_epoch = 1}), 10, 0);
  EXPECT_EQ(rig.failed("I19"), 1);
}

TEST(Check, I20_a_snapshot_of_another_image_a_hole_below_the_log_and_a_loading_leader_fail) {
  Rig rig;
  const controller::Image image = Rig::image_with({});
  rig.publish(image, 10, 3);
  SnapshotNote note{image.hash(), Offset(0)};
  rig.emit(TraceKind::snapshot_written, 3, "__cluster_metadata-0", 11, 1, &note);
  rig.append(3, make_batch({.base = 0}), false, "__cluster_metadata", 0, metadata_topic_id);
  constexpr std::int64_t by_snapshot = 4;
  rig.emit(TraceKind::log_start_moved, 3, "__cluster_metadata-0", 11, by_snapshot);
  EXPECT_EQ(rig.failed("I20"), 0);
  rig.emit(TraceKind::log_start_moved, 3, "__cluster_metadata-0", 12, by_snapshot);
  EXPECT_EQ(rig.failed("I20"), 1);
  note.image_hash ^= 1;
  rig.emit(TraceKind::snapshot_written, 4, "__cluster_metadata-0", 11, 1, &note);
  EXPECT_EQ(rig.failed("I20"), 2);
  note.image_hash ^= 1;
  rig.emit(TraceKind::quorum_role, 5, "__cluster_metadata-0", leader_role, 1);
  rig.emit(TraceKind::snapshot_loaded, 5, "__cluster_metadata-0", 11, 1, &note);
  EXPECT_EQ(rig.failed("I20"), 3);
}

TEST(Check, I21_two_votes_an_unwritten_vote_and_a_leader_that_cuts_fail) {
  Rig rig;
  rig.emit(TraceKind::quorum_state_written, 3, "__cluster_metadata-0", 7, 3002);
  rig.emit(TraceKind::vote_granted, 3, "__cluster_metadata-0", 7, 3002);
  EXPECT_EQ(rig.failed("I21"), 0);
  rig.emit(TraceKind::vote_granted, 4, "__cluster_metadata-0", 7, 3002);
  EXPECT_EQ(rig.failed("I21"), 1);
  rig.emit(TraceKind::quorum_state_written, 3, "__cluster_metadata-0", 7, 3003);
  rig.emit(TraceKind::vote_granted, 3, "__cluster_metadata-0", 7, 3003);
  EXPECT_EQ(rig.failed("I21"), 2);
  rig.emit(TraceKind::quorum_role, 5, "__cluster_metadata-0", leader_role, 8);
  rig.emit(TraceKind::quorum_truncated, 5, "__cluster_metadata-0", 3, 5);
  EXPECT_EQ(rig.failed("I21"), 3);
}

TEST(Check, I22_a_high_watermark_without_a_flushed_majority_fails) {
  Rig rig;
  rig.emit(TraceKind::quorum_role, 3, "__cluster_metadata-0", leader_role, 1);
  rig.emit(TraceKind::quorum_flushed, 3, "__cluster_metadata-0", 5, 1);
  rig.emit(TraceKind::quorum_flushed, 4, "__cluster_metadata-0", 5, 1);
  rig.emit(TraceKind::quorum_high_watermark, 3, "__cluster_metadata-0", 5, 1);
  EXPECT_EQ(rig.failed("I22"), 0);
  EXPECT_EQ(rig.evaluated("I22"), 1);
  rig.emit(TraceKind::quorum_flushed, 3, "__cluster_metadata-0", 6, 1);
  rig.emit(TraceKind::quorum_high_watermark, 3, "__cluster_metadata-0", 6, 1);
  EXPECT_EQ(rig.failed("I22"), 1);
}

TEST(Check, I10_cutting_committed_metadata_fails) {
  Rig rig;
  rig.emit(TraceKind::quorum_role, 3, "__cluster_metadata-0", leader_role, 1);
  for (const std::uint16_t machine : {std::uint16_t{3}, std::uint16_t{4}})
    rig.append(machine, make_batch({.base = 0, .values = {"a", "b", "c"}}), false, "__cluster_metadata", 0, metadata_topic_id);
  rig.emit(TraceKind::quorum_high_watermark, 3, "__cluster_metadata-0", 3, 1);
  rig.append(4, make_batch({.base = 3}), false, "__cluster_metadata", 0, metadata_topic_id);
  rig.emit(TraceKind::truncated, 4, "__cluster_metadata-0", 3, 4);
  EXPECT_EQ(rig.failed("I10"), 0);
  rig.emit(TraceKind::truncated, 4, "__cluster_metadata-0", 1, 3);
  EXPECT_EQ(rig.failed("I10"), 1);
}

TEST(Check, I10_a_node_of_the_quorum_that_cuts_below_its_own_high_watermark_fails) {
  Rig rig;
  rig.emit(TraceKind::quorum_high_watermark, 4, "__cluster_metadata-0", 3, 1);
  rig.emit(TraceKind::quorum_truncated, 4, "__cluster_metadata-0", 3, 4);
  EXPECT_EQ(rig.failed("I10"), 0);
  rig.emit(TraceKind::quorum_truncated, 4, "__cluster_metadata-0", 2, 3);
  EXPECT_EQ(rig.failed("I10"), 1);
  rig.emit(TraceKind::node_crashed, 4, "", 1, 0);
  rig.emit(TraceKind::quorum_truncated, 4, "__cluster_metadata-0", 1, 2);
  EXPECT_EQ(rig.failed("I10"), 1) << "a process that died has forgotten it";
}

TEST(Check, I21_what_a_wiped_voter_took_from_the_majority_is_excused) {
  for (const bool wiped : {false, true}) {
    Rig rig;
    rig.emit(TraceKind::quorum_role, 3, "__cluster_metadata-0", leader_role, 1);
    for (const std::uint16_t machine : {std::uint16_t{3}, std::uint16_t{4}, std::uint16_t{5}})
      rig.append(machine, make_batch({.base = 0, .values = {"a", "b"}}), false, "__cluster_metadata", 0, metadata_topic_id);
    for (const std::uint16_t machine : {std::uint16_t{3}, std::uint16_t{4}})
      rig.append(machine, make_batch({.base = 2, .values = {"c"}}), false, "__cluster_metadata", 0, metadata_topic_id);
    rig.emit(TraceKind::quorum_high_watermark, 3, "__cluster_metadata-0", 3, 1);
    const FaultNote fault{wiped ? "wipe-disk" : "kill", "controller-2"};
    rig.emit(TraceKind::fault_began, 3, "controller-2", 0, 0, &fault);
    rig.emit(TraceKind::node_crashed, 4, "", 1, 0);
    rig.emit(TraceKind::log_loaded, 4, "__cluster_metadata-0", 0, 0);
    // Controller 3 is elected by the empty one and writes something else there.
    rig.emit(TraceKind::quorum_role, 5, "__cluster_metadata-0", leader_role, 2);
    for (const std::uint16_t machine : {std::uint16_t{5}, std::uint16_t{4}})
      rig.append(machine, make_batch({.base = 2, .epoch = 2, .values = {"d"}}), false, "__cluster_metadata", 0, metadata_topic_id);
    rig.emit(TraceKind::quorum_high_watermark, 5, "__cluster_metadata-0", 3, 2);
    EXPECT_EQ(rig.failed("I21"), wiped ? 0 : 1);
  }
}

TEST(Check, I71_two_hashes_fail) {
  Rig rig;
  rig.judge().compare_hash(5, 5);
  EXPECT_EQ(rig.failed("I71"), 0);
  rig.judge().compare_hash(5, 6);
  EXPECT_EQ(rig.failed("I71"), 1);
}

TEST(Check, I72_a_node_that_ends_without_a_fault_of_its_disk_fails) {
  Rig rig;
  rig.emit(TraceKind::disk_failed, 0, "data/x.log", static_cast<std::int64_t>(Code::io_error));
  rig.emit(TraceKind::node_halted, 0, "", static_cast<std::int64_t>(Code::io_error));
  EXPECT_EQ(rig.failed("I72"), 0);
  rig.emit(TraceKind::node_halted, 1, "", static_cast<std::int64_t>(Code::corrupt_message));
  EXPECT_EQ(rig.failed("I72"), 1);
}

/// At rest: an image, and nodes that run or do not.
class RestView final : public View {
 public:
  controller::Image now = Rig::image_with({});
  std::vector<NodeId> brokers() const override { return {NodeId(1), NodeId(2), NodeId(3)}; }
  std::vector<NodeId> voters() const override { return {NodeId(3001), NodeId(3002), NodeId(3003)}; }
  bool running(NodeId) const override { return true; }
  const controller::Image* image() const override { return &now; }
  const controller::Image* image_of(NodeId) const override { return &now; }
  NodeId active_controller() const override { return controller; }
  NodeId controller{3001};
};

TEST(Check, I66_I67_I69_at_rest_a_missing_leader_a_fenced_broker_and_no_controller_fail) {
  auto view = std::make_unique<RestView>();
  view->now = Rig::image_with({.isr = {NodeId(1)}, .leader = no_node}, orders_id, {NodeId(3)});
  view->controller = no_node;
  Rig rig(std::move(view));
  rig.judge().at_heal();
  rig.pass_ms(60'000);
  rig.judge().at_end();
  EXPECT_GT(rig.failed("I66"), 0);
  EXPECT_EQ(rig.failed("I67"), 1);
  EXPECT_EQ(rig.failed("I69"), 2);
}

TEST(Check, I67_I69_a_cluster_at_rest_is_silent_and_is_not_judged_too_early) {
  Rig rig(std::make_unique<RestView>());
  rig.judge().at_heal();
  rig.pass_ms(60'000);
  rig.judge().at_end();
  EXPECT_EQ(rig.failed("I67") + rig.failed("I69"), 0);
  EXPECT_GT(rig.evaluated("I67"), 0);
  EXPECT_GT(rig.evaluated("I69"), 0);
  Rig early(std::make_unique<RestView>());
  early.judge().at_heal();
  early.pass_ms(1000);
  early.judge().at_end();
  EXPECT_EQ(early.evaluated("I67"), 0);
}

TEST(Check, the_registry_has_each_invariant_once_and_can_switch_one_off) {
  std::vector<std::string_view> ids;
  for (const CheckRow& row : all_checks()) {
    EXPECT_EQ(std::count(ids.begin(), ids.end(), row.id), 0) << row.id;
    ids.push_back(row.id);
    EXPECT_FALSE(row.statement.empty());
    EXPECT_EQ(find_check(row.name), &row);
  }
  EXPECT_EQ(ids.size(), 60u);
  JudgeSetup setup = Rig::usual_setup();
  setup.checks.off = {"I6"};
  Rig rig(std::make_unique<View>(), setup);
  EXPECT_EQ(rig.judge().check("I6"), nullptr);
  rig.lead(0, 1);
  rig.lead(1, 1);
  EXPECT_FALSE(rig.judge().failed());
}

}  // namespace
}  // namespace harrow::sim
