#include "core/log/log.h"

#include <algorithm>

#include "core/base/mutation.h"
#include "core/log/log_walk.h"
#include "core/model/trace_payloads.h"

namespace harrow {

Log::Log(Place place)
    : place_(std::move(place)),
      folder_(place_.log_dir.empty() ? folder_of(place_.name) : place_.log_dir + "/" + folder_of(place_.name)),
      subject_(place_.trace.intern(folder_of(place_.name))) {}

Log::~Log() = default;

tl::unexpected<Error> Log::broken(const Error& e) {
  failed_ = true;
  return pass(e);
}

std::uint64_t Log::size_bytes() const {
  std::uint64_t size = 0;
  for (const Segment& segment : segments_) size += segment.size();
  return size;
}

Offset Log::recovery_point() const {
  const std::size_t index = segment_index_of(durable_end_);
  if (segments_[index].base() < durable_end_) return durable_end_ - 1;
  if (index == 0) return durable_end_;
  const Segment& before = segments_[index - 1];
  return before.needs_sync() || !before.indexes_synced ? durable_end_ - 1 : durable_end_;
}

WallMs Log::max_timestamp() const {
  WallMs largest{-1};
  for (const Segment& segment : segments_) largest = std::max(largest, segment.max_timestamp());
  return largest;
}

std::size_t Log::segment_index_of(Offset offset) const {
  if (offset >= segments_.back().base()) return segments_.size() - 1;
  const auto above = std::upper_bound(segments_.begin(), segments_.end(), offset,
                                      [](Offset wanted, const Segment& segment) { return wanted < segment.base(); });
  return above == segments_.begin() ? 0 : static_cast<std::size_t>(above - segments_.begin()) - 1;
}

Offset Log::end_of_segment(std::size_t index) const {
  return index + 1 < segments_.size() ? segments_[index + 1].base() : end_;
}

std::int64_t Log::jitter_ms() const {
  if (jitter_ms_ < 0) {
    // The same on every run: the jitter spreads logs and segments, it need not be unforeseeable.
    const Random draw = Random(static_cast<std::uint64_t>(segments_.back().base().value())).fork(folder_);
    jitter_ms_ = Random(draw).between(0, config().segment_jitter_ms);
  }
  return jitter_ms_;
}

Result<bool> Log::create_segment(Offset base) {
  const auto file = place_.disk.open(folder_ + "/" + segment_file_name(base, ".log"), OpenMode::create);
  if (!file) return broken(file.error());
  const bool reused = (*file)->size() != 0;
  if (reused) {
    if (const auto emptied = (*file)->truncate(0); !emptied) return broken(emptied.error());
  }
  segments_.emplace_back(base, *file, 0);
  segments_.back().cut_unsynced = reused;
  ++folder_changes_;
  jitter_ms_ = -1;
  return true;
}

Result<bool> Log::roll(Offset base) {
  if (const auto sealed = active().seal(place_.disk, folder_); !sealed) return broken(sealed.error());
  active().sealed = true;
  ++folder_changes_;
  TRY_VOID(take_producer_snapshot(base));
  TRY_VOID(create_segment(base));
  place_.trace.emit(TraceKind::segment_rolled, subject_, base.value());
  return true;
}

Result<bool> Log::roll_if_due(const BatchHeader& header, std::uint64_t bytes, WallMs now) {
  if (!active().must_roll(header, bytes, config(), jitter_ms(), now)) return true;
  if (active().size() == 0) {
    // Only the distance of the offsets asks for it: the empty segment begins elsewhere.
    if (active().base() == header.base_offset) return error(Code::invalid_record, "a batch spans too many offsets");
    TRY_VOID(drop_segments(segments_.size() - 1, segments_.size(), now));
    return create_segment(header.base_offset);
  }
  // Segments join, even where a follower's leader has compacted batches away: a load takes an early end for a lost tail.
  return roll(header.last_offset() - end_ > INT32_MAX ? header.base_offset : end_);
}

Result<Appended> Log::append_as_leader(const Bytes& batches, LeaderEpoch leader_epoch, AppendOrigin origin, WallMs now) {
  if (failed_ || closed_) return error(Code::io_error, "the log is closed");
  if (origin != AppendOrigin::client) return append_own(batches, leader_epoch, now);
  Result<ClientBatch> checked = validate_client_batch(batches, config().append_rules, now);
  if (!checked) {
    if (checked.error().code == Code::truncated_input) return error(Code::corrupt_message, checked.error().what);
    return pass(checked.error());
  }
  BatchHeader& header = checked->header;
  if (header.size_bytes() > static_cast<std::uint64_t>(config().segment_bytes))
    return error(Code::record_list_too_large, "a batch exceeds segment.bytes");
  Appended appended;
  appended.producer_id = header.producer_id;
  if (header.has_producer()) {
    const ProducerBatch* first_time = nullptr;
    const Code verdict = producers_.check(header, first_time);
    if (first_time != nullptr) {
      appended.base = first_time->first_offset();
      appended.last = first_time->last_offset;
      appended.end = first_time->last_offset + 1;
      appended.duplicate = true;
      return appended;
    }
    if (verdict != Code::none) return error(verdict, "a producer's epoch or sequence does not fit");
  }
  const Bytes stored = with_base_offset(checked->batch, header, end_, leader_epoch);
  header.base_offset = end_;
  header.leader_epoch = leader_epoch;
  appended.base = header.base_offset;
  appended.last = header.last_offset();
  if (header.timestamp_type() == TimestampType::log_append_time) appended.log_append_time = header.max_timestamp;
  TRY_VOID(store_batch(stored, header, true, now));
  appended.end = end_;
  return appended;
}

Result<Appended> Log::append_own(const Bytes& batches, LeaderEpoch leader_epoch, WallMs now) {
  Appended appended;
  BatchCursor cursor(batches);
  while (cursor.next()) {
    BatchHeader header = cursor.header();
    const Bytes stored = with_base_offset(cursor.batch(), header, end_, leader_epoch);
    header.base_offset = end_;
    header.leader_epoch = leader_epoch;
    if (appended.base == no_offset) appended.base = end_;
    appended.producer_id = header.producer_id;
    TRY_VOID(store_batch(stored, header, true, now));
    appended.last = header.last_offset();
    appended.end = end_;
  }
  CHECK_SAYING(cursor.end_position() == batches.size() && appended.base != no_offset, "the node's own batches are whole");
  return appended;
}

Result<bool> Log::store_batch(const Bytes& batch, const BatchHeader& header, bool as_leader, WallMs now) {
  TRY_VOID(roll_if_due(header, batch.size(), now));
  const std::uint64_t position = active().size();
  if (const auto written = active().write(batch); !written) return broken(written.error());
  return note_stored(header, batch, 0, position, as_leader, now);
}

// The bytes are in the file: from here on the offsets are taken, whatever an index says.
Result<bool> Log::note_stored(const BatchHeader& header, const Bytes& run, std::uint64_t at, std::uint64_t position, bool as_leader,
                              WallMs now) {
  end_ = header.end_offset();
  if (unflushed_since_.value() < 0) unflushed_since_ = now;
  Result<bool> outcome = true;
  if (header.leader_epoch > epochs_.latest() && epochs_.assign(header.leader_epoch, header.base_offset)) {
    outcome = write_epochs();
    place_.trace.emit(TraceKind::epoch_started, subject_, header.leader_epoch.value(), header.base_offset.value());
  }
  if (header.has_producer()) {
    const Result<bool> applied = apply_to_producers(header, run, at);
    if (!applied) outcome = applied;
  }
  const Result<bool> noted = active().note(place_.disk, folder_, config(), header, position, now);
  if (!noted) outcome = broken(noted.error());
  if (place_.trace.wants(TraceKind::appended)) {
    const bool alone = run.size() == header.size_bytes();
    const Bytes part = alone ? Bytes() : run.sub(at, header.size_bytes());
    const AppendNote note{place_.name.topic, place_.name.partition, place_.topic_id, alone ? &run : &part, header.leader_epoch, as_leader,
                          header.is_control()};
    place_.trace.emit(TraceKind::appended, subject_, header.base_offset.value(), header.last_offset().value(), &note);
  } else {
    place_.trace.emit(TraceKind::appended, subject_, header.base_offset.value(), header.last_offset().value());
  }
  return outcome;
}

Result<Appended> Log::append_as_follower(const Bytes& batches, WallMs now) {
  if (failed_ || closed_) return error(Code::io_error, "the log is closed");
  Appended appended;
  std::uint64_t done = 0;
  const auto result = [&]() -> Result<Appended> {
    appended.end = end_;
    return appended;
  };
  while (done < batches.size()) {
    // A run of sound batches that go into one segment is one write.
    const std::optional<BatchPrefix> prefix = parse_batch_prefix(batches, done);
    if (!prefix || (prefix->size_bytes >= batch_header_bytes && batches.size() - done < static_cast<std::uint64_t>(prefix->size_bytes)))
      return result();  // a cut last batch: the next fetch brings it whole
    Offset expected = end_;
    std::uint64_t run_end = done;
    boost::container::small_vector<BatchHeader, 4> headers;
    Result<bool> problem = true;
    while (run_end < batches.size()) {
      const Result<BatchHeader> header = check_batch(batches, run_end);
      if (!header) {
        if (header.error().code != Code::truncated_input) problem = pass(header.error());
        break;
      }
      if (header->base_offset < expected && header->end_offset() > expected && size_bytes() == 0) {
        // The leader's log starts within this batch: an empty log takes the whole of it and keeps its start.
        TRY_VOID(drop_segments(0, segments_.size(), WallMs(-1)));
        TRY_VOID(create_segment(header->base_offset));
        expected = end_ = durable_end_ = header->base_offset;
      }
      if (header->base_offset < expected) {
        problem = error(Code::offset_out_of_range, "a leader's batch does not continue the log");
        break;
      }
      if (headers.empty()) {
        if (header->leader_epoch < epochs_.latest() && epochs_.truncate_from_end(header->base_offset)) TRY_VOID(write_epochs());
      }
      if (header->leader_epoch < (headers.empty() ? epochs_.latest() : headers.back().leader_epoch)) {
        problem = error(Code::corrupt_message, "a leader's batch has an older epoch than the one before");
        break;
      }
      if (headers.empty()) {
        TRY_VOID(roll_if_due(*header, header->size_bytes(), now));
      } else if (active().size() == 0 || headers.size() >= active().free_index_entries(config()) ||
                 active().must_roll(*header, run_end - done + header->size_bytes(), config(), jitter_ms(), now)) {
        break;  // another write: by then the segment knows what went in
      }
      headers.push_back(*header);
      expected = header->end_offset();
      run_end += header->size_bytes();
    }
    if (!headers.empty()) {
      const bool whole = done == 0 && run_end == batches.size();
      const Bytes part = whole ? Bytes() : batches.sub(done, run_end - done);
      const Bytes& run = whole ? batches : part;
      std::uint64_t position = active().size();
      if (const auto written = active().write(run); !written) return broken(written.error());
      if (appended.base == no_offset) appended.base = headers.front().base_offset;
      appended.last = headers.back().last_offset();
      std::uint64_t at = 0;
      Result<bool> noted = true;
      for (const BatchHeader& header : headers) {
        if (const Result<bool> one = note_stored(header, run, at, position, false, now); !one) noted = one;
        at += header.size_bytes();
        position += header.size_bytes();
      }
      if (!noted) return pass(noted.error());
    }
    if (!problem) return pass(problem.error());
    if (headers.empty()) return result();
    done = run_end;
  }
  return result();
}

Result<bool> Log::apply_to_producers(const BatchHeader& header, const Bytes& run, std::uint64_t at) {
  std::optional<ProducerState::Marker> marker;
  if (header.is_control()) marker = marker_of(run.sub(at, header.size_bytes()));
  const std::optional<ProducerState::Completed> completed = producers_.update(header, marker);
  if (!completed || !completed->aborted) return true;
  const AbortedTransaction entry{completed->producer_id, completed->first_offset, completed->last_offset,
                                 producers_.first_unstable_offset().value_or(completed->last_offset + 1)};
  aborted_.push_back(entry);
  if (active().txn_file() == nullptr) {
    const auto opened = place_.disk.open(folder_ + "/" + segment_file_name(active().base(), ".txnindex"), OpenMode::create);
    if (!opened) return broken(opened.error());
    active().set_txn_file(*opened);
    ++folder_changes_;
  }
  const FilePtr file = active().txn_file();
  if (const auto written = file->write(file->size(), encode_aborted(entry)); !written) return broken(written.error());
  return true;
}

std::vector<AbortedTransaction> Log::aborted_between(Offset from, Offset to) const {
  std::vector<AbortedTransaction> list;
  for (const AbortedTransaction& entry : aborted_)
    if (entry.last_offset >= from && entry.first_offset < to) list.push_back(entry);
  return list;
}

Result<bool> Log::write_epochs() {
  const std::string path = folder_ + "/leader-epoch-checkpoint";
  const auto file = place_.disk.open(path + ".tmp", OpenMode::create);
  if (!file) return broken(file.error());
  if (const auto emptied = (*file)->truncate(0); !emptied) return broken(emptied.error());
  if (const auto written = (*file)->write(0, Bytes::copy_of(epochs_.to_text())); !written) return broken(written.error());
  if (const auto renamed = place_.disk.rename(path + ".tmp", path); !renamed) return broken(renamed.error());
  epoch_file_ = *file;
  ++folder_changes_;
  return true;
}

Result<bool> Log::assign_epoch_start(LeaderEpoch epoch, Offset start) {
  if (failed_ || closed_) return error(Code::io_error, "the log is closed");
  if (!epochs_.assign(epoch, start)) return true;
  place_.trace.emit(TraceKind::epoch_started, subject_, epoch.value(), start.value());
  return write_epochs();
}

Result<bool> Log::take_producer_snapshot(Offset offset) {
  if (!snapshots_.empty() && snapshots_.back().offset == offset) return true;
  const auto file = place_.disk.open(folder_ + "/" + segment_file_name(offset, ".snapshot"), OpenMode::create);
  if (!file) return broken(file.error());
  if (const auto emptied = (*file)->truncate(0); !emptied) return broken(emptied.error());
  if (const auto written = (*file)->write(0, producers_.encode()); !written) return broken(written.error());
  snapshots_.push_back(Snapshot{offset, mutated(Bug::L04) ? nullptr : *file});
  ++folder_changes_;
  place_.trace.emit(TraceKind::producer_snapshot_written, subject_, offset.value(), static_cast<std::int64_t>(producers_.size()));
  return true;
}

Result<std::string> Log::rename_for_deletion(const Uuid& unique) {
  closed_ = true;
  constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (const std::uint64_t half : {unique.high, unique.low})
    for (int shift = 60; shift >= 0; shift -= 4) hex.push_back(digits[(half >> shift) & 15]);
  const std::string suffix = "." + hex + "-delete";
  constexpr std::size_t name_limit = 255;
  const std::string name = folder_of(place_.name).substr(0, name_limit - suffix.size()) + suffix;
  const std::string to = place_.log_dir.empty() ? name : place_.log_dir + "/" + name;
  TRY_VOID(place_.disk.rename(folder_, to));
  place_.trace.emit(TraceKind::log_deleted, subject_);
  ++changes_;
  return to;
}

}  // namespace harrow
