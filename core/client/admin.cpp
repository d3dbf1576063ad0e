#include "core/client/admin.h"

#include <charconv>

#include <algorithm>

#include "core/client/metadata.h"
#include "core/group/consumer_protocol.h"
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
#include "core/wire/elect_leaders_request.h"
#include "core/wire/elect_leaders_response.h"
#include "core/wire/find_coordinator_request.h"
#include "core/wire/find_coordinator_response.h"
#include "core/wire/incremental_alter_configs_request.h"
#include "core/wire/incremental_alter_configs_response.h"
#include "core/wire/list_groups_request.h"
#include "core/wire/list_groups_response.h"
#include "core/wire/list_offsets_request.h"
#include "core/wire/list_offsets_response.h"
#include "core/wire/metadata_request.h"
#include "core/wire/offset_fetch_request.h"
#include "core/wire/offset_fetch_response.h"

namespace harrow {
namespace {
/// From version 10 on OffsetFetch names topics by id.
constexpr std::int16_t newest_with_names = 9;

/// Whether the whole request is worth another try, perhaps elsewhere.
bool try_again(Code code) { return is_retriable(code) || code == Code::not_found || code == Code::timed_out; }
}  // namespace

class Admin::Session {
 public:
  Session(Host& host, ClientConfig config)
      : host_(host), config_(std::move(config)), random_(host.random.fork(config_.client_id).fork("admin")), pool_(host, config_),
        metadata_(host, config_, pool_) {}

  MonoNs deadline() const { return after_ms(host_.timers.now(), config_.default_api_timeout_ms); }

  /// Asks any broker (or this one) until one answers; `worst_of` tells what an answer says as a whole.
  template <class Request, class WorstOf>
  Task<Result<typename Request::Response>> ask_any(Request request, WorstOf worst_of, NodeId node = no_node) {
    const MonoNs until = deadline();
    if (node != no_node) {
      const Result<bool> updated = co_await metadata_.updated(metadata_.version(), until);
      if (!updated) co_return pass(updated.error());
    }
    for (std::int32_t attempt = 1;; ++attempt) {
      BrokerConnection& broker = node == no_node ? pool_.any() : pool_.to(node);
      Request copy = request;
      Result<typename Request::Response> response = co_await broker.call(std::move(copy));
      const Code code = response ? worst_of(*response) : response.error().code;
      if (code == Code::none || !try_again(code)) co_return response;
      metadata_.request_update();
      const MonoNs again = host_.timers.now() + backoff_ns(config_, attempt, random_);
      if (again >= until) co_return response;
      co_await Sleep(host_.timers, again, "admin backoff");
    }
  }

  /// The coordinating connection of a group's coordinator.
  Task<Result<BrokerConnection*>> coordinator_of(std::string group) {
    wire::FindCoordinatorRequest request;
    request.coordinator_keys.push_back(group);
    Task<Result<wire::FindCoordinatorResponse>> asked = ask_any(std::move(request), [](const wire::FindCoordinatorResponse& answer) {
      return answer.coordinators.size() == 1 ? code_from_wire(answer.coordinators[0].error_code) : Code::unknown_server_error;
    });
    const Result<wire::FindCoordinatorResponse> response = co_await asked;
    if (!response) co_return pass(response.error());
    if (response->coordinators.size() != 1) co_return error(Code::unknown_server_error, "an answer about other groups");
    const auto& found = response->coordinators[0];
    if (found.error_code != 0) co_return error(code_from_wire(found.error_code), "no coordinator");
    co_return &pool_.coordinator(NodeId(found.node_id), Endpoint{found.host, static_cast<std::uint16_t>(found.port)});
  }

