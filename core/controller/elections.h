// How a partition changes: given what the caller wants (another ISR, other replicas, an election), the one place that
// chooses the leader, keeps the eligible leader replicas (KIP-966) and completes reassignments. Pure.
//
// Leader choice, in order: keep a valid one; the first replica in assignment order that is in the ISR, or, when the ISR
// is empty, in the ELR; the last known leader when ISR and ELR are empty and exactly one is known and alive (unclean);
// with an unclean election allowed, the first live replica (unclean); else nobody.
#pragma once

#include <optional>

#include "core/controller/state.h"

namespace harrow::controller {

/// Who may lead while a decision is being made: brokers change state in the same batch, so the image alone is too old.
struct Candidates {
  const Image& image;
  NodeId leaving = no_node;   // being fenced, stopped or restarted: never
  NodeId arriving = no_node;  // being unfenced: counts as active already
  bool may_lead(NodeId id) const { return id != leaving && (id == arriving || image.active(id)); }
};

enum class Election : std::uint8_t { online, preferred, unclean };

/// What a partition shall become. Made from what it is; the caller changes what it wants changed.
struct PartitionTarget {
  PartitionTarget(const TopicIdPartition& of, const PartitionImage& now, std::int32_t topic_min_isr);

  TopicIdPartition id;
  const PartitionImage& now;
  NodeIds isr;
  NodeIds replicas;
  NodeIds adding;
  NodeIds removing;
  LeaderRecovery leader_recovery;
  Election election = Election::online;
  NodeId unclean_restart = no_node;  // came back without its clean-shutdown mark: out of ISR and ELR
  std::int32_t min_isr;              // of the topic, before the replica count limits it
  bool elr_enabled = false;
};

struct PartitionChange {
  wire::PartitionChangeRecord record;
  PartitionImage after;
  bool leader_changed = false;
  bool unclean = false;
  bool from_elr = false;
};

/// The change that brings the partition to its target, or nothing when it is there already.
std::optional<PartitionChange> change_to(PartitionTarget target, const Candidates& candidates);

/// Appends the record and, when the leader changed, the fact.
void write(const TopicIdPartition& id, PartitionChange change, std::vector<wire::MetadataRecord>& records, std::vector<Fact>& facts);

/// A target for this partition with the topic's settings: ELR, min ISR, and an unclean election where it is allowed.
PartitionTarget target_of(const State& state, const TopicImage& topic, std::int32_t index);

/// Takes a broker out of every ISR and leadership (it is being fenced, stops, or came back uncleanly).
void remove_from_partitions(const State& state, NodeId broker, bool unclean_restart, std::vector<wire::MetadataRecord>& records,
                            std::vector<Fact>& facts);
/// Partitions without a leader are tried again because `broker` is becoming active.
void elect_with(const State& state, NodeId broker, std::vector<wire::MetadataRecord>& records, std::vector<Fact>& facts);

/// min(min.insync.replicas, replicas): a topic with fewer replicas than that is not for ever below it.
std::int32_t effective_min_isr(std::int32_t min_isr, std::size_t replicas);

bool contains(const NodeIds& ids, NodeId id);
NodeIds without(const NodeIds& ids, NodeId id);

}  // namespace harrow::controller
