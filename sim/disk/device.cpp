#include "sim/disk/device.h"

#include "core/base/wide.h"

namespace harrow::sim {

std::int64_t Device::submit(std::int64_t now_ns, Kind kind, std::uint64_t bytes) {
  const std::int64_t start = std::max({now_ns, busy_until_, stalled_until_});
  std::int64_t held = 0;  // how long the queue admits nothing else
  if (profile_->bandwidth_bytes_per_s != 0)
    held = static_cast<std::int64_t>(static_cast<u128>(bytes) * 1'000'000'000u / profile_->bandwidth_bytes_per_s);
  if (profile_->iops != 0) held = std::max(held, static_cast<std::int64_t>(1'000'000'000u / profile_->iops));
  const std::int64_t latency = kind == Kind::read ? profile_->read_ns : kind == Kind::write ? profile_->write_ns : profile_->fsync_ns;
  busy_until_ = start + held * slow_;
  return busy_until_ + latency * slow_;
}

}  // namespace harrow::sim
