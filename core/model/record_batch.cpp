#include "core/model/record_batch.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/buffer.h"
#include "core/model/crc32c.h"

namespace harrow {
namespace {

constexpr std::uint32_t crc_from = 21;

template <class Integer>
Integer get(const std::uint8_t* from) {
  Integer value;
  std::memcpy(&value, from, sizeof(Integer));
  return detail::big_endian(value);
}
template <class Integer>
void put(std::uint8_t* to, Integer value) {
  value = detail::big_endian(value);
  std::memcpy(to, &value, sizeof(Integer));
}

// [at, at + size) of a rope as one span: its own memory if it lies in one slice, else a copy in `spare`.
const std::uint8_t* look(const Bytes& rope, std::uint64_t at, std::uint32_t size, std::uint8_t* spare) {
  const Bytes::Place place = rope.place_of(at);
  const Slice& slice = rope.slices()[place.slice];
  if (slice.size() - (at - place.begins) >= size) return slice.data() + (at - place.begins);
  rope.copy_to(at, std::span(spare, size));
  return spare;
}

// Variable-length integers of records; false when they end too late or are too long.
bool get_varlong(const std::uint8_t*& at, const std::uint8_t* end, std::int64_t& out) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (at == end) return false;
    const std::uint8_t byte = *at++;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      out = static_cast<std::int64_t>((value >> 1) ^ (0ull - (value & 1)));
      return true;
    }
  }
  return false;
}
bool get_varint(const std::uint8_t*& at, const std::uint8_t* end, std::int32_t& out) {
  std::int64_t wide = 0;
  const std::uint8_t* const from = at;
  if (!get_varlong(at, end, wide) || at - from > 5 || wide < INT32_MIN || wide > INT32_MAX) return false;
  out = static_cast<std::int32_t>(wide);
  return true;
}
bool get_text(const std::uint8_t*& at, const std::uint8_t* end, std::optional<std::string_view>& out) {
  std::int32_t size = 0;
  if (!get_varint(at, end, size)) return false;
  if (size < 0) {
    out.reset();
    return size == -1;
  }
  if (end - at < size) return false;
  out.emplace(reinterpret_cast<const char*>(at), static_cast<std::size_t>(size));
  at += size;
  return true;
}

Bytes with_header(const Bytes& batch, const BatchHeader& header) {
  Block* const block = Block::create(batch_header_bytes);
  encode_batch_header(header, block->data());
  Bytes result(Slice::adopt(block, 0, batch_header_bytes));
  if (batch.size() > batch_header_bytes) {
    if (batch.contiguous()) result.append(batch.slices()[0].sub(batch_header_bytes, batch.slices()[0].size() - batch_header_bytes));
    else result.append(batch.from(batch_header_bytes));
  }
  return result;
}

// The CRC of a batch whose header fields were changed: 40 bytes of header, then the records.
std::uint32_t crc_with(const BatchHeader& header, const Bytes& batch) {
  std::uint8_t head[batch_header_bytes];
  encode_batch_header(header, head);
  Crc32c sum;
  sum.add(std::span(head + crc_from, batch_header_bytes - crc_from));
  sum.add(batch, batch_header_bytes);
  return sum.value();
}

}  // namespace

Result<BatchHeader> parse_batch_header(const Bytes& rope, std::uint64_t at) {
  if (at > rope.size() || rope.size() - at < batch_header_bytes) return error(Code::truncated_input, "a batch ends within its header");
  std::uint8_t spare[batch_header_bytes];
  const std::uint8_t* const p = look(rope, at, batch_header_bytes, spare);
  BatchHeader h;
  h.base_offset = Offset(get<std::int64_t>(p));
  h.length = get<std::int32_t>(p + 8);
  h.leader_epoch = LeaderEpoch(get<std::int32_t>(p + 12));
  h.magic = static_cast<std::int8_t>(p[16]);
  h.crc = get<std::uint32_t>(p + 17);
  h.attributes = get<std::int16_t>(p + 21);
  h.last_offset_delta = get<std::int32_t>(p + 23);
  h.base_timestamp = WallMs(get<std::int64_t>(p + 27));
  h.max_timestamp = WallMs(get<std::int64_t>(p + 35));
  h.producer_id = ProducerId(get<std::int64_t>(p + 43));
  h.producer_epoch = ProducerEpoch(get<std::int16_t>(p + 51));
  h.base_sequence = get<std::int32_t>(p + 53);
  h.record_count = get<std::int32_t>(p + 57);
  if (h.magic != 2) return error(Code::corrupt_message, "not a record batch of format 2");
  if (h.length < static_cast<std::int32_t>(batch_header_bytes - batch_prefix_bytes))
    return error(Code::corrupt_message, "a batch is shorter than its header");
  if (h.base_offset.value() < 0 || h.last_offset_delta < 0 || h.record_count < 0 ||
      h.base_offset.value() > INT64_MAX - 1 - h.last_offset_delta)
    return error(Code::corrupt_message, "a batch has impossible offsets");
  return h;
}

