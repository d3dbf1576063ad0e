// `%020d.index` in memory and on disk: where in a segment's file some of its offsets stand (facts section 4).
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/bytes.h"
#include "core/model/ids.h"

namespace harrow {

/// The batch whose last offset is base + relative_offset begins at position.
struct OffsetEntry {
  std::uint32_t relative_offset;
  std::uint32_t position;
  friend bool operator==(const OffsetEntry&, const OffsetEntry&) = default;
};
constexpr std::uint32_t offset_entry_bytes = 8;

class OffsetIndex {
 public:
  /// Position of a batch at or before the one that holds `relative_offset`: where to begin to look.
  std::uint32_t floor_position(std::int64_t relative_offset) const;
  /// Largest indexed position not behind `position`.
  std::uint32_t floor_of_position(std::uint64_t position) const;
  void add(OffsetEntry entry) { entries_.push_back(entry); }
  /// Keeps the entries of batches that end before `relative_offset`.
  void truncate(std::int64_t relative_offset);
  void clear() { entries_.clear(); }
  bool full(std::int64_t max_bytes) const { return static_cast<std::int64_t>(entries_.size()) >= max_bytes / offset_entry_bytes; }
  const std::vector<OffsetEntry>& entries() const { return entries_; }

  static Bytes encode(const OffsetEntry& entry);
  Bytes encode() const;
  /// What a file holds; false if it cannot be an index of a segment of this size (it must be rebuilt then).
  static bool decode(const Bytes& file, std::uint64_t segment_bytes, OffsetIndex& out);

 private:
  std::vector<OffsetEntry> entries_;
};

}  // namespace harrow
