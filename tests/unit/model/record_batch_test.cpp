#include <gtest/gtest.h>

#include <string>

#include "core/base/random.h"
#include "core/model/batch_builder.h"
#include "core/model/crc32c.h"
#include "core/model/record_batch.h"

namespace harrow {
namespace {

constexpr std::string_view one_record_hex =
    "0000000000000000 0000003b 00000000 02 b27f9773 0000 00000000 0000018bcfe56800 0000018bcfe56800 "
    "0000000000000000 0000 00000000 00000001 12 00 00 00 026b 047630 00";
constexpr std::string_view marker_hex =
    "0000000000000003 00000042 00000000 02 40006f61 0030 00000000 000001a1fd33b701 000001a1fd33b701 "
    "0000000000000001 0001 ffffffff 00000001 20 00 00 00 08 00000001 0c 000000000000 00";

// The same bytes in slices of `step` bytes, each in a block of its own.
Bytes chopped(const Bytes& bytes, std::uint64_t step) {
  Bytes rope;
  for (std::uint64_t at = 0; at < bytes.size(); at += step) {
    const std::string piece = bytes.sub(at, std::min(step, bytes.size() - at)).to_string();
    rope.append(Bytes::copy_of(piece));
  }
  return rope;
}

Bytes sample(Codec codec, int records, Offset base = Offset(0)) {
  BatchOptions options;
  options.base_offset = base;
  options.codec = codec;
  options.leader_epoch = LeaderEpoch(3);
  BatchBuilder builder(options);
  for (int i = 0; i < records; ++i) {
    const std::string key = "key-" + std::to_string(i % 7);
    const std::string value = "a value that repeats itself, number " + std::to_string(i);
    const RecordHeader headers[] = {{"trace", "abc"}, {"empty", std::nullopt}};
    if (i % 5 == 4) builder.add(WallMs(1000 + i), std::nullopt, std::nullopt);
    else builder.add(WallMs(1000 + i), key, value, i % 3 == 0 ? std::span<const RecordHeader>(headers) : std::span<const RecordHeader>());
  }
  return builder.build();
}

TEST(Crc32c, gives_the_check_value_however_the_rope_is_cut) {
  const Bytes digits = Bytes::copy_of("123456789");
  EXPECT_EQ(crc32c(digits), 0xe3069283u);
  EXPECT_EQ(crc32c(chopped(digits, 1)), 0xe3069283u);
  EXPECT_EQ(crc32c(chopped(digits, 4)), 0xe3069283u);
  EXPECT_EQ(crc32c(Bytes{}), 0u);
}

TEST(BatchBuilder, makes_the_published_batch_of_one_record) {
  BatchOptions options;
  options.leader_epoch = LeaderEpoch(0);
  options.producer_id = ProducerId(0);
  options.producer_epoch = ProducerEpoch(0);
  options.base_sequence = 0;
  BatchBuilder builder(options);
  builder.add(WallMs(1700000000000), "k", "v0");
  EXPECT_EQ(builder.build().to_hex(), bytes_from_hex(one_record_hex).to_hex());
}

TEST(BatchBuilder, makes_the_published_commit_marker) {
  const Bytes marker =
      end_transaction_marker(Offset(3), LeaderEpoch(0), WallMs(0x1a1fd33b701), ProducerId(1), ProducerEpoch(1), true, 0);
  EXPECT_EQ(marker.to_hex(), bytes_from_hex(marker_hex).to_hex());
  Result<RecordReader> reader = RecordReader::open(marker);
  ASSERT_TRUE(reader);
  EXPECT_TRUE(reader->header().is_control());
  EXPECT_TRUE(reader->header().is_transactional());
  Record record;
  ASSERT_TRUE(reader->next(record));
  EXPECT_EQ(control_type_of(record), ControlType::commit);
  EXPECT_EQ(coordinator_epoch_of(record), 0);
}

TEST(RecordBatch, header_survives_parsing_at_every_cut) {
  const Bytes batch = bytes_from_hex(one_record_hex);
  const Result<BatchHeader> whole = check_batch(batch);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->record_count, 1);
  EXPECT_EQ(whole->end_offset(), Offset(1));
  EXPECT_EQ(whole->max_timestamp, WallMs(1700000000000));
  EXPECT_EQ(whole->last_sequence(), 0);
  for (std::uint64_t step = 1; step < batch.size(); ++step) {
    const Result<BatchHeader> cut = check_batch(chopped(batch, step));
    ASSERT_TRUE(cut);
    EXPECT_EQ(*cut, *whole);
  }
  for (std::uint64_t size = 0; size < batch.size(); ++size) EXPECT_FALSE(check_batch(batch.sub(0, size)));
}

TEST(RecordBatch, every_flipped_bit_behind_the_crc_is_found) {
  const Bytes batch = bytes_from_hex(one_record_hex);
  for (std::uint64_t at = 16; at < batch.size(); ++at) {
    std::string raw = batch.to_string();
    raw[at] = static_cast<char>(raw[at] ^ 0x10);
    EXPECT_FALSE(check_batch(Bytes::copy_of(raw))) << at;
  }
}

TEST(RecordBatch, sequence_wraps_to_zero) {
  BatchHeader header;
  header.base_sequence = INT32_MAX - 1;
  header.last_offset_delta = 2;
  EXPECT_EQ(header.last_sequence(), 0);
}

TEST(RecordBatch, records_come_back_under_every_codec) {
  for (const Codec codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    for (const int count : {1, 9, 3000}) {
      const Bytes batch = sample(codec, count, Offset(100));
      ASSERT_TRUE(check_batch(batch));
      Result<RecordReader> reader = RecordReader::open(chopped(batch, 1000));
      ASSERT_TRUE(reader) << name_of(codec);
      EXPECT_EQ(reader->header().codec(), codec);
      Record record;
      int i = 0;
      for (; reader->next(record); ++i) {
        ASSERT_EQ(record.offset, Offset(100 + i));
        ASSERT_EQ(record.timestamp, WallMs(1000 + i));
        if (i % 5 == 4) {
          ASSERT_FALSE(record.key);
          ASSERT_FALSE(record.value);
          continue;
        }
        ASSERT_EQ(*record.key, "key-" + std::to_string(i % 7));
        ASSERT_EQ(reader->share(*record.value).to_string(), "a value that repeats itself, number " + std::to_string(i));
        ASSERT_EQ(record.headers().size(), i % 3 == 0 ? 2u : 0u);
        if (i % 3 == 0) {
          ASSERT_EQ(record.headers()[0].key, "trace");
          ASSERT_EQ(*record.headers()[0].value, "abc");
          ASSERT_FALSE(record.headers()[1].value);
        }
      }
      EXPECT_FALSE(reader->failed());
      EXPECT_EQ(i, count);
    }
  }
}

TEST(RecordBatch, a_rewrite_shares_the_records_and_keeps_the_crc_right) {
  const Bytes batch = sample(Codec::none, 20);
  const BatchHeader header = *check_batch(batch);
  const Bytes moved = with_base_offset(batch, header, Offset(777), LeaderEpoch(9));
  const Result<BatchHeader> again = check_batch(moved);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->base_offset, Offset(777));
  EXPECT_EQ(again->leader_epoch, LeaderEpoch(9));
  EXPECT_EQ(again->crc, header.crc);
  ASSERT_EQ(moved.slices().size(), 2u);
  EXPECT_EQ(moved.slices()[1].data(), batch.slices()[0].data() + batch_header_bytes);

