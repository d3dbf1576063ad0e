#include <algorithm>

#include "core/log/log.h"
#include "core/log/log_walk.h"

namespace harrow {

// Which bytes of which segment answer a read.
Result<bool> Log::locate(Offset from, std::uint64_t max_bytes, Offset limit, bool min_one, Peek& peek, Located& out) const {
  for (std::size_t index = segment_index_of(from); index < segments_.size(); ++index) {
    const Segment& segment = segments_[index];
    const Offset segment_end = end_of_segment(index);
    out = Located{index, segment.size(), segment.size(), segment_end};
    if (segment.size() == 0) continue;
    // The first batch that reaches up to `from`.
    if (const auto known = segment.recent_position(from)) {
      out.from = *known;
    } else {
      Walk walk(segment, segment.floor_position(from), peek);
      bool found = false;
      while (!found) {
        TRY(const bool more, walk.next());
        if (!more) break;
        found = walk.header().last_offset() >= from;
      }
      if (!found) continue;  // the rest of this segment is a gap
      out.from = walk.position();
    }
    // The first batch that reaches up to `limit` is not wanted.
    if (limit < segment_end) {
      out.next = limit;
      if (const auto known = segment.recent_position(limit)) {
        out.to = *known;
      } else {
        Walk walk(segment, segment.floor_position(limit), peek);
        while (true) {
          TRY(const bool more, walk.next());
          if (!more || walk.header().last_offset() >= limit) break;
        }
        out.to = walk.position();
      }
      if (out.to < out.from) out.to = out.from;
    }
    if (out.to - out.from <= max_bytes) return true;
    // Too much: back to the last batch boundary within max_bytes.
    const std::uint64_t allowed = out.from + max_bytes;
    Walk walk(segment, std::max<std::uint64_t>(segment.offset_index().floor_of_position(allowed), out.from), peek);
    std::uint64_t end = walk.end_position();
    Offset next = from;
    while (true) {
      TRY(const bool more, walk.next());
      if (!more) break;
      next = walk.header().base_offset;
      end = walk.position();
      if (walk.end_position() > allowed) {
        if (end == out.from && min_one) {
          end = walk.end_position();
          next = walk.header().end_offset();
        }
        break;
      }
    }
    out.to = end;
    out.next = std::max(next, from);
    return true;
  }
  return true;
}

std::optional<Result<ReadResult>> Log::read_cached(Offset from, std::uint64_t max_bytes, Offset limit, bool min_one) {
  if (from < start_ || from > end_) return error(Code::offset_out_of_range, "a read outside the log");
  ReadResult result{Bytes(), from, segments_.back().base(), false};
  if (from >= std::min(limit, end_)) {
    result.older_segment = from < segments_.back().base();
    return result;
  }
  Peek peek;
  Located located;
  if (const auto found = locate(from, max_bytes, limit, min_one, peek, located); !found) {
    if (found.error().code == Code::not_cached) return std::nullopt;
    return pass(found.error());
  }
  const Segment& segment = segments_[located.segment];
  result.next = std::max(located.next, from);
  result.segment_base = segment.base();
  result.older_segment = located.segment + 1 < segments_.size();
  if (located.to > located.from && !segment.file()->cached(located.from, located.to - located.from, result.records)) return std::nullopt;
  return result;
}

Task<Result<ReadResult>> Log::read(Offset from, std::uint64_t max_bytes, Offset limit, bool min_one) {
  Peek peek;
  while (true) {
    if (from < start_ || from > end_) co_return error(Code::offset_out_of_range, "a read outside the log");
    ReadResult result{Bytes(), from, segments_.back().base(), from < segments_.back().base()};
    if (from >= std::min(limit, end_)) co_return result;
    Located located;
    const Result<bool> found = locate(from, max_bytes, limit, min_one, peek, located);
    if (found) {
      const Segment& segment = segments_[located.segment];
      result.next = std::max(located.next, from);
      result.segment_base = segment.base();
      result.older_segment = located.segment + 1 < segments_.size();
      const std::uint64_t wanted = located.to - located.from;
      const FilePtr file = segment.file();
      if (wanted == 0 || peek.get(file, located.from, wanted, result.records)) co_return result;
    } else if (found.error().code != Code::not_cached) {
      co_return pass(found.error());
    }
    // The page cache does not have it: wait for the device, then look at the log as it is by then.
    const std::uint32_t changes = changes_;
    const FilePtr file = peek.file;
    const std::uint64_t at = peek.at;
    const std::uint64_t ahead = std::max(peek.size, Peek::read_ahead);
    const std::uint64_t size = file->size() > at ? std::min(ahead, file->size() - at) : 0;
    Result<Bytes> got = co_await file->read(at, size);
    if (!got) co_return broken(got.error());
    if (changes != changes_) {
      peek = Peek();
      continue;
    }
    if (got->size() < peek.size) co_return error(Code::corrupt_message, "a segment's file is shorter than it was");
    peek.learn(std::move(*got));
  }
}

Task<Result<FoundOffset>> Log::offset_for_timestamp(WallMs timestamp) {
  FoundOffset none;
  Offset from = no_offset;
  for (std::size_t index = 0; index < segments_.size(); ++index) {
    const Segment& segment = segments_[index];
    if (end_of_segment(index) <= start_ || segment.max_timestamp() < timestamp) continue;
    from = segment.base() + segment.time_index().floor_offset(timestamp);
    break;
  }
  if (from == no_offset) co_return none;
  constexpr std::uint64_t slice_bytes = 64 * 1024;
  while (true) {
    from = std::max(from, start_);
    if (from >= end_) co_return none;
    const Result<ReadResult> got = co_await read(from, slice_bytes, end_, true);
    if (!got) {
      if (got.error().code == Code::offset_out_of_range && from < start_) continue;  // retention was faster
      co_return pass(got.error());
    }
    BatchCursor cursor(got->records);
    while (cursor.next()) {
      if (cursor.header().max_timestamp < timestamp || cursor.header().is_control()) continue;
      Result<RecordReader> reader = RecordReader::open(cursor.batch());
      if (!reader) co_return pass(reader.error());
      Record record;
      while (reader->next(record)) {
        if (record.timestamp < timestamp || record.offset < start_) continue;
        FoundOffset found;
        found.offset = record.offset;
        found.timestamp = record.timestamp;
        found.leader_epoch = epochs_.epoch_at(record.offset);
        co_return found;
      }
    }
    if (got->next <= from) co_return none;
    from = got->next;
  }
}

Task<Result<FoundOffset>> Log::offset_of_max_timestamp() {
  const WallMs largest = max_timestamp();
  FoundOffset none;
  if (largest.value() < 0) co_return none;
  Result<FoundOffset> found = co_await offset_for_timestamp(largest);
  co_return found;
}

}  // namespace harrow
