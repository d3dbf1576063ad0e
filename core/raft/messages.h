// What voters and observers of the quorum tell each other, as plain values. The shell turns them into Kafka's Vote,
// BeginQuorumEpoch, EndQuorumEpoch, Fetch and FetchSnapshot frames and back (facts section 8); nothing here knows bytes
// on a wire.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/model/ids.h"

namespace harrow::raft {

/// A replica is its node id and the directory it keeps its log in: the same id on a wiped disk is another replica.
/// A zero directory means "not known" (kraft.version 0) and matches by id alone.
struct ReplicaKey {
  NodeId id = no_node;
  Uuid directory;
  friend auto operator<=>(const ReplicaKey&, const ReplicaKey&) = default;
};
/// Whether `given` names the replica `expected`, a zero directory on either side matching any.
bool same_replica(const ReplicaKey& expected, const ReplicaKey& given);

/// An end offset together with the epoch of the record before it: a position in one history, and a snapshot's name.
struct OffsetAndEpoch {
  Offset offset;
  LeaderEpoch epoch;
  friend auto operator<=>(const OffsetAndEpoch&, const OffsetAndEpoch&) = default;
};

enum class EntryKind : std::uint8_t { records, leader_change };

/// One batch of the log. `bytes` is opaque here: the shell's encoded batch, or what a test wants to store.
struct Entry {
  Offset base;
  Offset last;
  LeaderEpoch epoch;
  EntryKind kind = EntryKind::records;
  Bytes bytes;
};

struct VoteRequest {
  LeaderEpoch epoch;
  ReplicaKey candidate;
  ReplicaKey voter;
  LeaderEpoch last_epoch;
  Offset last_offset;
  bool pre_vote = false;
};
struct VoteResponse {
  Code error = Code::none;
  LeaderEpoch epoch;
  NodeId leader = no_node;
  bool granted = false;
};
struct BeginQuorumEpochRequest {
  LeaderEpoch epoch;
  NodeId leader;
  ReplicaKey voter;
};
struct BeginQuorumEpochResponse {
  Code error = Code::none;
  LeaderEpoch epoch;
  NodeId leader = no_node;
};
struct EndQuorumEpochRequest {
  LeaderEpoch epoch;
  NodeId leader;
  std::vector<ReplicaKey> preferred;  // best successor first
};
struct EndQuorumEpochResponse {
  Code error = Code::none;
  LeaderEpoch epoch;
  NodeId leader = no_node;
};
/// A follower that does not tell its high watermark (Fetch below version 18) is never answered early because of it.
constexpr Offset high_watermark_untold{INT64_MAX};
struct FetchRequest {
  LeaderEpoch epoch;
  ReplicaKey replica;
  Offset offset;
  LeaderEpoch last_fetched_epoch;
  Offset high_watermark = high_watermark_untold;
  std::int32_t max_wait_ms = 0;
  std::int32_t max_bytes = 0;
};
/// The core leaves `entries` empty and says in `read_from` (no_offset: nothing to read) where the sender's shell reads
/// them, at the moment of sending; the receiver's shell fills `entries` from verified batches before it steps.
struct FetchResponse {
  Code error = Code::none;
  LeaderEpoch epoch;
  NodeId leader = no_node;
  Offset high_watermark = no_offset;
  Offset log_start;
  std::optional<OffsetAndEpoch> diverging;
  std::optional<OffsetAndEpoch> snapshot;
  Offset read_from = no_offset;
  std::vector<Entry> entries;
};
struct FetchSnapshotRequest {
  LeaderEpoch epoch;
  ReplicaKey replica;
  OffsetAndEpoch id;
  std::int64_t position = 0;
  std::int32_t max_bytes = 0;
};
/// As with FetchResponse the sender's shell fills size and chunk (or the error, if it has no such file or position).
struct FetchSnapshotResponse {
  Code error = Code::none;
  LeaderEpoch epoch;
  NodeId leader = no_node;
  OffsetAndEpoch id;
  std::int64_t size = 0;
  std::int64_t position = 0;
  Bytes chunk;
};

using Message = std::variant<VoteRequest, VoteResponse, BeginQuorumEpochRequest, BeginQuorumEpochResponse,
                             EndQuorumEpochRequest, EndQuorumEpochResponse, FetchRequest, FetchResponse,
                             FetchSnapshotRequest, FetchSnapshotResponse>;

/// `request` joins an answer to its request. For a request that the core sends it is the core's number; for one that
/// it is given it is the shell's, and comes back unchanged in the answer.
struct Envelope {
  NodeId from = no_node;
  NodeId to = no_node;
  std::uint64_t request = 0;
  Message message;
};

bool is_request(const Message& message);
/// One line for people and text tests: "Vote epoch=3 candidate=1 last=2@5 pre".
std::string print(const Message& message);
std::string print(const Envelope& envelope);
std::string print(const OffsetAndEpoch& position);

}  // namespace harrow::raft
