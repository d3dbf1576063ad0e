#include "sim/trace/results.h"

#include <fmt/format.h>
#include <stdio.h>
#include <zstd.h>

#include <array>
#include <filesystem>

#include "core/model/trace_payloads.h"

namespace harrow::sim {

namespace fs = std::filesystem;

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out + '"';
}

LineFile::LineFile(LineFile&& other) noexcept : file_(other.file_), buffer_(std::move(other.buffer_)), failed_(other.failed_) { other.file_ = nullptr; }

bool LineFile::open(const std::string& path) {
  file_ = std::fopen(path.c_str(), "wb");
  failed_ = file_ == nullptr;
  return !failed_;
}
void LineFile::write(std::string_view line) {
  if (failed_ || file_ == nullptr) return;
  buffer_ += line;
  buffer_ += '\n';
  if (buffer_.size() >= (1 << 16)) flush();
}
void LineFile::flush() {
  // after a short write the file is cut back to whole lines
  const long before = std::ftell(file_);
  const std::size_t written = std::fwrite(buffer_.data(), 1, buffer_.size(), file_);
  if (written != buffer_.size() || std::fflush(file_) != 0) {
    failed_ = true;
    std::error_code ignored;
    const std::string link = "/proc/self/fd/" + std::to_string(::fileno(file_));
    const auto target = fs::read_symlink(link, ignored);
    std::fclose(file_);
    file_ = nullptr;
    if (!ignored && before >= 0) fs::resize_file(target, static_cast<std::uintmax_t>(before), ignored);
  }
  buffer_.clear();
}
bool LineFile::close() {
  if (file_ != nullptr) flush();
  if (file_ != nullptr) {
    if (std::fclose(file_) != 0) failed_ = true;
    file_ = nullptr;
  }
  return !failed_;
}

bool RunFolder::make(const std::string& root, const std::string& out, const std::string& scenario, std::uint64_t seed, std::int64_t utc_s) {
  std::error_code failed;
  if (!out.empty()) {
    path_ = out;
    fs::create_directories(path_, failed);
    return !failed && fs::is_directory(path_);
  }
  root_ = root;
  linked_ = true;
  const std::int64_t of_day = utc_s % 86400;
  std::int64_t days = utc_s / 86400 + 719468;
  const std::int64_t era = days / 146097, day_of_era = days % 146097;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted = (5 * day_of_year + 2) / 153;
  const std::int64_t month = shifted + (shifted < 10 ? 3 : -9);
  const std::string stamp = fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z-s{}", year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day_of_year - (153 * shifted + 2) / 5 + 1, of_day / 3600,
                                        of_day / 60 % 60, of_day % 60, seed);
  const std::string folder = root + "/" + scenario;
  fs::create_directories(folder, failed);
  if (failed) return false;
  path_ = folder + "/" + stamp;
  for (int again = 2; !fs::create_directory(path_, failed) && again < 1000; ++again) {
    if (failed) return false;
    path_ = folder + "/" + stamp + "-" + std::to_string(again);
  }
  return true;
}

bool RunFolder::write(std::string_view name, std::string_view text) {
  const std::string target = file(name), temporary = target + ".part";
  std::FILE* const out = std::fopen(temporary.c_str(), "wb");
  bool good = out != nullptr;
  if (good) {
    good = std::fwrite(text.data(), 1, text.size(), out) == text.size();
    good = std::fclose(out) == 0 && good;
  }
  std::error_code failed;
  if (good) fs::rename(temporary, target, failed);
  if (!good || failed) {
    fs::remove(temporary, failed);
    unwritten_.emplace_back(name);
    return false;
  }
  return true;
}

void RunFolder::link(bool failed) {
  if (!linked_) return;
  for (const char* name : {"latest", "latest-failed"}) {
    if (!failed && std::string_view(name) == "latest-failed") continue;
    std::error_code ignored;
    const fs::path link = fs::path(root_) / name, temporary = fs::path(root_) / (std::string(name) + ".new");
    fs::remove(temporary, ignored);
    fs::create_directory_symlink(fs::relative(path_, root_, ignored), temporary, ignored);
    if (!ignored) fs::rename(temporary, link, ignored);
  }
}

