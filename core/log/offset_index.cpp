#include "core/log/offset_index.h"

#include <algorithm>

#include "core/base/buffer.h"

namespace harrow {

std::uint32_t OffsetIndex::floor_position(std::int64_t relative_offset) const {
  const auto above = std::upper_bound(entries_.begin(), entries_.end(), relative_offset,
                                      [](std::int64_t wanted, const OffsetEntry& entry) { return wanted < entry.relative_offset; });
  return above == entries_.begin() ? 0 : (above - 1)->position;
}

std::uint32_t OffsetIndex::floor_of_position(std::uint64_t position) const {
  const auto above = std::upper_bound(entries_.begin(), entries_.end(), position,
                                      [](std::uint64_t wanted, const OffsetEntry& entry) { return wanted < entry.position; });
  return above == entries_.begin() ? 0 : (above - 1)->position;
}

void OffsetIndex::truncate(std::int64_t relative_offset) {
  while (!entries_.empty() && entries_.back().relative_offset >= relative_offset) entries_.pop_back();
}

Bytes OffsetIndex::encode(const OffsetEntry& entry) {
  Block* const block = Block::create(offset_entry_bytes);
  const std::uint32_t words[2] = {detail::big_endian(entry.relative_offset), detail::big_endian(entry.position)};
  std::memcpy(block->data(), words, sizeof(words));
  return Bytes(Slice::adopt(block, 0, offset_entry_bytes));
}

Bytes OffsetIndex::encode() const {
  Writer writer(static_cast<std::uint32_t>(entries_.size() * offset_entry_bytes));
  for (const OffsetEntry& entry : entries_) {
    writer.u32(entry.relative_offset);
    writer.u32(entry.position);
  }
  return writer.finish();
}

bool OffsetIndex::decode(const Bytes& file, std::uint64_t segment_bytes, OffsetIndex& out) {
  out.entries_.clear();
  if (file.size() % offset_entry_bytes != 0) return false;
  out.entries_.reserve(file.size() / offset_entry_bytes);
  Reader reader(file);
  while (reader.left() > 0) {
    const std::uint32_t relative_offset = reader.u32();
    const std::uint32_t position = reader.u32();
    if (relative_offset > INT32_MAX || position >= segment_bytes) return false;
    if (!out.entries_.empty() && (relative_offset <= out.entries_.back().relative_offset || position <= out.entries_.back().position))
      return false;
    out.entries_.push_back(OffsetEntry{relative_offset, position});
  }
  return true;
}

}  // namespace harrow
