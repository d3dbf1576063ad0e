// The active controller's face: a method a request, each a pure decision on the current state.
// Owner: the node's controller shell, one per controller node, active or not: a standby replays what is committed.
// The shell's loop: `result = controller.x(request, now)`; append `result.records` to the metadata log as one batch at
// `base`; `controller.replay(record, base + i)` for each, at once; answer when the batch is committed, then
// `committed_to(end)`. On losing leadership: `renounce(committed end)`. Reads outside take a committed Image of their own.
// A decision without records may rest on uncommitted state (the repeat of an AlterPartition whose first records are still
// on their way): its answer, too, must wait until everything written before it is committed.
// `activate` only when the image holds everything below the first record of the new epoch.
// Invariants: I16, I18 hold after each batch; leader, partition and broker epochs never go back; a method changes only
// soft state (sessions); replay changes the rest.
#pragma once

#include "core/base/random.h"
#include "core/controller/state.h"

namespace harrow::wire {
struct AllocateProducerIdsRequest;
struct AllocateProducerIdsResponse;
struct AlterConfigsRequest;
struct AlterConfigsResponse;
struct AlterPartitionReassignmentsRequest;
struct AlterPartitionReassignmentsResponse;
struct AlterPartitionRequest;
struct AlterPartitionResponse;
struct BrokerHeartbeatRequest;
struct BrokerHeartbeatResponse;
struct BrokerRegistrationRequest;
struct BrokerRegistrationResponse;
struct ControllerRegistrationRequest;
struct ControllerRegistrationResponse;
struct CreatePartitionsRequest;
struct CreatePartitionsResponse;
struct CreateTopicsRequest;
struct CreateTopicsResponse;
struct DeleteTopicsRequest;
struct DeleteTopicsResponse;
struct ElectLeadersRequest;
struct ElectLeadersResponse;
struct IncrementalAlterConfigsRequest;
struct IncrementalAlterConfigsResponse;
struct ListPartitionReassignmentsRequest;
struct ListPartitionReassignmentsResponse;
struct UnregisterBrokerRequest;
struct UnregisterBrokerResponse;
struct UpdateFeaturesRequest;
struct UpdateFeaturesResponse;
}  // namespace harrow::wire

namespace harrow::controller {

class Controller {
 public:
  Controller(ControllerConfig config, Random random);

  // Replay and roles.
  Result<void> replay(const wire::MetadataRecord& record, Offset offset);
  /// Offsets of batches may end in control records.
  void advance_to(Offset offset) { state_.image.advance_to(offset); }
  /// Records below `end` are committed.
  void committed_to(Offset end) { journal_.commit_to(end.value()); }
  /// Becomes active: every registered broker gets a fresh session; periodic tasks start to count.
  void activate(MonoNs now);
  /// Stops being active: what was not committed is taken back, sessions are forgotten. `end` = first uncommitted offset.
  void renounce(Offset end);
  bool active() const { return active_; }
  /// Replaces everything by a snapshot; never while active.
  void load(Image image);

  const State& state() const { return state_; }
  const Image& image() const { return state_.image; }

  /// Records that a new cluster starts with (feature levels, the cluster's min.insync.replicas): for a freshly formatted
  /// log; a shell writes them when it becomes active on an empty image.
  Decision bootstrap(std::int16_t metadata_version, bool elr) const;

  // Topics.
  ControllerResult<wire::CreateTopicsResponse> create_topics(const wire::CreateTopicsRequest& request);
  ControllerResult<wire::DeleteTopicsResponse> delete_topics(const wire::DeleteTopicsRequest& request) const;
  ControllerResult<wire::CreatePartitionsResponse> create_partitions(const wire::CreatePartitionsRequest& request);

  // Brokers. `next_offset` is where the first record of this decision will stand: it becomes the broker's epoch.
  ControllerResult<wire::BrokerRegistrationResponse> register_broker(const wire::BrokerRegistrationRequest& request,
                                                                     Offset next_offset, MonoNs now);
  ControllerResult<wire::BrokerHeartbeatResponse> broker_heartbeat(const wire::BrokerHeartbeatRequest& request, MonoNs now);
  ControllerResult<wire::UnregisterBrokerResponse> unregister_broker(const wire::UnregisterBrokerRequest& request) const;
  ControllerResult<wire::ControllerRegistrationResponse> register_controller(const wire::ControllerRegistrationRequest& request) const;

  // Partitions.
  ControllerResult<wire::AlterPartitionResponse> alter_partition(const wire::AlterPartitionRequest& request) const;
  ControllerResult<wire::ElectLeadersResponse> elect_leaders(const wire::ElectLeadersRequest& request) const;
  ControllerResult<wire::AlterPartitionReassignmentsResponse> alter_partition_reassignments(
      const wire::AlterPartitionReassignmentsRequest& request) const;
  ControllerResult<wire::ListPartitionReassignmentsResponse> list_partition_reassignments(
      const wire::ListPartitionReassignmentsRequest& request) const;
  /// For tests and faults: makes an ISR member the leader; the code says why not.
  ControllerResult<Code> move_leader(const TopicIdPartition& id, NodeId leader) const;

  // Configuration, features, producer ids.
  ControllerResult<wire::IncrementalAlterConfigsResponse> incremental_alter_configs(
      const wire::IncrementalAlterConfigsRequest& request) const;
  ControllerResult<wire::AlterConfigsResponse> alter_configs(const wire::AlterConfigsRequest& request) const;
  ControllerResult<wire::UpdateFeaturesResponse> update_features(const wire::UpdateFeaturesRequest& request) const;
  ControllerResult<wire::AllocateProducerIdsResponse> allocate_producer_ids(const wire::AllocateProducerIdsRequest& request) const;

  // Periodic tasks. The shell sleeps until `next_task_at()`, then calls `run_task(now)` until it is in the future.
  MonoNs next_task_at() const;
  /// The task that is due most: fencing a stale broker, preferred elections, unclean elections, an idle NoOp. Empty when
  /// nothing is due.
  Decision run_task(MonoNs now);

 private:
  Decision fence_stale_broker(MonoNs now);
  Decision elect_preferred_leaders();
  Decision elect_unclean_leaders();

  State state_;
  ImageJournal journal_;
  Random random_;
  bool active_ = false;
  MonoNs fence_check_at_ = never;
  MonoNs imbalance_check_at_ = never;
  MonoNs unclean_check_at_ = never;
  MonoNs idle_at_ = never;
  Offset written_at_last_idle_check_ = no_offset;
};

}  // namespace harrow::controller
