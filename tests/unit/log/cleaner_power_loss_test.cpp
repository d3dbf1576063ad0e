// Compaction on the simulated disk: lives that end by power loss or kill at any moment of a pass, under every file system's
// habits, while the log goes on being written and cut.
#include <gtest/gtest.h>

#include "core/async/wait.h"
#include "core/base/random.h"
#include "core/log/checkpoint_files.h"
#include "core/log/cleaner.h"
#include "core/log/inspect.h"
#include "core/model/batch_builder.h"
#include "sim/disk/sim_disk.h"
#include "sim/host/sim_cpu.h"
#include "tests/unit/log/log_fixture.h"

namespace harrow::test {
namespace {

using sim::FileSystem;

const TopicPartition name{"orders", 3};

/// The owner of one log, as a broker is.
struct Owner {
  explicit Owner(std::uint64_t seed) : random(seed), disk(kernel, 0, profile(), Random(seed)), cpu(kernel, sim::CpuProfile{}), queue(kernel.run_list()) {
    config = std::make_shared<LogConfig>();
    config->compacts = true;
    config->deletes = false;
    config->segment_bytes = random.between(600, 4000);
    config->index_interval_bytes = random.between(0, 1000);
    config->segment_index_bytes = random.between(60, 1000);
    config->min_cleanable_ratio_millionths = 0;
  }
  static sim::DiskProfile profile() {
    sim::DiskProfile profile;
    profile.write_back_ns = 40 * ns_per_ms;
    return profile;
  }
  struct Written {
    std::int64_t offset;
    int key;
    std::uint64_t value;
  };

