// Administrative events under load: move-leader, delete-topic, create-topic, add-partitions, alter-config, delete-records.
// They end when they are answered.
#include "sim/faults/injector.h"

namespace harrow::sim {

bool Injector::act_on_metadata(const Fault& fault, Active& active) {
  const std::int64_t id = active.record;
  const auto done = [this, id] { finish(id); };
  switch (fault.kind) {
    case FaultKind::move_leader: {
      const controller::PartitionImage* const partition = cluster_.partition(fault.topic, fault.partition);
      if (partition == nullptr) return false;
      NodeId to = no_node;
      if (fault.new_leader) {
        const Targets named = resolve(*fault.new_leader);
        if (!named.empty()) to = named[0].node;
      } else {
        std::vector<NodeId> others;
        for (const NodeId member : partition->isr)
          if (member != partition->leader) others.push_back(member);
        if (!others.empty()) to = others[draws_.below(others.size())];
      }
      if (to == no_node) return false;
      operator_.move_leader(fault.topic, fault.partition, to, done);
      return true;
    }
    case FaultKind::delete_topic: operator_.delete_topic(fault.topic, done); return true;
    case FaultKind::create_topic: {
      TopicPlan plan;
      plan.name = fault.topic;
      plan.partitions = fault.partitions;
      plan.replication = fault.replication;
      operator_.create_topic(std::move(plan), done);
      return true;
    }
    case FaultKind::add_partitions: operator_.add_partitions(fault.topic, fault.partitions, done); return true;
    case FaultKind::alter_config: {
      ConfigChange change;
      change.name = fault.config_key;
      change.operation = fault.config_value.empty() ? ConfigOperation::remove : ConfigOperation::set;
      change.value = fault.config_value;
      operator_.alter_config(fault.config_of_broker ? ConfigResource::broker : ConfigResource::topic, fault.config_of_broker.value_or(fault.topic), std::move(change), done);
      return true;
    }
    case FaultKind::delete_records:
      operator_.delete_records(TopicPartition{fault.topic, std::max(fault.partition, 0)}, Offset(fault.before_offset), done);
      return true;
    default: return false;
  }
}

}  // namespace harrow::sim
