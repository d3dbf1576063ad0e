#include "core/log/cleaner.h"

#include <algorithm>

#include "core/async/wait.h"
#include "core/base/mutation.h"
#include "core/log/file_reader.h"
#include "core/model/trace_payloads.h"

namespace harrow {
namespace {

constexpr std::string_view cleaned_suffix = ".cleaned";
constexpr std::string_view swap_suffix = ".swap";
constexpr const char* file_kinds[] = {".index", ".timeindex", ".txnindex", ".log"};  // the log last: its name decides

/// Of a closed segment's first batch, if it is known or at hand; else no later than its newest record.
WallMs first_timestamp_of(const Segment& segment) {
  if (segment.first_timestamp().value() >= 0) return segment.first_timestamp();
  Bytes bytes;
  if (segment.size() >= batch_header_bytes && segment.file()->cached(0, batch_header_bytes, bytes))
    if (const auto header = parse_batch_header(bytes)) return header->max_timestamp;
  return segment.max_timestamp();
}

}  // namespace

std::int64_t Cleanable::ratio_millionths() const {
  constexpr std::uint64_t whole = 1'000'000;
  const std::uint64_t all = clean_bytes + dirty_bytes;
  return all == 0 ? 0 : static_cast<std::int64_t>(dirty_bytes * whole / all);
}

bool Cleanable::worthwhile(const LogConfig& config) const {
  if (!config.compacts || dirty_bytes == 0) return false;
  return overdue || ratio_millionths() > config.min_cleanable_ratio_millionths;
}

Cleanable cleanable_part(const Log& log, Offset limit, WallMs now) {
  Cleanable part;
  part.first_dirty = log.cleaned_end();
  const std::vector<Segment>& segments = log.segments();
  const LogConfig& config = log.config();
  Offset end = std::min(limit, log.active_base());
  const WallMs due_before = now - std::min(config.max_compaction_lag_ms, now.value());
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    if (segments[i + 1].base() <= part.first_dirty) continue;
    if (config.min_compaction_lag_ms > 0 && segments[i].max_timestamp() > now - config.min_compaction_lag_ms) end = std::min(end, segments[i].base());
    const WallMs first = first_timestamp_of(segments[i]);
    if (first.value() > 0 && first < due_before) part.overdue = true;
  }
  part.end = part.first_dirty;
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    const Offset segment_end = segments[i + 1].base();
    if (segments[i].base() < part.first_dirty) part.clean_bytes += segments[i].size();
    if (segment_end <= part.first_dirty || segment_end > end) continue;
    part.dirty_bytes += segments[i].size();
    part.end = std::max(part.end, segment_end);
  }
  return part;
}

TransactionsInPass::TransactionsInPass(std::vector<AbortedTransaction> aborted) : waiting_(std::move(aborted)) {
  std::sort(waiting_.begin(), waiting_.end(), [](const AbortedTransaction& a, const AbortedTransaction& b) { return a.first_offset > b.first_offset; });
}

void TransactionsInPass::open_up_to(Offset offset) {
  for (; !waiting_.empty() && waiting_.back().first_offset <= offset; waiting_.pop_back())
    aborted_.try_emplace(waiting_.back().producer_id, Open{waiting_.back(), false});
}

bool TransactionsInPass::data_is_aborted(const BatchHeader& header) {
  open_up_to(header.last_offset());
  if (!header.is_transactional()) return false;
  if (const auto open = aborted_.find(header.producer_id); open != aborted_.end()) {
    open->second.seen = true;
    return true;
  }
  const auto at = std::lower_bound(committed_.begin(), committed_.end(), header.producer_id);
  if (at == committed_.end() || *at != header.producer_id) committed_.insert(at, header.producer_id);
  return false;
}

bool TransactionsInPass::marker_is_free(const BatchHeader& header, std::optional<TransactionMarker> marker) {
  open_up_to(header.last_offset());
  if (header.record_count == 0) return true;
  if (!marker) return false;
  if (marker->commit) {
    const auto at = std::lower_bound(committed_.begin(), committed_.end(), header.producer_id);
    if (at == committed_.end() || *at != header.producer_id) return true;
    committed_.erase(at);
    return false;
  }
  const auto open = aborted_.find(header.producer_id);
  if (open == aborted_.end()) return true;
  const bool free = !open->second.seen;
  if (!free) left_.push_back(open->second.transaction);
  aborted_.erase(open);
  return free;
}

std::vector<AbortedTransaction> TransactionsInPass::take_left() { return std::exchange(left_, {}); }

