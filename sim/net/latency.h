// Exponentially distributed waits from a table of integers, the same on every machine.
#pragma once

#include <array>
#include <cstdint>

#include "core/base/random.h"
#include "core/base/wide.h"

namespace harrow::sim {

namespace latency_table {

/// -ln(u / 2048) in units of 2^-16, for odd u: by repeated squaring, one bit of the binary logarithm a step.
constexpr std::uint32_t minus_ln(std::uint32_t u) {
  constexpr std::uint64_t one = std::uint64_t{1} << 32;
  unsigned whole = 0;
  std::uint64_t x = static_cast<std::uint64_t>(u) << 32;
  while (x >= 2 * one) {
    x >>= 1;
    ++whole;
  }
  std::uint64_t fraction = 0;
  for (int bit = 0; bit < 32; ++bit) {
    x = static_cast<std::uint64_t>((static_cast<u128>(x) * x) >> 32);
    fraction <<= 1;
    if (x >= 2 * one) {
      x >>= 1;
      fraction |= 1;
    }
  }
  const std::uint64_t log2_q32 = (static_cast<std::uint64_t>(whole) << 32) + fraction;
  const std::uint64_t negative = (std::uint64_t{11} << 32) - log2_q32;
  constexpr std::uint64_t ln2_q32 = 2'977'044'472;
  return static_cast<std::uint32_t>((static_cast<u128>(negative) * ln2_q32) >> 48);
}

constexpr std::array<std::uint32_t, 1024> make() {
  std::array<std::uint32_t, 1024> table{};
  for (std::uint32_t i = 0; i < 1024; ++i) table[i] = minus_ln(2 * i + 1);
  return table;
}
inline constexpr std::array<std::uint32_t, 1024> table = make();
constexpr std::uint32_t ln1024_q16 = 454'262;

}  // namespace latency_table

/// An exponential wait with this mean. The last of 1024 steps draws again (the distribution has no memory), so the tail
/// is as long as it should be.
inline std::int64_t draw_exponential(std::int64_t mean, Random& random) {
  std::uint64_t sum_q16 = 0;
  for (;;) {
    const std::uint64_t step = random.next() >> 54;
    if (step != 0) [[likely]] {
      sum_q16 += latency_table::table[step];
      break;
    }
    sum_q16 += latency_table::ln1024_q16;
  }
  return static_cast<std::int64_t>((static_cast<u128>(static_cast<std::uint64_t>(mean)) * sum_q16) >> 16);
}

}  // namespace harrow::sim
