#include <gtest/gtest.h>

#include "core/log/checkpoint_files.h"
#include "core/log/epoch_cache.h"
#include "core/log/offset_index.h"
#include "core/log/producer_state.h"
#include "core/log/time_index.h"
#include "core/log/txn_index.h"
#include "core/model/batch_builder.h"
#include "core/model/crc32c.h"

namespace harrow {
namespace {

BatchHeader batch(std::int64_t producer, int epoch, int sequence, int records, std::int64_t base) {
  BatchHeader header;
  header.producer_id = ProducerId(producer);
  header.producer_epoch = ProducerEpoch(epoch);
  header.base_sequence = sequence;
  header.last_offset_delta = records - 1;
  header.record_count = records;
  header.base_offset = Offset(base);
  header.max_timestamp = WallMs(5);
  return header;
}
Code verdict(const ProducerState& state, const BatchHeader& header) {
  const ProducerBatch* duplicate = nullptr;
  return state.check(header, duplicate);
}

TEST(Formats, an_aborted_transaction_has_the_published_bytes) {
  const AbortedTransaction entry{ProducerId(1), Offset(4), Offset(5), Offset(6)};
  EXPECT_EQ(encode_aborted(entry).to_hex(),
            "0000" "0000000000000001" "0000000000000004" "0000000000000005" "0000000000000006");
  EXPECT_EQ(decode_aborted(encode_aborted(entry))->front(), entry);
  EXPECT_FALSE(decode_aborted(Bytes::zeros(33)));
}

TEST(Formats, index_entries_are_big_endian_pairs) {
  OffsetIndex offsets;
  offsets.add({5, 0x1234});
  offsets.add({9, 0x2000});
  EXPECT_EQ(offsets.encode().to_hex(), "00000005" "00001234" "00000009" "00002000");
  TimeIndex times;
  times.add({WallMs(0x18bcfe56800), 7});
  EXPECT_EQ(times.encode().to_hex(), "0000018bcfe56800" "00000007");
  OffsetIndex back;
  ASSERT_TRUE(OffsetIndex::decode(offsets.encode(), 0x2001, back));
  EXPECT_EQ(back.entries(), offsets.entries());
  EXPECT_FALSE(OffsetIndex::decode(offsets.encode(), 0x2000, back)) << "an entry points behind the segment";
  EXPECT_FALSE(OffsetIndex::decode(Bytes::zeros(16), 100, back)) << "entries must increase";
  EXPECT_EQ(offsets.floor_position(4), 0u);
  EXPECT_EQ(offsets.floor_position(5), 0x1234u);
  EXPECT_EQ(offsets.floor_position(100), 0x2000u);
}

TEST(Formats, a_producer_snapshot_carries_its_crc_and_survives) {
  ProducerState state;
  state.update(batch(7, 2, 10, 3, 100), std::nullopt);
  const Bytes bytes = state.encode();
  ASSERT_EQ(bytes.size(), 2u + 4 + 4 + 46);
  EXPECT_EQ(bytes.sub(0, 2).to_hex(), "0001");
  EXPECT_EQ(bytes.from(6).to_hex(), "00000001" "0000000000000007" "0002" "0000000c" "0000000000000066" "00000002"
                                    "0000000000000005" "ffffffff" "ffffffffffffffff");
  Crc32c sum;
  sum.add(bytes, 6);
  EXPECT_EQ(bytes.sub(2, 4).to_hex(), [&] { char hex[9]; std::snprintf(hex, 9, "%08x", sum.value()); return std::string(hex); }());
  const Result<ProducerState> back = ProducerState::decode(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->encode(), bytes);
  for (std::uint64_t at = 0; at < bytes.size(); ++at) {
    std::string raw = bytes.to_string();
    raw[at] = static_cast<char>(raw[at] ^ 1);
    EXPECT_FALSE(ProducerState::decode(Bytes::copy_of(raw))) << at;
    EXPECT_FALSE(ProducerState::decode(bytes.sub(0, at))) << at;
  }
}

TEST(Producers, one_of_the_last_five_batches_is_a_repeat_and_older_ones_are_not) {
  ProducerState state;
  for (int i = 0; i < 6; ++i) state.update(batch(7, 0, i * 2, 2, 100 + i * 2), std::nullopt);
  for (int i = 1; i < 6; ++i) {
    const ProducerBatch* duplicate = nullptr;
    EXPECT_EQ(state.check(batch(7, 0, i * 2, 2, 0), duplicate), Code::duplicate_sequence_number);
    ASSERT_NE(duplicate, nullptr);
    EXPECT_EQ(duplicate->first_offset(), Offset(100 + i * 2));
  }
  EXPECT_EQ(verdict(state, batch(7, 0, 0, 2, 0)), Code::out_of_order_sequence_number);
  EXPECT_EQ(verdict(state, batch(7, 0, 12, 2, 0)), Code::none);
  EXPECT_EQ(verdict(state, batch(7, 0, 13, 2, 0)), Code::out_of_order_sequence_number);
}

TEST(Producers, epochs_fence_and_sequences_wrap) {
  ProducerState state;
  EXPECT_EQ(verdict(state, batch(7, 3, 55, 1, 0)), Code::none) << "nothing known: any sequence";
  state.update(batch(7, 3, INT32_MAX - 1, 2, 0), std::nullopt);
  EXPECT_EQ(verdict(state, batch(7, 2, 0, 1, 0)), Code::invalid_producer_epoch);
  EXPECT_EQ(verdict(state, batch(7, 3, 0, 1, 0)), Code::none) << "behind 2147483647 comes 0";
  EXPECT_EQ(verdict(state, batch(7, 4, 1, 1, 0)), Code::out_of_order_sequence_number);
  EXPECT_EQ(verdict(state, batch(7, 4, 0, 1, 0)), Code::none);
}

TEST(Producers, an_open_transaction_is_seen_and_ended_by_its_marker) {
  ProducerState state;
  BatchHeader data = batch(7, 0, 0, 2, 10);
  data.attributes = 0x10;
  state.update(data, std::nullopt);
  EXPECT_EQ(state.first_unstable_offset(), Offset(10));
  EXPECT_EQ(verdict(state, batch(7, 0, 2, 1, 0)), Code::invalid_txn_state);
  BatchHeader marker = batch(7, 0, -1, 1, 12);
  marker.attributes = 0x30;
  const auto completed = state.update(marker, TransactionMarker{false, 4});
  ASSERT_TRUE(completed);
  EXPECT_TRUE(completed->aborted);
  EXPECT_EQ(completed->first_offset, Offset(10));
  EXPECT_EQ(completed->last_offset, Offset(12));
  EXPECT_FALSE(state.first_unstable_offset());
}

TEST(Producers, silent_ones_are_forgotten) {
  ProducerState state;
  state.update(batch(7, 0, 0, 1, 0), std::nullopt);
  EXPECT_FALSE(state.expire(WallMs(104), 100));
  EXPECT_TRUE(state.expire(WallMs(105), 100));
  EXPECT_TRUE(state.empty());
}

TEST(Epochs, end_of_an_epoch_is_answered_by_the_rules) {
  EpochCache cache;
  EXPECT_EQ(cache.end_of(LeaderEpoch(0), Offset(9)), EpochEnd{});
  cache.assign(LeaderEpoch(2), Offset(0));
  cache.assign(LeaderEpoch(4), Offset(10));
  cache.assign(LeaderEpoch(7), Offset(30));
  const auto end = [&](int epoch) { return cache.end_of(LeaderEpoch(epoch), Offset(50)); };
  EXPECT_EQ(end(7), (EpochEnd{LeaderEpoch(7), Offset(50)}));
  EXPECT_EQ(end(4), (EpochEnd{LeaderEpoch(4), Offset(30)}));
  EXPECT_EQ(end(5), (EpochEnd{LeaderEpoch(4), Offset(30)}));
  EXPECT_EQ(end(8), EpochEnd{});
  EXPECT_EQ(end(1), (EpochEnd{LeaderEpoch(1), Offset(0)}));
  EXPECT_EQ(end(-1), EpochEnd{});
  EXPECT_EQ(cache.epoch_at(Offset(29)), LeaderEpoch(4));
}

TEST(Epochs, contradicting_entries_go_and_cuts_keep_the_covering_one) {
  EpochCache cache;
  cache.assign(LeaderEpoch(1), Offset(0));
  cache.assign(LeaderEpoch(2), Offset(10));
  cache.assign(LeaderEpoch(3), Offset(20));
  EXPECT_FALSE(cache.assign(LeaderEpoch(3), Offset(25)));
  EpochCache other = cache;
  other.assign(LeaderEpoch(5), Offset(10));
  EXPECT_EQ(other.to_text(), "0\n2\n1 0\n5 10\n");
  other = cache;
  EXPECT_TRUE(other.truncate_from_end(Offset(20)));
  EXPECT_EQ(other.to_text(), "0\n2\n1 0\n2 10\n");
  other = cache;
  EXPECT_TRUE(other.truncate_from_start(Offset(15)));
  EXPECT_EQ(other.to_text(), "0\n2\n2 15\n3 20\n");
  EXPECT_FALSE(other.truncate_from_start(Offset(15)));
  const Result<EpochCache> back = EpochCache::parse(cache.to_text());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->entries(), cache.entries());
  for (const char* bad : {"", "1\n0\n", "0\n2\n1 0\n", "0\n2\n1 0\n1 5\n", "0\n1\n1 x\n", "0\n1\n1 0\n9 9\n"})
    EXPECT_FALSE(EpochCache::parse(bad)) << bad;
}

TEST(Formats, small_text_files_survive_and_damage_is_named) {
  const OffsetCheckpoint checkpoint{{{"orders", 3}, Offset(42)}, {{"a.b_c-1", 0}, Offset(7)}};
  EXPECT_EQ(to_text(checkpoint), "0\n2\na.b_c-1 0 7\norders 3 42\n");
  EXPECT_EQ(*parse_offset_checkpoint(to_text(checkpoint)), checkpoint);
  for (const char* bad : {"", "0\n", "1\n0\n", "0\n1\n", "0\n1\norders 3\n", "0\n1\norders x 3\n", "0\n0\norders 3 3\n"})
    EXPECT_FALSE(parse_offset_checkpoint(bad)) << bad;
  const MetaProperties properties{"abc", 4, Uuid{5, 6}};
  EXPECT_EQ(*parse_meta_properties(to_text(properties)), properties);
  EXPECT_EQ(parse_meta_properties("#Mon\r\nversion=0\r\nbroker.id=9\r\n")->node_id, 9);
  EXPECT_FALSE(parse_meta_properties("version=1\n"));
  EXPECT_EQ(partition_metadata_text(Uuid{0, 1}), "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n");
  EXPECT_EQ(*parse_partition_metadata(partition_metadata_text(Uuid{3, 4})), (Uuid{3, 4}));
  EXPECT_FALSE(parse_partition_metadata("version: 1\n"));
  EXPECT_EQ(clean_shutdown_text(14), "{\"version\":0,\"brokerEpoch\":14}");
  EXPECT_EQ(parse_clean_shutdown(clean_shutdown_text(14)), 14);
  EXPECT_EQ(parse_clean_shutdown("{}"), -1);
}

}  // namespace
}  // namespace harrow
