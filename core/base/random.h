// Named streams of random numbers. A stream is a key and a counter (SplitMix64), so it is plain state that can be
// copied, and one more draw in one stream never moves another. Integers only: no floating point, no libm.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/wide.h"

namespace harrow {

/// The finaliser of SplitMix64: a bijection that spreads every bit.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

class Random {
 public:
  constexpr explicit Random(std::uint64_t key = 0) : state_(mix64(key + 0x9e3779b97f4a7c15ULL)) {}

  constexpr std::uint64_t next() { return mix64(state_ += 0x9e3779b97f4a7c15ULL); }

  /// Uniform in [0, bound); bound 0 gives 0. The bias of the multiply-shift is below 2^-64 * bound.
  constexpr std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<u128>(next()) * bound) >> 64);
  }
  /// Uniform in [low, high], both ends included.
  constexpr std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  /// True in `numerator` of `denominator` draws.
  constexpr bool chance(std::uint64_t numerator, std::uint64_t denominator) { return below(denominator) < numerator; }

  /// A stream of its own for this name; the parent is not moved by it.
  constexpr Random fork(std::string_view name) const {
    std::uint64_t hash = 0xcbf29ce484222325ULL ^ state_;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return Random(hash);
  }
  constexpr Random fork(std::string_view name, std::uint64_t index) const {
    return Random(fork(name).state_ ^ mix64(index + 1));
  }

 private:
  std::uint64_t state_;
};

}  // namespace harrow
