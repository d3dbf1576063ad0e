#include "core/base/random.h"
#include "core/log/checkpoint_files.h"
#include "tests/unit/log/log_fixture.h"

namespace harrow::test {
namespace {

using Truth = std::vector<std::pair<std::int64_t, std::int64_t>>;

// What scanning the log's files says, whatever any index says.
struct Scan {
  Truth batches;
  EpochCache epochs;
  WallMs largest{-1};
};
Scan scan(const LogTest& test) {
  Scan found;
  for (const auto& [path, node] : test.disk.files) {
    if (path.size() < 4 || path.substr(path.size() - 4) != ".log") continue;
    const Bytes bytes = Bytes::copy_of(node->bytes);
    std::uint64_t at = 0;
    while (at < bytes.size()) {
      const Result<BatchHeader> header = check_batch(bytes, at);
      EXPECT_TRUE(header) << path << " at " << at;
      if (!header) return found;
      found.batches.emplace_back(header->base_offset.value(), header->last_offset().value());
      if (header->leader_epoch > found.epochs.latest()) found.epochs.assign(header->leader_epoch, header->base_offset);
      found.largest = std::max(found.largest, header->max_timestamp);
      at += header->size_bytes();
    }
  }
  return found;
}

// Everything that a log derives equals what its files say.
void expect_true(LogTest& test) {
  const Scan truth = scan(test);
  EXPECT_EQ(test.all_batches(test.log->start_offset()), truth.batches);
  EXPECT_EQ(test.log->epochs().entries(), truth.epochs.entries());
  EXPECT_EQ(test.log->max_timestamp(), truth.largest);
  EXPECT_EQ(test.log->end_offset().value(), truth.batches.empty() ? test.log->start_offset().value() : truth.batches.back().second + 1);
  for (const Segment& segment : test.log->segments()) {
    const Bytes bytes = Bytes::copy_of(test.file(segment_file_name(segment.base(), ".log")));
    for (const OffsetEntry& entry : segment.offset_index().entries())
      EXPECT_EQ(check_batch(bytes, entry.position)->last_offset() - segment.base(), entry.relative_offset);
  }
}

void fill(LogTest& test, int batches) {
  for (int i = 0; i < batches; ++i) test.append(batch_of(2, test.now + i, 60, ProducerId(i % 2), i / 2 * 2), i / 8);
}

TEST_F(LogTest, a_log_cut_at_every_byte_recovers_to_a_prefix_and_stays_there) {
  config->segment_bytes = 1200;
  open();
  fill(*this, 14);
  const auto whole = disk.files;
  const Truth truth = scan(*this).batches;
  const ProducerState producers = log->producers();
  ASSERT_GE(log->segment_count(), 3u);
  for (const auto& [path, node] : whole) {
    if (path.substr(path.size() - 4) != ".log") continue;
    for (std::size_t size = 0; size <= node->bytes.size(); ++size) {
      disk.files.clear();
      for (const auto& [name, original] : whole) {
        disk.files[name] = std::make_shared<MemoryDisk::Node>(*original);
        if (name == path) disk.files[name]->bytes.resize(size);
      }
      ASSERT_TRUE(load()) << path << " cut at " << size;
      const Truth left = all_batches(Offset(0));
      ASSERT_LE(left.size(), truth.size());
      ASSERT_TRUE(std::equal(left.begin(), left.end(), truth.begin())) << "a prefix";
      expect_true(*this);
      const Offset end = log->end_offset();
      const Bytes state = log->producers().encode();
      ASSERT_TRUE(load());
      ASSERT_EQ(log->end_offset(), end) << "recovering twice changes nothing";
      ASSERT_EQ(log->producers().encode(), state);
      if (left.size() == truth.size()) { ASSERT_EQ(log->producers().encode(), producers.encode()); }
    }
  }
}

TEST_F(LogTest, a_flipped_bit_above_the_recovery_point_cuts_and_below_it_is_damage) {
  config->segment_bytes = 1 << 20;
  open();
  fill(*this, 20);
  const auto whole = disk.files;
  const std::string path = "data/orders-3/00000000000000000000.log";
  const std::uint64_t batch = whole.at(path)->bytes.size() / 20;
  for (std::uint64_t at = 5 * batch; at < 7 * batch; at += 3) {
    const auto damage = [&] {
      disk.files.clear();
      for (const auto& [name, original] : whole) disk.files[name] = std::make_shared<MemoryDisk::Node>(*original);
      disk.files[path]->bytes[at] = static_cast<char>(disk.files[path]->bytes[at] ^ 4);
    };
    // The partition leader epoch lies outside the CRC.
    if (at % batch >= 12 && at % batch < 16) continue;
    damage();
    ASSERT_TRUE(load()) << at;
    ASSERT_EQ(log->end_offset(), Offset(static_cast<std::int64_t>(at / batch) * 2)) << at;
    damage();
    Log::LoadOptions options;
    options.recovery_point = Offset(30);
    const auto before = disk.files[path]->bytes;
    const Result<bool> refused = load(options);
    ASSERT_FALSE(refused) << at;
    ASSERT_EQ(refused.error().code, Code::corrupt_message);
    ASSERT_TRUE(disk.files[path]->bytes == before) << "nothing was cut";
  }
}

TEST_F(LogTest, a_clean_restart_reads_no_batch_twice_and_knows_everything) {
  open();
  fill(*this, 60);
  const Bytes producers = log->producers().encode();
  auto closed = log->close_clean();
  ASSERT_TRUE(closed.take());
  EXPECT_FALSE(log->append_as_leader(batch_of(1, now), LeaderEpoch(9), AppendOrigin::client, now));
  const Offset end = log->end_offset();
  for (const Segment& segment : log->segments()) {
    EXPECT_EQ(file(segment_file_name(segment.base(), ".index")).size(), segment.offset_index().entries().size() * 8);
    EXPECT_EQ(file(segment_file_name(segment.base(), ".timeindex")).size(), segment.time_index().entries().size() * 12);
  }
  disk.power_loss();  // everything was durable
  trace.events.clear();
  Log::LoadOptions options;
  options.clean = true;
  options.recovery_point = end;
  open(options);
  EXPECT_EQ(log->end_offset(), end);
  EXPECT_EQ(log->durable_end(), end);
  EXPECT_EQ(log->producers().encode(), producers);
  EXPECT_EQ(trace.count(TraceKind::log_loaded), 1);
  expect_true(*this);
  append(batch_of(1, now, 60, ProducerId(0), 60), 9);
  expect_true(*this);
}

TEST_F(LogTest, indexes_that_cannot_be_believed_are_made_anew) {
  open();
  fill(*this, 60);
  auto closed = log->close_clean();
  ASSERT_TRUE(closed.take());
  const auto whole = disk.files;
  Log::LoadOptions options;
  options.clean = true;
  options.recovery_point = log->end_offset();
  for (const auto& [path, original] : whole) {
    const bool index = path.find("index") != std::string::npos;
    if (!index) continue;
    for (const int harm : {0, 1, 2}) {
      disk.files.clear();
      for (const auto& [name, node] : whole) disk.files[name] = std::make_shared<MemoryDisk::Node>(*node);
      if (harm == 0) disk.files.erase(path);
      else if (harm == 1) disk.files[path]->bytes += "x";
      else disk.files[path]->bytes += std::string(24, '\0');
      open(options);
      expect_true(*this);
    }
  }
}

TEST_F(LogTest, epochs_come_back_without_their_file_including_epoch_zero) {
  open();
  fill(*this, 30);
  const auto entries = log->epochs().entries();
  ASSERT_EQ(entries.front().epoch, LeaderEpoch(0));
  for (const bool clean : {true, false}) {
    for (const char* text : {"", "0\n1\n77 1\n", "torn"}) {
      auto closed = log->close_clean();
      ASSERT_TRUE(closed.take());
      disk.files["data/orders-3/leader-epoch-checkpoint"]->bytes = text;
      Log::LoadOptions options;
      options.clean = clean;
      options.recovery_point = clean ? log->end_offset() : Offset(0);
      open(options);
      if (std::string_view(text) == "0\n1\n77 1\n" && clean) continue;  // nothing contradicts a sound file after a clean stop
      EXPECT_EQ(log->epochs().entries(), entries);
    }
    disk.files.erase("data/orders-3/leader-epoch-checkpoint");
    Log::LoadOptions options;
    options.clean = clean;
    options.recovery_point = clean ? log->end_offset() : Offset(0);
    open(options);
    EXPECT_EQ(log->epochs().entries(), entries);
  }
}

TEST_F(LogTest, epochs_of_a_deletion_that_a_power_loss_undid_come_back) {
  open();
  fill(*this, 60);
  const auto entries = log->epochs().entries();
  ASSERT_GE(entries.size(), 3u);
  ASSERT_GE(log->segment_count(), 2u);
  for (const bool clean : {true, false}) {
    for (std::size_t kept = 1; kept < entries.size(); ++kept) {
      auto closed = log->close_clean();
      ASSERT_TRUE(closed.take());
      // The checkpoint as retention wrote it, beside the segments that it was deleting; also one that begins within an epoch.
      for (const std::int64_t later : {0, 1}) {
        std::string text = "0\n" + std::to_string(kept) + "\n";
        for (std::size_t i = entries.size() - kept; i < entries.size(); ++i)
          text += std::to_string(entries[i].epoch.value()) + " " + std::to_string(entries[i].start.value() + (i == entries.size() - kept ? later : 0)) + "\n";
        disk.files["data/orders-3/leader-epoch-checkpoint"]->bytes = text;
        Log::LoadOptions options;
        options.clean = clean;
        options.recovery_point = log->end_offset();
        open(options);
        EXPECT_EQ(log->epochs().entries(), entries) << text;
      }
    }
  }
}

TEST_F(LogTest, what_flush_covered_survives_a_power_loss) {
  for (int after = 0; after < 30; ++after) {
    disk.files.clear();
    disk.durable_files.clear();
    open();
    Random random(static_cast<std::uint64_t>(after));
    Offset covered{0};
    Bytes producers;
    for (int i = 0; i <= after; ++i) {
      append(batch_of(2, now + i, 90, ProducerId(1), i * 2), i / 5);
      if (random.chance(1, 4)) {
        ASSERT_TRUE(flush());
        covered = log->end_offset();
        ASSERT_EQ(log->durable_end(), covered);
      }
    }
    const Truth truth = scan(*this).batches;
    EXPECT_EQ(log->durable_end(), covered);
    const Offset point = log->recovery_point();
    disk.power_loss();
    Log::LoadOptions options;
    options.recovery_point = point;
    open(options);
    ASSERT_GE(log->end_offset(), covered);
    const Truth left = all_batches(Offset(0));
    ASSERT_TRUE(std::equal(left.begin(), left.end(), truth.begin()));
    expect_true(*this);
    // The next batch of the producer is the one behind the last that survived.
    const Offset end = log->end_offset();
    EXPECT_EQ(append(batch_of(2, now, 90, ProducerId(1), static_cast<std::int32_t>(end.value())), 9).base, end);
  }
}

TEST_F(LogTest, a_new_segments_name_and_the_producer_snapshot_are_synced_with_it) {
  open();
  fill(*this, 60);
  ASSERT_GT(log->segment_count(), 1u);
  EXPECT_TRUE(log->roll_flush_due());
  auto synced = log->synced(log->active_base());
  ASSERT_TRUE(synced.take());
  EXPECT_FALSE(log->roll_flush_due());
  EXPECT_EQ(log->durable_end(), log->active_base());
  const std::string active = "data/orders-3/" + segment_file_name(log->active_base(), ".log");
  const std::string snapshot = "data/orders-3/" + segment_file_name(log->active_base(), ".snapshot");
  ASSERT_TRUE(disk.durable_files.count(active));
  ASSERT_TRUE(disk.durable_files.count(snapshot));
  EXPECT_TRUE(ProducerState::decode(Bytes::copy_of(disk.durable_files[snapshot]->durable)));
}

TEST_F(LogTest, a_torn_producer_snapshot_is_replaced_by_an_older_one_and_the_records) {
  open();
  fill(*this, 60);
  const Bytes producers = log->producers().encode();
  for (const auto& [path, node] : disk.files)
    if (path.find(".snapshot") != std::string::npos) node->bytes.resize(node->bytes.size() / 2);
  open();
  EXPECT_EQ(log->producers().encode(), producers);
}

TEST_F(LogTest, a_log_start_above_what_was_recovered_begins_a_new_log) {
  open();
  fill(*this, 10);
  Log::LoadOptions options;
  options.log_start = Offset(100);
  open(options);
  EXPECT_EQ(log->start_offset(), Offset(100));
  EXPECT_EQ(log->end_offset(), Offset(100));
  EXPECT_EQ(append(batch_of(1, now)).base, Offset(100));
}

TEST_F(LogTest, leftovers_of_deletion_and_compaction_are_removed_at_load) {
  open();
  fill(*this, 3);
  for (const char* name : {"00000000000000000000.log.deleted", "00000000000000000009.log.cleaned", "leader-epoch-checkpoint.tmp",
                           "00000000000000000500.index"})
    disk.files[std::string("data/orders-3/") + name] = std::make_shared<MemoryDisk::Node>();
  open();
  EXPECT_EQ(log->end_offset(), Offset(6));
  EXPECT_FALSE(has("00000000000000000000.log.deleted"));
  EXPECT_FALSE(has("00000000000000000009.log.cleaned"));
  EXPECT_FALSE(has("leader-epoch-checkpoint.tmp"));
  EXPECT_FALSE(has("00000000000000000500.index"));
}

TEST_F(LogTest, a_deletion_that_a_power_loss_undid_in_part_takes_nothing_that_was_not_deleted) {
  open();
  fill(*this, 200);
  ASSERT_GT(log->segment_count(), 4u);
  const Offset first_left = log->segments()[4].base();
  Log::LoadOptions options;
  options.recovery_point = log->active_base();
  const Offset end = log->end_offset();
  // Four segments were renamed; two of the names are the old ones again, and of the fourth only the index got its new one.
  const auto rename = [&](std::size_t index, std::string_view suffix) {
    const std::string path = "data/orders-3/" + segment_file_name(log->segments()[index].base(), suffix);
    ASSERT_TRUE(disk.rename(path, path + ".deleted"));
  };
  for (const char* const suffix : {".log", ".index", ".timeindex"}) rename(1, suffix);
  rename(3, ".index");
  open(options);
  EXPECT_EQ(log->start_offset(), first_left);
  EXPECT_EQ(log->end_offset(), end);
  EXPECT_EQ(log->segments().front().base(), first_left);
  expect_true(*this);
  // The names go when the removal of the rest is durable.
  ASSERT_TRUE(log->next_removal());
  ASSERT_TRUE(log->remove_due_files(*log->next_removal()));
  EXPECT_TRUE(log->next_removal());
  EXPECT_TRUE(log->flush_time_due(*log->next_removal()));
  ASSERT_TRUE(flush());
  ASSERT_TRUE(log->remove_due_files(*log->next_removal()));
  EXPECT_FALSE(log->next_removal());
}

TEST_F(LogTest, random_lives_of_a_log_end_in_a_true_log) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    disk.files.clear();
    disk.durable_files.clear();
    Random random(seed);
    config->segment_bytes = random.between(900, 3000);
    config->index_interval_bytes = random.between(0, 600);
    config->segment_index_bytes = random.between(36, 400);
    open();
    Log::LoadOptions options;
    int epoch = 0;
    std::int64_t time = 0;
    for (int step = 0; step < 60; ++step) {
      switch (random.below(10)) {
        case 0:
          ASSERT_TRUE(log->truncate_to(Offset(random.between(log->start_offset().value(), log->end_offset().value() + 1))));
          options.recovery_point = log->recovery_point();  // its owner's duty
          ++epoch;
          break;
        case 1: ASSERT_TRUE(flush()); break;
        case 2: options.recovery_point = log->recovery_point(); break;
        case 3:
          if (random.chance(1, 2)) disk.power_loss();
          options.log_start = log->start_offset();
          options.clean = false;
          open(options);
          ++epoch;
          break;
        case 4: {
          auto closed = log->close_clean();
          ASSERT_TRUE(closed.take());
          options.recovery_point = log->recovery_point();
          options.log_start = log->start_offset();
          options.clean = true;
          open(options);
          break;
        }
        default:
          for (std::uint64_t count = random.below(6); count > 0; --count)
            append(batch_of(static_cast<int>(random.between(1, 3)), now + time++, static_cast<std::uint32_t>(random.between(0, 200))), epoch);
      }
      if (step % 7 == 0) expect_true(*this);
      if (HasFailure()) FAIL() << "seed " << seed << " step " << step;
    }
    expect_true(*this);
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

TEST(LogDir, the_clean_mark_is_gone_durably_before_any_log_is_loaded) {
  MemoryDisk disk;
  KeptTrace trace;
  std::int64_t now_ns = 0;
  auto marked = mark_clean_shutdown(disk, Tracer(trace, 0, now_ns), "data", 14);
  ASSERT_TRUE(marked.take());
  auto written = write_durably(disk, "data/recovery-point-offset-checkpoint", to_text(OffsetCheckpoint{{{"orders", 3}, Offset(9)}}));
  ASSERT_TRUE(written.take());
  disk.power_loss();
  auto opened = open_log_dir(disk, "data");
  const Result<LogDirState> state = opened.take();
  ASSERT_TRUE(state);
  EXPECT_TRUE(state->clean);
  EXPECT_EQ(state->broker_epoch, 14);
  EXPECT_EQ(state->recovery_points.at({"orders", 3}), Offset(9));
  disk.power_loss();  // in the middle of loading
  auto again = open_log_dir(disk, "data");
  EXPECT_FALSE(again.take()->clean);
}

}  // namespace
}  // namespace harrow::test
