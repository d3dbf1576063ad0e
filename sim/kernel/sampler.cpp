#include "sim/kernel/sampler.h"

#include <algorithm>

#include "sim/kernel/fixed_math.h"

namespace harrow::sim {

namespace {
constexpr std::int64_t exact_ranks = 4096;  // each a bucket of its own
constexpr std::int64_t buckets_per_doubling = 32;
}  // namespace

Sampler::Sampler(const Distribution& distribution) : distribution_(distribution) {
  if (distribution_.shape == Distribution::Shape::zipf) make_zipf();
}

std::int64_t draw_normal(Random& random) {
  const std::uint64_t uniform = random.next();
  const std::uint32_t turn = static_cast<std::uint32_t>(random.next() >> 32);
  // Box and Muller: radius sqrt(-2 ln u), a uniform angle
  const std::int64_t twice = 2 * fixed::minus_ln(uniform);
  const std::int64_t radius = static_cast<std::int64_t>(fixed::root(static_cast<u128>(static_cast<std::uint64_t>(twice)) << 32));
  return fixed::multiply(radius, fixed::cosine_of_turn(turn));
}

std::int64_t Sampler::draw(Random& random) const {
  const std::int64_t a = distribution_.a, b = distribution_.b;
  switch (distribution_.shape) {
    case Distribution::Shape::constant: return a;
    case Distribution::Shape::uniform: return random.between(a, b);
    case Distribution::Shape::exp: {
      const i128 value = (static_cast<i128>(a) * fixed::minus_ln(random.next())) >> 32;
      return value > INT64_MAX / 4 ? INT64_MAX / 4 : static_cast<std::int64_t>(value);
    }
    case Distribution::Shape::normal: return a + static_cast<std::int64_t>((static_cast<i128>(b) * draw_normal(random)) >> 32);
    case Distribution::Shape::lognormal: {
      const std::int64_t exponent = static_cast<std::int64_t>(static_cast<i128>(draw_normal(random)) * b / 1'000'000);
      return fixed::exp2(fixed::multiply(exponent, fixed::log2_e), a);
    }
    case Distribution::Shape::zipf: return draw_zipf(random);
  }
  return a;
}

void Sampler::make_zipf() {
  const std::int64_t items = std::max<std::int64_t>(distribution_.a, 1), s = distribution_.b;
  // weight of rank k (from 1) is k^-s, with 40 fractional bits; a bucket of several ranks counts its middle one
  const auto weight = [&](std::uint64_t rank) {
    const std::int64_t power = -static_cast<std::int64_t>(static_cast<i128>(fixed::log2(rank)) * s / 1'000'000);
    return static_cast<u128>(static_cast<std::uint64_t>(fixed::exp2(power, std::int64_t{1} << 40)));
  };
  std::vector<u128> sums;
  u128 sum = 0;
  for (std::int64_t rank = 1; rank <= items;) {
    const std::int64_t width = rank <= exact_ranks ? 1 : std::max<std::int64_t>(rank / buckets_per_doubling, 1);
    const std::int64_t next = std::min(rank + width, items + 1);
    sum += weight(static_cast<std::uint64_t>(rank + (next - 1 - rank) / 2)) * static_cast<std::uint64_t>(next - rank);
    first_rank_.push_back(rank - 1);
    sums.push_back(sum);
    rank = next;
  }
  first_rank_.push_back(items);
  cumulative_.reserve(sums.size());
  // sums stay below 2^72 (2^30 items of weight up to 2^40 would need 2^70), so scaling by 2^55 fits into 127 bits
  for (const u128 part : sums) cumulative_.push_back(static_cast<std::uint64_t>((part << 55) / sum));
}

std::int64_t Sampler::draw_zipf(Random& random) const {
  const std::uint64_t at = random.below(cumulative_.back());
  const auto bucket = static_cast<std::size_t>(std::upper_bound(cumulative_.begin(), cumulative_.end(), at) - cumulative_.begin());
  const std::int64_t first = first_rank_[bucket], width = first_rank_[bucket + 1] - first;
  return width == 1 ? first : first + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(width)));
}

}  // namespace harrow::sim
