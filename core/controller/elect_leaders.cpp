// Elections that somebody asks for, and the ones that the controller holds by itself.
#include "core/controller/controller.h"
#include "core/controller/elections.h"
#include "core/wire/elect_leaders_request.h"
#include "core/wire/elect_leaders_response.h"

namespace harrow::controller {

namespace {

using TopicResult = wire::ElectLeadersResponse::ReplicaElectionResult;

/// Prefers the first replica; the rest of the rules stay.
Code elect(const State& state, const TopicImage& topic, std::int32_t index, Election election,
           std::vector<wire::MetadataRecord>& records, std::vector<Fact>& facts) {
  const PartitionImage& p = topic.partitions[static_cast<std::size_t>(index)];
  if (election == Election::preferred && p.leader == p.replicas.front()) return Code::election_not_needed;
  if (election == Election::unclean && p.leader != no_node) return Code::election_not_needed;
  PartitionTarget target = target_of(state, topic, index);
  target.election = election;
  auto change = change_to(std::move(target), Candidates{state.image});
  if (!change) {
    return election == Election::preferred ? Code::preferred_leader_not_available : Code::eligible_leaders_not_available;
  }
  write({topic.id, index}, std::move(*change), records, facts);
  return Code::none;
}

bool preferred_may_lead(const Image& image, const PartitionImage& p) {
  const NodeId preferred = p.replicas.front();
  return p.leader != preferred && p.in_isr(preferred) && image.active(preferred);
}

}  // namespace

ControllerResult<wire::ElectLeadersResponse> Controller::elect_leaders(const wire::ElectLeadersRequest& request) const {
  ControllerResult<wire::ElectLeadersResponse> result;
  if (request.election_type != 0 && request.election_type != 1) {
    result.response.error_code = static_cast<std::int16_t>(Code::invalid_request);
    return result;
  }
  const Election election = request.election_type == 0 ? Election::preferred : Election::unclean;
  const auto put = [](TopicResult& topic_result, std::int32_t index, Code code) {
    auto& out = topic_result.partition_result.emplace_back();
    out.partition_id = index;
    out.error_code = static_cast<std::int16_t>(code);
    if (code == Code::none) out.error_message.reset();
    else out.error_message = std::string(name_of(code));
  };
  if (!request.topic_partitions) {
    // All of them: those that need none are not worth an answer.
    for (const auto& [name, id] : state_.image.topic_ids()) {
      const TopicImage& topic = *state_.image.topic(id);
      TopicResult topic_result;
      topic_result.topic = name;
      for (std::int32_t i = 0; i < static_cast<std::int32_t>(topic.partitions.size()); ++i) {
        const Code code = elect(state_, topic, i, election, result.records, result.facts);
        if (code != Code::election_not_needed) put(topic_result, i, code);
      }
      if (!topic_result.partition_result.empty()) result.response.replica_election_results.push_back(std::move(topic_result));
    }
    return result;
  }
  std::set<TopicIdPartition> seen;
  for (const auto& asked : *request.topic_partitions) {
    TopicResult& topic_result = result.response.replica_election_results.emplace_back();
    topic_result.topic = asked.topic;
    const TopicImage* const topic = state_.image.topic(asked.topic);
    for (const std::int32_t index : asked.partitions) {
      if (topic == nullptr || state_.image.partition(topic->id, index) == nullptr) {
        put(topic_result, index, Code::unknown_topic_or_partition);
      } else if (!seen.insert({topic->id, index}).second) {
        put(topic_result, index, Code::invalid_request);
      } else {
        put(topic_result, index, elect(state_, *topic, index, election, result.records, result.facts));
      }
    }
  }
  return result;
}

ControllerResult<Code> Controller::move_leader(const TopicIdPartition& id, NodeId leader) const {
  ControllerResult<Code> result;
  const PartitionImage* const p = state_.image.partition(id);
  if (p == nullptr) {
    result.response = Code::unknown_topic_or_partition;
  } else if (p->leader == leader) {
    result.response = Code::election_not_needed;
  } else if (!p->in_isr(leader) || !state_.image.active(leader)) {
    result.response = Code::eligible_leaders_not_available;
  } else {
    PartitionChange change;
    change.record.topic_id = id.topic_id;
    change.record.partition_id = id.partition;
    change.record.leader = leader.value();
    change.after = merged(*p, change.record);
    change.leader_changed = true;
    write(id, std::move(change), result.records, result.facts);
    result.response = Code::none;
  }
  return result;
}

Decision Controller::elect_preferred_leaders() {
  Decision result;
  for (const auto& [id, topic] : state_.image.topics()) {
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(topic.partitions.size()); ++i) {
      if (std::cmp_greater_equal(result.records.size(), state_.config.max_records_per_batch)) return result;
      if (!preferred_may_lead(state_.image, topic.partitions[static_cast<std::size_t>(i)])) continue;
      PartitionTarget target = target_of(state_, topic, i);
      target.election = Election::preferred;
      if (auto change = change_to(std::move(target), Candidates{state_.image})) {
        write({id, i}, std::move(*change), result.records, result.facts);
      }
    }
  }
  return result;
}

Decision Controller::elect_unclean_leaders() {
  Decision result;
  for (const auto& [id, topic] : state_.image.topics()) {
    if (!state_.unclean_election_allowed(topic.name)) continue;
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(topic.partitions.size()); ++i) {
      if (std::cmp_greater_equal(result.records.size(), state_.config.max_records_per_batch)) return result;
      if (topic.partitions[static_cast<std::size_t>(i)].leader != no_node) continue;
      if (auto change = change_to(target_of(state_, topic, i), Candidates{state_.image})) {
        write({id, i}, std::move(*change), result.records, result.facts);
      }
    }
  }
  return result;
}

}  // namespace harrow::controller