// ---- The pass

LogCleaner::Source LogCleaner::source_of(std::size_t index) const {
  const Segment& segment = log_.segments_[index];
  return Source{segment.base(), log_.end_of_segment(index), segment.file(), segment.size()};
}

bool LogCleaner::pause_due(std::uint64_t bytes) {
  constexpr std::uint64_t slice_bytes = 256 * 1024;
  bytes_since_pause_ += bytes;
  if (bytes_since_pause_ < slice_bytes) return false;
  bytes_since_pause_ = 0;
  return true;
}

Task<Result<bool>> LogCleaner::pause() {
  constexpr std::uint64_t slice_ms = 4;
  co_await cpu_.spend(Work::background, slice_ms);
  // On a real host spending is having spent: the others get their turn here.
  co_await Sleep(timers_, after_ms(timers_.now(), 1), "pause of compaction");
  co_return !interrupted();
}

Task<Result<LogCleaner::Outcome>> LogCleaner::run() {
  const Cleanable part = cleanable_part(log_, options_.limit, options_.now);
  outcome_.first_dirty = outcome_.cleaned_end = first_dirty_ = map_end_ = part.first_dirty;
  changes_ = log_.changes_;
  if (part.dirty_bytes == 0) {
    outcome_.finished = true;
    co_return outcome_;
  }
  log_.place_.trace.emit(TraceKind::cleaning_began, log_.subject_, part.first_dirty.value(), part.end.value());
  Task<Result<bool>> building = build_map(part.first_dirty, part.end);
  const Result<bool> built = co_await building;
  if (!built) co_return pass(built.error());
  transactions_.emplace(log_.aborted_between(Offset(0), map_end_));
  bool going = *built && !interrupted();
  for (std::size_t index = 0; going && index + 1 < log_.segments_.size() && log_.segments_[index].base() < map_end_; ++index) {
    const std::size_t count = group_size(index);
    Task<Result<bool>> cleaning = clean_group(index, count);
    const Result<bool> cleaned = co_await cleaning;
    if (!cleaned) co_return pass(cleaned.error());
    going = *cleaned;
  }
  if (going && log_.folder_synced_ != log_.folder_changes_) {
    const std::uint32_t names = log_.folder_changes_;
    const Result<bool> named = co_await log_.place_.disk.sync_dir(log_.folder_);
    if (!named && !log_.closed_) co_return log_.broken(named.error());
    if (named) log_.folder_synced_ = std::max(log_.folder_synced_, names);
    going = !interrupted();
  }
  if (going) {
    outcome_.finished = true;
    outcome_.cleaned_end = map_end_;
    log_.cleaned_end_ = std::max(log_.cleaned_end_, map_end_);
  }
  log_.place_.trace.emit(going ? TraceKind::log_cleaned : TraceKind::cleaning_interrupted, log_.subject_, first_dirty_.value(), map_end_.value());
  co_return outcome_;
}

Task<Result<bool>> LogCleaner::build_map(Offset first_dirty, Offset end) {
  transactions_.emplace(log_.aborted_between(first_dirty, end));
  std::vector<Source> dirty;
  for (std::size_t index = log_.segment_index_of(first_dirty); index < log_.segments_.size() && log_.segments_[index].base() < end; ++index) {
    dirty.push_back(source_of(index));
    dirty.back().from = log_.segments_[index].floor_position(first_dirty);
  }
  for (const Source& source : dirty) {
    FileReader reader(source.file, source.from, source.size);
    while (true) {
      const Result<FileReader::Found> found = co_await reader.look(true);
      if (interrupted()) co_return false;
      if (!found) co_return log_.broken(found.error());
      if (*found == FileReader::Found::end) break;
      if (*found == FileReader::Found::bad) co_return error(Code::corrupt_message, "a batch to be compacted is damaged");
      // Batches go in whole, and the first one whatever its size: a pass always comes further.
      if (map_.full()) co_return true;
      if (reader.header().end_offset() > first_dirty) {
        if (const auto added = add_to_map(reader.batch(), reader.header(), first_dirty); !added) co_return pass(added.error());
        map_end_ = reader.header().end_offset();
      }
      if (pause_due(reader.header().size_bytes())) {
        Task<Result<bool>> pausing = pause();
        const Result<bool> going = co_await pausing;
        if (!*going) co_return going;
      }
      reader.advance();
    }
    map_end_ = std::max(map_end_, source.end);  // a gap at its end holds no key
  }
  co_return true;
}

