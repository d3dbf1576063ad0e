// What a partition knows of its idempotent producers: the last five batches of each, by which it tells a repeated batch
// from a new one (facts section 6). Snapshots of it stand beside the segments.
// Invariant: the state is that of all records below `end`, and of nothing else.
#pragma once

#include <boost/container/flat_map.hpp>
#include <cstdint>
#include <optional>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/model/record_batch.h"

namespace harrow {

struct ProducerBatch {
  std::int32_t last_sequence;
  std::int32_t offset_delta;  // last offset - first offset
  Offset last_offset;
  WallMs timestamp;
  std::int32_t first_sequence() const;
  Offset first_offset() const { return last_offset - offset_delta; }
  friend bool operator==(const ProducerBatch&, const ProducerBatch&) = default;
};

struct ProducerEntry {
  static constexpr std::uint32_t window = 5;
  std::int16_t epoch = -1;
  std::uint8_t batch_count = 0;
  ProducerBatch batches[window];  // oldest first
  std::int32_t coordinator_epoch = -1;
  WallMs last_timestamp{-1};
  Offset open_transaction = no_offset;  // its first offset
  const ProducerBatch* last() const { return batch_count == 0 ? nullptr : &batches[batch_count - 1]; }
};

/// What an end-of-transaction marker says.
struct TransactionMarker {
  bool commit;
  std::int32_t coordinator_epoch;
};
/// Of a control batch; nothing for other control records.
std::optional<TransactionMarker> marker_of(const Bytes& control_batch);

class ProducerState {
 public:
  using Marker = TransactionMarker;
  /// Code::none: new, append it. duplicate_sequence_number: one of the window, then `duplicate` is set. Else the error.
  Code check(const BatchHeader& header, const ProducerBatch*& duplicate) const;
  /// The aborted or committed transaction that a marker ended.
  struct Completed {
    ProducerId producer_id;
    Offset first_offset;
    Offset last_offset;
    bool aborted;
  };
  /// A batch was appended; `marker` for control batches.
  std::optional<Completed> update(const BatchHeader& header, std::optional<Marker> marker);
  /// Forgets producers that were silent; true if any went.
  bool expire(WallMs now, std::int64_t expiration_ms);
  void clear() { producers_.clear(); }
  bool empty() const { return producers_.empty(); }
  std::size_t size() const { return producers_.size(); }
  const ProducerEntry* find(ProducerId id) const;
  const boost::container::flat_map<ProducerId, ProducerEntry>& producers() const { return producers_; }
  /// First offset of the earliest open transaction.
  std::optional<Offset> first_unstable_offset() const;

  Bytes encode() const;
  /// corrupt_message when length, version or CRC is wrong.
  static Result<ProducerState> decode(const Bytes& file);

 private:
  boost::container::flat_map<ProducerId, ProducerEntry> producers_;
};

}  // namespace harrow
