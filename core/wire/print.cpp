#include "core/wire/print.h"

#include <fmt/format.h>

#include <iterator>

namespace harrow::wire::text {

void name(std::string& out, std::string_view field) {
  if (out.back() != '{') out += ", ";
  out += '"';
  out += field;
  out += "\": ";
}

void put(std::string& out, bool v) { out += v ? "true" : "false"; }
void put(std::string& out, std::int64_t v) { fmt::format_to(std::back_inserter(out), "{}", v); }
void put(std::string& out, double v) {
  const std::size_t start = out.size();
  fmt::format_to(std::back_inserter(out), "{}", v);
  // A whole number keeps a mark of its type.
  if (out.find_first_not_of("-0123456789", start) == std::string::npos) out += ".0";
}

void put(std::string& out, std::string_view v) {
  out += '"';
  for (const char c : v) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  out += '"';
}

void put(std::string& out, const Uuid& v) {
  out += '"';
  out += to_text(v);
  out += '"';
}

void put(std::string& out, const Bytes& v) {
  out += '"';
  out += v.to_hex();
  out += '"';
}

void put_tags(std::string& out, const std::vector<RawTag>& tags) {
  if (tags.empty()) return;
  name(out, "unknown_tags");
  out += '{';
  for (const RawTag& raw : tags) {
    name(out, fmt::format("{}", raw.tag));
    put(out, raw.data);
  }
  out += '}';
}

}  // namespace harrow::wire::text