  /// Asks the group's coordinator, wherever it is by then, until it answers for itself. `newest`: as BrokerConnection::call.
  template <class Request, class CodeOf>
  Task<Result<typename Request::Response>> ask_coordinator(std::string group, Request request, CodeOf code_of, std::int16_t newest = INT16_MAX) {
    const MonoNs until = deadline();
    for (std::int32_t attempt = 1;; ++attempt) {
      const Result<BrokerConnection*> found = co_await coordinator_of(group);
      if (!found) co_return pass(found.error());
      BrokerConnection& broker = **found;
      Request copy = request;
      Result<typename Request::Response> response = co_await broker.call(std::move(copy), 0, newest);
      const Code code = response ? code_of(*response) : response.error().code;
      if (code == Code::none || !try_again(code)) co_return response;
      const MonoNs again = host_.timers.now() + backoff_ns(config_, attempt, random_);
      if (again >= until) co_return response;
      co_await Sleep(host_.timers, again, "admin backoff");
    }
  }

  /// Leaders of partitions, from fresh metadata; missing ones are absent.
  Task<Result<std::map<TopicPartition, NodeId>>> leaders_of(std::vector<TopicPartition> ids) {
    for (const TopicPartition& id : ids) metadata_.add_topic(id.topic);
    const Result<bool> updated = co_await metadata_.updated(metadata_.version(), deadline());
    if (!updated) co_return pass(updated.error());
    std::map<TopicPartition, NodeId> leaders;
    for (const TopicPartition& id : ids) {
      const Metadata::Topic* const topic = metadata_.find(id.topic);
      if (topic == nullptr || static_cast<std::size_t>(id.partition) >= topic->partitions.size()) continue;
      const NodeId leader = topic->partitions[static_cast<std::size_t>(id.partition)].leader;
      if (leader != no_node) leaders[id] = leader;
    }
    co_return leaders;
  }

  Host& host_;
  ClientConfig config_;
  Random random_;
  ConnectionPool pool_;
  Metadata metadata_;
};

namespace {
template <class Entries>
std::vector<NamedOutcome> outcomes_of(const Entries& entries) {
  std::vector<NamedOutcome> result;
  for (const auto& entry : entries) {
    NamedOutcome& outcome = result.emplace_back();
    if constexpr (requires { entry.name.value_or(""); }) outcome.name = entry.name.value_or("");
    else outcome.name = entry.name;
    outcome.code = code_from_wire(entry.error_code);
    outcome.message = entry.error_message.value_or("");
  }
  return result;
}
/// A broker answers for its own configuration only; everything else is anybody's.
NodeId owner_of(ConfigResource resource, const std::string& name) {
  std::int32_t id = -1;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), id);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == name.data() + name.size() && id >= 0;
  return resource == ConfigResource::broker && is_number ? NodeId(id) : no_node;
}
/// Retries while any entry says that nothing could be tried; an error of one thing is its own.
template <class Entries>
Code controller_trouble(const Entries& entries) {
  for (const auto& entry : entries) {
    const Code code = code_from_wire(entry.error_code);
    // A broker that loses the controller while it relays says network_exception.
    if (code == Code::not_controller || code == Code::network_exception || code == Code::request_timed_out || code == Code::throttling_quota_exceeded) return code;
  }
  return Code::none;
}
}  // namespace

Admin::Admin(Host& host, ClientConfig config) : session_(std::make_unique<Session>(host, std::move(config))) {}
Admin::~Admin() = default;

Task<Result<std::vector<NamedOutcome>>> Admin::create_topics(std::vector<NewTopic> topics, bool validate_only) {
  wire::CreateTopicsRequest request;
  request.timeout_ms = session_->config_.request_timeout_ms;
  request.validate_only = validate_only;
  for (const NewTopic& topic : topics) {
    auto& entry = request.topics.emplace_back();
    entry.name = topic.name;
    entry.num_partitions = topic.assignment.empty() ? topic.partitions : -1;
    entry.replication_factor = topic.assignment.empty() ? topic.replication_factor : std::int16_t{-1};
    for (const auto& [partition, replicas] : topic.assignment) {
      auto& assigned = entry.assignments.emplace_back();
      assigned.partition_index = partition;
      for (const NodeId replica : replicas) assigned.broker_ids.push_back(replica.value());
    }
    for (const auto& [name, value] : topic.configs) {
      auto& config = entry.configs.emplace_back();
      config.name = name;
      config.value = value;
    }
  }
  auto asked = session_->ask_any(std::move(request), [](const wire::CreateTopicsResponse& answer) { return controller_trouble(answer.topics); });
  const Result<wire::CreateTopicsResponse> response = co_await asked;
  if (!response) co_return pass(response.error());
  co_return outcomes_of(response->topics);
}

