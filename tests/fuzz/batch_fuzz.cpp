// libFuzzer target: record batches from anywhere. The first byte chooses what is done, the rest is the bytes: a rope of
// batches (with their CRCs made right, else nothing behind the CRC is ever reached), what a client sends, or a codec's
// stream. Whatever can be read must be writable again under every codec with the same records.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/base/check.h"
#include "core/model/batch_builder.h"
#include "core/model/record_batch.h"

using namespace harrow;

namespace {

constexpr std::uint64_t most_decompressed_bytes = 1 << 20;

/// Gives each batch that ends within the bytes the CRC that it should have.
void mend_checksums(std::vector<std::uint8_t>& bytes) {
  for (std::uint64_t at = 0; at + batch_header_bytes <= bytes.size();) {
    const Bytes rope = Bytes::copy_of(std::span<const std::uint8_t>(bytes));
    const auto header = parse_batch_header(rope, at);
    if (!header || at + header->size_bytes() > bytes.size()) return;
    const std::uint32_t crc = batch_crc(rope, at, *header);
    for (int i = 0; i < 4; ++i) bytes[at + 17 + static_cast<std::uint64_t>(i)] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
    at += header->size_bytes();
  }
}

struct Read {
  bool whole = false;
  std::vector<std::string> records;
};
Read read_all(const Bytes& batch) {
  Read read;
  auto reader = RecordReader::open(batch, most_decompressed_bytes);
  if (!reader) return read;
  Record record;
  while (reader->next(record)) {
    std::string text = record.key ? "k" + std::string(*record.key) : "-";
    text += record.value ? "v" + std::string(*record.value) : "-";
    for (const RecordHeader& header : record.headers()) text += "h" + std::string(header.key) + (header.value ? "=" + std::string(*header.value) : "");
    if (const auto type = control_type_of(record)) text += "c" + std::to_string(static_cast<int>(*type));
    if (const auto epoch = coordinator_epoch_of(record)) text += "e" + std::to_string(*epoch);
    read.records.push_back(std::move(text));
  }
  read.whole = !reader->failed();
  return read;
}

void read_rope(const Bytes& rope) {
  BatchCursor cursor(rope);
  while (cursor.next()) {
    const Bytes batch = cursor.batch();
    CHECK(batch.size() == cursor.header().size_bytes());
    const bool sound = check_batch(batch).has_value();
    const Read before = read_all(batch);
    if (!sound || !before.whole) continue;
    CHECK(read_all(with_base_offset(batch, cursor.header(), Offset(5), LeaderEpoch(2))).records == before.records);
    CHECK(check_batch(with_log_append_time(batch, cursor.header(), WallMs(77))).has_value());
    for (const Codec codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
      const Result<Bytes> again = with_codec(batch, codec);
      if (!again) continue;
      CHECK(check_batch(*again).has_value());
      CHECK(read_all(*again).records == before.records);
    }
  }
  CHECK(cursor.end_position() <= rope.size());
  if (const auto split = split_batches(rope)) CHECK(split->size() <= rope.size() / batch_header_bytes + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const int what = data[0] % 8;
  std::vector<std::uint8_t> bytes(data + 1, data + size);
  if (what < 5) {
    const auto codec = static_cast<Codec>(what);
    const Result<Bytes> plain = decompress(codec, bytes, most_decompressed_bytes);
    if (!plain) return 0;
    CHECK(plain->size() <= most_decompressed_bytes);
    BlockBuffer packed(256);
    const Bytes flat = plain->flat();
    compress(codec, flat.span(), packed);
    const Bytes stream = packed.finish().flat();
    const Result<Bytes> again = decompress(codec, stream.span(), most_decompressed_bytes);
    CHECK(again.has_value() && *again == *plain);
    return 0;
  }
  if (what != 7) mend_checksums(bytes);
  const Bytes rope = Bytes::copy_of(std::span<const std::uint8_t>(bytes));
  read_rope(rope);
  AppendRules rules;
  rules.needs_key = what == 6;
  if (what == 6) rules.codec = Codec::lz4;
  if (what == 7) rules.timestamp_type = TimestampType::log_append_time;
  if (const auto accepted = validate_client_batch(rope, rules, WallMs(1'767'600'000'000))) CHECK(check_batch(accepted->batch).has_value());
  return 0;
}
