// Writer builds Bytes from big-endian fields; Reader takes them apart. Both know Kafka's variable-length integers
// (facts section 1). A Reader never reads past its end: it latches `failed`, returns zeros from then on, and its owner
// asks once at the end (and before any loop whose count came from the wire).
#pragma once

#include <bit>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "core/base/bytes.h"

namespace harrow {

namespace detail {
template <class Integer>
constexpr Integer big_endian(Integer value) {
  if constexpr (sizeof(Integer) == 1) return value;
  else if constexpr (sizeof(Integer) == 2) return static_cast<Integer>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  else if constexpr (sizeof(Integer) == 4) return static_cast<Integer>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  else return static_cast<Integer>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
}
static_assert(std::endian::native == std::endian::little);
}  // namespace detail

class Writer {
 public:
  explicit Writer(std::uint32_t expected = 256) : capacity_(expected < 64 ? 64 : expected), block_(Block::create(capacity_)) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { block_->release(); }

  void u8(std::uint8_t v) { fixed(v); }
  void i8(std::int8_t v) { fixed(v); }
  void i16(std::int16_t v) { fixed(v); }
  void u16(std::uint16_t v) { fixed(v); }
  void i32(std::int32_t v) { fixed(v); }
  void u32(std::uint32_t v) { fixed(v); }
  void i64(std::int64_t v) { fixed(v); }
  void u64(std::uint64_t v) { fixed(v); }
  void f64(double v) { fixed(std::bit_cast<std::uint64_t>(v)); }
  void boolean(bool v) { fixed(static_cast<std::uint8_t>(v ? 1 : 0)); }
  void uvarint(std::uint64_t v) {
    std::uint8_t* to = room(10);
    if (v < 0x80) [[likely]] {
      *to = static_cast<std::uint8_t>(v);
      ++used_;
      return;
    }
    std::uint32_t n = 0;
    while (v >= 0x80) { to[n++] = static_cast<std::uint8_t>(v | 0x80); v >>= 7; }
    to[n++] = static_cast<std::uint8_t>(v);
    used_ += n;
  }
  /// Zig-zag varint; int32 and int64 share one form.
  void varint(std::int64_t v) { uvarint((static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63)); }
  void raw(std::span<const std::uint8_t> bytes) {
    if (bytes.empty()) return;
    std::memcpy(room(static_cast<std::uint32_t>(bytes.size())), bytes.data(), bytes.size());
    used_ += static_cast<std::uint32_t>(bytes.size());
  }
  void raw(std::string_view text) { raw(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())); }
  /// Adds a rope: long ones are shared, short ones copied.
  void bytes(const Bytes& rope);
  /// Bytes written so far.
  std::uint64_t size() const { return done_.size() + (used_ - start_); }
  /// Overwrites four bytes that were written with i32() within the newest `size()` bytes of this block.
  void patch_i32(std::uint64_t at, std::int32_t v);
  /// Everything written; the writer is empty afterwards.
  Bytes finish();

 private:
  template <class Integer>
  void fixed(Integer v) {
    const Integer big = detail::big_endian(v);
    std::memcpy(room(sizeof(Integer)), &big, sizeof(Integer));
    used_ += sizeof(Integer);
  }
  std::uint8_t* room(std::uint32_t more) {
    if (capacity_ - used_ < more) [[unlikely]] grow(more);
    return block_->data() + used_;
  }
  void grow(std::uint32_t more);
  void seal();  // moves [start_, used_) to done_

  Bytes done_;
  std::uint32_t capacity_;
  std::uint32_t start_ = 0;
  std::uint32_t used_ = 0;
  Block* block_;
};

class Reader {
 public:
  /// The rope must outlive the reader.
  explicit Reader(const Bytes& bytes) : rope_(&bytes), left_(bytes.size()) { enter(0); }

  bool failed() const { return failed_; }
  std::uint64_t left() const { return failed_ ? 0 : left_; }
  std::uint64_t position() const { return rope_->size() - left_; }
  void fail() { failed_ = true; left_ = 0; here_left_ = 0; }

  std::uint8_t u8() { return fixed<std::uint8_t>(); }
  std::int8_t i8() { return fixed<std::int8_t>(); }
  std::int16_t i16() { return fixed<std::int16_t>(); }
  std::uint16_t u16() { return fixed<std::uint16_t>(); }
  std::int32_t i32() { return fixed<std::int32_t>(); }
  std::uint32_t u32() { return fixed<std::uint32_t>(); }
  std::int64_t i64() { return fixed<std::int64_t>(); }
  std::uint64_t u64() { return fixed<std::uint64_t>(); }
  double f64() { return std::bit_cast<double>(fixed<std::uint64_t>()); }
  bool boolean() { return fixed<std::uint8_t>() != 0; }
  /// At most five bytes for 32 bits, ten for 64; a longer one fails the reader.
  std::uint32_t uvarint32() {
    if (here_left_ > 0 && *here_ < 0x80) [[likely]] return take_byte();
    return long_uvarint32();
  }
  std::uint64_t uvarint64() {
    if (here_left_ > 0 && *here_ < 0x80) [[likely]] return take_byte();
    return long_uvarint64();
  }
  std::int32_t varint32() {
    const std::uint32_t v = uvarint32();
    return static_cast<std::int32_t>((v >> 1) ^ (0u - (v & 1)));
  }
  std::int64_t varint64() {
    const std::uint64_t v = uvarint64();
    return static_cast<std::int64_t>((v >> 1) ^ (0ull - (v & 1)));
  }
  void raw(std::span<std::uint8_t> out);
  std::string text(std::uint64_t size);
  /// The next `size` bytes, shared.
  Bytes bytes(std::uint64_t size);
  void skip(std::uint64_t size);

 private:
  template <class Integer>
  Integer fixed() {
    Integer value{};
    if (here_left_ >= sizeof(Integer)) [[likely]] {
      std::memcpy(&value, here_, sizeof(Integer));
      here_ += sizeof(Integer);
      here_left_ -= sizeof(Integer);
      left_ -= sizeof(Integer);
    } else {
      raw(std::span(reinterpret_cast<std::uint8_t*>(&value), sizeof(Integer)));
      if (failed_) return 0;
    }
    return detail::big_endian(value);
  }
  void enter(std::size_t slice);
  std::uint8_t take_byte() {
    --here_left_;
    --left_;
    return *here_++;
  }
  std::uint32_t long_uvarint32();
  std::uint64_t long_uvarint64();

  const Bytes* rope_;
  std::uint64_t left_;
  std::size_t slice_ = 0;
  const std::uint8_t* here_ = nullptr;
  std::uint64_t here_left_ = 0;
  bool failed_ = false;
};

}  // namespace harrow
