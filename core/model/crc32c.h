// CRC-32C (Castagnoli) over spans and ropes: the checksum of record batches and producer snapshots.
#pragma once

#include <cstdint>
#include <span>

#include "core/base/bytes.h"

namespace harrow {

/// A running checksum; feed it parts in order.
class Crc32c {
 public:
  void add(std::span<const std::uint8_t> bytes);
  void add(const Bytes& rope, std::uint64_t from = 0) { add(rope, from, rope.size() - from); }
  void add(const Bytes& rope, std::uint64_t from, std::uint64_t size);
  std::uint32_t value() const { return ~state_; }

 private:
  std::uint32_t state_ = 0xffffffffu;
};

std::uint32_t crc32c(std::span<const std::uint8_t> bytes);
std::uint32_t crc32c(const Bytes& rope);

}  // namespace harrow
