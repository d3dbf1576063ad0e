// The identifiers and measures of the field, one strong type each. Times: WallMs is what records, retention and offset
// expiry see; MonoNs is what time-outs and sessions see; they do not convert into each other.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/strong.h"
#include "core/base/time.h"

namespace harrow {

using Offset = Strong<std::int64_t, struct OffsetTag>;
using LeaderEpoch = Strong<std::int32_t, struct LeaderEpochTag>;
using PartitionEpoch = Strong<std::int32_t, struct PartitionEpochTag>;
using BrokerEpoch = Strong<std::int64_t, struct BrokerEpochTag>;
using PartitionIndex = Strong<std::int32_t, struct PartitionIndexTag>;
using ProducerId = Strong<std::int64_t, struct ProducerIdTag>;
using ProducerEpoch = Strong<std::int16_t, struct ProducerEpochTag>;

/// A broker's or controller's id in the cluster (`node.id`); -1 is "none".
using NodeId = Strong<std::int32_t, struct NodeIdTag>;

/// What a producer waits for (its wire value).
enum class Acks : std::int16_t { all = -1, none = 0, leader = 1 };

constexpr Offset no_offset{-1};
constexpr LeaderEpoch no_epoch{-1};
constexpr NodeId no_node{-1};
constexpr ProducerId no_producer_id{-1};

/// 128 bits, big-endian; text form is 22 characters of URL-safe base64 without padding (Kafka's Uuid).
struct Uuid {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend constexpr auto operator<=>(const Uuid&, const Uuid&) = default;
  constexpr bool is_zero() const { return high == 0 && low == 0; }
};
std::string to_text(const Uuid& id);
/// False when the text is not 22 characters of URL-safe base64.
bool parse_uuid(std::string_view text, Uuid& out);

/// Topic id of `__cluster_metadata`.
constexpr Uuid metadata_topic_id{0, 1};
constexpr std::string_view metadata_topic_name = "__cluster_metadata";
constexpr std::string_view offsets_topic_name = "__consumer_offsets";

struct TopicPartition {
  std::string topic;
  std::int32_t partition = 0;
  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};
/// "orders-3": the folder name of a partition.
std::string folder_of(const TopicPartition& id);

struct TopicIdPartition {
  Uuid topic_id;
  std::int32_t partition = 0;
  friend constexpr auto operator<=>(const TopicIdPartition&, const TopicIdPartition&) = default;
};

/// Java's String.hashCode over UTF-16 units of a UTF-8 text.
std::int32_t java_hash(std::string_view utf8);
/// Kafka's murmur2 (seed 0x9747b28c), as the Java producer's partitioner uses it.
std::int32_t murmur2(std::string_view bytes);
/// Partition of a keyed record: (murmur2 & 0x7fffffff) mod count.
std::int32_t partition_of_key(std::string_view key, std::int32_t partitions);
/// Partition of a group in `__consumer_offsets`: |java_hash| mod count, |-2^31| counting as 0.
std::int32_t coordinator_partition_of(std::string_view group, std::int32_t partitions);

}  // namespace harrow
