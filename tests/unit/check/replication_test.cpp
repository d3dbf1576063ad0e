// Each invariant of logs and replication: a list of events on which it fails, and one on which it stays silent.
#include "tests/unit/check/rig.h"

namespace harrow::sim {
namespace {

/// Three records replicated and committed under leader 0 in epoch 0.
void three_committed(Rig& rig) {
  for (std::uint16_t machine = 0; machine < 3; ++machine) {
    rig.load(machine, 0, 0);
    rig.emit(TraceKind::node_started, machine, "");
  }
  rig.publish(Rig::image_with({}), 10);
  rig.lead(0, 0);
  for (std::int64_t base = 0; base < 3; ++base) rig.replicate({.base = base, .values = {"value " + std::to_string(base)}});
  rig.high_watermark(0, 3, 0);
  rig.answer_produce(0, 2, 2, 0);
}

TEST(Check, a_quiet_history_breaks_nothing) {
  Rig rig;
  three_committed(rig);
  EXPECT_FALSE(rig.judge().failed()) << rig.judge().failure()->message;
  for (const char* const id : {"I3", "I4", "I6", "I8", "I13", "I14", "I26", "I28"}) EXPECT_EQ(rig.failed(id), 0) << id;
  EXPECT_GT(rig.evaluated("I8"), 0);
  EXPECT_EQ(rig.evaluated("I10"), 0) << "nothing was truncated: no premise, no evaluation";
}

TEST(Check, I1_and_I2_a_leader_without_committed_records_fails) {
  Rig rig;
  three_committed(rig);
  rig.kill(1);
  rig.load(1, 0, 1);  // a kill loses nothing, but this one did
  rig.lead(1, 1, 1);
  EXPECT_EQ(rig.failed("I1"), 1);
  EXPECT_EQ(rig.failed("I2"), 1);
  EXPECT_EQ(rig.failed("I26"), 1);
  EXPECT_NE(rig.message("I2").find("ends at 1"), std::string::npos) << rig.message("I2");
}

TEST(Check, I1_and_I2_a_leader_with_everything_is_silent) {
  Rig rig;
  three_committed(rig);
  rig.lead(1, 1, 3);
  EXPECT_EQ(rig.failed("I1") + rig.failed("I2"), 0);
  EXPECT_EQ(rig.evaluated("I1"), 1);
  EXPECT_EQ(rig.evaluated("I2"), 1);
}

TEST(Check, I1_a_loss_on_every_copy_at_once_is_an_excuse_and_a_kill_is_none) {
  Rig rig;
  three_committed(rig);
  for (std::uint16_t machine = 0; machine < 3; ++machine) rig.power_loss(machine);
  for (std::uint16_t machine = 0; machine < 3; ++machine) rig.load(machine, 0, 1);
  rig.lead(1, 1, 1);
  EXPECT_FALSE(rig.judge().failed()) << rig.judge().failure()->message;
  EXPECT_EQ(rig.judge().oracle().partition("orders", 0)->excuses.size(), 1u);
  EXPECT_EQ(rig.judge().oracle().partition("orders", 0)->committed_end, 1);
}

TEST(Check, I2_a_loss_that_one_copy_survived_is_no_excuse) {
  Rig rig;
  three_committed(rig);
  rig.power_loss(0);
  rig.power_loss(1);
  rig.load(0, 0, 1);
  rig.load(1, 0, 1);
  rig.lead(1, 1, 1);
  EXPECT_EQ(rig.failed("I2"), 1);
}

TEST(Check, I2_an_unclean_election_that_the_settings_allow_is_an_excuse) {
  for (const bool allowed : {true, false}) {
    JudgeSetup setup = Rig::usual_setup();
    setup.config["unclean.leader.election.enable"] = allowed ? "true" : "false";
    Rig rig(std::make_unique<View>(), setup);
    three_committed(rig);
    rig.power_loss(2);
    rig.load(2, 0, 1);
    rig.publish(Rig::image_with({.isr = {NodeId(3)}, .leader = NodeId(3), .leader_epoch = 1, .partition_epoch = 1, .recovering = true}), 11);
    rig.lead(2, 1, 1);
    EXPECT_EQ(rig.failed("I2"), allowed ? 0 : 1);
  }
}

TEST(Check, I3_another_batch_at_the_same_offset_and_epoch_fails) {
  Rig rig;
  rig.lead(0, 0);
  rig.append(0, {.base = 0, .values = {"a"}});
  rig.append(1, {.base = 0, .values = {"b"}}, false);
  EXPECT_EQ(rig.failed("I3"), 1);
}

TEST(Check, I3_the_same_batch_behind_another_prefix_fails) {
  Rig rig;
  rig.append(0, {.base = 0, .values = {"a"}});
  rig.append(1, {.base = 0, .epoch = 0, .values = {"a"}}, false);
  rig.append(0, {.base = 1, .epoch = 1, .values = {"b"}});
  rig.append(1, {.base = 1, .epoch = 0, .values = {"x"}}, false);
  rig.append(0, {.base = 2, .epoch = 2, .values = {"c"}});
  rig.append(1, {.base = 2, .epoch = 2, .values = {"c"}}, false);
  EXPECT_EQ(rig.failed("I3"), 1);
  EXPECT_NE(rig.message("I3").find("different prefix"), std::string::npos);
}

TEST(Check, I4_a_member_without_committed_records_fails_once_it_has_registered) {
  Rig rig;
  three_committed(rig);
  rig.power_loss(2);
  rig.load(2, 0, 1);
  rig.publish(Rig::image_with({.partition_epoch = 1}), 11);
  EXPECT_EQ(rig.failed("I4"), 0) << "it is still listed, its registration will take it out";
  controller::Image image = Rig::image_with({.partition_epoch = 2});
  wire::RegisterBrokerRecord again;
  again.broker_id = 3;
  again.broker_epoch = 12;
  again.incarnation_id = Uuid{1, 33};
  again.fenced = false;
  ASSERT_TRUE(image.replay(again, Offset(12)).has_value());
  rig.publish(image, 12);
  EXPECT_EQ(rig.failed("I4"), 1);
}

TEST(Check, I5_a_leader_that_does_not_wait_for_a_member_fails) {
  Rig rig;
  three_committed(rig);
  EXPECT_EQ(rig.failed("I5"), 0);
  EXPECT_GT(rig.evaluated("I5"), 0);
  rig.isr(0, {NodeId(1), NodeId(2)}, {NodeId(1), NodeId(2)}, 0);
  EXPECT_EQ(rig.failed("I5"), 1);
}

TEST(Check, I6_two_leaders_in_an_epoch_fail) {
  Rig rig;
  rig.lead(0, 4);
  rig.lead(1, 5);
  EXPECT_EQ(rig.failed("I6"), 0);
  rig.lead(2, 5);
  EXPECT_EQ(rig.failed("I6"), 1);
}

TEST(Check, I6_a_writer_in_anothers_epoch_fails) {
  Rig rig;
  rig.publish(Rig::image_with({}), 10);
  rig.lead(0, 4);
  rig.append(1, {.base = 0, .epoch = 4});
  EXPECT_EQ(rig.failed("I6"), 1);
}

TEST(Check, I7_an_epoch_that_falls_within_an_incarnation_fails) {
  Rig rig;
  rig.lead(0, 5);
  rig.emit(TraceKind::became_follower, 0, "orders-0", 4, 2);
  EXPECT_EQ(rig.failed("I7"), 1);
}

TEST(Check, I7_a_new_incarnation_starts_over) {
  Rig rig;
  rig.lead(0, 5);
  rig.kill(0);
  rig.emit(TraceKind::became_follower, 0, "orders-0", 4, 2);
  EXPECT_EQ(rig.failed("I7"), 0);
}

TEST(Check, I8_a_high_watermark_that_falls_or_that_a_member_does_not_hold_fails) {
  {
    Rig rig;
    three_committed(rig);
    rig.high_watermark(0, 2, 0);
    EXPECT_EQ(rig.failed("I8"), 1);
  }
  Rig rig;
  three_committed(rig);
  rig.append(0, {.base = 3});
  rig.append(1, {.base = 3}, false);
  rig.high_watermark(0, 4, 0);
  EXPECT_EQ(rig.failed("I8"), 1);
  EXPECT_NE(rig.message("I8").find("broker 3"), std::string::npos);
  EXPECT_EQ(rig.judge().oracle().partition("orders", 0)->committed_end, 3);
}

TEST(Check, I8_a_member_that_lost_what_it_had_reported_is_not_held_against_the_leader) {
  for (const bool power_loss : {true, false}) {
    Rig rig;
    three_committed(rig);
    rig.replicate({.base = 3});  // fetched by both, and the third holds the high watermark back
    if (power_loss) rig.power_loss(1);
    else rig.kill(1);
    rig.load(1, 0, 3);
    rig.high_watermark(0, 4, 0);
    EXPECT_EQ(rig.failed("I8"), power_loss ? 0 : 1);
  }
}

TEST(Check, I9_an_end_that_goes_back_fails) {
  Rig rig;
  three_committed(rig);
  const ListOffsetsNote note{"orders", 0, -1, 0, no_node};
  rig.emit(TraceKind::offsets_listed, 0, "orders-0", -1, 3, &note);
  rig.lead(1, 1, 3);
  rig.emit(TraceKind::offsets_listed, 0, "orders-0", -1, 2, &note);
  EXPECT_EQ(rig.failed("I9"), 0) << "a deposed leader says what it knows";
  rig.emit(TraceKind::offsets_listed, 1, "orders-0", -1, 2, &note);
  EXPECT_EQ(rig.failed("I9"), 1);
}

TEST(Check, I10_cutting_committed_records_fails) {
  Rig rig;
  three_committed(rig);
  rig.append(1, {.base = 3, .values = {"not committed"}}, false);
  rig.emit(TraceKind::truncated, 1, "orders-0", 3, 4);
  EXPECT_EQ(rig.failed("I10"), 0);
  EXPECT_EQ(rig.evaluated("I10"), 1);
  rig.emit(TraceKind::truncated, 1, "orders-0", 2, 3);
  EXPECT_EQ(rig.failed("I10"), 1);
}

TEST(Check, I12_records_above_the_true_high_watermark_fail) {
  Rig rig;
  three_committed(rig);
  const auto fetch = [&](std::int64_t base) {
    const Bytes records = make_batch({.base = base, .values = {"x"}});
    const FetchNote note{"orders", 0, no_node, Offset(base), Offset(3), Offset(0), Offset(4), LeaderEpoch(0), &records, false};
    rig.emit(TraceKind::fetch_answered, 0, "orders-0", base, 0, &note);
  };
  fetch(2);
  EXPECT_EQ(rig.failed("I12"), 0);
  fetch(3);
  EXPECT_EQ(rig.failed("I12"), 1);
}

TEST(Check, I13_success_before_commitment_fails) {
  Rig rig;
  three_committed(rig);
  EXPECT_EQ(rig.failed("I13"), 0);
  rig.append(0, {.base = 3});
  rig.answer_produce(0, 3, 3, 0, Code::none, 1);
  EXPECT_EQ(rig.failed("I13"), 0) << "acks=1 promises less";
  rig.answer_produce(0, 3, 3, 0);
  EXPECT_EQ(rig.failed("I13"), 1);
}

TEST(Check, I14_offsets_and_epochs_that_fall_fail) {
  Rig rig;
  rig.append(0, {.base = 0, .epoch = 2});
  rig.append(0, {.base = 1, .epoch = 1});
  EXPECT_EQ(rig.failed("I14"), 1);
  rig.append(1, {.base = 5}, false);
  rig.append(1, {.base = 5}, false);
  EXPECT_EQ(rig.failed("I14"), 2);
  rig.append(2, {.base = 0}, false);
  rig.append(2, {.base = 4}, false);
  EXPECT_EQ(rig.failed("I14"), 2) << "a follower may have gaps";
}

TEST(Check, I24_a_deposed_leader_that_acknowledges_what_its_successor_lacks_fails) {
  Rig rig;
  three_committed(rig);
  rig.append(0, {.base = 3, .values = {"zombie"}});
  rig.lead(1, 1, 3);
  rig.append(1, {.base = 3, .epoch = 1});
  rig.append(2, {.base = 3, .epoch = 1}, false);
  rig.isr(1, {NodeId(2), NodeId(3)}, {NodeId(2), NodeId(3)}, 1);
  rig.high_watermark(1, 4, 1);
  rig.answer_produce(0, 2, 2, 0);
  EXPECT_EQ(rig.failed("I24"), 0) << "what the successor has was earned";
  rig.answer_produce(0, 3, 3, 0);
  EXPECT_EQ(rig.failed("I24"), 1);
}

TEST(Check, I24_a_fetch_served_in_another_epoch_than_it_names_fails) {
  for (const std::int32_t asked : {-1, 0, 1}) {
    Rig rig;
    three_committed(rig);
    FetchNote note{"orders", 0, NodeId(2), Offset(3), Offset(3), Offset(0), Offset(3), LeaderEpoch(0), nullptr, false};
    note.asked_epoch = LeaderEpoch(asked);
    note.judged_epoch = LeaderEpoch(0);
    rig.emit(TraceKind::fetch_answered, 0, "orders-0", 3, 0, &note);
    EXPECT_EQ(rig.failed("I24"), asked == 1 ? 1 : 0);
    EXPECT_EQ(rig.evaluated("I24"), asked == -1 ? 0 : 1);
  }
}

TEST(Check, I25_a_batch_of_a_deleted_topic_under_the_new_one_fails) {
  Rig rig;
  rig.publish(Rig::image_with({}), 10);
  rig.append(0, {.base = 0, .producer = 9, .sequence = 0});
  const Uuid second{8, 8};
  rig.publish(Rig::image_with({}, second), 11);
  rig.append(0, make_batch({.base = 0, .producer = 10, .sequence = 0}), true, "orders", 0, second);
  EXPECT_EQ(rig.failed("I25"), 0);
  EXPECT_EQ(rig.evaluated("I25"), 1);
  rig.append(1, make_batch({.base = 0, .producer = 9, .sequence = 0}), false, "orders", 0, second);
  EXPECT_EQ(rig.failed("I25"), 1);
}

TEST(Check, I26_a_recovery_below_what_was_synced_or_above_what_was_there_fails) {
  for (const std::int64_t found : {1, 2, 4}) {
    Rig rig;
    three_committed(rig);
    rig.emit(TraceKind::log_synced, 1, "orders-0", 2);
    rig.power_loss(1);
    rig.load(1, 0, found);
    EXPECT_EQ(rig.failed("I26"), found == 2 ? 0 : 1) << found;
  }
}

TEST(Check, I26_what_a_kill_left_in_the_page_cache_is_not_synced) {
  Rig rig;
  three_committed(rig);
  rig.emit(TraceKind::log_synced, 1, "orders-0", 1);
  rig.kill(1);
  rig.load(1, 0, 3);
  rig.power_loss(1);
  rig.load(1, 0, 2);
  EXPECT_EQ(rig.failed("I26"), 0);
  rig.power_loss(1);
  rig.load(1, 0, 0);
  EXPECT_EQ(rig.failed("I26"), 1);
}

TEST(Check, I26_a_power_loss_may_take_the_log_start_back_to_its_checkpoint) {
  Rig rig;
  three_committed(rig);
  rig.append(1, {.base = 3, .producer = 5, .sequence = 0}, false);
  rig.append(1, {.base = 4, .producer = 5, .sequence = 1}, false);
  rig.emit(TraceKind::log_start_moved, 1, "orders-0", 5, 3);
  rig.power_loss(1);
  rig.load(1, 1, 4);
  const PartitionTruth& partition = *rig.judge().oracle().partition("orders", 0);
  const ReplicaTruth& replica = *partition.replica_on(1);
  EXPECT_EQ(replica.start, 1);
  EXPECT_EQ(replica.end, 4);
  EXPECT_EQ(partition.row(replica.last_of_producer.at(5))->base, 3);
  rig.append(1, {.base = 4, .producer = 5, .sequence = 1}, false);
  EXPECT_EQ(rig.failed("I26") + rig.failed("I37"), 0);
}

TEST(Check, I28_a_follower_that_appends_a_damaged_batch_fails) {
  Rig rig;
  const Bytes good = make_batch({.base = 0, .values = {"abc"}});
  std::string raw = good.to_string();
  raw[raw.size() - 3] = static_cast<char>(raw[raw.size() - 3] ^ 1);
  rig.append(1, good, false);
  EXPECT_EQ(rig.failed("I28"), 0);
  rig.append(2, Bytes::copy_of(std::string_view(raw)), false);
  EXPECT_EQ(rig.failed("I28"), 1);
}

TEST(Check, I30_a_log_start_that_goes_back_or_passes_the_high_watermark_fails) {
  Rig rig;
  three_committed(rig);
  constexpr std::int64_t by_time = 0;
  rig.emit(TraceKind::log_start_moved, 0, "orders-0", 2, by_time);
  EXPECT_EQ(rig.failed("I30"), 0);
  rig.emit(TraceKind::log_start_moved, 0, "orders-0", 1, by_time);
  EXPECT_EQ(rig.failed("I30"), 1);
  rig.append(1, {.base = 3}, false);
  rig.emit(TraceKind::log_start_moved, 1, "orders-0", 4, by_time);
  EXPECT_EQ(rig.failed("I30"), 2);
}

TEST(Check, I31_retention_of_what_is_young_or_still_wanted_fails) {
  Rig rig;
  rig.lead(0, 0);
  SegmentNote note{"orders", 0, Offset(0), Offset(10), WallMs(1000), 100, 1000, Offset(20), WallMs(10'000), 5000, 500};
  rig.emit(TraceKind::segment_deleted, 0, "orders-0", 0, 0, &note);
  EXPECT_EQ(rig.failed("I31"), 0);
  note.now = WallMs(5000);
  rig.emit(TraceKind::segment_deleted, 0, "orders-0", 0, 0, &note);
  EXPECT_EQ(rig.failed("I31"), 1);
  rig.pass_ms(1);
  note.log_size_bytes = 600;
  rig.emit(TraceKind::segment_deleted, 0, "orders-0", 0, 1, &note);
  EXPECT_EQ(rig.failed("I31"), 1);
  rig.emit(TraceKind::segment_deleted, 0, "orders-0", 10, 1, &note);
  EXPECT_EQ(rig.failed("I31"), 2) << "the second of the same act leaves too little";
}

TEST(Check, I35_a_mark_over_unsynced_data_and_a_mark_used_twice_fail) {
  Rig rig;
  three_committed(rig);
  for (std::uint16_t machine = 0; machine < 3; ++machine) rig.emit(TraceKind::log_synced, machine, "orders-0", 3);
  rig.emit(TraceKind::clean_shutdown_marked, 0, "");
  rig.emit(TraceKind::node_stopped, 0, "", 1);
  rig.load(0, 0, 3, true);
  EXPECT_EQ(rig.failed("I35"), 0);
  rig.kill(0);
  rig.load(0, 0, 3, true);
  EXPECT_EQ(rig.failed("I35"), 1);
  rig.append(1, {.base = 3}, false);
  rig.emit(TraceKind::clean_shutdown_marked, 1, "");
  EXPECT_EQ(rig.failed("I35"), 2);
}

TEST(Check, I36_an_append_after_the_disk_failed_fails) {
  Rig rig;
  rig.lead(0, 0);
  rig.emit(TraceKind::disk_failed, 0, "data/orders-0/00000000000000000000.log", static_cast<std::int64_t>(Code::io_error));
  rig.append(0, {.base = 0});
  EXPECT_EQ(rig.failed("I36"), 0) << "the same instant: the process ends with its turn";
  rig.pass_ms(1);
  rig.append(0, {.base = 1});
  EXPECT_EQ(rig.failed("I36"), 1);
}

TEST(Check, I37_a_repeated_or_skipped_sequence_fails) {
  Rig rig;
  rig.append(0, {.base = 0, .values = {"a", "b"}, .producer = 5, .sequence = 0});
  rig.append(0, {.base = 2, .values = {"c"}, .producer = 5, .sequence = 2});
  rig.append(0, {.base = 3, .values = {"d"}, .producer = 5, .producer_epoch = 1, .sequence = 0});
  EXPECT_EQ(rig.failed("I37"), 0);
  EXPECT_EQ(rig.evaluated("I37"), 2);
  rig.append(0, {.base = 4, .values = {"d"}, .producer = 5, .producer_epoch = 1, .sequence = 0});
  EXPECT_EQ(rig.failed("I37"), 1);
  rig.append(0, {.base = 5, .values = {"e"}, .producer = 5, .producer_epoch = 1, .sequence = 3});
  EXPECT_EQ(rig.failed("I37"), 2);
}

TEST(Check, I37_a_cut_takes_sequences_back) {
  Rig rig;
  rig.append(1, {.base = 0, .producer = 5, .sequence = 0}, false);
  rig.append(1, {.base = 1, .producer = 5, .sequence = 1}, false);
  rig.emit(TraceKind::truncated, 1, "orders-0", 1, 2);
  rig.append(1, {.base = 1, .epoch = 1, .producer = 5, .sequence = 1}, false);
  EXPECT_EQ(rig.failed("I37"), 0);
}

}  // namespace
}  // namespace harrow::sim