Result<bool> LogCleaner::add_to_map(const Bytes& batch, const BatchHeader& header, Offset first_dirty) {
  if (header.is_control()) {
    transactions_->marker_is_free(header, marker_of(batch));
    return true;
  }
  if (transactions_->data_is_aborted(header)) return true;
  TRY(RecordReader reader, RecordReader::open(batch));
  Record record;
  while (reader.next(record))
    if (record.key && record.offset >= first_dirty) map_.put(*record.key, record.offset);
  if (reader.failed()) return error(Code::corrupt_message, "records to be compacted are damaged");
  return true;
}

std::size_t LogCleaner::group_size(std::size_t index) const {
  const LogConfig& config = log_.config();
  const auto offset_bytes = [](const Segment& one) { return static_cast<std::int64_t>(one.offset_index().entries().size() * offset_entry_bytes); };
  const auto time_bytes = [](const Segment& one) { return static_cast<std::int64_t>(one.time_index().entries().size() * time_entry_bytes); };
  const Segment& first = log_.segments_[index];
  std::int64_t bytes = static_cast<std::int64_t>(first.size());
  std::int64_t offsets = offset_bytes(first), times = time_bytes(first);
  std::size_t count = 1;
  for (std::size_t next = index + 1; next + 1 < log_.segments_.size(); ++next, ++count) {
    const Segment& segment = log_.segments_[next];
    if (segment.base() >= map_end_) break;
    bytes += static_cast<std::int64_t>(segment.size());
    offsets += offset_bytes(segment);
    times += time_bytes(segment);
    if (bytes > config.segment_bytes || offsets > config.segment_index_bytes || times > config.segment_index_bytes) break;
    if (log_.end_of_segment(next) - 1 - first.base() > INT32_MAX) break;
  }
  return count;
}

Task<Result<bool>> LogCleaner::clean_group(std::size_t index, std::size_t count) {
  std::vector<Source> sources;
  for (std::size_t i = 0; i < count; ++i) sources.push_back(source_of(index + i));
  const std::string path = log_.folder_ + "/" + segment_file_name(sources.front().base, ".log").append(cleaned_suffix);
  const Result<FilePtr> file = log_.place_.disk.open(path, OpenMode::create);
  if (!file) co_return log_.broken(file.error());
  ++log_.folder_changes_;
  if (const auto emptied = (*file)->truncate(0); !emptied) co_return log_.broken(emptied.error());
  output_.emplace(Output{Segment(sources.front().base, *file, 0), {}, {}, {}, log_.place_.trace.wants(TraceKind::segments_cleaned), count > 1});
  Output& output = *output_;
  for (std::size_t i = 0; i < count; ++i) {
    Task<Result<bool>> copying = copy(sources[i], i + 1 == count);
    const Result<bool> copied = co_await copying;
    if (!copied || !*copied || interrupted()) {
      if (const auto gone = forget(cleaned_suffix); !gone) co_return pass(gone.error());
      if (!copied) co_return pass(copied.error());
      co_return false;
    }
  }
  outcome_.bytes_after += output.segment.size();
  output.aborted = transactions_->take_left();
  if (!output.changed || output.segment.size() == 0) {
    if (const auto gone = forget(cleaned_suffix); !gone) co_return pass(gone.error());
    co_return true;
  }
  Task<Result<bool>> syncing = make_durable();
  const Result<bool> durable = co_await syncing;
  if (!durable || !*durable) co_return durable;
  if (const auto swapped = swap_in(index, count); !swapped) co_return pass(swapped.error());
  changes_ = log_.changes_;
  co_return true;
}

Task<Result<bool>> LogCleaner::copy(Source source, bool last_of_group) {
  Output& output = *output_;
  FileReader reader(source.file, source.from, source.size);
  outcome_.bytes_before += source.size;
  while (true) {
    const Result<FileReader::Found> found = co_await reader.look(true);
    if (interrupted()) co_return false;
    if (!found) co_return log_.broken(found.error());
    if (*found == FileReader::Found::end) co_return true;
    if (*found == FileReader::Found::bad) co_return error(Code::corrupt_message, "a batch to be compacted is damaged");
    const bool last = last_of_group && reader.position() + reader.header().size_bytes() == source.size;
    Result<Filtered> filtered = filter(reader.batch(), reader.header(), last);
    if (!filtered) co_return pass(filtered.error());
    output.changed = output.changed || filtered->changed;
    if (!filtered->batch.empty()) {
      const std::uint64_t position = output.segment.size();
      // The page cache keeps slices: a piece of the whole chunk would keep all of that.
      Bytes stored = filtered->changed ? filtered->batch : Bytes::copy_of(filtered->batch.flat().span());
      if (const auto written = output.segment.write(stored); !written) co_return log_.broken(written.error());
      const Result<BatchHeader> header = parse_batch_header(stored);
      CHECK(header);
      output.segment.note_scanned(log_.config(), *header, position);
      if (output.keeps_batches) output.batches.push_back(std::move(stored));
    }
    if (pause_due(reader.header().size_bytes())) {
      Task<Result<bool>> pausing = pause();
      const Result<bool> going = co_await pausing;
      if (!*going) co_return going;
    }
    reader.advance();
  }
}

