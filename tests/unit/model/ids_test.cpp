#include <gtest/gtest.h>

#include "core/model/ids.h"

namespace harrow {
namespace {

TEST(Ids, hashes_agree_with_the_published_vectors) {
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
  EXPECT_EQ(java_hash("my-txn"), -1061187895);
  EXPECT_EQ(coordinator_partition_of("my-txn", 50), 45);
}

TEST(Ids, a_uuid_survives_its_text) {
  EXPECT_EQ(to_text(metadata_topic_id), "AAAAAAAAAAAAAAAAAAAAAQ");
  Uuid back;
  ASSERT_TRUE(parse_uuid(to_text(Uuid{0x0123456789abcdef, 0xfedcba9876543210}), back));
  EXPECT_EQ(back, (Uuid{0x0123456789abcdef, 0xfedcba9876543210}));
  EXPECT_FALSE(parse_uuid("too short", back));
}

}  // namespace
}  // namespace harrow
