#include "sim/check/log_reader.h"

#include <algorithm>

#include "core/log/segment.h"
#include "core/replica/partition.h"
#include "sim/check/view.h"
#include "sim/disk/sim_disk.h"

namespace harrow::sim {

std::vector<SegmentBytes> read_segments(const SimDisk& disk, const std::string& folder) {
  std::vector<SegmentBytes> segments;
  const std::string prefix = folder + "/";
  for (const std::string& path : disk.current_paths()) {
    if (path.compare(0, prefix.size(), prefix) != 0) continue;
    const std::optional<Offset> base = segment_offset_of(std::string_view(path).substr(prefix.size()), ".log");
    if (!base) continue;
    std::optional<Bytes> bytes = disk.current_bytes(path);
    if (bytes) segments.push_back({base->value(), std::move(*bytes)});
  }
  std::sort(segments.begin(), segments.end(), [](const SegmentBytes& a, const SegmentBytes& b) { return a.base < b.base; });
  return segments;
}

std::vector<Bytes> batches_of(const std::vector<SegmentBytes>& segments, std::int64_t from, std::int64_t to) {
  std::vector<Bytes> batches;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (i + 1 < segments.size() && segments[i + 1].base <= from) continue;
    if (segments[i].base >= to) break;
    BatchCursor cursor(segments[i].bytes);
    while (cursor.next()) {
      const BatchHeader& header = cursor.header();
      if (header.base_offset.value() >= to) break;
      if (header.end_offset().value() <= from) continue;
      batches.push_back(cursor.batch());
    }
  }
  return batches;
}

std::optional<Accounting::Readable> read_partition(const View& view, const PartitionTruth& truth) {
  const controller::Image* const image = view.image();
  const controller::TopicImage* const topic = image == nullptr ? nullptr : image->topic(truth.topic);
  if (topic == nullptr || static_cast<std::size_t>(truth.partition) >= topic->partitions.size()) return std::nullopt;
  const NodeId leader = topic->partitions[static_cast<std::size_t>(truth.partition)].leader;
  const Partition* const replica = leader == no_node ? nullptr : view.replica(leader, TopicIdPartition{topic->id, truth.partition});
  const SimDisk* const disk = leader == no_node ? nullptr : view.disk(leader);
  if (replica == nullptr || disk == nullptr || !replica->is_leader()) return std::nullopt;
  Accounting::Readable readable;
  readable.start = replica->log_start().value();
  readable.end = replica->high_watermark().value();
  readable.batches = batches_of(read_segments(*disk, replica->log().folder()), readable.start, readable.end);
  return readable;
}

}  // namespace harrow::sim
