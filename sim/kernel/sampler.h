// Draws from a Distribution, in integers only (fixed_math.h), so that a seed gives the same samples on every build and
// processor. Owner: whoever samples keeps the Sampler and its Random. Cheap: no allocation in draw().
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/random.h"
#include "sim/scenario/scenario.h"

namespace harrow::sim {

class Sampler {
 public:
  explicit Sampler(const Distribution& distribution);
  Sampler() : Sampler(constant(0)) {}

  /// exp and lognormal are never negative; normal may be. Zipf gives ranks from 0, the most frequent first.
  std::int64_t draw(Random& random) const;
  const Distribution& distribution() const { return distribution_; }

 private:
  void make_zipf();
  std::int64_t draw_zipf(Random& random) const;

  Distribution distribution_;
  // zipf: cumulative weights (the last is 2^55) and the first rank of each bucket
  std::vector<std::uint64_t> cumulative_;
  std::vector<std::int64_t> first_rank_;
};

/// A standard normal sample, 32 fractional bits; takes two draws.
std::int64_t draw_normal(Random& random);

/// Gaps of a Poisson process with a rate in millionths of an event per second.
inline std::int64_t mean_gap_ns(std::int64_t rate_micro_per_s) {
  return rate_micro_per_s <= 0 ? INT64_MAX / 8 : 1'000'000'000'000'000 / rate_micro_per_s;
}

}  // namespace harrow::sim
