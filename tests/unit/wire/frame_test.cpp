// Headers, frames, and the framing of records inside logs.
#include <gtest/gtest.h>

#include "core/wire/api.h"
#include "core/wire/api_versions_request.h"
#include "core/wire/api_versions_response.h"
#include "core/wire/coordinator_records.h"
#include "core/wire/fetch_response.h"
#include "core/wire/frame.h"
#include "core/wire/heartbeat_request.h"
#include "core/wire/heartbeat_response.h"
#include "core/wire/metadata_records.h"
#include "core/wire/produce_request.h"
#include "core/wire/produce_response.h"

namespace harrow::wire {
namespace {

TEST(WireFrame, AClassicRequestHasHeaderOne) {
  HeartbeatRequest request;
  request.group_id = "g";
  request.generation_id = 7;
  request.member_id = "m";
  const Bytes frame = encode_request(ApiKey::heartbeat, 0, 5, "me", request);
  EXPECT_EQ(frame.to_hex(), bytes_from_hex("00000016 000c 0000 00000005 0002 6d65 0001 67 00000007 0001 6d").to_hex());

  const Bytes payload = frame.from(4);
  Reader r(payload);
  const auto header = RequestHeader::decode(r);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->api(), ApiKey::heartbeat);
  EXPECT_EQ(header->api_version, 0);
  EXPECT_EQ(header->correlation_id, 5);
  EXPECT_EQ(header->client_id, "me");
  const auto body = decode_body<HeartbeatRequest>(r, header->api_version);
  ASSERT_TRUE(body.has_value());
  EXPECT_EQ(*body, request);
}

TEST(WireFrame, AFlexibleRequestHasHeaderTwoWithAClassicClientId) {
  HeartbeatRequest request;
  request.group_id = "g";
  request.member_id = "m";
  const Bytes frame = encode_request(4, 5, std::nullopt, request);
  EXPECT_EQ(frame.to_hex(), bytes_from_hex("00000015 000c 0004 00000005 ffff 00 0267 00000000 026d 00 00").to_hex());
  const Bytes payload = frame.from(4);
  Reader r(payload);
  const auto header = RequestHeader::decode(r);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->client_id, std::nullopt);
  EXPECT_TRUE(decode_body<HeartbeatRequest>(r, 4).has_value());
}

TEST(WireFrame, ResponseHeadersFollowTheVersionButApiVersionsKeepsTheOldOne) {
  EXPECT_EQ(request_header_version(ApiKey::heartbeat, 3), 1);
  EXPECT_EQ(request_header_version(ApiKey::heartbeat, 4), 2);
  EXPECT_EQ(response_header_version(ApiKey::heartbeat, 3), 0);
  EXPECT_EQ(response_header_version(ApiKey::heartbeat, 4), 1);
  EXPECT_EQ(request_header_version(ApiKey::api_versions, 3), 2);
  EXPECT_EQ(response_header_version(ApiKey::api_versions, 3), 0);
  EXPECT_EQ(request_header_version(ApiKey::sasl_handshake, 1), 1);
  EXPECT_FALSE(is_flexible(ApiKey::offset_delete, 0));

  EXPECT_EQ(encode_response(ApiKey::heartbeat, 4, 9, HeartbeatResponse{}).to_hex(),
            bytes_from_hex("0000000c 00000009 00 00000000 0000 00").to_hex());
  const Bytes frame = encode_response(ApiKey::api_versions, 3, 9, ApiVersionsResponse{});
  EXPECT_EQ(frame.to_hex(), bytes_from_hex("0000000c 00000009 0000 01 00000000 00").to_hex());
  const Bytes payload = frame.from(4);
  Reader r(payload);
  ASSERT_TRUE(ResponseHeader::decode(r, ApiKey::api_versions, 3).has_value());
  EXPECT_TRUE(decode_body<ApiVersionsResponse>(r, 3).has_value());
}

TEST(WireFrame, AnUnknownVersionStillTellsWhomToAnswer) {
  // A client from the future asks ApiVersions 9: the broker must find the correlation id to answer at version 0.
  const Bytes payload = bytes_from_hex("0012 0009 0000002a 0002 6d65 00 0102 03");
  Reader r(payload);
  const auto header = RequestHeader::decode(r);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->correlation_id, 42);
  EXPECT_EQ(header->client_id, "me");
}

TEST(WireFrame, AHeaderCutAnywhereIsRefused) {
  const Bytes payload = bytes_from_hex("000c 0004 00000005 0002 6d65 00");
  for (std::uint64_t size = 0; size < payload.size(); ++size) {
    const Bytes cut = payload.sub(0, size);
    Reader r(cut);
    EXPECT_FALSE(RequestHeader::decode(r).has_value()) << size;
  }
}

TEST(WireFrame, BytesAfterABodyAreRefused) {
  const Bytes body = bytes_from_hex("0267 00000000 026d 00 00 00");
  Reader r(body);
  const auto decoded = decode_body<HeartbeatRequest>(r, 4);
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code, Code::malformed_input);
}

