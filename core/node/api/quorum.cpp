// Requests among the nodes of the metadata quorum, on a controller's port: Fetch 1, Vote 52, BeginQuorumEpoch 53,
// EndQuorumEpoch 54, DescribeQuorum 55, FetchSnapshot 59. The quorum's shell answers.
#include "core/node/api/handlers.h"

namespace harrow {
namespace {

/// Older versions have no place for the nodes' endpoints and directories, and must not lose the answer over them.
void forget_what_is_newer(wire::DescribeQuorumResponse& response, std::int16_t version) {
  constexpr std::int16_t endpoints_and_directories = 2;
  if (version >= endpoints_and_directories) return;
  response.nodes.clear();
  for (auto& topic : response.topics)
    for (auto& partition : topic.partitions) {
      for (auto& voter : partition.current_voters) voter.replica_directory_id = Uuid();
      for (auto& observer : partition.observers) observer.replica_directory_id = Uuid();
    }
}

}  // namespace

Task<wire::FetchResponse> quorum_fetch(const RequestContext& context, wire::FetchRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  Task<wire::FetchResponse> asking = context.node.quorum()->fetch(std::move(request), context.version);
  co_return co_await asking;
}

Task<wire::VoteResponse> vote(const RequestContext& context, wire::VoteRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  Task<wire::VoteResponse> asking = context.node.quorum()->vote(std::move(request));
  co_return co_await asking;
}

Task<wire::BeginQuorumEpochResponse> begin_quorum_epoch(const RequestContext& context, wire::BeginQuorumEpochRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  Task<wire::BeginQuorumEpochResponse> asking = context.node.quorum()->begin_quorum_epoch(std::move(request));
  co_return co_await asking;
}

Task<wire::EndQuorumEpochResponse> end_quorum_epoch(const RequestContext& context, wire::EndQuorumEpochRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  Task<wire::EndQuorumEpochResponse> asking = context.node.quorum()->end_quorum_epoch(std::move(request));
  co_return co_await asking;
}

Task<wire::FetchSnapshotResponse> fetch_snapshot(const RequestContext& context, wire::FetchSnapshotRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  Task<wire::FetchSnapshotResponse> asking = context.node.quorum()->fetch_snapshot(std::move(request));
  co_return co_await asking;
}

Task<wire::DescribeQuorumResponse> describe_quorum(const RequestContext& context, wire::DescribeQuorumRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  wire::DescribeQuorumResponse response;
  if (context.on_controller) {
    response = context.node.quorum()->describe(request);
  } else {
    Task<Result<wire::DescribeQuorumResponse>> asking = context.broker().forward<wire::DescribeQuorumResponse>(std::move(request));
    Result<wire::DescribeQuorumResponse> answer = co_await asking;
    if (answer) response = std::move(*answer);
    else response.error_code = static_cast<std::int16_t>(to_wire(answer.error().code));
  }
  forget_what_is_newer(response, context.version);
  co_return response;
}

}  // namespace harrow
