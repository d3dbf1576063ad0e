// One operation on its way through the device: a cold read, a sync, a write-back. Owned by SimDisk's list.
#pragma once

#include "core/async/completion.h"
#include "core/base/result.h"
#include "sim/disk/page_cache.h"
#include "sim/kernel/kernel.h"

namespace harrow::sim {

class SimDisk;

class DiskOperation final : public Event, public Hook {
 public:
  enum class Kind : std::uint8_t { read, sync, sync_folder, write_back };
  DiskOperation(SimDisk& disk, Kind kind) : kind(kind), disk_(disk) {}
  void fire() override;
  /// Whoever waited is gone.
  void forget_waiter() {
    if (read_done != nullptr) read_done->detach();
    if (done != nullptr) done->detach();
  }

  Kind kind;
  bool failed = false;
  std::uint32_t fault = 0;
  NodePtr node;
  std::uint64_t at = 0;
  std::uint64_t size = 0;
  std::uint64_t up_to = 0;  // covers changes up to this number
  std::int64_t ends_ns = 0;
  Completion<Result<Bytes>>* read_done = nullptr;
  Completion<Result<bool>>* done = nullptr;

 private:
  SimDisk& disk_;
};

}  // namespace harrow::sim
