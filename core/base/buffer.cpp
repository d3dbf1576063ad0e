#include "core/base/buffer.h"

#include <algorithm>

namespace harrow {
namespace {
// Below this a copy is cheaper than a slice of its own.
constexpr std::uint64_t copy_limit_bytes = 128;
}  // namespace

void Writer::seal() {
  if (used_ == start_) return;
  block_->retain();
  done_.append(Slice::adopt(block_, start_, used_ - start_));
  start_ = used_;
}

void Writer::grow(std::uint32_t more) {
  seal();
  block_->release();
  capacity_ = std::max({capacity_ * 2, more, std::uint32_t{256}});
  block_ = Block::create(capacity_);
  start_ = used_ = 0;
}

void Writer::bytes(const Bytes& rope) {
  if (rope.size() <= copy_limit_bytes) {
    for (const Slice& slice : rope.slices()) raw(slice.span());
    return;
  }
  seal();
  done_.append(rope);
}

void Writer::patch_i32(std::uint64_t at, std::int32_t v) {
  // The place may lie in an older block of the same writer; nobody else holds those slices before finish().
  const std::int32_t big = detail::big_endian(v);
  std::uint8_t raw_bytes[4];
  std::memcpy(raw_bytes, &big, 4);
  if (at >= done_.size()) {
    std::memcpy(block_->data() + start_ + (at - done_.size()), raw_bytes, 4);
    return;
  }
  CHECK(at + 4 <= done_.size());
  const Bytes::Place place = done_.place_of(at);
  const Slice& holder = done_.slices()[place.slice];
  if (holder.size() - (at - place.begins) >= 4) [[likely]] {
    std::memcpy(const_cast<std::uint8_t*>(holder.data()) + (at - place.begins), raw_bytes, 4);
    return;
  }
  for (std::uint64_t i = 0; i < 4; ++i) {
    std::uint64_t base = 0;
    for (const Slice& slice : done_.slices()) {
      if (at + i < base + slice.size()) {
        const_cast<std::uint8_t*>(slice.data())[at + i - base] = raw_bytes[i];
        break;
      }
      base += slice.size();
    }
  }
}

Bytes Writer::finish() {
  seal();
  Bytes result = std::move(done_);
  done_ = Bytes();
  return result;
}

void Reader::enter(std::size_t slice) {
  slice_ = slice;
  if (slice < rope_->slices().size()) {
    here_ = rope_->slices()[slice].data();
    here_left_ = rope_->slices()[slice].size();
  } else {
    here_ = nullptr;
    here_left_ = 0;
  }
}

std::uint32_t Reader::long_uvarint32() {
  std::uint32_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    const std::uint8_t byte = u8();
    if (failed_) return 0;
    value |= static_cast<std::uint32_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  fail();
  return 0;
}

std::uint64_t Reader::long_uvarint64() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    const std::uint8_t byte = u8();
    if (failed_) return 0;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  fail();
  return 0;
}

void Reader::raw(std::span<std::uint8_t> out) {
  if (out.size() > left_) {
    fail();
    if (!out.empty()) std::memset(out.data(), 0, out.size());
    return;
  }
  std::uint8_t* to = out.data();
  std::uint64_t wanted = out.size();
  while (wanted > 0) {
    if (here_left_ == 0) enter(slice_ + 1);
    const std::uint64_t take = std::min(here_left_, wanted);
    std::memcpy(to, here_, take);
    to += take;
    here_ += take;
    here_left_ -= take;
    wanted -= take;
  }
  left_ -= out.size();
}

std::string Reader::text(std::uint64_t size) {
  if (size > left_ || failed_) {
    fail();
    return {};
  }
  std::string result(size, '\0');
  raw(std::span(reinterpret_cast<std::uint8_t*>(result.data()), size));
  return result;
}

Bytes Reader::bytes(std::uint64_t size) {
  if (size > left_ || failed_) {
    fail();
    return {};
  }
  Bytes result = rope_->sub(position(), size);
  skip(size);
  return result;
}

void Reader::skip(std::uint64_t size) {
  if (size > left_ || failed_) {
    fail();
    return;
  }
  left_ -= size;
  while (size > 0) {
    if (here_left_ == 0) enter(slice_ + 1);
    const std::uint64_t take = std::min(here_left_, size);
    here_ += take;
    here_left_ -= take;
    size -= take;
  }
}

}  // namespace harrow
