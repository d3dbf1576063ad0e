// Requests of groups and their offsets: 8 OffsetCommit, 9 OffsetFetch, 10 FindCoordinator, 11 JoinGroup, 12 Heartbeat,
// 13 LeaveGroup, 14 SyncGroup, 15 DescribeGroups, 16 ListGroups, 42 DeleteGroups, 47 OffsetDelete. The coordinator's
// shell answers; here topic ids become names (OffsetCommit and OffsetFetch 10) and unknown topics are sorted out.
#include "core/node/api/handlers.h"
#include "core/node/api/operations.h"

namespace harrow {
namespace {

group::Caller caller_of(const RequestContext& context) { return {context.client_id, context.client_host, context.version}; }

/// Where a group's coordinator is: the leader of its offsets partition. Makes the offsets topic if there is none yet.
wire::FindCoordinatorResponse::Coordinator locate(Broker& broker, const std::string& key, std::int8_t key_type) {
  wire::FindCoordinatorResponse::Coordinator answer;
  answer.key = key;
  answer.node_id = -1;
  answer.port = -1;
  answer.error_message = std::nullopt;
  if (key_type != 0) {
    answer.error_code = static_cast<std::int16_t>(key_type == 1 ? Code::coordinator_not_available : Code::invalid_request);
    return answer;
  }
  const controller::TopicImage* const topic = broker.image().topic(offsets_topic_name);
  answer.error_code = static_cast<std::int16_t>(Code::coordinator_not_available);
  if (topic == nullptr) {
    broker.create_topic_automatically(std::string(offsets_topic_name));
    return answer;
  }
  const auto index = static_cast<std::size_t>(coordinator_partition_of(key, static_cast<std::int32_t>(topic->partitions.size())));
  const controller::BrokerImage* const leader = broker.image().broker(topic->partitions[index].leader);
  const controller::Endpoint* const endpoint = leader == nullptr || leader->fenced ? nullptr : leader->endpoint("PLAINTEXT");
  if (endpoint == nullptr) return answer;
  answer.error_code = 0;
  answer.node_id = leader->id.value();
  answer.host = endpoint->host;
  answer.port = endpoint->port;
  return answer;
}

}  // namespace

Task<wire::FindCoordinatorResponse> find_coordinator(const RequestContext& context, wire::FindCoordinatorRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  wire::FindCoordinatorResponse response;
  if (context.version >= 4) {
    for (const std::string& key : request.coordinator_keys) response.coordinators.push_back(locate(context.broker(), key, request.key_type));
    co_return response;
  }
  const auto found = locate(context.broker(), request.key, request.key_type);
  response.error_code = found.error_code;
  response.error_message = std::nullopt;
  if (context.version == 0) response.error_message = std::string();
  response.node_id = found.node_id;
  response.host = found.host;
  response.port = found.port;
  co_return response;
}

Task<wire::JoinGroupResponse> join_group(const RequestContext& context, wire::JoinGroupRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  Task<wire::JoinGroupResponse> joining = context.broker().coordinator().join_group(std::move(request), caller_of(context));
  wire::JoinGroupResponse response = co_await joining;
  constexpr std::int16_t null_protocol_from = 7;
  if (response.error_code != 0 && context.version >= null_protocol_from) response.protocol_name = std::nullopt;
  co_return response;
}

Task<wire::SyncGroupResponse> sync_group(const RequestContext& context, wire::SyncGroupRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  Task<wire::SyncGroupResponse> syncing = context.broker().coordinator().sync_group(std::move(request), caller_of(context));
  co_return co_await syncing;
}

Task<wire::HeartbeatResponse> heartbeat(const RequestContext& context, wire::HeartbeatRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  Task<wire::HeartbeatResponse> beating = context.broker().coordinator().heartbeat(std::move(request));
  co_return co_await beating;
}

Task<wire::LeaveGroupResponse> leave_group(const RequestContext& context, wire::LeaveGroupRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  const std::vector<wire::LeaveGroupRequest::MemberIdentity> leavers = request.members;
  Task<wire::LeaveGroupResponse> leaving = context.broker().coordinator().leave_group(std::move(request), caller_of(context));
  wire::LeaveGroupResponse response = co_await leaving;
  // From 3 on an unknown group is each member's error.
  constexpr std::int16_t members_from = 3;
  if (context.version >= members_from && response.error_code == static_cast<std::int16_t>(Code::unknown_member_id)) {
    response.error_code = 0;
    for (const auto& leaver : leavers) {
      auto& row = response.members.emplace_back();
      row.member_id = leaver.member_id;
      row.group_instance_id = leaver.group_instance_id;
      row.error_code = static_cast<std::int16_t>(Code::unknown_member_id);
    }
  }
  co_return response;
}

Task<wire::OffsetCommitResponse> offset_commit(const RequestContext& context, wire::OffsetCommitRequest request) {
  Broker& broker = context.broker();
  co_await context.host().cpu.spend(Work::handler, request.topics.size());
  wire::OffsetCommitResponse refused;
  wire::OffsetCommitRequest known = request;
  known.topics.clear();
  std::map<std::string, Uuid> ids;
  for (auto& topic : request.topics) {
    const controller::TopicImage* const image = context.version >= 10 ? broker.image().topic(topic.topic_id) : broker.image().topic(topic.name);
    auto known_topic = topic;
    known_topic.partitions.clear();
    auto refused_topic = wire::OffsetCommitResponse::OffsetCommitResponseTopic();
    refused_topic.name = topic.name;
    refused_topic.topic_id = topic.topic_id;
    for (const auto& partition : topic.partitions) {
      if (image != nullptr && partition.partition_index >= 0 && static_cast<std::size_t>(partition.partition_index) < image->partitions.size()) {
        known_topic.partitions.push_back(partition);
        continue;
      }
      auto& row = refused_topic.partitions.emplace_back();
      row.partition_index = partition.partition_index;
      row.error_code = static_cast<std::int16_t>(context.version >= 10 && image == nullptr ? Code::unknown_topic_id : Code::unknown_topic_or_partition);
    }
    if (!known_topic.partitions.empty()) {
      known_topic.name = image->name;
      ids[image->name] = image->id;
      known.topics.push_back(std::move(known_topic));
    }
    if (!refused_topic.partitions.empty()) refused.topics.push_back(std::move(refused_topic));
  }
  if (known.topics.empty() && !refused.topics.empty()) co_return refused;
  Task<wire::OffsetCommitResponse> committing = broker.coordinator().offset_commit(std::move(known));
  wire::OffsetCommitResponse response = co_await committing;
  if (context.version >= 10)
    for (auto& topic : response.topics) {
      topic.topic_id = ids[topic.name];
      topic.name.clear();
    }
  else
    for (auto& topic : response.topics) topic.topic_id = Uuid{};
  for (auto& topic : refused.topics) response.topics.push_back(std::move(topic));
  co_return response;
}

Task<wire::OffsetFetchResponse> offset_fetch(const RequestContext& context, wire::OffsetFetchRequest request) {
  Broker& broker = context.broker();
  co_await context.host().cpu.spend(Work::handler, 1);
  std::map<std::string, Uuid> ids;
  // Topics that are asked for by an id that nobody has: by group, in the order of the request.
  std::vector<std::vector<wire::OffsetFetchRequest::OffsetFetchRequestTopics>> unknown(request.groups.size());
  if (context.version >= 10)
    for (std::size_t i = 0; i < request.groups.size(); ++i) {
      if (!request.groups[i].topics) continue;
      auto& topics = *request.groups[i].topics;
      for (auto& topic : topics) {
        const controller::TopicImage* const image = broker.image().topic(topic.topic_id);
        if (image != nullptr) topic.name = image->name;
        else unknown[i].push_back(topic);
      }
      std::erase_if(topics, [](const auto& topic) { return topic.name.empty(); });
    }
  Task<wire::OffsetFetchResponse> fetching = broker.coordinator().offset_fetch(std::move(request), context.version);
  wire::OffsetFetchResponse response = co_await fetching;
  if (context.version >= 10)
    for (auto& group : response.groups)
      for (auto& topic : group.topics) {
        const controller::TopicImage* const image = broker.image().topic(topic.name);
        topic.topic_id = image == nullptr ? topic.topic_id : image->id;
        topic.name.clear();
      }
  for (std::size_t i = 0; i < unknown.size() && i < response.groups.size(); ++i)
    for (const auto& topic : unknown[i]) {
      auto& answer = response.groups[i].topics.emplace_back();
      answer.topic_id = topic.topic_id;
      for (const std::int32_t partition : topic.partition_indexes) {
        auto& row = answer.partitions.emplace_back();
        row.partition_index = partition;
        row.committed_offset = -1;
        row.metadata = "";
        row.error_code = static_cast<std::int16_t>(Code::unknown_topic_id);
      }
    }
  co_return response;
}

Task<wire::OffsetDeleteResponse> offset_delete(const RequestContext& context, wire::OffsetDeleteRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  if (request.group_id.empty()) {
    wire::OffsetDeleteResponse refusal;
    refusal.error_code = static_cast<std::int16_t>(Code::invalid_group_id);
    co_return refusal;
  }
  Task<wire::OffsetDeleteResponse> deleting = context.broker().coordinator().offset_delete(std::move(request));
  wire::OffsetDeleteResponse response = co_await deleting;
  for (auto& topic : response.topics) {
    const controller::TopicImage* const image = context.broker().image().topic(topic.name);
    for (auto& partition : topic.partitions)
      if (partition.error_code == 0 && (image == nullptr || partition.partition_index < 0 || static_cast<std::size_t>(partition.partition_index) >= image->partitions.size()))
        partition.error_code = static_cast<std::int16_t>(Code::unknown_topic_or_partition);
  }
  co_return response;
}

Task<wire::DescribeGroupsResponse> describe_groups(const RequestContext& context, wire::DescribeGroupsRequest request) {
  co_await context.host().cpu.spend(Work::handler, request.groups.size());
  const bool operations = request.include_authorized_operations;
  Task<wire::DescribeGroupsResponse> describing = context.broker().coordinator().describe_groups(std::move(request), context.version);
  wire::DescribeGroupsResponse response = co_await describing;
  for (auto& group : response.groups) {
    if (operations && group.error_code == 0) group.authorized_operations = group_operations;
    // As the Java broker prints an address that has no name.
    for (auto& member : group.members)
      if (!member.client_host.empty() && member.client_host.front() != '/') member.client_host.insert(0, 1, '/');
  }
  co_return response;
}

Task<wire::ListGroupsResponse> list_groups(const RequestContext& context, wire::ListGroupsRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  Task<wire::ListGroupsResponse> listing = context.broker().coordinator().list_groups(std::move(request));
  co_return co_await listing;
}

Task<wire::DeleteGroupsResponse> delete_groups(const RequestContext& context, wire::DeleteGroupsRequest request) {
  co_await context.host().cpu.spend(Work::handler, request.groups_names.size());
  Task<wire::DeleteGroupsResponse> deleting = context.broker().coordinator().delete_groups(std::move(request));
  co_return co_await deleting;
}

}  // namespace harrow
