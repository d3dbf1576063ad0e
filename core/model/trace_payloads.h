// What an event shows to a listener beyond its 32-byte header. Payloads live for the call only; they are pointers into
// the emitter's own data and are never hashed. See core/base/trace_kinds.def for which kind carries which.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/model/ids.h"

namespace harrow {

/// appended: one batch in a log, as leader or follower. `batch` holds the bytes as stored.
struct AppendNote {
  std::string_view topic;
  std::int32_t partition;
  Uuid topic_id;
  const Bytes* batch;
  LeaderEpoch leader_epoch;
  bool as_leader;
  bool is_control;
};
/// segment_deleted
struct SegmentNote {
  std::string_view topic;
  std::int32_t partition;
  Offset base_offset, end_offset;
  WallMs largest_timestamp;
  std::uint64_t size_bytes;
  std::uint64_t log_size_bytes;  // before the deletion
  Offset high_watermark;
  WallMs now;
  std::int64_t retention_ms, retention_bytes;
};
/// segments_cleaned: one new segment took the place of old ones.
struct CleanNote {
  std::string_view topic;
  std::int32_t partition;
  Uuid topic_id;
  Offset base_offset, end_offset;         // of the old segments
  Offset first_dirty, map_end;            // what the pass knows the newest offsets of keys for
  WallMs now;
  std::int64_t delete_retention_ms;
  const std::vector<Bytes>* batches;      // of the new segment
};
/// log_loaded: what recovery found.
struct LogNote {
  std::string_view topic;
  std::int32_t partition;
  bool clean_shutdown;
  Offset recovery_point;
  Uuid topic_id;
};
/// isr_proposed, isr_committed
struct IsrNote {
  std::string_view topic;
  std::int32_t partition;
  LeaderEpoch leader_epoch;
  std::span<const NodeId> isr;
  std::span<const NodeId> maximal_isr;
  std::int32_t min_isr;
};
/// produce_answered
struct ProduceNote {
  std::string_view topic;
  std::int32_t partition;
  std::int16_t acks;
  Offset base_offset, last_offset;
  LeaderEpoch leader_epoch;
  ProducerId producer_id;
  Code code;
};
/// fetch_answered: one partition of a fetch answer. `replica` is no_node for a consumer.
struct FetchNote {
  std::string_view topic;
  std::int32_t partition;
  NodeId replica;
  Offset fetch_offset, high_watermark, log_start, log_end;
  LeaderEpoch leader_epoch;
  const Bytes* records;
  bool read_committed;
  // The epoch that the request named, and the one in which its position was judged; no_epoch: none.
  LeaderEpoch asked_epoch = no_epoch;
  LeaderEpoch judged_epoch = no_epoch;
};
/// offsets_listed
struct ListOffsetsNote {
  std::string_view topic;
  std::int32_t partition;
  std::int64_t timestamp;
  std::int8_t isolation;
  NodeId replica;
};
/// snapshot_written, snapshot_loaded
struct SnapshotNote {
  std::uint64_t image_hash;
  Offset log_start;
};
/// image_published: `image` is a const controller::Image*.
struct ImageNote {
  const void* image;
  bool is_controller;
  bool committed;
};
/// leader_elected
struct ElectionNote {
  Uuid topic_id;
  std::int32_t partition;
  bool unclean;
  bool from_elr;
};
/// offset_committed, offset_fetched, offset_expired, commit_refused, commit_acked, member_expired, group_state
struct CommitNote {
  std::string_view group;
  std::string_view member;
  std::string_view topic;
  std::int32_t partition;
  std::int32_t generation;
  Offset offset;
  WallMs commit_time;
  WallMs now;
  Code code;
};
/// coordinator_loaded: `state` is a const group::Shard*.
struct CoordinatorNote {
  const void* state;
  std::int32_t buffers;
};
/// assignment_made, partitions_assigned, partitions_revoked
struct AssignmentNote {
  std::string_view group;
  std::string_view member;
  std::span<const TopicPartition> partitions;
};
/// send_invoked, send_acked, send_failed
struct SendNote {
  std::string_view producer;
  std::string_view topic;
  std::int32_t partition;
  std::int16_t acks;
  bool idempotent;
  std::int64_t sequence;  // of the application's sends on this producer
  std::uint64_t value_hash;
  Code code;
  Offset offset;
};
/// record_consumed
struct ConsumeNote {
  std::string_view group;
  std::string_view member;
  std::string_view topic;
  std::int32_t partition;
  Offset offset;
  std::uint64_t value_hash;
  WallMs timestamp;
};
/// Who asks on a connection: the name and version that the client gave with ApiVersions (KIP-511). Until it has given
/// them, and for clients too old to: the client id, and no version.
struct ClientSoftware {
  std::string name;
  std::string version;
};
/// request_handled, response_sent
struct RequestNote {
  std::int16_t api;
  std::int16_t version;
  std::int32_t correlation;
  const Bytes* frame;
  const ClientSoftware* software = nullptr;  // lives as long as the connection
};
/// frame_received. `api` is -1 where the fabric could not tell.
struct FrameNote {
  std::int64_t sent_ns;
  std::int16_t api;
  bool is_request;
  const Bytes* frame;
};
/// fault_began, fault_ended
struct FaultNote {
  std::string_view kind;
  std::string_view target;
};

}  // namespace harrow
