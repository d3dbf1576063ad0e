// Bytes: a rope of immutable, counted slices. A frame, the page cache, each replica and the history share the same
// blocks; cutting, joining and passing on copy nothing. Reference counts are not atomic: a block belongs to one thread.
// Only core/model, core/wire and the disks look inside; everything above carries ropes on.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/check.h"

namespace harrow {

/// Memory for `capacity` bytes, freed with its last slice. Whoever creates a block may write it until the first slice
/// of it is given away.
class Block {
 public:
  static Block* create(std::uint32_t capacity);
  std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(this + 1); }
  std::uint32_t capacity() const { return capacity_; }
  void retain() { ++references_; }
  void release() {
    if (--references_ == 0) destroy(this);
  }

 private:
  explicit Block(std::uint32_t capacity) : references_(1), capacity_(capacity) {}
  static void destroy(Block* block);
  std::uint32_t references_;
  std::uint32_t capacity_;
};

/// A part of a block; keeps the block alive.
class Slice {
 public:
  Slice() = default;
  /// Takes over the caller's reference.
  static Slice adopt(Block* block, std::uint32_t offset, std::uint32_t size) { return Slice(block, offset, size); }
  Slice(const Slice& other) : block_(other.block_), offset_(other.offset_), size_(other.size_) {
    if (block_ != nullptr) block_->retain();
  }
  Slice(Slice&& other) noexcept : block_(other.block_), offset_(other.offset_), size_(other.size_) {
    other.block_ = nullptr;
    other.size_ = 0;
  }
  Slice& operator=(Slice other) noexcept {
    std::swap(block_, other.block_);
    std::swap(offset_, other.offset_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Slice() {
    if (block_ != nullptr) block_->release();
  }
  const std::uint8_t* data() const { return block_ == nullptr ? nullptr : block_->data() + offset_; }
  std::uint32_t size() const { return size_; }
  std::span<const std::uint8_t> span() const { return {data(), size_}; }
  Slice sub(std::uint32_t from, std::uint32_t size) const {
    DCHECK(from + size <= size_);
    if (block_ != nullptr) block_->retain();
    return Slice(block_, offset_ + from, size);
  }
  /// Whether `next` continues this slice in the same block, so that both can be one.
  bool continued_by(const Slice& next) const { return block_ == next.block_ && offset_ + size_ == next.offset_; }
  void extend(std::uint32_t size) { size_ += size; }
  void drop_front(std::uint32_t size) {
    offset_ += size;
    size_ -= size;
  }

 private:
  Slice(Block* block, std::uint32_t offset, std::uint32_t size) : block_(block), offset_(offset), size_(size) {}
  Block* block_ = nullptr;
  std::uint32_t offset_ = 0;
  std::uint32_t size_ = 0;
};

/// Slices of a rope, two of them in place. It moves as plain memory does, because ropes are passed on all the time.
class SliceList {
 public:
  SliceList() = default;
  SliceList(const SliceList& other) {
    reserve(other.size_);
    for (const Slice& slice : other) push_back(slice);
  }
  SliceList(SliceList&& other) noexcept { take(other); }
  SliceList& operator=(const SliceList& other) {
    if (this != &other) {
      SliceList copy(other);
      *this = std::move(copy);
    }
    return *this;
  }
  SliceList& operator=(SliceList&& other) noexcept {
    if (this != &other) {
      if (size_ != 0 || capacity_ != in_place) release();
      take(other);
    }
    return *this;
  }
  ~SliceList() {
    if (size_ != 0 || capacity_ != in_place) release();
  }

  std::uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const Slice* data() const {
    return capacity_ == in_place ? std::launder(reinterpret_cast<const Slice*>(place_)) : far();
  }
  Slice* data() { return const_cast<Slice*>(std::as_const(*this).data()); }
  const Slice* begin() const { return data(); }
  const Slice* end() const { return data() + size_; }
  const Slice& operator[](std::size_t index) const { return data()[index]; }
  Slice& front() { return data()[0]; }
  Slice& back() { return data()[size_ - 1]; }
  void push_back(Slice slice) {
    if (size_ == capacity_) [[unlikely]] reserve(size_ * 2);
    ::new (static_cast<void*>(data() + size_)) Slice(std::move(slice));
    ++size_;
  }
  /// Takes the first `count` away.
  void erase_front(std::uint32_t count) {
    forget_hint();
    Slice* const slices = data();
    for (std::uint32_t i = count; i < size_; ++i) slices[i - count] = std::move(slices[i]);
    for (std::uint32_t i = size_ - count; i < size_; ++i) slices[i].~Slice();
    size_ -= count;
  }
  void clear() {
    forget_hint();
    Slice* const slices = data();
    for (std::uint32_t i = 0; i < size_; ++i) slices[i].~Slice();
    size_ = 0;
  }
  void forget_hint() {
    if (Hint* const known = hint()) *known = Hint{};
  }
  void reserve(std::uint32_t count);

  /// Where the last look-up ended: a long list is mostly looked at from front to back, and must not be walked from its
  /// beginning each time. Kept beside the slices of a list that has outgrown its place.
  struct Hint {
    std::uint64_t begins;  // byte of the rope at which `slice` begins
    std::uint32_t slice;
    std::uint32_t unused;
  };
  Hint* hint() const { return capacity_ == in_place ? nullptr : reinterpret_cast<Hint*>(far()) - 1; }

 private:
  static constexpr std::uint32_t in_place = 2;
  Slice* far() const {
    Slice* slices;
    std::memcpy(&slices, place_, sizeof(slices));
    return slices;
  }
  void take(SliceList& other) {
    std::memcpy(place_, other.place_, sizeof(place_));
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, in_place);
  }
  void release();
  static Hint* allocate(std::uint32_t count);

  alignas(Slice) std::byte place_[in_place * sizeof(Slice)];  // the slices, or a pointer to them
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = in_place;
};

class Bytes {
 public:
  Bytes() = default;
  Bytes(Slice slice) { append(std::move(slice)); }  // NOLINT: a slice is a rope of one
  Bytes(const Bytes&) = default;
  Bytes(Bytes&& other) noexcept : slices_(std::move(other.slices_)), size_(std::exchange(other.size_, 0)) {}
  Bytes& operator=(const Bytes&) = default;
  Bytes& operator=(Bytes&& other) noexcept {
    slices_ = std::move(other.slices_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  ~Bytes() = default;

  static Bytes copy_of(std::span<const std::uint8_t> bytes);
  static Bytes copy_of(std::string_view text);
  static Bytes zeros(std::uint64_t size);

  std::uint64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const Slice> slices() const { return {slices_.data(), slices_.size()}; }

  void append(Slice slice) {
    if (slice.size() == 0) return;
    size_ += slice.size();
    if (!slices_.empty() && slices_.back().continued_by(slice)) slices_.back().extend(slice.size());
    else slices_.push_back(std::move(slice));
  }
  void append(const Bytes& other) {
    for (const Slice& slice : other.slices_) append(slice);
  }
  void clear() {
    slices_.clear();
    size_ = 0;
  }

  /// The slice that holds a byte of the rope, and where in the rope that slice begins. `at` must be below size().
  struct Place {
    std::size_t slice;
    std::uint64_t begins;
  };
  Place place_of(std::uint64_t at) const {
    Place place{0, 0};
    SliceList::Hint* const hint = slices_.hint();
    if (hint != nullptr && hint->begins <= at) place = Place{hint->slice, hint->begins};
    while (at - place.begins >= slices_[place.slice].size()) place.begins += slices_[place.slice++].size();
    if (hint != nullptr) *hint = SliceList::Hint{place.begins, static_cast<std::uint32_t>(place.slice), 0};
    return place;
  }

  /// The rope of [from, from + size); shares the blocks.
  Bytes sub(std::uint64_t from, std::uint64_t size) const;
  Bytes from(std::uint64_t from) const { return sub(from, size_ - from); }
  /// The same without its first `size` bytes.
  void drop_front(std::uint64_t size) {
    CHECK(size <= size_);
    size_ -= size;
    while (size > 0 && slices_.front().size() <= size) {
      size -= slices_.front().size();
      slices_.erase_front(1);
    }
    if (size > 0) {
      slices_.forget_hint();
      slices_.front().drop_front(static_cast<std::uint32_t>(size));
    }
  }
  /// Copies [from, from + out.size()) out.
  void copy_to(std::uint64_t from, std::span<std::uint8_t> out) const;
  /// The same bytes in one slice: itself if it is one already, else a copy.
  Bytes flat() const;
  /// The bytes as one span; only for a rope of at most one slice.
  std::span<const std::uint8_t> span() const {
    CHECK(slices_.size() <= 1);
    return slices_.empty() ? std::span<const std::uint8_t>{} : slices_[0].span();
  }
  bool contiguous() const { return slices_.size() <= 1; }
  std::uint8_t at(std::uint64_t index) const;
  std::string to_string() const;
  std::string to_hex() const;

  /// Equal content, however it is cut.
  friend bool operator==(const Bytes& a, const Bytes& b);

 private:
  SliceList slices_;
  std::uint64_t size_ = 0;
};

/// Bytes of hexadecimal digits (blanks are skipped); CHECKs the form: for tests and tables.
Bytes bytes_from_hex(std::string_view hex);

/// XXH3-64 of the content, the same however the rope is cut.
std::uint64_t hash_of(const Bytes& bytes);
std::uint64_t hash_of(std::string_view text);

}  // namespace harrow
