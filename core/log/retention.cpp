// What goes from a log's beginning: by age, by size, below the log start. Dead files keep living under another name for a
// while, for readers that still hold them.
#include <algorithm>

#include "core/base/mutation.h"
#include "core/log/log.h"
#include "core/model/trace_payloads.h"

namespace harrow {

void Log::move_start(Offset to, LogStartReason reason) {
  if (to <= start_) return;
  start_ = to;
  place_.trace.emit(TraceKind::log_start_moved, subject_, start_.value(), static_cast<std::int64_t>(reason));
}

void Log::emit_deleted(std::size_t index, LogStartReason reason, WallMs now, Offset high_watermark) const {
  const Segment& segment = segments_[index];
  const SegmentNote note{place_.name.topic,
                         place_.name.partition,
                         segment.base(),
                         end_of_segment(index),
                         segment.age_timestamp(),
                         segment.size(),
                         size_bytes(),
                         high_watermark,
                         now,
                         config().retention_ms,
                         config().retention_bytes};
  Tracer trace = place_.trace;
  trace.emit(TraceKind::segment_deleted, subject_, segment.base().value(), static_cast<std::int64_t>(reason), &note);
}

Result<bool> Log::bury(std::vector<std::string> names, WallMs now) {
  DyingFiles dying;
  dying.due = now + config().file_delete_delay_ms;
  for (const std::string& name : names) {
    const std::string path = folder_ + "/" + name;
    if (!place_.disk.exists(path)) continue;
    if (now.value() < 0) {
      // Without a time there is no delay: files that are cut off are never read again.
      if (const auto gone = place_.disk.remove(path); !gone) return broken(gone.error());
      continue;
    }
    if (const auto moved = place_.disk.rename(path, path + ".deleted"); !moved) return broken(moved.error());
    dying.paths.push_back(path + ".deleted");
  }
  dying.names = ++folder_changes_;
  if (!dying.paths.empty()) dying_.push_back(std::move(dying));
  return true;
}

Result<bool> Log::drop_segments(std::size_t from, std::size_t to, WallMs now) {
  if (from >= to) return true;
  ++changes_;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < to - from; ++i) {
    // What stays is whole at any moment: the oldest go first at the log's beginning, the newest at its end.
    const Offset base = segments_[from == 0 ? from + i : to - 1 - i].base();
    for (const char* const suffix : {".log", ".index", ".timeindex", ".txnindex"}) names.push_back(segment_file_name(base, suffix));
    const auto snapshot = std::find_if(snapshots_.begin(), snapshots_.end(), [&](const Snapshot& one) { return one.offset == base; });
    // At the log's beginning the state below a segment goes with it; at its end it is still true.
    if (snapshot != snapshots_.end() && from == 0) {
      names.push_back(segment_file_name(base, ".snapshot"));
      snapshots_.erase(snapshot);
    }
  }
  segments_.erase(segments_.begin() + static_cast<std::ptrdiff_t>(from), segments_.begin() + static_cast<std::ptrdiff_t>(to));
  // Not the log start: a segment that holds it may have unsynced records below it.
  if (from == 0 && !segments_.empty()) durable_end_ = std::max(durable_end_, segments_.front().base());
  // What goes at the log's beginning is renamed first even if there is no delay: a load must be able to tell a deletion of
  // which a power loss undid a part from a log with a hole.
  const bool at_beginning = from == 0 && !segments_.empty();
  return bury(std::move(names), at_beginning && now.value() < 0 ? WallMs(0) : now);
}

Result<bool> Log::drop_snapshots_above(Offset offset) {
  std::vector<std::string> names;
  while (!snapshots_.empty() && snapshots_.back().offset > offset) {
    names.push_back(segment_file_name(snapshots_.back().offset, ".snapshot"));
    snapshots_.pop_back();
  }
  return names.empty() ? Result<bool>(true) : bury(std::move(names), WallMs(-1));
}

Result<bool> Log::advance_log_start(Offset offset, LogStartReason reason, WallMs now) {
  if (failed_ || closed_) return error(Code::io_error, "the log is closed");
  if (offset <= start_) return false;
  if (offset > end_) return error(Code::offset_out_of_range, "a log cannot begin behind its end");
  move_start(offset, reason);
  if (epochs_.truncate_from_start(start_)) TRY_VOID(write_epochs());
  std::erase_if(aborted_, [this](const AbortedTransaction& entry) { return entry.last_offset < start_; });
  std::size_t gone = 0;
  while (gone + 1 < segments_.size() && segments_[gone + 1].base() <= start_) emit_deleted(gone++, reason, now, no_offset);
  TRY_VOID(drop_segments(0, gone, now));
  return true;
}

Result<std::uint32_t> Log::apply_retention(WallMs now, Offset high_watermark) {
  if (failed_ || closed_) return error(Code::io_error, "the log is closed");
  TRY_VOID(remove_due_files(now));
  std::uint32_t deleted = 0;
  // A segment may go when all of it lies below the high watermark: what is above may still be needed to agree on.
  const auto may_go = [&](std::size_t index) {
    return segments_[index].size() > 0 && (mutated(Bug::R19) || end_of_segment(index) <= high_watermark);
  };
  const auto drop_first = [&](std::size_t count, LogStartReason reason) -> Result<bool> {
    if (count == 0) return true;
    if (count == segments_.size()) TRY_VOID(roll(end_));
    for (std::size_t index = 0; index < count; ++index) emit_deleted(index, reason, now, high_watermark);
    move_start(segments_[count].base(), reason);
    if (epochs_.truncate_from_start(start_)) TRY_VOID(write_epochs());
    std::erase_if(aborted_, [this](const AbortedTransaction& entry) { return entry.last_offset < start_; });
    deleted += static_cast<std::uint32_t>(count);
    return drop_segments(0, count, now);
  };
  if (config().deletes && config().retention_ms >= 0) {
    std::size_t count = 0;
    while (count < segments_.size() && may_go(count) && segments_[count].age_timestamp().value() >= 0 &&
           now - segments_[count].age_timestamp() > config().retention_ms)
      ++count;
    TRY_VOID(drop_first(count, LogStartReason::retention_time));
  }
  if (config().deletes && config().retention_bytes >= 0) {
    std::int64_t excess = static_cast<std::int64_t>(size_bytes()) - config().retention_bytes;
    std::size_t count = 0;
    while (count < segments_.size() && may_go(count) && excess >= static_cast<std::int64_t>(segments_[count].size()))
      excess -= static_cast<std::int64_t>(segments_[count++].size());
    TRY_VOID(drop_first(count, LogStartReason::retention_size));
  }
  std::size_t below_start = 0;
  while (below_start + 1 < segments_.size() && segments_[below_start + 1].base() <= start_) ++below_start;
  TRY_VOID(drop_first(below_start, LogStartReason::delete_records));
  return deleted;
}

Result<bool> Log::remove_due_files(WallMs now) {
  bool removed = false;
  while (!dying_.empty() && dying_.front().due <= now && folder_synced_ >= dying_.front().names) {
    for (const std::string& path : dying_.front().paths)
      if (const auto gone = place_.disk.remove(path); !gone) return broken(gone.error());
    dying_.erase(dying_.begin());
    removed = true;
  }
  return removed;
}

std::optional<WallMs> Log::next_removal() const {
  if (dying_.empty()) return std::nullopt;
  return dying_.front().due;
}

}  // namespace harrow