bool LogCleaner::last_of_its_producer(const BatchHeader& header) const {
  if (!header.has_producer()) return false;
  const ProducerEntry* const producer = log_.producers_.find(header.producer_id);
  if (producer == nullptr) return false;
  if (mutated(Bug::K06)) return false;
  if (const ProducerBatch* const last = producer->last()) return header.last_offset() == last->last_offset;
  // Only a marker is known of it: its epoch fences.
  return header.is_control() && header.producer_epoch.value() == producer->epoch;
}

Result<LogCleaner::Filtered> LogCleaner::filter(const Bytes& batch, const BatchHeader& header, bool last_of_group) {
  const bool free = header.is_control() ? transactions_->marker_is_free(header, marker_of(batch)) : transactions_->data_is_aborted(header);
  if (header.base_offset >= map_end_) return Filtered{batch};
  const std::optional<WallMs> horizon = delete_horizon_of(header);
  const bool horizon_passed = horizon && *horizon <= options_.now;
  const bool discards = free && (!header.is_control() || horizon_passed);
  const bool stays_empty = last_of_group || last_of_its_producer(header);
  if (discards && !stays_empty) return Filtered{Bytes(), true};
  std::vector<Record> kept;
  bool tombstones = false;
  TRY(RecordReader reader, RecordReader::open(batch));
  Record record;
  while (reader.next(record)) {
    if (discards) continue;
    if (!header.is_control()) {
      if (!record.key) continue;
      if (record.offset < map_.find(*record.key)) continue;
      if (!record.value && horizon_passed) continue;
    }
    tombstones = tombstones || !record.value;
    kept.push_back(record);
  }
  if (reader.failed()) return error(Code::corrupt_message, "records to be compacted are damaged");
  if (kept.empty()) {
    if (!stays_empty) return Filtered{Bytes(), true};
    if (header.record_count == 0) return Filtered{batch};
    return Filtered{without_records(header), true};
  }
  const bool begins_horizon = !horizon && (tombstones || (free && header.is_control()));
  if (!begins_horizon && static_cast<std::int32_t>(kept.size()) == header.record_count) return Filtered{batch};
  WallMs new_horizon = horizon.value_or(WallMs(-1));
  // From now on, when the record can be the last word on its key for the first time; its own time says nothing of that.
  if (begins_horizon) new_horizon = (mutated(Bug::K01) ? kept.front().timestamp : options_.now) + log_.config().delete_retention_ms;
  return Filtered{with_records(header, kept, new_horizon), true};
}

Result<bool> LogCleaner::write_side_files() {
  Output& output = *output_;
  output.segment.close_scanned();
  const std::string stem = log_.folder_ + "/" + segment_file_name(output.segment.base(), "");
  const auto make = [&](const char* kind, const Bytes& bytes) -> Result<FilePtr> {
    TRY(const FilePtr file, log_.place_.disk.open(stem + kind + std::string(cleaned_suffix), OpenMode::create));
    TRY_VOID(file->truncate(0));
    if (!bytes.empty()) TRY_VOID(file->write(0, bytes));
    output.files.push_back(file);
    return file;
  };
  TRY_VOID(make(".index", output.segment.offset_index().encode()));
  TRY_VOID(make(".timeindex", output.segment.time_index().encode()));
  if (output.aborted.empty()) return true;
  Bytes entries;
  for (const AbortedTransaction& entry : output.aborted) entries.append(encode_aborted(entry));
  TRY(const FilePtr file, make(".txnindex", entries));
  output.segment.set_txn_file(file);
  return true;
}

