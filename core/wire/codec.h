// What generated decoders and encoders call. A decoder reads on after a failure (the reader answers with zeros) and its
// caller looks at `failed()` once, but no count from the wire is believed before it is held against the bytes left.
#pragma once

#include <bit>
#include <limits>

#include "core/base/buffer.h"
#include "core/wire/message.h"

namespace harrow::wire::codec {

constexpr std::uint32_t uvarint_size(std::uint64_t v) { return (static_cast<std::uint32_t>(std::bit_width(v | 1)) + 6) / 7; }

/// Length of a string; -1 is null.
inline std::int64_t read_short_length(Reader& r, bool flexible) {
  return flexible ? static_cast<std::int64_t>(r.uvarint32()) - 1 : r.i16();
}
/// Length of bytes or an array; -1 is null.
inline std::int64_t read_length(Reader& r, bool flexible) {
  return flexible ? static_cast<std::int64_t>(r.uvarint32()) - 1 : r.i32();
}

inline void read(Reader& r, bool& v) { v = r.boolean(); }
inline void read(Reader& r, std::int8_t& v) { v = r.i8(); }
inline void read(Reader& r, std::int16_t& v) { v = r.i16(); }
inline void read(Reader& r, std::uint16_t& v) { v = r.u16(); }
inline void read(Reader& r, std::int32_t& v) { v = r.i32(); }
inline void read(Reader& r, std::uint32_t& v) { v = r.u32(); }
inline void read(Reader& r, std::int64_t& v) { v = r.i64(); }
inline void read(Reader& r, double& v) { v = r.f64(); }
inline void read(Reader& r, Uuid& v) {
  v.high = r.u64();
  v.low = r.u64();
}
inline void read_string(Reader& r, std::string& v, bool flexible) {
  const std::int64_t size = read_short_length(r, flexible);
  if (size < 0) r.fail();
  else v = r.text(static_cast<std::uint64_t>(size));
}
inline void read_string(Reader& r, std::optional<std::string>& v, bool flexible, bool nullable) {
  const std::int64_t size = read_short_length(r, flexible);
  if (size >= 0) v = r.text(static_cast<std::uint64_t>(size));
  else if (size == -1 && nullable) v.reset();
  else r.fail();
}
inline void read_bytes(Reader& r, Bytes& v, bool flexible) {
  const std::int64_t size = read_length(r, flexible);
  if (size < 0) r.fail();
  else v = r.bytes(static_cast<std::uint64_t>(size));
}
inline void read_bytes(Reader& r, std::optional<Bytes>& v, bool flexible, bool nullable) {
  const std::int64_t size = read_length(r, flexible);
  if (size >= 0) v = r.bytes(static_cast<std::uint64_t>(size));
  else if (size == -1 && nullable) v.reset();
  else r.fail();
}

constexpr std::int64_t most_reserved = 1024;

/// Reads `count` elements; `least_bytes` is the least one of them can take on the wire.
template <class Element, class ReadElement>
void read_elements(Reader& r, std::vector<Element>& v, std::int64_t count, std::uint64_t least_bytes, ReadElement read_element) {
  v.clear();
  if (count < 0 || static_cast<std::uint64_t>(count) > r.left() / least_bytes) {
    r.fail();
    return;
  }
  // Room for more comes only as elements really arrive.
  v.reserve(static_cast<std::size_t>(count < most_reserved ? count : most_reserved));
  for (std::int64_t i = 0; i < count && !r.failed(); ++i) read_element(v.emplace_back());
}
template <class Element, class ReadElement>
void read_array(Reader& r, std::vector<Element>& v, bool flexible, std::uint64_t least_bytes, ReadElement read_element) {
  read_elements(r, v, read_length(r, flexible), least_bytes, read_element);
}
template <class Element, class ReadElement>
void read_array(Reader& r, std::optional<std::vector<Element>>& v, bool flexible, bool nullable, std::uint64_t least_bytes,
                ReadElement read_element) {
  const std::int64_t count = read_length(r, flexible);
  if (count == -1 && nullable) v.reset();
  else read_elements(r, v.emplace(), count, least_bytes, read_element);
}

/// Whether a nullable struct follows.
inline bool read_presence(Reader& r, bool nullable) {
  const std::int8_t mark = r.i8();
  if (mark < 0 && !nullable) r.fail();
  return mark >= 0;
}

/// Walks a section of tagged fields: tags ascend, and each field must take exactly the bytes it announces.
class TagReader {
 public:
  explicit TagReader(Reader& r) : r_(r), left_(r.uvarint32()) {
    if (left_ > r.left() / 2) r.fail();
  }
  bool next() {
    if (r_.failed()) return false;
    if (end_ != none && r_.position() != end_) {
      r_.fail();
      return false;
    }
    if (left_ == 0) return false;
    --left_;
    const std::uint32_t tag = r_.uvarint32();
    size_ = r_.uvarint32();
    if (r_.failed() || size_ > r_.left() || (end_ != none && tag <= tag_)) {
      r_.fail();
      return false;
    }
    tag_ = tag;
    end_ = r_.position() + size_;
    return true;
  }
  std::uint32_t tag() const { return tag_; }
  void keep(std::vector<RawTag>& to) { to.push_back(RawTag{tag_, r_.bytes(size_)}); }

