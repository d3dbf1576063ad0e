// Every request handler, in the order of the keys; each file of this folder begins with the behaviour of its API.
// Those that only the active controller may answer are forwarded there when a broker is asked.
#pragma once

#include "core/node/api_table.h"
#include "core/wire/allocate_producer_ids_request.h"
#include "core/wire/allocate_producer_ids_response.h"
#include "core/wire/alter_configs_request.h"
#include "core/wire/alter_configs_response.h"
#include "core/wire/alter_partition_request.h"
#include "core/wire/alter_partition_response.h"
#include "core/wire/api_versions_request.h"
#include "core/wire/api_versions_response.h"
#include "core/wire/begin_quorum_epoch_request.h"
#include "core/wire/begin_quorum_epoch_response.h"
#include "core/wire/broker_heartbeat_request.h"
#include "core/wire/broker_heartbeat_response.h"
#include "core/wire/broker_registration_request.h"
#include "core/wire/broker_registration_response.h"
#include "core/wire/create_partitions_request.h"
#include "core/wire/create_partitions_response.h"
#include "core/wire/create_topics_request.h"
#include "core/wire/create_topics_response.h"
#include "core/wire/delete_groups_request.h"
#include "core/wire/delete_groups_response.h"
#include "core/wire/delete_records_request.h"
#include "core/wire/delete_records_response.h"
#include "core/wire/delete_topics_request.h"
#include "core/wire/delete_topics_response.h"
#include "core/wire/describe_cluster_request.h"
#include "core/wire/describe_cluster_response.h"
#include "core/wire/describe_configs_request.h"
#include "core/wire/describe_configs_response.h"
#include "core/wire/describe_groups_request.h"
#include "core/wire/describe_groups_response.h"
#include "core/wire/describe_log_dirs_request.h"
#include "core/wire/describe_log_dirs_response.h"
#include "core/wire/describe_producers_request.h"
#include "core/wire/describe_producers_response.h"
#include "core/wire/describe_quorum_request.h"
#include "core/wire/describe_quorum_response.h"
#include "core/wire/describe_topic_partitions_request.h"
#include "core/wire/describe_topic_partitions_response.h"
#include "core/wire/elect_leaders_request.h"
#include "core/wire/elect_leaders_response.h"
#include "core/wire/end_quorum_epoch_request.h"
#include "core/wire/end_quorum_epoch_response.h"
#include "core/wire/fetch_request.h"
#include "core/wire/fetch_response.h"
#include "core/wire/fetch_snapshot_request.h"
#include "core/wire/fetch_snapshot_response.h"
#include "core/wire/find_coordinator_request.h"
#include "core/wire/find_coordinator_response.h"
#include "core/wire/heartbeat_request.h"
#include "core/wire/heartbeat_response.h"
#include "core/wire/incremental_alter_configs_request.h"
#include "core/wire/incremental_alter_configs_response.h"
#include "core/wire/init_producer_id_request.h"
#include "core/wire/init_producer_id_response.h"
#include "core/wire/join_group_request.h"
#include "core/wire/join_group_response.h"
#include "core/wire/leave_group_request.h"
#include "core/wire/leave_group_response.h"
#include "core/wire/list_config_resources_request.h"
#include "core/wire/list_config_resources_response.h"
#include "core/wire/list_groups_request.h"
#include "core/wire/list_groups_response.h"
#include "core/wire/list_offsets_request.h"
#include "core/wire/list_offsets_response.h"
#include "core/wire/metadata_request.h"
#include "core/wire/metadata_response.h"
#include "core/wire/offset_commit_request.h"
#include "core/wire/offset_commit_response.h"
#include "core/wire/offset_delete_request.h"
#include "core/wire/offset_delete_response.h"
#include "core/wire/offset_fetch_request.h"
#include "core/wire/offset_fetch_response.h"
#include "core/wire/offset_for_leader_epoch_request.h"
#include "core/wire/offset_for_leader_epoch_response.h"
#include "core/wire/produce_request.h"
#include "core/wire/produce_response.h"
#include "core/wire/sync_group_request.h"
#include "core/wire/sync_group_response.h"
#include "core/wire/unregister_broker_request.h"
#include "core/wire/unregister_broker_response.h"
#include "core/wire/vote_request.h"
#include "core/wire/vote_response.h"

