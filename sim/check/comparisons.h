// The comparisons behind checks that look at live state: pure, so that each can be shown to fail without a cluster.
// An empty text means that all is well; otherwise it says what is wrong.
#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/controller/image.h"
#include "core/group/shard.h"
#include "core/log/epoch_cache.h"
#include "core/log/offset_index.h"
#include "core/log/producer_state.h"
#include "core/log/time_index.h"

namespace harrow::sim {

/// I15: `derived` (epoch, first offset) from the batches of a log that begins at `start`. `latest`, where compaction has been:
/// for each of them how late it may begin, INT64_MAX if it may be missing.
std::string compare_epochs(const std::vector<std::pair<std::int32_t, std::int64_t>>& derived, const std::vector<EpochStart>& actual, std::int64_t start,
                           std::span<const std::int64_t> latest = {});

/// I16.
std::string illegal_state(const controller::Image& image, const controller::PartitionImage& partition, std::int32_t min_isr, bool elr);

/// I27: both indexes of the segment that begins at `base` against its bytes.
std::string compare_indexes(const OffsetIndex& offsets, const TimeIndex& times, const Bytes& segment, std::int64_t base);

/// I34: what a fold over the log's batches gives a producer, by id.
struct FoldedProducer {
  std::int16_t epoch = -1;
  std::int32_t last_sequence = -1;
  std::int64_t last_offset = -1;
};
std::string compare_producers(const std::map<std::int64_t, FoldedProducer>& folded, const ProducerState& actual);

/// I53: what the records of an offsets partition say, in order, against a loaded shard.
using OffsetFold = std::map<group::OffsetKey, std::int64_t>;
OffsetFold fold_offsets(const std::vector<Bytes>& batches);
std::string compare_offsets(const OffsetFold& folded, const group::Shard& shard);

/// I63: the first record at or after `timestamp`; -1 if there is none.
std::int64_t first_offset_at(const std::vector<Bytes>& batches, std::int64_t timestamp, std::int64_t from, std::int64_t to);

/// I64: a frame with its size in front.
std::string malformed_answer(const Bytes& frame, std::int16_t api, std::int16_t version);

}  // namespace harrow::sim
