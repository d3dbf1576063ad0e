#include "tests/unit/log/log_fixture.h"

#include "core/log/checkpoint_files.h"

namespace harrow::test {
namespace {

TEST_F(LogTest, an_empty_log_is_one_file) {
  open();
  EXPECT_EQ(log->end_offset(), Offset(0));
  EXPECT_EQ(disk.files.size(), 1u);
  EXPECT_TRUE(has("00000000000000000000.log"));
  EXPECT_TRUE(read(Offset(0)).records.empty());
  auto outside = log->read(Offset(1), 10, Offset(10), true);
  EXPECT_EQ(outside.take().error().code, Code::offset_out_of_range);
}

TEST_F(LogTest, a_leader_assigns_offsets_and_epoch_and_stores_the_batch) {
  open();
  EXPECT_EQ(append(batch_of(3, now), 5).base, Offset(0));
  const Appended second = append(batch_of(2, now), 5);
  EXPECT_EQ(second.base, Offset(3));
  EXPECT_EQ(second.last, Offset(4));
  EXPECT_EQ(second.end, Offset(5));
  const ReadResult got = read(Offset(4));
  const Result<BatchHeader> header = check_batch(got.records);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->base_offset, Offset(3));
  EXPECT_EQ(header->leader_epoch, LeaderEpoch(5));
  EXPECT_EQ(got.next, Offset(5));
  EXPECT_EQ(file("leader-epoch-checkpoint"), "0\n1\n5 0\n");
  EXPECT_EQ(trace.count(TraceKind::appended), 2);
}

TEST_F(LogTest, every_offset_is_found_with_every_size_and_limit_cached_or_not) {
  open();
  for (int i = 0; i < 60; ++i) append(batch_of(1 + i % 4, now + i, static_cast<std::uint32_t>(10 + i * 7 % 200)));
  ASSERT_GT(log->segment_count(), 3u);
  const auto truth = all_batches(Offset(0), 1 << 20);
  ASSERT_EQ(truth.size(), 60u);
  for (const bool cached : {true, false}) {
    disk.cached = cached;
    for (std::int64_t offset = 0; offset < log->end_offset().value(); ++offset) {
      for (const std::uint64_t max : {1ull, 500ull, 100000ull}) {
        for (const std::int64_t ahead : {0, 1, 5, 1000}) {
          const Offset limit(offset + ahead);
          const ReadResult got = read(Offset(offset), max, limit, true);
          BatchCursor cursor(got.records);
          std::uint64_t whole = 0;
          int batches = 0;
          while (cursor.next()) {
            ASSERT_LT(cursor.header().last_offset(), limit);
            if (batches++ == 0) { ASSERT_GE(cursor.header().last_offset(), Offset(offset)); ASSERT_LE(cursor.header().base_offset, Offset(offset)); }
            whole = cursor.end_position();
          }
          ASSERT_EQ(whole, got.records.size()) << "whole batches only";
          ASSERT_TRUE(batches <= 1 || got.records.size() <= max);
          const auto at = std::find_if(truth.begin(), truth.end(), [&](const auto& batch) { return batch.second >= offset; });
          ASSERT_EQ(batches > 0, at->second < limit.value());
        }
      }
    }
  }
  EXPECT_GT(disk.reads, 0);
  EXPECT_FALSE(log->read_cached(Offset(0), 100, Offset(100), true)) << "nothing is cached";
}

TEST_F(LogTest, a_read_without_min_one_may_be_empty) {
  open();
  append_many(2);
  EXPECT_TRUE(read(Offset(0), 10, Offset(100), false).records.empty());
  EXPECT_FALSE(read(Offset(0), 10, Offset(100), true).records.empty());
}

TEST_F(LogTest, a_repeated_batch_is_answered_from_state_and_not_stored) {
  open();
  const ProducerId producer(9);
  for (int i = 0; i < 5; ++i) append(batch_of(2, now, 10, producer, i * 2));
  const Offset end = log->end_offset();
  for (int i = 0; i < 5; ++i) {
    const Appended again = append(batch_of(2, now, 10, producer, i * 2));
    EXPECT_TRUE(again.duplicate);
    EXPECT_EQ(again.base, Offset(i * 2));
    EXPECT_EQ(again.last, Offset(i * 2 + 1));
  }
  EXPECT_EQ(log->end_offset(), end);
  const auto gap = log->append_as_leader(batch_of(2, now, 10, producer, 14), LeaderEpoch(0), AppendOrigin::client, now);
  EXPECT_EQ(gap.error().code, Code::out_of_order_sequence_number);
  const auto old = log->append_as_leader(batch_of(2, now, 10, producer, 0, -1), LeaderEpoch(0), AppendOrigin::client, now);
  EXPECT_FALSE(old);
}

TEST_F(LogTest, a_follower_takes_batches_as_they_are_and_nothing_damaged) {
  open();
  append_many(40);
  const Bytes first = read(Offset(0), 1 << 20).records;
  Bytes all;
  for (Offset at{0}; at < log->end_offset();) {
    const ReadResult got = read(at);
    all.append(got.records);
    at = got.next;
  }
  const std::string leader_bytes = file("00000000000000000000.log");
  const Offset end = log->end_offset();
  const std::size_t segments = log->segment_count();

  MemoryDisk other;
  std::swap(disk.files, other.files);
  open();
  ASSERT_TRUE(log->append_as_follower(all));
  EXPECT_EQ(log->end_offset(), end);
  EXPECT_EQ(log->segment_count(), segments);
  EXPECT_TRUE(file("00000000000000000000.log") == leader_bytes);

  EXPECT_EQ(log->append_as_follower(first).error().code, Code::offset_out_of_range) << "it does not continue the log";

  disk.files.clear();
  open();
  std::string damaged = all.to_string();
  damaged[first.size() + 100] = static_cast<char>(damaged[first.size() + 100] ^ 1);
  const auto refused = log->append_as_follower(Bytes::copy_of(damaged));
  EXPECT_EQ(refused.error().code, Code::corrupt_message);
  EXPECT_GT(log->end_offset(), Offset(0)) << "sound batches before the damage stay";
  EXPECT_LT(log->end_offset(), end);

  disk.files.clear();
  open();
  const auto cut = log->append_as_follower(all.sub(0, all.size() - 1));
  ASSERT_TRUE(cut) << "a cut last batch is left out quietly";
  EXPECT_EQ(log->end_offset(), end - 2);
}

TEST_F(LogTest, an_empty_follower_may_start_within_a_batch) {
  open();
  append_many(1, 10);
  const Bytes batch = read(Offset(0)).records;
  ASSERT_TRUE(log->truncate_fully_and_start_at(Offset(4)));
  ASSERT_TRUE(log->append_as_follower(batch));
  EXPECT_EQ(log->start_offset(), Offset(4));
  EXPECT_EQ(log->end_offset(), Offset(10));
  EXPECT_EQ(read(Offset(4)).records.size(), batch.size());
}

TEST_F(LogTest, segments_roll_by_size_time_index_and_offset_distance) {
  config->segment_bytes = 1000;
  open();
  append_many(20);
  EXPECT_EQ(log->segment_count(), 7u) << "three batches of 287 bytes a segment";
  EXPECT_EQ(trace.count(TraceKind::segment_rolled), 6);

  disk.files.clear();
  config->segment_bytes = 1 << 20;
  config->segment_ms = 1000;
  open();
  append(batch_of(1, now));
  append(batch_of(1, now + 1000));
  EXPECT_EQ(log->segment_count(), 1u);
  append(batch_of(1, now + 1001));
  EXPECT_EQ(log->segment_count(), 2u) << "record time decides";

  disk.files.clear();
  config->segment_ms = 1 << 30;
  config->segment_index_bytes = 40;  // five offset entries, three time entries of which one stays free
  config->index_interval_bytes = 0;
  open();
  append_many(4);
  EXPECT_EQ(log->segment_count(), 2u) << "the time index was full";

  disk.files.clear();
  config->segment_index_bytes = 1 << 20;
  open();
  append_many(1);
  Bytes far = batch_of(1, now);
  far = with_base_offset(far, *parse_batch_header(far), Offset(INT32_MAX), LeaderEpoch(0));
  ASSERT_TRUE(log->append_as_follower(far));
  EXPECT_EQ(log->segment_count(), 1u) << "the largest distance that fits";
  far = with_base_offset(far, *parse_batch_header(far), Offset(std::int64_t{INT32_MAX} + 1), LeaderEpoch(0));
  ASSERT_TRUE(log->append_as_follower(far));
  EXPECT_EQ(log->segment_count(), 2u);
  EXPECT_EQ(log->active_base(), Offset(std::int64_t{INT32_MAX} + 1));
}

TEST_F(LogTest, indexes_are_preallocated_and_cut_at_roll_and_tell_the_truth) {
  open();
  append_many(1);
  EXPECT_FALSE(has("00000000000000000000.index")) << "nothing to say yet";
  append_many(4);
  EXPECT_EQ(file("00000000000000000000.index").size(), 1024u);
  EXPECT_EQ(file("00000000000000000000.timeindex").size(), 1020u);
  append_many(40);
  const Segment& first = log->segments()[0];
  EXPECT_TRUE(file("00000000000000000000.index") == first.offset_index().encode().to_string());
  EXPECT_TRUE(file("00000000000000000000.timeindex") == first.time_index().encode().to_string());
  EXPECT_EQ(first.time_index().last_timestamp(), first.max_timestamp()) << "the last entry is written at roll";
  for (const Segment& segment : log->segments()) {
    const std::string name = segment_file_name(segment.base(), ".log");
    const Bytes bytes = Bytes::copy_of(file(name));
    for (const OffsetEntry& entry : segment.offset_index().entries()) {
      const Result<BatchHeader> header = check_batch(bytes, entry.position);
      ASSERT_TRUE(header);
      EXPECT_EQ(header->last_offset() - segment.base(), entry.relative_offset);
    }
  }
}

TEST_F(LogTest, time_lookup_equals_a_scan) {
  open();
  std::vector<std::pair<WallMs, Offset>> records;
  Random random(3);
  for (int i = 0; i < 50; ++i) {
    const WallMs time = now + static_cast<std::int64_t>(random.below(500));
    const Appended appended = append(batch_of(2, time, 60, no_producer_id, -1, 0, i % 3 == 0 ? Codec::lz4 : Codec::none));
    records.emplace_back(time, appended.base);
    records.emplace_back(time + 1, appended.base + 1);
  }
  ASSERT_GT(log->segment_count(), 2u);
  for (std::int64_t t = -2; t < 510; ++t) {
    const WallMs target = now + t;
    Offset expected = no_offset;
    for (const auto& [time, offset] : records)
      if (time >= target) {
        expected = offset;
        break;
      }
    auto task = log->offset_for_timestamp(target);
    const Result<FoundOffset> found = task.take();
    ASSERT_TRUE(found);
    ASSERT_EQ(found->offset, expected) << t;
  }
  auto largest = log->offset_of_max_timestamp();
  const Result<FoundOffset> found = largest.take();
  EXPECT_EQ(found->timestamp, std::max_element(records.begin(), records.end())->first);
}

TEST_F(LogTest, a_cut_at_any_offset_leaves_what_was_appended_before) {
  for (int cut = 0; cut <= 60; cut += 1) {
    disk.files.clear();
    open();
    std::vector<Appended> done;
    for (int i = 0; i < 30; ++i) done.push_back(append(batch_of(2, now + i, 100, ProducerId(i % 3), i / 3 * 2), i / 10));
    EpochCache epochs;
    ProducerState producers;
    disk.cached = cut % 2 == 0;
    Result<bool> result = log->truncate_to(Offset(cut));
    if (!disk.cached && !result) {
      ASSERT_EQ(result.error().code, Code::not_cached);
      ASSERT_EQ(log->end_offset(), Offset(60)) << "nothing was changed";
      disk.cached = true;
      auto warmed = log->warm(Offset(cut));
      ASSERT_TRUE(warmed.take());
      result = log->truncate_to(Offset(cut));
    }
    ASSERT_TRUE(result) << result.error().what;
    disk.cached = true;
    const Offset end(cut / 2 * 2);
    ASSERT_EQ(log->end_offset(), cut == 60 ? Offset(60) : end);
    for (int i = 0; i < cut / 2; ++i) {
      epochs.assign(LeaderEpoch(i / 10), done[static_cast<std::size_t>(i)].base);
      BatchHeader header;
      header.producer_id = ProducerId(i % 3);
      header.producer_epoch = ProducerEpoch(0);
      header.base_sequence = i / 3 * 2;
      header.last_offset_delta = 1;
      header.base_offset = done[static_cast<std::size_t>(i)].base;
      header.max_timestamp = now + i + 1;
      producers.update(header, std::nullopt);
    }
    EXPECT_EQ(log->epochs().entries(), epochs.entries()) << cut;
    EXPECT_EQ(log->producers().encode(), producers.encode()) << cut;
    EXPECT_EQ(all_batches(Offset(0)).size(), static_cast<std::size_t>(cut / 2));
    WallMs largest = cut / 2 == 0 ? WallMs(-1) : now + cut / 2;
    EXPECT_EQ(log->max_timestamp(), largest) << cut;
    append(batch_of(1, now + 100), 5);
    EXPECT_EQ(read(log->end_offset() - 1).records.size(), batch_of(1, now).size());
  }
}

TEST_F(LogTest, cutting_behind_the_end_still_forgets_epochs_without_records) {
  open();
  append_many(2);
  ASSERT_TRUE(log->assign_epoch_start(LeaderEpoch(3), log->end_offset()));
  EXPECT_EQ(log->latest_epoch(), LeaderEpoch(3));
  ASSERT_TRUE(log->truncate_to(log->end_offset()));
  EXPECT_EQ(log->latest_epoch(), LeaderEpoch(0));
}

TEST_F(LogTest, retention_by_time_spares_what_is_young_or_above_the_high_watermark) {
  config->segment_bytes = 1000;
  config->retention_ms = 100;
  open();
  append_many(9);  // times now .. now+9
  ASSERT_EQ(log->segment_count(), 3u);
  EXPECT_EQ(*log->apply_retention(now + 50, Offset(18)), 0u);
  EXPECT_EQ(*log->apply_retention(now + 104, Offset(18)), 1u) << "youngest record of the first: now + 3";
  EXPECT_EQ(log->start_offset(), Offset(6));
  EXPECT_EQ(trace.deletions.size(), 1u);
  EXPECT_EQ(trace.deletions[0].largest_timestamp, now + 3);
  EXPECT_EQ(*log->apply_retention(now + 1000, Offset(7)), 0u) << "above the high watermark nothing goes";
  EXPECT_EQ(*log->apply_retention(now + 1000, Offset(18)), 2u) << "the active one too, after a roll";
  EXPECT_EQ(log->start_offset(), Offset(18));
  EXPECT_EQ(log->end_offset(), Offset(18));
  EXPECT_EQ(log->segment_count(), 1u);
  EXPECT_TRUE(has("00000000000000000006.log.deleted"));
  EXPECT_EQ(log->next_removal(), now + 104 + 60'000);
  ASSERT_TRUE(log->remove_due_files(now + 1000 + 60'000));
  EXPECT_TRUE(has("00000000000000000006.log.deleted")) << "its name is not durable yet";
  ASSERT_TRUE(flush());
  ASSERT_TRUE(log->remove_due_files(now + 1000 + 60'000));
  for (const auto& [path, node] : disk.files) EXPECT_EQ(path.find(".deleted"), std::string::npos) << path;
  EXPECT_EQ(append(batch_of(1, now)).base, Offset(18));
}

TEST_F(LogTest, retention_by_size_keeps_at_least_the_limit) {
  config->segment_bytes = 1000;
  config->retention_bytes = 1800;
  config->retention_ms = -1;
  open();
  append_many(12);
  ASSERT_EQ(log->segment_count(), 4u);
  const std::uint64_t segment = log->segments()[0].size();
  EXPECT_EQ(*log->apply_retention(now, Offset(24)), (4 * segment - 1800) / segment);
  EXPECT_GE(log->size_bytes(), 1800u);
  EXPECT_LT(log->size_bytes() - segment, 1800u);
}

TEST_F(LogTest, delete_records_moves_the_start_and_deletes_what_lies_below) {
  config->segment_bytes = 1000;
  open();
  for (int i = 0; i < 9; ++i) append(batch_of(2, now), i / 2);
  ASSERT_TRUE(*log->advance_log_start(Offset(7), LogStartReason::delete_records));
  EXPECT_EQ(log->start_offset(), Offset(7));
  EXPECT_EQ(log->segments().front().base(), Offset(6));
  EXPECT_EQ(log->epochs().entries().front(), (EpochStart{LeaderEpoch(1), Offset(7)}));
  EXPECT_FALSE(*log->advance_log_start(Offset(3), LogStartReason::delete_records)) << "never back";
  EXPECT_EQ(log->advance_log_start(Offset(19), LogStartReason::delete_records).error().code, Code::offset_out_of_range);
  auto below = log->read(Offset(6), 100, Offset(100), true);
  EXPECT_EQ(below.take().error().code, Code::offset_out_of_range);
}

TEST_F(LogTest, starting_anew_forgets_everything) {
  open();
  append_many(30);
  ASSERT_TRUE(log->truncate_fully_and_start_at(Offset(500)));
  EXPECT_EQ(log->start_offset(), Offset(500));
  EXPECT_EQ(log->end_offset(), Offset(500));
  EXPECT_TRUE(log->epochs().entries().empty());
  EXPECT_EQ(append(batch_of(1, now)).base, Offset(500));
  EXPECT_FALSE(has("00000000000000000000.log"));
}

TEST_F(LogTest, a_disk_error_closes_the_log) {
  open();
  append_many(1);
  disk.write_fails = Code::disk_full;
  const auto refused = log->append_as_leader(batch_of(1, now), LeaderEpoch(0), AppendOrigin::client, now);
  EXPECT_EQ(refused.error().code, Code::disk_full);
  EXPECT_TRUE(log->failed());
  disk.write_fails = Code::none;
  EXPECT_FALSE(log->append_as_leader(batch_of(1, now), LeaderEpoch(0), AppendOrigin::client, now));
  EXPECT_EQ(log->end_offset(), Offset(2));
}

TEST_F(LogTest, a_failed_sync_is_never_tried_again) {
  open();
  append_many(1);
  disk.sync_fails = Code::io_error;
  EXPECT_FALSE(flush());
  disk.sync_fails = Code::none;
  EXPECT_FALSE(flush());
  EXPECT_EQ(log->durable_end(), Offset(0));
}

TEST_F(LogTest, aborted_transactions_are_indexed_and_found) {
  open();
  BatchOptions options;
  options.producer_id = ProducerId(1);
  options.producer_epoch = ProducerEpoch(0);
  options.base_sequence = 0;
  options.transactional = true;
  BatchBuilder builder(options);
  builder.add(now, "k", "v");
  append(builder.build());
  const Bytes marker = end_transaction_marker(Offset(0), no_epoch, now, ProducerId(1), ProducerEpoch(0), false, 0);
  ASSERT_TRUE(log->append_as_leader(marker, LeaderEpoch(0), AppendOrigin::coordinator, now));
  ASSERT_EQ(log->aborted_between(Offset(0), Offset(5)).size(), 1u);
  EXPECT_EQ(log->aborted_between(Offset(0), Offset(5))[0], (AbortedTransaction{ProducerId(1), Offset(0), Offset(1), Offset(2)}));
  EXPECT_EQ(file("00000000000000000000.txnindex").size(), 34u);
  open();
  EXPECT_EQ(log->aborted_between(Offset(1), Offset(2)).size(), 1u);
}

}  // namespace
}  // namespace harrow::test
