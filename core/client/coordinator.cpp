#include "core/client/coordinator.h"

#include "core/base/buffer.h"
#include "core/model/trace_payloads.h"
#include "core/wire/find_coordinator_request.h"
#include "core/wire/find_coordinator_response.h"
#include "core/wire/heartbeat_request.h"
#include "core/wire/heartbeat_response.h"
#include "core/wire/join_group_request.h"
#include "core/wire/leave_group_request.h"
#include "core/wire/leave_group_response.h"
#include "core/wire/offset_commit_request.h"
#include "core/wire/offset_commit_response.h"
#include "core/wire/offset_fetch_request.h"
#include "core/wire/offset_fetch_response.h"
#include "core/wire/sync_group_response.h"

namespace harrow {
namespace {
/// From version 10 on these name topics by id; a classic member speaks of names.
constexpr std::int16_t newest_with_names = 9;

bool says_coordinator_moved(Code code) {
  return code == Code::not_coordinator || code == Code::coordinator_not_available;
}
/// No answer at all: whoever was asked may be gone.
bool says_unreachable(Code code) {
  return code == Code::network_exception || code == Code::request_timed_out || code == Code::connection_refused || code == Code::not_found;
}

/// What the cooperative assignor adds for members that read a subscription without the field for it.
Bytes generation_as_user_data(std::int32_t generation) {
  Writer w;
  w.i32(generation);
  return w.finish();
}
}  // namespace

CoordinatorLink::CoordinatorLink(Host& host, const ConsumerConfig& config, ConnectionPool& pool, Metadata& metadata, Signal& changed)
    : host_(host), config_(config), pool_(pool), metadata_(metadata), changed_(changed),
      random_(host.random.fork(config.client_id).fork("coordinator")), cooperative_(is_cooperative(config.partition_assignment_strategy)), last_poll_(host.timers.now()), wake_(host.timers),
      scope_(host.scope.queue()) {
  if (!config_.group_id.empty()) heartbeat(scope_, Label("group heartbeat"));
}

void CoordinatorLink::subscribe(std::vector<std::string> topics) {
  std::sort(topics.begin(), topics.end());
  for (const std::string& topic : topics) metadata_.add_topic(topic);
  if (topics != topics_) joined_ = false;
  topics_ = std::move(topics);
  checked_version_.reset();
}

void CoordinatorLink::request_join() {
  joined_ = false;
  changed_.wake();
}

void CoordinatorLink::reset_membership() {
  lost_ = lost_ || generation_ >= 0;
  if (cooperative_) owned_.clear();
  generation_ = -1;
  member_id_.clear();
  request_join();
}

void CoordinatorLink::forget_coordinator() { node_ = no_node; }

PartitionCounts CoordinatorLink::counts_of(const std::set<std::string>& topics) const {
  PartitionCounts counts;
  for (const std::string& name : topics) {
    const Metadata::Topic* const topic = metadata_.find(name);
    if (topic != nullptr) counts[name] = static_cast<std::int32_t>(topic->partitions.size());
  }
  return counts;
}

void CoordinatorLink::check_topics() {
  if (!joined_ || !leading_ || checked_version_ == metadata_.version()) return;
  std::set<std::string> topics;
  for (const auto& [name, count] : partition_counts_) topics.insert(name);
  topics.insert(topics_.begin(), topics_.end());
  if (counts_of(topics) != partition_counts_) request_join();
  else checked_version_ = metadata_.version();
}

Task<Result<BrokerConnection*>> CoordinatorLink::connection(MonoNs deadline) {
  for (std::int32_t attempt = 1; node_ == no_node; ++attempt) {
    wire::FindCoordinatorRequest request;
    request.coordinator_keys.push_back(config_.group_id);
    BrokerConnection& broker = pool_.any();
    const Result<wire::FindCoordinatorResponse> response = co_await broker.call(std::move(request));
    Code code = response ? Code::none : response.error().code;
    if (response) {
      code = response->coordinators.size() == 1 ? code_from_wire(response->coordinators[0].error_code) : Code::unknown_server_error;
      if (code == Code::none) {
        node_ = NodeId(response->coordinators[0].node_id);
        endpoint_ = Endpoint{response->coordinators[0].host, static_cast<std::uint16_t>(response->coordinators[0].port)};
        break;
      }
      if (!is_retriable(code)) co_return error(code, "the coordinator is refused");
    }
    const MonoNs again = host_.timers.now() + backoff_ns(config_, attempt, random_);
    if (again >= deadline) co_return error(Code::request_timed_out, "no coordinator in time");
    co_await Sleep(host_.timers, again, "find coordinator backoff");
  }
  co_return &pool_.coordinator(node_, endpoint_);
}

bool CoordinatorLink::take_error(Code code) {
  if (says_coordinator_moved(code) || says_unreachable(code)) {
    forget_coordinator();
    return true;
  }
  switch (code) {
    case Code::coordinator_load_in_progress:
    case Code::rebalance_in_progress: return true;
    case Code::unknown_member_id:
    case Code::illegal_generation: reset_membership(); return true;
    default: break;
  }
  if (is_retriable(code)) return true;
  fatal_ = Error{code, "the group refuses this member"};
  changed_.wake();
  return false;
}

Task<Result<std::vector<TopicPartition>>> CoordinatorLink::join(std::vector<TopicPartition> owned) {
  owned_ = std::move(owned);
  owned_generation_ = generation_;
  joining_ = true;  // no heartbeats from here to the end of the sync
  for (std::int32_t attempt = 0;;) {
    if (attempt > 0) {
      co_await Sleep(host_.timers, host_.timers.now() + backoff_ns(config_, attempt, random_), "join backoff");
    }
    ++attempt;
    const Result<BrokerConnection*> found = co_await connection(never);
    if (!found) {
      fatal_ = found.error();
      co_return pass(found.error());
    }
    BrokerConnection& broker = **found;
    wire::JoinGroupRequest request;
    request.group_id = config_.group_id;
    request.session_timeout_ms = config_.session_timeout_ms;
    request.rebalance_timeout_ms = config_.max_poll_interval_ms;
    request.member_id = member_id_;
    request.group_instance_id = config_.group_instance_id;
    request.protocol_type = "consumer";
    for (const Assignor assignor : config_.partition_assignment_strategy) {
      group::Subscription subscription;
      subscription.topics = topics_;
      subscription.generation = owned_generation_;
      if (cooperative_ || assignor == Assignor::sticky) subscription.owned = owned_;
      if (assignor == Assignor::cooperative_sticky) subscription.user_data = generation_as_user_data(owned_generation_);
      auto& protocol = request.protocols.emplace_back();
      protocol.name = std::string(name_of(assignor));
      protocol.metadata = group::encode(subscription);
    }
    Result<wire::JoinGroupResponse> joined = co_await broker.call(std::move(request), join_timeout_ms());
    const Code join_code = joined ? code_from_wire(joined->error_code) : joined.error().code;
    if (join_code == Code::member_id_required) {
      member_id_ = joined->member_id;
      attempt = 0;
      continue;
    }
    if (join_code != Code::none) {
      if (!take_error(join_code)) co_return pass(*fatal_);
      continue;
    }
    member_id_ = joined->member_id;
    generation_ = joined->generation_id;
    protocol_ = joined->protocol_name.value_or("range");
    if (!cooperative_) lost_ = false;
    leading_ = joined->leader == member_id_;
    last_heartbeat_ = host_.timers.now();
    wire::SyncGroupRequest sync;
    sync.group_id = config_.group_id;
    sync.generation_id = generation_;
    sync.member_id = member_id_;
    sync.group_instance_id = config_.group_instance_id;
    sync.protocol_type = "consumer";
    sync.protocol_name = protocol_;
    if (leading_) {
      // A static leader that came back leaves the assignment as it is, but watches the topics from now on.
      const bool assigns = !joined->skip_assignment;
      Result<std::vector<wire::SyncGroupRequest::SyncGroupRequestAssignment>> assigned = co_await assign_all(std::move(*joined));
      if (!assigned) continue;
      if (assigns) sync.assignments = std::move(*assigned);
    }
    const Result<wire::SyncGroupResponse> synced = co_await broker.call(std::move(sync), join_timeout_ms());
    const Code sync_code = synced ? code_from_wire(synced->error_code) : synced.error().code;
    if (sync_code != Code::none) {
      if (!take_error(sync_code)) co_return pass(*fatal_);
      if (sync_code == Code::rebalance_in_progress) attempt = 0;
      continue;
    }
    Result<std::vector<TopicPartition>> partitions = group::decode_assignment(synced->assignment);
    if (!partitions) {
      fatal_ = partitions.error();
      co_return pass(partitions.error());
    }
    joined_ = true;
    joining_ = false;
    last_heartbeat_ = host_.timers.now();
    wake_.wake();
    changed_.wake();
    co_return partitions;
  }
}

Task<Result<std::vector<wire::SyncGroupRequest::SyncGroupRequestAssignment>>> CoordinatorLink::assign_all(wire::JoinGroupResponse joined) {
  GroupSubscriptions members;
  std::set<std::string> topics;
  for (const auto& member : joined.members) {
    Result<group::Subscription> subscription = group::decode_subscription(member.metadata);
    if (!subscription) continue;
    subscription->instance_id = member.group_instance_id;
    topics.insert(subscription->topics.begin(), subscription->topics.end());
    members[member.member_id] = std::move(*subscription);
  }
  bool unknown = false;
  for (const std::string& topic : topics) {
    metadata_.add_topic(topic);
    unknown = unknown || metadata_.find(topic) == nullptr;
  }
  if (unknown) {
    // One round: what is still unknown then does not exist, and check_topics sees it when it does.
    const Result<bool> updated = co_await metadata_.updated(metadata_.version(), after_ms(host_.timers.now(), config_.request_timeout_ms));
    if (!updated) co_return pass(updated.error());
  }
  partition_counts_ = counts_of(topics);
  checked_version_.reset();
  GroupAssignment assignment = assign_partitions(assignor_named(protocol_).value_or(Assignor::range), members, partition_counts_);
  std::vector<wire::SyncGroupRequest::SyncGroupRequestAssignment> result;
  for (const auto& [id, subscription] : members) {
    auto& entry = result.emplace_back();
    entry.member_id = id;
    entry.assignment = group::encode_assignment(std::move(assignment[id]));
  }
  co_return result;
}

Root CoordinatorLink::heartbeat(Scope&, Label) {
  MonoNs next{0};
  for (;;) {
    if (generation_ < 0 || joining_ || fatal_) {
      co_await wake_.next();
      next = after_ms(host_.timers.now(), config_.heartbeat_interval_ms);
      continue;
    }
    const MonoNs now = host_.timers.now();
    const MonoNs poll_end = after_ms(last_poll_, config_.max_poll_interval_ms);
    if (now >= poll_end) {
      co_await leave();
      lost_ = true;
      request_join();
      continue;
    }
    if (now < next) {
      co_await wake_.next(std::min(next, poll_end));
      continue;
    }
    if (now >= after_ms(last_heartbeat_, config_.session_timeout_ms)) forget_coordinator();
    next = after_ms(now, config_.heartbeat_interval_ms);
    const std::int32_t generation = generation_;
    const Result<BrokerConnection*> found = co_await connection(after_ms(now, config_.session_timeout_ms));
    if (!found || generation != generation_ || joining_) continue;
    wire::HeartbeatRequest request;
    request.group_id = config_.group_id;
    request.generation_id = generation;
    request.member_id = member_id_;
    request.group_instance_id = config_.group_instance_id;
    BrokerConnection& broker = **found;
    const Result<wire::HeartbeatResponse> response = co_await broker.call(std::move(request));
    if (generation != generation_) continue;  // about a membership that is over
    const Code code = response ? code_from_wire(response->error_code) : response.error().code;
    if (code == Code::none) {
      last_heartbeat_ = host_.timers.now();
      continue;
    }
    if (code == Code::rebalance_in_progress) {
      last_heartbeat_ = host_.timers.now();
      if (joined_) request_join();
      continue;
    }
    if (!take_error(code)) changed_.wake();
    if (says_coordinator_moved(code) || says_unreachable(code)) next = after_ms(host_.timers.now(), config_.retry_backoff_ms);
  }
}

Task<Result<bool>> CoordinatorLink::commit(CommitOffsets offsets, MonoNs deadline) {
  if (offsets.empty()) co_return true;
  for (std::int32_t attempt = 1;; ++attempt) {
    if (fatal_) co_return pass(*fatal_);
    if (subscribed() && generation_ < 0) co_return error(Code::illegal_generation, "no member of the group");
    const Result<BrokerConnection*> found = co_await connection(deadline);
    if (!found) co_return pass(found.error());
    if (subscribed() && generation_ < 0) continue;
    wire::OffsetCommitRequest request;
    request.group_id = config_.group_id;
    request.generation_id_or_member_epoch = generation_;
    request.member_id = member_id_;
    request.group_instance_id = config_.group_instance_id;
    for (const auto& [id, offset] : offsets) {
      if (request.topics.empty() || request.topics.back().name != id.topic) request.topics.emplace_back().name = id.topic;
      auto& partition = request.topics.back().partitions.emplace_back();
      partition.partition_index = id.partition;
      partition.committed_offset = offset.offset.value();
      partition.committed_leader_epoch = offset.leader_epoch.value();
      partition.committed_metadata = offset.metadata;
    }
    const std::int32_t generation = generation_;
    BrokerConnection& broker = **found;
    const Result<wire::OffsetCommitResponse> response = co_await broker.call(std::move(request), 0, newest_with_names);
    Code code = response ? Code::none : response.error().code;
    if (response) {
      for (const auto& topic : response->topics)
        for (const auto& partition : topic.partitions)
          if (partition.error_code != 0) {
            code = code_from_wire(partition.error_code);
          } else {
            const TopicPartition id{topic.name, partition.partition_index};
            const auto entry = offsets.find(id);
            if (entry == offsets.end()) continue;
            const CommitNote note{config_.group_id, member_id_, id.topic, id.partition, generation, entry->second.offset,
                                  host_.clock.wall(), host_.clock.wall(), Code::none};
            host_.trace.emit(TraceKind::commit_acked, host_.trace.intern(folder_of(id)), entry->second.offset.value(), generation, &note);
          }
    }
    if (code == Code::none) co_return true;
    if (generation != generation_) co_return error(code, "the membership ended meanwhile");
    if (code == Code::unknown_member_id || code == Code::illegal_generation) {
      if (subscribed()) reset_membership();
      co_return error(code, "no longer a member of this generation");
    }
    if (code == Code::rebalance_in_progress) {
      if (subscribed()) request_join();
      co_return error(code, "the group is rebalancing");
    }
    if (code == Code::fenced_instance_id) {
      fatal_ = Error{code, "another member uses this instance id"};
      co_return pass(*fatal_);
    }
    if (says_coordinator_moved(code) || says_unreachable(code)) forget_coordinator();
    else if (!is_retriable(code)) co_return error(code, "the commit was refused");
    const MonoNs again = host_.timers.now() + backoff_ns(config_, attempt, random_);
    if (again >= deadline) co_return error(Code::request_timed_out, "the commit was not answered in time");
    co_await Sleep(host_.timers, again, "commit backoff");
  }
}

Task<Result<CommitOffsets>> CoordinatorLink::committed(std::vector<TopicPartition> ids, MonoNs deadline) {
  for (std::int32_t attempt = 1;; ++attempt) {
    const Result<BrokerConnection*> found = co_await connection(deadline);
    if (!found) co_return pass(found.error());
    wire::OffsetFetchRequest request;
    request.require_stable = true;
    auto& asked = request.groups.emplace_back();
    asked.group_id = config_.group_id;
    asked.topics.emplace();
    for (const TopicPartition& id : ids) {
      if (asked.topics->empty() || asked.topics->back().name != id.topic) asked.topics->emplace_back().name = id.topic;
      asked.topics->back().partition_indexes.push_back(id.partition);
    }
    BrokerConnection& broker = **found;
    const Result<wire::OffsetFetchResponse> response = co_await broker.call(std::move(request), 0, newest_with_names);
    Code code = response ? Code::none : response.error().code;
    CommitOffsets offsets;
    if (response) {
      if (response->groups.size() != 1) co_return error(Code::unknown_server_error, "an answer about other groups");
      code = code_from_wire(response->groups[0].error_code);
      for (const auto& topic : response->groups[0].topics)
        for (const auto& partition : topic.partitions) {
          if (partition.error_code != 0) code = code_from_wire(partition.error_code);
          else if (partition.committed_offset >= 0)
            offsets[TopicPartition{topic.name, partition.partition_index}] =
                CommitOffset{Offset(partition.committed_offset), LeaderEpoch(partition.committed_leader_epoch), partition.metadata.value_or("")};
        }
    }
    if (code == Code::none) co_return offsets;
    if (says_coordinator_moved(code) || says_unreachable(code)) forget_coordinator();
    else if (!is_retriable(code) && code != Code::unknown_topic_or_partition) co_return error(code, "committed offsets are refused");
    const MonoNs again = host_.timers.now() + backoff_ns(config_, attempt, random_);
    if (again >= deadline) co_return error(Code::request_timed_out, "committed offsets did not come in time");
    co_await Sleep(host_.timers, again, "offset fetch backoff");
  }
}

Task<void> CoordinatorLink::leave() {
  joined_ = joining_ = false;
  const std::string member = member_id_;
  generation_ = -1;
  if (config_.group_instance_id || member.empty() || node_ == no_node) co_return;
  member_id_.clear();
  wire::LeaveGroupRequest request;
  request.group_id = config_.group_id;
  auto& identity = request.members.emplace_back();
  identity.member_id = member;
  identity.reason = "the consumer is being closed";
  BrokerConnection& broker = pool_.coordinator(node_, endpoint_);
  const Result<wire::LeaveGroupResponse> response = co_await broker.call(std::move(request));
  if (!response) forget_coordinator();
}

}  // namespace harrow
