#include "core/log/checkpoint_files.h"

#include <charconv>
#include <vector>

#include "core/base/mutation.h"

namespace harrow {
namespace {

constexpr std::string_view clean_mark = ".kafka_cleanshutdown";

std::string in_dir(const std::string& dir, std::string_view name) {
  return dir.empty() ? std::string(name) : dir + "/" + std::string(name);
}

template <class Integer>
bool parse_number(std::string_view text, Integer& out) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
  return code == std::errc() && end == text.data() + text.size() && !text.empty();
}

// The lines of a text; an unfinished last one counts too.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines.push_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

Task<Result<bool>> write_durably(Disk& disk, std::string path, std::string text) {
  const std::string temporary = path + ".tmp";
  const Result<FilePtr> file = disk.open(temporary, OpenMode::create);
  if (!file) co_return pass(file.error());
  if (const auto emptied = (*file)->truncate(0); !emptied) co_return pass(emptied.error());
  if (const auto written = (*file)->write(0, Bytes::copy_of(text)); !written) co_return pass(written.error());
  const Result<bool> synced = co_await (*file)->sync();
  if (!synced) co_return pass(synced.error());
  if (const auto renamed = disk.rename(temporary, path); !renamed) co_return pass(renamed.error());
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? std::string() : path.substr(0, slash);
  const Result<bool> named = co_await disk.sync_dir(folder);
  co_return named;
}

Task<Result<std::string>> read_text(Disk& disk, std::string path) {
  const Result<FilePtr> file = disk.open(path, OpenMode::existing);
  if (!file) co_return pass(file.error());
  const Result<Bytes> bytes = co_await (*file)->read(0, (*file)->size());
  if (!bytes) co_return pass(bytes.error());
  co_return bytes->to_string();
}

std::string to_text(const OffsetCheckpoint& checkpoint) {
  std::string text = "0\n" + std::to_string(checkpoint.size()) + "\n";
  for (const auto& [id, offset] : checkpoint)
    text += id.topic + " " + std::to_string(id.partition) + " " + std::to_string(offset.value()) + "\n";
  return text;
}

Result<OffsetCheckpoint> parse_offset_checkpoint(std::string_view text) {
  const std::vector<std::string_view> lines = lines_of(text);
  std::uint64_t count = 0;
  if (lines.size() < 2 || lines[0] != "0" || !parse_number(lines[1], count) || lines.size() - 2 != count)
    return error(Code::malformed_input, "an offset checkpoint has a wrong head");
  OffsetCheckpoint checkpoint;
  for (std::size_t i = 2; i < lines.size(); ++i) {
    const std::size_t first = lines[i].find(' ');
    const std::size_t second = first == std::string_view::npos ? first : lines[i].find(' ', first + 1);
    std::int32_t partition = 0;
    std::int64_t offset = 0;
    if (second == std::string_view::npos || !parse_number(lines[i].substr(first + 1, second - first - 1), partition) ||
        !parse_number(lines[i].substr(second + 1), offset))
      return error(Code::malformed_input, "an offset checkpoint has a wrong line");
    checkpoint[TopicPartition{std::string(lines[i].substr(0, first)), partition}] = Offset(offset);
  }
  return checkpoint;
}

Task<Result<OffsetCheckpoint>> read_offset_checkpoint(Disk& disk, std::string path) {
  const Result<std::string> text = co_await read_text(disk, path);
  if (!text) {
    if (text.error().code == Code::not_found) co_return OffsetCheckpoint();
    co_return pass(text.error());
  }
  co_return parse_offset_checkpoint(*text).value_or(OffsetCheckpoint());
}

std::string to_text(const MetaProperties& properties) {
  return "#\ncluster.id=" + properties.cluster_id + "\ndirectory.id=" + to_text(properties.directory_id) +
         "\nnode.id=" + std::to_string(properties.node_id) + "\nversion=1\n";
}

Result<MetaProperties> parse_meta_properties(std::string_view text) {
  MetaProperties properties;
  bool has_node = false;
  for (const std::string_view line : lines_of(text)) {
    const std::size_t equals = line.find('=');
    if (line.empty() || line[0] == '#' || equals == std::string_view::npos) continue;
    const std::string_view key = trimmed(line.substr(0, equals));
    const std::string_view value = trimmed(line.substr(equals + 1));
    if (key == "cluster.id") properties.cluster_id = std::string(value);
    if (key == "node.id" || key == "broker.id") has_node = parse_number(value, properties.node_id);
    if (key == "directory.id" && !parse_uuid(value, properties.directory_id))
      return error(Code::malformed_input, "meta.properties: directory.id is no uuid");
    if (key == "version" && value != "0" && value != "1") return error(Code::malformed_input, "meta.properties: unknown version");
  }
  if (!has_node) return error(Code::malformed_input, "meta.properties: node.id is missing");
  return properties;
}

std::string partition_metadata_text(const Uuid& topic_id) { return "version: 0\ntopic_id: " + to_text(topic_id) + "\n"; }

Result<Uuid> parse_partition_metadata(std::string_view text) {
  const std::vector<std::string_view> lines = lines_of(text);
  constexpr std::string_view field = "topic_id:";
  Uuid id;
  if (lines.size() < 2 || lines[0] != "version: 0" || lines[1].substr(0, field.size()) != field ||
      !parse_uuid(trimmed(lines[1].substr(field.size())), id))
    return error(Code::malformed_input, "partition.metadata is damaged");
  return id;
}

std::string clean_shutdown_text(std::int64_t broker_epoch) {
  return "{\"version\":0,\"brokerEpoch\":" + std::to_string(broker_epoch) + "}";
}

std::int64_t parse_clean_shutdown(std::string_view text) {
  constexpr std::string_view field = "\"brokerEpoch\":";
  const std::size_t at = text.find(field);
  if (at == std::string_view::npos) return -1;
  text.remove_prefix(at + field.size());
  text = trimmed(text.substr(0, text.find_first_of(",}")));
  std::int64_t epoch = -1;
  return parse_number(text, epoch) ? epoch : -1;
}

namespace {
Task<Result<bool>> remove_clean_mark(Disk& disk, std::string dir) {
  if (const auto gone = disk.remove(in_dir(dir, clean_mark)); !gone) co_return pass(gone.error());
  const Result<bool> synced = co_await disk.sync_dir(dir);
  co_return synced;
}
}  // namespace

Task<Result<LogDirState>> open_log_dir(Disk& disk, std::string dir) {
  LogDirState state;
  state.clean = disk.exists(in_dir(dir, clean_mark));
  if (state.clean) {
    const Result<std::string> text = co_await read_text(disk, in_dir(dir, clean_mark));
    if (!text) co_return pass(text.error());
    state.broker_epoch = parse_clean_shutdown(*text);
    const bool forgets = mutated(Bug::L01);
    if (!forgets) {
      const Result<bool> removed = co_await remove_clean_mark(disk, dir);
      if (!removed) co_return pass(removed.error());
    }
  }
  Result<OffsetCheckpoint> recovery_points = co_await read_offset_checkpoint(disk, in_dir(dir, recovery_point_checkpoint));
  if (!recovery_points) co_return pass(recovery_points.error());
  Result<OffsetCheckpoint> log_starts = co_await read_offset_checkpoint(disk, in_dir(dir, log_start_checkpoint));
  if (!log_starts) co_return pass(log_starts.error());
  Result<OffsetCheckpoint> high_watermarks = co_await read_offset_checkpoint(disk, in_dir(dir, replication_offset_checkpoint));
  if (!high_watermarks) co_return pass(high_watermarks.error());
  Result<OffsetCheckpoint> cleaned_ends = co_await read_offset_checkpoint(disk, in_dir(dir, cleaner_checkpoint));
  if (!cleaned_ends) co_return pass(cleaned_ends.error());
  state.cleaned_ends = std::move(*cleaned_ends);
  state.recovery_points = std::move(*recovery_points);
  state.log_starts = std::move(*log_starts);
  state.high_watermarks = std::move(*high_watermarks);
  co_return std::move(state);
}

Task<Result<bool>> logs_loaded(Disk& disk, std::string dir) {
  if (!mutated(Bug::L01)) co_return true;
  const Result<bool> removed = co_await remove_clean_mark(disk, dir);
  co_return removed;
}

Task<Result<bool>> mark_clean_shutdown(Disk& disk, Tracer trace, std::string dir, std::int64_t broker_epoch) {
  const Result<bool> written = co_await write_durably(disk, in_dir(dir, clean_mark), clean_shutdown_text(broker_epoch));
  if (written) trace.emit(TraceKind::clean_shutdown_marked, 0, broker_epoch);
  co_return written;
}

}  // namespace harrow
