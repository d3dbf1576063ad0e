// The group coordinator's waiting shell: one group::Shard for each partition of `__consumer_offsets` that this broker
// leads. It loads shards, writes what they decide as one batch, answers when the batch is replicated, and drives time.
// Owner: Broker. It decides nothing: the rules are core/group's.
// Invariants: a shard exists only between elected() and resigned() of one leader epoch; while it loads, its groups answer
// COORDINATOR_LOAD_IN_PROGRESS; a batch of records is appended in the turn in which it was decided.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/group/shard.h"
#include "core/host/host.h"
#include "core/model/config_keys.h"
#include "core/replica/partition.h"
#include "core/wire/delete_groups_request.h"
#include "core/wire/describe_groups_request.h"

namespace harrow {

/// What the coordinator needs of its broker.
class CoordinatorBroker {
 public:
  virtual ~CoordinatorBroker() = default;
  /// The replica of this partition of `__consumer_offsets`, if this broker has it.
  /// Nothing if it is not here. Shared: the coordinator waits in it.
  virtual std::shared_ptr<Partition> offsets_partition(std::int32_t partition) = 0;
  /// Its partition count; 0 while the topic does not exist.
  virtual std::int32_t offsets_partition_count() = 0;
  virtual void fail_storage(const Error& why) = 0;
  /// A segment was rolled.
  virtual void flush_later(const TopicIdPartition& id) = 0;
};

struct CoordinatorState;

class Coordinator {
 public:
  Coordinator(Host& host, const ConfigSnapshot& settings, CoordinatorBroker& broker);
  ~Coordinator();

  // Called in the turn in which the metadata is applied.
  void elected(Partition& partition);
  void resigned(std::int32_t partition, LeaderEpoch epoch);
  void topic_deleted(const std::string& topic);

  // Requests. Errors are in the responses: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE.
  Task<wire::JoinGroupResponse> join_group(wire::JoinGroupRequest request, group::Caller caller);
  Task<wire::SyncGroupResponse> sync_group(wire::SyncGroupRequest request, group::Caller caller);
  Task<wire::HeartbeatResponse> heartbeat(wire::HeartbeatRequest request);
  Task<wire::LeaveGroupResponse> leave_group(wire::LeaveGroupRequest request, group::Caller caller);
  /// Topic names are resolved by the caller.
  Task<wire::OffsetCommitResponse> offset_commit(wire::OffsetCommitRequest request);
  Task<wire::OffsetFetchResponse> offset_fetch(wire::OffsetFetchRequest request, std::int16_t version);
  Task<wire::OffsetDeleteResponse> offset_delete(wire::OffsetDeleteRequest request);
  Task<wire::DeleteGroupsResponse> delete_groups(wire::DeleteGroupsRequest request);
  Task<wire::DescribeGroupsResponse> describe_groups(wire::DescribeGroupsRequest request, std::int16_t version);
  Task<wire::ListGroupsResponse> list_groups(wire::ListGroupsRequest request);

  /// For checks: the loaded shard of a partition, or null.
  const group::Shard* shard(std::int32_t partition) const;

 private:
  std::unique_ptr<CoordinatorState> state_;
};

}  // namespace harrow