TEST(WireRecords, TravelThroughDecoderAndEncoderWithoutACopy) {
  ProduceRequest request;
  auto& topic = request.topic_data.emplace_back();
  topic.name = "t";
  auto& partition = topic.partition_data.emplace_back();
  partition.records = Bytes::copy_of(std::string(4096, 'x'));
  const Bytes frame = encode_request(ApiKey::produce, 12, 1, "c", request);
  const std::uint8_t* const address = partition.records->span().data();

  const auto holds_address = [&](const Bytes& bytes) {
    for (const Slice& slice : bytes.slices())
      if (slice.data() == address) return true;
    return false;
  };
  EXPECT_TRUE(holds_address(frame));
  const Bytes payload = frame.from(4);
  Reader r(payload);
  ASSERT_TRUE(RequestHeader::decode(r).has_value());
  const auto decoded = decode_body<ProduceRequest>(r, 12);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_TRUE(holds_address(*decoded->topic_data[0].partition_data[0].records));
}

TEST(WireFields, AFieldThatTheVersionCannotCarryStopsTheProgramUnlessItIsIgnorable) {
  HeartbeatRequest request;
  request.group_instance_id = "static";
  Writer w;
  EXPECT_DEATH(request.encode(w, 0), "group_instance_id is set");
  FetchResponse response;
  response.error_code = 6;  // ignorable: version 4 says it per partition only
  response.encode(w, 4);
  EXPECT_EQ(w.finish().to_hex(), bytes_from_hex("00000000 00000000").to_hex());
}

TEST(WireFields, UnknownTagsSurviveAndStayInOrder) {
  // Produce 13 answer with tag 0 (node endpoints) absent and tags 5 and 9 from a later release.
  const Bytes body = bytes_from_hex("01 00000000 02 05 02 abcd 09 00");
  Reader r(body);
  const auto decoded = decode_body<ProduceRequest::Response>(r, 13);
  ASSERT_TRUE(decoded.has_value());
  ASSERT_EQ(decoded->unknown_tags.size(), 2u);
  EXPECT_EQ(decoded->unknown_tags[0].tag, 5u);
  Writer w;
  decoded->encode(w, 13);
  EXPECT_EQ(w.finish().to_hex(), body.to_hex());

  const Bytes twice = bytes_from_hex("01 00000000 02 05 00 05 00");
  Reader again(twice);
  EXPECT_FALSE(decode_body<ProduceRequest::Response>(again, 13).has_value());
}

TEST(WireFields, ATextTooLongForAClassicStringIsCut) {
  HeartbeatRequest request;
  request.group_id = std::string(40000, 'g');
  request.member_id = "m";
  Writer w;
  request.encode(w, 0);
  const Bytes body = w.finish();
  Reader r(body);
  const auto decoded = decode_body<HeartbeatRequest>(r, 0);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->group_id.size(), 32767u);
}

TEST(MetadataRecords, AreFramedByTypeAndVersion) {
  FeatureLevelRecord record;
  record.name = "group.version";
  record.feature_level = 1;
  const Bytes value = encode_record(record);
  EXPECT_EQ(value.to_hex(), bytes_from_hex("01 0c 00 0e 67726f75702e76657273696f6e 0001 00").to_hex());
  const auto decoded = decode_record(value);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, MetadataRecord(record));
  EXPECT_EQ(name_of(*decoded), "FeatureLevelRecord");
  EXPECT_EQ(print(*decoded), "FeatureLevelRecord{\"name\": \"group.version\", \"feature_level\": 1}");
}

TEST(MetadataRecords, UnknownFramesTypesAndLeftoversAreRefused) {
  EXPECT_FALSE(decode_record(Bytes()).has_value());
  EXPECT_FALSE(decode_record(bytes_from_hex("02 0c 00 0161 0001 00")).has_value());
  EXPECT_FALSE(decode_record(bytes_from_hex("01 7f 00 00")).has_value());
  EXPECT_FALSE(decode_record(bytes_from_hex("01 0c 09 0261 0001 00")).has_value());
  EXPECT_FALSE(decode_record(bytes_from_hex("01 0c 00 0261 0001 00 00")).has_value());
  EXPECT_TRUE(decode_record(bytes_from_hex("01 0c 00 0261 0001 00")).has_value());
}

TEST(CoordinatorRecords, KeysBeginWithTheirTypeAndValuesWithTheirVersion) {
  OffsetCommitKey key;
  key.group = "g";
  key.topic = "t";
  key.partition = 3;
  const Bytes key_bytes = encode_key(GroupLogKey(key));
  EXPECT_EQ(key_bytes.to_hex(), bytes_from_hex("0001 0001 67 0001 74 00000003").to_hex());
  EXPECT_EQ(log_type_of(key_bytes), OffsetCommitKey::log_type);
  const auto key_again = decode_group_log_key(key_bytes);
  ASSERT_TRUE(key_again.has_value());
  EXPECT_EQ(*key_again, GroupLogKey(key));

  OffsetCommitValue value;
  value.offset = 10;
  value.leader_epoch = 2;
  value.commit_timestamp = 99;
  const Bytes classic = encode_log_value(value, 3);
  EXPECT_EQ(classic.to_hex(), bytes_from_hex("0003 000000000000000a 00000002 0000 0000000000000063").to_hex());
  const auto value_again = decode_group_log_value(OffsetCommitKey::log_type, classic);
  ASSERT_TRUE(value_again.has_value());
  EXPECT_EQ(*value_again, GroupLogValue(value));
  EXPECT_EQ(decode_group_log_value(1, encode_value(GroupLogValue(value))).value(), GroupLogValue(value));
  EXPECT_FALSE(decode_group_log_value(99, classic).has_value());
  EXPECT_EQ(log_type_of(Bytes()), -1);
}

}  // namespace
}  // namespace harrow::wire
