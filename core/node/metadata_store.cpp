#include "core/node/metadata_store.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "core/base/buffer.h"
#include "core/base/mutation.h"
#include "core/model/batch_builder.h"
#include "core/raft/quorum_state_file.h"
#include "core/wire/snapshot_footer_record.h"
#include "core/wire/snapshot_header_record.h"

namespace harrow {
namespace {

constexpr std::string_view snapshot_suffix = ".checkpoint";
constexpr std::uint32_t snapshot_batch_bytes = 1 << 20;

// "00000000000000000042-0000000003.checkpoint"
std::optional<raft::OffsetAndEpoch> parse_snapshot_name(std::string_view name) {
  if (name.size() != 20 + 1 + 10 + snapshot_suffix.size() || name[20] != '-' || !name.ends_with(snapshot_suffix)) return std::nullopt;
  std::int64_t offset = 0;
  std::int32_t epoch = 0;
  const char* const begin = name.data();
  const auto first = std::from_chars(begin, begin + 20, offset);
  const auto second = std::from_chars(begin + 21, begin + 31, epoch);
  if (first.ptr != begin + 20 || second.ptr != begin + 31) return std::nullopt;
  return raft::OffsetAndEpoch{Offset{offset}, LeaderEpoch{epoch}};
}

// Base offset of a segment file, or nothing.
std::optional<Offset> parse_segment_name(std::string_view name) {
  if (name.size() != 24 || !name.ends_with(".log")) return std::nullopt;
  std::int64_t offset = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + 20, offset);
  if (parsed.ptr != name.data() + 20) return std::nullopt;
  return Offset{offset};
}

template <class Message>
Bytes control_value(const Message& message) {
  Writer writer;
  message.encode(writer, 0);
  return writer.finish().flat();
}

Bytes encode_snapshot(const raft::OffsetAndEpoch& id, const std::vector<Bytes>& records, WallMs last_timestamp, WallMs now) {
  Bytes file;
  BatchOptions options;
  options.leader_epoch = id.epoch;
  wire::SnapshotHeaderRecord header;
  header.last_contained_log_timestamp = last_timestamp.value();
  const Bytes header_value = control_value(header);
  file.append(control_batch(options, now, ControlType::snapshot_header, header_value.span()));
  options.base_offset = Offset{1};
  for (std::size_t at = 0; at < records.size();) {
    BatchBuilder builder(options);
    while (at < records.size() && (builder.empty() || builder.size_bytes() + records[at].size() < snapshot_batch_bytes)) {
      const Bytes flat = records[at++].flat();
      const auto bytes = flat.span();
      builder.add(now, std::nullopt, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    }
    options.base_offset = options.base_offset + builder.record_count();
    file.append(builder.build());
  }
  const Bytes footer_value = control_value(wire::SnapshotFooterRecord{});
  file.append(control_batch(options, now, ControlType::snapshot_footer, footer_value.span()));
  return file;
}

// The record values between header and footer; both must be there.
Result<std::vector<Bytes>> decode_snapshot(const Bytes& file) {
  std::vector<Bytes> records;
  bool begun = false, ended = false;
  for (std::uint64_t at = 0; at < file.size();) {
    TRY(const BatchHeader header, check_batch(file, at));
    TRY(RecordReader reader, RecordReader::open(file.sub(at, header.size_bytes())));
    Record record;
    while (reader.next(record)) {
      if (header.is_control()) {
        const std::optional<ControlType> type = control_type_of(record);
        begun = begun || type == ControlType::snapshot_header;
        ended = type == ControlType::snapshot_footer;
      } else if (record.value) {
        records.push_back(reader.share(*record.value));
      }
    }
    if (reader.failed()) return error(Code::corrupt_message, "a damaged record in a snapshot");
    at += header.size_bytes();
  }
  if (!begun || !ended) return error(Code::corrupt_message, "a snapshot without header or footer");
  return records;
}

}  // namespace

MetadataStore::MetadataStore(Disk& disk, Tracer trace, MetadataStoreConfig config)
    : disk_(disk), trace_(trace), config_(std::move(config)), log_config_(std::make_shared<LogConfig>()) {
  folder_ = (config_.log_dir.empty() ? "" : config_.log_dir + "/") + std::string(metadata_topic_name) + "-0";
  log_config_->segment_bytes = static_cast<std::int64_t>(config_.segment_bytes);
  log_config_->segment_ms = config_.segment_ms;
  log_config_->index_interval_bytes = static_cast<std::int64_t>(config_.index_interval_bytes);
  log_config_->segment_index_bytes = static_cast<std::int64_t>(config_.segment_index_bytes);
  // Only clean() may cut this log, and only below a snapshot.
  log_config_->retention_ms = -1;
  log_config_->retention_bytes = -1;
  log_config_->append_rules.max_message_bytes = INT32_MAX;
  if (mutated(Bug::Q07)) {
    log_config_->retention_ms = config_.retention_ms;
    log_config_->retention_bytes = static_cast<std::int64_t>(config_.retention_bytes);
  }
}

std::string MetadataStore::path_of(raft::OffsetAndEpoch id) const {
  return fmt::format("{}/{:020}-{:010}{}", folder_, id.offset.value(), id.epoch.value(), snapshot_suffix);
}

std::optional<raft::OffsetAndEpoch> MetadataStore::newest_snapshot() const {
  if (snapshots_.empty()) return std::nullopt;
  return snapshots_.back();
}

Task<Result<bool>> MetadataStore::open(WallMs now) {
  const Result<bool> made = disk_.make_folder(folder_);
  if (!made) co_return pass(made.error());
  const Result<std::vector<std::string>> names = disk_.list(folder_);
  if (!names) co_return pass(names.error());
  std::optional<Offset> first_segment;
  for (const std::string& name : *names) {
    if (name.ends_with(".part") || name == "quorum-state.tmp") {
      const Result<bool> removed = disk_.remove(folder_ + "/" + name);
      if (!removed) co_return pass(removed.error());
    } else if (const auto id = parse_snapshot_name(name)) {
      snapshots_.push_back(*id);
    } else if (const auto base = parse_segment_name(name)) {
      first_segment = first_segment ? std::min(*first_segment, *base) : *base;
    }
  }
  std::sort(snapshots_.begin(), snapshots_.end());

  Log::Place place{disk_, trace_, config_.log_dir, TopicPartition{std::string(metadata_topic_name), 0}, metadata_topic_id, log_config_};
  Log::LoadOptions options;
  options.now = now;
  // Segments go only as wholes: within the first one the log begins where the oldest snapshot ends.
  if (!snapshots_.empty() && !first_segment) options.log_start = snapshots_.back().offset;
  else if (!snapshots_.empty() && *first_segment > Offset{0}) options.log_start = snapshots_.front().offset;
  Task<Result<std::unique_ptr<Log>>> loading = Log::load(std::move(place), options);
  Result<std::unique_ptr<Log>> loaded = co_await loading;
  if (!loaded) co_return pass(loaded.error());
  log_ = std::move(*loaded);

  if (!snapshots_.empty() && !holds(snapshots_.back())) {
    // Stopped between fetching a snapshot and putting it into force.
    const Result<bool> replaced = log_->truncate_fully_and_start_at(snapshots_.back().offset);
    if (!replaced) co_return pass(replaced.error());
  }
  if (!snapshots_.empty() && log_->start_offset() > Offset{0}) {
    raft::OffsetAndEpoch base = snapshots_.back();
    for (const raft::OffsetAndEpoch& id : snapshots_)
      if (id.offset >= log_->start_offset() && id < base) base = id;
    const Result<bool> dropped = drop_snapshots_below(base);
    if (!dropped) co_return pass(dropped.error());
  }
  Task<Result<bool>> flushing = log_->flush();
  const Result<bool> flushed = co_await flushing;
  if (!flushed) co_return pass(flushed.error());

  const std::string state_path = folder_ + "/quorum-state";
  if (!disk_.exists(state_path)) co_return true;
  const Result<FilePtr> file = disk_.open(state_path, OpenMode::existing);
  if (!file) co_return pass(file.error());
  const Result<Bytes> text = co_await (*file)->read(0, (*file)->size());
  if (!text) co_return pass(text.error());
  const Result<raft::HardState> state = raft::parse_quorum_state(text->to_string());
  if (!state) co_return pass(state.error());
  hard_state_ = *state;
  co_return true;
}

// Whether the log goes on from this snapshot: it reaches there and had the same leader there.
bool MetadataStore::holds(raft::OffsetAndEpoch id) const {
  if (id.offset > log_->end_offset()) return false;
  return id.offset <= log_->start_offset() || log_->epoch_at(id.offset - 1) == id.epoch;
}

raft::LogState MetadataStore::log_state() const {
  raft::LogState state;
  state.end = log_->end_offset();
  raft::OffsetAndEpoch base{log_->start_offset(), LeaderEpoch{0}};
  for (const raft::OffsetAndEpoch& id : snapshots_)
    if (id.offset == base.offset) base.epoch = id.epoch;
  std::vector<raft::EpochStart> starts;
  for (const EpochStart& entry : log_->epochs().entries())
    starts.push_back(raft::EpochStart{entry.epoch, std::max(entry.start, base.offset)});
  state.epochs = raft::EpochCache(base, std::move(starts));
  if (!snapshots_.empty()) {
    state.oldest_snapshot = snapshots_.front();
    state.newest_snapshot = snapshots_.back();
  }
  return state;
}

Task<Result<bool>> MetadataStore::put_in_place(FilePtr file, std::string from, std::string to) {
  const Result<bool> synced = co_await file->sync();
  if (!synced) co_return pass(synced.error());
  const Result<bool> renamed = disk_.rename(from, to);
  if (!renamed) co_return pass(renamed.error());
  co_return co_await disk_.sync_dir(folder_);
}

Task<Result<bool>> MetadataStore::write_hard_state(raft::HardState state, raft::VoterSet voters, std::int16_t version) {
  const std::string path = folder_ + "/quorum-state";
  const Result<FilePtr> file = disk_.open(path + ".tmp", OpenMode::create);
  if (!file) co_return pass(file.error());
  const Result<bool> emptied = (*file)->truncate(0);
  if (!emptied) co_return pass(emptied.error());
  const Result<bool> written = (*file)->write(0, Bytes::copy_of(raft::quorum_state_text(state, voters, version)));
  if (!written) co_return pass(written.error());
  Task<Result<bool>> placing = put_in_place(*file, path + ".tmp", path);
  const Result<bool> placed = co_await placing;
  if (placed) hard_state_ = state;
  co_return placed;
}

Task<Result<bool>> MetadataStore::truncate_to(Offset end) {
  for (;;) {
    const Result<bool> cut = log_->truncate_to(end);
    if (cut || cut.error().code != Code::not_cached) co_return cut;
    Task<Result<bool>> warming = log_->warm(end);
    const Result<bool> warm = co_await warming;
    if (!warm) co_return warm;
  }
}

Task<Result<Bytes>> MetadataStore::read(Offset from, std::uint64_t max_bytes, Offset limit) {
  Task<Result<ReadResult>> reading = log_->read(from, max_bytes, limit, true);
  Result<ReadResult> got = co_await reading;
  if (!got) co_return pass(got.error());
  co_return std::move(got->records);
}

Task<Result<bool>> MetadataStore::write_snapshot(raft::OffsetAndEpoch id, std::vector<Bytes> records, WallMs last_timestamp, WallMs now) {
  const std::string path = path_of(id);
  const Result<FilePtr> file = disk_.open(path + ".part", OpenMode::create);
  if (!file) co_return pass(file.error());
  const Result<bool> emptied = (*file)->truncate(0);
  if (!emptied) co_return pass(emptied.error());
  const Result<bool> written = (*file)->write(0, encode_snapshot(id, records, last_timestamp, now));
  if (!written) co_return pass(written.error());
  Task<Result<bool>> placing = put_in_place(*file, path + ".part", path);
  const Result<bool> placed = co_await placing;
  if (!placed) co_return placed;
  if (snapshots_.empty() || snapshots_.back() < id) snapshots_.push_back(id);
  co_return true;
}

Task<Result<std::vector<Bytes>>> MetadataStore::load_snapshot(raft::OffsetAndEpoch id) {
  const Result<FilePtr> file = disk_.open(path_of(id), OpenMode::existing);
  if (!file) co_return pass(file.error());
  const Result<Bytes> bytes = co_await (*file)->read(0, (*file)->size());
  if (!bytes) co_return pass(bytes.error());
  co_return decode_snapshot(*bytes);
}

Task<Result<MetadataStore::Piece>> MetadataStore::read_piece(raft::OffsetAndEpoch id, std::int64_t position, std::uint64_t max_bytes) {
  if (std::find(snapshots_.begin(), snapshots_.end(), id) == snapshots_.end()) co_return error(Code::snapshot_not_found);
  const Result<FilePtr> file = disk_.open(path_of(id), OpenMode::existing);
  if (!file) co_return error(Code::snapshot_not_found);
  Piece piece;
  piece.size = static_cast<std::int64_t>((*file)->size());
  if (position < 0 || position >= piece.size) co_return error(Code::position_out_of_range);
  const std::uint64_t wanted = std::min(max_bytes, static_cast<std::uint64_t>(piece.size - position));
  Result<Bytes> bytes = co_await (*file)->read(static_cast<std::uint64_t>(position), wanted);
  if (!bytes) co_return pass(bytes.error());
  piece.bytes = std::move(*bytes);
  co_return std::move(piece);
}

Result<bool> MetadataStore::write_piece(raft::OffsetAndEpoch id, std::int64_t position, Bytes bytes) {
  if (position == 0 || incoming_ == nullptr) {
    TRY(incoming_, disk_.open(path_of(id) + ".part", OpenMode::create));
    TRY_VOID(incoming_->truncate(0));
  }
  return incoming_->write(static_cast<std::uint64_t>(position), bytes);
}

Task<Result<bool>> MetadataStore::install_snapshot(raft::OffsetAndEpoch id) {
  const FilePtr file = std::move(incoming_);
  incoming_ = nullptr;
  CHECK(file != nullptr);
  const Result<Bytes> bytes = co_await file->read(0, file->size());
  if (!bytes) co_return pass(bytes.error());
  const Result<std::vector<Bytes>> whole = decode_snapshot(*bytes);
  if (!whole) co_return error(Code::corrupt_message, "the fetched snapshot is not whole");
  Task<Result<bool>> placing = put_in_place(file, path_of(id) + ".part", path_of(id));
  const Result<bool> placed = co_await placing;
  if (!placed) co_return placed;
  const Result<bool> replaced = log_->truncate_fully_and_start_at(id.offset);
  if (!replaced) co_return pass(replaced.error());
  if (snapshots_.empty() || snapshots_.back() != id) snapshots_.push_back(id);
  std::sort(snapshots_.begin(), snapshots_.end());
  const Result<bool> dropped = drop_snapshots_below(id);
  if (!dropped) co_return dropped;
  Task<Result<bool>> flushing = log_->flush();
  co_return co_await flushing;
}

Result<bool> MetadataStore::drop_snapshots_below(raft::OffsetAndEpoch id) {
  while (!snapshots_.empty() && snapshots_.front() < id) {
    TRY_VOID(disk_.remove(path_of(snapshots_.front())));
    snapshots_.erase(snapshots_.begin());
  }
  return true;
}

Result<bool> MetadataStore::clean(WallMs now, Offset high_watermark) {
  const Offset before = log_->start_offset();
  TRY_VOID(log_->apply_retention(now, high_watermark));  // without limits of its own: only files whose delay has passed
  while (!snapshots_.empty()) {
    // The next place where the log could begin: the oldest snapshot above its start.
    const auto next = std::find_if(snapshots_.begin(), snapshots_.end(), [&](const auto& id) { return id.offset > log_->start_offset(); });
    if (next == snapshots_.end()) break;
    const bool too_large = log_->size_bytes() > config_.retention_bytes;
    const Segment& oldest = log_->segments().front();
    const bool too_old = now - oldest.age_timestamp() > config_.retention_ms && oldest.age_timestamp() >= WallMs{0};
    if (!too_large && !too_old) break;
    const raft::OffsetAndEpoch base = *next;
    TRY_VOID(log_->advance_log_start(base.offset, LogStartReason::snapshot, now));
    TRY_VOID(drop_snapshots_below(base));
  }
  return log_->start_offset() != before;
}

}  // namespace harrow
