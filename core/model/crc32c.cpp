#include "core/model/crc32c.h"

#include <algorithm>
#include <isa-l/crc.h>

#include "core/base/check.h"

namespace harrow {

void Crc32c::add(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t step = 1u << 30;  // the library counts in int
  while (!bytes.empty()) {
    const std::size_t take = std::min(step, bytes.size());
    // The library does not write through its non-const pointer.
    state_ = crc32_iscsi(const_cast<std::uint8_t*>(bytes.data()), static_cast<int>(take), state_);
    bytes = bytes.subspan(take);
  }
}

void Crc32c::add(const Bytes& rope, std::uint64_t from, std::uint64_t size) {
  CHECK(from <= rope.size() && size <= rope.size() - from);
  if (size == 0) return;
  const Bytes::Place place = rope.place_of(from);
  from -= place.begins;
  for (std::size_t i = place.slice; size > 0; ++i) {
    const Slice& slice = rope.slices()[i];
    const std::uint64_t take = std::min<std::uint64_t>(slice.size() - from, size);
    add(slice.span().subspan(from, take));
    size -= take;
    from = 0;
  }
}

std::uint32_t crc32c(std::span<const std::uint8_t> bytes) {
  Crc32c sum;
  sum.add(bytes);
  return sum.value();
}

std::uint32_t crc32c(const Bytes& rope) {
  Crc32c sum;
  sum.add(rope);
  return sum.value();
}

}  // namespace harrow
