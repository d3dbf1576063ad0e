#include "tests/unit/disk/rig.h"

namespace harrow::sim {
namespace {

TEST(SimDisk, WrittenBytesAreReadBackAtOnceFromTheCache) {
  Rig rig(DiskProfile{});
  const FilePtr file = rig.open("logs/t-0/0.log");
  EXPECT_EQ(rig.append(*file, "hello "), Code::none);
  EXPECT_EQ(rig.append(*file, "world"), Code::none);
  Bytes bytes;
  ASSERT_TRUE(file->cached(0, 100, bytes));
  EXPECT_EQ(bytes.to_string(), "hello world");
  Rig::Answer answer;
  Rig::read_root(*rig.scope, Label("read"), rig, file, 6, 3, answer);
  EXPECT_EQ(answer.text, "wor");  // without a turn
}

TEST(SimDisk, OverwritingGapsAndTruncatingBehaveLikeAFile) {
  Rig rig;
  const FilePtr file = rig.open("f");
  std::string model;
  Random random(3);
  for (int step = 0; step < 3000; ++step) {
    const std::uint64_t at = random.below(model.size() + 50);
    switch (random.below(8)) {
      case 0: {
        const std::uint64_t size = random.below(model.size() + 100);
        ASSERT_TRUE(file->truncate(size));
        model.resize(size, '\0');
        break;
      }
      case 1:
        ASSERT_EQ(rig.sync(file), Code::none);
        break;
      case 2:
      case 3: {
        const std::string text(1 + random.below(400), static_cast<char>('a' + step % 26));
        ASSERT_EQ(rig.append(*file, text), Code::none);
        model += text;
        break;
      }
      default: {
        const std::string text(1 + random.below(300), static_cast<char>('A' + step % 26));
        ASSERT_TRUE(file->write(at, Bytes::copy_of(text)));
        if (model.size() < at + text.size()) model.resize(at + text.size(), '\0');
        model.replace(at, text.size(), text);
      }
    }
    ASSERT_EQ(file->size(), model.size());
    if (step % 50 == 0) { ASSERT_EQ(rig.text_of("f"), model) << step; }
  }
  EXPECT_EQ(rig.text_of("f"), model);
  const std::string synced = model;
  ASSERT_EQ(rig.sync(file), Code::none);
  for (int step = 0; step < 40; ++step) {
    ASSERT_TRUE(file->write(random.below(model.size() + 10), Bytes::copy_of(std::string(1 + random.below(700), 'z'))));
    if (step % 9 == 0) { ASSERT_TRUE(file->truncate(random.below(model.size()))); }
  }
  ASSERT_EQ(rig.sync_dir(""), Code::none);
  EXPECT_EQ(rig.disk.durable_bytes("f")->to_string(), synced);
  rig.lose_power(FileSystem::strict);
  EXPECT_EQ(rig.text_of("f"), synced);
}

TEST(SimDisk, PreallocatedSpaceAndAppendsCostLittleMemory) {
  Rig rig;
  const FilePtr index = rig.open("0.index");
  ASSERT_TRUE(index->truncate(std::uint64_t{10} << 30));
  EXPECT_EQ(rig.disk.stored_slices(), 0u);
  EXPECT_EQ(rig.disk.used_bytes(), 0u);
  for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_TRUE(index->write(i * 8, Bytes::copy_of("12345678")));
  EXPECT_LE(rig.disk.stored_slices(), 3u);  // small appends are gathered
  const FilePtr log = rig.open("0.log");
  const Bytes block = Bytes::zeros(1 << 20);
  for (std::uint64_t i = 0; i < 2048; ++i) ASSERT_TRUE(log->write(i * 512, block.sub(i * 512, 512)));
  EXPECT_LE(rig.disk.stored_slices(), 4u);  // slices of one block that follow each other are one
  EXPECT_EQ(rig.read(index, 8 * 999, 16).text, std::string("12345678") + std::string(8, '\0'));
}

TEST(SimDisk, RemovingAFileFreesItsSpace) {
  Rig rig;
  {
    const FilePtr file = rig.open("a/b/c");
    rig.append(*file, std::string(5000, 'x'));
    EXPECT_EQ(rig.disk.used_bytes(), 5000u);
    ASSERT_TRUE(rig.disk.remove("a/b/c"));
    EXPECT_EQ(rig.disk.used_bytes(), 0u);
    EXPECT_EQ(rig.read(file, 0, 3).text, "xxx");  // open files live on
  }
  ASSERT_TRUE(rig.disk.remove("a/b/c"));
  EXPECT_EQ(rig.disk.stored_slices(), 0u);
}

TEST(SimDisk, NamesAreListedAndMovedLikeInAFileSystem) {
  Rig rig;
  rig.open("logs/t-0/0.log");
  rig.open("logs/t-0/0.index");
  rig.open("logs/meta");
  ASSERT_TRUE(rig.disk.make_folder("logs/t-1"));
  EXPECT_EQ(*rig.disk.list("logs"), (std::vector<std::string>{"meta", "t-0/", "t-1/"}));
  EXPECT_TRUE(rig.disk.list("nothing")->empty());
  EXPECT_EQ(rig.disk.open("logs/none", OpenMode::existing).error().code, Code::not_found);
  EXPECT_EQ(rig.disk.open("logs/meta", OpenMode::create_new).error().code, Code::already_exists);
  ASSERT_TRUE(rig.disk.rename("logs/t-0", "logs/t-0-delete"));
  EXPECT_TRUE(rig.disk.exists("logs/t-0-delete/0.log"));
  EXPECT_FALSE(rig.disk.exists("logs/t-0/0.log"));
  EXPECT_EQ(rig.disk.rename("logs/none", "logs/x").error().code, Code::not_found);
  ASSERT_TRUE(rig.disk.rename("logs/meta", "logs/t-0-delete/0.log"));
  EXPECT_EQ(*rig.disk.list("logs/t-0-delete/"), (std::vector<std::string>{"0.index", "0.log"}));
  ASSERT_TRUE(rig.disk.remove("logs"));
  EXPECT_FALSE(rig.disk.exists("logs"));
}

TEST(SimDisk, SyncWaitsForTheDeviceAndCoversWhatWasWrittenBefore) {
  DiskProfile profile;
  profile.fsync_ns = 2 * ms;
  profile.bandwidth_bytes_per_s = 1'000'000;
  Rig rig(profile);
  const FilePtr file = rig.open("f");
  ASSERT_EQ(rig.sync_dir(""), Code::none);
  const std::int64_t before = rig.kernel.now_ns();
  rig.append(*file, std::string(10'000, 'a'));
  Rig::Answer answer;
  Rig::sync_root(*rig.scope, Label("sync"), rig, file, answer);
  rig.append(*file, std::string(10'000, 'b'));
  EXPECT_EQ(rig.disk.durable_size("f"), 0u);
  rig.run_for(1000 * ms);
  EXPECT_EQ(answer.time_ns - before, 12 * ms);
  EXPECT_EQ(rig.disk.durable_size("f"), 10'000u);
  EXPECT_EQ(rig.disk.dirty_bytes(), 10'000u);
}

TEST(SimDisk, ColdReadsGoToTheDeviceAndWarmTheCache) {
  DiskProfile profile;
  profile.read_ns = 5 * ms;
  Rig rig(profile);
  rig.append(*rig.open("f"), std::string(1 << 20, 'x'));
  rig.sync(rig.open("f"));
  rig.sync_dir("");
  rig.lose_power(FileSystem::strict);
  const FilePtr file = rig.open("f", OpenMode::existing);
  const std::int64_t before = rig.kernel.now_ns();
  EXPECT_GT(rig.read(file, 0, 100).time_ns - before, 5 * ms - 1);
  const std::int64_t again = rig.kernel.now_ns();
  EXPECT_EQ(rig.read(file, 50'000, 100).time_ns, again);  // read ahead
  Bytes bytes;
  EXPECT_FALSE(file->cached(900'000, 100, bytes));
}

TEST(SimDisk, ASmallCacheForgetsWhatWasUsedLongestAgo) {
  DiskProfile profile = DiskProfile::instant();
  profile.cache_bytes = 100'000;
  profile.read_ns = ms;
  Rig rig(profile);
  const FilePtr old = rig.open("old");
  rig.append(*old, std::string(60'000, 'o'));
  rig.sync(old);
  const FilePtr young = rig.open("young");
  rig.append(*young, std::string(60'000, 'y'));
  Bytes bytes;
  EXPECT_FALSE(old->cached(0, 10, bytes));
  EXPECT_TRUE(young->cached(0, 10, bytes));
  EXPECT_EQ(rig.read(old, 0, 3).text, "ooo");
}

TEST(SimDisk, DirtyPagesAreBoundedAndWrittenBackInTime) {
  DiskProfile profile;
  profile.dirty_limit_bytes = 10'000;
  profile.bandwidth_bytes_per_s = 1'000'000;
  Rig rig(profile);
  const FilePtr file = rig.open("f");
  rig.append(*file, std::string(9'000, 'x'));
  Rig::Answer little, much;
  Rig::room_root(*rig.scope, Label("room"), rig, 500, little);
  EXPECT_EQ(little.code, Code::none);
  Rig::room_root(*rig.scope, Label("room"), rig, 5'000, much);
  EXPECT_FALSE(much.code.has_value());
  rig.run_for(100 * ms);
  EXPECT_EQ(much.code, Code::none);
  rig.append(*file, std::string(500, 'y'));
  EXPECT_EQ(rig.disk.dirty_bytes(), 500u);
  rig.run_for(40'000 * ms);
  EXPECT_EQ(rig.disk.dirty_bytes(), 0u);
  const std::uint64_t events = rig.kernel.events();
  rig.run_for(1000'000 * ms);
  EXPECT_EQ(rig.kernel.events(), events);  // a clean disk costs nothing
}

TEST(SimDisk, AKilledProcessLosesItsHandlesAndNothingElse) {
  Rig rig(DiskProfile{});
  const FilePtr file = rig.open("f");
  rig.append(*file, "unsynced");
  Rig::Answer answer;
  Rig::sync_root(*rig.scope, Label("sync"), rig, file, answer);
  rig.kill();
  EXPECT_EQ(rig.append(*file, "x"), Code::io_error);
  EXPECT_EQ(rig.text_of("f"), "unsynced");
  rig.run_for(1000 * ms);
  EXPECT_FALSE(answer.code.has_value());
  EXPECT_EQ(rig.read(rig.open("f"), 0, 100).text, "unsynced");
}

TEST(SimDisk, IopsAndBandwidthQueueOperations) {
  DiskProfile profile;
  profile.iops = 100;
  profile.fsync_ns = ms;
  Rig rig(profile);
  const FilePtr file = rig.open("f");
  Rig::Answer answers[5];
  for (Rig::Answer& answer : answers) Rig::sync_root(*rig.scope, Label("sync"), rig, file, answer);
  rig.run_for(1000 * ms);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(answers[i].time_ns, (10 * (i + 1) + 1) * ms);
}

TEST(SimDisk, TwoRunsGiveOneHash) {
  const auto run = [](std::uint64_t seed) {
    Rig rig(DiskProfile{}, seed);
    for (int i = 0; i < 50; ++i) {
      const FilePtr file = rig.open("f" + std::to_string(i % 7));
      rig.append(*file, std::string(static_cast<std::size_t>(100 * i), 'x'));
      if (i % 3 == 0) rig.sync(file);
      if (i % 20 == 19) rig.lose_power(FileSystem::adversarial, seed + static_cast<std::uint64_t>(i));
    }
    return rig.kernel.hash();
  };
  EXPECT_EQ(run(4), run(4));
  EXPECT_NE(run(4), run(5));
}

}  // namespace
}  // namespace harrow::sim
