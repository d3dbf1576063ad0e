#include "core/model/batch_builder.h"

#include <algorithm>

#include "core/base/buffer.h"
#include "core/model/crc32c.h"

namespace harrow {
namespace {

constexpr std::uint64_t zigzag(std::int64_t v) { return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63); }
constexpr std::uint32_t varint_bytes(std::int64_t v) {
  const std::uint64_t z = zigzag(v) | 1;
  return static_cast<std::uint32_t>((64 - __builtin_clzll(z) + 6) / 7);
}
std::uint8_t* put_varint(std::uint8_t* to, std::int64_t v) {
  std::uint64_t z = zigzag(v);
  while (z >= 0x80) {
    *to++ = static_cast<std::uint8_t>(z | 0x80);
    z >>= 7;
  }
  *to++ = static_cast<std::uint8_t>(z);
  return to;
}
std::uint32_t text_bytes(std::optional<std::string_view> text) {
  if (!text) return 1;
  const auto size = static_cast<std::uint32_t>(text->size());
  return varint_bytes(size) + size;
}
std::uint8_t* put_text(std::uint8_t* to, std::optional<std::string_view> text) {
  if (!text) return put_varint(to, -1);
  to = put_varint(to, static_cast<std::int64_t>(text->size()));
  if (!text->empty()) std::memcpy(to, text->data(), text->size());
  return to + text->size();
}
std::uint32_t headers_bytes(std::span<const RecordHeader> headers) {
  std::uint32_t size = varint_bytes(static_cast<std::int64_t>(headers.size()));
  for (const RecordHeader& header : headers) size += text_bytes(header.key) + text_bytes(header.value);
  return size;
}

}  // namespace

BatchBuilder::BatchBuilder(const BatchOptions& options)
    : options_(options), buffer_(options.expected_bytes < batch_header_bytes ? batch_header_bytes : options.expected_bytes) {
  buffer_.room(batch_header_bytes);
  buffer_.advance(batch_header_bytes);
}

std::uint32_t BatchBuilder::record_bound(std::optional<std::string_view> key, std::optional<std::string_view> value,
                                         std::span<const RecordHeader> headers) {
  return 5 + 1 + 10 + 5 + text_bytes(key) + text_bytes(value) + headers_bytes(headers);
}

void BatchBuilder::add_at(std::int32_t offset_delta, WallMs timestamp, std::optional<std::string_view> key,
                          std::optional<std::string_view> value, std::span<const RecordHeader> headers) {
  CHECK(offset_delta >= next_delta_);
  if (count_ == 0) {
    base_timestamp_ = options_.delete_horizon.value() >= 0 ? options_.delete_horizon : timestamp;
    max_timestamp_ = timestamp;
  }
  if (timestamp > max_timestamp_) max_timestamp_ = timestamp;
  const std::int64_t timestamp_delta = timestamp - base_timestamp_;
  const std::uint32_t body =
      1 + varint_bytes(timestamp_delta) + varint_bytes(offset_delta) + text_bytes(key) + text_bytes(value) + headers_bytes(headers);
  const std::uint32_t total = varint_bytes(body) + body;
  std::uint8_t* to = buffer_.room(total);
  to = put_varint(to, body);
  *to++ = 0;
  to = put_varint(to, timestamp_delta);
  to = put_varint(to, offset_delta);
  to = put_text(to, key);
  to = put_text(to, value);
  to = put_varint(to, static_cast<std::int64_t>(headers.size()));
  for (const RecordHeader& header : headers) {
    to = put_text(to, header.key);
    to = put_text(to, header.value);
  }
  buffer_.advance(total);
  next_delta_ = offset_delta + 1;
  ++count_;
}

void BatchBuilder::set_producer(ProducerId id, ProducerEpoch epoch, std::int32_t base_sequence, bool transactional) {
  options_.producer_id = id;
  options_.producer_epoch = epoch;
  options_.base_sequence = base_sequence;
  options_.transactional = transactional;
}

Bytes BatchBuilder::build() {
  if (options_.codec != Codec::none && count_ > 0) {
    BlockBuffer packed(buffer_.size());
    packed.room(batch_header_bytes);
    packed.advance(batch_header_bytes);
    compress(options_.codec, buffer_.span().subspan(batch_header_bytes), packed);
    buffer_ = std::move(packed);
  }
  BatchHeader header;
  header.base_offset = options_.base_offset;
  header.length = static_cast<std::int32_t>(buffer_.size() - batch_prefix_bytes);
  header.leader_epoch = options_.leader_epoch;
  header.attributes = static_cast<std::int16_t>(
      (count_ > 0 ? static_cast<int>(options_.codec) : 0) | static_cast<int>(options_.timestamp_type) << 3 |
      (options_.transactional ? 0x10 : 0) | (options_.control ? 0x20 : 0) | (options_.delete_horizon.value() >= 0 ? 0x40 : 0));
  header.last_offset_delta = std::max(next_delta_ == 0 ? 0 : next_delta_ - 1, options_.last_offset_delta);
  header.base_timestamp = base_timestamp_;
  header.max_timestamp = max_timestamp_;
  header.producer_id = options_.producer_id;
  header.producer_epoch = options_.producer_epoch;
  header.base_sequence = options_.base_sequence;
  header.record_count = count_;
  encode_batch_header(header, buffer_.data());
  constexpr std::uint32_t crc_at = 17, crc_from = 21;
  const std::uint32_t crc = detail::big_endian(crc32c(buffer_.span().subspan(crc_from)));
  std::memcpy(buffer_.data() + crc_at, &crc, sizeof(crc));
  return buffer_.finish();
}

Bytes control_batch(const BatchOptions& options, WallMs timestamp, ControlType type, std::span<const std::uint8_t> value) {
  BatchOptions control = options;
  control.control = true;
  control.codec = Codec::none;
  control.expected_bytes = batch_header_bytes + 32 + static_cast<std::uint32_t>(value.size());
  BatchBuilder builder(control);
  const auto number = static_cast<std::uint16_t>(type);
  const char key[4] = {0, 0, static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
  builder.add(timestamp, std::string_view(key, sizeof(key)), std::string_view(reinterpret_cast<const char*>(value.data()), value.size()));
  return builder.build();
}

Bytes end_transaction_marker(Offset base_offset, LeaderEpoch leader_epoch, WallMs timestamp, ProducerId producer_id,
                             ProducerEpoch producer_epoch, bool commit, std::int32_t coordinator_epoch) {
  BatchOptions options;
  options.base_offset = base_offset;
  options.leader_epoch = leader_epoch;
  options.producer_id = producer_id;
  options.producer_epoch = producer_epoch;
  options.transactional = true;
  std::uint8_t value[6] = {0, 0};
  const std::uint32_t epoch = detail::big_endian(static_cast<std::uint32_t>(coordinator_epoch));
  std::memcpy(value + 2, &epoch, sizeof(epoch));
  return control_batch(options, timestamp, commit ? ControlType::commit : ControlType::abort, value);
}

}  // namespace harrow
