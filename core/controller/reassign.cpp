// Reassignment: a partition gets its target replicas beside the old ones; when all of the target are in sync the old ones
// go (elections.cpp completes it, in whatever decision brings the ISR there). A null target takes an unfinished one back.
#include <algorithm>
#include <set>

#include "core/controller/controller.h"
#include "core/controller/elections.h"
#include "core/wire/alter_partition_reassignments_request.h"
#include "core/wire/alter_partition_reassignments_response.h"
#include "core/wire/list_partition_reassignments_request.h"
#include "core/wire/list_partition_reassignments_response.h"

namespace harrow::controller {

namespace {

NodeIds minus(const NodeIds& ids, const NodeIds& gone) {
  NodeIds rest;
  for (const NodeId id : ids) {
    if (!contains(gone, id)) rest.push_back(id);
  }
  return rest;
}

Code start(const Image& image, const NodeIds& goal, bool size_may_change, PartitionTarget& target) {
  if (goal.empty()) return Code::invalid_replica_assignment;
  const std::set<NodeId> distinct(goal.begin(), goal.end());
  if (distinct.size() != goal.size()) return Code::invalid_replica_assignment;
  for (const NodeId id : goal) {
    if (image.broker(id) == nullptr) return Code::invalid_replica_assignment;
  }
  const NodeIds old = minus(target.now.replicas, target.now.adding);
  if (!size_may_change && goal.size() != old.size()) return Code::invalid_replication_factor;
  target.replicas = goal;
  for (const NodeId id : target.now.replicas) {
    if (!contains(goal, id)) target.replicas.push_back(id);
  }
  target.removing = minus(target.now.replicas, goal);
  target.adding = minus(goal, old);
  return Code::none;
}

Code cancel(const State& state, const TopicImage& topic, PartitionTarget& target) {
  if (!target.now.reassigning()) return Code::no_reassignment_in_progress;
  target.replicas = minus(target.now.replicas, target.now.adding);
  target.isr = minus(target.now.isr, target.now.adding);
  target.adding.clear();
  target.removing.clear();
  // Only newcomers are in sync: without them nobody holds everything.
  const bool loses = target.isr.empty() && !target.now.isr.empty();
  if (loses && !state.unclean_election_allowed(topic.name)) return Code::invalid_replica_assignment;
  return Code::none;
}

}  // namespace

ControllerResult<wire::AlterPartitionReassignmentsResponse> Controller::alter_partition_reassignments(
    const wire::AlterPartitionReassignmentsRequest& request) const {
  ControllerResult<wire::AlterPartitionReassignmentsResponse> result;
  result.response.error_message.reset();
  result.response.allow_replication_factor_change = request.allow_replication_factor_change;
  std::set<TopicIdPartition> seen;
  for (const auto& asked : request.topics) {
    auto& topic_answer = result.response.responses.emplace_back();
    topic_answer.name = asked.name;
    const TopicImage* const topic = state_.image.topic(asked.name);
    for (const auto& partition : asked.partitions) {
      auto& answer = topic_answer.partitions.emplace_back();
      answer.partition_index = partition.partition_index;
      answer.error_message.reset();
      const auto refuse = [&answer](Code code) {
        answer.error_code = static_cast<std::int16_t>(code);
        answer.error_message = std::string(name_of(code));
      };
      if (topic == nullptr || state_.image.partition(topic->id, partition.partition_index) == nullptr) {
        refuse(Code::unknown_topic_or_partition);
        continue;
      }
      const TopicIdPartition id{topic->id, partition.partition_index};
      if (!seen.insert(id).second) {
        refuse(Code::invalid_request);
        continue;
      }
      PartitionTarget target = target_of(state_, *topic, id.partition);
      const Code code = partition.replicas ? start(state_.image, nodes_of(*partition.replicas),
                                                   request.allow_replication_factor_change, target)
                                           : cancel(state_, *topic, target);
      if (code != Code::none) {
        refuse(code);
        continue;
      }
      if (auto change = change_to(std::move(target), Candidates{state_.image})) {
        write(id, std::move(*change), result.records, result.facts);
      }
    }
  }
  return result;
}

ControllerResult<wire::ListPartitionReassignmentsResponse> Controller::list_partition_reassignments(
    const wire::ListPartitionReassignmentsRequest& request) const {
  ControllerResult<wire::ListPartitionReassignmentsResponse> result;
  result.response.error_message.reset();
  const auto list = [&result](const TopicImage& topic, const std::vector<std::int32_t>* indexes) {
    wire::ListPartitionReassignmentsResponse::OngoingTopicReassignment out;
    out.name = topic.name;
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(topic.partitions.size()); ++i) {
      if (indexes != nullptr && std::find(indexes->begin(), indexes->end(), i) == indexes->end()) continue;
      const PartitionImage& p = topic.partitions[static_cast<std::size_t>(i)];
      if (!p.reassigning()) continue;
      auto& partition = out.partitions.emplace_back();
      partition.partition_index = i;
      partition.replicas = numbers_of(p.replicas);
      partition.adding_replicas = numbers_of(p.adding);
      partition.removing_replicas = numbers_of(p.removing);
    }
    if (!out.partitions.empty()) result.response.topics.push_back(std::move(out));
  };
  if (!request.topics) {
    for (const auto& [name, id] : state_.image.topic_ids()) list(*state_.image.topic(id), nullptr);
    return result;
  }
  for (const auto& asked : *request.topics) {
    if (const TopicImage* const topic = state_.image.topic(asked.name)) list(*topic, &asked.partition_indexes);
  }
  return result;
}

}  // namespace harrow::controller
