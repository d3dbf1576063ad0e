// Compaction of one log: what stays, what goes and when, and what a crash at any step leaves.
#include "core/log/cleaner.h"

#include "core/base/random.h"
#include "core/log/inspect.h"
#include "tests/unit/log/log_fixture.h"

namespace harrow::test {
namespace {

class IdleCpu final : public Cpu {
  void start_spend(Work, std::uint64_t, Completion<bool>& done) override { done.complete(true); }
};
class NoTimers final : public Timers {
  MonoNs now() const override { return MonoNs(0); }
  void insert(Timer&) override { FAIL() << "these logs are too small for a pause"; }
  void remove(Timer&) override {}
};

struct KeyValue {
  std::string key;
  std::optional<std::string> value;
};
using Line = std::tuple<std::int64_t, std::string, std::string>;  // offset, key, value

class CleanerTest : public LogTest {
 public:
  IdleCpu cpu;
  NoTimers timers;
  WallMs record_time{1'000'000};

  CleanerTest() {
    config->compacts = true;
    config->deletes = false;
    config->segment_bytes = 1000;
    config->delete_retention_ms = 10'000;
  }
  Bytes keyed(const std::vector<KeyValue>& records, BatchOptions options = {}) {
    BatchBuilder builder(options);
    for (const KeyValue& one : records) {
      if (one.value) builder.add(record_time, one.key, *one.value);
      else builder.add(record_time, one.key, std::nullopt);
      record_time = record_time + 1;
    }
    return builder.build();
  }
  void put(const std::vector<KeyValue>& records, BatchOptions options = {}) { append(keyed(records, options)); }
  /// Closes the active segment: the next batch begins another.
  void roll() {
    const std::size_t before = log->segment_count();
    while (log->segment_count() == before) put({{"filler", std::string(400, 'f')}});
  }
  LogCleaner::Outcome clean(Offset limit = Offset(INT64_MAX), std::uint64_t map_bytes = 1 << 20) {
    LogCleaner cleaner(*log, cpu, timers, LogCleaner::Options{limit, now, map_bytes});
    auto task = cleaner.run();
    const Result<LogCleaner::Outcome> outcome = task.take();
    EXPECT_TRUE(outcome) << outcome.error().what;
    return outcome.value_or(LogCleaner::Outcome());
  }
  std::vector<Line> lines() {
    std::vector<Line> found;
    for (Offset from = log->start_offset(); from < log->end_offset();) {
      const ReadResult got = read(from, 500);
      BatchCursor cursor(got.records);
      while (cursor.next()) {
        EXPECT_EQ(batch_crc(got.records, cursor.position(), cursor.header()), cursor.header().crc);
        Result<RecordReader> reader = RecordReader::open(cursor.batch());
        EXPECT_TRUE(reader);
        Record record;
        while (reader->next(record))
          found.emplace_back(record.offset.value(), std::string(record.key.value_or("")), record.value ? std::string(*record.value) : std::string("(null)"));
        EXPECT_FALSE(reader->failed());
      }
      EXPECT_GT(got.next, from);
      if (got.next <= from) break;
      from = got.next;
    }
    return found;
  }
  std::map<std::string, Line> newest() {
    std::map<std::string, Line> found;
    for (const Line& line : lines()) found[std::get<1>(line)] = line;
    return found;
  }
  std::vector<BatchHeader> headers() {
    std::vector<BatchHeader> found;
    for (Offset from = log->start_offset(); from < log->end_offset();) {
      const ReadResult got = read(from, 1 << 20);
      BatchCursor cursor(got.records);
      while (cursor.next()) found.push_back(cursor.header());
      if (got.next <= from) break;
      from = got.next;
    }
    return found;
  }
  std::string findings() {
    auto task = verify_folder(disk, "data/orders-3");
    const Result<FolderReport> report = task.take();
    std::string text = report ? "" : "unreadable";
    if (report)
      for (const Finding& finding : report->findings) text += finding.file + " " + finding.what + "\n";
    return text;
  }
};

TEST_F(CleanerTest, of_each_key_the_newest_record_stays_at_its_offset) {
  open();
  put({{"a", "1"}, {"b", "1"}, {"c", "1"}});
  put({{"a", "2"}});
  put({{"b", "2"}, {"a", "3"}});
  roll();
  put({{"a", "4"}});
  const Offset end = log->end_offset();
  const LogCleaner::Outcome outcome = clean();
  EXPECT_TRUE(outcome.finished);
  EXPECT_EQ(outcome.cleaned_end, log->active_base());
  EXPECT_EQ(log->cleaned_end(), log->active_base());
  EXPECT_EQ(log->end_offset(), end);
  std::vector<Line> kept = lines();
  std::erase_if(kept, [](const Line& line) { return std::get<1>(line) == "filler"; });
  const std::vector<Line> expected = {{2, "c", "1"}, {4, "b", "2"}, {5, "a", "3"}, {end.value() - 1, "a", "4"}};
  EXPECT_EQ(kept, expected);
  // A batch that keeps a record keeps its offsets; one that keeps none is gone.
  EXPECT_EQ(headers().front().base_offset, Offset(0));
  EXPECT_EQ(headers().front().last_offset(), Offset(2));
  EXPECT_EQ(headers()[1].base_offset, Offset(4));
  EXPECT_EQ(findings(), "");
  EXPECT_EQ(trace.count(TraceKind::log_cleaned), 1);
  EXPECT_FALSE(has("00000000000000000000.log.cleaned"));
  EXPECT_FALSE(has("00000000000000000000.log.swap"));
}

TEST_F(CleanerTest, a_read_within_a_gap_gives_the_next_batch) {
  open();
  for (int i = 0; i < 60; ++i) put({{"k" + std::to_string(i % 3), std::string(100, 'x')}});
  put({{"last", "1"}});
  ASSERT_TRUE(clean().finished);
  const std::vector<Line> kept = lines();
  ASSERT_LT(kept.size(), 30u);
  for (const bool cached : {true, false}) {
    disk.cached = cached;
    for (std::int64_t from = 0; from < log->end_offset().value(); ++from) {
      const ReadResult got = read(Offset(from), 1);
      BatchCursor cursor(got.records);
      ASSERT_TRUE(cursor.next()) << from;
      const auto next = std::find_if(kept.begin(), kept.end(), [&](const Line& line) { return std::get<0>(line) >= from; });
      ASSERT_NE(next, kept.end());
      EXPECT_LE(cursor.header().base_offset.value(), std::get<0>(*next)) << from;
      EXPECT_GE(cursor.header().last_offset().value(), from);
    }
  }
}

TEST_F(CleanerTest, a_tombstone_stays_for_its_time_and_then_goes) {
  open();
  put({{"a", "1"}, {"b", "1"}});
  put({{"a", std::nullopt}, {"b", "2"}});
  roll();
  ASSERT_TRUE(clean().finished);
  const WallMs first_cleaned = now;
  EXPECT_EQ(std::get<2>(newest()["a"]), "(null)");
  ASSERT_EQ(headers().front().base_offset, Offset(2));
  EXPECT_EQ(delete_horizon_of(headers().front()), first_cleaned + 10'000);
  // Its own time is still told, as a distance from the horizon.
  {
    const ReadResult got = read(Offset(2));
    Result<RecordReader> reader = RecordReader::open(got.records.sub(0, parse_batch_header(got.records)->size_bytes()));
    Record record;
    ASSERT_TRUE(reader->next(record));
    EXPECT_EQ(record.timestamp, WallMs(1'000'002));
  }
  now = now + 9'999;
  roll();
  ASSERT_TRUE(clean().finished);
  EXPECT_TRUE(newest().contains("a"));
  EXPECT_EQ(delete_horizon_of(headers().front()), first_cleaned + 10'000) << "a later pass does not put it off";
  now = now + 1;
  roll();
  ASSERT_TRUE(clean().finished);
  EXPECT_FALSE(newest().contains("a"));
  EXPECT_EQ(std::get<2>(newest()["b"]), "2");
}

TEST_F(CleanerTest, a_tombstone_that_is_superseded_goes_at_once_and_one_that_is_new_is_not_dated) {
  open();
  put({{"a", std::nullopt}});
  put({{"a", "1"}});
  roll();
  put({{"b", std::nullopt}});
  ASSERT_TRUE(clean().finished);
  EXPECT_EQ(headers().front().base_offset, Offset(1));
  for (const BatchHeader& header : headers()) EXPECT_FALSE(header.has_delete_horizon());
}

TEST_F(CleanerTest, a_producers_last_batch_stays_empty_so_that_its_sequence_survives) {
  open();
  BatchOptions options;
  options.producer_id = ProducerId(7);
  options.producer_epoch = ProducerEpoch(0);
  for (int i = 0; i < 6; ++i) {
    options.base_sequence = 2 * i;
    put({{"a", "1"}, {"b", "1"}}, options);
  }
  put({{"a", "x"}, {"b", "x"}});
  roll();
  ASSERT_TRUE(clean().finished);
  ASSERT_EQ(headers().front().base_offset, Offset(10));
  EXPECT_EQ(headers().front().record_count, 0);
  EXPECT_EQ(headers().front().last_sequence(), 11);
  EXPECT_EQ(headers().front().size_bytes(), batch_header_bytes);
  // Without any snapshot the state comes from the batches that are left.
  std::erase_if(disk.files, [](const auto& entry) { return entry.first.ends_with(".snapshot"); });
  Log::LoadOptions closed_cleanly;
  closed_cleanly.clean = true;
  open(closed_cleanly);
  options.base_sequence = 10;
  EXPECT_TRUE(append(keyed({{"a", "1"}, {"b", "1"}}, options)).duplicate);
  options.base_sequence = 12;
  EXPECT_FALSE(append(keyed({{"a", "1"}, {"b", "1"}}, options)).duplicate);
  // Once the producer has written another batch, the empty one goes.
  roll();
  ASSERT_TRUE(clean().finished);
  for (const BatchHeader& header : headers()) EXPECT_NE(header.base_offset, Offset(10));
}

TEST_F(CleanerTest, a_rewritten_batch_keeps_codec_headers_and_identity) {
  for (const Codec codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    disk = MemoryDisk();
    open();
    BatchOptions options;
    options.codec = codec;
    options.producer_id = ProducerId(9);
    options.producer_epoch = ProducerEpoch(3);
    options.base_sequence = 40;
    BatchBuilder builder(options);
    const RecordHeader header{"trace", "abc"};
    builder.add(WallMs(1'000'000), "a", std::string(200, 'a'));
    builder.add(WallMs(1'000'050), "b", std::string(200, 'b'), std::span(&header, 1));
    builder.add(WallMs(1'000'100), "c", std::string(200, 'c'));
    append(builder.build(), 5);
    put({{"a", "2"}, {"c", "2"}});
    roll();
    ASSERT_TRUE(clean().finished);
    const ReadResult got = read(Offset(0));
    const Result<BatchHeader> kept = check_batch(got.records);
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->codec(), codec);
    EXPECT_EQ(kept->record_count, 1);
    EXPECT_EQ(kept->last_offset_delta, 2);
    EXPECT_EQ(kept->leader_epoch, LeaderEpoch(5));
    EXPECT_EQ(kept->producer_id, ProducerId(9));
    EXPECT_EQ(kept->producer_epoch, ProducerEpoch(3));
    EXPECT_EQ(kept->last_sequence(), 42);
    EXPECT_EQ(kept->base_timestamp, WallMs(1'000'050));
    EXPECT_EQ(kept->max_timestamp, WallMs(1'000'050));
    Result<RecordReader> reader = RecordReader::open(got.records.sub(0, kept->size_bytes()));
    Record record;
    ASSERT_TRUE(reader->next(record));
    EXPECT_EQ(record.offset, Offset(1));
    EXPECT_EQ(record.timestamp, WallMs(1'000'050));
    ASSERT_EQ(record.headers().size(), 1u);
    EXPECT_EQ(record.headers()[0].value, "abc");
  }
}

TEST_F(CleanerTest, nothing_at_or_above_the_limit_or_too_young_is_touched) {
  open();
  for (int i = 0; i < 40; ++i) put({{"k", std::string(200, 'x')}});
  ASSERT_GT(log->segment_count(), 6u);
  const Offset third = log->segments()[3].base();
  EXPECT_EQ(cleanable_part(*log, third + 1, now).end, third) << "whole segments only";
  EXPECT_EQ(cleanable_part(*log, Offset(INT64_MAX), now).end, log->active_base());
  const std::vector<Line> before = lines();
  ASSERT_TRUE(clean(third + 1).finished);
  EXPECT_EQ(log->cleaned_end(), third);
  const std::vector<Line> after = lines();
  for (const Line& line : before) {
    const bool above = std::get<0>(line) >= third.value();
    EXPECT_EQ(std::find(after.begin(), after.end(), line) != after.end(), above || std::get<0>(line) == third.value() - 1) << std::get<0>(line);
  }
  config->min_compaction_lag_ms = 1000;
  EXPECT_EQ(cleanable_part(*log, Offset(INT64_MAX), record_time + 960).end, third);
  EXPECT_EQ(cleanable_part(*log, Offset(INT64_MAX), record_time + 1040).end, log->active_base());
}

TEST_F(CleanerTest, a_log_is_worth_it_by_its_dirty_share_or_when_overdue) {
  open();
  for (int i = 0; i < 40; ++i) put({{"k" + std::to_string(i), std::string(200, 'x')}});
  config->min_cleanable_ratio_millionths = 600'000;
  EXPECT_TRUE(cleanable_part(*log, Offset(INT64_MAX), now).worthwhile(*config));
  ASSERT_TRUE(clean().finished);
  EXPECT_FALSE(cleanable_part(*log, Offset(INT64_MAX), now).worthwhile(*config));
  for (int i = 0; i < 20; ++i) put({{"k" + std::to_string(i), std::string(200, 'x')}});
  const Cleanable part = cleanable_part(*log, Offset(INT64_MAX), now);
  EXPECT_GT(part.dirty_bytes, 0u);
  EXPECT_LT(part.ratio_millionths(), 600'000);
  EXPECT_FALSE(part.worthwhile(*config));
  config->max_compaction_lag_ms = 1000;
  EXPECT_FALSE(cleanable_part(*log, Offset(INT64_MAX), now).worthwhile(*config));
  EXPECT_TRUE(cleanable_part(*log, Offset(INT64_MAX), now + 1100).worthwhile(*config));
  config->compacts = false;
  EXPECT_FALSE(cleanable_part(*log, Offset(INT64_MAX), now + 1100).worthwhile(*config));
}

TEST_F(CleanerTest, a_segment_is_closed_in_time_to_be_compacted) {
  const auto broker = ConfigSnapshot::of_broker({});
  const auto segment_ms = [&](const char* policy) {
    return log_config_of(*ConfigSnapshot::of_topic(*broker, {{"cleanup.policy", policy}, {"segment.ms", "9000"}, {"max.compaction.lag.ms", "4000"}})).segment_ms;
  };
  EXPECT_EQ(segment_ms("compact"), 4000);
  EXPECT_EQ(segment_ms("compact,delete"), 4000);
  EXPECT_EQ(segment_ms("delete"), 9000);
}

TEST_F(CleanerTest, segments_that_shrank_are_put_together_and_join) {
  open();
  for (int i = 0; i < 200; ++i) put({{"k" + std::to_string(i % 5), std::string(100, 'x')}});
  const std::size_t before = log->segment_count();
  ASSERT_TRUE(clean().finished);
  roll();
  ASSERT_TRUE(clean().finished);
  EXPECT_LT(log->segment_count(), before / 2);
  for (const Segment& segment : log->segments()) EXPECT_LE(segment.size(), 1000u);
  // Each segment ends where the next one begins, so a load knows that nothing is missing: whatever the policy is then.
  ASSERT_TRUE(flush());
  config->compacts = false;
  const std::vector<Line> kept = lines();
  Log::LoadOptions options;
  options.recovery_point = log->recovery_point();
  open(options);
  EXPECT_EQ(lines(), kept);
  EXPECT_EQ(findings(), "");
}

TEST_F(CleanerTest, a_small_budget_takes_more_passes_and_comes_to_the_same) {
  open();
  for (int i = 0; i < 400; ++i) put({{"key-" + std::to_string(i % 97), std::string(50, 'x')}});
  const std::map<std::string, Line> expected = newest();
  int passes = 0;
  while (log->cleaned_end() < log->active_base() && passes < 100) {
    const Offset from = log->cleaned_end();
    ASSERT_TRUE(clean(Offset(INT64_MAX), 3000).finished);
    ASSERT_GT(log->cleaned_end(), from) << "each pass comes further";
    ++passes;
  }
  EXPECT_GT(passes, 2);
  EXPECT_EQ(newest(), expected);
  std::int64_t below = 0;
  for (const Line& line : lines()) below += std::get<0>(line) < log->active_base().value() ? 1 : 0;
  EXPECT_LE(below, 2 * 97 + 10);
}

TEST_F(CleanerTest, what_an_aborted_transaction_wrote_goes_and_its_marker_when_its_time_has_come) {
  open();
  BatchOptions options;
  options.producer_id = ProducerId(5);
  options.producer_epoch = ProducerEpoch(0);
  options.transactional = true;
  const auto marker = [&](bool commit) {
    const Bytes bytes = end_transaction_marker(log->end_offset(), LeaderEpoch(0), now, ProducerId(5), ProducerEpoch(0), commit, 1);
    ASSERT_TRUE(log->append_as_leader(bytes, LeaderEpoch(0), AppendOrigin::coordinator, now));
  };
  put({{"a", "old"}});
  options.base_sequence = 0;
  put({{"a", "aborted"}, {"z", "aborted"}}, options);  // 1, 2
  marker(false);                                       // 3
  options.base_sequence = 2;
  put({{"b", "committed"}}, options);  // 4
  marker(true);                        // 5
  options.base_sequence = 3;
  put({{"c", "open for long"}}, options);  // 6: keeps the producer known
  marker(true);                            // 7
  roll();
  ASSERT_TRUE(clean().finished);
  EXPECT_EQ(std::get<2>(newest()["a"]), "old") << "an aborted record supersedes nothing";
  EXPECT_FALSE(newest().contains("z"));
  const auto stands = [&](std::int64_t offset) {
    for (const BatchHeader& header : headers())
      if (header.base_offset == Offset(offset)) return true;
    return false;
  };
  EXPECT_FALSE(stands(1));
  EXPECT_TRUE(stands(3));
  EXPECT_EQ(log->aborted_between(Offset(0), log->end_offset()).size(), 1u) << "its data stood before this pass";
  roll();
  ASSERT_TRUE(clean().finished);
  EXPECT_TRUE(stands(3)) << "now it is dated";
  EXPECT_EQ(log->aborted_between(Offset(0), log->end_offset()).size(), 0u);
  EXPECT_FALSE(has("00000000000000000000.txnindex"));
  now = now + 10'000;
  roll();
  ASSERT_TRUE(clean().finished);
  EXPECT_FALSE(stands(3));
  EXPECT_TRUE(stands(5)) << "the committed record still stands";
  EXPECT_EQ(findings(), "");
}

TEST_F(CleanerTest, a_cut_below_makes_what_comes_next_dirty) {
  open();
  for (int i = 0; i < 40; ++i) put({{"k" + std::to_string(i % 7), std::string(100, 'x')}});
  ASSERT_TRUE(clean().finished);
  const Offset cut = log->segments()[1].base();
  ASSERT_LT(cut, log->cleaned_end());
  ASSERT_TRUE(log->truncate_to(cut));
  EXPECT_EQ(log->cleaned_end(), cut);
  ASSERT_TRUE(log->truncate_fully_and_start_at(Offset(500)));
  EXPECT_EQ(log->cleaned_end(), Offset(500));
  Log::LoadOptions options;
  options.cleaned_end = Offset(900);
  open(options);
  EXPECT_EQ(log->cleaned_end(), Offset(500)) << "a checkpoint above the end says nothing";
}

TEST_F(CleanerTest, a_cut_within_a_gap_leaves_a_log_that_joins) {
  open();
  for (int i = 0; i < 60; ++i) put({{"k" + std::to_string(i % 4), std::string(60, 'x')}, {"once-" + std::to_string(i % 11), "x"}});
  ASSERT_TRUE(clean().finished);
  ASSERT_TRUE(flush());
  const std::vector<Line> kept = lines();
  const auto files = disk.files;
  const Offset recovery_point = log->recovery_point(), cleaned_end = log->cleaned_end();
  for (std::int64_t offset = 1; offset < cleaned_end.value(); ++offset) {
    disk.files.clear();
    for (const auto& [path, node] : files) disk.files[path] = std::make_shared<MemoryDisk::Node>(*node);
    Log::LoadOptions options;
    options.recovery_point = recovery_point;
    options.cleaned_end = cleaned_end;
    open(options);
    ASSERT_TRUE(log->truncate_to(Offset(offset)));
    EXPECT_LE(log->end_offset(), Offset(offset));
    put({{"new", "1"}});
    put({{"new", "2"}});
    ASSERT_TRUE(flush());
    std::vector<Line> expected;
    for (const Line& line : kept)
      if (std::get<0>(line) < log->end_offset().value() - 2) expected.push_back(line);
    expected.emplace_back(log->end_offset().value() - 2, "new", "1");
    expected.emplace_back(log->end_offset().value() - 1, "new", "2");
    EXPECT_EQ(lines(), expected) << offset;
    // The checkpoints that follow a cut, and from after the flush.
    options.cleaned_end = log->cleaned_end();
    config->compacts = false;  // unknown while a broker loads
    for (const Offset point : {std::min(Offset(offset), log->end_offset() - 3), log->recovery_point()}) {
      options.recovery_point = point;
      open(options);
      EXPECT_EQ(lines(), expected) << offset;
    }
    config->compacts = true;
  }
}

TEST_F(CleanerTest, a_damaged_batch_stops_the_pass_and_changes_nothing) {
  open();
  for (int i = 0; i < 20; ++i) put({{"k", std::string(200, 'x')}});
  disk.files["data/orders-3/00000000000000000000.log"]->bytes[300] ^= 1;
  disk.cached = false;
  const auto before = disk.files.size();
  LogCleaner cleaner(*log, cpu, timers, LogCleaner::Options{Offset(INT64_MAX), now, 1 << 20});
  auto task = cleaner.run();
  const Result<LogCleaner::Outcome> outcome = task.take();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::corrupt_message);
  EXPECT_EQ(disk.files.size(), before);
  EXPECT_FALSE(log->failed());
}

/// Keeps what is on the disk after every change of a name or of contents.
class FilmedDisk final : public Disk {
 public:
  explicit FilmedDisk(MemoryDisk& disk) : disk_(disk) {}
  using Picture = std::map<std::string, std::string>;
  std::vector<Picture> film;
  void shoot() {
    Picture picture;
    for (const auto& [path, node] : disk_.files) picture[path] = node->bytes;
    if (film.empty() || film.back() != picture) film.push_back(std::move(picture));
  }
  Result<FilePtr> open(std::string_view path, OpenMode mode) override {
    shoot();
    return disk_.open(path, mode);
  }
  Result<std::vector<std::string>> list(std::string_view folder) override { return disk_.list(folder); }
  bool exists(std::string_view path) override { return disk_.exists(path); }
  Result<bool> rename(std::string_view from, std::string_view to) override {
    const Result<bool> done = disk_.rename(from, to);
    shoot();
    return done;
  }
  Result<bool> remove(std::string_view path) override {
    const Result<bool> done = disk_.remove(path);
    shoot();
    return done;
  }
  Result<bool> make_folder(std::string_view path) override { return disk_.make_folder(path); }

 protected:
  void start_sync_dir(const std::string&, Completion<Result<bool>>& done) override {
    shoot();
    done.complete(true);
  }
  void start_room(std::uint64_t, Completion<Result<bool>>& done) override { done.complete(true); }

 private:
  MemoryDisk& disk_;
};

TEST_F(CleanerTest, a_crash_at_any_step_leaves_the_old_segments_or_the_new_one) {
  FilmedDisk filmed(disk);
  const auto load_from = [&](Disk& from, Offset recovery_point) {
    Log::Place place{from, Tracer(trace, 0, now_ns), "data", TopicPartition{"orders", 3}, Uuid{1, 2}, config};
    Log::LoadOptions options;
    options.recovery_point = recovery_point;
    options.now = now;
    log.reset();
    auto task = Log::load(std::move(place), options);
    Result<std::unique_ptr<Log>> loaded = task.take();
    ASSERT_TRUE(loaded) << loaded.error().what;
    log = std::move(*loaded);
  };
  load_from(filmed, Offset(0));
  for (int i = 0; i < 80; ++i) {
    put({{"k" + std::to_string(i % 4), std::to_string(i) + std::string(90, 'x')}});
    if (i % 6 == 0) put({{"once-" + std::to_string(i), "x"}});
  }
  // Some segments have shrunk already: they will be put together.
  ASSERT_TRUE(clean(log->segments()[4].base()).finished);
  ASSERT_TRUE(flush());
  const std::map<std::string, Line> expected = newest();
  const Offset end = log->end_offset();
  const Offset recovery_point = log->recovery_point();
  const std::size_t segments_before = log->segment_count();
  filmed.film.clear();
  ASSERT_TRUE(clean(log->active_base()).finished);
  filmed.shoot();
  ASSERT_GT(filmed.film.size(), 30u);
  ASSERT_LT(log->segment_count(), segments_before);
  const std::vector<FilmedDisk::Picture> film = std::move(filmed.film);
  std::size_t shrunk = 0;
  for (std::size_t step = 0; step < film.size(); ++step) {
    disk.files.clear();
    for (const auto& [path, bytes] : film[step]) {
      disk.files[path] = std::make_shared<MemoryDisk::Node>();
      disk.files[path]->bytes = disk.files[path]->durable = bytes;
    }
    load_from(disk, recovery_point);
    ASSERT_EQ(log->end_offset(), end) << "step " << step;
    ASSERT_EQ(newest(), expected) << "step " << step;
    ASSERT_EQ(findings(), "") << "step " << step;
    for (const auto& [path, node] : disk.files) ASSERT_FALSE(path.ends_with(".cleaned") || path.ends_with(".swap")) << path << " step " << step;
    // It can be cleaned from there, and then there is one record of a key below the active segment.
    ASSERT_TRUE(clean(log->active_base()).finished);
    ASSERT_EQ(newest(), expected) << "step " << step;
    shrunk += lines().size() < 40 ? 1 : 0;
  }
  EXPECT_EQ(shrunk, film.size());
}

TEST_F(CleanerTest, an_old_segment_whose_removal_was_lost_is_dropped) {
  open();
  for (int i = 0; i < 60; ++i) put({{"k" + std::to_string(i % 4), std::string(60, 'x')}, {"once-" + std::to_string(i), "x"}});
  ASSERT_TRUE(clean().finished);
  roll();
  ASSERT_TRUE(flush());
  const auto before = disk.files;
  const Offset recovery_point = log->recovery_point();
  ASSERT_TRUE(clean(log->active_base()).finished);
  const std::vector<Line> kept = lines();
  int restored = 0;
  for (const auto& [path, node] : before)
    if (!disk.files.contains(path) && !path.ends_with(".snapshot") && ++restored % 2 == 0) disk.files[path] = node;
  ASSERT_GT(restored, 3) << "segments were put together";
  Log::LoadOptions options;
  options.recovery_point = recovery_point;
  open(options);
  EXPECT_EQ(lines(), kept);
  EXPECT_EQ(findings(), "");
}

TEST_F(CleanerTest, a_follower_copies_a_compacted_log) {
  open();
  for (int i = 0; i < 60; ++i) put({{"k" + std::to_string(i % 4), std::string(60, 'x')}});
  ASSERT_TRUE(clean().finished);
  const std::vector<Line> expected = lines();
  const Offset end = log->end_offset();
  std::vector<Bytes> batches;
  for (Offset from{0}; from < end;) {
    const ReadResult got = read(from, 300);
    batches.push_back(got.records);
    from = got.next;
  }
  disk = MemoryDisk();
  open();
  for (const Bytes& bytes : batches) {
    if (bytes.empty()) continue;
    ASSERT_TRUE(log->append_as_follower(bytes, now));
  }
  EXPECT_EQ(lines(), expected);
  EXPECT_EQ(log->end_offset(), end);
}

TEST_F(CleanerTest, what_a_follower_copied_of_a_compacted_log_survives_a_crash_whole) {
  open();
  for (int i = 0; i < 200; ++i) put({{"k" + std::to_string(i % 4), std::to_string(i)}, {"once-" + std::to_string(i % 31), std::string(60, 'x')}});
  ASSERT_TRUE(clean().finished);
  const std::vector<Line> expected = lines();
  const Offset end = log->end_offset();
  std::vector<Bytes> batches;
  for (Offset from{0}; from < end;) {
    const ReadResult got = read(from, 300);
    if (!got.records.empty()) batches.push_back(got.records);
    from = got.next;
  }
  disk = MemoryDisk();
  config->segment_bytes = 700;
  config->compacts = false;  // unknown while a broker loads
  open();
  for (std::size_t i = 0; i < batches.size(); ++i) {
    ASSERT_TRUE(log->append_as_follower(batches[i], now));
    if (i == 0) continue;  // a single jump with nothing behind it could be damage
    const Offset so_far = log->end_offset();
    const std::size_t segments = log->segment_count();
    const auto files = disk.files;
    disk.files.clear();
    for (const auto& [path, node] : files) disk.files[path] = std::make_shared<MemoryDisk::Node>(*node);
    open();
    ASSERT_EQ(log->end_offset(), so_far) << "after " << i << " batches in " << segments << " segments";
  }
  EXPECT_EQ(lines(), expected);
  EXPECT_EQ(findings(), "");
}

TEST_F(CleanerTest, an_offset_that_jumps_ahead_of_what_follows_is_damage) {
  config->compacts = false;
  open();
  for (int i = 0; i < 5; ++i) put({{"k", std::to_string(i)}});
  const std::string path = "data/orders-3/00000000000000000000.log";
  const std::string whole = disk.files[path]->bytes;
  const std::size_t batch_bytes = whole.size() / 5;
  for (const std::size_t which : {1u, 3u, 4u}) {
    config->compacts = which != 4;  // then only what follows tells
    disk.files[path]->bytes = whole;
    disk.files[path]->bytes[which * batch_bytes + 6] = 1;  // 256 and more
    open();
    EXPECT_EQ(log->end_offset(), Offset(static_cast<std::int64_t>(which)));
  }
}

TEST(OffsetMap, agrees_with_a_map_of_strings_and_knows_when_it_is_full) {
  OffsetMap map(1 << 20);
  std::map<std::string, std::int64_t> model;
  Random random(3);
  for (std::int64_t offset = 0; offset < 5000; ++offset) {
    const std::string key = "key-" + std::to_string(random.below(900));
    map.put(key, Offset(offset));
    model[key] = offset;
  }
  EXPECT_EQ(map.size(), model.size());
  for (const auto& [key, offset] : model) EXPECT_EQ(map.find(key), Offset(offset));
  EXPECT_EQ(map.find("none"), no_offset);
  EXPECT_EQ(map.find(""), no_offset);
  map.put("", Offset(9));
  EXPECT_EQ(map.find(""), Offset(9));
  EXPECT_FALSE(map.full());
  OffsetMap small(1);
  EXPECT_FALSE(small.full()) << "something always goes in";
  small.put("k", Offset(1));
  EXPECT_TRUE(small.full());
}

}  // namespace
}  // namespace harrow::test
