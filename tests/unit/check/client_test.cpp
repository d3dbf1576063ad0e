// Invariants of producers, consumers, groups and the wire; marks; expectations; the comparisons of live state.
#include "core/group/records.h"
#include "core/wire/heartbeat_response.h"
#include "core/wire/frame.h"
#include "sim/check/comparisons.h"
#include "tests/unit/check/rig.h"

namespace harrow::sim {
namespace {

struct Clients : Rig {
  using Rig::Rig;
  void send(std::int64_t sequence, std::uint64_t hash) {
    const SendNote note{"shop/0", "orders", 0, -1, true, sequence, hash, Code::none, no_offset};
    emit(TraceKind::send_invoked, first_client, "orders-0", sequence, static_cast<std::int64_t>(hash), &note);
  }
  void ack(std::int64_t sequence, std::uint64_t hash, std::int64_t offset, std::int16_t acks = -1) {
    const SendNote note{"shop/0", "orders", 0, acks, true, sequence, hash, Code::none, Offset(offset)};
    emit(TraceKind::send_acked, first_client, "orders-0", sequence, offset, &note);
  }
  void consume(std::int64_t offset, std::uint64_t hash, std::uint16_t machine = first_client + 1, std::string_view group = "billing") {
    const ConsumeNote note{group, "member", "orders", 0, Offset(offset), hash, WallMs(0)};
    emit(TraceKind::record_consumed, machine, "orders-0", offset, static_cast<std::int64_t>(hash), &note);
  }
  void commit(TraceKind kind, std::int64_t offset, std::int32_t generation = 1, std::uint16_t machine = 0, std::int64_t commit_time = 1000, std::int64_t now = 1000) {
    const CommitNote note{"billing", "member", "orders", 0, generation, Offset(offset), WallMs(commit_time), WallMs(now), Code::none};
    emit(kind, machine, kind == TraceKind::commit_acked ? "orders-0" : "group billing", offset, generation, &note);
  }
  void group_state(std::int64_t state, std::int32_t generation, std::int64_t now_ms, std::uint16_t machine = 0) {
    const CommitNote note{"billing", "", "", -1, generation, no_offset, WallMs(0), WallMs(now_ms), Code::none};
    emit(TraceKind::group_state, machine, "group billing", state, generation, &note);
  }
  void assign(TraceKind kind, std::string_view member, const std::vector<TopicPartition>& partitions, std::int64_t generation, std::int64_t members, std::uint16_t machine = 0) {
    const AssignmentNote note{"billing", member, partitions};
    emit(kind, machine, "group billing", generation, members, &note);
  }
};

TEST(Check, I11_another_value_at_an_offset_that_was_read_fails) {
  Clients rig;
  rig.consume(0, 11);
  rig.consume(0, 11, first_client + 2, "audit");
  EXPECT_EQ(rig.failed("I11"), 0);
  rig.consume(0, 12, first_client + 3, "other");
  EXPECT_EQ(rig.failed("I11"), 1);
}

TEST(Check, I28_a_value_that_nobody_sent_fails_once_damage_is_possible) {
  Clients rig;
  rig.send(1, 11);
  rig.consume(0, 99);
  EXPECT_EQ(rig.evaluated("I28"), 0) << "no damage, no premise";
  const FaultNote fault{"bit-rot", "broker(1)"};
  rig.emit(TraceKind::fault_began, 0, "", 1, 0, &fault);
  rig.send(2, 12);
  rig.consume(1, 11);
  rig.consume(2, 12);
  EXPECT_EQ(rig.failed("I28"), 0);
  EXPECT_EQ(rig.evaluated("I28"), 2);
  rig.consume(3, 13);
  EXPECT_EQ(rig.failed("I28"), 1);
}

TEST(Check, I39_a_later_send_at_an_earlier_offset_fails) {
  Clients rig;
  rig.append(0, BatchOf{});
  rig.ack(1, 11, 5);
  rig.ack(2, 12, 6);
  EXPECT_EQ(rig.failed("I39"), 0);
  rig.ack(3, 13, 4);
  EXPECT_EQ(rig.failed("I39"), 1);
}

TEST(Check, I57_two_promises_for_an_offset_and_a_wrong_read_fail) {
  Clients rig;
  rig.ack(1, 11, 0);
  rig.consume(0, 11);
  EXPECT_EQ(rig.failed("I57"), 0);
  rig.ack(2, 12, 0);
  EXPECT_EQ(rig.failed("I57"), 1);
  rig.ack(3, 13, 1, 1);
  rig.ack(4, 14, 1);
  EXPECT_EQ(rig.failed("I57"), 1) << "acks=1 promised nothing";
  rig.consume(1, 13);
  EXPECT_EQ(rig.failed("I57"), 2);
}

TEST(Check, I58_a_skip_and_a_step_back_within_an_assignment_fail) {
  Clients rig;
  rig.lead(0, 0);
  for (std::int64_t base = 0; base < 6; ++base) rig.append(0, {.base = base});
  rig.consume(0, 1);
  rig.consume(1, 2);
  EXPECT_EQ(rig.failed("I58"), 0);
  rig.consume(3, 4);
  EXPECT_EQ(rig.failed("I58"), 1);
  rig.consume(2, 3);
  EXPECT_EQ(rig.failed("I58"), 2);
  rig.assign(TraceKind::partitions_assigned, "member", {{"orders", 0}}, 2, 1, first_client + 1);
  rig.consume(0, 1);
  EXPECT_EQ(rig.failed("I58"), 2) << "a new assignment starts over";
}

TEST(Check, I60_a_reset_within_the_log_fails) {
  Clients rig;
  rig.lead(0, 0);
  rig.replicate({.base = 0, .values = {"a", "b", "c"}});
  rig.high_watermark(0, 3, 0);
  rig.emit(TraceKind::position_reset, first_client, "orders-0", -1, 0);
  rig.emit(TraceKind::position_reset, first_client, "orders-0", 9, 3);
  EXPECT_EQ(rig.failed("I60"), 0);
  rig.emit(TraceKind::position_reset, first_client, "orders-0", 2, 0);
  EXPECT_EQ(rig.failed("I60"), 1);
}

TEST(Check, I48_a_partition_with_two_owners_fails) {
  for (const TraceKind kind : {TraceKind::assignment_made, TraceKind::partitions_assigned}) {
    Clients rig;
    rig.assign(kind, "a", {{"orders", 0}}, 3, 2, first_client);
    rig.assign(kind, "b", {{"orders", 1}}, 3, 2, kind == TraceKind::assignment_made ? first_client : first_client + 1);
    rig.assign(kind, "b", {{"orders", 0}}, 4, 2, kind == TraceKind::assignment_made ? first_client : first_client + 1);
    EXPECT_EQ(rig.failed("I48"), 0);
    rig.assign(kind, "a", {{"orders", 0}}, 4, 2, first_client);
    EXPECT_GE(rig.failed("I48"), 1);  // of clients twice: by what they were given, and by what they still hold
  }
}

TEST(Check, I48_a_group_that_was_deleted_gives_its_partitions_anew_and_no_other_does) {
  Clients rig;
  rig.assign(TraceKind::assignment_made, "a", {{"orders", 0}}, 1, 1);
  rig.group_state(4, 2, 2000);
  rig.assign(TraceKind::assignment_made, "b", {{"orders", 0}}, 1, 1);
  EXPECT_EQ(rig.failed("I48"), 0);
  rig.group_state(0, 1, 3000);
  rig.assign(TraceKind::assignment_made, "c", {{"orders", 0}}, 1, 1);
  EXPECT_EQ(rig.failed("I48"), 1);
}

TEST(Check, I48_a_partition_taken_before_another_of_the_same_generation_let_go_of_it_fails) {
  constexpr TraceKind assigned = TraceKind::partitions_assigned, revoked = TraceKind::partitions_revoked;
  Clients rig;
  rig.assign(assigned, "a", {{"orders", 0}}, 3, 2, first_client);
  rig.assign(assigned, "b", {}, 4, 2, first_client + 1);
  rig.assign(revoked, "a", {{"orders", 0}}, 4, 1, first_client);
  rig.assign(assigned, "b", {{"orders", 0}}, 5, 2, first_client + 1);
  rig.assign(assigned, "c", {{"orders", 0}}, 6, 2, first_client + 2);
  rig.assign(revoked, "b", {{"orders", 0}}, 5, 1, first_client + 1);
  EXPECT_EQ(rig.failed("I48"), 0) << "a member that has not noticed the next generation may still believe in its own";
  rig.assign(assigned, "a", {{"orders", 0}}, 7, 2, first_client);
  EXPECT_EQ(rig.failed("I48"), 0);
  rig.assign(revoked, "c", {{"orders", 0}}, 7, 1, first_client + 2);
  EXPECT_EQ(rig.failed("I48"), 1) << "the one that lets go belongs to the generation in which the other took it";
}

TEST(Check, I49_a_partition_that_moves_in_a_cooperative_group_may_be_nobodys_for_a_while) {
  for (const bool cooperative : {false, true}) {
    JudgeSetup setup = Rig::usual_setup();
    if (cooperative) setup.cooperative_groups.insert("billing");
    Clients rig(std::make_unique<View>(), std::move(setup));
    rig.assign(TraceKind::assignment_made, "a", {{"orders", 0}, {"orders", 1}, {"orders", 2}}, 1, 1);
    rig.assign(TraceKind::assignment_made, "a", {{"orders", 0}, {"orders", 2}}, 2, 2);
    rig.assign(TraceKind::assignment_made, "b", {}, 2, 2);
    EXPECT_EQ(rig.failed("I49"), cooperative ? 0 : 1);
    rig.assign(TraceKind::assignment_made, "b", {{"orders", 2}}, 3, 1);
    EXPECT_EQ(rig.failed("I49"), cooperative ? 1 : 2) << "who had it is no longer in the group";
  }
}

TEST(Check, I58_goes_on_where_a_partition_stays_with_its_member) {
  Clients rig;
  rig.lead(0, 0);
  for (std::int64_t base = 0; base < 6; ++base) rig.append(0, {.base = base});
  rig.assign(TraceKind::partitions_assigned, "member", {{"orders", 0}}, 2, 1, first_client + 1);
  rig.consume(0, 1);
  rig.assign(TraceKind::partitions_assigned, "member", {{"orders", 0}}, 3, 1, first_client + 1);
  rig.consume(1, 2);
  EXPECT_EQ(rig.failed("I58"), 0);
  rig.consume(4, 5);
  EXPECT_EQ(rig.failed("I58"), 1) << "nothing was revoked meanwhile";
  rig.assign(TraceKind::partitions_revoked, "member", {{"orders", 0}}, 3, 1, first_client + 1);
  rig.assign(TraceKind::partitions_assigned, "member", {{"orders", 0}}, 4, 1, first_client + 1);
  rig.consume(1, 2);
  EXPECT_EQ(rig.failed("I58"), 1);
}

TEST(Check, marks_tell_a_partition_that_is_read_on_from_one_that_is_given_up) {
  constexpr TraceKind assigned = TraceKind::partitions_assigned;
  for (const bool revokes : {false, true}) {
    Clients rig;
    rig.assign(assigned, "member", {{"orders", 0}, {"orders", 1}}, 2, 1, first_client + 1);
    rig.group_state(1, 2, 1000);
    rig.consume(0, 1);
    if (revokes) rig.assign(TraceKind::partitions_revoked, "member", {{"orders", 0}, {"orders", 1}}, 2, 1, first_client + 1);
    rig.group_state(3, 3, 2000);
    rig.assign(assigned, "member", {{"orders", 0}}, 3, 1, first_client + 1);
    EXPECT_EQ(rig.judge().marks().reached("consumed-during-rebalance"), revokes ? 0 : 1);
    EXPECT_EQ(rig.judge().marks().reached("static-member-returned"), 0);
    rig.assign(assigned, "another", {{"orders", 0}}, 3, 1, first_client + 1);
    EXPECT_EQ(rig.judge().marks().reached("static-member-returned"), 1);
  }
}

TEST(Check, I49_a_gap_in_an_assignment_fails) {
  Clients rig;
  rig.assign(TraceKind::assignment_made, "a", {{"orders", 0}, {"orders", 1}}, 1, 2);
  rig.assign(TraceKind::assignment_made, "b", {{"orders", 2}}, 1, 2);
  EXPECT_EQ(rig.failed("I49"), 0);
  EXPECT_EQ(rig.evaluated("I49"), 1);
  rig.assign(TraceKind::assignment_made, "a", {{"orders", 0}}, 2, 2);
  rig.assign(TraceKind::assignment_made, "b", {{"orders", 2}}, 2, 2);
  EXPECT_EQ(rig.failed("I49"), 1);
}

TEST(Check, I7_a_group_that_was_deleted_starts_over_and_no_other_does) {
  Clients rig;
  rig.group_state(3, 2, 1000);
  rig.group_state(4, 2, 2000);
  rig.group_state(1, 0, 3000);
  EXPECT_EQ(rig.failed("I7"), 0);
  rig.group_state(3, 2, 4000);
  rig.group_state(1, 0, 5000);
  EXPECT_EQ(rig.failed("I7"), 1);
}

TEST(Check, I50_a_commit_of_an_old_generation_that_was_decided_in_the_new_one_fails) {
  Clients rig;
  rig.group_state(2, 5, 2000);
  rig.commit(TraceKind::offset_committed, 3, 5, 0, 2500);
  rig.commit(TraceKind::offset_committed, 4, 4, 0, 1900);
  EXPECT_EQ(rig.failed("I50"), 0);
  rig.commit(TraceKind::offset_committed, 5, 4, 0, 2600);
  EXPECT_EQ(rig.failed("I50"), 1);
}

TEST(Check, I50_a_static_member_that_nobody_replaced_is_not_fenced) {
  const std::string first = "till/0-00000000-0000-4000-8000-000000000001", second = "till/0-00000000-0000-4000-8000-000000000002";
  Clients rig;
  const auto fenced = [&](const std::string& member) {
    const CommitNote note{"billing", member, "", -1, 3, no_offset, WallMs(0), WallMs(1000), Code::fenced_instance_id};
    rig.emit(TraceKind::commit_refused, 0, "group billing", static_cast<std::int64_t>(Code::fenced_instance_id), 3, &note);
  };
  rig.assign(TraceKind::partitions_assigned, first, {{"orders", 0}}, 3, 1, first_client);
  rig.assign(TraceKind::partitions_assigned, second, {{"orders", 0}}, 3, 1, first_client);
  fenced(first);
  EXPECT_EQ(rig.failed("I50"), 0);
  fenced(second);
  EXPECT_EQ(rig.failed("I50"), 1);
}

TEST(Check, I51_an_older_commit_than_the_last_fails) {
  Clients rig;
  rig.append(0, BatchOf{});
  rig.commit(TraceKind::offset_committed, 3);
  rig.commit(TraceKind::offset_fetched, 3);
  EXPECT_EQ(rig.failed("I51"), 0);
  rig.commit(TraceKind::offset_committed, 7);
  rig.commit(TraceKind::offset_fetched, 3);
  EXPECT_EQ(rig.failed("I51"), 1);
  rig.commit(TraceKind::offset_fetched, 3, 1, 1);
  EXPECT_EQ(rig.failed("I51"), 1) << "a coordinator that lost its partition is not judged";
  rig.emit(TraceKind::coordinator_loaded, 2, "offsets 0", 0, 0);
  rig.commit(TraceKind::offset_fetched, 3, 1, 2);
  EXPECT_EQ(rig.failed("I51"), 2) << "its successor is";
}

TEST(Check, I51_the_offsets_of_a_topic_made_anew_may_be_gone) {
  Clients rig;
  rig.publish(Rig::image_with({}), 10);
  rig.commit(TraceKind::offset_committed, 7);
  rig.commit(TraceKind::offset_fetched, -1);
  EXPECT_EQ(rig.failed("I51"), 1);
  rig.publish(Rig::image_with({}, Uuid{9, 9}), 11);
  rig.commit(TraceKind::offset_fetched, -1);
  EXPECT_EQ(rig.failed("I51"), 1);
  rig.commit(TraceKind::offset_committed, 3);
  rig.commit(TraceKind::offset_fetched, -1);
  EXPECT_EQ(rig.failed("I51"), 2) << "what was committed since is of the new topic";
}

TEST(Check, I52_an_offset_of_a_living_group_that_expires_fails) {
  JudgeSetup setup = Rig::usual_setup();
  setup.config["offsets.retention.minutes"] = "1";
  Clients rig(std::make_unique<View>(), setup);
  rig.group_state(0, 2, 10'000);
  rig.commit(TraceKind::offset_expired, 3, 2, 0, 1000, 80'000);
  EXPECT_EQ(rig.failed("I52"), 0);
  rig.commit(TraceKind::offset_expired, 3, 2, 0, 50'000, 80'000);
  EXPECT_EQ(rig.failed("I52"), 1);
  rig.group_state(3, 3, 100'000);
  rig.commit(TraceKind::offset_expired, 3, 3, 0, 1000, 200'000);
  EXPECT_EQ(rig.failed("I52"), 2);
}

TEST(Check, I54_a_group_that_is_still_rebalancing_at_rest_fails) {
  for (const std::int64_t state : {1, 3}) {
    Clients rig;
    rig.group_state(state, 2, 0);
    rig.judge().at_heal();
    rig.pass_ms(60'000);
    rig.judge().at_end();
    EXPECT_EQ(rig.failed("I54"), state == 1 ? 1 : 0);
    EXPECT_EQ(rig.evaluated("I54"), 1);
  }
}

TEST(Check, I54_what_a_deposed_coordinator_said_last_is_not_the_groups_state) {
  for (const bool of_this_group : {true, false}) {
    Clients rig;
    rig.group_state(1, 2, 0);
    const std::int32_t partition = coordinator_partition_of("billing", 50) + (of_this_group ? 0 : 1);
    rig.emit(TraceKind::coordinator_loaded, 1, "offsets", partition, 0);
    rig.judge().at_heal();
    rig.pass_ms(60'000);
    rig.judge().at_end();
    EXPECT_EQ(rig.failed("I54"), of_this_group ? 0 : 1);
  }
}

TEST(Check, I55_a_commit_of_what_was_not_delivered_fails) {
  Clients rig;
  rig.append(0, BatchOf{});
  for (std::int64_t offset = 0; offset < 4; ++offset) rig.consume(offset, 100 + static_cast<std::uint64_t>(offset));
  rig.commit(TraceKind::commit_acked, 4);
  EXPECT_EQ(rig.failed("I55"), 0);
  EXPECT_EQ(rig.evaluated("I55"), 1);
  rig.commit(TraceKind::commit_acked, 9);
  EXPECT_EQ(rig.failed("I55"), 1);
}

TEST(Check, I61_a_reader_that_gets_nothing_although_there_is_data_fails) {
  Clients rig;
  const FetchNote note{"orders", 0, NodeId(2), Offset(3), Offset(3), Offset(0), Offset(9), LeaderEpoch(0), nullptr, false};
  const auto answer = [&] { rig.emit(TraceKind::fetch_answered, 0, "orders-0", 3, 0, &note); };
  for (int i = 0; i < 100; ++i) answer();
  EXPECT_EQ(rig.failed("I61"), 0);
  const Bytes records = make_batch({.base = 3});
  FetchNote served = note;
  served.records = &records;
  rig.emit(TraceKind::fetch_answered, 0, "orders-0", 3, 0, &served);
  EXPECT_EQ(rig.evaluated("I61"), 1);
  for (int i = 0; i < 250; ++i) answer();
  EXPECT_EQ(rig.failed("I61"), 1);
}

TEST(Check, I63_a_wrong_earliest_offset_fails) {
  Clients rig;
  rig.append(0, {.base = 0, .values = {"a", "b"}});
  const ListOffsetsNote note{"orders", 0, -2, 0, no_node};
  rig.emit(TraceKind::offsets_listed, 0, "orders-0", -2, 0, &note);
  EXPECT_EQ(rig.failed("I63"), 0);
  rig.emit(TraceKind::offsets_listed, 0, "orders-0", -2, 1, &note);
  EXPECT_EQ(rig.failed("I63"), 1);
}

TEST(Check, I63_the_first_offset_of_a_time_is_found_by_a_scan) {
  const std::vector<Bytes> batches{make_batch({.base = 0, .values = {"a", "b"}, .timestamp = 10}), make_batch({.base = 2, .values = {"c"}, .timestamp = 30})};
  EXPECT_EQ(first_offset_at(batches, 10, 0, 3), 0);
  EXPECT_EQ(first_offset_at(batches, 11, 0, 3), 2);
  EXPECT_EQ(first_offset_at(batches, 31, 0, 3), -1);
  EXPECT_EQ(first_offset_at(batches, 10, 1, 3), 1);
}

TEST(Check, I64_an_answer_to_another_request_or_of_broken_bytes_fails) {
  Clients rig;
  wire::HeartbeatResponse response;
  const Bytes frame = wire::encode_response(std::int16_t{4}, 77, response);
  RequestNote note{12, 4, 77, &frame};
  rig.emit(TraceKind::response_sent, 0, "", 12, 0, &note);
  EXPECT_EQ(rig.failed("I64"), 0);
  EXPECT_EQ(rig.evaluated("I64"), 2);
  note.correlation = 78;
  rig.emit(TraceKind::response_sent, 0, "", 12, 0, &note);
  EXPECT_EQ(rig.failed("I64"), 1);
  EXPECT_EQ(malformed_answer(frame, 12, 4), "");
  EXPECT_NE(malformed_answer(frame.sub(0, frame.size() - 1), 12, 4), "");
  EXPECT_NE(malformed_answer(frame, 12, 99), "");
}

TEST(Check, I68_a_send_without_end_fails) {
  for (const bool answered : {false, true}) {
    Clients rig;
    rig.send(1, 11);
    if (answered) rig.ack(1, 11, 0);
    rig.judge().at_heal();
    rig.pass_ms(200'000);
    rig.judge().at_end();
    EXPECT_EQ(rig.failed("I68"), answered ? 0 : 1);
  }
}

TEST(Check, I70_a_node_that_turns_in_circles_fails) {
  Clients rig;
  for (int i = 0; i < 1'000'100; ++i) rig.emit(TraceKind::response_sent, 0, "", 1, 0);
  EXPECT_EQ(rig.failed("I70"), 1);
}

TEST(Check, I15_epoch_caches_that_differ_from_the_log_are_told) {
  const std::vector<std::pair<std::int32_t, std::int64_t>> derived{{0, 0}, {3, 10}};
  const auto entry = [](int epoch, int start) { return EpochStart{LeaderEpoch(epoch), Offset(start)}; };
  EXPECT_EQ(compare_epochs(derived, {entry(0, 0), entry(3, 10)}, 0), "");
  EXPECT_EQ(compare_epochs(derived, {entry(0, 0), entry(3, 10), entry(4, 15)}, 0), "") << "a leader's own start";
  EXPECT_NE(compare_epochs(derived, {entry(3, 10)}, 0), "") << "epoch 0 was forgotten";
  EXPECT_NE(compare_epochs(derived, {entry(0, 0), entry(3, 12)}, 0), "");
  EXPECT_NE(compare_epochs(derived, {entry(0, 0), entry(3, 10), entry(4, 9)}, 0), "");
  const std::vector<std::int64_t> latest = {4, INT64_MAX};
  EXPECT_EQ(compare_epochs(derived, {entry(0, 4)}, 0, latest), "") << "compaction took what began the first, and all of the second";
  EXPECT_NE(compare_epochs(derived, {entry(0, 5)}, 0, latest), "");
  EXPECT_NE(compare_epochs(derived, {entry(3, 10)}, 0, latest), "");
}

TEST(Check, I27_an_index_entry_without_its_batch_is_told) {
  Bytes segment = make_batch({.base = 0, .timestamp = 10});
  const auto second = static_cast<std::uint32_t>(segment.size());
  segment.append(make_batch({.base = 1, .timestamp = 20}));
  OffsetIndex offsets;
  TimeIndex times;
  offsets.add({1, second});
  times.add({WallMs(20), 1});
  EXPECT_EQ(compare_indexes(offsets, times, segment, 0), "");
  OffsetIndex shifted;
  shifted.add({1, second + 1});
  EXPECT_NE(compare_indexes(shifted, times, segment, 0), "");
  TimeIndex late;
  late.add({WallMs(25), 1});
  EXPECT_NE(compare_indexes(offsets, late, segment, 0), "");
}

TEST(Check, I34_a_producer_that_the_state_knows_wrongly_is_told) {
  ProducerState state;
  const auto batch = make_batch({.base = 4, .values = {"a", "b"}, .producer = 5, .sequence = 7});
  state.update(*parse_batch_header(batch), std::nullopt);
  EXPECT_EQ(compare_producers({{5, {0, 8, 5}}}, state), "");
  EXPECT_NE(compare_producers({{5, {0, 9, 6}}}, state), "");
  EXPECT_NE(compare_producers({{6, {0, 0, 0}}}, state), "");
}

TEST(Check, I53_a_loaded_shard_that_is_not_the_fold_is_told) {
  const auto record = [](std::int64_t offset) {
    group::CommittedOffset value;
    value.offset = Offset(offset);
    return group::offset_record({"billing", "orders", 0}, value);
  };
  const std::vector<group::Record> written{record(3), record(8)};
  std::vector<Bytes> batches;
  for (std::size_t i = 0; i < written.size(); ++i) {
    BatchOptions options;
    options.base_offset = Offset(static_cast<std::int64_t>(i));
    BatchBuilder builder(options);
    const std::string key = written[i].key.to_string();
    const std::string value = written[i].value->to_string();
    builder.add(WallMs(1), key, value);
    batches.push_back(builder.build());
  }
  const auto loaded = [&](std::span<const group::Record> records) {
    group::Shard shard(0, group::Config{});
    shard.begin_load();
    EXPECT_TRUE(shard.load_buffer(records).has_value());
    shard.end_load(group::Now{WallMs(1), MonoNs(1)});
    return shard;
  };
  EXPECT_EQ(compare_offsets(fold_offsets(batches), loaded(written)), "");
  EXPECT_NE(compare_offsets(fold_offsets(batches), loaded(std::span(written).first(1))), "") << "a stale offset was kept";
  EXPECT_NE(compare_offsets({}, loaded(written)), "");
}

/// What leaders would serve, for the last counting.
struct Ledger {
  Clients rig;
  std::int64_t start = 0;
  std::vector<Bytes> batches;
  Accounting count() {
    Accounting accounting;
    std::int64_t end = start;
    for (const Bytes& batch : batches) end = parse_batch_header(batch)->end_offset().value();
    accounting.count(rig.judge().oracle(), Rig::usual_setup(), [&](const PartitionTruth&) { return Accounting::Readable{start, end, batches}; });
    return accounting;
  }
  static std::string value(std::int64_t sequence) {
    std::string text(24, 'x');
    const std::uint64_t stamp = Random(7).fork("shop/0").next();
    std::memcpy(text.data(), &stamp, 8);
    std::memcpy(text.data() + 8, &sequence, 8);
    return text;
  }
  void acked(std::int64_t sequence, std::int64_t offset, std::int16_t acks = -1) { rig.ack(sequence, hash_of(std::string_view(value(sequence))), offset, acks); }
};

TEST(Accounting, what_was_promised_and_can_be_read_is_not_lost) {
  Ledger ledger;
  ledger.batches = {make_batch({.base = 0, .values = {Ledger::value(0), Ledger::value(1)}, .producer = 1, .sequence = 0})};
  ledger.acked(0, 0);
  ledger.acked(1, 1);
  const Accounting found = ledger.count();
  EXPECT_EQ(found.records().promised, 2);
  EXPECT_EQ(found.records().readable, 2);
  EXPECT_EQ(found.records().lost + found.records().lost_unpromised + found.records().duplicated, 0);
}

TEST(Accounting, loss_copies_and_inversions_are_told_apart) {
  Ledger ledger;
  ledger.batches = {make_batch({.base = 0, .values = {Ledger::value(1)}, .producer = 1, .sequence = 0}), make_batch({.base = 1, .values = {Ledger::value(0)}, .producer = 1, .sequence = 1}),
                    make_batch({.base = 2, .values = {Ledger::value(0)}, .producer = 1, .sequence = 2})};
  ledger.acked(1, 0);
  ledger.acked(0, 1);
  ledger.acked(7, 5);
  ledger.acked(8, 6, 1);
  const Accounting found = ledger.count();
  EXPECT_EQ(found.records().lost, 1);
  EXPECT_EQ(found.first_lost()->offset, 5);
  EXPECT_EQ(found.records().lost_unpromised, 1);
  EXPECT_EQ(found.records().lost_acks_1, 1);
  EXPECT_EQ(found.records().duplicated, 1);
  EXPECT_EQ(found.inversions(), 1);
}

TEST(Accounting, a_batch_that_was_sent_again_without_idempotence_is_no_inversion) {
  Ledger ledger;
  for (std::int64_t i = 0; i < 4; ++i) ledger.batches.push_back(make_batch({.base = i, .values = {Ledger::value(i % 2)}}));
  ledger.acked(0, 0);
  const Accounting found = ledger.count();
  EXPECT_EQ(found.inversions(), 0);
  EXPECT_EQ(found.records().duplicated_unpromised, 2);
  EXPECT_EQ(found.sends_compared(), 2);
}

TEST(Accounting, what_retention_removed_is_not_lost) {
  Ledger ledger;
  ledger.start = 2;
  ledger.batches = {make_batch({.base = 2, .values = {Ledger::value(2)}, .producer = 1, .sequence = 0})};
  ledger.acked(0, 0);
  ledger.acked(2, 2);
  EXPECT_EQ(ledger.count().records().lost, 0);
}

TEST(Accounting, an_acknowledged_record_that_readers_passed_over_is_found) {
  Ledger ledger;
  ledger.batches = {make_batch({.base = 0, .values = {Ledger::value(0), Ledger::value(1), Ledger::value(2)}, .producer = 1, .sequence = 0})};
  for (std::int64_t i = 0; i < 3; ++i) ledger.acked(i, i);
  for (const std::int64_t i : {0, 2}) ledger.rig.consume(i, hash_of(std::string_view(Ledger::value(i))));
  EXPECT_EQ(ledger.count().passed_over(), 1);
}

TEST(Accounting, I13_I38_I56_I59_judge_by_it) {
  Clients rig;
  rig.publish(Rig::image_with({}), 10);
  rig.append(0, BatchOf{});
  rig.ack(0, 5, 0);
  rig.judge().at_end();  // no leader can be read: the promised record is lost
  EXPECT_EQ(rig.failed("I13"), 1);
  EXPECT_EQ(rig.judge().failure()->check, "no-acked-loss");
  EXPECT_EQ(rig.judge().failure()->offset, 0);
}

TEST(Marks, count_what_scenarios_ask_for) {
  Rig rig;
  rig.lead(0, 0);
  rig.lead(1, 1);
  rig.emit(TraceKind::segment_rolled, 0, "orders-0", 10);
  rig.emit(TraceKind::log_start_moved, 0, "orders-0", 0, 1);
  rig.emit(TraceKind::position_reset, 6, "orders-0", -1, 0);
  rig.emit(TraceKind::controller_activated, 3, "", 1, 0);
  rig.emit(TraceKind::records_written, 3, "", 10, 5);
  rig.emit(TraceKind::controller_renounced, 3, "", 1, 12);
  EXPECT_EQ(rig.judge().marks().reached("leader-changed"), 1);
  EXPECT_EQ(rig.judge().marks().reached("segment-rolled"), 1);
  EXPECT_EQ(rig.judge().marks().reached("retention-moved-log-start"), 1);
  EXPECT_EQ(rig.judge().marks().reached("offset-out-of-range-reset"), 0);
  EXPECT_EQ(rig.judge().marks().reached("controller-lost-uncommitted"), 1);
  EXPECT_EQ(rig.judge().marks().reached("no-such-mark"), -1);
}

TEST(Marks, a_repeated_batch_with_others_behind_it_was_in_flight_with_them) {
  Rig rig;
  rig.lead(0, 0);
  rig.append(0, {.base = 0, .producer = 5, .sequence = 0});
  rig.emit(TraceKind::duplicate_answered, 0, "orders-0", 0);
  EXPECT_EQ(rig.judge().marks().reached("five-in-flight-lost-answer"), 0);
  rig.append(0, {.base = 1, .producer = 5, .sequence = 1});
  rig.emit(TraceKind::duplicate_answered, 0, "orders-0", 0);
  EXPECT_EQ(rig.judge().marks().reached("five-in-flight-lost-answer"), 1);
}

TEST(Judge, a_run_that_did_not_reach_a_mark_fails_and_says_which) {
  JudgeSetup setup = Rig::usual_setup();
  setup.checks.reached = {"segment-rolled", "torn-tail-cut"};
  Rig rig(std::make_unique<View>(), setup);
  rig.emit(TraceKind::segment_rolled, 0, "orders-0", 10);
  rig.judge().at_end();
  RunResult result;
  rig.judge().fill(result);
  EXPECT_EQ(result.verdict, Verdict::fail);
  EXPECT_EQ(result.unreached, std::vector<std::string>{"torn-tail-cut"});
}

TEST(Judge, the_first_failure_stops_the_run_if_asked_to) {
  Rig rig;
  rig.judge().stop_at_first_failure(true);
  rig.lead(0, 1);
  EXPECT_FALSE(rig.kernel().stopped());
  rig.lead(1, 1);
  EXPECT_TRUE(rig.kernel().stopped());
  EXPECT_EQ(rig.judge().failure()->id, "I6");
  EXPECT_EQ(rig.judge().failure()->topic, "orders");
  EXPECT_EQ(rig.judge().failure()->partition, 0);
}

}  // namespace
}  // namespace harrow::sim
