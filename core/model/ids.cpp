#include "core/model/ids.h"

#include "core/base/wide.h"

namespace harrow {
namespace {
constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// The next code point of UTF-8; a byte that begins no valid sequence counts as U+FFFD.
std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(at++);
  if (first < 0x80) return first;
  const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
  if (more == 0) return 0xfffd;
  std::uint32_t point = first & (0x3f >> more);
  for (int i = 0; i < more; ++i) {
    if (at >= text.size() || (byte(at) & 0xc0) != 0x80) return 0xfffd;
    point = (point << 6) | (byte(at++) & 0x3f);
  }
  return point;
}
}  // namespace

std::string to_text(const Uuid& id) {
  std::string text;
  u128 bits = (static_cast<u128>(id.high) << 64) | id.low;
  // 22 digits of 6 bits hold 132 bits: the last digit carries two bits and four zeros.
  text.resize(22);
  text[21] = base64_digits[static_cast<std::size_t>((bits & 3) << 4)];
  bits >>= 2;
  for (int i = 20; i >= 0; --i) {
    text[static_cast<std::size_t>(i)] = base64_digits[static_cast<std::size_t>(bits & 63)];
    bits >>= 6;
  }
  return text;
}

bool parse_uuid(std::string_view text, Uuid& out) {
  if (text.size() != 22) return false;
  u128 bits = 0;
  for (std::size_t i = 0; i < 22; ++i) {
    const std::size_t digit = base64_digits.find(text[i]);
    if (digit == std::string_view::npos) return false;
    if (i < 21) bits = (bits << 6) | digit;
    else bits = (bits << 2) | (digit >> 4);
  }
  out.high = static_cast<std::uint64_t>(bits >> 64);
  out.low = static_cast<std::uint64_t>(bits);
  return true;
}

std::string folder_of(const TopicPartition& id) { return id.topic + "-" + std::to_string(id.partition); }

std::int32_t java_hash(std::string_view utf8) {
  std::uint32_t hash = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::uint32_t point = next_code_point(utf8, at);
    if (point < 0x10000) {
      hash = hash * 31 + point;
    } else {
      hash = hash * 31 + (0xd800 + ((point - 0x10000) >> 10));
      hash = hash * 31 + (0xdc00 + ((point - 0x10000) & 0x3ff));
    }
  }
  return static_cast<std::int32_t>(hash);
}

std::int32_t murmur2(std::string_view bytes) {
  constexpr std::uint32_t m = 0x5bd1e995;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[i])); };
  const std::size_t length = bytes.size();
  std::uint32_t h = 0x9747b28cu ^ static_cast<std::uint32_t>(length);
  for (std::size_t i = 0; i + 4 <= length; i += 4) {
    std::uint32_t k = byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24;
    k *= m;
    k ^= k >> 24;
    k *= m;
    h = (h * m) ^ k;
  }
  const std::size_t tail = length & ~std::size_t{3};
  const std::size_t rest = length & 3;
  if (rest == 3) h ^= byte(tail + 2) << 16;
  if (rest >= 2) h ^= byte(tail + 1) << 8;
  if (rest >= 1) h = (h ^ byte(tail)) * m;
  h = (h ^ (h >> 13)) * m;
  return static_cast<std::int32_t>(h ^ (h >> 15));
}

std::int32_t partition_of_key(std::string_view key, std::int32_t partitions) { return (murmur2(key) & 0x7fffffff) % partitions; }

std::int32_t coordinator_partition_of(std::string_view group, std::int32_t partitions) {
  const std::int32_t hash = java_hash(group);
  return (hash == INT32_MIN ? 0 : hash < 0 ? -hash : hash) % partitions;
}

}  // namespace harrow
