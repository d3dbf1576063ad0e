// What the oracle learns of commitment: leaders, high watermarks, the metadata image, and what clients were told.
#include "sim/check/oracle.h"

#include <algorithm>
#include <charconv>

#include "sim/check/setup.h"

namespace harrow::sim {
namespace {
constexpr std::size_t image_hashes_kept = 200'000;
}  // namespace

/// An election outside of ISR and ELR that the settings, or KIP-966's balanced recovery, allow.
void Oracle::excuse_unclean(PartitionTruth& partition, const ReplicaTruth& winner) {
  const PartitionRecord& record = partition.record;
  const bool allowed = record.unclean_allowed || (record.last_known_elr.size() == 1 && record.last_known_elr[0] == winner.id);
  if (!allowed || partition.holds(winner, partition.committed_tip)) return;
  lower_committed(partition, std::min(partition.common_end(winner, partition.committed_tip), partition.committed_end), ExcuseReason::unclean, winner.id);
}

void Oracle::lower_committed(PartitionTruth& partition, std::int64_t to, ExcuseReason reason, NodeId node) {
  excuse(partition, to, reason, node);
  RowId tip = partition.committed_tip;
  while (partition.row(tip) != nullptr && partition.row(tip)->end() > to) tip = partition.row(tip)->previous;
  partition.committed_tip = tip;
}

/// A voter lost its disk by a fault: what too few of the others have may be elected away, whatever they do.
void Oracle::lower_quorum(PartitionTruth& partition, NodeId node) {
  std::vector<std::int64_t> ends;
  for (const NodeId voter : setup_.voters) {
    const ReplicaTruth* const replica = partition.replica_of(voter);
    ends.push_back(replica == nullptr ? 0 : std::min(partition.common_end(*replica, partition.committed_tip), partition.committed_end));
  }
  std::sort(ends.begin(), ends.end());
  const std::int64_t left = ends[(ends.size() - 1) / 2];  // a majority has this much
  if (left >= partition.committed_end) return;
  lower_committed(partition, left, ExcuseReason::wiped, node);
  image_hashes_.erase(image_hashes_.lower_bound(left), image_hashes_.end());
  newest_image_ = std::min(newest_image_, left - 1);
}

void Oracle::on_became_leader(const TraceEvent& event) {
  election_ = {};
  PartitionTruth* const partition = truth(event.subject);
  if (partition == nullptr) return;
  ReplicaTruth& replica = this->replica(*partition, event.node);
  const auto epoch = static_cast<std::int32_t>(event.a);
  replica.role = TruthRole::leader;
  replica.leader_epoch = epoch;
  replica.has_isr = partition->record.known && partition->record.leader_epoch == epoch;
  if (replica.has_isr) {
    replica.isr = replica.maximal_isr = partition->record.isr;
    replica.min_isr = partition->record.min_isr;
  }
  election_.partition = partition;
  election_.replica = &replica;
  const auto pending = elections_.find({event.subject, epoch});
  const PartitionRecord& record = partition->record;
  election_.unclean = (pending != elections_.end() && pending->second.unclean) || (record.known && record.leader_epoch == epoch && record.recovering);
  if (election_.unclean) excuse_unclean(*partition, replica);
  if (epoch > partition->newest_epoch) {
    partition->newest_epoch = epoch;
    partition->newest_leader = event.node;
    partition->newest_epoch_start = replica.end;
  }
  if (pending != elections_.end()) elections_.erase(pending);
}

void Oracle::on_high_watermark(const TraceEvent& event) {
  moved_ = {};
  PartitionTruth* const partition = truth(event.subject);
  if (partition == nullptr) return;
  ReplicaTruth& replica = this->replica(*partition, event.node);
  moved_.partition = partition;
  moved_.replica = &replica;
  moved_.before = replica.high_watermark;
  moved_.epoch_before = replica.leader_epoch;
  replica.high_watermark = event.a;
  if (replica.role != TruthRole::leader || event.a <= replica.start) return;
  const RowId tip = partition->find(replica, event.a - 1);
  if (tip == no_row) return;
  const auto lacks = [&](NodeId id) {
    const ReplicaTruth* const member = partition->replica_of(id);
    return member == nullptr || (!member->lossy && !partition->holds(*member, tip));
  };
  if (replica.has_isr)
    for (const NodeId id : replica.maximal_isr)
      if (id != replica.id && lacks(id)) moved_.missing = id;
  if (moved_.missing != no_node || event.a <= partition->committed_end) return;
  if (partition->row(partition->committed_tip) != nullptr && !partition->holds(replica, partition->committed_tip)) return;
  partition->committed_end = event.a;
  partition->committed_tip = tip;
  replica.caught_up_start = node_at(replica.machine).starts;
  for (ReplicaTruth& other : partition->replicas)
    if (other.end >= event.a) note_caught_up(*partition, other);
}

void Oracle::on_quorum_high_watermark(const TraceEvent& event) {
  PartitionTruth* const partition = truth(event.subject);
  if (partition == nullptr) return;
  constexpr std::int32_t leader_role = 4;
  if (node_at(event.node).quorum_role != leader_role || event.a <= partition->committed_end) return;
  ReplicaTruth& replica = this->replica(*partition, event.node);
  const RowId tip = partition->find(replica, event.a - 1);
  if (tip == no_row) return;
  partition->committed_end = event.a;
  partition->committed_tip = tip;
}

void Oracle::on_image(const TraceEvent& event, const ImageNote& note) {
  changes_.clear();
  registered_now_.clear();
  image_is_new_ = event.a > newest_image_;
  image_hashes_.try_emplace(event.a, static_cast<std::uint64_t>(event.b));
  if (image_hashes_.size() > image_hashes_kept) image_hashes_.erase(image_hashes_.begin());
  if (!image_is_new_) return;
  newest_image_ = event.a;
  const auto hash = static_cast<std::uint64_t>(event.b);
  if (hash == newest_image_hash_ || note.image == nullptr) return;
  newest_image_hash_ = hash;
  const auto& image = *static_cast<const controller::Image*>(note.image);
  for (const auto& [id, broker] : image.brokers()) {
    const std::int32_t machine = machine_of(id);
    if (machine < 0) continue;
    NodeTruth& node = node_at(static_cast<std::uint16_t>(machine));
    if (broker.epoch.value() > node.broker_epoch) {
      node.broker_epoch = broker.epoch.value();
      node.registered = node.up;
      registered_now_.push_back(id);
    }
  }
  for (auto& [name, partition] : partitions_) {
    if (partition->deleted || partition->metadata || !partition->record.known || image.topic(partition->topic_id) != nullptr) continue;
    excuse(*partition, 0, ExcuseReason::deleted, no_node);
    partition->deleted = true;
    note_deletion(*partition);
  }
  const std::int64_t default_min_isr = setup_.number("min.insync.replicas", 1);
  const auto policy = setup_.config.find("log.cleanup.policy");
  const std::string default_policy = policy == setup_.config.end() ? std::string("delete") : policy->second;
  const bool default_unclean = setup_.flag("unclean.leader.election.enable", false);
  for (const auto& [topic_id, topic] : image.topics()) {
    const std::string* const min_isr_text = image.topic_config(topic.name, "min.insync.replicas");
    const std::string* const unclean_text = image.topic_config(topic.name, "unclean.leader.election.enable");
    const std::string* const policy_text = image.topic_config(topic.name, "cleanup.policy");
    const bool compacts = (policy_text != nullptr ? *policy_text : default_policy).find("compact") != std::string::npos;
    for (std::size_t index = 0; index < topic.partitions.size(); ++index) {
      const controller::PartitionImage& now = topic.partitions[index];
      PartitionTruth& partition = truth(topic.name, static_cast<std::int32_t>(index));
      if (partition.topic_id != topic_id) {
        if (!partition.topic_id.is_zero()) forget(partition, topic_id);
        partition.topic_id = topic_id;
      }
      partition.compacts = partition.compacts || compacts;
      if (partition.record.known && partition.record.partition_epoch == now.partition_epoch.value() &&
          partition.record.leader_epoch == now.leader_epoch.value())
        continue;
      changes_.push_back({&partition, partition.record});
      PartitionRecord& record = partition.record;
      // The last known ELR of the record before says whom a balanced recovery may elect.
      const std::vector<NodeId> last_known_before = record.last_known_elr;
      record.known = true;
      record.replicas = now.replicas;
      record.isr = now.isr;
      record.elr = now.elr;
      record.last_known_elr = now.last_known_elr.empty() && now.leader_recovery == controller::LeaderRecovery::recovering ? last_known_before : now.last_known_elr;
      record.leader = now.leader;
      record.leader_epoch = now.leader_epoch.value();
      record.partition_epoch = now.partition_epoch.value();
      record.recovering = now.leader_recovery == controller::LeaderRecovery::recovering;
      record.reassigning = now.reassigning();
      std::int64_t min_isr = default_min_isr;
      if (min_isr_text != nullptr) std::from_chars(min_isr_text->data(), min_isr_text->data() + min_isr_text->size(), min_isr);
      record.min_isr = static_cast<std::int32_t>(std::min<std::int64_t>(min_isr, static_cast<std::int64_t>(now.replicas.size())));
      record.unclean_allowed = unclean_text != nullptr ? *unclean_text == "true" : default_unclean;
      if (record.recovering && record.leader != no_node && record.leader_epoch > changes_.back().before.leader_epoch)
        if (const ReplicaTruth* const winner = partition.replica_of(record.leader)) excuse_unclean(partition, *winner);
    }
  }
}

void Oracle::on_acked(const TraceEvent& event, const SendNote& note) {
  ++acked_;
  PartitionTruth* const partition = truth(event.subject);
  if (partition == nullptr || note.offset.value() < 0 || note.acks == 0) return;
  auto number = producer_numbers_.find(note.producer);
  if (number == producer_numbers_.end()) {
    number = producer_numbers_.emplace(std::string(note.producer), static_cast<std::uint16_t>(producers_.size())).first;
    producers_.emplace_back(note.producer);
  }
  const AckSlot slot{note.value_hash, static_cast<std::uint32_t>(event.time_ns / 1'000'000), number->second,
                     static_cast<std::uint8_t>(note.acks == -1 ? 2 : 1)};
  if (partition->deleted) {
    partition->unpromised.push_back({note.offset.value(), slot, partition->excuses.size() - 1});
    return;
  }
  // An answer that was on its way while its record went: not promised either.
  constexpr std::int64_t on_its_way_ns = 5'000'000'000;
  for (std::size_t i = partition->excuses.size(); i-- > 0;) {
    const Excuse& one = partition->excuses[i];
    if (event.time_ns - one.at_ns > on_its_way_ns) break;
    if (note.offset.value() >= one.from && note.offset.value() < one.to + 1) {
      partition->unpromised.push_back({note.offset.value(), slot, i});
      return;
    }
  }
  AckSlot* const place = partition->acked.make(note.offset.value());
  if (place == nullptr) return;
  if (place->acks == 0 || place->hash == slot.hash) {
    *place = slot;
  } else if (place->acks == 1) {
    // acks=1 promised nothing: another leader gave the offset to somebody else.
    partition->unpromised.push_back({note.offset.value(), *place, UnpromisedAck::no_excuse});
    *place = slot;
  } else if (slot.acks == 1) {
    partition->unpromised.push_back({note.offset.value(), slot, UnpromisedAck::no_excuse});
  }
}

void Oracle::on_consumed(const TraceEvent& event) {
  PartitionTruth* const partition = truth(event.subject);
  if (partition == nullptr) return;
  if (std::uint64_t* const place = partition->consumed.make(event.a); place != nullptr && *place == 0) *place = static_cast<std::uint64_t>(event.b);
}

}  // namespace harrow::sim
