// A log by itself on the simulated disk: validate, assign offsets, write to the page cache, keep indexes and producer state.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/async/task.h"
#include "core/base/check.h"
#include "core/log/log.h"
#include "core/model/batch_builder.h"
#include "sim/disk/sim_disk.h"
#include "sim/kernel/kernel.h"
#include "sim/scenario/bench.h"

namespace harrow::sim {

namespace {

struct AppendRow {
  std::uint32_t records, value_bytes;
};
constexpr AppendRow append_rows[] = {{1, 512}, {1, 100}, {16, 1024}, {128, 100}};

std::vector<Bytes> batches_of(const AppendRow& row, std::size_t count) {
  std::vector<Bytes> batches;
  const std::string value(row.value_bytes, 'v');
  for (std::size_t i = 0; i < count; ++i) {
    BatchOptions options;
    options.producer_id = ProducerId(7);
    options.producer_epoch = ProducerEpoch(0);
    options.base_sequence = static_cast<std::int32_t>(i * row.records);
    options.expected_bytes = row.records * (row.value_bytes + 32) + 128;
    BatchBuilder builder(options);
    for (std::uint32_t n = 0; n < row.records; ++n) builder.add(WallMs(1'000'000 + static_cast<std::int64_t>(i)), std::nullopt, value);
    batches.push_back(builder.build());
  }
  return batches;
}

Root load_log(Scope&, Label, Log::Place place, std::unique_ptr<Log>& out) {
  Task<Result<std::unique_ptr<Log>>> loading = Log::load(std::move(place), Log::LoadOptions{});
  Result<std::unique_ptr<Log>> loaded = co_await loading;
  CHECK_SAYING(loaded.has_value(), "an empty log loads");
  out = std::move(*loaded);
}

}  // namespace

void bench_append(const BenchOptions& options) {
  for (const AppendRow& row : append_rows) {
    const auto count = static_cast<std::size_t>(std::max<std::int64_t>(100'000 / row.records * options.percent / 100, 100));
    const std::vector<Bytes> batches = batches_of(row, count);
    std::uint64_t bytes = 0;
    for (const Bytes& batch : batches) bytes += batch.size();
    std::vector<std::int64_t> walls;
    for (int turn = 0; turn < 3; ++turn) {
      Kernel kernel;
      SimDisk disk(kernel, 0, DiskProfile(), Random(1));
      ReadyQueue queue(kernel.run_list());
      Scope scope(queue);
      std::unique_ptr<Log> log;
      load_log(scope, Label("load"), Log::Place{disk, Tracer(kernel, 0, kernel.now_ref()), "data", TopicPartition{"records", 0}, Uuid{1, 2}, std::make_shared<LogConfig>()}, log);
      while (log == nullptr && kernel.step()) {}
      const std::int64_t start = options.wall_ns();
      for (const Bytes& batch : batches) {
        const Result<Appended> appended = log->append_as_leader(batch, LeaderEpoch(0), AppendOrigin::client, WallMs(1'000'000));
        CHECK_SAYING(appended.has_value(), "an append was refused");
      }
      walls.push_back(options.wall_ns() - start);
    }
    std::sort(walls.begin(), walls.end());
    const std::int64_t wall = std::max<std::int64_t>(walls[1], 1);
    if (!options.row(fmt::format("{{\"task\":\"append\",\"records_a_batch\":{},\"value_bytes\":{},\"batches_per_second\":{},\"mb_per_second\":{}}}", row.records, row.value_bytes,
                                 static_cast<std::int64_t>(count) * 1'000'000'000 / wall, static_cast<std::int64_t>(bytes) * 1000 / wall)))
      return;
  }
}

const std::vector<BenchTask>& bench_tasks() {
  static const std::vector<BenchTask> tasks{
      {"kernel", "events a second beside a bare heap", bench_kernel},
      {"cluster", "a small cluster with faults and checks", bench_cluster},
      {"checks", "share of the run time that checks take", bench_checks},
      {"saturated", "requests a second of one core", bench_saturated},
      {"brokers", "cost of a request with 100 brokers and with 3", bench_brokers},
      {"idle", "what a cluster does when nobody asks for anything", bench_idle},
      {"append", "a log by itself", bench_append},
  };
  return tasks;
}

}  // namespace harrow::sim
