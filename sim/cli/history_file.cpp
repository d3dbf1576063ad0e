#include "sim/cli/history_file.h"

#include <fmt/format.h>

#include "core/base/bytes.h"
#include "core/model/record_batch.h"
#include "core/model/trace_payloads.h"

namespace harrow::cli {
namespace {

constexpr std::size_t most_unanswered = 10'000;

std::vector<std::pair<std::int64_t, std::uint64_t>> values_of(const Bytes& batch) {
  std::vector<std::pair<std::int64_t, std::uint64_t>> values;
  Result<RecordReader> reader = RecordReader::open(batch);
  if (!reader) return values;
  Record record;
  while (reader->next(record)) values.emplace_back(record.offset.value(), hash_of(record.value.value_or(std::string_view())));
  return values;
}

std::string head_of(const TraceEvent& event, std::string_view op, std::string_view client, std::string_view topic, std::int32_t partition) {
  return fmt::format("{{\"t_s\":{}.{:09},\"type\":\"ok\",\"op\":\"{}\",\"client\":\"{}\",\"topic\":\"{}\",\"partition\":{}", event.time_ns / 1'000'000'000, event.time_ns % 1'000'000'000, op, client, topic, partition);
}

}  // namespace

HistoryFile::~HistoryFile() {
  if (file_ != nullptr) std::fclose(file_);
}

bool HistoryFile::open(const std::string& path) {
  file_ = std::fopen(path.c_str(), "wb");
  return file_ != nullptr;
}

void HistoryFile::write(const std::string& line) {
  const std::lock_guard<std::mutex> lock(lock_);
  failed_ = failed_ || std::fwrite(line.data(), 1, line.size(), file_) != line.size();
}

bool HistoryFile::flush() {
  const std::lock_guard<std::mutex> lock(lock_);
  failed_ = failed_ || std::fflush(file_) != 0;
  return !failed_;
}

void HistoryRecorder::on_event(const TraceEvent& event, const void* payload) {
  if (payload == nullptr) return;
  if (event.kind == TraceKind::appended) {
    const AppendNote& note = *static_cast<const AppendNote*>(payload);
    if (!note.as_leader || note.is_control || note.topic == metadata_topic_name || note.topic == offsets_topic_name) return;
    std::vector<std::uint64_t> hashes;
    for (const auto& [offset, value] : values_of(*note.batch)) hashes.push_back(value);
    if (appended_.size() == most_unanswered) appended_.erase(appended_.begin());
    appended_.insert_or_assign(Place{std::string(note.topic), note.partition, event.a}, std::move(hashes));
  } else if (event.kind == TraceKind::produce_answered) {
    const ProduceNote& note = *static_cast<const ProduceNote*>(payload);
    const auto found = appended_.find(Place{std::string(note.topic), note.partition, note.base_offset.value()});
    if (found == appended_.end()) return;
    if (note.code == Code::none && note.acks != 0) {
      const std::string head = head_of(event, "send", note.producer_id == no_producer_id ? "producer" : fmt::format("producer-{}", note.producer_id.value()), note.topic, note.partition);
      std::string lines;
      std::int64_t offset = note.base_offset.value();
      for (const std::uint64_t value : found->second)
        lines += fmt::format("{},\"acks\":{},\"value\":\"{:016x}\",\"offset\":{}}}\n", head, note.acks, value, offset++);
      file_.write(lines);
    }
    appended_.erase(found);
  } else if (event.kind == TraceKind::fetch_answered) {
    const FetchNote& note = *static_cast<const FetchNote*>(payload);
    if (note.replica != no_node || note.records == nullptr || note.topic == offsets_topic_name) return;
    const std::string head = head_of(event, "poll", "consumer", note.topic, note.partition);
    std::string lines;
    // Each answer stands for itself: whoever asked has read everything from its offset on.
    std::int64_t from = note.fetch_offset.value();
    BatchCursor cursor(*note.records);
    while (cursor.next()) {
      if (cursor.header().is_control()) continue;
      for (const auto& [offset, value] : values_of(cursor.batch())) {
        if (offset < note.fetch_offset.value()) continue;
        lines += fmt::format("{},\"from\":{},\"offset\":{},\"value\":\"{:016x}\"}}\n", head, from, offset, value);
        from = offset + 1;
      }
    }
    if (!lines.empty()) file_.write(lines);
  }
}

}  // namespace harrow::cli
