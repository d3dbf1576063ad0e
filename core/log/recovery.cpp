#include "core/log/recovery.h"

#include <algorithm>
#include <optional>

#include "core/base/mutation.h"
#include "core/log/file_reader.h"
#include "core/log/log_walk.h"
#include "core/model/trace_payloads.h"

namespace harrow {
namespace {
constexpr std::string_view deleted_suffix = ".deleted";
bool ends_with(std::string_view name, std::string_view end) {
  return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
}
}  // namespace

Task<Result<std::unique_ptr<Log>>> Log::load(Place place, LoadOptions options) {
  std::unique_ptr<Log> log(new Log(std::move(place)));
  LogRecovery recovery(*log, options);
  const Result<bool> done = co_await recovery.run();
  if (!done) co_return pass(done.error());
  co_return std::move(log);
}

Task<Result<bool>> LogRecovery::run() {
  const Result<bool> swapped = co_await finish_swaps();
  if (!swapped) co_return pass(swapped.error());
  if (const auto found = find_files(); !found) co_return pass(found.error());
  const Result<bool> epochs = co_await read_epochs();
  if (!epochs) co_return pass(epochs.error());
  const Result<bool> first_epochs = co_await read_first_epochs();
  if (!first_epochs) co_return pass(first_epochs.error());
  for (std::size_t index = 0; index < log_.segments_.size() && !cut_; ++index) {
    const Result<bool> loaded = co_await load_segment(index);
    if (!loaded) co_return pass(loaded.error());
  }
  log_.end_ = next_;
  const Result<bool> aborted = co_await read_txn_indexes();
  if (!aborted) co_return pass(aborted.error());
  if (const auto settled = settle(); !settled) co_return pass(settled.error());
  const Result<bool> producers = co_await read_producers();
  if (!producers) co_return pass(producers.error());
  const LogNote note{log_.place_.name.topic, log_.place_.name.partition, options_.clean, options_.recovery_point, log_.place_.topic_id};
  log_.place_.trace.emit(TraceKind::log_loaded, log_.subject_, log_.start_.value(), log_.end_.value(), &note);
  co_return true;
}

// A compaction that a crash interrupted. Under `.cleaned` a new segment is none; the `.swap` name of its log file says that it
// is whole and durable, and then the old ones are none.
Task<Result<bool>> LogRecovery::finish_swaps() {
  Disk& disk = log_.place_.disk;
  const Result<std::vector<std::string>> names = disk.list(log_.folder_);
  if (!names) co_return pass(names.error());
  Offset least_cleaned(INT64_MAX);
  Offset deleted_up_to = no_offset;
  std::vector<std::pair<Offset, std::string>> swaps;  // base and kind
  for (const std::string& name : *names) {
    if (const auto base = segment_offset_of(name, ".log.deleted")) deleted_up_to = std::max(deleted_up_to, *base);
    for (const char* const kind : {".log", ".index", ".timeindex", ".txnindex"}) {
      if (const auto base = segment_offset_of(name, std::string(kind) + ".cleaned")) least_cleaned = std::min(least_cleaned, *base);
      if (const auto base = segment_offset_of(name, std::string(kind) + ".swap")) swaps.emplace_back(*base, kind);
    }
  }
  // A deletion at the log's beginning stops the compaction of what it deletes: then the swap was taken back, and that was lost.
  const auto valid = [&](Offset base) { return base < least_cleaned && base > deleted_up_to; };
  for (const auto& [base, kind] : swaps) {
    if (kind != ".log" || !valid(base)) continue;
    const Result<bool> finished = co_await finish_swap(base);
    if (!finished) co_return pass(finished.error());
  }
  // What is left belongs to no log file of its name: either the log file has its final name already, and then the indexes
  // are made anew from it, or it never got this far.
  for (const auto& [base, kind] : swaps) {
    const std::string path = log_.folder_ + "/" + segment_file_name(base, kind);
    if (!disk.exists(path + ".swap")) continue;
    const bool index = kind == ".index" || kind == ".timeindex";
    if (index && valid(base)) {
      if (const auto gone = disk.remove(path); !gone) co_return pass(gone.error());
    }
    const bool named = kind == ".txnindex" && valid(base);  // it cannot be made anew
    if (const auto done = named ? disk.rename(path + ".swap", path) : disk.remove(path + ".swap"); !done) co_return pass(done.error());
    ++log_.folder_changes_;
  }
  co_return true;
}

Task<Result<bool>> LogRecovery::finish_swap(Offset base) {
  Disk& disk = log_.place_.disk;
  const std::string stem = log_.folder_ + "/" + segment_file_name(base, "");
  const Result<FilePtr> file = disk.open(stem + ".log.swap", OpenMode::existing);
  if (!file) co_return pass(file.error());
  FileReader reader(*file, 0, (*file)->size());
  Offset end = base;
  while (true) {
    const Result<FileReader::Found> found = co_await reader.look(true);
    if (!found) co_return pass(found.error());
    // A device that lied: then the old segments are the log.
    if (*found == FileReader::Found::bad || (*found == FileReader::Found::end && end == base)) co_return true;
    if (*found == FileReader::Found::end) break;
    end = reader.header().end_offset();
    reader.advance();
  }
  const Result<std::vector<std::string>> names = disk.list(log_.folder_);
  if (!names) co_return pass(names.error());
  for (const std::string& name : *names)
    for (const char* const kind : {".log", ".index", ".timeindex", ".txnindex", ".snapshot"}) {
      const auto old = segment_offset_of(name, kind);
      if (!old || *old < base || *old >= end || (*old == base && std::string_view(kind) == ".snapshot")) continue;
      if (*old == base && std::string_view(kind) == ".log") continue;  // replaced in one step below
      if (const auto gone = disk.remove(log_.folder_ + "/" + name); !gone) co_return pass(gone.error());
    }
  for (const char* const kind : {".index", ".timeindex", ".txnindex", ".log"}) {
    if (!disk.exists(stem + kind + ".swap")) continue;
    if (const auto renamed = disk.rename(stem + kind + ".swap", stem + kind); !renamed) co_return pass(renamed.error());
  }
  ++log_.folder_changes_;
  log_.place_.trace.emit(TraceKind::swap_finished, log_.subject_, base.value(), end.value());
  co_return true;
}

// Names first: what died or was in the making goes, the rest is sorted by offset.
Result<bool> LogRecovery::find_files() {
  Disk& disk = log_.place_.disk;
  TRY(const std::vector<std::string> names, disk.list(log_.folder_));
  std::vector<Offset> bases;
  std::vector<std::string> deleted;
  Offset deleted_up_to = no_offset;  // base of the newest segment that was on its way out
  for (const std::string& name : names) {
    if (ends_with(name, deleted_suffix)) {
      deleted.push_back(log_.folder_ + "/" + name);
      const std::string_view before = std::string_view(name).substr(0, name.size() - deleted_suffix.size());
      for (const std::string_view suffix : {".log", ".index", ".timeindex", ".txnindex"})
        if (const auto base = segment_offset_of(before, suffix)) deleted_up_to = std::max(deleted_up_to, *base);
    } else if (ends_with(name, ".cleaned") || ends_with(name, ".tmp")) {
      TRY_VOID(disk.remove(log_.folder_ + "/" + name));
      ++log_.folder_changes_;
    } else if (const auto base = segment_offset_of(name, ".log")) {
      bases.push_back(*base);
    } else if (const auto offset = segment_offset_of(name, ".snapshot")) {
      log_.snapshots_.push_back(Log::Snapshot{*offset, nullptr});
    }
  }
  // Retention renames from the oldest on. Where a power loss took some of the new names back, what is left of the deleted
  // part is no log any more: seen as one with holes, it would cost everything behind them.
  bool remains = false;
  if (!bases.empty() && bases.back() > deleted_up_to) {
    for (; bases.front() <= deleted_up_to; bases.erase(bases.begin())) {
      TRY_VOID(disk.remove(log_.folder_ + "/" + segment_file_name(bases.front(), ".log")));
      remains = true;
      ++log_.folder_changes_;
    }
    while (remains && !log_.snapshots_.empty() && log_.snapshots_.front().offset <= deleted_up_to) {
      TRY_VOID(disk.remove(log_.folder_ + "/" + segment_file_name(log_.snapshots_.front().offset, ".snapshot")));
      log_.snapshots_.erase(log_.snapshots_.begin());
    }
  }
  // The new names tell what is deleted until that is durable.
  if (remains) {
    log_.dying_.push_back({std::move(deleted), options_.now, log_.folder_changes_});
  } else {
    for (const std::string& path : deleted) {
      TRY_VOID(disk.remove(path));
      ++log_.folder_changes_;
    }
  }
  for (const std::string& name : names)
    for (const std::string_view suffix : {".index", ".timeindex", ".txnindex"})
      if (const auto base = segment_offset_of(name, suffix); base && !std::binary_search(bases.begin(), bases.end(), *base)) {
        TRY_VOID(disk.remove(log_.folder_ + "/" + name));
        ++log_.folder_changes_;
      }
  for (const Offset base : bases) {
    TRY(const FilePtr file, disk.open(log_.folder_ + "/" + segment_file_name(base, ".log"), OpenMode::existing));
    log_.segments_.emplace_back(base, file, file->size());
  }
  if (bases.empty()) {
    TRY_VOID(log_.create_segment(options_.log_start));
  }
  // Below a recovery point the first flush has named the folder.
  log_.folder_named_ = options_.clean || options_.recovery_point > Offset(0);
  next_ = log_.segments_.front().base();
  return true;
}

Task<Result<bool>> LogRecovery::read_epochs() {
  const Result<FilePtr> file = log_.place_.disk.open(log_.folder_ + "/leader-epoch-checkpoint", OpenMode::existing);
  if (!file) {
    if (file.error().code != Code::not_found) co_return pass(file.error());
    epochs_missing_ = log_.size_bytes() > 0;
    co_return true;
  }
  const Result<Bytes> text = co_await (*file)->read(0, (*file)->size());
  if (!text) co_return pass(text.error());
  Result<EpochCache> epochs = EpochCache::parse(text->to_string());
  if (epochs) log_.epochs_ = std::move(*epochs);
  else epochs_missing_ = epochs_changed_ = true;
  co_return true;
}

// Where a power loss undid a deletion at the log's beginning, but not the checkpoint that was written with it, the epochs of
// what came back are missing: they are read from its batches.
Task<Result<bool>> LogRecovery::read_first_epochs() {
  const Offset from = std::max(log_.segments_.front().base(), options_.log_start);
  const std::vector<EpochStart> known = log_.epochs_.entries();
  if (known.empty() || known.front().start <= from) co_return true;
  EpochCache whole;
  for (std::size_t index = 0; index < log_.segments_.size() && log_.segments_[index].base() < known.front().start; ++index) {
    FileReader reader(log_.segments_[index].file(), 0, log_.segments_[index].size());
    while (true) {
      const Result<FileReader::Found> found = co_await reader.look(false);
      if (!found) co_return pass(found.error());
      if (*found != FileReader::Found::batch || reader.header().base_offset >= known.front().start) break;
      if (reader.header().end_offset() > from && reader.header().leader_epoch > whole.latest())
        whole.assign(reader.header().leader_epoch, std::max(reader.header().base_offset, from));
      reader.advance();
    }
  }
  if (whole.entries().empty()) co_return true;
  for (const EpochStart& entry : known)
    if (entry.epoch > whole.latest()) whole.assign(entry.epoch, entry.start);
  log_.epochs_ = std::move(whole);
  epochs_changed_ = true;
  co_return true;
}

void LogRecovery::note_epoch(const BatchHeader& header) {
  if (mutated(Bug::L06) && header.leader_epoch == LeaderEpoch(0)) return;
  if (header.leader_epoch > log_.epochs_.latest() && log_.epochs_.assign(header.leader_epoch, header.base_offset)) epochs_changed_ = true;
}

Task<Result<bool>> LogRecovery::load_segment(std::size_t index) {
  const bool last = index + 1 == log_.segments_.size();
  Offset upper = last ? Offset(INT64_MAX) : log_.segments_[index + 1].base();
  const Offset before = next_;
  log_.segments_[index].sealed = !last;
  log_.segments_[index].set_append_time(options_.now);
  const bool doubted = !options_.clean && (last || upper > options_.recovery_point);
  // All behind it is read as well: what is known of later epochs comes back from the batches.
  if (doubted && log_.epochs_.truncate_from_end(log_.segments_[index].base())) epochs_changed_ = true;
  bool scan = doubted;
  if (!scan) {
    const Result<bool> believed = co_await read_indexes(index);
    if (!believed) co_return pass(believed.error());
    scan = !*believed;
  }
  // A cut that was under way may have taken pieces of the log below an older checkpoint: what follows a hole goes, too.
  if (!scan && (last || !options_.clean)) {
    const Result<bool> whole = co_await read_tail(index);
    if (!whole) co_return pass(whole.error());
    if (*whole && !last && next_ > upper) {
      const Result<bool> dropped = drop_swallowed(index);
      if (!dropped) co_return pass(dropped.error());
      if (*dropped) upper = index + 1 == log_.segments_.size() ? Offset(INT64_MAX) : log_.segments_[index + 1].base();
    }
    scan = !*whole || (!last && (next_ > upper || (next_ < upper && !may_end_early(log_.segments_[index].base()))));
  }
  if (scan) {
    next_ = before;
    const Result<bool> scanned = co_await scan_segment(index);
    co_return scanned;
  }
  if (epochs_missing_) {
    const Result<bool> found = co_await read_epochs_of(index);
    if (!found) co_return pass(found.error());
  }
  Segment& segment = log_.segments_[index];
  segment.synced_size = segment.size();
  segment.indexes_synced = true;
  if (!last) next_ = upper;
  co_return true;
}

Result<bool> LogRecovery::drop_swallowed(std::size_t index) {
  std::size_t to = index + 1;
  while (to < log_.segments_.size() && log_.segments_[to].base() < next_) {
    const Offset end = to + 1 < log_.segments_.size() ? log_.segments_[to + 1].base() : Offset(INT64_MAX);
    // Only what is below the recovery point was ever compacted; a segment that nothing was appended to is a cut's.
    if (end > next_ || next_ > options_.recovery_point || log_.segments_[to].size() == 0) return false;
    ++to;
  }
  for (std::size_t gone = index + 1; gone < to; ++gone) {
    const Offset base = log_.segments_[gone].base();
    for (const char* const kind : {".log", ".index", ".timeindex", ".txnindex"})
      TRY_VOID(log_.place_.disk.remove(log_.folder_ + "/" + segment_file_name(base, kind)));
  }
  log_.segments_.erase(log_.segments_.begin() + static_cast<std::ptrdiff_t>(index) + 1, log_.segments_.begin() + static_cast<std::ptrdiff_t>(to));
  ++log_.folder_changes_;
  return true;
}

Task<Result<bool>> LogRecovery::read_indexes(std::size_t index) {
  const std::string folder = log_.folder_ + "/";
  const Offset base = log_.segments_[index].base();
  const std::uint64_t size = log_.segments_[index].size();
  if (size == 0) co_return true;
  const Result<FilePtr> offsets_file = log_.place_.disk.open(folder + segment_file_name(base, ".index"), OpenMode::existing);
  const Result<FilePtr> times_file = log_.place_.disk.open(folder + segment_file_name(base, ".timeindex"), OpenMode::existing);
  if (!offsets_file || !times_file) co_return false;
  const Result<Bytes> offsets_bytes = co_await (*offsets_file)->read(0, (*offsets_file)->size());
  if (!offsets_bytes) co_return pass(offsets_bytes.error());
  const Result<Bytes> times_bytes = co_await (*times_file)->read(0, (*times_file)->size());
  if (!times_bytes) co_return pass(times_bytes.error());
  OffsetIndex offsets;
  TimeIndex times;
  if (!OffsetIndex::decode(*offsets_bytes, size, offsets) || !TimeIndex::decode(*times_bytes, times)) co_return false;
  log_.segments_[index].adopt_indexes(std::move(offsets), std::move(times));
  co_return true;
}

Task<Result<bool>> LogRecovery::read_tail(std::size_t index) {
  const std::uint64_t from = log_.segments_[index].tail_position(Offset(INT64_MAX));
  next_ = log_.segments_[index].base();
  log_.segments_[index].reset_tail();
  FileReader reader(log_.segments_[index].file(), 0, log_.segments_[index].size());
  // The first batch tells since when the segment is filled.
  const Result<FileReader::Found> first = co_await reader.look(false);
  if (!first) co_return pass(first.error());
  if (*first == FileReader::Found::end) co_return true;
  if (*first == FileReader::Found::bad) co_return false;
  log_.segments_[index].set_first_timestamp(reader.header().max_timestamp);
  FileReader tail(log_.segments_[index].file(), from, log_.segments_[index].size());
  while (true) {
    const Result<FileReader::Found> found = co_await tail.look(false);
    if (!found) co_return pass(found.error());
    if (*found == FileReader::Found::end) co_return true;
    if (*found == FileReader::Found::bad || tail.header().base_offset < next_) co_return false;
    log_.segments_[index].note_tail(tail.header(), tail.position());
    next_ = tail.header().end_offset();
    tail.advance();
  }
}

Task<Result<bool>> LogRecovery::read_epochs_of(std::size_t index) {
  FileReader reader(log_.segments_[index].file(), 0, log_.segments_[index].size());
  while (true) {
    const Result<FileReader::Found> found = co_await reader.look(false);
    if (!found) co_return pass(found.error());
    if (*found != FileReader::Found::batch) co_return true;
    note_epoch(reader.header());
    reader.advance();
  }
}

Task<Result<bool>> LogRecovery::scan_segment(std::size_t index) {
  const bool last = index + 1 == log_.segments_.size();
  const Offset upper = last ? Offset(INT64_MAX) : log_.segments_[index + 1].base();
  const Offset base = log_.segments_[index].base();
  const std::uint64_t size = log_.segments_[index].size();
  if (scanned_from_ == no_offset) scanned_from_ = base;
  const Offset first = std::max(next_, base);
  const bool doubted = !options_.clean && upper > options_.recovery_point;
  bool bad = false;
  bool outlived = false;  // the rest was cut off before the next segment began, but the cut was lost
  std::uint64_t valid = 0;
  std::uint64_t damaged_from = size;
  for (bool again = true; again;) {
    again = bad = outlived = false;
    next_ = first;
    log_.segments_[index].adopt_indexes(OffsetIndex(), TimeIndex());
    // Offsets jump where compaction has been, and a follower copies what it left. But no CRC covers an offset: a jump is damage
    // if what follows does not go on from there, or if nothing follows and the log is not known to be compacted.
    std::optional<std::uint64_t> jump;  // where the batch before begins, if its offset jumped
    FileReader reader(log_.segments_[index].file(), 0, size);
    while (true) {
      const Result<FileReader::Found> found = co_await reader.look(true);
      if (!found) co_return pass(found.error());
      const bool ends = *found == FileReader::Found::end;
      outlived = !ends && next_ == upper;
      if (outlived) break;
      const bool back = *found == FileReader::Found::batch && reader.header().base_offset < next_;
      bad = !ends && (*found == FileReader::Found::bad || back || reader.position() >= damaged_from ||
                      (doubted && reader.header().leader_epoch < log_.epochs_.latest()) || reader.header().end_offset() > upper ||
                      reader.header().last_offset() - base > INT32_MAX);
      if (ends || bad) {
        again = jump && (back || (!compacts_ && next_ != upper));
        break;
      }
      if (jump) compacts_ = true;
      jump.reset();
      if (doubted && reader.header().base_offset > next_) jump = reader.position();
      log_.segments_[index].note_scanned(log_.config(), reader.header(), reader.position());
      note_epoch(reader.header());
      saw_producer_ = saw_producer_ || reader.header().has_producer();
      next_ = reader.header().end_offset();
      reader.advance();
    }
    valid = reader.position();
    if (again) {
      damaged_from = *jump;
      if (log_.epochs_.truncate_from_end(log_.segments_[index].base())) epochs_changed_ = true;
    }
  }
  // A segment that ends early lost its tail, even if it ends with a whole batch.
  const bool hole = !bad && !last && next_ < upper && !options_.clean && (doubted || !may_end_early(base));
  if (bad && next_ < options_.recovery_point)
    co_return error(Code::corrupt_message, "records below the recovery point are damaged");
  Segment& segment = log_.segments_[index];
  if (outlived) {
    if (const auto done = segment.truncate(valid, upper); !done) co_return pass(done.error());
  }
  if (bad || hole) {
    log_.place_.trace.emit(TraceKind::torn_tail_cut, log_.subject_, next_.value(), static_cast<std::int64_t>(size - valid));
    if (const auto done = segment.truncate(valid, Offset(INT64_MAX)); !done) co_return pass(done.error());
    segment.sealed = false;
    cut_ = true;
    if (const auto done = log_.drop_segments(index + 1, log_.segments_.size(), WallMs(-1)); !done) co_return pass(done.error());
  }
  Segment& scanned = log_.segments_[index];
  const bool open = index + 1 == log_.segments_.size();
  if (!open && scanned.max_timestamp().value() >= 0) {
    if (const auto done = scanned.seal(log_.place_.disk, log_.folder_); !done) co_return pass(done.error());
  }
  if (const auto done = scanned.write_indexes(log_.place_.disk, log_.folder_, log_.config(), open); !done) co_return pass(done.error());
  ++log_.folder_changes_;
  co_return true;
}

Task<Result<bool>> LogRecovery::read_txn_indexes() {
  for (std::size_t index = 0; index < log_.segments_.size(); ++index) {
    const std::string path = log_.folder_ + "/" + segment_file_name(log_.segments_[index].base(), ".txnindex");
    if (!log_.place_.disk.exists(path)) continue;
    const Result<FilePtr> file = log_.place_.disk.open(path, OpenMode::existing);
    if (!file) co_return pass(file.error());
    const Result<Bytes> bytes = co_await (*file)->read(0, (*file)->size());
    if (!bytes) co_return pass(bytes.error());
    const std::uint64_t whole = bytes->size() / aborted_entry_bytes * aborted_entry_bytes;
    std::vector<AbortedTransaction> entries = decode_aborted(bytes->sub(0, whole)).value_or(std::vector<AbortedTransaction>());
    std::erase_if(entries, [this](const AbortedTransaction& entry) { return entry.last_offset >= log_.end_; });
    if (const auto cut = (*file)->truncate(entries.size() * aborted_entry_bytes); !cut) co_return pass(cut.error());
    log_.aborted_.insert(log_.aborted_.end(), entries.begin(), entries.end());
    log_.segments_[index].set_txn_file(*file);
  }
  co_return true;
}

// Log start, epochs and recovery point agree with what was found.
Result<bool> LogRecovery::settle() {
  log_.start_ = std::max(options_.log_start, log_.segments_.front().base());
  log_.durable_end_ = options_.clean && scanned_from_ == no_offset ? log_.end_ : std::min(options_.recovery_point, log_.end_);
  log_.durable_end_ = std::max(log_.durable_end_, log_.segments_.front().base());
  log_.cleaned_end_ = options_.cleaned_end > log_.end_ ? log_.start_ : options_.cleaned_end;
  if (log_.durable_end_ < log_.end_) log_.unflushed_since_ = options_.now;
  if (log_.start_ > log_.end_) {
    // What was left is all below the log start: begin anew there.
    const Offset start = log_.start_;
    TRY_VOID(log_.drop_snapshots_above(no_offset));
    TRY_VOID(log_.drop_segments(0, log_.segments_.size(), WallMs(-1)));
    TRY_VOID(log_.create_segment(start));
    log_.end_ = log_.durable_end_ = log_.cleaned_end_ = start;
    log_.epochs_.clear();
    epochs_changed_ = true;
    saw_producer_ = false;
  }
  if (log_.epochs_.truncate_from_end(log_.end_)) epochs_changed_ = true;
  if (log_.epochs_.truncate_from_start(log_.start_)) epochs_changed_ = true;
  if (epochs_changed_) TRY_VOID(log_.write_epochs());
  return true;
}

// The newest snapshot that can be read, then every batch behind it.
Task<Result<bool>> LogRecovery::read_producers() {
  if (const auto done = log_.drop_snapshots_above(log_.end_); !done) co_return pass(done.error());
  Offset from = log_.segments_.front().base();
  bool from_snapshot = false;
  std::size_t index_of_newest = log_.snapshots_.size();
  while (index_of_newest > 0) {
    const Offset offset = log_.snapshots_[index_of_newest - 1].offset;
    // Those below the recovery point are durable: only the newest of them is needed.
    if (from_snapshot && (options_.clean || offset < options_.recovery_point)) break;
    --index_of_newest;
    const std::string path = log_.folder_ + "/" + segment_file_name(offset, ".snapshot");
    const Result<FilePtr> file = log_.place_.disk.open(path, OpenMode::existing);
    if (!file) co_return pass(file.error());
    const Result<Bytes> bytes = co_await (*file)->read(0, (*file)->size());
    if (!bytes) co_return pass(bytes.error());
    Result<ProducerState> state = ProducerState::decode(*bytes);
    if (state || mutated(Bug::L04)) {
      if (!from_snapshot) {
        if (state) log_.producers_ = std::move(*state);
        from = offset;
        from_snapshot = true;
      }
      continue;
    }
    if (const auto gone = log_.place_.disk.remove(path); !gone) co_return pass(gone.error());
    log_.snapshots_.erase(log_.snapshots_.begin() + static_cast<std::ptrdiff_t>(index_of_newest));
    ++log_.folder_changes_;
  }
  // What was read in full and named no producer need not be read again.
  if (scanned_from_ != no_offset && from >= scanned_from_ && !saw_producer_) co_return true;
  for (std::size_t index = log_.segment_index_of(from); index < log_.segments_.size(); ++index) {
    const Segment& segment = log_.segments_[index];
    FileReader reader(segment.file(), segment.floor_position(from), segment.size());
    while (true) {
      const Result<FileReader::Found> found = co_await reader.look(true);
      if (!found) co_return pass(found.error());
      if (*found == FileReader::Found::end) break;
      if (*found == FileReader::Found::bad) co_return error(Code::corrupt_message, "a batch of a whole log is damaged");
      const BatchHeader& header = reader.header();
      if (header.last_offset() >= from && header.has_producer()) {
        std::optional<TransactionMarker> marker;
        if (header.is_control()) marker = marker_of(reader.batch());
        log_.producers_.update(header, marker);
      }
      reader.advance();
    }
  }
  co_return true;
}

}  // namespace harrow
