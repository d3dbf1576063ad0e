// AlterPartition: a leader proposes its ISR. The checks and their order are facts section 9; what makes the repeat of a
// proposal that already took effect succeed stands before the partition epoch check, or a lost answer would fence the
// leader for ever.
#include <algorithm>
#include <set>

#include "core/base/mutation.h"
#include "core/controller/controller.h"
#include "core/controller/elections.h"
#include "core/wire/alter_partition_request.h"
#include "core/wire/alter_partition_response.h"

namespace harrow::controller {

namespace {

using Proposal = wire::AlterPartitionRequest::PartitionData;
using Answer = wire::AlterPartitionResponse::PartitionData;

struct Member {
  NodeId id;
  BrokerEpoch epoch;  // -1: the leader does not know it
};

std::vector<Member> members_of(const Proposal& proposal) {
  std::vector<Member> members;
  for (const auto& b : proposal.new_isr_with_epochs) members.push_back({NodeId(b.broker_id), BrokerEpoch(b.broker_epoch)});
  for (const std::int32_t id : proposal.new_isr) members.push_back({NodeId(id), BrokerEpoch(-1)});
  return members;
}

NodeIds ids_of(const std::vector<Member>& members) {
  NodeIds ids;
  for (const Member& m : members) ids.push_back(m.id);
  return ids;
}

bool same_members(NodeIds a, NodeIds b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

bool legal_isr(const PartitionImage& p, const NodeIds& isr) {
  const std::set<NodeId> distinct(isr.begin(), isr.end());
  if (distinct.size() != isr.size()) return false;
  if (!distinct.contains(p.leader)) return false;
  return std::all_of(isr.begin(), isr.end(), [&p](NodeId id) { return p.has_replica(id); });
}

bool eligible(const Image& image, const Member& member) {
  const BrokerImage* const broker = image.broker(member.id);
  if (mutated(Bug::C01)) return broker != nullptr;
  if (broker == nullptr || !broker->active()) return false;
  if (mutated(Bug::C02)) return true;
  return member.epoch == BrokerEpoch(-1) || member.epoch == broker->epoch;
}

/// none: go on and write; `repeated` tells that it is done already.
Code check(const Image& image, NodeId sender, const Proposal& proposal, const PartitionImage& p,
           const std::vector<Member>& members, bool& repeated) {
  const LeaderEpoch leader_epoch(proposal.leader_epoch);
  const PartitionEpoch partition_epoch(proposal.partition_epoch);
  // The sender knows more than we do: we are no longer the controller.
  if (leader_epoch > p.leader_epoch || partition_epoch > p.partition_epoch) return Code::not_controller;
  if (leader_epoch < p.leader_epoch) return Code::fenced_leader_epoch;
  if (sender != p.leader) return Code::invalid_request;
  const NodeIds isr = ids_of(members);
  const auto recovery = static_cast<LeaderRecovery>(proposal.leader_recovery_state);
  if (!mutated(Bug::C04) && same_members(isr, p.isr) && recovery == p.leader_recovery) {
    repeated = true;
    return Code::none;
  }
  if (partition_epoch < p.partition_epoch) return Code::invalid_update_version;
  if (!legal_isr(p, isr)) return Code::invalid_request;
  if (recovery == LeaderRecovery::recovering && (isr.size() > 1 || p.leader_recovery == LeaderRecovery::recovered)) {
    return Code::invalid_request;
  }
  for (const Member& m : members) {
    if (!eligible(image, m)) return Code::ineligible_replica;
  }
  return Code::none;
}

void fill(Answer& answer, const PartitionImage& p) {
  answer.leader_id = p.leader.value();
  answer.leader_epoch = p.leader_epoch.value();
  answer.isr = numbers_of(p.isr);
  answer.leader_recovery_state = static_cast<std::int8_t>(p.leader_recovery);
  answer.partition_epoch = p.partition_epoch.value();
}

}  // namespace

ControllerResult<wire::AlterPartitionResponse> Controller::alter_partition(const wire::AlterPartitionRequest& request) const {
  ControllerResult<wire::AlterPartitionResponse> result;
  const Image& image = state_.image;
  const NodeId sender(request.broker_id);
  const BrokerImage* const broker = image.broker(sender);
  if (broker == nullptr || broker->epoch != BrokerEpoch(request.broker_epoch)) {
    result.response.error_code = static_cast<std::int16_t>(Code::stale_broker_epoch);
    return result;
  }
  std::set<TopicIdPartition> seen;
  for (const auto& topic_data : request.topics) {
    auto& topic_answer = result.response.topics.emplace_back();
    topic_answer.topic_id = topic_data.topic_id;
    const TopicImage* const topic = image.topic(topic_data.topic_id);
    for (const Proposal& proposal : topic_data.partitions) {
      Answer& answer = topic_answer.partitions.emplace_back();
      answer.partition_index = proposal.partition_index;
      const auto refuse = [&answer](Code code) { answer.error_code = static_cast<std::int16_t>(code); };
      const TopicIdPartition id{topic_data.topic_id, proposal.partition_index};
      const PartitionImage* const p = image.partition(id);
      if (p == nullptr) {
        refuse(topic == nullptr ? Code::unknown_topic_id : Code::unknown_topic_or_partition);
        continue;
      }
      if (!seen.insert(id).second) {
        refuse(Code::invalid_request);
        continue;
      }
      const std::vector<Member> members = members_of(proposal);
      bool repeated = false;
      const Code code = check(image, sender, proposal, *p, members, repeated);
      if (code != Code::none) {
        refuse(code);
        continue;
      }
      if (repeated) {
        fill(answer, *p);
        continue;
      }
      PartitionTarget target = target_of(state_, *topic, proposal.partition_index);
      target.isr = ids_of(members);
      target.leader_recovery = static_cast<LeaderRecovery>(proposal.leader_recovery_state);
      auto change = change_to(std::move(target), Candidates{image});
      if (!change) {
        fill(answer, *p);
        continue;
      }
      // Completing a reassignment may take the leadership from the sender.
      if (change->after.leader != sender) refuse(Code::new_leader_elected);
      else fill(answer, change->after);
      write(id, std::move(*change), result.records, result.facts);
    }
  }
  return result;
}

}  // namespace harrow::controller
