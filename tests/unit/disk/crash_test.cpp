#include <set>

#include "tests/unit/disk/rig.h"

namespace harrow::sim {
namespace {

constexpr FileSystem all_systems[] = {FileSystem::ext4, FileSystem::xfs, FileSystem::strict, FileSystem::adversarial};

/// Contents of "f" after a power loss: 10,000 bytes 'a' synced, 20,000 'b' appended, under many dice.
std::set<std::string> outcomes(FileSystem file_system, bool overwrite) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Rig rig;
    const FilePtr file = rig.open("f");
    rig.append(*file, std::string(10'000, 'a'));
    rig.sync(file);
    rig.sync_dir("");
    if (overwrite) EXPECT_TRUE(file->write(0, Bytes::copy_of(std::string(10'000, 'c'))));
    else rig.append(*file, std::string(20'000, 'b'));
    rig.lose_power(file_system, seed);
    seen.insert(rig.text_of("f"));
  }
  return seen;
}

TEST(PowerLoss, SyncedBytesSurviveUnderEveryFileSystem) {
  for (const FileSystem file_system : all_systems)
    for (const std::string& text : outcomes(file_system, false)) {
      ASSERT_GE(text.size(), 10'000u);
      ASSERT_EQ(text.substr(0, 10'000), std::string(10'000, 'a'));
    }
}

TEST(PowerLoss, StrictLosesEverythingUnsynced) {
  EXPECT_EQ(outcomes(FileSystem::strict, false), std::set<std::string>{std::string(10'000, 'a')});
  EXPECT_EQ(outcomes(FileSystem::strict, true), std::set<std::string>{std::string(10'000, 'a')});
}

TEST(PowerLoss, Ext4CutsAppendsFromTheTailAndShowsNoGarbage) {
  const std::set<std::string> seen = outcomes(FileSystem::ext4, false);
  EXPECT_TRUE(seen.contains(std::string(10'000, 'a')));
  EXPECT_TRUE(seen.contains(std::string(10'000, 'a') + std::string(20'000, 'b')));
  EXPECT_GT(seen.size(), 4u);
  for (const std::string& text : seen) {
    EXPECT_EQ(text.find_first_not_of('b', 10'000), std::string::npos);
    EXPECT_TRUE(text.size() == 10'000 || text.size() == 30'000 || text.size() % page_bytes == 0) << text.size();
  }
}

TEST(PowerLoss, XfsMayLeavePagesOfZerosInTheTail) {
  bool zeros = false;
  for (const std::string& text : outcomes(FileSystem::xfs, false)) {
    EXPECT_EQ(text.find_first_not_of(std::string("b\0", 2), 10'000), std::string::npos);
    zeros = zeros || text.find('\0') != std::string::npos;
    for (std::size_t at = 12'288; at + 1 < text.size(); ++at)
      if (at % page_bytes != 0) { ASSERT_EQ(text[at], text[at - 1]); }
  }
  EXPECT_TRUE(zeros);
}

TEST(PowerLoss, AdversarialKeepsAnySectors) {
  bool hole = false;
  std::set<std::size_t> sizes;
  for (const std::string& text : outcomes(FileSystem::adversarial, false)) {
    hole = hole || text.find('\0') != std::string::npos;
    sizes.insert(text.size());
    EXPECT_TRUE(text.size() == 10'000 || text.size() == 30'000 || text.size() % sector_bytes == 0);
  }
  EXPECT_TRUE(hole);
  EXPECT_GT(sizes.size(), 10u);
}

TEST(PowerLoss, AnOverwriteMayBeTornAtPagesButNotWithin) {
  std::set<std::string> seen = outcomes(FileSystem::ext4, true);
  EXPECT_GT(seen.size(), 4u);
  for (const std::string& text : seen) {
    ASSERT_EQ(text.size(), 10'000u);
    for (std::size_t at = 1; at < text.size(); ++at)
      if (at % page_bytes != 0) { ASSERT_EQ(text[at], text[at - 1]); }
  }
}

TEST(PowerLoss, ATruncatedAndRegrownFileShowsNoBytesOfBefore) {
  for (const FileSystem file_system : {FileSystem::ext4, FileSystem::xfs}) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      Rig rig;
      const FilePtr file = rig.open("f");
      rig.append(*file, std::string(40'960, 'a'));
      rig.sync(file);
      rig.sync_dir("");
      ASSERT_TRUE(file->truncate(8'192));
      rig.append(*file, std::string(32'768, 'b'));
      rig.lose_power(file_system, seed);
      const std::string text = rig.text_of("f");
      ASSERT_EQ(text.substr(0, 8'192), std::string(8'192, 'a'));
      const bool before = text == std::string(40'960, 'a');
      if (!before) { ASSERT_EQ(text.find('a', 8'192), std::string::npos) << seed; }
    }
  }
}

TEST(PowerLoss, LosingPowerTwiceChangesNothingMore) {
  for (const FileSystem file_system : all_systems) {
    Rig rig;
    const FilePtr file = rig.open("f");
    rig.append(*file, std::string(50'000, 'a'));
    rig.sync_dir("");
    rig.lose_power(file_system, 5);
    const std::string once = rig.text_of("f");
    rig.lose_power(file_system, 6);
    EXPECT_EQ(rig.text_of("f"), once);
  }
}

TEST(PowerLoss, AnEntryIsSafeOnlyAfterSyncDir) {
  for (const FileSystem file_system : {FileSystem::strict, FileSystem::adversarial}) {
    int lost = 0;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      Rig rig;
      rig.sync(rig.open("logs/t/old"));
      rig.sync_dir("logs/t");
      const FilePtr file = rig.open("logs/t/new");
      rig.append(*file, "bytes");
      rig.sync(file);
      rig.lose_power(file_system, seed);
      EXPECT_TRUE(rig.disk.exists("logs/t/old"));  // its folders came with it
      if (!rig.disk.exists("logs/t/new")) ++lost;
      else { EXPECT_EQ(rig.text_of("logs/t/new"), "bytes"); }
    }
    EXPECT_GT(lost, 5);
  }
}

TEST(PowerLoss, AJournalCarriesEarlierEntriesAlongWithASync) {
  for (const FileSystem file_system : {FileSystem::ext4, FileSystem::xfs})
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      Rig rig;
      const FilePtr file = rig.open("logs/t/new");
      rig.append(*file, "bytes");
      rig.sync(file);
      rig.open("logs/t/later");
      rig.lose_power(file_system, seed);
      EXPECT_EQ(rig.text_of("logs/t/new"), "bytes");
    }
}

TEST(PowerLoss, AJournalKeepsTheOrderOfNames) {
  std::set<std::size_t> counts;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Rig rig;
    for (int i = 0; i < 5; ++i) rig.open("f" + std::to_string(i));
    rig.lose_power(FileSystem::ext4, seed);
    const std::vector<std::string> left = rig.disk.current_paths();
    for (std::size_t i = 0; i < left.size(); ++i) EXPECT_EQ(left[i], "f" + std::to_string(i));
    counts.insert(left.size());
  }
  EXPECT_EQ(counts.size(), 6u);
}

TEST(PowerLoss, ARenameIsAtomicAndOnExt4CarriesTheDataWithIt) {
  for (const FileSystem file_system : all_systems) {
    std::set<std::string> seen;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      Rig rig;
      const FilePtr old = rig.open("state");
      rig.append(*old, "old");
      rig.sync(old);
      rig.sync_dir("");
      const FilePtr fresh = rig.open("state.tmp");
      rig.append(*fresh, std::string(9'000, 'n'));  // not synced: a careless replacement
      ASSERT_TRUE(rig.disk.rename("state.tmp", "state"));
      rig.lose_power(file_system, seed);
      seen.insert(rig.text_of("state"));
    }
    if (file_system == FileSystem::strict) { EXPECT_EQ(seen, std::set<std::string>{"old"}); }
    if (file_system == FileSystem::ext4) { EXPECT_EQ(seen, (std::set<std::string>{"old", std::string(9'000, 'n')})); }
    if (file_system == FileSystem::xfs || file_system == FileSystem::adversarial) { EXPECT_TRUE(seen.contains("")); }
  }
}

TEST(PowerLoss, ACarefulReplacementIsOldOrNewEverywhere) {
  for (const FileSystem file_system : all_systems)
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      Rig rig;
      const FilePtr old = rig.open("state");
      rig.append(*old, "old");
      rig.sync(old);
      rig.sync_dir("");
      const FilePtr fresh = rig.open("state.tmp");
      rig.append(*fresh, "new");
      rig.sync(fresh);
      ASSERT_TRUE(rig.disk.rename("state.tmp", "state"));
      const bool synced = seed % 2 == 0;
      if (synced) rig.sync_dir("");
      rig.lose_power(file_system, seed);
      const std::string text = rig.text_of("state");
      EXPECT_TRUE(text == "new" || (text == "old" && !synced)) << text;
    }
}

TEST(PowerLoss, ARemovalMayComeBackUntilItsFolderIsSynced) {
  bool back = false, gone = false;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Rig rig;
    const FilePtr file = rig.open("d/f");
    rig.append(*file, "x");
    rig.sync(file);
    rig.sync_dir("d");
    ASSERT_TRUE(rig.disk.remove("d/f"));
    rig.lose_power(FileSystem::adversarial, seed);
    (rig.disk.exists("d/f") ? back : gone) = true;
    if (rig.disk.exists("d/f")) { EXPECT_EQ(rig.disk.used_bytes(), 1u); }
  }
  EXPECT_TRUE(back);
  EXPECT_TRUE(gone);
}

TEST(PowerLoss, WrittenBackPagesAreSafeButNotUnderStrict) {
  for (const FileSystem file_system : all_systems) {
    Rig rig;
    const FilePtr file = rig.open("f");
    rig.append(*file, std::string(10'000, 'a'));
    rig.run_for(60'000 * ms);
    rig.lose_power(file_system, 3);
    EXPECT_EQ(rig.text_of("f").size(), file_system == FileSystem::strict ? 0u : 10'000u);
  }
}

TEST(PowerLoss, EveryFileSystemKeepsWhatASyncCoveredWhateverCameBefore) {
  for (const FileSystem file_system : all_systems)
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      Rig rig;
      Random random(seed);
      const FilePtr file = rig.open("f");
      rig.sync_dir("");
      for (int step = 0; step < 30; ++step) {
        if (random.chance(1, 5)) { ASSERT_TRUE(file->truncate(random.below(file->size() + 3000))); }
        else { ASSERT_TRUE(file->write(random.below(file->size() + 1000), Bytes::copy_of(std::string(1 + random.below(5000), static_cast<char>('a' + step))))); }
      }
      ASSERT_EQ(rig.sync(file), Code::none);
      const std::string synced = rig.text_of("f");
      EXPECT_EQ(rig.disk.durable_bytes("f")->to_string(), synced);
      rig.append(*file, std::string(5000, '.'));
      rig.lose_power(file_system, seed);
      ASSERT_EQ(rig.text_of("f").substr(0, synced.size()), synced);
    }
}

}  // namespace
}  // namespace harrow::sim
