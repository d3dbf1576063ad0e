#include "core/wire/randomise.h"

#include <bit>

namespace harrow::wire::dice {

std::int64_t integer(Random& random, int bits, bool is_signed) {
  const std::uint64_t any = random.next() >> (64 - bits);
  const std::uint64_t kind = random.below(4);
  if (kind == 0) return static_cast<std::int64_t>(any & 15);
  if (kind == 1 && is_signed) return -1;
  if (!is_signed) return static_cast<std::int64_t>(any);
  // Sign-extends the chosen width.
  return static_cast<std::int64_t>(any << (64 - bits)) >> (64 - bits);
}

void roll(Random& random, bool& v) { v = random.chance(1, 2); }
void roll(Random& random, std::int8_t& v) { v = static_cast<std::int8_t>(integer(random, 8, true)); }
void roll(Random& random, std::int16_t& v) { v = static_cast<std::int16_t>(integer(random, 16, true)); }
void roll(Random& random, std::uint16_t& v) { v = static_cast<std::uint16_t>(integer(random, 16, false)); }
void roll(Random& random, std::int32_t& v) { v = static_cast<std::int32_t>(integer(random, 32, true)); }
void roll(Random& random, std::uint32_t& v) { v = static_cast<std::uint32_t>(integer(random, 32, false)); }
void roll(Random& random, std::int64_t& v) { v = integer(random, 64, true); }
void roll(Random& random, double& v) {
  // Every bit pattern with a small exponent is a number, so that == holds after a round trip.
  v = std::bit_cast<double>(random.next() & 0xbfffffffffffffffULL);
}
void roll(Random& random, std::string& v) {
  v.clear();
  const std::uint64_t size = random.chance(1, 32) ? 200 : random.below(12);
  for (std::uint64_t i = 0; i < size; ++i) v.push_back(static_cast<char>(' ' + random.below(95)));
  if (random.chance(1, 16)) v += "\xc3\xa9\xe2\x82\xac";
}
void roll(Random& random, Uuid& v) {
  v.high = random.next();
  v.low = random.next();
}
void roll(Random& random, Bytes& v) {
  std::string raw;
  const std::uint64_t size = random.chance(1, 16) ? 300 : random.below(16);
  for (std::uint64_t i = 0; i < size; ++i) raw.push_back(static_cast<char>(random.below(256)));
  v = Bytes::copy_of(raw);
}
void roll(Random& random, std::vector<RawTag>& v) {
  v.clear();
  if (!random.chance(1, 8)) return;
  std::uint32_t tag = 1000;
  for (std::size_t i = 0; i <= random.below(2); ++i) {
    RawTag raw;
    raw.tag = tag += 1 + static_cast<std::uint32_t>(random.below(300));
    roll(random, raw.data);
    v.push_back(raw);
  }
}

}  // namespace harrow::wire::dice
