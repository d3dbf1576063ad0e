#include "tests/unit/disk/rig.h"

namespace harrow::sim {
namespace {

TEST(DiskFault, AFullDiskRefusesGrowthAndWritesNothing) {
  Rig rig;
  const FilePtr file = rig.open("0.log");
  rig.append(*file, std::string(1000, 'a'));
  rig.disk.set_full(true);
  EXPECT_EQ(rig.append(*file, "b"), Code::disk_full);
  EXPECT_EQ(file->size(), 1000u);
  EXPECT_TRUE(file->write(0, Bytes::copy_of("in place")));
  EXPECT_EQ(rig.disk.open("1.log", OpenMode::create).error().code, Code::disk_full);
  rig.disk.set_full(false);
  EXPECT_EQ(rig.append(*file, "b"), Code::none);
}

TEST(DiskFault, AQuotaFillsUpAndRemovingMakesRoom) {
  Rig rig;
  const FilePtr file = rig.open("0.log");
  rig.open("1.log");
  rig.append(*file, std::string(1000, 'a'));
  rig.disk.set_free_bytes(500);
  EXPECT_EQ(rig.append(*file, std::string(500, 'a')), Code::none);
  EXPECT_EQ(rig.append(*file, "b"), Code::disk_full);
  ASSERT_TRUE(rig.disk.remove("0.log"));
  EXPECT_EQ(rig.append(*rig.open("1.log"), std::string(1200, 'b')), Code::none);
  rig.disk.end_faults();
  EXPECT_EQ(rig.append(*rig.open("1.log"), std::string(1200, 'b')), Code::none);
}

TEST(DiskFault, ReadAndWriteErrorsHitTheirClassAndCount) {
  Rig rig;
  const FilePtr log = rig.open("t-0/0.log");
  const FilePtr index = rig.open("t-0/0.index");
  rig.append(*log, "abc");
  rig.append(*index, "abc");
  rig.disk.fail(1, SimDisk::Operation::read, FileClass::log, 2);
  EXPECT_EQ(rig.read(log, 0, 3).code, Code::io_error);
  EXPECT_EQ(rig.read(index, 0, 3).code, Code::none);
  EXPECT_EQ(rig.read(log, 0, 3).code, Code::io_error);
  EXPECT_EQ(rig.read(log, 0, 3).text, "abc");
  rig.disk.fail(2, SimDisk::Operation::write, FileClass::index, 0);
  EXPECT_EQ(rig.append(*index, "d"), Code::io_error);
  EXPECT_EQ(rig.append(*log, "d"), Code::none);
  rig.disk.end_faults();
  EXPECT_EQ(rig.append(*index, "d"), Code::none);
}

TEST(DiskFault, AFailedSyncLeavesCleanPagesThatAreNotOnTheDisk) {
  for (const FileSystem file_system : {FileSystem::ext4, FileSystem::xfs, FileSystem::strict, FileSystem::adversarial}) {
    Rig rig;
    const FilePtr file = rig.open("0.log");
    rig.append(*file, std::string(4096, 'a'));
    rig.sync(file);
    rig.sync_dir("");
    rig.append(*file, std::string(4096, 'b'));
    rig.disk.fail(9, SimDisk::Operation::sync, FileClass::log, 1);
    EXPECT_EQ(rig.sync(file), Code::io_error);
    EXPECT_EQ(rig.read(file, 4096, 1).text, "b");  // the cache still shows it
    rig.append(*file, std::string(4096, 'c'));
    EXPECT_EQ(rig.sync(file), Code::none);  // whoever tries again is told a lie
    ASSERT_EQ(rig.disk.damages().size(), 1u);
    EXPECT_EQ(rig.disk.damages()[0].fault, 9u);
    EXPECT_EQ(rig.disk.damages()[0].at, 4096u);
    rig.lose_power(file_system);
    EXPECT_EQ(rig.text_of("0.log"), std::string(4096, 'a') + std::string(4096, '\0') + std::string(4096, 'c'));
  }
}

TEST(DiskFault, BytesWrittenAgainAfterAFailedSyncAreSafe) {
  Rig rig;
  const FilePtr file = rig.open("0.log");
  rig.sync_dir("");
  rig.append(*file, std::string(4096, 'b'));
  rig.disk.fail(9, SimDisk::Operation::sync, FileClass::log, 1);
  EXPECT_EQ(rig.sync(file), Code::io_error);
  ASSERT_TRUE(file->write(0, Bytes::copy_of(std::string(4096, 'n'))));
  EXPECT_EQ(rig.sync(file), Code::none);
  rig.lose_power(FileSystem::strict);
  EXPECT_EQ(rig.text_of("0.log"), std::string(4096, 'n'));
}

TEST(DiskFault, RottenBitsAreReadUntilTheyAreWrittenOverAndAreOnRecord) {
  Rig rig;
  const FilePtr log = rig.open("t-0/0.log");
  rig.append(*rig.open("t-0/0.index"), std::string(1000, '\0'));
  rig.append(*log, std::string(1000, '\0'));
  rig.sync(log);
  rig.sync_dir("t-0");
  EXPECT_EQ(rig.disk.rot(5, FileClass::log, 3, Random(2)), 3u);
  ASSERT_EQ(rig.disk.damages().size(), 3u);
  std::string text = rig.read(log, 0, 1000).text;
  for (const Damage& damage : rig.disk.damages()) {
    EXPECT_EQ(damage.path, "t-0/0.log");
    EXPECT_NE(text[damage.at], '\0');
    text[damage.at] = '\0';
  }
  EXPECT_EQ(text, std::string(1000, '\0'));  // and nowhere else
  EXPECT_EQ(rig.disk.current_bytes("t-0/0.log", true)->to_string(), text);
  EXPECT_TRUE(rig.disk.damaged("t-0/0.log"));
  EXPECT_FALSE(rig.disk.damaged("t-0/0.index"));
  rig.lose_power(FileSystem::strict);
  EXPECT_NE(rig.text_of("t-0/0.log"), text);  // it is at rest
  ASSERT_TRUE(rig.open("t-0/0.log")->write(0, Bytes::copy_of(text)));
  EXPECT_EQ(rig.text_of("t-0/0.log"), text);
}

TEST(DiskFault, AMisdirectedWriteLandsElsewhere) {
  Rig rig;
  const FilePtr a = rig.open("0.log");
  const FilePtr b = rig.open("1.log");
  rig.append(*a, std::string(8192, 'a'));
  rig.append(*b, std::string(8192, 'b'));
  rig.disk.misdirect(4, FileClass::log, 1, Random(1));
  EXPECT_EQ(rig.append(*a, std::string(512, 'x')), Code::none);
  EXPECT_EQ(a->size(), 8704u);
  EXPECT_EQ(rig.read(a, 8192, 512).text, std::string(512, '\0'));
  ASSERT_EQ(rig.disk.damages().size(), 2u);
  const Damage& to = rig.disk.damages()[1];
  EXPECT_EQ(rig.text_of(to.path).substr(to.at, to.size), std::string(512, 'x'));
  EXPECT_EQ(rig.append(*a, "y"), Code::none);
  EXPECT_EQ(rig.disk.damages().size(), 2u);  // one was asked for
}

TEST(DiskFault, ASlowDiskTakesItsFactorLonger) {
  DiskProfile profile;
  profile.fsync_ns = ms;
  profile.iops = 1000;
  Rig rig(profile);
  const FilePtr file = rig.open("f");
  rig.disk.set_slow(50);
  Rig::Answer answer;
  Rig::sync_root(*rig.scope, Label("sync"), rig, file, answer);
  rig.run_for(1000 * ms);
  EXPECT_EQ(answer.time_ns, 100 * ms);
  rig.disk.end_faults();
  Rig::sync_root(*rig.scope, Label("sync"), rig, file, answer);
  rig.run_for(1000 * ms);
  EXPECT_EQ(answer.time_ns, 1002 * ms);
}

TEST(DiskFault, AStalledDiskMakesNoProgressUntilItsEnd) {
  Rig rig(DiskProfile{});
  const FilePtr file = rig.open("f");
  Rig::Answer before, during;
  Rig::sync_root(*rig.scope, Label("sync"), rig, file, before);
  rig.disk.stall_until(5000 * ms);
  rig.append(*file, "x");
  Rig::sync_root(*rig.scope, Label("sync"), rig, file, during);
  rig.run_for(4999 * ms);
  EXPECT_FALSE(before.code.has_value());
  EXPECT_FALSE(during.code.has_value());
  rig.run_for(100 * ms);
  EXPECT_EQ(before.code, Code::none);
  EXPECT_EQ(during.code, Code::none);
}

TEST(DiskFault, AStallCanEndEarly) {
  Rig rig(DiskProfile{});
  const FilePtr file = rig.open("f");
  rig.disk.stall_until(50'000 * ms);
  Rig::Answer answer, later;
  Rig::sync_root(*rig.scope, Label("sync"), rig, file, answer);
  rig.run_for(1000 * ms);
  rig.disk.end_faults();
  Rig::sync_root(*rig.scope, Label("sync"), rig, file, later);
  rig.run_for(10 * ms);
  EXPECT_EQ(answer.code, Code::none);
  EXPECT_EQ(later.code, Code::none);
}

TEST(DiskFault, AWipedDiskIsEmptyAtTheNextStart) {
  Rig rig;
  const FilePtr file = rig.open("a/f");
  rig.append(*file, "x");
  rig.sync(file);
  rig.sync_dir("a");
  rig.disk.wipe_at_next_start();
  EXPECT_TRUE(rig.disk.exists("a/f"));
  rig.kill();
  EXPECT_FALSE(rig.disk.exists("a/f"));
  EXPECT_TRUE(rig.disk.durable_paths().empty());
  EXPECT_EQ(rig.disk.used_bytes(), 0u);
  EXPECT_EQ(rig.append(*file, "y"), Code::io_error);
}

TEST(DiskFault, FileClassesGoByName) {
  EXPECT_EQ(class_of_file("t-0/00000000000000000000.log"), FileClass::log);
  EXPECT_EQ(class_of_file("t-0/00000000000000000000.timeindex"), FileClass::index);
  EXPECT_EQ(class_of_file("t-0/leader-epoch-checkpoint"), FileClass::checkpoint);
  EXPECT_EQ(class_of_file("t-0/00000000000000000042.snapshot"), FileClass::checkpoint);
  EXPECT_EQ(class_of_file("__cluster_metadata-0/quorum-state"), FileClass::quorum_state);
  EXPECT_EQ(class_of_file("__cluster_metadata-0/00000000000000000000.log"), FileClass::metadata);
  EXPECT_EQ(class_of_file("__cluster_metadata-0/00000000000000000042-0000000001.checkpoint"), FileClass::metadata);
  EXPECT_EQ(class_of_file("meta.properties"), FileClass::metadata);
  EXPECT_EQ(parse_file_class("quorum-state"), FileClass::quorum_state);
  EXPECT_EQ(parse_file_system("xfs"), FileSystem::xfs);
  EXPECT_FALSE(parse_file_system("fat").has_value());
}

}  // namespace
}  // namespace harrow::sim
