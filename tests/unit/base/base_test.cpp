#include <gtest/gtest.h>

#include "core/base/buffer.h"
#include "core/base/random.h"
#include "core/base/result.h"
#include "core/model/ids.h"

namespace harrow {
namespace {

TEST(Bytes, ropes_share_cut_and_compare_by_content) {
  Bytes rope = Bytes::copy_of("hello ");
  rope.append(Bytes::copy_of("world"));
  EXPECT_EQ(rope.size(), 11u);
  EXPECT_EQ(rope.sub(4, 4).to_string(), "o wo");
  EXPECT_TRUE(rope == Bytes::copy_of("hello world"));
  EXPECT_FALSE(rope == Bytes::copy_of("hello worlt"));
  EXPECT_EQ(hash_of(rope), hash_of(rope.flat()));
  EXPECT_EQ(rope.sub(0, 6).slices().size(), 1u);
  // Neighbouring slices of one block join again.
  Bytes joined = rope.sub(0, 3);
  joined.append(rope.sub(3, 3));
  EXPECT_EQ(joined.slices().size(), 1u);
}

TEST(Buffer, every_field_survives_and_a_cut_input_only_fails) {
  Writer w(64);
  w.i8(-3);
  w.i16(-1234);
  w.i32(1 << 30);
  w.i64(INT64_MIN);
  w.uvarint(0xffffffffu);
  w.varint(-1);
  w.varint(INT64_MAX);
  w.bytes(Bytes::copy_of(std::string(1000, 'x')));
  w.raw(std::string_view("tail"));
  const Bytes all = w.finish();
  Reader r(all);
  EXPECT_EQ(r.i8(), -3);
  EXPECT_EQ(r.i16(), -1234);
  EXPECT_EQ(r.i32(), 1 << 30);
  EXPECT_EQ(r.i64(), INT64_MIN);
  EXPECT_EQ(r.uvarint32(), 0xffffffffu);
  EXPECT_EQ(r.varint32(), -1);
  EXPECT_EQ(r.varint64(), INT64_MAX);
  EXPECT_EQ(r.bytes(1000).size(), 1000u);
  EXPECT_EQ(r.text(4), "tail");
  EXPECT_FALSE(r.failed());
  EXPECT_EQ(r.left(), 0u);
  for (std::uint64_t cut = 0; cut < all.size(); ++cut) {
    const Bytes part = all.sub(0, cut);
    Reader s(part);
    s.i8(); s.i16(); s.i32(); s.i64(); s.uvarint32(); s.varint32(); s.varint64(); s.bytes(1000); s.text(4);
    EXPECT_TRUE(s.failed()) << cut;
  }
}

TEST(Buffer, patches_a_length_written_long_before) {
  Writer w(64);
  w.i32(0);
  w.bytes(Bytes::copy_of(std::string(5000, 'y')));
  w.i32(7);
  w.patch_i32(0, 5004);
  const Bytes all = w.finish();
  Reader r(all);
  EXPECT_EQ(r.i32(), 5004);
}

TEST(Random, streams_are_fixed_and_independent) {
  Random a(7);
  Random b(7);
  const Random fork = a.fork("elections");
  EXPECT_EQ(a.next(), b.next());
  Random again = Random(7).fork("elections");
  Random first = fork;
  EXPECT_EQ(first.next(), again.next());
  EXPECT_NE(Random(7).fork("elections").next(), Random(7).fork("workload").next());
  Random c(1);
  for (int i = 0; i < 1000; ++i) {
    const auto v = c.between(-3, 3);
    EXPECT_LE(-3, v);
    EXPECT_LE(v, 3);
  }
}

TEST(Codes, names_and_wire_table) {
  EXPECT_EQ(static_cast<int>(Code::not_leader_or_follower), 6);
  EXPECT_EQ(kafka_name_of(Code::not_leader_or_follower), "NOT_LEADER_OR_FOLLOWER");
  EXPECT_EQ(kafka_name_of(Code::share_session_limit_reached), "SHARE_SESSION_LIMIT_REACHED");
  EXPECT_TRUE(is_retriable(Code::not_leader_or_follower));
  EXPECT_TRUE(wants_metadata_refresh(Code::not_leader_or_follower));
  EXPECT_FALSE(is_retriable(Code::message_too_large));
  EXPECT_EQ(to_wire(Code::io_error), Code::kafka_storage_error);
  EXPECT_EQ(code_from_wire(999), Code::unknown_server_error);
}

TEST(Ids, hashes_match_kafkas_test_vectors) {
  EXPECT_EQ(murmur2(""), 275646681);
  EXPECT_EQ(murmur2("21"), -973932308);
  EXPECT_EQ(murmur2("abc"), 479470107);
  EXPECT_EQ(murmur2("foobar"), -790332482);
  EXPECT_EQ(murmur2("a-little-bit-long-string"), -985981536);
  EXPECT_EQ(murmur2("a-little-bit-longer-string"), -1486304829);
  EXPECT_EQ(partition_of_key("customer_id_123", 3), 0);
  EXPECT_EQ(partition_of_key("customer_id_123", 12), 3);
  EXPECT_EQ(partition_of_key("42", 3), 1);
  EXPECT_EQ(partition_of_key("42", 12), 4);
  EXPECT_EQ(java_hash("analytics-group"), -609982088);
  EXPECT_EQ(coordinator_partition_of("analytics-group", 50), 38);
  EXPECT_EQ(coordinator_partition_of("my-txn", 50), 45);
  EXPECT_EQ(to_text(metadata_topic_id), "AAAAAAAAAAAAAAAAAAAAAQ");
  Uuid id;
  ASSERT_TRUE(parse_uuid("AAAAAAAAAAAAAAAAAAAAAQ", id));
  EXPECT_EQ(id, metadata_topic_id);
}

}  // namespace
}  // namespace harrow
