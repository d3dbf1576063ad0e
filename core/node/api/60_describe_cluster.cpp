// DescribeCluster, versions 0 to 2: brokers (endpoint type 1) or controllers (2) of the cluster. 2: fenced brokers too.
#include "core/node/api/handlers.h"
#include "core/node/api/operations.h"

namespace harrow {

Task<wire::DescribeClusterResponse> describe_cluster(const RequestContext& context, wire::DescribeClusterRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  wire::DescribeClusterResponse response;
  const std::int8_t own_type = context.on_controller ? 2 : 1;
  if (request.endpoint_type != own_type) {  // version 0 means brokers
    const bool known = request.endpoint_type == 1 || request.endpoint_type == 2;
    response.error_code = static_cast<std::int16_t>(known ? Code::mismatched_endpoint_type : Code::unsupported_endpoint_type);
    response.error_message = known ? "this listener is of the other type" : "there is no such type";
    co_return response;
  }
  response.cluster_id = context.node.config().cluster_id;
  response.endpoint_type = own_type;
  if (request.include_cluster_authorized_operations) response.cluster_authorized_operations = cluster_operations;
  const controller::Image& image = context.node.image();
  if (context.on_controller) {
    for (const QuorumVoter& voter : context.node.config().voters) {
      auto& row = response.brokers.emplace_back();
      row.broker_id = voter.id.value();
      row.host = voter.endpoint.host;
      row.port = voter.endpoint.port;
    }
    response.controller_id = context.node.quorum()->leader().value();
    co_return response;
  }
  for (const auto& [id, node] : image.brokers()) {
    const controller::Endpoint* const endpoint = node.endpoint("PLAINTEXT");
    if (endpoint == nullptr || (node.fenced && !(context.version >= 2 && request.include_fenced_brokers))) continue;
    auto& row = response.brokers.emplace_back();
    row.broker_id = id.value();
    row.host = endpoint->host;
    row.port = endpoint->port;
    row.rack = node.rack;
    row.is_fenced = node.fenced && context.version >= 2;
  }
  response.controller_id = context.node.config().id.value();
  co_return response;
}

}  // namespace harrow
