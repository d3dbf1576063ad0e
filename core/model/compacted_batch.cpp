// Batches as compaction rewrites them, byte for byte as Apache Kafka does.
#include "core/model/batch_builder.h"
#include "core/model/crc32c.h"
#include "core/model/record_batch.h"

namespace harrow {

Bytes with_records(const BatchHeader& header, std::span<const Record> kept, WallMs delete_horizon) {
  BatchOptions options;
  options.base_offset = header.base_offset;
  options.leader_epoch = header.leader_epoch;
  options.codec = header.codec();
  options.timestamp_type = header.timestamp_type();
  options.producer_id = header.producer_id;
  options.producer_epoch = header.producer_epoch;
  options.base_sequence = header.base_sequence;
  options.transactional = header.is_transactional();
  options.control = header.is_control();
  options.delete_horizon = delete_horizon;
  options.last_offset_delta = header.last_offset_delta;
  options.expected_bytes = static_cast<std::uint32_t>(header.size_bytes());
  BatchBuilder builder(options);
  for (const Record& record : kept) {
    const std::vector<RecordHeader> headers = record.headers();
    builder.add_at(static_cast<std::int32_t>(record.offset - header.base_offset), record.timestamp, record.key, record.value, headers);
  }
  return builder.build();
}

Bytes without_records(const BatchHeader& header) {
  constexpr std::int16_t kept_attributes = 0x38;  // timestamp type, transactional, control
  constexpr std::uint32_t crc_from = 21;
  BatchHeader empty = header;
  empty.length = static_cast<std::int32_t>(batch_header_bytes - batch_prefix_bytes);
  empty.attributes = static_cast<std::int16_t>(header.attributes & kept_attributes);
  empty.base_timestamp = WallMs(-1);
  empty.record_count = 0;
  BlockBuffer out(batch_header_bytes);
  out.room(batch_header_bytes);
  out.advance(batch_header_bytes);
  encode_batch_header(empty, out.data());
  empty.crc = crc32c(out.span().subspan(crc_from));
  encode_batch_header(empty, out.data());
  return out.finish();
}

std::optional<WallMs> delete_horizon_of(const BatchHeader& header) {
  if (!header.has_delete_horizon()) return std::nullopt;
  return header.base_timestamp;
}

}  // namespace harrow