// Contents first, then the names that say that the contents are whole, then the old names may go.
Task<Result<bool>> LogCleaner::make_durable() {
  if (const auto written = write_side_files(); !written) co_return log_.broken(written.error());
  Disk& disk = log_.place_.disk;
  Output& output = *output_;
  const std::string stem = log_.folder_ + "/" + segment_file_name(output.segment.base(), "");
  output.files.push_back(output.segment.file());
  for (const FilePtr& file : output.files) {
    const Result<bool> synced = co_await file->sync();
    if (!synced) co_return log_.broken(synced.error());
    if (!interrupted()) continue;
    if (const auto gone = forget(cleaned_suffix); !gone) co_return pass(gone.error());
    co_return false;
  }
  for (const char* const kind : file_kinds) {
    const std::string path = stem + kind;
    if (!disk.exists(path + std::string(cleaned_suffix))) continue;
    if (const auto renamed = disk.rename(path + std::string(cleaned_suffix), path + std::string(swap_suffix)); !renamed) co_return log_.broken(renamed.error());
  }
  const std::uint32_t names = ++log_.folder_changes_;
  const Result<bool> named = co_await disk.sync_dir(log_.folder_);
  if (!named && !log_.closed_) co_return log_.broken(named.error());
  if (named) log_.folder_synced_ = std::max(log_.folder_synced_, names);
  if (interrupted()) {
    if (const auto gone = forget(swap_suffix); !gone) co_return pass(gone.error());
    co_return false;
  }
  co_return true;
}

// One act. Whatever part of it a crash leaves, a load can tell: while there is a `.swap` log file it replaces what it
// covers; without it, segments that lie within the one before are left over.
Result<bool> LogCleaner::swap_in(std::size_t index, std::size_t count) {
  Output& output = *output_;
  Disk& disk = log_.place_.disk;
  const Offset base = output.segment.base();
  const Offset end = log_.end_of_segment(index + count - 1);
  const auto path_of = [this](Offset of, std::string_view kind) { return log_.folder_ + "/" + segment_file_name(of, kind); };
  output.segment.take_age_of(log_.segments_[index + count - 1]);
  for (std::size_t i = index + 1; i < index + count; ++i) {
    const Offset gone = log_.segments_[i].base();
    for (const char* const kind : file_kinds)
      if (const auto removed = disk.remove(path_of(gone, kind)); !removed) return log_.broken(removed.error());
    const auto snapshot = std::find_if(log_.snapshots_.begin(), log_.snapshots_.end(), [&](const Log::Snapshot& one) { return one.offset == gone; });
    if (snapshot == log_.snapshots_.end()) continue;
    if (const auto removed = disk.remove(path_of(gone, ".snapshot")); !removed) return log_.broken(removed.error());
    log_.snapshots_.erase(snapshot);
  }
  for (const char* const kind : file_kinds) {
    const std::string path = path_of(base, kind);
    const std::string swap = path + std::string(swap_suffix);
    const auto done = disk.exists(swap) ? disk.rename(swap, path) : disk.remove(path);
    if (!done) return log_.broken(done.error());
  }
  output.segment.synced_size = output.segment.size();
  output.segment.indexes_synced = true;
  std::erase_if(log_.aborted_, [&](const AbortedTransaction& entry) { return entry.last_offset >= base && entry.last_offset < end; });
  const auto at = std::find_if(log_.aborted_.begin(), log_.aborted_.end(), [&](const AbortedTransaction& entry) { return entry.last_offset >= end; });
  log_.aborted_.insert(at, output.aborted.begin(), output.aborted.end());
  const auto first = log_.segments_.begin() + static_cast<std::ptrdiff_t>(index);
  *first = std::move(output.segment);
  log_.segments_.erase(first + 1, first + static_cast<std::ptrdiff_t>(count));
  ++log_.changes_;
  ++log_.folder_changes_;
  const CleanNote note{log_.place_.name.topic, log_.place_.name.partition, log_.place_.topic_id,  base, end, first_dirty_, map_end_, options_.now,
                       log_.config().delete_retention_ms, &output.batches};
  log_.place_.trace.emit(TraceKind::segments_cleaned, log_.subject_, base.value(), end.value(), &note);
  return true;
}

Result<bool> LogCleaner::forget(std::string_view suffix) {
  if (log_.closed_ || log_.failed_) return true;  // the folder may have another name, or be gone
  for (const char* const kind : file_kinds) {
    const std::string path = log_.folder_ + "/" + segment_file_name(output_->segment.base(), kind).append(suffix);
    if (const auto removed = log_.place_.disk.remove(path); !removed) return log_.broken(removed.error());
  }
  ++log_.folder_changes_;
  return true;
}

}  // namespace harrow
