// What generated printers call: messages as one line of JSON (bytes in hexadecimal, ids in Kafka's text form).
#pragma once

#include "core/wire/message.h"

namespace harrow::wire::text {

/// Begins a field: comma when it is not the first, then its quoted name.
void name(std::string& out, std::string_view field);
void put(std::string& out, bool v);
void put(std::string& out, std::int64_t v);
void put(std::string& out, double v);
void put(std::string& out, std::string_view v);
void put(std::string& out, const Uuid& v);
void put(std::string& out, const Bytes& v);
inline void put(std::string& out, std::int8_t v) { put(out, static_cast<std::int64_t>(v)); }
inline void put(std::string& out, std::int16_t v) { put(out, static_cast<std::int64_t>(v)); }
inline void put(std::string& out, std::uint16_t v) { put(out, static_cast<std::int64_t>(v)); }
inline void put(std::string& out, std::int32_t v) { put(out, static_cast<std::int64_t>(v)); }
inline void put(std::string& out, std::uint32_t v) { put(out, static_cast<std::int64_t>(v)); }
inline void put(std::string& out, const std::string& v) { put(out, std::string_view(v)); }
/// Tagged fields without a name; nothing when there are none.
void put_tags(std::string& out, const std::vector<RawTag>& tags);

template <class Struct>
  requires requires(const Struct& s, std::string& out) { s.print_to(out); }
void put(std::string& out, const Struct& v) {
  v.print_to(out);
}
template <class Element>
void put(std::string& out, const std::vector<Element>& v) {
  out += '[';
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (i > 0) out += ", ";
    put(out, v[i]);
  }
  out += ']';
}
template <class Value>
void put(std::string& out, const std::optional<Value>& v) {
  if (v) put(out, *v);
  else out += "null";
}

}  // namespace harrow::wire::text
