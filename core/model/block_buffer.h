// One block that grows by doubling while it is written: the result is always one slice.
#pragma once

#include <cstring>

#include "core/base/bytes.h"

namespace harrow {

class BlockBuffer {
 public:
  explicit BlockBuffer(std::uint32_t capacity = 256) : block_(Block::create(capacity < 64 ? 64 : capacity)) {}
  BlockBuffer(const BlockBuffer&) = delete;
  BlockBuffer& operator=(const BlockBuffer&) = delete;
  BlockBuffer(BlockBuffer&& other) noexcept : block_(other.block_), size_(other.size_) { other.block_ = nullptr; }
  BlockBuffer& operator=(BlockBuffer&& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~BlockBuffer() {
    if (block_ != nullptr) block_->release();
  }

  std::uint8_t* data() { return block_->data(); }
  std::uint32_t size() const { return size_; }
  /// Room for `more` bytes behind what is written; advance() makes them part of it.
  std::uint8_t* room(std::uint32_t more) {
    if (block_->capacity() - size_ < more) grow(more);
    return block_->data() + size_;
  }
  std::uint32_t free() const { return block_->capacity() - size_; }
  void advance(std::uint32_t written) { size_ += written; }
  void put(const void* bytes, std::uint32_t size) {
    if (size == 0) return;
    std::memcpy(room(size), bytes, size);
    size_ += size;
  }
  std::span<const std::uint8_t> span() { return {block_->data(), size_}; }
  /// Gives the bytes away; the buffer must not be used afterwards.
  Bytes finish() {
    Block* const block = block_;
    block_ = nullptr;
    return Bytes(Slice::adopt(block, 0, size_));
  }

 private:
  void grow(std::uint32_t more) {
    std::uint64_t capacity = std::uint64_t{block_->capacity()} * 2;
    while (capacity - size_ < more) capacity *= 2;
    CHECK_SAYING(capacity <= UINT32_MAX, "a block cannot grow beyond 4 GiB");
    Block* const bigger = Block::create(static_cast<std::uint32_t>(capacity));
    std::memcpy(bigger->data(), block_->data(), size_);
    block_->release();
    block_ = bigger;
  }
  Block* block_;
  std::uint32_t size_ = 0;
};

}  // namespace harrow
