// The records of `__consumer_offsets` that the classic protocol and offsets use, as bytes and back (facts section 13).
#pragma once

#include <variant>

#include "core/base/result.h"
#include "core/group/shard.h"

namespace harrow::group {

Record offset_record(const OffsetKey& key, const CommittedOffset& value);
Record offset_tombstone(const OffsetKey& key);
/// The group as it is, each member with its assignment.
Record group_record(const Group& group);
/// The group with these assignments in place of the members' own; a member without one gets an empty one.
Record group_record(const Group& group, const std::map<std::string, Bytes>& assignments);
/// A group that nobody has joined yet.
Record empty_group_record(const Group& group);
Record group_tombstone(const std::string& group_id);

/// What one record says; no value means that the key is gone.
struct OffsetFact {
  OffsetKey key;
  std::optional<CommittedOffset> value;
};
struct GroupFact {
  std::string group_id;
  std::optional<Group> value;
};
/// A record of a kind this release does not coordinate (newer group types): passed over.
struct ForeignFact {};
using Fact = std::variant<OffsetFact, GroupFact, ForeignFact>;

/// Error: corrupt_message if the bytes are none of a coordinator's.
Result<Fact> parse(const Record& record);

}  // namespace harrow::group