std::span<const TraceKind> HistoryWriter::kinds() {
  static constexpr TraceKind kinds[] = {TraceKind::send_invoked, TraceKind::send_acked, TraceKind::send_failed, TraceKind::record_consumed, TraceKind::commit_acked,
                                        TraceKind::position_reset, TraceKind::partitions_assigned, TraceKind::partitions_revoked};
  return kinds;
}

void HistoryWriter::on_event(const TraceEvent& event, const void* payload) {
  const std::string head = fmt::format("{{\"t_s\":{}.{:09}", event.time_ns / 1'000'000'000, event.time_ns % 1'000'000'000);
  switch (event.kind) {
    case TraceKind::send_invoked:
    case TraceKind::send_acked:
    case TraceKind::send_failed: {
      const auto* const note = static_cast<const SendNote*>(payload);
      if (note == nullptr) return;
      // a definite refusal is a fail; whatever may have been stored is info
      const bool unsure = event.kind == TraceKind::send_failed && (note->code == Code::request_timed_out || note->code == Code::not_enough_replicas_after_append);
      const char* const type = event.kind == TraceKind::send_invoked ? "invoke" : event.kind == TraceKind::send_acked ? "ok" : unsure ? "info" : "fail";
      file_.write(fmt::format("{},\"type\":\"{}\",\"op\":\"send\",\"client\":{},\"topic\":{},\"partition\":{},\"sequence\":{},\"acks\":{},\"value\":\"{:016x}\",\"offset\":{},\"code\":\"{}\"}}", head, type,
                              json_text(note->producer), json_text(note->topic), note->partition, note->sequence, note->acks, note->value_hash, note->offset.value(),
                              kafka_name_of(note->code)));
      return;
    }
    case TraceKind::record_consumed: {
      const auto* const note = static_cast<const ConsumeNote*>(payload);
      if (note == nullptr) return;
      file_.write(fmt::format("{},\"type\":\"ok\",\"op\":\"poll\",\"client\":{},\"group\":{},\"topic\":{},\"partition\":{},\"offset\":{},\"value\":\"{:016x}\"}}", head, json_text(note->member),
                              json_text(note->group), json_text(note->topic), note->partition, note->offset.value(), note->value_hash));
      return;
    }
    case TraceKind::commit_acked: {
      const auto* const note = static_cast<const CommitNote*>(payload);
      if (note == nullptr) return;
      file_.write(fmt::format("{},\"type\":\"{}\",\"op\":\"commit\",\"client\":{},\"group\":{},\"topic\":{},\"partition\":{},\"offset\":{},\"generation\":{}}}", head,
                              note->code == Code::none ? "ok" : "fail", json_text(note->member), json_text(note->group), json_text(note->topic), note->partition, note->offset.value(), note->generation));
      return;
    }
    case TraceKind::partitions_assigned:
    case TraceKind::partitions_revoked: {
      const auto* const note = static_cast<const AssignmentNote*>(payload);
      if (note == nullptr) return;
      std::string partitions;
      for (const TopicPartition& id : note->partitions) partitions += (partitions.empty() ? "" : ",") + json_text(id.topic + "/" + std::to_string(id.partition));
      file_.write(fmt::format("{},\"type\":\"ok\",\"op\":\"{}\",\"client\":{},\"group\":{},\"generation\":{},\"partitions\":[{}]}}", head,
                              event.kind == TraceKind::partitions_assigned ? "assign" : "revoke", json_text(note->member), json_text(note->group), event.a, partitions));
      return;
    }
    default: file_.write(fmt::format("{},\"type\":\"info\",\"op\":\"{}\",\"a\":{},\"b\":{}}}", head, name_of(event.kind), event.a, event.b)); return;
  }
}

std::string event_text(const TraceEvent& event, std::string_view node, std::string_view subject) {
  std::string line = fmt::format("{:>5}.{:09} {:<14} {}", event.time_ns / 1'000'000'000, event.time_ns % 1'000'000'000, node, name_of(event.kind));
  if (!subject.empty()) line += " " + std::string(subject);
  if (const std::string_view field = first_field_of(event.kind); !field.empty()) line += fmt::format(" {}={}", field, event.a);
  if (const std::string_view field = second_field_of(event.kind); !field.empty()) line += fmt::format(" {}={}", field, event.b);
  return line;
}