Task<Result<std::vector<NamedOutcome>>> Admin::delete_topics(std::vector<std::string> names) {
  wire::DeleteTopicsRequest request;
  request.timeout_ms = session_->config_.request_timeout_ms;
  for (const std::string& name : names) request.topics.emplace_back().name = name;
  request.topic_names = names;
  auto asked = session_->ask_any(std::move(request), [](const wire::DeleteTopicsResponse& answer) { return controller_trouble(answer.responses); });
  const Result<wire::DeleteTopicsResponse> response = co_await asked;
  if (!response) co_return pass(response.error());
  co_return outcomes_of(response->responses);
}

Task<Result<NamedOutcome>> Admin::create_partitions(std::string topic, std::int32_t count) {
  wire::CreatePartitionsRequest request;
  request.timeout_ms = session_->config_.request_timeout_ms;
  auto& entry = request.topics.emplace_back();
  entry.name = topic;
  entry.count = count;
  entry.assignments = std::nullopt;
  auto asked = session_->ask_any(std::move(request), [](const wire::CreatePartitionsResponse& answer) { return controller_trouble(answer.results); });
  const Result<wire::CreatePartitionsResponse> response = co_await asked;
  if (!response) co_return pass(response.error());
  if (response->results.size() != 1) co_return error(Code::unknown_server_error, "an answer about other topics");
  co_return outcomes_of(response->results)[0];
}

Task<Result<DescribedCluster>> Admin::describe_cluster() {
  auto asked = session_->ask_any(wire::DescribeClusterRequest(), [](const wire::DescribeClusterResponse& answer) { return code_from_wire(answer.error_code); });
  const Result<wire::DescribeClusterResponse> response = co_await asked;
  if (!response) co_return pass(response.error());
  if (response->error_code != 0) co_return error(code_from_wire(response->error_code), "the cluster is not described");
  DescribedCluster cluster;
  cluster.cluster_id = response->cluster_id;
  cluster.controller = NodeId(response->controller_id);
  for (const auto& broker : response->brokers)
    cluster.brokers.push_back(DescribedBroker{NodeId(broker.broker_id), Endpoint{broker.host, static_cast<std::uint16_t>(broker.port)},
                                              broker.rack.value_or(""), broker.is_fenced});
  co_return cluster;
}

