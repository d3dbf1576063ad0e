// Copies a simulated disk's files to the real file system, so that log tools can look at them.
#pragma once

#include <string>

#include "sim/disk/sim_disk.h"

namespace harrow::sim {

/// Everything that the disk holds (page cache included) into `folder`, which is created. False: some file could not be
/// written.
bool export_disk(SimDisk& disk, const std::string& folder);

}  // namespace harrow::sim
