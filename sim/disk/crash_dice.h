// What a power loss leaves of one file's un-synced changes: one of the outcomes that its file system allows.
#pragma once

#include "core/base/random.h"
#include "sim/disk/page_cache.h"
#include "sim/disk/profile.h"

namespace harrow::sim {

struct CrashLoss {
  std::uint64_t bytes = 0;  // of changes that are not there any more
};

/// Changes the file to an outcome; it has no pending changes afterwards. `kept_up_to`: changes that this file system has
/// carried to the disk for another reason (a journalled rename).
CrashLoss dice_file(Node& file, FileSystem file_system, std::uint64_t kept_up_to, Random& random);

/// How many of `pending` name changes a journalling file system still committed; the first `committed` of them surely.
std::size_t dice_prefix(std::size_t pending, std::size_t committed, Random& random);

}  // namespace harrow::sim
