#include "core/node/quorum_wire.h"

#include "core/model/record_batch.h"

namespace harrow::quorum_wire {
namespace {

std::string topic() { return std::string(metadata_topic_name); }
std::int16_t number(Code code) { return static_cast<std::int16_t>(::harrow::to_wire(code)); }

bool other_cluster(const std::optional<std::string>& asked, const std::string& ours) { return asked && *asked != ours; }

// The one partition of a request that names topics by name.
template <class Partition, class Topics>
Result<const Partition*> only_partition(const Topics& topics) {
  if (topics.size() != 1 || topics[0].partitions.size() != 1) return error(Code::invalid_request, "one partition expected");
  return &topics[0].partitions[0];
}

template <class Request, class Fill>
Request one_partition(const std::string& cluster_id, Fill fill) {
  Request request;
  request.cluster_id = cluster_id;
  typename Request::PartitionData partition;
  fill(partition);
  typename Request::TopicData data;
  data.topic_name = topic();
  data.partitions.push_back(std::move(partition));
  request.topics.push_back(std::move(data));
  return request;
}

template <class Wire, class Response>
Wire one_answer(const Response& response) {
  Wire out;
  typename Wire::PartitionData partition;
  partition.error_code = number(response.error);
  partition.leader_id = response.leader.value();
  partition.leader_epoch = response.epoch.value();
  typename Wire::TopicData data;
  data.topic_name = topic();
  data.partitions.push_back(std::move(partition));
  out.topics.push_back(std::move(data));
  return out;
}

template <class Response, class Wire>
Response read_answer(const Wire& wire) {
  Response response;
  if (wire.error_code != 0 || wire.topics.size() != 1 || wire.topics[0].partitions.size() != 1) {
    response.error = wire.error_code != 0 ? code_from_wire(wire.error_code) : Code::invalid_request;
    response.epoch = no_epoch;
    return response;
  }
  const auto& partition = wire.topics[0].partitions[0];
  response.error = code_from_wire(partition.error_code);
  response.leader = NodeId{partition.leader_id};
  response.epoch = LeaderEpoch{partition.leader_epoch};
  return response;
}

}  // namespace

wire::VoteRequest to_wire(const raft::VoteRequest& request, const std::string& cluster_id) {
  wire::VoteRequest out = one_partition<wire::VoteRequest>(cluster_id, [&](wire::VoteRequest::PartitionData& p) {
    p.replica_epoch = request.epoch.value();
    p.replica_id = request.candidate.id.value();
    p.replica_directory_id = request.candidate.directory;
    p.voter_directory_id = request.voter.directory;
    p.last_offset_epoch = request.last_epoch.value();
    p.last_offset = request.last_offset.value();
    p.pre_vote = request.pre_vote;
  });
  out.voter_id = request.voter.id.value();
  return out;
}

Result<raft::VoteRequest> from_wire(const wire::VoteRequest& request, const std::string& cluster_id) {
  if (other_cluster(request.cluster_id, cluster_id)) return error(Code::inconsistent_cluster_id);
  TRY(const auto* p, only_partition<wire::VoteRequest::PartitionData>(request.topics));
  raft::VoteRequest out;
  out.epoch = LeaderEpoch{p->replica_epoch};
  out.candidate = raft::ReplicaKey{NodeId{p->replica_id}, p->replica_directory_id};
  out.voter = raft::ReplicaKey{NodeId{request.voter_id}, p->voter_directory_id};
  out.last_epoch = LeaderEpoch{p->last_offset_epoch};
  out.last_offset = Offset{p->last_offset};
  out.pre_vote = p->pre_vote;
  return out;
}

wire::VoteResponse to_wire(const raft::VoteResponse& response) {
  wire::VoteResponse out = one_answer<wire::VoteResponse>(response);
  out.topics[0].partitions[0].vote_granted = response.granted;
  return out;
}

raft::VoteResponse from_wire(const wire::VoteResponse& response) {
  raft::VoteResponse out = read_answer<raft::VoteResponse>(response);
  if (out.error == Code::none) out.granted = response.topics[0].partitions[0].vote_granted;
  return out;
}

wire::BeginQuorumEpochRequest to_wire(const raft::BeginQuorumEpochRequest& request, const std::string& cluster_id, const Endpoint& leader) {
  wire::BeginQuorumEpochRequest out =
      one_partition<wire::BeginQuorumEpochRequest>(cluster_id, [&](wire::BeginQuorumEpochRequest::PartitionData& p) {
        p.voter_directory_id = request.voter.directory;
        p.leader_id = request.leader.value();
        p.leader_epoch = request.epoch.value();
      });
  out.voter_id = request.voter.id.value();
  wire::BeginQuorumEpochRequest::LeaderEndpoint endpoint;
  endpoint.name = "CONTROLLER";
  endpoint.host = leader.host;
  endpoint.port = leader.port;
  out.leader_endpoints.push_back(std::move(endpoint));
  return out;
}

Result<raft::BeginQuorumEpochRequest> from_wire(const wire::BeginQuorumEpochRequest& request, const std::string& cluster_id) {
  if (other_cluster(request.cluster_id, cluster_id)) return error(Code::inconsistent_cluster_id);
  TRY(const auto* p, only_partition<wire::BeginQuorumEpochRequest::PartitionData>(request.topics));
  raft::BeginQuorumEpochRequest out;
  out.epoch = LeaderEpoch{p->leader_epoch};
  out.leader = NodeId{p->leader_id};
  out.voter = raft::ReplicaKey{NodeId{request.voter_id}, p->voter_directory_id};
  return out;
}

wire::BeginQuorumEpochResponse to_wire(const raft::BeginQuorumEpochResponse& response) {
  return one_answer<wire::BeginQuorumEpochResponse>(response);
}
raft::BeginQuorumEpochResponse from_wire(const wire::BeginQuorumEpochResponse& response) {
  return read_answer<raft::BeginQuorumEpochResponse>(response);
}

wire::EndQuorumEpochRequest to_wire(const raft::EndQuorumEpochRequest& request, const std::string& cluster_id, const Endpoint& leader) {
  wire::EndQuorumEpochRequest out =
      one_partition<wire::EndQuorumEpochRequest>(cluster_id, [&](wire::EndQuorumEpochRequest::PartitionData& p) {
        p.leader_id = request.leader.value();
        p.leader_epoch = request.epoch.value();
        for (const raft::ReplicaKey& key : request.preferred) {
          wire::EndQuorumEpochRequest::ReplicaInfo info;
          info.candidate_id = key.id.value();
          info.candidate_directory_id = key.directory;
          p.preferred_candidates.push_back(std::move(info));
        }
      });
  wire::EndQuorumEpochRequest::LeaderEndpoint endpoint;
  endpoint.name = "CONTROLLER";
  endpoint.host = leader.host;
  endpoint.port = leader.port;
  out.leader_endpoints.push_back(std::move(endpoint));
  return out;
}

Result<raft::EndQuorumEpochRequest> from_wire(const wire::EndQuorumEpochRequest& request, const std::string& cluster_id) {
  if (other_cluster(request.cluster_id, cluster_id)) return error(Code::inconsistent_cluster_id);
  TRY(const auto* p, only_partition<wire::EndQuorumEpochRequest::PartitionData>(request.topics));
  raft::EndQuorumEpochRequest out;
  out.epoch = LeaderEpoch{p->leader_epoch};
  out.leader = NodeId{p->leader_id};
  for (const std::int32_t id : p->preferred_successors) out.preferred.push_back(raft::ReplicaKey{NodeId{id}, {}});
  for (const auto& info : p->preferred_candidates)
    out.preferred.push_back(raft::ReplicaKey{NodeId{info.candidate_id}, info.candidate_directory_id});
  return out;
}

wire::EndQuorumEpochResponse to_wire(const raft::EndQuorumEpochResponse& response) {
  return one_answer<wire::EndQuorumEpochResponse>(response);
}
raft::EndQuorumEpochResponse from_wire(const wire::EndQuorumEpochResponse& response) {
  return read_answer<raft::EndQuorumEpochResponse>(response);
}

wire::FetchRequest to_wire(const raft::FetchRequest& request, const std::string& cluster_id, Offset log_start) {
  wire::FetchRequest out;
  out.cluster_id = cluster_id;
  out.replica_state.replica_id = request.replica.id.value();
  out.max_wait_ms = request.max_wait_ms;
  out.max_bytes = request.max_bytes;
  wire::FetchRequest::FetchPartition partition;
  partition.current_leader_epoch = request.epoch.value();
  partition.fetch_offset = request.offset.value();
  partition.last_fetched_epoch = request.last_fetched_epoch.value();
  partition.log_start_offset = log_start.value();
  partition.partition_max_bytes = request.max_bytes;
  partition.replica_directory_id = request.replica.directory;
  partition.high_watermark = request.high_watermark.value();
  wire::FetchRequest::FetchTopic fetched;
  fetched.topic = topic();
  fetched.topic_id = metadata_topic_id;
  fetched.partitions.push_back(std::move(partition));
  out.topics.push_back(std::move(fetched));
  return out;
}

Result<raft::FetchRequest> from_wire(const wire::FetchRequest& request, std::int16_t version, const std::string& cluster_id) {
  if (other_cluster(request.cluster_id, cluster_id)) return error(Code::inconsistent_cluster_id);
  TRY(const auto* p, only_partition<wire::FetchRequest::FetchPartition>(request.topics));
  const bool known = version >= 13 ? request.topics[0].topic_id == metadata_topic_id : request.topics[0].topic == metadata_topic_name;
  if (!known || p->partition != 0) return error(version >= 13 ? Code::unknown_topic_id : Code::unknown_topic_or_partition);
  raft::FetchRequest out;
  out.epoch = LeaderEpoch{p->current_leader_epoch};
  out.replica = raft::ReplicaKey{NodeId{version >= 15 ? request.replica_state.replica_id : request.replica_id}, p->replica_directory_id};
  out.offset = Offset{p->fetch_offset};
  out.last_fetched_epoch = LeaderEpoch{p->last_fetched_epoch};
  out.high_watermark = Offset{p->high_watermark};
  out.max_wait_ms = request.max_wait_ms;
  out.max_bytes = std::min(request.max_bytes, p->partition_max_bytes);
  if (out.offset < Offset{0} || out.last_fetched_epoch < LeaderEpoch{0}) return error(Code::invalid_request);
  return out;
}

wire::FetchResponse to_wire(const raft::FetchResponse& response, Bytes records, std::int16_t version) {
  wire::FetchResponse out;
  wire::FetchResponse::PartitionData partition;
  partition.error_code = number(response.error);
  partition.high_watermark = response.high_watermark.value();
  partition.last_stable_offset = response.high_watermark.value();
  partition.log_start_offset = response.log_start.value();
  if (version >= 12) {
    if (response.diverging) {
      partition.diverging_epoch.epoch = response.diverging->epoch.value();
      partition.diverging_epoch.end_offset = response.diverging->offset.value();
    }
    if (response.snapshot) {
      partition.snapshot_id.epoch = response.snapshot->epoch.value();
      partition.snapshot_id.end_offset = response.snapshot->offset.value();
    }
    partition.current_leader.leader_id = response.leader.value();
    partition.current_leader.leader_epoch = response.epoch.value();
  }
  partition.records = std::move(records);
  wire::FetchResponse::FetchableTopicResponse data;
  data.topic = topic();
  data.topic_id = metadata_topic_id;
  data.partitions.push_back(std::move(partition));
  out.responses.push_back(std::move(data));
  return out;
}

raft::FetchResponse from_wire(const wire::FetchResponse& response) {
  raft::FetchResponse out;
  out.epoch = no_epoch;
  if (response.error_code != 0 || response.responses.size() != 1 || response.responses[0].partitions.size() != 1) {
    out.error = response.error_code != 0 ? code_from_wire(response.error_code) : Code::invalid_request;
    return out;
  }
  const wire::FetchResponse::PartitionData& p = response.responses[0].partitions[0];
  out.error = code_from_wire(p.error_code);
  out.epoch = LeaderEpoch{p.current_leader.leader_epoch};
  out.leader = NodeId{p.current_leader.leader_id};
  out.high_watermark = Offset{p.high_watermark};
  out.log_start = Offset{p.log_start_offset};
  if (p.diverging_epoch.end_offset >= 0) out.diverging = raft::OffsetAndEpoch{Offset{p.diverging_epoch.end_offset}, LeaderEpoch{p.diverging_epoch.epoch}};
  if (p.snapshot_id.end_offset >= 0) out.snapshot = raft::OffsetAndEpoch{Offset{p.snapshot_id.end_offset}, LeaderEpoch{p.snapshot_id.epoch}};
  if (!p.records) return out;
  for (std::uint64_t at = 0; at < p.records->size();) {
    const Result<BatchHeader> header = check_batch(*p.records, at);
    if (!header) break;
    raft::Entry entry;
    entry.base = header->base_offset;
    entry.last = header->last_offset();
    entry.epoch = header->leader_epoch;
    entry.bytes = p.records->sub(at, header->size_bytes());
    out.entries.push_back(std::move(entry));
    at += header->size_bytes();
  }
  return out;
}

wire::FetchSnapshotRequest to_wire(const raft::FetchSnapshotRequest& request, const std::string& cluster_id) {
  wire::FetchSnapshotRequest out;
  out.cluster_id = cluster_id;
  out.replica_id = request.replica.id.value();
  out.max_bytes = request.max_bytes;
  wire::FetchSnapshotRequest::PartitionSnapshot partition;
  partition.current_leader_epoch = request.epoch.value();
  partition.snapshot_id.end_offset = request.id.offset.value();
  partition.snapshot_id.epoch = request.id.epoch.value();
  partition.position = request.position;
  partition.replica_directory_id = request.replica.directory;
  wire::FetchSnapshotRequest::TopicSnapshot data;
  data.name = topic();
  data.partitions.push_back(std::move(partition));
  out.topics.push_back(std::move(data));
  return out;
}

Result<raft::FetchSnapshotRequest> from_wire(const wire::FetchSnapshotRequest& request, const std::string& cluster_id) {
  if (other_cluster(request.cluster_id, cluster_id)) return error(Code::inconsistent_cluster_id);
  TRY(const auto* p, only_partition<wire::FetchSnapshotRequest::PartitionSnapshot>(request.topics));
  if (request.topics[0].name != metadata_topic_name || p->partition != 0) return error(Code::unknown_topic_or_partition);
  raft::FetchSnapshotRequest out;
  out.epoch = LeaderEpoch{p->current_leader_epoch};
  out.replica = raft::ReplicaKey{NodeId{request.replica_id}, p->replica_directory_id};
  out.id = raft::OffsetAndEpoch{Offset{p->snapshot_id.end_offset}, LeaderEpoch{p->snapshot_id.epoch}};
  out.position = p->position;
  out.max_bytes = request.max_bytes;
  return out;
}

wire::FetchSnapshotResponse to_wire(const raft::FetchSnapshotResponse& response) {
  wire::FetchSnapshotResponse out;
  wire::FetchSnapshotResponse::PartitionSnapshot partition;
  partition.error_code = number(response.error);
  partition.snapshot_id.end_offset = response.id.offset.value();
  partition.snapshot_id.epoch = response.id.epoch.value();
  partition.current_leader.leader_id = response.leader.value();
  partition.current_leader.leader_epoch = response.epoch.value();
  partition.size = response.size;
  partition.position = response.position;
  partition.unaligned_records = response.chunk;
  wire::FetchSnapshotResponse::TopicSnapshot data;
  data.name = topic();
  data.partitions.push_back(std::move(partition));
  out.topics.push_back(std::move(data));
  return out;
}

raft::FetchSnapshotResponse from_wire(const wire::FetchSnapshotResponse& response) {
  raft::FetchSnapshotResponse out;
  out.epoch = no_epoch;
  if (response.error_code != 0 || response.topics.size() != 1 || response.topics[0].partitions.size() != 1) {
    out.error = response.error_code != 0 ? code_from_wire(response.error_code) : Code::invalid_request;
    return out;
  }
  const wire::FetchSnapshotResponse::PartitionSnapshot& p = response.topics[0].partitions[0];
  out.error = code_from_wire(p.error_code);
  out.epoch = LeaderEpoch{p.current_leader.leader_epoch};
  out.leader = NodeId{p.current_leader.leader_id};
  out.id = raft::OffsetAndEpoch{Offset{p.snapshot_id.end_offset}, LeaderEpoch{p.snapshot_id.epoch}};
  out.size = p.size;
  out.position = p.position;
  out.chunk = p.unaligned_records;
  return out;
}

}  // namespace harrow::quorum_wire
