// Counts of non-negative integers in log-linear buckets (the layout of HDR histograms): 128 buckets an octave, so a
// quantile is at most 0.8 % above the true value. Integers only; merging two is adding their counts.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace harrow::sim {

class Histogram {
 public:
  void add(std::int64_t value, std::int64_t times = 1) {
    const std::size_t index = index_of(value < 0 ? 0 : static_cast<std::uint64_t>(value));
    if (index >= counts_.size()) counts_.resize(index + 1);
    counts_[index] += times;
    count_ += times;
    if (value > max_) max_ = value;
  }
  void merge(const Histogram& other);
  void clear();
  std::int64_t count() const { return count_; }
  std::int64_t max() const { return max_; }
  /// The smallest bucket edge at or below which `per_million` millionths of the values lie; 0 when empty. Nearest rank.
  std::int64_t quantile(std::int64_t per_million) const;

 private:
  static constexpr int sub_bits = 7;
  static std::size_t index_of(std::uint64_t value) {
    if (value < (1u << (sub_bits + 1))) return static_cast<std::size_t>(value);
    const int shift = std::bit_width(value) - (sub_bits + 1);
    return (static_cast<std::size_t>(shift) << sub_bits) + static_cast<std::size_t>(value >> shift);
  }
  /// The largest value that falls into a bucket.
  static std::int64_t highest_of(std::size_t index);

  std::vector<std::int64_t> counts_;
  std::int64_t count_ = 0;
  std::int64_t max_ = 0;
};

}  // namespace harrow::sim
