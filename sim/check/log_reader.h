// Reads a replica's log off its disk as the node would see it, without waiting: for oracles, between turns.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/model/ids.h"
#include "sim/check/accounting.h"

namespace harrow {
class Log;
}

namespace harrow::sim {

class SimDisk;
class View;

/// One segment as the folder has it.
struct SegmentBytes {
  std::int64_t base;
  Bytes bytes;
};
/// In order of offset; empty if there is no such folder.
std::vector<SegmentBytes> read_segments(const SimDisk& disk, const std::string& folder);
/// The whole batches of these segments that hold offsets in [from, to).
std::vector<Bytes> batches_of(const std::vector<SegmentBytes>& segments, std::int64_t from, std::int64_t to);
/// What a consumer could read from the partition's leader now; nothing if there is no live leader.
std::optional<Accounting::Readable> read_partition(const View& view, const PartitionTruth& partition);

}  // namespace harrow::sim
