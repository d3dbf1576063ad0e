#include "core/raft/epoch_cache.h"

#include <fmt/format.h>

#include "core/base/check.h"

namespace harrow::raft {

EpochCache::EpochCache(OffsetAndEpoch base, std::vector<EpochStart> starts) : base_(base) {
  for (const EpochStart& entry : starts) assign(entry.epoch, entry.start);
}

void EpochCache::assign(LeaderEpoch epoch, Offset offset) {
  CHECK_SAYING(epoch >= last_epoch(), "epochs in a log never fall");
  if (!starts_.empty() && starts_.back().epoch == epoch) return;
  starts_.push_back({epoch, offset});
}

void EpochCache::truncate_to(Offset end) {
  while (!starts_.empty() && starts_.back().start >= end) starts_.pop_back();
}

void EpochCache::drop_below(OffsetAndEpoch base) {
  // The epoch that spans the new base goes on after it.
  while (starts_.size() > 1 && starts_[1].start <= base.offset) starts_.erase(starts_.begin());
  if (!starts_.empty() && starts_.front().start < base.offset) starts_.front().start = base.offset;
  base_ = base;
}

OffsetAndEpoch EpochCache::end_of(LeaderEpoch epoch, Offset end) const {
  if (epoch >= last_epoch()) return {end, last_epoch()};
  OffsetAndEpoch found{base_.offset, base_.epoch};
  if (starts_.empty() || epoch < starts_.front().epoch) {
    // Older than anything kept; all that can be said is that it ended where the log begins.
    found.epoch = epoch < base_.epoch ? epoch : base_.epoch;
    return found;
  }
  for (std::size_t i = 0; i < starts_.size() && starts_[i].epoch <= epoch; ++i) {
    found.epoch = starts_[i].epoch;
    found.offset = i + 1 < starts_.size() ? starts_[i + 1].start : end;
  }
  return found;
}

std::string EpochCache::print() const {
  std::string text = fmt::format("[base {}", harrow::raft::print(base_));
  for (const EpochStart& entry : starts_) text += fmt::format(" {}:{}", entry.epoch.value(), entry.start.value());
  return text + "]";
}

}  // namespace harrow::raft
