// What one pass of compaction knows of keys: the newest offset of each, in memory that is bounded by a budget.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/ids.h"

namespace harrow {

/// Keys themselves, not digests of them: two keys are never taken for one.
class OffsetMap {
 public:
  explicit OffsetMap(std::uint64_t budget_bytes) : budget_bytes_(budget_bytes) {}

  /// Offsets come in order: the later one stays.
  void put(std::string_view key, Offset offset);
  /// no_offset if the key is not there.
  Offset find(std::string_view key) const;
  std::size_t size() const { return used_; }
  std::uint64_t size_bytes() const { return keys_.size() + slots_.size() * sizeof(Slot); }
  /// Nothing more should go in; what does nevertheless is kept.
  bool full() const;

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint64_t key_at = 0;
    std::uint32_t key_size = 0;
    Offset offset = no_offset;  // no_offset: free
  };
  std::size_t place_of(std::uint64_t hash, std::string_view key) const;
  void grow();

  std::uint64_t budget_bytes_;
  std::vector<Slot> slots_;  // a power of two; open addressing
  std::string keys_;
  std::size_t used_ = 0;
};

}  // namespace harrow
