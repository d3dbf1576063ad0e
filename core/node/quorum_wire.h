// Between core/raft's messages and Kafka's frames of the quorum APIs. Pure conversion. A request for another topic or
// cluster, or with anything but one partition, is refused here with the code that Kafka gives.
#pragma once

#include <string>

#include "core/node/quorum.h"

namespace harrow::quorum_wire {

wire::VoteRequest to_wire(const raft::VoteRequest& request, const std::string& cluster_id);
wire::BeginQuorumEpochRequest to_wire(const raft::BeginQuorumEpochRequest& request, const std::string& cluster_id, const Endpoint& leader);
wire::EndQuorumEpochRequest to_wire(const raft::EndQuorumEpochRequest& request, const std::string& cluster_id, const Endpoint& leader);
wire::FetchRequest to_wire(const raft::FetchRequest& request, const std::string& cluster_id, Offset log_start);
wire::FetchSnapshotRequest to_wire(const raft::FetchSnapshotRequest& request, const std::string& cluster_id);

Result<raft::VoteRequest> from_wire(const wire::VoteRequest& request, const std::string& cluster_id);
Result<raft::BeginQuorumEpochRequest> from_wire(const wire::BeginQuorumEpochRequest& request, const std::string& cluster_id);
Result<raft::EndQuorumEpochRequest> from_wire(const wire::EndQuorumEpochRequest& request, const std::string& cluster_id);
Result<raft::FetchRequest> from_wire(const wire::FetchRequest& request, std::int16_t version, const std::string& cluster_id);
Result<raft::FetchSnapshotRequest> from_wire(const wire::FetchSnapshotRequest& request, const std::string& cluster_id);

wire::VoteResponse to_wire(const raft::VoteResponse& response);
wire::BeginQuorumEpochResponse to_wire(const raft::BeginQuorumEpochResponse& response);
wire::EndQuorumEpochResponse to_wire(const raft::EndQuorumEpochResponse& response);
/// `records` is what was read at response.read_from.
wire::FetchResponse to_wire(const raft::FetchResponse& response, Bytes records, std::int16_t version);
wire::FetchSnapshotResponse to_wire(const raft::FetchSnapshotResponse& response);

// Answers; an error of the whole request, or one without our partition, comes back as its code.
raft::VoteResponse from_wire(const wire::VoteResponse& response);
raft::BeginQuorumEpochResponse from_wire(const wire::BeginQuorumEpochResponse& response);
raft::EndQuorumEpochResponse from_wire(const wire::EndQuorumEpochResponse& response);
/// Entries are the whole batches with a right CRC up to the first that is not.
raft::FetchResponse from_wire(const wire::FetchResponse& response);
raft::FetchSnapshotResponse from_wire(const wire::FetchSnapshotResponse& response);

// Refusals of a whole request.
template <class Response>
Response refusal(Code code) {
  Response response;
  response.error_code = static_cast<std::int16_t>(::harrow::to_wire(code));
  return response;
}

}  // namespace harrow::quorum_wire
