// `%020d.timeindex`: the largest timestamp up to some offsets of a segment (facts section 4).
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/bytes.h"
#include "core/model/ids.h"

namespace harrow {

/// No record up to base + relative_offset is younger than the timestamp, and that offset's batch has it.
struct TimeEntry {
  WallMs timestamp;
  std::uint32_t relative_offset;
  friend bool operator==(const TimeEntry&, const TimeEntry&) = default;
};
constexpr std::uint32_t time_entry_bytes = 12;

class TimeIndex {
 public:
  /// Whether the entry says something new: later than the last one, and behind it.
  bool grows_with(const TimeEntry& entry) const {
    return entry.timestamp > last_timestamp() && (entries_.empty() || entry.relative_offset > entries_.back().relative_offset);
  }
  void add(const TimeEntry& entry) { entries_.push_back(entry); }
  /// The relative offset from which records may reach `timestamp`.
  std::uint32_t floor_offset(WallMs timestamp) const;
  /// Keeps the entries below `relative_offset`.
  void truncate(std::int64_t relative_offset);
  void clear() { entries_.clear(); }
  /// One place stays free for the entry at roll.
  bool full(std::int64_t max_bytes) const { return static_cast<std::int64_t>(entries_.size()) >= max_bytes / time_entry_bytes - 1; }
  WallMs last_timestamp() const { return entries_.empty() ? WallMs(-1) : entries_.back().timestamp; }
  const std::vector<TimeEntry>& entries() const { return entries_; }

  static Bytes encode(const TimeEntry& entry);
  Bytes encode() const;
  static bool decode(const Bytes& file, TimeIndex& out);

 private:
  std::vector<TimeEntry> entries_;
};

}  // namespace harrow