struct EventWriter::Stream {
  std::FILE* file = nullptr;
  ZSTD_CCtx* context = nullptr;
  std::array<char, 1 << 16> out;
};

EventWriter::EventWriter() = default;
EventWriter::~EventWriter() { close(); }

bool EventWriter::open(const std::string& events_path, const std::string& logs_folder) {
  stream_ = std::make_unique<Stream>();
  stream_->file = std::fopen(events_path.c_str(), "wb");
  stream_->context = ZSTD_createCCtx();
  logs_folder_ = logs_folder;
  std::error_code ignored;
  if (!logs_folder.empty()) fs::create_directories(logs_folder, ignored);
  failed_ = stream_->file == nullptr || stream_->context == nullptr;
  return !failed_;
}

std::string EventWriter::node_name(std::uint16_t node) const { return node < nodes_.size() ? nodes_[node] : "node" + std::to_string(node); }

void EventWriter::on_event(const TraceEvent& event, const void*) {
  if (failed_ || !stream_) return;
  const std::string node = node_name(event.node), subject = event.subject != 0 && subject_ ? subject_(event.subject) : std::string();
  pending_ += fmt::format("{{\"t_s\":{}.{:09},\"node\":{},\"event\":\"{}\",\"subject\":{}", event.time_ns / 1'000'000'000, event.time_ns % 1'000'000'000, json_text(node), name_of(event.kind),
                          json_text(subject));
  if (const std::string_view field = first_field_of(event.kind); !field.empty()) pending_ += fmt::format(",\"{}\":{}", field, event.a);
  if (const std::string_view field = second_field_of(event.kind); !field.empty()) pending_ += fmt::format(",\"{}\":{}", field, event.b);
  pending_ += "}\n";
  if (pending_.size() >= (1 << 18)) compress(false);
  if (logs_folder_.empty() || event.kind == TraceKind::frame_sent || event.kind == TraceKind::frame_received) return;
  auto log = logs_.find(event.node);
  if (log == logs_.end()) {
    log = logs_.emplace(event.node, LineFile()).first;
    std::string name = node;
    for (char& c : name)
      if (c == '/') c = '-';
    log->second.open(logs_folder_ + "/" + name + ".log");
  }
  log->second.write(event_text(event, node, subject));
}

void EventWriter::compress(bool end) {
  ZSTD_inBuffer in{pending_.data(), pending_.size(), 0};
  while (!failed_) {
    ZSTD_outBuffer out{stream_->out.data(), stream_->out.size(), 0};
    // each block is flushed whole, so that a cut file still opens up to its last block
    const std::size_t left = ZSTD_compressStream2(stream_->context, &out, &in, end ? ZSTD_e_end : ZSTD_e_flush);
    failed_ = ZSTD_isError(left) != 0 || std::fwrite(stream_->out.data(), 1, out.pos, stream_->file) != out.pos;
    if (!failed_ && left == 0) break;
  }
  pending_.clear();
}

bool EventWriter::close() {
  if (!stream_) return !failed_;
  if (!failed_) compress(true);
  if (stream_->file != nullptr && std::fclose(stream_->file) != 0) failed_ = true;
  ZSTD_freeCCtx(stream_->context);
  stream_.reset();
  for (auto& [node, log] : logs_)
    if (!log.close()) failed_ = true;
  logs_.clear();
  return !failed_;
}

std::string metrics_csv(const std::vector<MetricRow>& rows) {
  std::string out = "t_s,node,metric,labels,value\n";
  for (const MetricRow& row : rows)
    out += fmt::format("{}.{:03},{},{},{},{}\n", row.at_ns / 1'000'000'000, row.at_ns / 1'000'000 % 1000, row.node, row.metric, row.labels.find(',') == std::string::npos ? row.labels : "\"" + row.labels + "\"", row.value);
  return out;
}

}  // namespace harrow::sim
