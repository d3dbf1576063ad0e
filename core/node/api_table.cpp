#include "core/node/api_table.h"

#include <algorithm>
#include <array>

#include "core/node/api/refusals.h"

namespace harrow {
namespace {

/// The error that stands at the top of an answer, for the trace; 0 if this answer has none there.
template <class Response>
std::int16_t top_code(const Response& response) {
  if constexpr (requires { response.error_code; }) return response.error_code;
  else return 0;
}

/// What an armed fault answers instead of serving.
template <class Request, class Response, Task<Response> (*handler)(const RequestContext&, Request)>
Task<Response> answer_with_fault(const RequestContext& context, Request request) {
  const Code code = context.fault.code;
  Response response;
  bool marked = true;
  if constexpr (requires { refuse(request, code); }) {
    response = refuse(request, code);
  } else if constexpr (requires { response.error_code; } && !requires { mark(response, code); }) {
    response.error_code = static_cast<std::int16_t>(to_wire(code));
  } else {
    Task<Response> handling = handler(context, std::move(request));
    response = co_await handling;
    if constexpr (requires { mark(response, code); }) marked = mark(response, code);
    else marked = false;
  }
  context.node.config().api_faults->settle(context.fault.ticket, marked);
  co_return response;
}

// Bytes behind a request are not looked at, as in Kafka: librdkafka 2.16 sends three of them behind Metadata's null list.
template <class Request, class Response, Task<Response> (*handler)(const RequestContext&, Request)>
Task<Answer> dispatch(const RequestContext& context, Bytes frame, std::uint64_t body_at) {
  Answer answer;
  Reader reader(frame);
  reader.skip(body_at);
  Result<Request> request = Request::decode(reader, context.version);
  if (!request) {
    answer.close = true;
    co_return answer;
  }
  Task<Response> handling = context.fault.act == ApiFault::Act::refuse ? answer_with_fault<Request, Response, handler>(context, std::move(*request))
                                                                       : handler(context, std::move(*request));
  const Response response = co_await handling;
  answer.code = top_code(response);
  answer.frame = wire::encode_response(context.api, context.version, context.correlation, response);
  co_return answer;
}

/// Produce with acks=0 has no answer; an error then closes the connection, which is all that the client can notice.
Task<Answer> dispatch_produce(const RequestContext& context, Bytes frame, std::uint64_t body_at) {
  Answer answer;
  // Versions below 3 are advertised for old librdkafka's sake (KIP-896) and not spoken.
  if (context.version < wire::ProduceRequest::min_version) {
    answer.close = true;
    co_return answer;
  }
  Reader reader(frame);
  reader.skip(body_at);
  Result<wire::ProduceRequest> request = wire::ProduceRequest::decode(reader, context.version);
  if (!request) {
    answer.close = true;
    co_return answer;
  }
  const bool silent = request->acks == 0;
  Task<wire::ProduceResponse> handling = context.fault.act == ApiFault::Act::refuse
                                             ? answer_with_fault<wire::ProduceRequest, wire::ProduceResponse, &produce>(context, std::move(*request))
                                             : produce(context, std::move(*request));
  const wire::ProduceResponse response = co_await handling;
  for (const auto& topic : response.responses)
    for (const auto& partition : topic.partition_responses)
      if (partition.error_code != 0) answer.code = partition.error_code;
  if (silent) answer.close = answer.code != 0;
  else answer.frame = wire::encode_response(context.api, context.version, context.correlation, response);
  co_return answer;
}

#define HARROW_ROW(key, handler, min, max, name) \
  ApiRow { wire::ApiKey::key, min, max, &dispatch<wire::name##Request, wire::name##Response, &handler> }

constexpr auto broker_rows = std::to_array<ApiRow>({
    ApiRow{wire::ApiKey::produce, 0, 13, &dispatch_produce},
    HARROW_ROW(fetch, fetch, 4, 18, Fetch),
    HARROW_ROW(list_offsets, list_offsets, 1, 11, ListOffsets),
    HARROW_ROW(metadata, metadata, 0, 13, Metadata),
    HARROW_ROW(offset_commit, offset_commit, 2, 10, OffsetCommit),
    HARROW_ROW(offset_fetch, offset_fetch, 1, 10, OffsetFetch),
    HARROW_ROW(find_coordinator, find_coordinator, 0, 6, FindCoordinator),
    HARROW_ROW(join_group, join_group, 0, 9, JoinGroup),
    HARROW_ROW(heartbeat, heartbeat, 0, 4, Heartbeat),
    HARROW_ROW(leave_group, leave_group, 0, 5, LeaveGroup),
    HARROW_ROW(sync_group, sync_group, 0, 5, SyncGroup),
    HARROW_ROW(describe_groups, describe_groups, 0, 6, DescribeGroups),
    HARROW_ROW(list_groups, list_groups, 0, 5, ListGroups),
    HARROW_ROW(api_versions, api_versions, 0, 4, ApiVersions),
    HARROW_ROW(create_topics, create_topics, 2, 7, CreateTopics),
    HARROW_ROW(delete_topics, delete_topics, 1, 6, DeleteTopics),
    HARROW_ROW(delete_records, delete_records, 0, 2, DeleteRecords),
    HARROW_ROW(init_producer_id, init_producer_id, 0, 5, InitProducerId),
    HARROW_ROW(offset_for_leader_epoch, offset_for_leader_epoch, 2, 4, OffsetForLeaderEpoch),
    HARROW_ROW(describe_configs, describe_configs, 1, 4, DescribeConfigs),
    HARROW_ROW(alter_configs, alter_configs, 0, 2, AlterConfigs),
    HARROW_ROW(describe_log_dirs, describe_log_dirs, 1, 4, DescribeLogDirs),
    HARROW_ROW(create_partitions, create_partitions, 0, 3, CreatePartitions),
    HARROW_ROW(delete_groups, delete_groups, 0, 2, DeleteGroups),
    HARROW_ROW(elect_leaders, elect_leaders, 0, 2, ElectLeaders),
    HARROW_ROW(incremental_alter_configs, incremental_alter_configs, 0, 1, IncrementalAlterConfigs),
    HARROW_ROW(offset_delete, offset_delete, 0, 0, OffsetDelete),
    HARROW_ROW(describe_quorum, describe_quorum, 0, 2, DescribeQuorum),
    HARROW_ROW(describe_cluster, describe_cluster, 0, 2, DescribeCluster),
    HARROW_ROW(describe_producers, describe_producers, 0, 0, DescribeProducers),
    HARROW_ROW(list_config_resources, list_config_resources, 0, 1, ListConfigResources),
    HARROW_ROW(describe_topic_partitions, describe_topic_partitions, 0, 0, DescribeTopicPartitions),
});

constexpr auto controller_rows = std::to_array<ApiRow>({
    HARROW_ROW(fetch, quorum_fetch, 4, 18, Fetch),
    HARROW_ROW(api_versions, api_versions, 0, 4, ApiVersions),
    HARROW_ROW(create_topics, create_topics, 2, 7, CreateTopics),
    HARROW_ROW(delete_topics, delete_topics, 1, 6, DeleteTopics),
    HARROW_ROW(alter_configs, alter_configs, 0, 2, AlterConfigs),
    HARROW_ROW(create_partitions, create_partitions, 0, 3, CreatePartitions),
    HARROW_ROW(elect_leaders, elect_leaders, 0, 2, ElectLeaders),
    HARROW_ROW(incremental_alter_configs, incremental_alter_configs, 0, 1, IncrementalAlterConfigs),
    HARROW_ROW(vote, vote, 0, 2, Vote),
    HARROW_ROW(begin_quorum_epoch, begin_quorum_epoch, 0, 1, BeginQuorumEpoch),
    HARROW_ROW(end_quorum_epoch, end_quorum_epoch, 0, 1, EndQuorumEpoch),
    HARROW_ROW(describe_quorum, describe_quorum, 0, 2, DescribeQuorum),
    HARROW_ROW(alter_partition, alter_partition, 2, 3, AlterPartition),
    HARROW_ROW(fetch_snapshot, fetch_snapshot, 0, 1, FetchSnapshot),
    HARROW_ROW(describe_cluster, describe_cluster, 0, 2, DescribeCluster),
    HARROW_ROW(broker_registration, broker_registration, 0, 4, BrokerRegistration),
    HARROW_ROW(broker_heartbeat, broker_heartbeat, 0, 1, BrokerHeartbeat),
    HARROW_ROW(unregister_broker, unregister_broker, 0, 0, UnregisterBroker),
    HARROW_ROW(allocate_producer_ids, allocate_producer_ids, 0, 0, AllocateProducerIds),
});

#undef HARROW_ROW

}  // namespace

std::span<const ApiRow> broker_apis() { return broker_rows; }
std::span<const ApiRow> controller_apis() { return controller_rows; }

const ApiRow* find_row(std::span<const ApiRow> rows, std::int16_t key) {
  const auto found = std::lower_bound(rows.begin(), rows.end(), key, [](const ApiRow& row, std::int16_t wanted) { return static_cast<std::int16_t>(row.key) < wanted; });
  return found != rows.end() && static_cast<std::int16_t>(found->key) == key ? &*found : nullptr;
}

}  // namespace harrow