  static Root live(Scope& scope, Label, Owner& owner, bool looks_only) {
    Result<LogDirState> state = co_await open_log_dir(owner.disk, "data");
    if (!state) co_return;
    Log::Place place{owner.disk, Tracer(owner.kernel, 0, owner.kernel.now_ref()), "data", name, Uuid{1, 2}, owner.config};
    Log::LoadOptions options;
    options.clean = state->clean;
    options.recovery_point = state->recovery_points[name];
    options.cleaned_end = state->cleaned_ends[name];
    owner.recovery_point_on_disk = options.recovery_point;
    Task<Result<std::unique_ptr<Log>>> loading = Log::load(std::move(place), options);
    Result<std::unique_ptr<Log>> loaded = co_await loading;
    owner.load_code = loaded ? Code::none : loaded.error().code;
    if (!loaded) co_return;
    owner.log = std::move(*loaded);
    Task<Result<FolderReport>> verifying = verify_folder(owner.disk, "data/orders-3");
    const Result<FolderReport> report = co_await verifying;
    for (const Finding& finding : report->findings) {
      // A snapshot that a killed process never synced may go later; recovery reads past it.
      if (!finding.file.ends_with(".snapshot")) owner.findings += finding.file + " " + finding.what + "\n";
    }
    const Result<bool> contents = co_await owner.read_all();
    owner.loaded = contents.has_value();
    if (looks_only) co_return;
    compact(scope, Label("compaction"), owner);
    while (true) {
      const std::uint64_t what = owner.random.below(16);
      if (what == 0) {
        const Result<bool> flushed = co_await owner.log->flush();
        if (flushed) owner.durable = std::max(owner.durable, owner.log->durable_end());
      } else if (what <= 2) {
        const Result<bool> written = co_await owner.write_checkpoint();
        if (!written) co_return;
      } else if (what == 3 && owner.random.chance(1, 4)) {
        const std::int64_t end = owner.log->end_offset().value();
        const Offset to(owner.random.between(std::max<std::int64_t>(owner.log->cleaned_end().value(), end - 9), end));
        const Result<bool> warm = co_await owner.log->warm(to);
        if (!warm || !owner.log->truncate_to(to)) co_return;
        owner.cut_off.insert(owner.cut_off.end(), owner.model.begin(), owner.model.end());
        while (!owner.model.empty() && owner.model.back().offset >= owner.log->end_offset().value()) owner.model.pop_back();
        owner.durable = std::min(owner.durable, owner.log->end_offset());
        ++owner.epoch;
        const Result<bool> written = co_await owner.write_checkpoint();
        if (!written) co_return;
        const Result<bool> flushed = co_await owner.log->flush();
        if (!flushed) co_return;
        owner.cut_off.clear();
        owner.durable = std::max(owner.durable, owner.log->durable_end());
      } else {
        BatchBuilder builder(BatchOptions{});
        std::vector<Written> records;
        for (std::int64_t i = owner.random.between(1, 3); i > 0; --i) {
          const int key = static_cast<int>(owner.random.below(6));
          const std::string value = std::to_string(++owner.values) + std::string(owner.random.below(100), ' ');
          builder.add(WallMs(1000), std::to_string(key), value);
          records.push_back({0, key, owner.values});
        }
        const Result<Appended> appended = owner.log->append_as_leader(builder.build(), LeaderEpoch(owner.epoch), AppendOrigin::client, WallMs(1000));
        if (!appended) co_return;
        for (std::size_t i = 0; i < records.size(); ++i) {
          records[i].offset = appended->base.value() + static_cast<std::int64_t>(i);
          owner.model.push_back(records[i]);
        }
      }
      co_await Sleep(owner.kernel, after_ms(owner.kernel.now(), owner.random.between(0, 3)));
    }
  }
  static Root compact(Scope&, Label, Owner& owner) {
    while (true) {
      co_await Sleep(owner.kernel, after_ms(owner.kernel.now(), 5));
      LogCleaner::Options options;
      options.limit = std::min(owner.recovery_point_on_disk, owner.log->recovery_point());
      options.now = WallMs(2000);
      options.map_bytes = 3000;
      LogCleaner cleaner(*owner.log, owner.cpu, owner.kernel, options);
      Task<Result<LogCleaner::Outcome>> running = cleaner.run();
      const Result<LogCleaner::Outcome> outcome = co_await running;
      if (!outcome) {
        owner.findings += std::string("compaction failed: ") + outcome.error().what + "\n";
        co_return;
      }
      if (outcome->finished && outcome->cleaned_end > outcome->first_dirty) ++owner.passes;
      if (!outcome->finished) ++owner.interrupted;
    }
  }
  void run(bool looks_only, std::int64_t ns) {
    auto scope = std::make_unique<Scope>(queue);
    loaded = false;
    live(*scope, Label("life"), *this, looks_only);
    kernel.run_until(kernel.now_ns() + ns);
    scope->destroy_all();
    log.reset();
  }
  Task<Result<bool>> write_checkpoint() {
    OffsetCheckpoint points, cleaned;
    const Offset point = log->recovery_point();
    points[name] = point;
    cleaned[name] = log->cleaned_end();
    recovery_point_on_disk = std::min(recovery_point_on_disk, point);
    std::string text = to_text(points);
    const Result<bool> written = co_await write_durably(disk, "data/recovery-point-offset-checkpoint", std::move(text));
    if (!written) co_return written;
    recovery_point_on_disk = point;
    std::string more = to_text(cleaned);
    co_return co_await write_durably(disk, "data/cleaner-offset-checkpoint", std::move(more));
  }
  Task<Result<bool>> read_all() {
    recovered.clear();
    end = log->end_offset();
    for (Offset from = log->start_offset(); from < log->end_offset();) {
      const Result<ReadResult> got = co_await log->read(from, 100'000, log->end_offset(), true);
      if (!got) co_return pass(got.error());
      BatchCursor cursor(got->records);
      while (cursor.next()) {
        Result<RecordReader> reader = RecordReader::open(cursor.batch());
        Record record;
        while (reader && reader->next(record))
          recovered.push_back({record.offset.value(), std::atoi(std::string(*record.key).c_str()), static_cast<std::uint64_t>(std::atoll(std::string(*record.value).c_str()))});
      }
      from = got->next;
    }
    co_return true;
  }
  /// What is wrong with what a load found; empty if nothing is.
  std::string judge() const {
    if (end < durable) return "durable was everything below " + std::to_string(durable.value()) + ", the log ends at " + std::to_string(end.value());
    const std::vector<Written>& history = agrees(model) ? model : cut_off;
    if (!agrees(history)) return "a record stands there that was never written there";
    for (const Written& one : history) {
      if (one.offset >= end.value() || found(one)) continue;
      const auto newer = [&](const Written& other) { return other.key == one.key && other.offset > one.offset && other.offset < end.value(); };
      if (std::none_of(history.begin(), history.end(), newer)) return "the newest record of a key is missing, at " + std::to_string(one.offset);
      const auto read = [&](const Written& other) { return newer(other) && found(other); };
      if (std::none_of(history.begin(), history.end(), read)) return "no newer record of its key stands for the one at " + std::to_string(one.offset);
    }
    return "";
  }
  bool found(const Written& one) const {
    return std::any_of(recovered.begin(), recovered.end(), [&](const Written& other) { return other.offset == one.offset && other.value == one.value; });
  }
  bool agrees(const std::vector<Written>& history) const {
    return std::all_of(recovered.begin(), recovered.end(), [&](const Written& one) {
      return std::any_of(history.begin(), history.end(), [&](const Written& other) { return other.offset == one.offset && other.value == one.value && other.key == one.key; });
    });
  }

  Random random;
  sim::Kernel kernel;
  sim::SimDisk disk;
  sim::SimCpu cpu;
  ReadyQueue queue;
  std::shared_ptr<LogConfig> config;
  std::unique_ptr<Log> log;
  std::vector<Written> model, cut_off, recovered;
  Offset durable{0}, end{0}, recovery_point_on_disk{0};
  Code load_code = Code::none;
  std::string findings;
  bool loaded = false;
  int epoch = 0, passes = 0, interrupted = 0;
  std::uint64_t values = 0;
};

TEST(CleanerPowerLoss, whatever_a_crash_leaves_of_a_pass_the_newest_record_of_each_key_is_there) {
  int passes = 0, crashes_within = 0;
  for (const FileSystem file_system : {FileSystem::ext4, FileSystem::xfs, FileSystem::strict, FileSystem::adversarial}) {
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
      Owner owner(seed);
      for (int incarnation = 0; incarnation < 5; ++incarnation) {
        const std::string where = "seed " + std::to_string(seed) + " incarnation " + std::to_string(incarnation) + " file system " + std::to_string(static_cast<int>(file_system));
        owner.run(false, owner.random.between(20, 500) * ns_per_ms);
        ASSERT_EQ(owner.load_code, Code::none) << where;
        ASSERT_EQ(owner.findings, "") << where;
        for (const std::string& path : owner.disk.current_paths())
          if (path.ends_with(".cleaned") || path.ends_with(".swap")) {
            ++crashes_within;
            break;
          }
        if (incarnation % 2 == 0) owner.disk.crash_power(file_system, owner.random.fork("dice", static_cast<std::uint64_t>(incarnation)));
        else owner.disk.crash_process();
        owner.disk.prepare_start();
        owner.run(true, 2000 * ns_per_ms);
        ASSERT_EQ(owner.load_code, Code::none) << where;
        ASSERT_TRUE(owner.loaded) << where;
        ASSERT_EQ(owner.findings, "") << where;
        if (file_system == FileSystem::adversarial && owner.durable == Offset(0)) break;  // any entry may go
        ASSERT_EQ(owner.judge(), "") << where;
        owner.disk.crash_process();
        owner.disk.prepare_start();
        if (!owner.agrees(owner.model)) owner.model = owner.cut_off;
        std::erase_if(owner.model, [&](const Owner::Written& one) { return one.offset >= owner.end.value(); });
        owner.cut_off.clear();
      }
      passes += owner.passes;
    }
  }
  EXPECT_GT(passes, 300);
  EXPECT_GT(crashes_within, 20) << "crashes must find a pass under way now and then";
}

}  // namespace
}  // namespace harrow::test