std::optional<BatchPrefix> parse_batch_prefix(const Bytes& rope, std::uint64_t at) {
  if (at > rope.size() || rope.size() - at < batch_prefix_bytes) return std::nullopt;
  std::uint8_t spare[batch_prefix_bytes];
  const std::uint8_t* const p = look(rope, at, batch_prefix_bytes, spare);
  return BatchPrefix{Offset(get<std::int64_t>(p)), std::int64_t{get<std::int32_t>(p + 8)} + batch_prefix_bytes};
}

void encode_batch_header(const BatchHeader& h, std::uint8_t* to) {
  put(to, h.base_offset.value());
  put(to + 8, h.length);
  put(to + 12, h.leader_epoch.value());
  to[16] = static_cast<std::uint8_t>(h.magic);
  put(to + 17, h.crc);
  put(to + 21, h.attributes);
  put(to + 23, h.last_offset_delta);
  put(to + 27, h.base_timestamp.value());
  put(to + 35, h.max_timestamp.value());
  put(to + 43, h.producer_id.value());
  put(to + 51, h.producer_epoch.value());
  put(to + 53, h.base_sequence);
  put(to + 57, h.record_count);
}

std::uint32_t batch_crc(const Bytes& rope, std::uint64_t at, const BatchHeader& header) {
  Crc32c sum;
  sum.add(rope, at + crc_from, header.size_bytes() - crc_from);
  return sum.value();
}

Result<BatchHeader> check_batch(const Bytes& rope, std::uint64_t at) {
  TRY(const BatchHeader header, parse_batch_header(rope, at));
  if (rope.size() - at < header.size_bytes()) return error(Code::truncated_input, "a batch is cut short");
  if (batch_crc(rope, at, header) != header.crc) return error(Code::corrupt_message, "a batch has a wrong CRC");
  return header;
}

bool BatchCursor::next() {
  at_ = end_;
  if (broken_ || at_ >= rope_->size()) return false;
  const std::optional<BatchPrefix> prefix = parse_batch_prefix(*rope_, at_);
  if (!prefix) return false;
  if (prefix->size_bytes < batch_header_bytes) {
    broken_ = true;
    return false;
  }
  if (rope_->size() - at_ < static_cast<std::uint64_t>(prefix->size_bytes)) return false;
  const Result<BatchHeader> header = parse_batch_header(*rope_, at_);
  if (!header) {
    broken_ = true;
    return false;
  }
  header_ = *header;
  end_ = at_ + header_.size_bytes();
  return true;
}

Result<std::vector<Bytes>> split_batches(const Bytes& rope) {
  std::vector<Bytes> batches;
  BatchCursor cursor(rope);
  while (cursor.next()) batches.push_back(cursor.batch());
  if (cursor.broken()) return error(Code::corrupt_message, "bytes between batches are no batch");
  return batches;
}

std::vector<RecordHeader> Record::headers() const {
  std::vector<RecordHeader> list;
  list.reserve(static_cast<std::size_t>(header_count));
  const auto* at = reinterpret_cast<const std::uint8_t*>(raw_headers.data());
  const std::uint8_t* const end = at + raw_headers.size();
  for (std::int32_t i = 0; i < header_count; ++i) {
    std::optional<std::string_view> key, value;
    CHECK(get_text(at, end, key) && key && get_text(at, end, value));
    list.push_back(RecordHeader{*key, value});
  }
  return list;
}

