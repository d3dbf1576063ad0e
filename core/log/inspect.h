// Looking at a partition's folder from outside: is it what it claims to be, and what stands in it. For `harrow log
// verify|dump`, on folders of Harrow and of Apache Kafka; reads only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/async/task.h"
#include "core/host/disk.h"
#include "core/model/ids.h"

namespace harrow {

struct Finding {
  std::string file;
  std::uint64_t position;  // bytes from the file's beginning
  std::string what;
};

struct FolderReport {
  std::uint32_t segments = 0;
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  Offset first = no_offset;
  Offset end = no_offset;
  std::vector<Finding> findings;  // empty: sound
};

/// The partition folders ("orders-3") in a log folder, sorted.
Result<std::vector<std::string>> partition_folders(Disk& disk, std::string_view log_dir);

/// Batches and CRCs, records, offsets and epochs in order; both indexes, the epoch checkpoint, producer snapshots, aborted
/// transactions and partition.metadata against what the batches say.
Task<Result<FolderReport>> verify_folder(Disk& disk, std::string folder);

/// Text, line by line, without line ends. `with_records`: keys and values too.
using LineSink = std::function<void(std::string_view)>;
Task<Result<bool>> dump_folder(Disk& disk, std::string folder, bool with_records, LineSink sink);

}  // namespace harrow
