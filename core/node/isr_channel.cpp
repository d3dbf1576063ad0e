// ISR changes: proposals of this broker's leaders go to the controller in batches over a connection of their own, one
// request at a time (AlterPartition, facts section 7).
#include "core/node/broker.h"
#include "core/wire/alter_partition_request.h"
#include "core/wire/alter_partition_response.h"

namespace harrow {
namespace {
constexpr std::int64_t retry_ms = 50;

std::vector<NodeId> ids_of(const std::vector<std::int32_t>& numbers) {
  std::vector<NodeId> ids;
  for (const std::int32_t number : numbers) ids.push_back(NodeId(number));
  return ids;
}
}  // namespace

void Broker::isr_proposed(const TopicIdPartition& id) {
  isr_wanted_.insert(id);
  isr_signal_.wake();
}

Root Broker::change_isrs(Scope&, Label) {
  for (;;) {
    if (isr_wanted_.empty()) {
      co_await isr_signal_.next();
      continue;
    }
    wire::AlterPartitionRequest request;
    request.broker_id = config_.id.value();
    request.broker_epoch = epoch_.value();
    std::vector<TopicIdPartition> sent;
    for (const TopicIdPartition& id : isr_wanted_) {
      Partition* const partition = find(id);
      if (partition == nullptr || !partition->is_leader() || !partition->proposal()) continue;
      const IsrProposal& proposal = *partition->proposal();
      if (request.topics.empty() || request.topics.back().topic_id != id.topic_id) request.topics.emplace_back().topic_id = id.topic_id;
      auto& data = request.topics.back().partitions.emplace_back();
      data.partition_index = id.partition;
      data.leader_epoch = proposal.leader_epoch.value();
      data.partition_epoch = proposal.partition_epoch.value();
      data.leader_recovery_state = proposal.recovering ? 1 : 0;
      for (std::size_t i = 0; i < proposal.isr.size(); ++i) {
        auto& member = data.new_isr_with_epochs.emplace_back();
        member.broker_id = proposal.isr[i].value();
        member.broker_epoch = proposal.epochs[i].value();
      }
      partition->mark_proposal_sent();
      sent.push_back(id);
    }
    isr_wanted_.clear();
    if (sent.empty()) continue;
    Result<wire::AlterPartitionResponse> response = error(Code::not_controller);
    if (epoch_ >= BrokerEpoch(0) && point_at_controller(isr_channel_)) {
      Task<Result<wire::AlterPartitionResponse>> call = isr_channel_.call<wire::AlterPartitionResponse>(
          wire::ApiKey::alter_partition, wire::AlterPartitionRequest::max_version, std::move(request));
      response = co_await call;
    }
    const MonoNs now = host_.clock.mono();
    const auto code = response ? static_cast<Code>(response->error_code) : response.error().code;
    if (code != Code::none) {
      for (const TopicIdPartition& id : sent) {
        Partition* const partition = find(id);
        if (partition != nullptr && partition->is_leader() && partition->proposal()) isr_wanted_.insert(id);
      }
      co_await Sleep(host_.timers, after_ms(now, retry_ms), "ISR change retry");
      continue;
    }
    bool again = false;
    for (const auto& topic : response->topics)
      for (const auto& data : topic.partitions) {
        const TopicIdPartition id{topic.topic_id, data.partition_index};
        Partition* const partition = find(id);
        if (partition == nullptr || !partition->is_leader()) continue;
        const auto answer = static_cast<Code>(data.error_code);
        if (answer == Code::none) {
          PartitionTerm term = partition->term();
          term.isr = ids_of(data.isr);
          term.leader_epoch = LeaderEpoch(data.leader_epoch);
          term.partition_epoch = PartitionEpoch(data.partition_epoch);
          term.recovering = data.leader_recovery_state != 0;
          partition->isr_accepted(term, now);
        } else {
          partition->isr_refused(answer);
          if (partition->proposal() && !partition->proposal()->sent) {
            isr_wanted_.insert(id);
            again = true;
          }
        }
      }
    if (again) co_await Sleep(host_.timers, after_ms(now, retry_ms), "ISR change retry");
  }
}

Root Broker::shrink_isrs(Scope&, Label) {
  const std::int64_t period_ms = settings_.number(ConfigKey::replica_lag_time_max_ms) / 2;
  for (;;) {
    co_await Sleep(host_.timers, after_ms(host_.clock.mono(), period_ms), "ISR shrink check");
    for (auto& [id, partition] : partitions_) {
      partition->propose_shrink(host_.clock.mono());
      partition->propose_expansion(host_.clock.mono());
    }
  }
}

}  // namespace harrow