Result<RecordReader> RecordReader::open(const Bytes& batch, std::uint64_t max_bytes) {
  RecordReader reader;
  TRY(reader.header_, parse_batch_header(batch));
  if (batch.size() < reader.header_.size_bytes()) return error(Code::truncated_input, "a batch is cut short");
  const Bytes stored = batch.sub(batch_header_bytes, reader.header_.size_bytes() - batch_header_bytes).flat();
  if (reader.header_.codec_bits() == 0) {
    reader.records_ = stored;
  } else if (reader.header_.codec_bits() > static_cast<std::uint8_t>(Codec::zstd)) {
    return error(Code::unsupported_compression_type, "unknown compression codec");
  } else if (reader.header_.record_count > 0) {
    TRY(reader.records_, decompress(reader.header_.codec(), stored.span(), max_bytes));
  }
  const std::span<const std::uint8_t> bytes = reader.records_.span();
  reader.at_ = bytes.data();
  reader.end_ = bytes.data() + bytes.size();
  return reader;
}

bool RecordReader::next(Record& out) {
  if (failed_) return false;
  if (read_ == header_.record_count) return at_ == end_ ? false : damaged();
  std::int32_t size = 0;
  if (!get_varint(at_, end_, size) || size < 0 || end_ - at_ < size) return damaged();
  const std::uint8_t* const stop = at_ + size;
  std::int64_t timestamp_delta = 0;
  std::int32_t offset_delta = 0;
  if (at_ == stop) return damaged();
  ++at_;  // record attributes: none are defined
  if (!get_varlong(at_, stop, timestamp_delta) || !get_varint(at_, stop, offset_delta)) return damaged();
  if (offset_delta < 0 || offset_delta > header_.last_offset_delta) return damaged();
  if (!get_text(at_, stop, out.key) || !get_text(at_, stop, out.value)) return damaged();
  std::int32_t headers = 0;
  if (!get_varint(at_, stop, headers) || headers < 0) return damaged();
  const std::uint8_t* const headers_from = at_;
  for (std::int32_t i = 0; i < headers; ++i) {
    std::optional<std::string_view> key, value;
    if (!get_text(at_, stop, key) || !key || !get_text(at_, stop, value)) return damaged();
  }
  if (at_ != stop) return damaged();
  out.header_count = headers;
  out.raw_headers = std::string_view(reinterpret_cast<const char*>(headers_from), static_cast<std::size_t>(stop - headers_from));
  out.offset = header_.base_offset + offset_delta;
  // Wrap instead of overflow: the sum of two untrusted numbers.
  out.timestamp = header_.timestamp_type() == TimestampType::log_append_time
                      ? header_.max_timestamp
                      : WallMs(static_cast<std::int64_t>(static_cast<std::uint64_t>(header_.base_timestamp.value()) +
                                                         static_cast<std::uint64_t>(timestamp_delta)));
  ++read_;
  return true;
}

Bytes RecordReader::share(std::string_view text) const {
  if (text.empty()) return {};
  const auto from = reinterpret_cast<const std::uint8_t*>(text.data()) - records_.span().data();
  return records_.sub(static_cast<std::uint64_t>(from), text.size());
}

Bytes with_base_offset(const Bytes& batch, const BatchHeader& header, Offset base_offset, LeaderEpoch leader_epoch) {
  BatchHeader moved = header;
  moved.base_offset = base_offset;
  moved.leader_epoch = leader_epoch;
  return with_header(batch, moved);
}

Bytes with_log_append_time(const Bytes& batch, const BatchHeader& header, WallMs now) {
  BatchHeader stamped = header;
  stamped.attributes = static_cast<std::int16_t>(header.attributes | 8);
  stamped.max_timestamp = now;
  stamped.crc = crc_with(stamped, batch);
  return with_header(batch, stamped);
}

Result<Bytes> with_codec(const Bytes& batch, Codec codec) {
  TRY(BatchHeader header, parse_batch_header(batch));
  if (header.codec_bits() == static_cast<std::uint8_t>(codec)) return batch;
  const Bytes stored = batch.sub(batch_header_bytes, header.size_bytes() - batch_header_bytes).flat();
  TRY(const Bytes plain, decompress(header.codec(), stored.span(), max_decompressed_bytes));
  BlockBuffer out(batch_header_bytes + static_cast<std::uint32_t>(plain.size()));
  out.room(batch_header_bytes);
  out.advance(batch_header_bytes);
  compress(codec, plain.span(), out);
  header.attributes = static_cast<std::int16_t>((header.attributes & ~7) | static_cast<int>(codec));
  header.length = static_cast<std::int32_t>(out.size() - batch_prefix_bytes);
  encode_batch_header(header, out.data());
  header.crc = crc32c(out.span().subspan(crc_from));
  encode_batch_header(header, out.data());
  return out.finish();
}

