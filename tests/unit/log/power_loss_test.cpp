// A log on the simulated disk: lives that end by power loss at any moment, under every file system's habits.
#include <gtest/gtest.h>

#include "core/async/wait.h"
#include "core/base/random.h"
#include "core/log/checkpoint_files.h"
#include "core/log/inspect.h"
#include "core/model/batch_builder.h"
#include "sim/disk/sim_disk.h"
#include "tests/unit/log/log_fixture.h"

namespace harrow::test {
namespace {

using sim::FileSystem;

/// The owner of one log, as a node is: appends, flushes, cuts, checkpoints, all at random.
struct Life {
  explicit Life(std::uint64_t seed) : random(seed), disk(kernel, 0, profile(), Random(seed)), queue(kernel.run_list()) {
    config = std::make_shared<LogConfig>();
    config->segment_bytes = random.between(1000, 9000);
    config->index_interval_bytes = random.between(0, 1000);
    config->segment_index_bytes = random.between(60, 1000);
  }
  static sim::DiskProfile profile() {
    sim::DiskProfile profile;
    profile.write_back_ns = 40 * ns_per_ms;
    return profile;
  }

  static Root live(Scope& scope, Label label, Life& life, bool looks_only) {
    Result<LogDirState> state = co_await open_log_dir(life.disk, "data");
    if (!state) co_return;
    Log::Place place{life.disk, Tracer(life.kernel, 0, life.kernel.now_ref()), "data", TopicPartition{"orders", 3}, Uuid{1, 2}, life.config};
    Log::LoadOptions options;
    options.clean = state->clean;
    options.recovery_point = state->recovery_points[TopicPartition{"orders", 3}];
    Task<Result<std::unique_ptr<Log>>> loading = Log::load(std::move(place), options);
    Result<std::unique_ptr<Log>> loaded = co_await loading;
    life.load_code = loaded ? Code::none : loaded.error().code;
    if (!loaded) co_return;
    life.log = std::move(*loaded);
    Task<Result<FolderReport>> verifying = verify_folder(life.disk, "data/orders-3");
    const Result<FolderReport> report = co_await verifying;
    for (const Finding& finding : report->findings) life.findings += finding.file + " " + finding.what + "\n";
    const Result<bool> contents = co_await life.read_all(life.recovered);
    life.loaded = contents.has_value();
    life.start = life.log->start_offset();
    if (looks_only) co_return;
    while (true) {
      const std::uint64_t what = life.random.below(12);
      if (what == 0) {
        const Result<bool> flushed = co_await life.log->flush();
        if (flushed) life.durable = std::max(life.durable, life.log->durable_end());
      } else if (what == 1) {
        const Result<bool> written = co_await life.write_checkpoint();
        if (!written) co_return;
      } else if (what == 2 && life.log->end_offset() > Offset(0)) {
        const Offset to(life.random.between(std::max<std::int64_t>(0, life.log->end_offset().value() - 12), life.log->end_offset().value()));
        life.before_cut = life.model;
        const Result<bool> warm = co_await life.log->warm(to);
        if (!warm || !life.log->truncate_to(to)) co_return;
        while (!life.model.empty() && life.model.back().first >= life.log->end_offset().value()) life.model.pop_back();
        life.durable = std::min(life.durable, life.log->end_offset());
        ++life.epoch;
        const Result<bool> written = co_await life.write_checkpoint();
        if (!written) co_return;
        const Result<bool> flushed = co_await life.log->flush();
        if (!flushed) co_return;
        life.before_cut.clear();
        life.durable = std::max(life.durable, life.log->durable_end());
      } else {
        const Bytes batch = batch_of(static_cast<int>(life.random.between(1, 3)), WallMs(1000 + life.time++),
                                     static_cast<std::uint32_t>(life.random.between(0, 300)));
        const Result<Appended> appended = life.log->append_as_leader(batch, LeaderEpoch(life.epoch), AppendOrigin::client, WallMs(1000));
        if (!appended) co_return;
        life.model.emplace_back(appended->base.value(), check_batch(batch)->crc);
      }
      co_await Sleep(life.kernel, after_ms(life.kernel.now(), life.random.between(0, 3)));
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
    OffsetCheckpoint points;
    points[TopicPartition{"orders", 3}] = log->recovery_point();
    std::string text = to_text(points);
    const Result<bool> written = co_await write_durably(disk, "data/recovery-point-offset-checkpoint", std::move(text));
    co_return written;
  }
  using Model = std::vector<std::pair<std::int64_t, std::uint32_t>>;  // base offset, CRC
  Task<Result<bool>> read_all(Model& out) {
    out.clear();
    for (Offset from = log->start_offset(); from < log->end_offset();) {
      const Result<ReadResult> got = co_await log->read(from, 100'000, log->end_offset(), true);
      if (!got) co_return pass(got.error());
      BatchCursor cursor(got->records);
      while (cursor.next()) out.emplace_back(cursor.header().base_offset.value(), cursor.header().crc);
      from = got->next;
    }
    co_return true;
  }

  Random random;
  sim::Kernel kernel;
  sim::SimDisk disk;
  ReadyQueue queue;
  std::shared_ptr<LogConfig> config;
  std::unique_ptr<Log> log;
  Model model, before_cut, recovered;
  Offset durable{0};
  Offset start{0};
  Code load_code = Code::none;
  std::string findings;
  std::string notes;
  bool loaded = false;
  int epoch = 0;
  std::int64_t time = 0;
};

bool is_prefix(const Life::Model& part, const Life::Model& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

TEST(PowerLoss, a_recovered_log_is_a_prefix_with_everything_that_was_flushed) {
  std::uint64_t lost_tails = 0;
  for (const FileSystem file_system : {FileSystem::ext4, FileSystem::xfs, FileSystem::strict, FileSystem::adversarial}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      Life life(seed);
      for (int incarnation = 0; incarnation < 6; ++incarnation) {
        life.run(false, life.random.between(20, 400) * ns_per_ms);
        ASSERT_EQ(life.load_code, Code::none) << "seed " << seed << " incarnation " << incarnation;
        life.disk.crash_power(file_system, life.random.fork("dice", static_cast<std::uint64_t>(incarnation)));
        life.disk.prepare_start();
        life.run(true, 2000 * ns_per_ms);
        ASSERT_EQ(life.load_code, Code::none) << "seed " << seed << " incarnation " << incarnation;
        ASSERT_TRUE(life.loaded);
        ASSERT_EQ(life.findings, "") << "seed " << seed << " incarnation " << incarnation;
        if (life.start > Offset(0)) {
          // Any entry may go: the first segment's, too, as long as nothing was ever flushed.
          ASSERT_TRUE(file_system == FileSystem::adversarial && life.durable == Offset(0)) << "seed " << seed;
          break;
        }
        ASSERT_TRUE(is_prefix(life.recovered, life.model) || is_prefix(life.recovered, life.before_cut))
            << "seed " << seed << " incarnation " << incarnation;
        std::size_t flushed = 0;
        while (flushed < life.model.size() && life.model[flushed].first < life.durable.value()) ++flushed;
        ASSERT_GE(life.recovered.size(), flushed) << "flushed batches are missing, seed " << seed << " incarnation " << incarnation << " file system "
                                                     << static_cast<int>(file_system) << " durable " << life.durable.value() << " recovered up to "
                                                     << (life.recovered.empty() ? -1 : life.recovered.back().first) << life.notes;
        if (life.recovered.size() < life.model.size()) ++lost_tails;
        life.disk.crash_process();
        life.disk.prepare_start();
        life.model = life.recovered;
        life.before_cut.clear();
      }
    }
  }
  EXPECT_GT(lost_tails, 20u) << "the dice must take something now and then";
}

}  // namespace
}  // namespace harrow::test
