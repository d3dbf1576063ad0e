#include "core/group/records.h"

#include <gtest/gtest.h>

#include "core/group/consumer_protocol.h"

namespace harrow::group {
namespace {

TEST(GroupRecords, an_offset_commit_has_kafkas_bytes) {
  CommittedOffset offset;
  offset.offset = Offset(5);
  offset.leader_epoch = LeaderEpoch(2);
  offset.metadata = "m";
  offset.commit_time = WallMs(258);
  const Record record = offset_record({"g", "t", 3}, offset);
  EXPECT_EQ(record.key.to_hex(), "0001" "000167" "000174" "00000003");
  // Version 4 is flexible: compact metadata, no topic id as long as there is none.
  EXPECT_EQ(record.value->to_hex(), "0004" "0000000000000005" "00000002" "026d" "0000000000000102" "00");
}

TEST(GroupRecords, an_expire_time_is_written_as_version_1_and_read_back) {
  CommittedOffset offset;
  offset.offset = Offset(5);
  offset.commit_time = WallMs(1);
  offset.expire_time = WallMs(2);
  const Record record = offset_record({"g", "t", 3}, offset);
  EXPECT_EQ(record.value->to_hex().substr(0, 4), "0001");
  const Result<Fact> fact = parse(record);
  ASSERT_TRUE(fact.has_value());
  EXPECT_EQ(*std::get<OffsetFact>(*fact).value, offset);
}

TEST(GroupRecords, every_older_offset_version_loads_without_an_expire_time) {
  const Bytes key = bytes_from_hex("0000" "000167" "000174" "00000003");
  for (const char* value : {"0000" "0000000000000005" "00016d" "0000000000000102", "0002" "0000000000000005" "00016d" "0000000000000102",
                            "0001" "0000000000000005" "00016d" "0000000000000102" "ffffffffffffffff"}) {
    const Result<Fact> fact = parse({key, bytes_from_hex(value)});
    ASSERT_TRUE(fact.has_value()) << value;
    const OffsetFact& offset = std::get<OffsetFact>(*fact);
    EXPECT_EQ(offset.value->offset, Offset(5));
    EXPECT_EQ(offset.value->commit_time, WallMs(258));
    EXPECT_FALSE(offset.value->expire_time);
  }
}

TEST(GroupRecords, records_of_newer_group_types_are_passed_over_and_garbage_is_an_error) {
  EXPECT_TRUE(std::holds_alternative<ForeignFact>(*parse({bytes_from_hex("0003000167"), std::nullopt})));
  EXPECT_FALSE(parse({bytes_from_hex("00"), std::nullopt}).has_value());
  EXPECT_FALSE(parse({bytes_from_hex("0002000167"), bytes_from_hex("0009")}).has_value());
  EXPECT_FALSE(parse({bytes_from_hex("0002000167"), bytes_from_hex("00030001")}).has_value());
}

TEST(ConsumerProtocol, a_subscription_survives_its_bytes_and_older_versions_are_read) {
  Subscription subscription;
  subscription.topics = {"a", "b"};
  subscription.owned = {{"a", 0}, {"a", 2}, {"b", 1}};
  subscription.generation = 7;
  subscription.rack = "r";
  EXPECT_EQ(*decode_subscription(encode(subscription)), subscription);
  const Result<Subscription> old = decode_subscription(bytes_from_hex("0000" "00000001" "000161" "ffffffff"));
  ASSERT_TRUE(old.has_value());
  EXPECT_EQ(old->topics, std::vector<std::string>{"a"});
  EXPECT_EQ(old->generation, -1);
  // A version of the future is read as far as version 3 goes.
  EXPECT_TRUE(decode_subscription(bytes_from_hex("0009" "00000000" "ffffffff" "00000000" "ffffffff" "ffff" "1234")).has_value());
  EXPECT_FALSE(decode_subscription(bytes_from_hex("0000" "00000009")).has_value());
}

TEST(ConsumerProtocol, an_assignment_is_grouped_by_topic) {
  const Bytes bytes = encode_assignment({{"b", 1}, {"a", 2}, {"a", 0}});
  EXPECT_EQ(bytes.to_hex(), "0003" "00000002" "000161" "00000002" "00000000" "00000002" "000162" "00000001" "00000001" "ffffffff");
  EXPECT_EQ(*decode_assignment(bytes), (std::vector<TopicPartition>{{"a", 0}, {"a", 2}, {"b", 1}}));
}

}  // namespace
}  // namespace harrow::group
