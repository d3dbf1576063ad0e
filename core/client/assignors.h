// What the leader of a group does with the members' subscriptions: Kafka's range, round-robin, sticky and cooperative-sticky
// assignors.
// Pure: the same members and topics give the same assignment, whatever their order.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/client/consumer.h"
#include "core/group/consumer_protocol.h"

namespace harrow {

using GroupSubscriptions = std::map<std::string, group::Subscription>;          // by member id
using GroupAssignment = std::map<std::string, std::vector<TopicPartition>>;     // by member id
using PartitionCounts = std::map<std::string, std::int32_t>;                    // topics that exist

/// Kafka's spelling: "range", "roundrobin", "sticky", "cooperative-sticky".
std::string_view name_of(Assignor assignor);
/// Nothing for an unknown name.
std::optional<Assignor> assignor_named(std::string_view name);
/// Whether a member with this strategy rebalances incrementally (KIP-429): every assignor on the list must allow it.
bool is_cooperative(std::span<const Assignor> strategy);
GroupAssignment assign_partitions(Assignor assignor, const GroupSubscriptions& members, const PartitionCounts& topics);

}  // namespace harrow