  const Bytes stamped = with_log_append_time(batch, header, WallMs(5555));
  const Result<BatchHeader> late = check_batch(stamped);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->timestamp_type(), TimestampType::log_append_time);
  EXPECT_EQ(stamped.slices()[1].data(), batch.slices()[0].data() + batch_header_bytes);
  Result<RecordReader> reader = RecordReader::open(stamped);
  Record record;
  while (reader->next(record)) EXPECT_EQ(record.timestamp, WallMs(5555));
  EXPECT_FALSE(reader->failed());
}

TEST(RecordBatch, a_rope_splits_into_its_batches_and_a_cut_last_one_is_left_out) {
  Bytes rope = sample(Codec::none, 3, Offset(0));
  rope.append(sample(Codec::lz4, 4, Offset(3)));
  const std::uint64_t two = rope.size();
  rope.append(sample(Codec::none, 5, Offset(7)));
  const Bytes cut = chopped(rope.sub(0, rope.size() - 1), 50);
  const auto batches = split_batches(cut);
  ASSERT_TRUE(batches);
  ASSERT_EQ(batches->size(), 2u);
  EXPECT_EQ(parse_batch_header((*batches)[1])->end_offset(), Offset(7));
  BatchCursor cursor(cut);
  while (cursor.next()) {}
  EXPECT_EQ(cursor.end_position(), two);
  EXPECT_FALSE(cursor.broken());
  Bytes broken = sample(Codec::none, 3);
  broken.append(Bytes::zeros(100));
  EXPECT_EQ(split_batches(broken).error().code, Code::corrupt_message);
}

TEST(RecordBatch, damaged_records_never_read_outside_and_never_loop) {
  Random random(7);
  for (const Codec codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    const std::string good = sample(codec, 30).to_string();
    for (int round = 0; round < 300; ++round) {
      std::string raw = good;
      for (std::uint64_t flips = 1 + random.below(4); flips > 0; --flips)
        raw[21 + random.below(raw.size() - 21)] = static_cast<char>(random.next());
      Result<RecordReader> reader = RecordReader::open(Bytes::copy_of(raw), 1 << 20);
      if (!reader) continue;
      Record record;
      int count = 0;
      while (reader->next(record)) ++count;
      EXPECT_LE(count, reader->header().record_count);
    }
    for (std::size_t size = 0; size < good.size(); size += 3) {
      const Bytes cut = Bytes::copy_of(std::string_view(good).substr(0, size));
      EXPECT_FALSE(RecordReader::open(cut));
    }
  }
}