Result<ClientBatch> validate_client_batch(const Bytes& data, const AppendRules& rules, WallMs now) {
  // As Kafka answers: half a batch is none, and a client may not use an older format; other numbers there are damage.
  constexpr std::uint64_t magic_at = 16;
  const std::optional<BatchPrefix> prefix = parse_batch_prefix(data);
  if (!prefix || data.size() <= magic_at || (prefix->size_bytes > 0 && std::cmp_less(data.size(), prefix->size_bytes)))
    return error(Code::invalid_record, "produce data holds no whole batch");
  std::uint8_t spare[1];
  if (*look(data, magic_at, 1, spare) < 2) return error(Code::invalid_record, "a client's batch is not of format 2");
  if (prefix->size_bytes > rules.max_message_bytes) return error(Code::message_too_large, "a batch exceeds max.message.bytes");
  TRY(const BatchHeader header, check_batch(data));
  if (header.size_bytes() != data.size()) return error(Code::invalid_record, "produce data holds more than one batch");
  if (header.is_control()) return error(Code::invalid_record, "clients may not write control records");
  if (header.codec_bits() > static_cast<std::uint8_t>(Codec::zstd))
    return error(Code::unsupported_compression_type, "unknown compression codec");
  if (header.record_count == 0) return error(Code::invalid_record, "a client's batch holds no record");
  if (header.last_offset_delta + 1 != header.record_count)
    return error(Code::invalid_record, "a batch's record count and last offset do not agree");
  if (header.has_producer() && (header.base_sequence < 0 || header.producer_epoch.value() < 0))
    return error(Code::invalid_record, "an idempotent batch has no sequence number");
  if (header.timestamp_type() == TimestampType::log_append_time)
    return error(Code::invalid_timestamp, "a client's batch claims log-append time");
  TRY(RecordReader reader, RecordReader::open(data));
  Record record;
  WallMs largest{-1};
  while (reader.next(record)) {
    if (record.offset - header.base_offset != reader.read_count() - 1)
      return error(Code::invalid_record, "offsets in a batch are not contiguous");
    if (rules.needs_key && !record.key) return error(Code::invalid_record, "a compacted topic needs a key");
    if (rules.timestamp_type == TimestampType::create_time && record.timestamp.value() != -1) {
      const std::int64_t before = now.value() > INT64_MIN + rules.timestamp_before_max_ms ? now.value() - rules.timestamp_before_max_ms : INT64_MIN;
      const std::int64_t after = now.value() < INT64_MAX - rules.timestamp_after_max_ms ? now.value() + rules.timestamp_after_max_ms : INT64_MAX;
      if (record.timestamp.value() < before || record.timestamp.value() > after)
        return error(Code::invalid_timestamp, "a record's timestamp is out of range");
    }
    largest = std::max(largest, record.timestamp);
  }
  if (reader.failed() || reader.read_count() != header.record_count) return error(Code::invalid_record, "records of a batch are damaged");
  ClientBatch result{header, data};
  if (rules.codec && *rules.codec != header.codec()) {
    TRY(result.batch, with_codec(data, *rules.codec));
    TRY(result.header, parse_batch_header(result.batch));
  }
  if (rules.timestamp_type == TimestampType::log_append_time) {
    result.batch = with_log_append_time(result.batch, result.header, now);
    TRY(result.header, parse_batch_header(result.batch));
  } else if (largest != header.max_timestamp) {
    // The time index believes the header, so the header must tell the truth.
    result.header.max_timestamp = largest;
    result.header.crc = crc_with(result.header, result.batch);
    result.batch = with_header(result.batch, result.header);
  }
  return result;
}

std::optional<ControlType> control_type_of(const Record& record) {
  if (!record.key || record.key->size() < 4) return std::nullopt;
  const auto* const p = reinterpret_cast<const std::uint8_t*>(record.key->data());
  const std::int16_t type = get<std::int16_t>(p + 2);
  if (get<std::int16_t>(p) < 0 || type < 0 || type > static_cast<std::int16_t>(ControlType::kraft_voters)) return std::nullopt;
  return static_cast<ControlType>(type);
}

std::optional<std::int32_t> coordinator_epoch_of(const Record& marker) {
  if (!marker.value || marker.value->size() < 6) return std::nullopt;
  return get<std::int32_t>(reinterpret_cast<const std::uint8_t*>(marker.value->data()) + 2);
}

}  // namespace harrow
