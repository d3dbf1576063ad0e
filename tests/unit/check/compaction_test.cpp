// Compaction as the checks see it: what a replica may remove, and when replicas that compacted differently still agree.
#include "tests/unit/check/rig.h"

namespace harrow::sim {
namespace {

struct Keyed {
  std::string key;
  std::optional<std::string> value;
};

JudgeSetup compacted() {
  JudgeSetup setup = Rig::usual_setup();
  setup.config["log.cleanup.policy"] = "compact";
  return setup;
}

Bytes batch_of(std::int64_t base, const std::vector<Keyed>& records) {
  BatchOptions options;
  options.base_offset = Offset(base);
  options.leader_epoch = LeaderEpoch(0);
  BatchBuilder builder(options);
  for (const Keyed& one : records) {
    if (one.value) builder.add(WallMs(1000), one.key, *one.value);
    else builder.add(WallMs(1000), one.key, std::nullopt);
  }
  return builder.build();
}

/// The batch with only these of its records, as compaction leaves it.
Bytes left(const Bytes& batch, const std::vector<std::int64_t>& offsets, std::int64_t horizon_ms = -1) {
  Result<RecordReader> reader = RecordReader::open(batch);
  std::vector<Record> kept;
  Record record;
  while (reader->next(record))
    if (std::find(offsets.begin(), offsets.end(), record.offset.value()) != offsets.end()) kept.push_back(record);
  return kept.empty() ? without_records(reader->header()) : with_records(reader->header(), kept, WallMs(horizon_ms));
}

/// One partition that compacts, led by machine 0.
struct Compacted {
  Rig rig{std::make_unique<View>(), compacted()};
  std::vector<Bytes> batches;
  std::int64_t end = 0;

