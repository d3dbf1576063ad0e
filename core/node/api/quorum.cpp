// Requests among the nodes of the metadata quorum, on a controller's port: Fetch 1, Vote 52, BeginQuorumEpoch 53,
// EndQuorumEpoch 54, DescribeQuorum 55, FetchSnapshot 59. The quorum's shell answers.
#include "core/node/api/handlers.h"

namespace harrow {

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
  if (context.on_controller) co_return context.node.quorum()->describe(request);
  Task<Result<wire::DescribeQuorumResponse>> asking = context.broker().forward<wire::DescribeQuorumResponse>(std::move(request));
  Result<wire::DescribeQuorumResponse> answer = co_await asking;
  if (answer) co_return std::move(*answer);
  wire::DescribeQuorumResponse response;
  response.error_code = static_cast<std::int16_t>(to_wire(answer.error().code));
  co_return response;
}

}  // namespace harrow