Task<Result<std::vector<DescribedTopic>>> Admin::describe_topics(std::optional<std::vector<std::string>> names) {
  wire::MetadataRequest request;
  request.allow_auto_topic_creation = false;
  if (names) {
    request.topics.emplace();
    for (const std::string& name : *names) request.topics->emplace_back().name = name;
  } else {
    request.topics = std::nullopt;
  }
  auto asked = session_->ask_any(std::move(request), [](const wire::MetadataResponse& answer) { return code_from_wire(answer.error_code); });
  const Result<wire::MetadataResponse> response = co_await asked;
  if (!response) co_return pass(response.error());
  std::vector<DescribedTopic> result;
  for (const auto& topic : response->topics) {
    DescribedTopic& described = result.emplace_back();
    described.name = topic.name.value_or("");
    described.code = code_from_wire(topic.error_code);
    described.id = topic.topic_id;
    described.internal = topic.is_internal;
    for (const auto& partition : topic.partitions) {
      DescribedPartition& entry = described.partitions.emplace_back();
      entry.index = partition.partition_index;
      entry.code = code_from_wire(partition.error_code);
      entry.leader = NodeId(partition.leader_id);
      entry.leader_epoch = LeaderEpoch(partition.leader_epoch);
      for (const std::int32_t replica : partition.replica_nodes) entry.replicas.push_back(NodeId(replica));
      for (const std::int32_t replica : partition.isr_nodes) entry.isr.push_back(NodeId(replica));
    }
    std::sort(described.partitions.begin(), described.partitions.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
  }
  co_return result;
}

Task<Result<std::vector<ConfigEntry>>> Admin::describe_configs(ConfigResource resource, std::string name) {
  wire::DescribeConfigsRequest request;
  auto& asked_for = request.resources.emplace_back();
  asked_for.resource_type = static_cast<std::int8_t>(resource);
  asked_for.resource_name = name;
  asked_for.configuration_keys = std::nullopt;
  auto asked = session_->ask_any(std::move(request), [](const wire::DescribeConfigsResponse& answer) { return controller_trouble(answer.results); }, owner_of(resource, name));
  const Result<wire::DescribeConfigsResponse> response = co_await asked;
  if (!response) co_return pass(response.error());
  if (response->results.size() != 1) co_return error(Code::unknown_server_error, "an answer about other resources");
  if (response->results[0].error_code != 0) co_return error(code_from_wire(response->results[0].error_code), "the configuration is not described");
  std::vector<ConfigEntry> result;
  for (const auto& config : response->results[0].configs)
    result.push_back(ConfigEntry{config.name, config.value, config.config_source, config.read_only, config.is_sensitive});
  co_return result;
}

Task<Result<NamedOutcome>> Admin::alter_configs(ConfigResource resource, std::string name, std::vector<ConfigChange> changes) {
  wire::IncrementalAlterConfigsRequest request;
  auto& entry = request.resources.emplace_back();
  entry.resource_type = static_cast<std::int8_t>(resource);
  entry.resource_name = name;
  for (const ConfigChange& change : changes) {
    auto& config = entry.configs.emplace_back();
    config.name = change.name;
    config.config_operation = static_cast<std::int8_t>(change.operation);
    if (change.operation == ConfigOperation::remove) config.value = std::nullopt;
    else config.value = change.value;
  }
  auto asked = session_->ask_any(std::move(request), [](const wire::IncrementalAlterConfigsResponse& answer) { return controller_trouble(answer.responses); }, owner_of(resource, name));
  const Result<wire::IncrementalAlterConfigsResponse> response = co_await asked;
  if (!response) co_return pass(response.error());
  if (response->responses.size() != 1) co_return error(Code::unknown_server_error, "an answer about other resources");
  NamedOutcome outcome;
  outcome.name = name;
  outcome.code = code_from_wire(response->responses[0].error_code);
  outcome.message = response->responses[0].error_message.value_or("");
  co_return outcome;
}

Task<Result<std::map<TopicPartition, Offset>>> Admin::delete_records(std::map<TopicPartition, Offset> before) {
  Session& session = *session_;
  const MonoNs until = session.deadline();
  std::map<TopicPartition, Offset> low_watermarks;
  for (std::int32_t attempt = 1;; ++attempt) {
    std::vector<TopicPartition> ids;
    for (const auto& [id, offset] : before)
      if (!low_watermarks.contains(id)) ids.push_back(id);
    if (ids.empty()) co_return low_watermarks;
    const Result<std::map<TopicPartition, NodeId>> leaders = co_await session.leaders_of(ids);
    if (!leaders) co_return pass(leaders.error());
    std::map<NodeId, wire::DeleteRecordsRequest> requests;
    for (const auto& [id, leader] : *leaders) {
      wire::DeleteRecordsRequest& request = requests[leader];
      request.timeout_ms = session.config_.request_timeout_ms;
      if (request.topics.empty() || request.topics.back().name != id.topic) request.topics.emplace_back().name = id.topic;
      auto& partition = request.topics.back().partitions.emplace_back();
      partition.partition_index = id.partition;
      partition.offset = before.at(id).value();
    }
    for (auto& [leader, request] : requests) {
      BrokerConnection& broker = session.pool_.to(leader);
      const Result<wire::DeleteRecordsResponse> response = co_await broker.call(std::move(request));
      if (!response) continue;
      for (const auto& topic : response->topics)
        for (const auto& partition : topic.partitions) {
          const Code code = code_from_wire(partition.error_code);
          if (code == Code::none) low_watermarks[TopicPartition{topic.name, partition.partition_index}] = Offset(partition.low_watermark);
          else if (!try_again(code)) co_return error(code, "records are not deleted");
        }
    }
    if (low_watermarks.size() == before.size()) co_return low_watermarks;
    const MonoNs again = session.host_.timers.now() + backoff_ns(session.config_, attempt, session.random_);
    if (again >= until) co_return error(Code::request_timed_out, "records were not deleted in time");
    co_await Sleep(session.host_.timers, again, "admin backoff");
  }
}

Task<Result<std::map<TopicPartition, ListedOffset>>> Admin::list_offsets(std::vector<TopicPartition> ids, std::int64_t timestamp) {
  Session& session = *session_;
  const MonoNs until = session.deadline();
  std::map<TopicPartition, ListedOffset> result;
  for (std::int32_t attempt = 1;; ++attempt) {
    std::vector<TopicPartition> missing;
    for (const TopicPartition& id : ids)
      if (!result.contains(id)) missing.push_back(id);
    if (missing.empty()) co_return result;
    const Result<std::map<TopicPartition, NodeId>> leaders = co_await session.leaders_of(missing);
    if (!leaders) co_return pass(leaders.error());
    std::map<NodeId, wire::ListOffsetsRequest> requests;
    for (const auto& [id, leader] : *leaders) {
      wire::ListOffsetsRequest& request = requests[leader];
      request.replica_id = -1;
      request.timeout_ms = session.config_.request_timeout_ms;
      if (request.topics.empty() || request.topics.back().name != id.topic) request.topics.emplace_back().name = id.topic;
      auto& partition = request.topics.back().partitions.emplace_back();
      partition.partition_index = id.partition;
      partition.timestamp = timestamp;
    }
    for (auto& [leader, request] : requests) {
      BrokerConnection& broker = session.pool_.to(leader);
      const Result<wire::ListOffsetsResponse> response = co_await broker.call(std::move(request));
      if (!response) continue;
      for (const auto& topic : response->topics)
        for (const auto& partition : topic.partitions) {
          const Code code = code_from_wire(partition.error_code);
          if (try_again(code)) continue;
          result[TopicPartition{topic.name, partition.partition_index}] =
              ListedOffset{code, Offset(partition.offset), LeaderEpoch(partition.leader_epoch), partition.timestamp};
        }
    }
    if (result.size() == ids.size()) co_return result;
    const MonoNs again = session.host_.timers.now() + backoff_ns(session.config_, attempt, session.random_);
    if (again >= until) co_return error(Code::request_timed_out, "offsets were not listed in time");
    co_await Sleep(session.host_.timers, again, "admin backoff");
  }
}

Task<Result<std::vector<ListedGroup>>> Admin::list_groups() {
  Session& session = *session_;
  const Result<DescribedCluster> cluster = co_await describe_cluster();
  if (!cluster) co_return pass(cluster.error());
  std::vector<ListedGroup> result;
  for (const DescribedBroker& described : cluster->brokers) {
    if (described.fenced) continue;
    session.pool_.set_broker(described.id, described.endpoint);
    BrokerConnection& broker = session.pool_.to(described.id);
    wire::ListGroupsRequest request;
    const Result<wire::ListGroupsResponse> response = co_await broker.call(std::move(request));
    if (!response) co_return pass(response.error());
    if (response->error_code != 0) co_return error(code_from_wire(response->error_code), "a broker does not list its groups");
    for (const auto& group : response->groups) result.push_back(ListedGroup{group.group_id, group.protocol_type, group.group_state, group.group_type});
  }
  std::sort(result.begin(), result.end(), [](const ListedGroup& a, const ListedGroup& b) { return a.id < b.id; });
  co_return result;
}

Task<Result<DescribedGroup>> Admin::describe_group(std::string group) {
  wire::DescribeGroupsRequest request;
  request.groups.push_back(group);
  auto asked = session_->ask_coordinator(std::move(group), std::move(request), [](const wire::DescribeGroupsResponse& answer) {
    return answer.groups.size() == 1 ? code_from_wire(answer.groups[0].error_code) : Code::unknown_server_error;
  });
  const Result<wire::DescribeGroupsResponse> response = co_await asked;
  if (!response) co_return pass(response.error());
  if (response->groups.size() != 1) co_return error(Code::unknown_server_error, "an answer about other groups");
  const auto& told = response->groups[0];
  DescribedGroup described;
  described.id = told.group_id;
  described.code = code_from_wire(told.error_code);
  described.state = told.group_state;
  described.protocol_type = told.protocol_type;
  described.protocol = told.protocol_data;
  for (const auto& member : told.members) {
    DescribedMember& entry = described.members.emplace_back();
    entry.member_id = member.member_id;
    entry.client_id = member.client_id;
    entry.client_host = member.client_host;
    entry.instance_id = member.group_instance_id;
    if (member.member_assignment.empty()) continue;
    const Result<std::vector<TopicPartition>> assignment = group::decode_assignment(member.member_assignment);
    if (assignment) entry.assignment = *assignment;
  }
  co_return described;
}

Task<Result<std::vector<NamedOutcome>>> Admin::delete_groups(std::vector<std::string> groups) {
  std::vector<NamedOutcome> result;
  for (const std::string& group : groups) {
    NamedOutcome& outcome = result.emplace_back();
    outcome.name = group;
    wire::DeleteGroupsRequest request;
    request.groups_names.push_back(group);
    auto asked = session_->ask_coordinator(group, std::move(request), [](const wire::DeleteGroupsResponse& answer) {
      return answer.results.size() == 1 ? code_from_wire(answer.results[0].error_code) : Code::unknown_server_error;
    });
    const Result<wire::DeleteGroupsResponse> response = co_await asked;
    if (!response) outcome.code = response.error().code;
    else outcome.code = response->results.size() == 1 ? code_from_wire(response->results[0].error_code) : Code::unknown_server_error;
  }
  co_return result;
}

Task<Result<std::map<TopicPartition, Offset>>> Admin::group_offsets(std::string group) {
  wire::OffsetFetchRequest request;
  auto& wanted = request.groups.emplace_back();
  wanted.group_id = group;
  wanted.topics = std::nullopt;
  auto asked = session_->ask_coordinator(
      std::move(group), std::move(request),
      [](const wire::OffsetFetchResponse& answer) { return answer.groups.size() == 1 ? code_from_wire(answer.groups[0].error_code) : Code::unknown_server_error; }, newest_with_names);
  const Result<wire::OffsetFetchResponse> response = co_await asked;
  if (!response) co_return pass(response.error());
  if (response->groups.size() != 1) co_return error(Code::unknown_server_error, "an answer about other groups");
  if (response->groups[0].error_code != 0) co_return error(code_from_wire(response->groups[0].error_code), "the group's offsets are refused");
  std::map<TopicPartition, Offset> result;
  for (const auto& topic : response->groups[0].topics)
    for (const auto& partition : topic.partitions)
      if (partition.error_code == 0 && partition.committed_offset >= 0)
        result[TopicPartition{topic.name, partition.partition_index}] = Offset(partition.committed_offset);
  co_return result;
}

Task<Result<std::map<TopicPartition, Code>>> Admin::elect_leaders(bool unclean, std::optional<std::vector<TopicPartition>> ids) {
  wire::ElectLeadersRequest request;
  request.election_type = unclean ? 1 : 0;
  request.timeout_ms = session_->config_.request_timeout_ms;
  if (ids) {
    request.topic_partitions.emplace();
    std::sort(ids->begin(), ids->end());
    for (const TopicPartition& id : *ids) {
      if (request.topic_partitions->empty() || request.topic_partitions->back().topic != id.topic) request.topic_partitions->emplace_back().topic = id.topic;
      request.topic_partitions->back().partitions.push_back(id.partition);
    }
  } else {
    request.topic_partitions = std::nullopt;
  }
  auto asked = session_->ask_any(std::move(request), [](const wire::ElectLeadersResponse& answer) { return code_from_wire(answer.error_code); });
  const Result<wire::ElectLeadersResponse> response = co_await asked;
  if (!response) co_return pass(response.error());
  if (response->error_code != 0) co_return error(code_from_wire(response->error_code), "the election is refused");
  std::map<TopicPartition, Code> result;
  for (const auto& topic : response->replica_election_results)
    for (const auto& partition : topic.partition_result) result[TopicPartition{topic.topic, partition.partition_id}] = code_from_wire(partition.error_code);
  co_return result;
}

}  // namespace harrow
