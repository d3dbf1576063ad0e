// libFuzzer target: a log's folder with arbitrary bytes in its files. The input is a list of edits (which file, what,
// where, with which bytes) on a folder that a real log wrote: segments, indexes, producer snapshots, epochs, and the
// checkpoints beside it. Loading then either refuses, or gives a log that can be read, appended to, and loaded again.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "core/base/check.h"
#include "core/log/checkpoint_files.h"
#include "core/log/log.h"
#include "core/model/batch_builder.h"
#include "tests/unit/log/memory_disk.h"

using namespace harrow;

namespace {

class NoTrace final : public TraceSink {
 public:
  std::uint32_t intern(std::string_view) override { return 1; }
  void emit(const TraceEvent&, const void*) override {}
  bool wants(TraceKind) const override { return false; }
};

NoTrace no_trace;
std::int64_t now_ns = 0;
constexpr WallMs now{1'000'000};

std::shared_ptr<LogConfig> small_config() {
  auto config = std::make_shared<LogConfig>();
  config->segment_bytes = 1024;
  config->index_interval_bytes = 128;
  config->segment_index_bytes = 256;
  return config;
}
Log::Place place_on(Disk& disk) { return Log::Place{disk, Tracer(no_trace, 0, now_ns), "data", TopicPartition{"orders", 3}, Uuid{1, 2}, small_config()}; }

Bytes batch_of(int records, std::int32_t sequence) {
  BatchOptions options;
  options.producer_id = ProducerId(42);
  options.producer_epoch = ProducerEpoch(0);
  options.base_sequence = sequence;
  BatchBuilder builder(options);
  for (int i = 0; i < records; ++i) builder.add(now + i, "key", std::string(60, 'v'));
  return builder.build();
}

using Folder = std::map<std::string, std::string>;

/// The folder that a log and its broker leave behind.
Folder written_folder() {
  test::MemoryDisk disk;
  {
    auto loading = Log::load(place_on(disk), Log::LoadOptions{.now = now});
    auto log = loading.take();
    CHECK(log.has_value());
    for (int i = 0; i < 24; ++i) CHECK((*log)->append_as_leader(batch_of(2, 2 * i), LeaderEpoch(i / 8), AppendOrigin::client, now).has_value());
    auto flushing = (*log)->flush();
    CHECK(flushing.take().has_value());
  }
  for (const std::string_view name : {replication_offset_checkpoint, recovery_point_checkpoint, log_start_checkpoint}) {
    auto writing = write_durably(disk, "data/" + std::string(name), to_text(OffsetCheckpoint{{TopicPartition{"orders", 3}, Offset(20)}}));
    CHECK(writing.take().has_value());
  }
  MetaProperties properties;
  properties.cluster_id = "fuzz";
  properties.node_id = 1;
  auto writing = write_durably(disk, "data/meta.properties", to_text(properties));
  CHECK(writing.take().has_value());
  Folder folder;
  for (const auto& [path, node] : disk.files) folder[path] = node->bytes;
  return folder;
}

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  bool more() const { return left_ > 0; }
  std::uint32_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  std::uint32_t number() {
    const std::uint32_t high = byte();
    return high << 8 | byte();
  }
  std::string text(std::size_t size) {
    size = std::min(size, left_);
    std::string bytes(reinterpret_cast<const char*>(data_), size);
    data_ += size;
    left_ -= size;
    return bytes;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

void edit(Folder& folder, Input& input) {
  auto file = folder.begin();
  std::advance(file, input.byte() % folder.size());
  std::string& bytes = file->second;
  const std::size_t at = bytes.empty() ? 0 : input.number() % (bytes.size() + 1);
  switch (input.byte() % 6) {
    case 0: {
      const std::string with = input.text(1 + input.byte() % 16);
      bytes.replace(at, std::min(with.size(), bytes.size() - at), with);
      break;
    }
    case 1: bytes.resize(at); break;
    case 2: bytes.insert(at, input.text(1 + input.byte() % 64)); break;
    case 3: bytes.append(input.number() % 2048, '\0'); break;
    case 4: folder.erase(file); break;
    case 5: bytes = input.text(input.byte()); break;
  }
}

/// Reads all that the log says it has; false if it reports damage.
bool read_through(Log& log) {
  for (Offset at = log.start_offset(); at < log.end_offset();) {
    auto reading = log.read(at, 400, log.end_offset(), true);
    const Result<ReadResult> got = reading.take();
    if (!got) return false;
    if (got->next <= at) return false;
    at = got->next;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder written = written_folder();
  if (size < 4) return 0;
  Input input(data, size);
  const std::uint32_t how = input.byte();
  const Offset recovery_point(input.byte() % 64);
  const Offset log_start(input.byte() % 64);
  Folder folder = written;
  while (input.more() && !folder.empty()) edit(folder, input);

  test::MemoryDisk disk;
  disk.cached = (how & 2) != 0;
  for (const auto& [path, bytes] : folder) {
    auto node = std::make_shared<test::MemoryDisk::Node>();
    node->bytes = node->durable = bytes;
    disk.files[path] = disk.durable_files[path] = node;
  }
  Log::LoadOptions options{.clean = (how & 1) != 0, .recovery_point = recovery_point, .log_start = log_start, .now = now};
  if ((how & 4) != 0) {
    auto opening = open_log_dir(disk, "data");
    const Result<LogDirState> state = opening.take();
    if (!state) return 0;
    options.clean = state->clean;
    const auto point = state->recovery_points.find(TopicPartition{"orders", 3});
    options.recovery_point = point == state->recovery_points.end() ? Offset(0) : point->second;
    const auto start = state->log_starts.find(TopicPartition{"orders", 3});
    options.log_start = start == state->log_starts.end() ? Offset(0) : start->second;
  }
  if (const auto found = folder.find("data/meta.properties"); found != folder.end()) parse_meta_properties(found->second).has_value();
  auto loading = Log::load(place_on(disk), options);
  Result<std::unique_ptr<Log>> loaded = loading.take();
  if (!loaded) return 0;
  Log& log = **loaded;
  CHECK(log.start_offset() <= log.end_offset());
  CHECK(log.recovery_point() <= log.end_offset());
  const bool sound = read_through(log);
  auto by_time = log.offset_for_timestamp(now);
  const bool found = by_time.take().has_value();
  static_cast<void>(found);
  const Offset end = log.end_offset();
  // No leader is older than its log. (An epoch stands outside of the CRC: an edit may have made it any number.)
  const LeaderEpoch epoch = std::max(LeaderEpoch(100), log.latest_epoch());
  const Result<Appended> appended = log.append_as_leader(batch_of(1, -1), epoch, AppendOrigin::coordinator, now);
  if (!appended) return 0;
  CHECK(appended->base == end);
  auto flushing = log.flush();
  if (!flushing.take()) return 0;
  if ((how & 8) != 0) {
    const Result<bool> cut = log.truncate_to(Offset(how % 40));
    if (!cut) return 0;
  }
  const Offset start = log.start_offset();
  const Offset last = log.end_offset();
  const Offset safe = log.recovery_point();
  loaded->reset();
  if (!sound || (how & 1) != 0 || (how & 8) != 0) return 0;
  // What was recovered, appended and flushed is there again after a crash now.
  disk.power_loss();
  auto again = Log::load(place_on(disk), Log::LoadOptions{.recovery_point = safe, .log_start = start, .now = now});
  const Result<std::unique_ptr<Log>> reloaded = again.take();
  CHECK_SAYING(reloaded.has_value(), reloaded ? "" : reloaded.error().what);
  CHECK((*reloaded)->end_offset() == last);
  return 0;
}
