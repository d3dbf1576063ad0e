// The state of one classic group and of its committed offsets, as data. Only Shard changes it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/model/ids.h"

namespace harrow::group {

/// Names a request that may have to wait; chosen by the caller, unique among the requests that wait. 0 is "nobody".
using Ticket = std::uint64_t;
constexpr Ticket no_ticket = 0;

enum class GroupState : std::uint8_t { empty, preparing_rebalance, completing_rebalance, stable, dead };
/// Kafka's spelling: "Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead".
std::string_view name_of(GroupState state);

/// One protocol (assignor) that a member offers, with its subscription bytes.
struct Protocol {
  std::string name;
  Bytes metadata;
  friend bool operator==(const Protocol&, const Protocol&) = default;
};

struct Member {
  std::string member_id;
  std::optional<std::string> instance_id;
  std::string client_id;
  std::string client_host;
  std::int32_t rebalance_timeout_ms = 0;
  std::int32_t session_timeout_ms = 0;
  std::vector<Protocol> protocols;  // in the member's order of preference
  Bytes assignment;
  // Below: what no record keeps.
  Ticket awaiting_join = no_ticket;
  Ticket awaiting_sync = no_ticket;
  std::int16_t join_version = 0;
  bool is_new = false;               // has not yet been told its member id by a completed join
  MonoNs session_deadline = never;   // when the session ends unless it is renewed
  MonoNs session_timer = never;      // where its timer stands in the shard's queue; never = not queued
};

struct Group {
  std::string group_id;
  GroupState state = GroupState::empty;
  GroupState previous_state = GroupState::empty;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  std::optional<std::string> leader;
  std::int32_t generation = 0;
  /// When the state was entered; absent in groups read from records older than value version 2, and in simple groups.
  std::optional<WallMs> state_time;
  std::map<std::string, Member> members;                    // by member id
  std::map<std::string, std::string> static_members;        // instance id -> member id
  std::map<std::string, MonoNs> pending_members;            // told MEMBER_ID_REQUIRED -> when that promise ends
  std::set<std::string> pending_sync_members;               // answered a join, not yet seen in a sync
  /// Topics of all members' subscriptions; absent when the protocol is not "consumer" or its bytes do not parse.
  std::optional<std::set<std::string>> subscribed_topics;
  bool new_member_added = false;                            // during the initial delay: prolongs it
  MonoNs join_timer = never;
  bool initial_join = false;                                // join_timer counts the initial delay
  std::int32_t initial_delay_ms = 0;
  std::int32_t initial_remaining_ms = 0;
  MonoNs sync_timer = never;
  std::int32_t sync_timer_generation = 0;

  bool uses_consumer_protocol() const { return protocol_type == "consumer"; }
  bool is_subscribed_to(const std::string& topic) const {
    return subscribed_topics ? subscribed_topics->contains(topic) : uses_consumer_protocol();
  }
};

struct CommittedOffset {
  Offset offset;
  LeaderEpoch leader_epoch = no_epoch;
  std::string metadata;
  WallMs commit_time;
  std::optional<WallMs> expire_time;  // only of requests that named a retention (OffsetCommit v2-4)
  Uuid topic_id;
  friend bool operator==(const CommittedOffset&, const CommittedOffset&) = default;
};

struct OffsetKey {
  std::string group_id;
  std::string topic;
  std::int32_t partition = 0;
  friend auto operator<=>(const OffsetKey&, const OffsetKey&) = default;
};

}  // namespace harrow::group
