// Builds record batches. The result is one slice; uncompressed records are written where they stay.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "core/model/block_buffer.h"
#include "core/model/record_batch.h"

namespace harrow {

struct BatchOptions {
  Offset base_offset{0};
  LeaderEpoch leader_epoch = no_epoch;
  Codec codec = Codec::none;
  TimestampType timestamp_type = TimestampType::create_time;
  ProducerId producer_id = no_producer_id;
  ProducerEpoch producer_epoch{-1};
  std::int32_t base_sequence = -1;
  bool transactional = false;
  bool control = false;
  WallMs delete_horizon{-1};            // the base timestamp then, and marked as such
  std::int32_t last_offset_delta = -1;  // at least; else the last record's
  std::uint32_t expected_bytes = 512;
};

class BatchBuilder {
 public:
  explicit BatchBuilder(const BatchOptions& options);

  /// Adds the next record: offset delta = number of records so far.
  void add(WallMs timestamp, std::optional<std::string_view> key, std::optional<std::string_view> value,
           std::span<const RecordHeader> headers = {}) {
    add_at(next_delta_, timestamp, key, value, headers);
  }
  /// With a gap before it; deltas must increase.
  void add_at(std::int32_t offset_delta, WallMs timestamp, std::optional<std::string_view> key,
              std::optional<std::string_view> value, std::span<const RecordHeader> headers = {});

  std::int32_t record_count() const { return count_; }
  bool empty() const { return count_ == 0; }
  /// Size of the batch if it were built now without compression.
  std::uint32_t size_bytes() const { return buffer_.size(); }
  /// What one more record can add at most.
  static std::uint32_t record_bound(std::optional<std::string_view> key, std::optional<std::string_view> value,
                                    std::span<const RecordHeader> headers = {});
  /// A producer learns its id after it began to collect: only before build().
  void set_producer(ProducerId id, ProducerEpoch epoch, std::int32_t base_sequence, bool transactional);
  void set_base_offset(Offset base_offset) { options_.base_offset = base_offset; }

  /// The batch; the builder is used up. An empty one is legal (compaction leaves such).
  Bytes build();

 private:
  BatchOptions options_;
  BlockBuffer buffer_;
  WallMs base_timestamp_{-1};
  WallMs max_timestamp_{-1};
  std::int32_t next_delta_ = 0;
  std::int32_t count_ = 0;
};

/// A control batch of one record; `value` is the encoded message of its type.
Bytes control_batch(const BatchOptions& options, WallMs timestamp, ControlType type, std::span<const std::uint8_t> value);
/// The marker that ends a producer's transaction: transactional and control, no sequence.
Bytes end_transaction_marker(Offset base_offset, LeaderEpoch leader_epoch, WallMs timestamp, ProducerId producer_id,
                             ProducerEpoch producer_epoch, bool commit, std::int32_t coordinator_epoch);

}  // namespace harrow
