#include "core/log/time_index.h"

#include <algorithm>

#include "core/base/buffer.h"

namespace harrow {

std::uint32_t TimeIndex::floor_offset(WallMs timestamp) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), timestamp,
                                   [](const TimeEntry& entry, WallMs wanted) { return entry.timestamp < wanted; });
  // Everything up to the entry before is older than wanted.
  return at == entries_.begin() ? 0 : (at - 1)->relative_offset;
}

void TimeIndex::truncate(std::int64_t relative_offset) {
  while (!entries_.empty() && entries_.back().relative_offset >= relative_offset) entries_.pop_back();
}

namespace {
void put(Writer& writer, const TimeEntry& entry) {
  writer.i64(entry.timestamp.value());
  writer.u32(entry.relative_offset);
}
}  // namespace

Bytes TimeIndex::encode(const TimeEntry& entry) {
  Writer writer(time_entry_bytes);
  put(writer, entry);
  return writer.finish();
}

Bytes TimeIndex::encode() const {
  Writer writer(static_cast<std::uint32_t>(entries_.size() * time_entry_bytes));
  for (const TimeEntry& entry : entries_) put(writer, entry);
  return writer.finish();
}

bool TimeIndex::decode(const Bytes& file, TimeIndex& out) {
  out.entries_.clear();
  if (file.size() % time_entry_bytes != 0) return false;
  out.entries_.reserve(file.size() / time_entry_bytes);
  Reader reader(file);
  while (reader.left() > 0) {
    const WallMs timestamp(reader.i64());
    const std::uint32_t relative_offset = reader.u32();
    if (relative_offset > INT32_MAX || timestamp.value() < 0) return false;
    if (!out.entries_.empty() &&
        (timestamp <= out.entries_.back().timestamp || relative_offset <= out.entries_.back().relative_offset))
      return false;
    out.entries_.push_back(TimeEntry{timestamp, relative_offset});
  }
  return true;
}

}  // namespace harrow
