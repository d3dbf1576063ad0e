// slow-disk, stall-disk, full-disk, disk-error, sync-error, bit-rot, misdirect, wipe-disk.
#include "sim/faults/injector.h"

namespace harrow::sim {
namespace {

FileClass class_of(Fault::FileClass file) {
  switch (file) {
    case Fault::FileClass::any: return FileClass::any;
    case Fault::FileClass::log: return FileClass::log;
    case Fault::FileClass::index: return FileClass::index;
    case Fault::FileClass::checkpoint: return FileClass::checkpoint;
    case Fault::FileClass::quorum_state: return FileClass::quorum_state;
    case Fault::FileClass::metadata: return FileClass::metadata;
  }
  return FileClass::any;
}

}  // namespace

bool Injector::act_on_disk(const Fault& fault, const Targets& targets, Active& active) {
  const auto id = static_cast<std::uint32_t>(active.record);
  const auto count = static_cast<std::uint32_t>(std::max(fault.count, 0));
  const FileClass files = class_of(fault.file);
  bool acted = false;
  for (const Target& target : targets) {
    if (target.node == no_node) continue;
    SimDisk& disk = cluster_.machine(target.machine).disk();
    acted = true;
    switch (fault.kind) {
      case FaultKind::slow_disk:
        disk.set_slow(static_cast<std::uint32_t>(std::max<std::int64_t>(1, fault.factor_millionths / 1'000'000)));
        active.undo.push_back([&disk] { disk.set_slow(1); });
        break;
      case FaultKind::stall_disk:
        disk.stall_until(fault.for_ns < 0 ? INT64_MAX / 4 : cluster_.kernel().now_ns() + fault.for_ns);
        active.undo.push_back([&disk] { disk.stall_until(0); });
        break;
      case FaultKind::full_disk:
        disk.set_full(true);
        active.undo.push_back([&disk] { disk.set_full(false); });
        break;
      case FaultKind::disk_error:
        if (fault.op != Fault::Op::write) disk.fail(id, SimDisk::Operation::read, files, count);
        if (fault.op != Fault::Op::read) disk.fail(id, SimDisk::Operation::write, files, count);
        break;
      case FaultKind::sync_error: disk.fail(id, SimDisk::Operation::sync, files, std::max(count, 1u)); break;
      case FaultKind::bit_rot: acted = disk.rot(id, files, std::max(count, 1u), dice_.fork("rot", id)) > 0; break;
      case FaultKind::misdirect: disk.misdirect(id, files, std::max(count, 1u), dice_.fork("misdirect", id)); break;
      case FaultKind::wipe_disk:
        disk.wipe_at_next_start();
        stop_process(target);
        break;
      default: break;
    }
  }
  if (acted && fault.kind == FaultKind::wipe_disk) restart_later(fault, targets, active.record);
  return acted;
}

}  // namespace harrow::sim