 private:
  static constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();
  Reader& r_;
  std::uint32_t left_;
  std::uint32_t tag_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t end_ = none;
};
inline void read_tags(Reader& r, std::vector<RawTag>& unknown) {
  for (TagReader tags(r); tags.next();) tags.keep(unknown);
}

inline void write(Writer& w, bool v) { w.boolean(v); }
inline void write(Writer& w, std::int8_t v) { w.i8(v); }
inline void write(Writer& w, std::int16_t v) { w.i16(v); }
inline void write(Writer& w, std::uint16_t v) { w.u16(v); }
inline void write(Writer& w, std::int32_t v) { w.i32(v); }
inline void write(Writer& w, std::uint32_t v) { w.u32(v); }
inline void write(Writer& w, std::int64_t v) { w.i64(v); }
inline void write(Writer& w, double v) { w.f64(v); }
inline void write(Writer& w, const Uuid& v) {
  w.u64(v.high);
  w.u64(v.low);
}
inline void write_length(Writer& w, std::size_t size, bool flexible) {
  if (flexible) w.uvarint(size + 1);
  else w.i32(static_cast<std::int32_t>(size));
}
inline void write_null(Writer& w, bool flexible) {
  if (flexible) w.uvarint(0);
  else w.i32(-1);
}
inline void write_string(Writer& w, std::string_view v, bool flexible) {
  if (flexible) {
    w.uvarint(v.size() + 1);
  } else {
    // A classic string has 15 bits of length. Texts come from clients, so a longer one must not stop a node: it is cut.
    v = v.substr(0, static_cast<std::size_t>(std::numeric_limits<std::int16_t>::max()));
    w.i16(static_cast<std::int16_t>(v.size()));
  }
  w.raw(v);
}
inline void write_nullable_string(Writer& w, const std::optional<std::string>& v, bool flexible) {
  if (v) write_string(w, std::string_view(*v), flexible);
  else if (flexible) w.uvarint(0);
  else w.i16(-1);
}
inline void write_bytes(Writer& w, const Bytes& v, bool flexible) {
  write_length(w, v.size(), flexible);
  w.bytes(v);
}
inline void write_nullable_bytes(Writer& w, const std::optional<Bytes>& v, bool flexible) {
  if (v) write_bytes(w, *v, flexible);
  else write_null(w, flexible);
}

/// Writes the unknown tags below `limit`, from the `at`-th on: known and unknown ones ascend together.
inline void write_tags_below(Writer& w, const std::vector<RawTag>& unknown, std::size_t& at, std::uint64_t limit) {
  for (; at < unknown.size() && unknown[at].tag < limit; ++at) {
    w.uvarint(unknown[at].tag);
    w.uvarint(unknown[at].data.size());
    w.bytes(unknown[at].data);
  }
}
inline void write_tags(Writer& w, const std::vector<RawTag>& unknown) {
  w.uvarint(unknown.size());
  std::size_t at = 0;
  write_tags_below(w, unknown, at, std::numeric_limits<std::uint64_t>::max());
}

/// Sizes on the wire, in flexible form: only tagged fields announce their size, and those exist only there.
inline std::size_t size_of(const std::string& v) { return uvarint_size(v.size() + 1) + v.size(); }
inline std::size_t size_of(const std::optional<std::string>& v) { return v ? size_of(*v) : 1; }
inline std::size_t size_of(const Bytes& v) { return uvarint_size(v.size() + 1) + v.size(); }
inline std::size_t size_of(const std::optional<Bytes>& v) { return v ? size_of(*v) : 1; }
inline std::size_t size_of_tags(const std::vector<RawTag>& unknown) {
  std::size_t size = 0;
  for (const RawTag& raw : unknown) size += uvarint_size(raw.tag) + uvarint_size(raw.data.size()) + raw.data.size();
  return size;
}

/// What a decoder answers when its reader has failed.
tl::unexpected<Error> malformed();
tl::unexpected<Error> version_out_of_range();

}  // namespace harrow::wire::codec
