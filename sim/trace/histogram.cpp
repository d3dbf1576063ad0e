#include "sim/trace/histogram.h"

#include "core/base/wide.h"

namespace harrow::sim {

std::int64_t Histogram::highest_of(std::size_t index) {
  if (index < (1u << (sub_bits + 1))) return static_cast<std::int64_t>(index);
  const int shift = static_cast<int>(index >> sub_bits) - 1;
  const std::uint64_t top = index - (static_cast<std::size_t>(shift) << sub_bits);
  return static_cast<std::int64_t>(((top + 1) << shift) - 1);
}

void Histogram::merge(const Histogram& other) {
  if (counts_.size() < other.counts_.size()) counts_.resize(other.counts_.size());
  for (std::size_t i = 0; i < other.counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  if (other.max_ > max_) max_ = other.max_;
}

void Histogram::clear() {
  counts_.clear();
  count_ = 0;
  max_ = 0;
}

std::int64_t Histogram::quantile(std::int64_t per_million) const {
  if (count_ == 0) return 0;
  const std::int64_t rank = static_cast<std::int64_t>((static_cast<u128>(count_) * static_cast<std::uint64_t>(per_million) + 999'999) / 1'000'000);
  std::int64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= rank && seen > 0) return highest_of(i) < max_ ? highest_of(i) : max_;
  }
  return max_;
}

}  // namespace harrow::sim
