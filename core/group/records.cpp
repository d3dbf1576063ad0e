#include "core/group/records.h"

#include "core/base/buffer.h"
#include "core/group/consumer_protocol.h"
#include "core/wire/group_metadata_key.h"
#include "core/wire/group_metadata_value.h"
#include "core/wire/offset_commit_key.h"
#include "core/wire/offset_commit_value.h"

namespace harrow::group {
namespace {

constexpr std::int16_t legacy_offset_type = 0;
constexpr std::int16_t offset_type = 1;
constexpr std::int16_t group_type = 2;
// Kafka writes groups in the newest version without tagged fields, and offsets in the one that can name a topic id;
// only version 1 has an expire time.
constexpr std::int16_t group_version = 3;
constexpr std::int16_t offset_version = 4;
constexpr std::int16_t offset_version_with_expiry = 1;

template <class Message>
Bytes stamped(std::int16_t stamp, const Message& message, std::int16_t version) {
  Writer w;
  w.i16(stamp);
  message.encode(w, version);
  return w.finish();
}

Bytes key_of(const OffsetKey& key) {
  wire::OffsetCommitKey k;
  k.group = key.group_id;
  k.topic = key.topic;
  k.partition = key.partition;
  return stamped(offset_type, k, 0);
}

Bytes key_of(const std::string& group_id) {
  wire::GroupMetadataKey k;
  k.group = group_id;
  return stamped(group_type, k, 0);
}

template <class AssignmentOf>
Record group_record_with(const Group& group, AssignmentOf assignment_of) {
  wire::GroupMetadataValue value;
  value.protocol_type = group.protocol_type.value_or("");
  value.generation = group.generation;
  value.protocol = group.protocol_name;
  value.leader = group.leader;
  value.current_state_timestamp = group.state_time ? group.state_time->value() : -1;
  for (const auto& [id, member] : group.members) {
    auto& m = value.members.emplace_back();
    m.member_id = id;
    m.group_instance_id = member.instance_id;
    m.client_id = member.client_id;
    m.client_host = member.client_host;
    m.rebalance_timeout = member.rebalance_timeout_ms;
    m.session_timeout = member.session_timeout_ms;
    for (const Protocol& protocol : member.protocols)
      if (protocol.name == group.protocol_name) m.subscription = protocol.metadata;
    m.assignment = assignment_of(member);
  }
  return {key_of(group.group_id), stamped(group_version, value, group_version)};
}

Result<CommittedOffset> parse_offset(const Bytes& bytes) {
  Reader r(bytes);
  const std::int16_t version = r.i16();
  if (version < 0 || version > 4) return error(Code::corrupt_message, "offset commit value version");
  TRY(const auto value, wire::OffsetCommitValue::decode(r, version));
  CommittedOffset offset;
  offset.offset = Offset(value.offset);
  offset.leader_epoch = LeaderEpoch(value.leader_epoch);
  offset.metadata = value.metadata;
  offset.commit_time = WallMs(value.commit_timestamp);
  if (value.expire_timestamp != -1) offset.expire_time = WallMs(value.expire_timestamp);
  offset.topic_id = value.topic_id;
  return offset;
}

Result<Group> parse_group(const std::string& group_id, const Bytes& bytes) {
  Reader r(bytes);
  const std::int16_t version = r.i16();
  if (version < 0 || version > 4) return error(Code::corrupt_message, "group metadata value version");
  TRY(auto value, wire::GroupMetadataValue::decode(r, version));
  Group group;
  group.group_id = group_id;
  group.generation = value.generation;
  if (!value.protocol_type.empty()) group.protocol_type = value.protocol_type;
  group.protocol_name = value.protocol;
  group.leader = value.leader;
  if (value.current_state_timestamp != -1) group.state_time = WallMs(value.current_state_timestamp);
  group.state = value.members.empty() ? GroupState::empty : GroupState::stable;
  group.previous_state = group.state;
  for (auto& m : value.members) {
    Member member;
    member.member_id = m.member_id;
    member.instance_id = m.group_instance_id;
    member.client_id = std::move(m.client_id);
    member.client_host = std::move(m.client_host);
    member.session_timeout_ms = m.session_timeout;
    member.rebalance_timeout_ms = m.rebalance_timeout == -1 ? m.session_timeout : m.rebalance_timeout;
    // A copy of its own: a slice would keep the whole load buffer alive for as long as the member lives.
    member.protocols.push_back({value.protocol.value_or(""), Bytes::copy_of(m.subscription.flat().span())});
    member.assignment = Bytes::copy_of(m.assignment.flat().span());
    if (member.instance_id) group.static_members[*member.instance_id] = m.member_id;
    group.members.emplace(m.member_id, std::move(member));
  }
  group.subscribed_topics = subscribed_topics_of(group);
  return group;
}

}  // namespace

Record offset_record(const OffsetKey& key, const CommittedOffset& offset) {
  wire::OffsetCommitValue value;
  value.offset = offset.offset.value();
  value.leader_epoch = offset.leader_epoch.value();
  value.metadata = offset.metadata;
  value.commit_timestamp = offset.commit_time.value();
  if (offset.expire_time) value.expire_timestamp = offset.expire_time->value();
  value.topic_id = offset.topic_id;
  const std::int16_t version = offset.expire_time ? offset_version_with_expiry : offset_version;
  return {key_of(key), stamped(version, value, version)};
}

Record offset_tombstone(const OffsetKey& key) { return {key_of(key), std::nullopt}; }

Record group_record(const Group& group) {
  return group_record_with(group, [](const Member& member) { return member.assignment; });
}

Record group_record(const Group& group, const std::map<std::string, Bytes>& assignments) {
  return group_record_with(group, [&](const Member& member) {
    const auto found = assignments.find(member.member_id);
    return found == assignments.end() ? Bytes() : found->second;
  });
}

Record empty_group_record(const Group& group) {
  wire::GroupMetadataValue value;
  value.protocol.reset();
  value.leader.reset();
  value.current_state_timestamp = group.state_time ? group.state_time->value() : -1;
  return {key_of(group.group_id), stamped(group_version, value, group_version)};
}

Record group_tombstone(const std::string& group_id) { return {key_of(group_id), std::nullopt}; }

Result<Fact> parse(const Record& record) {
  Reader r(record.key);
  const std::int16_t type = r.i16();
  if (r.failed()) return error(Code::corrupt_message, "coordinator key");
  if (type == legacy_offset_type || type == offset_type) {
    TRY(auto key, wire::OffsetCommitKey::decode(r, 0));  // both types have one layout
    OffsetFact fact{{std::move(key.group), std::move(key.topic), key.partition}, std::nullopt};
    if (record.value) {
      TRY(fact.value, parse_offset(*record.value));
    }
    return Fact(std::move(fact));
  }
  if (type == group_type) {
    TRY(auto key, wire::GroupMetadataKey::decode(r, 0));
    GroupFact fact{key.group, std::nullopt};
    if (record.value) {
      TRY(fact.value, parse_group(key.group, *record.value));
    }
    return Fact(std::move(fact));
  }
  return Fact(ForeignFact{});
}

}  // namespace harrow::group
