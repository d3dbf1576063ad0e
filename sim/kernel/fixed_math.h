// Logarithm, power of two, cosine and square root in integers: 32 fractional bits, tables of 257 points made by the
// compiler with integer arithmetic, straight lines between them (error below 5e-6). The C library's functions may give
// other last digits on another processor, and a sample decides what happens; these never do.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "core/base/wide.h"

namespace harrow::sim::fixed {

constexpr std::int64_t one = std::int64_t{1} << 32;
constexpr std::int64_t ln_2 = 2'977'044'472;         // ln 2
constexpr std::int64_t log2_e = 6'196'328'019;       // 1 / ln 2

constexpr std::int64_t multiply(std::int64_t a, std::int64_t b) { return static_cast<std::int64_t>((static_cast<i128>(a) * b) >> 32); }

/// Floor of the square root.
constexpr std::uint64_t root(u128 n) {
  std::uint64_t r = 0;
  for (int bit = 63; bit >= 0; --bit) {
    const std::uint64_t trial = r | std::uint64_t{1} << bit;
    if (static_cast<u128>(trial) * trial <= n) r = trial;
  }
  return r;
}

namespace tables {

/// log2(1 + i/256), by squaring: each squaring of the mantissa yields one bit.
constexpr std::array<std::int64_t, 257> make_log2() {
  std::array<std::int64_t, 257> table{};
  for (int i = 0; i < 256; ++i) {
    u128 mantissa = (u128{256} + static_cast<unsigned>(i)) << 54;  // 62 fractional bits, in [1, 2)
    std::int64_t value = 0;
    for (int bit = 31; bit >= 0; --bit) {
      mantissa = (mantissa * mantissa) >> 62;
      if (mantissa >= u128{2} << 62) {
        mantissa >>= 1;
        value |= std::int64_t{1} << bit;
      }
    }
    table[static_cast<std::size_t>(i)] = value;
  }
  table[256] = one;
  return table;
}

/// 2^(i/256), from the square roots 2^(1/2), 2^(1/4), ... 2^(1/256).
constexpr std::array<std::int64_t, 257> make_exp2() {
  std::array<std::uint64_t, 8> roots{};  // 62 fractional bits
  std::uint64_t value = root(u128{2} << 124);
  for (std::size_t k = 0; k < 8; ++k) {
    roots[k] = value;
    value = root(static_cast<u128>(value) << 62);
  }
  std::array<std::int64_t, 257> table{};
  for (int i = 0; i < 256; ++i) {
    u128 product = u128{1} << 62;
    for (int k = 0; k < 8; ++k)
      if ((i & (128 >> k)) != 0) product = (product * roots[static_cast<std::size_t>(k)]) >> 62;
    table[static_cast<std::size_t>(i)] = static_cast<std::int64_t>((product + (u128{1} << 29)) >> 30);
  }
  table[256] = 2 * one;
  return table;
}

/// cos(i/256 * pi/2), by its series with 56 fractional bits.
constexpr std::array<std::int64_t, 257> make_cos() {
  constexpr std::int64_t half_pi = 113'187'804'032'455'044;  // pi/2 * 2^56
  std::array<std::int64_t, 257> table{};
  for (int i = 0; i <= 256; ++i) {
    const i128 x = static_cast<i128>(half_pi) * i / 256;
    const i128 square = (x * x) >> 56;
    i128 term = i128{1} << 56, sum = term;
    for (int k = 1; k <= 12; ++k) {
      term = -((term * square) >> 56) / ((2 * k - 1) * (2 * k));
      sum += term;
    }
    table[static_cast<std::size_t>(i)] = static_cast<std::int64_t>((sum + (i128{1} << 23)) >> 24);
  }
  table[256] = 0;
  return table;
}

inline constexpr std::array<std::int64_t, 257> log2 = make_log2();
inline constexpr std::array<std::int64_t, 257> exp2 = make_exp2();
inline constexpr std::array<std::int64_t, 257> cosine = make_cos();

/// Between two points of a table; `fraction` has 32 bits.
constexpr std::int64_t between(const std::array<std::int64_t, 257>& table, std::uint32_t fraction) {
  const std::size_t index = fraction >> 24;
  const std::int64_t rest = fraction & 0xffffff;
  return table[index] + (((table[index + 1] - table[index]) * rest) >> 24);
}

}  // namespace tables

/// log2 of a positive integer, 32 fractional bits.
constexpr std::int64_t log2(std::uint64_t n) {
  const int top = std::bit_width(n) - 1;
  const std::uint64_t mantissa = top == 0 ? 0 : (n << (63 - top)) << 1;  // the bits below the top one, left-aligned
  return (static_cast<std::int64_t>(top) << 32) + tables::between(tables::log2, static_cast<std::uint32_t>(mantissa >> 32));
}

/// 2^x for x with 32 fractional bits, scaled by `unit`; saturates at 2^62.
constexpr std::int64_t exp2(std::int64_t x, std::int64_t unit) {
  const std::int64_t whole = x >> 32;
  if (whole >= 62) return std::int64_t{1} << 62;
  if (whole < -62) return 0;
  const u128 scaled = static_cast<u128>(static_cast<std::uint64_t>(unit)) * static_cast<std::uint64_t>(tables::between(tables::exp2, static_cast<std::uint32_t>(x)));
  // scaled has 32 fractional bits more than asked for
  const int shift = 32 - static_cast<int>(whole);
  if (shift <= 0) {
    if (-shift >= 62 || (scaled << -shift) >> -shift != scaled || scaled << -shift > u128{1} << 62) return std::int64_t{1} << 62;
    return static_cast<std::int64_t>(scaled << -shift);
  }
  const u128 rounded = shift >= 127 ? 0 : (scaled + (u128{1} << (shift - 1))) >> shift;
  return rounded > u128{1} << 62 ? std::int64_t{1} << 62 : static_cast<std::int64_t>(rounded);
}

/// cos of `turn` / 2^32 full turns, 32 fractional bits.
constexpr std::int64_t cosine_of_turn(std::uint32_t turn) {
  const std::uint32_t quarter = turn >> 30, within = turn << 2;
  switch (quarter) {
    case 0: return tables::between(tables::cosine, within);
    case 1: return -tables::between(tables::cosine, ~within);
    case 2: return -tables::between(tables::cosine, within);
    default: return tables::between(tables::cosine, ~within);
  }
}

/// -ln of a uniform number in (0, 1], 32 fractional bits: an exponential sample of mean 1.
constexpr std::int64_t minus_ln(std::uint64_t uniform) {
  if (uniform == 0) return multiply(std::int64_t{64} << 32, ln_2);
  return multiply((std::int64_t{64} << 32) - log2(uniform), ln_2);
}

}  // namespace harrow::sim::fixed