TEST(Compression, decompressed_size_is_capped) {
  const std::string zeros(200000, 'z');
  const auto in = std::span(reinterpret_cast<const std::uint8_t*>(zeros.data()), zeros.size());
  for (const Codec codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    BlockBuffer out;
    compress(codec, in, out);
    const Bytes packed = out.finish();
    const Result<Bytes> whole = decompress(codec, packed.span(), zeros.size());
    ASSERT_TRUE(whole) << name_of(codec);
    EXPECT_EQ(whole->to_string(), zeros);
    const Result<Bytes> refused = decompress(codec, packed.span(), zeros.size() - 1);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::record_list_too_large);
    if (codec == Codec::none) continue;
    for (std::size_t size = 0; size < packed.size(); size += 1 + size / 8) {
      const Result<Bytes> cut = decompress(codec, packed.span().first(size), zeros.size());
      // Snappy's framing has no end: a cut between two blocks is a shorter text.
      if (cut) { EXPECT_EQ(codec, Codec::snappy); }
    }
  }
}

TEST(Compression, raw_snappy_is_read_too) {
  // "aaaa...": length 12, literal 'a', copy of 11 at distance 1.
  const Bytes raw = bytes_from_hex("0c 00 61 1d 01");
  const Result<Bytes> text = decompress(Codec::snappy, raw.span(), 100);
  ASSERT_TRUE(text);
  EXPECT_EQ(text->to_string(), std::string(12, 'a'));
}

TEST(ClientBatch, what_a_client_may_not_send_is_refused_by_name) {
  const AppendRules rules;
  const WallMs now(1000);
  const Bytes good = sample(Codec::none, 3);
  ASSERT_TRUE(validate_client_batch(good, rules, now));
  EXPECT_EQ(validate_client_batch(good.sub(0, good.size() - 1), rules, now).error().code, Code::invalid_record);

  std::string raw = good.to_string();
  raw[70] = static_cast<char>(raw[70] ^ 1);
  EXPECT_EQ(validate_client_batch(Bytes::copy_of(raw), rules, now).error().code, Code::corrupt_message);

  Bytes two = good;
  two.append(good);
  EXPECT_EQ(validate_client_batch(two, rules, now).error().code, Code::invalid_record);

  AppendRules small = rules;
  small.max_message_bytes = 100;
  EXPECT_EQ(validate_client_batch(good, small, now).error().code, Code::message_too_large);

  AppendRules keyed = rules;
  keyed.needs_key = true;
  EXPECT_TRUE(validate_client_batch(good, keyed, now));
  EXPECT_EQ(validate_client_batch(sample(Codec::none, 5), keyed, now).error().code, Code::invalid_record);

  EXPECT_EQ(validate_client_batch(good, rules, WallMs(1000 - 3'600'000)).error().code, Code::invalid_timestamp);
  AppendRules narrow = rules;
  narrow.timestamp_before_max_ms = 10;
  EXPECT_EQ(validate_client_batch(good, narrow, WallMs(1100)).error().code, Code::invalid_timestamp);

  EXPECT_EQ(validate_client_batch(bytes_from_hex(marker_hex), rules, now).error().code, Code::invalid_record);

  BatchBuilder gap(BatchOptions{});
  gap.add(now, "k", "v");
  gap.add_at(2, now, "k", "v");
  EXPECT_EQ(validate_client_batch(gap.build(), rules, now).error().code, Code::invalid_record);

  BatchOptions no_sequence;
  no_sequence.producer_id = ProducerId(5);
  BatchBuilder builder(no_sequence);
  builder.add(now, "k", "v");
  EXPECT_EQ(validate_client_batch(builder.build(), rules, now).error().code, Code::invalid_record);
}

TEST(ClientBatch, topic_codec_and_append_time_are_applied) {
  AppendRules rules;
  rules.codec = Codec::zstd;
  rules.timestamp_type = TimestampType::log_append_time;
  const Result<ClientBatch> result = validate_client_batch(sample(Codec::gzip, 10), rules, WallMs(99));
  ASSERT_TRUE(result);
  ASSERT_TRUE(check_batch(result->batch));
  EXPECT_EQ(*check_batch(result->batch), result->header);
  EXPECT_EQ(result->header.codec(), Codec::zstd);
  Result<RecordReader> reader = RecordReader::open(result->batch);
  ASSERT_TRUE(reader);
  Record record;
  int count = 0;
  for (; reader->next(record); ++count) EXPECT_EQ(record.timestamp, WallMs(99));
  EXPECT_EQ(count, 10);
}

TEST(ClientBatch, untouched_data_is_shared_not_copied) {
  const Bytes good = sample(Codec::none, 3);
  const Result<ClientBatch> result = validate_client_batch(good, AppendRules{}, WallMs(1000));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->batch.slices()[0].data(), good.slices()[0].data());
}

}  // namespace
}  // namespace harrow
