#include "core/log/inspect.h"
#include "core/log/checkpoint_files.h"
#include "tests/unit/log/log_fixture.h"

namespace harrow::test {
namespace {

class InspectTest : public LogTest {
 public:
  FolderReport verify() {
    auto task = verify_folder(disk, "data/orders-3");
    Result<FolderReport> report = task.take();
    EXPECT_TRUE(report);
    return report.value_or(FolderReport());
  }
  void fill() {
    open();
    for (int i = 0; i < 60; ++i)
      append(batch_of(2, now + (i * 7) % 50, 60, ProducerId(i % 2), i / 2 * 2, 0, i % 4 == 0 ? Codec::zstd : Codec::none), i / 10);
    disk.files["data/orders-3/partition.metadata"] = std::make_shared<MemoryDisk::Node>();
    disk.files["data/orders-3/partition.metadata"]->bytes = partition_metadata_text(Uuid{1, 2});
  }
};

TEST_F(InspectTest, a_sound_folder_has_no_findings_open_or_closed) {
  fill();
  for (int round = 0; round < 2; ++round) {
    const FolderReport report = verify();
    for (const Finding& finding : report.findings) ADD_FAILURE() << finding.file << " " << finding.position << " " << finding.what;
    EXPECT_EQ(report.batches, 60u);
    EXPECT_EQ(report.records, 120u);
    EXPECT_EQ(report.first, Offset(0));
    EXPECT_EQ(report.end, Offset(120));
    EXPECT_GT(report.segments, 2u);
    auto closed = log->close_clean();
    ASSERT_TRUE(closed.take());
  }
  EXPECT_EQ(*partition_folders(disk, "data"), std::vector<std::string>{"orders-3"});
}

TEST_F(InspectTest, a_log_that_starts_at_its_end_is_sound_while_its_old_segments_still_lie_there) {
  fill();
  ASSERT_TRUE(log->advance_log_start(Offset(120), LogStartReason::leader));
  const FolderReport report = verify();
  for (const Finding& finding : report.findings) ADD_FAILURE() << finding.file << " " << finding.position << " " << finding.what;
}

TEST_F(InspectTest, each_kind_of_damage_is_named) {
  fill();
  auto closed = log->close_clean();
  ASSERT_TRUE(closed.take());
  const auto whole = disk.files;
  for (const auto& [path, original] : whole) {
    // One changed byte in the middle of each file must be found, and so must a missing index.
    disk.files.clear();
    for (const auto& [name, node] : whole) disk.files[name] = std::make_shared<MemoryDisk::Node>(*node);
    std::string& bytes = disk.files[path]->bytes;
    if (bytes.empty()) continue;
    const std::size_t at = path.find("metadata") != std::string::npos ? 3 : bytes.size() / 2;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x11);
    EXPECT_FALSE(verify().findings.empty()) << path;
  }
  disk.files = whole;
  disk.files.erase("data/orders-3/00000000000000000000.index");
  EXPECT_EQ(verify().findings.at(0).what, "the index is missing");
}

TEST_F(InspectTest, a_dump_shows_batches_and_records) {
  open();
  BatchOptions options;
  options.producer_id = ProducerId(7);
  options.producer_epoch = ProducerEpoch(0);
  options.base_sequence = 0;
  BatchBuilder builder(options);
  const RecordHeader headers[] = {{"trace", "abc"}};
  builder.add(now, "k", "v\n\"", headers);
  builder.add(now + 1, std::nullopt, std::nullopt);
  append(builder.build(), 2);
  const Bytes marker = end_transaction_marker(Offset(0), no_epoch, now, ProducerId(7), ProducerEpoch(0), true, 0);
  ASSERT_TRUE(log->append_as_leader(marker, LeaderEpoch(2), AppendOrigin::coordinator, now));
  std::string text;
  auto task = dump_folder(disk, "data/orders-3", true, [&](std::string_view line) { text += std::string(line) + "\n"; });
  ASSERT_TRUE(task.take());
  EXPECT_EQ(text,
            "00000000000000000000.log 167 bytes\n"
            "  offsets 0..1 position 0 size 89 records 2 epoch 2 time 1000000..1000001 none producer 7/0 sequence 0..1\n"
            "    0 time 1000000 key \"k\" value \"v\\x0a\\\"\" trace=\"abc\"\n"
            "    1 time 1000001 key null value null\n"
            "  offsets 2..2 position 89 size 78 records 1 epoch 2 time 1000000..1000000 none producer 7/0 sequence -1..-1 transactional control\n"
            "    2 time 1000000 commit\n"
            "leader-epoch-checkpoint 8 bytes\n"
            "  0\n"
            "  1\n"
            "  2 0\n");
}

}  // namespace
}  // namespace harrow::test
