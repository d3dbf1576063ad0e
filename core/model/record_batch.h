// Record batches, format 2: the 61-byte header, the records behind it, and what a broker checks and rewrites.
// Purpose: everything that opens a batch's bytes stands in this room. Owner: core/model. May touch: core/base only.
// Invariants: a batch's bytes are never changed, a rewrite makes a new header slice and shares the rest; parsing reads
// no byte outside the rope, whatever its length fields say; decompressed size is capped.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/model/compression.h"
#include "core/model/ids.h"

namespace harrow {

constexpr std::uint32_t batch_header_bytes = 61;
/// Offset and length: what stands before the bytes that `length` counts.
constexpr std::uint32_t batch_prefix_bytes = 12;
/// What one batch's records may grow to when they are decompressed.
constexpr std::uint64_t max_decompressed_bytes = 256ull << 20;

enum class TimestampType : std::uint8_t { create_time = 0, log_append_time = 1 };

struct BatchHeader {
  Offset base_offset;
  std::int32_t length = 0;  // of what follows this field
  LeaderEpoch leader_epoch = no_epoch;
  std::int8_t magic = 2;
  std::uint32_t crc = 0;
  std::int16_t attributes = 0;
  std::int32_t last_offset_delta = 0;
  WallMs base_timestamp{-1};
  WallMs max_timestamp{-1};
  ProducerId producer_id = no_producer_id;
  ProducerEpoch producer_epoch{-1};
  std::int32_t base_sequence = -1;
  std::int32_t record_count = 0;

  std::uint64_t size_bytes() const { return std::uint64_t{batch_prefix_bytes} + static_cast<std::uint32_t>(length); }
  Offset last_offset() const { return base_offset + last_offset_delta; }
  Offset end_offset() const { return last_offset() + 1; }
  /// The raw codec bits; 5 to 7 name no codec.
  std::uint8_t codec_bits() const { return static_cast<std::uint8_t>(attributes & 7); }
  Codec codec() const { return static_cast<Codec>(codec_bits()); }
  TimestampType timestamp_type() const { return static_cast<TimestampType>((attributes >> 3) & 1); }
  bool is_transactional() const { return (attributes & 0x10) != 0; }
  bool is_control() const { return (attributes & 0x20) != 0; }
  bool has_delete_horizon() const { return (attributes & 0x40) != 0; }
  bool has_producer() const { return producer_id != no_producer_id; }
  /// Sequence of the last record; numbers wrap from 2147483647 to 0. -1 when the batch has none.
  std::int32_t last_sequence() const {
    return base_sequence < 0 ? -1 : static_cast<std::int32_t>((std::int64_t{base_sequence} + last_offset_delta) & 0x7fffffff);
  }
  friend bool operator==(const BatchHeader&, const BatchHeader&) = default;
};

/// The header at `at` of a rope. truncated_input: the rope ends within it; corrupt_message: no batch of format 2.
/// Whether the whole batch is there is not asked; see `size_bytes`.
Result<BatchHeader> parse_batch_header(const Bytes& rope, std::uint64_t at = 0);
/// Offset and total size of the batch at `at`, without a look at the rest; nothing if the rope ends before.
struct BatchPrefix {
  Offset base_offset;
  std::int64_t size_bytes;
};
std::optional<BatchPrefix> parse_batch_prefix(const Bytes& rope, std::uint64_t at = 0);
/// Writes the 61 bytes as they stand on the wire; the CRC is taken from the header.
void encode_batch_header(const BatchHeader& header, std::uint8_t* to);

/// CRC of the batch at [at, at + header.size_bytes()), to be compared with `header.crc`.
std::uint32_t batch_crc(const Bytes& rope, std::uint64_t at, const BatchHeader& header);
/// The first whole batch at `at`: complete, right length, magic 2, right CRC.
Result<BatchHeader> check_batch(const Bytes& rope, std::uint64_t at = 0);

/// Goes over the batches of a rope, one after another. An incomplete batch at the end ends it quietly (a fetch answer may be cut).
class BatchCursor {
 public:
  explicit BatchCursor(const Bytes& rope) : rope_(&rope) {}
  /// False at the end and at bytes that are no batch (then `broken()`).
  bool next();
  const BatchHeader& header() const { return header_; }
  std::uint64_t position() const { return at_; }
  Bytes batch() const { return rope_->sub(at_, header_.size_bytes()); }
  /// Bytes up to the end of the last batch that was given out.
  std::uint64_t end_position() const { return end_; }
  bool broken() const { return broken_; }