namespace harrow {

Task<wire::ProduceResponse> produce(const RequestContext& context, wire::ProduceRequest request);
Task<wire::FetchResponse> fetch(const RequestContext& context, wire::FetchRequest request);
/// Fetch on a controller's port: of the metadata log.
Task<wire::FetchResponse> quorum_fetch(const RequestContext& context, wire::FetchRequest request);
Task<wire::ListOffsetsResponse> list_offsets(const RequestContext& context, wire::ListOffsetsRequest request);
Task<wire::MetadataResponse> metadata(const RequestContext& context, wire::MetadataRequest request);
Task<wire::OffsetCommitResponse> offset_commit(const RequestContext& context, wire::OffsetCommitRequest request);
Task<wire::OffsetFetchResponse> offset_fetch(const RequestContext& context, wire::OffsetFetchRequest request);
Task<wire::FindCoordinatorResponse> find_coordinator(const RequestContext& context, wire::FindCoordinatorRequest request);
Task<wire::JoinGroupResponse> join_group(const RequestContext& context, wire::JoinGroupRequest request);
Task<wire::HeartbeatResponse> heartbeat(const RequestContext& context, wire::HeartbeatRequest request);
Task<wire::LeaveGroupResponse> leave_group(const RequestContext& context, wire::LeaveGroupRequest request);
Task<wire::SyncGroupResponse> sync_group(const RequestContext& context, wire::SyncGroupRequest request);
Task<wire::DescribeGroupsResponse> describe_groups(const RequestContext& context, wire::DescribeGroupsRequest request);
Task<wire::ListGroupsResponse> list_groups(const RequestContext& context, wire::ListGroupsRequest request);
Task<wire::ApiVersionsResponse> api_versions(const RequestContext& context, wire::ApiVersionsRequest request);
Task<wire::CreateTopicsResponse> create_topics(const RequestContext& context, wire::CreateTopicsRequest request);
Task<wire::DeleteTopicsResponse> delete_topics(const RequestContext& context, wire::DeleteTopicsRequest request);
Task<wire::DeleteRecordsResponse> delete_records(const RequestContext& context, wire::DeleteRecordsRequest request);
Task<wire::InitProducerIdResponse> init_producer_id(const RequestContext& context, wire::InitProducerIdRequest request);
Task<wire::OffsetForLeaderEpochResponse> offset_for_leader_epoch(const RequestContext& context, wire::OffsetForLeaderEpochRequest request);
Task<wire::DescribeConfigsResponse> describe_configs(const RequestContext& context, wire::DescribeConfigsRequest request);
Task<wire::AlterConfigsResponse> alter_configs(const RequestContext& context, wire::AlterConfigsRequest request);
Task<wire::DescribeLogDirsResponse> describe_log_dirs(const RequestContext& context, wire::DescribeLogDirsRequest request);
Task<wire::CreatePartitionsResponse> create_partitions(const RequestContext& context, wire::CreatePartitionsRequest request);
Task<wire::DeleteGroupsResponse> delete_groups(const RequestContext& context, wire::DeleteGroupsRequest request);
Task<wire::ElectLeadersResponse> elect_leaders(const RequestContext& context, wire::ElectLeadersRequest request);
Task<wire::IncrementalAlterConfigsResponse> incremental_alter_configs(const RequestContext& context, wire::IncrementalAlterConfigsRequest request);
Task<wire::OffsetDeleteResponse> offset_delete(const RequestContext& context, wire::OffsetDeleteRequest request);
Task<wire::DescribeQuorumResponse> describe_quorum(const RequestContext& context, wire::DescribeQuorumRequest request);
Task<wire::ListConfigResourcesResponse> list_config_resources(const RequestContext& context, wire::ListConfigResourcesRequest request);
Task<wire::DescribeClusterResponse> describe_cluster(const RequestContext& context, wire::DescribeClusterRequest request);
Task<wire::DescribeProducersResponse> describe_producers(const RequestContext& context, wire::DescribeProducersRequest request);
Task<wire::DescribeTopicPartitionsResponse> describe_topic_partitions(const RequestContext& context, wire::DescribeTopicPartitionsRequest request);
Task<wire::VoteResponse> vote(const RequestContext& context, wire::VoteRequest request);
Task<wire::BeginQuorumEpochResponse> begin_quorum_epoch(const RequestContext& context, wire::BeginQuorumEpochRequest request);
Task<wire::EndQuorumEpochResponse> end_quorum_epoch(const RequestContext& context, wire::EndQuorumEpochRequest request);
Task<wire::AlterPartitionResponse> alter_partition(const RequestContext& context, wire::AlterPartitionRequest request);
Task<wire::FetchSnapshotResponse> fetch_snapshot(const RequestContext& context, wire::FetchSnapshotRequest request);
Task<wire::BrokerRegistrationResponse> broker_registration(const RequestContext& context, wire::BrokerRegistrationRequest request);
Task<wire::BrokerHeartbeatResponse> broker_heartbeat(const RequestContext& context, wire::BrokerHeartbeatRequest request);
Task<wire::UnregisterBrokerResponse> unregister_broker(const RequestContext& context, wire::UnregisterBrokerRequest request);
Task<wire::AllocateProducerIdsResponse> allocate_producer_ids(const RequestContext& context, wire::AllocateProducerIdsRequest request);

}  // namespace harrow
