// Cutting a log's end, as one act: everything that the cut needs to know is looked up first, then nothing can fail but
// the disk itself.
#include <algorithm>

#include "core/log/log.h"
#include "core/log/log_walk.h"

namespace harrow {

Result<ProducerState> Log::producers_at(Offset end, Peek& peek) const {
  ProducerState state;
  Offset from = segments_.front().base();
  for (auto snapshot = snapshots_.rbegin(); snapshot != snapshots_.rend(); ++snapshot) {
    if (snapshot->offset > end) continue;
    const auto file = place_.disk.open(folder_ + "/" + segment_file_name(snapshot->offset, ".snapshot"), OpenMode::existing);
    if (!file) continue;
    Bytes bytes;
    if ((*file)->size() > 0 && !peek.get(*file, 0, (*file)->size(), bytes)) return Peek::missing();
    Result<ProducerState> decoded = ProducerState::decode(bytes);
    if (!decoded) continue;
    state = std::move(*decoded);
    from = snapshot->offset;
    break;
  }
  for (std::size_t index = segment_index_of(from); index < segments_.size(); ++index) {
    const Segment& segment = segments_[index];
    if (segment.base() >= end) break;
    Walk walk(segment, segment.floor_position(from), peek);
    while (true) {
      TRY(const bool more, walk.next());
      if (!more || walk.header().base_offset >= end) break;
      const BatchHeader& header = walk.header();
      if (header.last_offset() < from || !header.has_producer()) continue;
      std::optional<ProducerState::Marker> marker;
      if (header.is_control()) {
        Bytes batch;
        if (!peek.get(segment.file(), walk.position(), header.size_bytes(), batch)) return Peek::missing();
        marker = marker_of(batch);
      }
      state.update(header, marker);
    }
  }
  return state;
}

Result<Log::Cut> Log::plan_cut(Offset offset, Peek& peek) const {
  Cut cut;
  cut.segment = segment_index_of(offset);
  const Segment& segment = segments_[cut.segment];
  // In what was compacted, batches need not join: the log then ends where the last one that stays does.
  const bool gaps = config().compacts || offset < cleaned_end();
  std::uint64_t from = segment.floor_position(offset);
  if (gaps && from > 0) from = segment.offset_index().floor_of_position(from - 1);
  Walk walk(segment, from, peek);
  Offset passed = segment.base();
  cut.end = offset;
  while (true) {
    TRY(const bool more, walk.next());
    if (!more || walk.header().last_offset() >= offset) {
      if (more) cut.end = std::min(offset, walk.header().base_offset);
      if (gaps) cut.end = std::min(cut.end, passed);
      break;
    }
    passed = walk.header().end_offset();
  }
  cut.position = walk.position();
  Walk tail(segment, segment.tail_position(cut.end), peek);
  while (tail.end_position() < cut.position) {
    TRY(const bool more, tail.next());
    if (!more) break;
    cut.tail.emplace_back(tail.header(), tail.position());
  }
  // A state that knows no producer cannot know one after a cut.
  if (!producers_.empty()) { TRY(cut.producers, producers_at(cut.end, peek)); }
  return cut;
}

Result<bool> Log::cut_segment(const Cut& cut) {
  Segment& segment = active();
  if (const auto done = segment.truncate(cut.position, end_); !done) return broken(done.error());
  segment.reset_tail();
  for (const auto& [header, position] : cut.tail) segment.note_tail(header, position);
  if (const auto done = segment.write_indexes(place_.disk, folder_, config(), false); !done) return broken(done.error());
  if (segment.txn_file() == nullptr) return true;
  const auto kept = std::count_if(aborted_.begin(), aborted_.end(),
                                  [&](const AbortedTransaction& entry) { return entry.last_offset >= segment.base(); });
  if (const auto done = segment.txn_file()->truncate(static_cast<std::uint64_t>(kept) * aborted_entry_bytes); !done)
    return broken(done.error());
  return true;
}

Result<bool> Log::truncate_to(Offset offset) {
  if (failed_ || closed_) return error(Code::io_error, "the log is closed");
  if (offset >= end_) {
    // Nothing to cut, but epochs without a record may begin there: they would be remembered wrongly.
    if (epochs_.truncate_from_end(offset)) return write_epochs();
    return true;
  }
  if (offset < start_ || offset < segments_.front().base()) return truncate_fully_and_start_at(offset);
  Peek peek;
  TRY(Cut cut, plan_cut(offset, peek));
  // The log starts within the batch that goes: nothing readable stays.
  if (cut.end < start_) return truncate_fully_and_start_at(start_);
  const Offset old_end = end_;
  ++changes_;
  jitter_ms_ = -1;
  end_ = cut.end;
  durable_end_ = std::min(durable_end_, end_);
  cleaned_end_ = std::min(cleaned_end_, end_);  // what comes there next is another history
  flush_target_ = std::min(flush_target_, end_);
  producers_ = std::move(cut.producers);
  std::erase_if(aborted_, [this](const AbortedTransaction& entry) { return entry.last_offset >= end_; });
  TRY_VOID(drop_snapshots_above(end_));
  // What is appended next must never share a file with what was cut: until both are synced a power loss could show
  // pieces of either side by side, each with a right CRC.
  if (cut.position == 0) {
    TRY_VOID(drop_segments(cut.segment, segments_.size(), WallMs(-1)));
    TRY_VOID(create_segment(end_));
  } else {
    TRY_VOID(drop_segments(cut.segment + 1, segments_.size(), WallMs(-1)));
    TRY_VOID(cut_segment(cut));
    TRY_VOID(roll(end_));
  }
  if (epochs_.truncate_from_end(end_)) TRY_VOID(write_epochs());
  place_.trace.emit(TraceKind::truncated, subject_, end_.value(), old_end.value());
  return true;
}

Result<bool> Log::truncate_fully_and_start_at(Offset offset) {
  if (failed_ || closed_) return error(Code::io_error, "the log is closed");
  const Offset old_end = end_;
  const Offset old_start = start_;
  ++changes_;
  end_ = offset;
  start_ = offset;
  durable_end_ = offset;
  cleaned_end_ = offset;
  if (flush_target_ != no_offset) flush_target_ = offset;
  unflushed_since_ = WallMs(-1);
  producers_.clear();
  aborted_.clear();
  TRY_VOID(drop_snapshots_above(no_offset));
  TRY_VOID(drop_segments(0, segments_.size(), WallMs(-1)));
  // The log may begin lower than what was deleted before: those names must not speak of the new segments.
  for (const DyingFiles& files : dying_)
    for (const std::string& path : files.paths) TRY_VOID(place_.disk.remove(path));
  dying_.clear();
  TRY_VOID(create_segment(offset));
  if (!epochs_.entries().empty()) {
    epochs_.clear();
    TRY_VOID(write_epochs());
  }
  place_.trace.emit(TraceKind::truncated, subject_, offset.value(), old_end.value());
  if (start_ != old_start)
    place_.trace.emit(TraceKind::log_start_moved, subject_, start_.value(), static_cast<std::int64_t>(LogStartReason::restart));
  return true;
}

Task<Result<bool>> Log::warm(Offset offset) {
  constexpr int tries = 1000;  // each brings 64 KiB or more; a cache that forgets at once must not hang the caller
  for (int i = 0; i < tries; ++i) {
    if (offset >= end_ || offset < start_ || offset < segments_.front().base()) co_return true;
    Peek peek;
    const Result<Cut> plan = plan_cut(offset, peek);
    if (plan) co_return true;
    if (plan.error().code != Code::not_cached) co_return pass(plan.error());
    const FilePtr file = peek.file;
    const std::uint64_t size = std::max(peek.size, Peek::read_ahead);
    const Result<Bytes> got = co_await file->read(peek.at, size);
    if (!got) co_return broken(got.error());
  }
  co_return error(Code::not_cached, "the page cache does not keep what a cut needs");
}

}  // namespace harrow
