// What the leader of a group does with the members' subscriptions: Kafka's range, round-robin and sticky assignors.
// Pure: the same members and topics give the same assignment, whatever their order.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/client/consumer.h"
#include "core/group/consumer_protocol.h"

namespace harrow {

using GroupSubscriptions = std::map<std::string, group::Subscription>;          // by member id
using GroupAssignment = std::map<std::string, std::vector<TopicPartition>>;     // by member id
using PartitionCounts = std::map<std::string, std::int32_t>;                    // topics that exist

std::string_view name_of(Assignor assignor);
GroupAssignment assign_partitions(Assignor assignor, const GroupSubscriptions& members, const PartitionCounts& topics);

}  // namespace harrow
