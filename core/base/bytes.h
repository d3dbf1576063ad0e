// Bytes: a rope of immutable, counted slices. A frame, the page cache, each replica and the history share the same
// blocks; cutting, joining and passing on copy nothing. Reference counts are not atomic: a block belongs to one thread.
// Only core/model, core/wire and the disks look inside; everything above carries ropes on.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

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

class Bytes {
 public:
  Bytes() = default;
  Bytes(Slice slice) { append(std::move(slice)); }  // NOLINT: a slice is a rope of one

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

  /// The rope of [from, from + size); shares the blocks.
  Bytes sub(std::uint64_t from, std::uint64_t size) const;
  Bytes from(std::uint64_t from) const { return sub(from, size_ - from); }
  /// The same without its first `size` bytes.
  void drop_front(std::uint64_t size) {
    CHECK(size <= size_);
    size_ -= size;
    while (size > 0 && slices_.front().size() <= size) {
      size -= slices_.front().size();
      slices_.erase(slices_.begin());
    }
    if (size > 0) slices_.front().drop_front(static_cast<std::uint32_t>(size));
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
  boost::container::small_vector<Slice, 2> slices_;
  std::uint64_t size_ = 0;
};

/// Bytes of hexadecimal digits (blanks are skipped); CHECKs the form: for tests and tables.
Bytes bytes_from_hex(std::string_view hex);

/// XXH3-64 of the content, the same however the rope is cut.
std::uint64_t hash_of(const Bytes& bytes);
std::uint64_t hash_of(std::string_view text);

}  // namespace harrow