 private:
  const Bytes* rope_;
  BatchHeader header_;
  std::uint64_t at_ = 0;
  std::uint64_t end_ = 0;
  bool broken_ = false;
};
/// The whole batches of a rope, sharing its bytes; corrupt_message if something else stands between them.
Result<std::vector<Bytes>> split_batches(const Bytes& rope);

struct RecordHeader {
  std::string_view key;
  std::optional<std::string_view> value;
};

/// A record; the texts point into its reader's bytes.
struct Record {
  Offset offset;
  WallMs timestamp;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::int32_t header_count = 0;
  std::string_view raw_headers;
  /// Decoded on demand; the reader has checked their form.
  std::vector<RecordHeader> headers() const;
};

/// Reads the records of one batch, decompressing them first if need be.
class RecordReader {
 public:
  static Result<RecordReader> open(const Bytes& batch, std::uint64_t max_bytes = max_decompressed_bytes);
  const BatchHeader& header() const { return header_; }
  /// False at the end and at damage: ask failed() then.
  bool next(Record& out);
  bool failed() const { return failed_; }
  /// Bytes of a text of one of this reader's records, shared with it.
  Bytes share(std::string_view text) const;
  std::int32_t read_count() const { return read_; }

 private:
  RecordReader() = default;
  bool damaged() {
    failed_ = true;
    return false;
  }
  BatchHeader header_;
  Bytes records_;  // one slice
  const std::uint8_t* at_ = nullptr;
  const std::uint8_t* end_ = nullptr;
  std::int32_t read_ = 0;
  bool failed_ = false;
};

/// The same batch at another place in a log: new header slice, shared records; the CRC stays right.
Bytes with_base_offset(const Bytes& batch, const BatchHeader& header, Offset base_offset, LeaderEpoch leader_epoch);
/// With log-append time as well: every record then shows `now`; the CRC is computed anew.
Bytes with_log_append_time(const Bytes& batch, const BatchHeader& header, WallMs now);
/// The same records under another codec.
Result<Bytes> with_codec(const Bytes& batch, Codec codec);

/// What compaction leaves of a batch: some of its records, at their offsets, under the same codec. The batch keeps its
/// base and last offset, so its last sequence, too. `delete_horizon` (-1: none) goes where the base timestamp was.
Bytes with_records(const BatchHeader& header, std::span<const Record> kept, WallMs delete_horizon);
/// The header alone: a batch without records that keeps its offsets, sequence and time.
Bytes without_records(const BatchHeader& header);
/// When tombstones and markers of this batch may go; nothing before the first cleaning that kept them.
std::optional<WallMs> delete_horizon_of(const BatchHeader& header);

/// What a broker asks of a batch that a client sends.
struct AppendRules {
  std::uint32_t max_message_bytes = 1048588;
  bool needs_key = false;  // a compacted topic
  TimestampType timestamp_type = TimestampType::create_time;
  std::int64_t timestamp_before_max_ms = INT64_MAX;
  std::int64_t timestamp_after_max_ms = 3'600'000;
  std::optional<Codec> codec;  // none: the producer's own
};
struct ClientBatch {
  BatchHeader header;
  Bytes batch;  // as it goes to the log, but for offset and leader epoch
};
/// Checks a client's produce data (exactly one batch) and applies the topic's timestamp type and codec.
Result<ClientBatch> validate_client_batch(const Bytes& data, const AppendRules& rules, WallMs now);

/// Control records: types of the key, and the fields of an end-of-transaction marker.
enum class ControlType : std::int16_t {
  abort = 0, commit = 1, leader_change = 2, snapshot_header = 3, snapshot_footer = 4, kraft_version = 5, kraft_voters = 6
};
/// Type of a control record's key; nothing if it is no such key.
std::optional<ControlType> control_type_of(const Record& record);
/// Coordinator epoch in the value of an abort or commit marker.
std::optional<std::int32_t> coordinator_epoch_of(const Record& marker);

}  // namespace harrow
