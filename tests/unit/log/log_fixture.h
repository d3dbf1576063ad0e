// What the log tests share: a disk, a trace that keeps its events, batches by the line.
#pragma once

#include <gtest/gtest.h>

#include "core/log/log.h"
#include "core/model/batch_builder.h"
#include "core/model/trace_payloads.h"
#include "tests/unit/log/memory_disk.h"

namespace harrow::test {

class KeptTrace final : public TraceSink {
 public:
  std::vector<TraceEvent> events;
  std::vector<SegmentNote> deletions;
  std::uint32_t intern(std::string_view) override { return 1; }
  void emit(const TraceEvent& event, const void* payload) override {
    events.push_back(event);
    if (event.kind == TraceKind::segment_deleted) deletions.push_back(*static_cast<const SegmentNote*>(payload));
  }
  bool wants(TraceKind) const override { return true; }
  int count(TraceKind kind) const {
    int found = 0;
    for (const TraceEvent& event : events) found += event.kind == kind ? 1 : 0;
    return found;
  }
};

inline Bytes batch_of(int records, WallMs timestamp, std::uint32_t value_bytes = 100, ProducerId producer = no_producer_id,
                      std::int32_t sequence = -1, std::int16_t producer_epoch = 0, Codec codec = Codec::none) {
  BatchOptions options;
  options.codec = codec;
  if (producer != no_producer_id) {
    options.producer_id = producer;
    options.producer_epoch = ProducerEpoch(producer_epoch);
    options.base_sequence = sequence;
  }
  BatchBuilder builder(options);
  const std::string value(value_bytes, 'v');
  for (int i = 0; i < records; ++i) builder.add(timestamp + i, "key", value);
  return builder.build();
}

class LogTest : public ::testing::Test {
 public:
  MemoryDisk disk;
  KeptTrace trace;
  std::int64_t now_ns = 0;
  std::shared_ptr<LogConfig> config = std::make_shared<LogConfig>();
  std::unique_ptr<Log> log;
  WallMs now{1'000'000};

  LogTest() {
    config->segment_bytes = 4096;
    config->index_interval_bytes = 256;
    config->segment_index_bytes = 1024;
  }
  Log::Place place() {
    return Log::Place{disk, Tracer(trace, 0, now_ns), "data", TopicPartition{"orders", 3}, Uuid{1, 2}, config};
  }
  Result<bool> load(Log::LoadOptions options = {}) {
    log.reset();
    options.now = now;
    auto task = Log::load(place(), options);
    Result<std::unique_ptr<Log>> loaded = task.take();
    if (!loaded) return pass(loaded.error());
    log = std::move(*loaded);
    return true;
  }
  void open(Log::LoadOptions options = {}) {
    const Result<bool> loaded = load(options);
    ASSERT_TRUE(loaded) << loaded.error().what;
  }
  Appended append(const Bytes& batch, int epoch = 0) {
    const Result<Appended> appended = log->append_as_leader(batch, LeaderEpoch(epoch), AppendOrigin::client, now);
    EXPECT_TRUE(appended) << appended.error().what;
    return appended.value_or(Appended());
  }
  void append_many(int batches, int records = 2, int epoch = 0) {
    for (int i = 0; i < batches; ++i) append(batch_of(records, now + i), epoch);
  }
  bool flush() {
    auto task = log->flush();
    return task.take().has_value();
  }
  ReadResult read(Offset from, std::uint64_t max_bytes = 1 << 20, Offset limit = Offset(INT64_MAX), bool min_one = true) {
    auto task = log->read(from, max_bytes, limit, min_one);
    Result<ReadResult> got = task.take();
    EXPECT_TRUE(got) << got.error().what;
    return got ? *got : ReadResult{};
  }
  /// Every batch's (base, last) by reading on from `from`.
  std::vector<std::pair<std::int64_t, std::int64_t>> all_batches(Offset from, std::uint64_t max_bytes = 700) {
    std::vector<std::pair<std::int64_t, std::int64_t>> found;
    while (from < log->end_offset()) {
      const ReadResult got = read(from, max_bytes);
      BatchCursor cursor(got.records);
      while (cursor.next()) found.emplace_back(cursor.header().base_offset.value(), cursor.header().last_offset().value());
      EXPECT_GT(got.next, from);
      if (got.next <= from) break;
      from = got.next;
    }
    return found;
  }
  std::string file(const std::string& name) {
    const auto at = disk.files.find("data/orders-3/" + name);
    return at == disk.files.end() ? std::string("missing") : at->second->bytes;
  }
  bool has(const std::string& name) const { return disk.files.count("data/orders-3/" + name) != 0; }
};

}  // namespace harrow::test