  Compacted() {
    for (std::uint16_t machine = 0; machine < 3; ++machine) {
      rig.load(machine, 0, 0);
      rig.emit(TraceKind::node_started, machine, "");
    }
    rig.publish(Rig::image_with({}), 10);
    rig.lead(0, 0);
  }
  void write(const std::vector<Keyed>& records, bool everywhere = true) {
    batches.push_back(batch_of(end, records));
    end += static_cast<std::int64_t>(records.size());
    rig.append(0, batches.back(), true);
    for (std::uint16_t machine = 1; everywhere && machine < 3; ++machine) rig.append(machine, batches.back(), false);
    if (everywhere) rig.high_watermark(0, end, 0);
  }
  /// Machine 2 is out of sync: the others commit without it.
  void drop_machine_2() { rig.isr(0, {NodeId(1), NodeId(2)}, {NodeId(1), NodeId(2)}, 0); }
  void clean(std::int64_t to, const std::vector<Bytes>& stands, std::int64_t now_ms = 5000, std::uint16_t machine = 0, std::int64_t first_dirty = 0) {
    const CleanNote note{"orders", 0, orders_id, Offset(0), Offset(to), Offset(first_dirty), Offset(to), WallMs(now_ms), 1000, &stands};
    rig.emit(TraceKind::segments_cleaned, machine, "orders-0", 0, to, &note);
  }
};

TEST(Compaction, the_newest_records_of_all_keys_may_stand_alone) {
  Compacted log;
  log.write({{"a", "1"}, {"b", "1"}});
  log.write({{"a", "2"}});
  log.clean(3, {left(log.batches[0], {1}), log.batches[1]});
  EXPECT_EQ(log.rig.failed("I32"), 0) << log.rig.message("I32");
  EXPECT_EQ(log.rig.evaluated("I32"), 1);
}

TEST(Compaction, I32_the_newest_record_of_a_key_stays) {
  Compacted log;
  log.write({{"a", "1"}, {"b", "1"}});
  log.write({{"a", "2"}});
  log.clean(3, {left(log.batches[1], {2})});
  EXPECT_EQ(log.rig.failed("I32"), 1);
  EXPECT_NE(log.rig.message("I32").find("newest record"), std::string::npos) << log.rig.message("I32");
}

TEST(Compaction, I32_nothing_is_removed_for_a_record_that_is_not_committed) {
  Compacted log;
  log.write({{"a", "1"}});
  log.write({{"c", "1"}});
  log.write({{"a", "2"}}, false);
  log.clean(2, {log.batches[1]});
  EXPECT_EQ(log.rig.failed("I32"), 1);
  EXPECT_NE(log.rig.message("I32").find("not committed"), std::string::npos) << log.rig.message("I32");
  Compacted above;
  above.write({{"a", "1"}});
  above.write({{"a", "2"}}, false);
  above.clean(2, {above.batches[1]});
  EXPECT_NE(above.rig.message("I32").find("committed is everything below 1"), std::string::npos) << above.rig.message("I32");
}

TEST(Compaction, I32_order_contents_and_end_stay) {
  const auto judged = [](const std::vector<Bytes>& stands) {
    Compacted log;
    log.write({{"a", "1"}});
    log.write({{"b", "1"}});
    log.clean(2, stands);
    return log.rig.failed("I32") == 0 ? std::string() : log.rig.message("I32");
  };
  EXPECT_EQ(judged({batch_of(0, {{"a", "1"}}), batch_of(1, {{"b", "1"}})}), "");
  EXPECT_NE(judged({batch_of(0, {{"a", "other"}}), batch_of(1, {{"b", "1"}})}), "");
  EXPECT_NE(judged({batch_of(1, {{"b", "1"}}), batch_of(0, {{"a", "1"}})}), "");
  EXPECT_NE(judged({batch_of(0, {{"a", "1"}})}), "");
}

TEST(Compaction, I32_the_last_batch_of_a_producer_stays) {
  const auto judged = [](bool stays) {
    Compacted log;
    BatchOptions options;
    options.leader_epoch = LeaderEpoch(0);
    options.producer_id = ProducerId(7);
    options.producer_epoch = ProducerEpoch(0);
    options.base_sequence = 0;
    BatchBuilder builder(options);
    builder.add(WallMs(1000), "a", "1");
    log.batches.push_back(builder.build());
    log.end = 1;
    for (std::uint16_t machine = 0; machine < 3; ++machine) log.rig.append(machine, log.batches[0], machine == 0);
    log.write({{"a", "2"}});
    std::vector<Bytes> stands{log.batches[1]};
    if (stays) stands.insert(stands.begin(), left(log.batches[0], {}));
    log.clean(2, stands);
    return log.rig.failed("I32") == 0 ? std::string() : log.rig.message("I32");
  };
  EXPECT_EQ(judged(true), "");
  EXPECT_NE(judged(false).find("last batch of producer 7"), std::string::npos) << judged(false);
}

TEST(Compaction, I32_what_is_superseded_within_the_pass_goes) {
  Compacted log;
  log.write({{"a", "1"}});
  log.write({{"a", "2"}});
  log.clean(2, {log.batches[0], log.batches[1]});
  EXPECT_EQ(log.rig.failed("I32"), 1);
  EXPECT_NE(log.rig.message("I32").find("supersedes"), std::string::npos) << log.rig.message("I32");
}

TEST(Compaction, I32_a_tombstone_has_its_time) {
  const auto write = [](Compacted& log) {
    log.write({{"a", "1"}});
    log.write({{"a", std::nullopt}});
    log.write({{"b", "1"}});
  };
  {
    Compacted log;
    write(log);
    log.clean(3, {left(log.batches[1], {1}, 6000), log.batches[2]}, 5000);
    log.clean(3, {log.batches[2]}, 6000, 0, 3);
    EXPECT_EQ(log.rig.failed("I32"), 0) << log.rig.message("I32");
  }
  {
    Compacted log;
    write(log);
    log.clean(3, {left(log.batches[1], {1}, 6000), log.batches[2]}, 5000);
    log.clean(3, {log.batches[2]}, 5999, 0, 3);
    EXPECT_NE(log.rig.message("I32").find("after it was first compacted"), std::string::npos) << log.rig.message("I32");
  }
  {
    // A horizon from the record's own time.
    Compacted log;
    write(log);
    log.clean(3, {left(log.batches[1], {1}, 5400), log.batches[2]}, 5000);
    EXPECT_NE(log.rig.message("I32").find("horizon is 400 ms"), std::string::npos) << log.rig.message("I32");
  }
  {
    Compacted log;
    write(log);
    log.clean(3, {log.batches[1], log.batches[2]}, 5000);
    EXPECT_NE(log.rig.message("I32").find("no horizon"), std::string::npos) << log.rig.message("I32");
  }
  {
    Compacted log;
    write(log);
    log.clean(3, {left(log.batches[1], {1}, 6000), log.batches[2]}, 5000);
    log.clean(3, {left(log.batches[1], {1}, 6000), log.batches[2]}, 6001, 0, 3);
    EXPECT_NE(log.rig.message("I32").find("behind its horizon"), std::string::npos) << log.rig.message("I32");
  }
  {
    // It was never found to be the newest: nobody may remove it.
    Compacted log;
    write(log);
    log.clean(3, {log.batches[2]}, 9000);
    EXPECT_EQ(log.rig.failed("I32"), 1);
  }
}

TEST(Compaction, I3_a_follower_may_copy_what_compaction_left_and_nothing_less) {
  Compacted log;
  log.drop_machine_2();
  log.write({{"a", "1"}, {"b", "1"}}, false);
  log.write({{"a", "2"}}, false);
  log.write({{"c", "1"}, {"b", "2"}}, false);
  log.rig.append(1, log.batches[0], false);
  log.rig.append(1, log.batches[1], false);
  log.rig.append(1, log.batches[2], false);
  log.rig.high_watermark(0, 5, 0);
  // Machine 2 copies: the first batch is gone, the last has all.
  log.rig.append(2, log.batches[1], false);
  log.rig.append(2, log.batches[2], false);
  EXPECT_EQ(log.rig.failed("I3"), 0) << log.rig.message("I3");
  const PartitionTruth* const partition = log.rig.judge().oracle().partition("orders", 0);
  EXPECT_EQ(partition->replica_on(2)->tip(), partition->replica_on(1)->tip());
  EXPECT_EQ(log.rig.judge().marks().reached("compacted-log-copied"), 1);

  Compacted hole;
  hole.write({{"a", "1"}, {"b", "1"}});
  hole.drop_machine_2();
  hole.write({{"c", "1"}}, false);
  hole.write({{"d", "1"}}, false);
  hole.rig.append(1, hole.batches[1], false);
  hole.rig.append(1, hole.batches[2], false);
  hole.rig.high_watermark(0, 4, 0);
  hole.rig.append(2, hole.batches[2], false);  // nothing supersedes c
  EXPECT_EQ(hole.rig.failed("I3"), 1);

  Compacted torn;
  torn.drop_machine_2();
  torn.write({{"a", "1"}, {"b", "1"}}, false);
  torn.rig.append(1, torn.batches[0], false);
  torn.rig.high_watermark(0, 2, 0);
  torn.rig.append(2, left(torn.batches[0], {1}), false);  // nothing supersedes a
  EXPECT_EQ(torn.rig.failed("I3"), 1);
}

TEST(Compaction, I13_a_superseded_record_is_not_lost_and_another_one_is) {
  const auto lost = [](bool superseded) {
    Compacted log;
    log.write({{"a", "value of sixteen"}});
    log.write({{superseded ? "a" : "b", "another sixteen.."}});
    const auto ack = [&](std::int64_t offset, std::string_view value) {
      const SendNote note{"shop/0", "orders", 0, -1, true, offset, hash_of(value), Code::none, Offset(offset)};
      log.rig.emit(TraceKind::send_acked, first_client, "orders-0", offset, offset, &note);
    };
    ack(0, "value of sixteen");
    ack(1, "another sixteen..");
    Accounting accounting;
    accounting.count(log.rig.judge().oracle(), compacted(), [&](const PartitionTruth&) { return Accounting::Readable{0, 2, {log.batches[1]}}; });
    return accounting.records().lost;
  };
  EXPECT_EQ(lost(true), 0);
  EXPECT_EQ(lost(false), 1);
}

TEST(Compaction, I58_a_poll_may_skip_what_is_superseded_and_nothing_else) {
  const auto skips = [](bool superseded) {
    Compacted log;
    log.write({{"x", "1"}});
    log.write({{"a", "1"}});
    log.write({{superseded ? "a" : "b", "2"}});
    for (const std::int64_t offset : {0, 2}) {
      const ConsumeNote note{"billing", "m", "orders", 0, Offset(offset), 1, WallMs(0)};
      log.rig.emit(TraceKind::record_consumed, first_client, "orders-0", offset, 1, &note);
    }
    return log.rig.failed("I58");
  };
  EXPECT_EQ(skips(true), 0);
  EXPECT_EQ(skips(false), 1);
}

}  // namespace
}  // namespace harrow::sim
