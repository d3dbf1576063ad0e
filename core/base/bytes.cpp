#include "core/base/bytes.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace harrow {

Block* Block::create(std::uint32_t capacity) {
  void* const memory = std::malloc(sizeof(Block) + capacity);
  CHECK_SAYING(memory != nullptr, "out of memory");
  return new (memory) Block(capacity);
}

void Block::destroy(Block* block) { std::free(block); }

SliceList::Hint* SliceList::allocate(std::uint32_t count) {
  static_assert(sizeof(Hint) == sizeof(Slice));
  Hint* const hint = static_cast<Hint*>(std::malloc(sizeof(Hint) + count * sizeof(Slice)));
  CHECK_SAYING(hint != nullptr, "out of memory");
  *hint = Hint{};
  return hint;
}

void SliceList::reserve(std::uint32_t count) {
  if (count <= capacity_) return;
  Hint* const hint = allocate(count);
  Slice* const larger = reinterpret_cast<Slice*>(hint + 1);
  // A slice is a counted pointer and two numbers: moving its bytes moves it.
  std::memcpy(static_cast<void*>(larger), static_cast<const void*>(data()), size_ * sizeof(Slice));
  if (Hint* const old = this->hint()) {
    *hint = *old;
    std::free(old);
  }
  std::memcpy(place_, &larger, sizeof(larger));
  capacity_ = count;
}

void SliceList::release() {
  Slice* const slices = data();
  for (std::uint32_t i = 0; i < size_; ++i) slices[i].~Slice();
  size_ = 0;
  if (capacity_ == in_place) return;
  std::free(hint());
  capacity_ = in_place;
}

Bytes Bytes::copy_of(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return {};
  CHECK(bytes.size() <= UINT32_MAX);
  const auto size = static_cast<std::uint32_t>(bytes.size());
  Block* const block = Block::create(size);
  std::memcpy(block->data(), bytes.data(), size);
  return Bytes(Slice::adopt(block, 0, size));
}

Bytes Bytes::copy_of(std::string_view text) {
  return copy_of(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

Bytes Bytes::zeros(std::uint64_t size) {
  if (size == 0) return {};
  CHECK(size <= UINT32_MAX);
  Block* const block = Block::create(static_cast<std::uint32_t>(size));
  std::memset(block->data(), 0, size);
  return Bytes(Slice::adopt(block, 0, static_cast<std::uint32_t>(size)));
}

Bytes Bytes::sub(std::uint64_t from, std::uint64_t size) const {
  CHECK(from <= size_ && size <= size_ - from);
  Bytes result;
  if (size == 0) return result;
  if (slices_.size() == 1) {
    result.append(slices_[0].sub(static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(size)));
    return result;
  }
  const Place place = place_of(from);
  from -= place.begins;
  for (std::size_t i = place.slice; size > 0; ++i) {
    const Slice& slice = slices_[i];
    const std::uint64_t take = std::min<std::uint64_t>(slice.size() - from, size);
    result.append(slice.sub(static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(take)));
    from = 0;
    size -= take;
  }
  return result;
}

void Bytes::copy_to(std::uint64_t from, std::span<std::uint8_t> out) const {
  CHECK(from <= size_ && out.size() <= size_ - from);
  std::uint8_t* to = out.data();
  std::uint64_t left = out.size();
  if (left == 0) return;
  const Place place = place_of(from);
  from -= place.begins;
  for (std::size_t i = place.slice; left > 0; ++i) {
    const Slice& slice = slices_[i];
    const std::uint64_t take = std::min<std::uint64_t>(slice.size() - from, left);
    std::memcpy(to, slice.data() + from, take);
    to += take;
    left -= take;
    from = 0;
  }
}

Bytes Bytes::flat() const {
  if (contiguous()) return *this;
  CHECK(size_ <= UINT32_MAX);
  Block* const block = Block::create(static_cast<std::uint32_t>(size_));
  copy_to(0, std::span(block->data(), size_));
  return Bytes(Slice::adopt(block, 0, static_cast<std::uint32_t>(size_)));
}

std::uint8_t Bytes::at(std::uint64_t index) const {
  std::uint8_t byte = 0;
  copy_to(index, std::span(&byte, 1));
  return byte;
}

std::string Bytes::to_string() const {
  std::string text(size_, '\0');
  copy_to(0, std::span(reinterpret_cast<std::uint8_t*>(text.data()), text.size()));
  return text;
}

std::string Bytes::to_hex() const {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(size_ * 2);
  for (const Slice& slice : slices_)
    for (const std::uint8_t byte : slice.span()) {
      text.push_back(digits[byte >> 4]);
      text.push_back(digits[byte & 15]);
    }
  return text;
}

bool operator==(const Bytes& a, const Bytes& b) {
  if (a.size_ != b.size_) return false;
  std::size_t i = 0, j = 0;
  std::uint32_t at_a = 0, at_b = 0;
  for (std::uint64_t left = a.size_; left > 0;) {
    const Slice& x = a.slices_[i];
    const Slice& y = b.slices_[j];
    const std::uint32_t step = std::min(x.size() - at_a, y.size() - at_b);
    const std::uint8_t* const p = x.data() + at_a;
    const std::uint8_t* const q = y.data() + at_b;
    if (p != q && std::memcmp(p, q, step) != 0) return false;
    left -= step;
    if ((at_a += step) == x.size()) { ++i; at_a = 0; }
    if ((at_b += step) == y.size()) { ++j; at_b = 0; }
  }
  return true;
}

Bytes bytes_from_hex(std::string_view hex) {
  std::string raw;
  int high = -1;
  for (const char c : hex) {
    if (c == ' ' || c == '\n') continue;
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    CHECK_SAYING(digit >= 0, "not a hexadecimal digit");
    if (high < 0) high = digit;
    else { raw.push_back(static_cast<char>(high * 16 + digit)); high = -1; }
  }
  CHECK_SAYING(high < 0, "an odd number of hexadecimal digits");
  return Bytes::copy_of(raw);
}

std::uint64_t hash_of(const Bytes& bytes) {
  if (bytes.contiguous()) return XXH3_64bits(bytes.span().data(), bytes.size());
  constexpr std::size_t short_bytes = 2048;  // to copy these is less work than to hash in pieces
  if (bytes.size() <= short_bytes) {
    std::uint8_t copy[short_bytes];
    bytes.copy_to(0, std::span(copy, bytes.size()));
    return XXH3_64bits(copy, bytes.size());
  }
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (const Slice& slice : bytes.slices()) XXH3_64bits_update(&state, slice.data(), slice.size());
  return XXH3_64bits_digest(&state);
}

std::uint64_t hash_of(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

}  // namespace harrow
