// The bytes that members of a consumer group exchange through the coordinator: what a member subscribes to, and what the
// leader assigned to it. The coordinator carries them; clients make and read them.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/group/group.h"
#include "core/model/ids.h"

namespace harrow::group {

struct Subscription {
  std::vector<std::string> topics;
  std::optional<Bytes> user_data;
  std::vector<TopicPartition> owned;       // held when this was sent
  std::int32_t generation = -1;            // in which `owned` was assigned; -1 = unknown
  std::optional<std::string> rack;
  std::optional<std::string> instance_id;  // of the member; not in the bytes, static members sort by it
  friend bool operator==(const Subscription&, const Subscription&) = default;
};

/// Version 3, int16 version first.
Bytes encode(const Subscription& subscription);
/// Any version; a newer one is read as far as version 3 goes.
Result<Subscription> decode_subscription(const Bytes& bytes);

Bytes encode_assignment(std::vector<TopicPartition> partitions);
/// Sorted by topic and partition.
Result<std::vector<TopicPartition>> decode_assignment(const Bytes& bytes);

/// Topics of all members' subscriptions in the group's protocol; nothing if the group's protocol is not "consumer" or
/// some bytes do not parse.
std::optional<std::set<std::string>> subscribed_topics_of(const Group& group);

}  // namespace harrow::group
