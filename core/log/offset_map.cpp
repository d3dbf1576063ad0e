#include "core/log/offset_map.h"

#include "core/base/bytes.h"

namespace harrow {
namespace {
constexpr std::size_t first_slots = 64;
/// Three of four slots may be taken.
constexpr bool crowded(std::size_t used, std::size_t slots) { return used * 4 >= slots * 3; }
}  // namespace

std::size_t OffsetMap::place_of(std::uint64_t hash, std::string_view key) const {
  std::size_t at = hash & (slots_.size() - 1);
  while (slots_[at].offset != no_offset) {
    const Slot& slot = slots_[at];
    if (slot.hash == hash && std::string_view(keys_).substr(slot.key_at, slot.key_size) == key) break;
    at = (at + 1) & (slots_.size() - 1);
  }
  return at;
}

void OffsetMap::grow() {
  std::vector<Slot> old = std::move(slots_);
  slots_.assign(old.empty() ? first_slots : old.size() * 2, Slot());
  for (const Slot& slot : old) {
    if (slot.offset == no_offset) continue;
    std::size_t at = slot.hash & (slots_.size() - 1);
    while (slots_[at].offset != no_offset) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
}

void OffsetMap::put(std::string_view key, Offset offset) {
  if (slots_.empty() || crowded(used_ + 1, slots_.size())) grow();
  const std::uint64_t hash = hash_of(key);
  Slot& slot = slots_[place_of(hash, key)];
  if (slot.offset == no_offset) {
    slot.hash = hash;
    slot.key_at = keys_.size();
    slot.key_size = static_cast<std::uint32_t>(key.size());
    keys_.append(key);
    ++used_;
  }
  slot.offset = offset;
}

Offset OffsetMap::find(std::string_view key) const {
  if (slots_.empty()) return no_offset;
  return slots_[place_of(hash_of(key), key)].offset;
}

bool OffsetMap::full() const {
  if (used_ == 0) return false;
  const std::size_t slots_wanted = crowded(used_ + 1, slots_.size()) ? slots_.size() * 2 : slots_.size();
  return keys_.size() + slots_wanted * sizeof(Slot) > budget_bytes_;
}

}  // namespace harrow
