// Room: replica. One replica of a partition on this node: its log, whether it leads or follows, who is in sync, the high
// watermark, and who waits for any of these.
// Owner: the node's broker (one Partition a replica). May touch: its Log, Timers (only to hand out awaitables), the trace.
// It decides synchronously and never waits: appends, role changes, follower positions and ISR answers are each one act.
// Invariants: log start <= high watermark <= log end; the high watermark never falls within a leader epoch; at most one
// ISR proposal is under way; everybody who waits is told when leadership goes.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/async/wait.h"
#include "core/base/trace.h"
#include "core/log/log.h"
#include "core/model/ids.h"
#include "core/replica/high_watermark.h"
#include "core/replica/isr.h"
#include "core/replica/truncation.h"

namespace harrow {

enum class ReplicaRole : std::uint8_t { none, leader, follower };

/// What the metadata says of a partition, as this replica needs it.
struct PartitionTerm {
  NodeId leader = no_node;
  LeaderEpoch leader_epoch = no_epoch;
  PartitionEpoch partition_epoch{-1};
  std::vector<NodeId> replicas;
  std::vector<NodeId> isr;
  bool recovering = false;  // after an unclean election, until the leader reports that it has recovered
};

/// Who may be in an ISR, by the newest metadata.
class Membership {
 public:
  virtual ~Membership() = default;
  /// Registered, unfenced and not in controlled shutdown.
  virtual bool eligible(NodeId broker) const = 0;
  virtual BrokerEpoch epoch_of(NodeId broker) const = 0;
  /// When this broker was last heard fetching anything here; long ago if never.
  virtual MonoNs last_fetch_of(NodeId broker) const = 0;
};

/// Told when a partition wants the controller to change its ISR.
class IsrRequests {
 public:
  virtual ~IsrRequests() = default;
  virtual void isr_proposed(const TopicIdPartition& id) = 0;
};

/// A fetch session's interest in a partition; linked into the partition's lists, unlinks itself.
class FetchWatch : public Hook {
 public:
  /// `wakes`: worth ending a wait for; otherwise it is told with the next answer.
  virtual void partition_changed(bool wakes) = 0;

 protected:
  ~FetchWatch() = default;
};

struct IsrProposal {
  std::vector<NodeId> isr;
  std::vector<BrokerEpoch> epochs;  // of each member, as fetched from (KIP-903)
  LeaderEpoch leader_epoch;
  PartitionEpoch partition_epoch;
  bool recovering;
  bool expands = false;
  bool sent = false;
};

class Partition {
 public:
  struct Wiring {
    NodeId self;
    Timers& timers;
    Tracer trace;
    const Membership& membership;
    IsrRequests& isr_requests;
  };
  Partition(Wiring wiring, TopicIdPartition id, TopicPartition name, std::unique_ptr<Log> log, Offset high_watermark);
  Partition(const Partition&) = delete;

  const TopicIdPartition& id() const { return id_; }
  const TopicPartition& name() const { return name_; }
  std::uint32_t subject() const { return subject_; }
  Log& log() { return *log_; }
  const Log& log() const { return *log_; }
  ReplicaRole role() const { return role_; }
  bool is_leader() const { return role_ == ReplicaRole::leader; }
  const PartitionTerm& term() const { return term_; }
  LeaderEpoch leader_epoch() const { return term_.leader_epoch; }
  NodeId leader() const { return term_.leader; }

  // Roles, from the metadata. Both are idempotent for a term already known.
  /// Error: io_error. `min_isr` is the topic's setting; the effective one is capped by the replica count.
  Result<bool> become_leader(const PartitionTerm& term, MonoNs now);
  /// Whether the fetcher must start anew (any new leader epoch).
  bool become_follower(const PartitionTerm& term);
  /// Same leader epoch, newer partition epoch: the controller's view of the ISR.
  void update_term(const PartitionTerm& term);
  void set_limits(std::int32_t min_isr, std::int64_t lag_max_ms) {
    min_isr_ = min_isr;
    lag_max_ms_ = lag_max_ms;
  }
  /// Everybody who waits gets `closed`; the object may go in a later turn.
  void close();

  // Leader side.
  /// One act: checks leadership, min ISR (acks all), sequences; assigns offsets; appends. The caller then waits for
  /// replicated() if acks is all.
  Result<Appended> append_as_leader(const Bytes& batches, Acks acks, AppendOrigin origin, WallMs wall, MonoNs now);
  /// reached: the high watermark passed. closed: leadership was lost first.
  Watermark::Wait replicated(Offset end, MonoNs deadline) { return high_watermark_.reach(end.value(), deadline); }
  /// NOT_ENOUGH_REPLICAS_AFTER_APPEND if the maximal ISR shrank below the minimum meanwhile.
  Code replication_verdict() const;
  /// `none` if a request with this leader epoch (no_epoch = unchecked) may be served.
  Code check_leader_epoch(LeaderEpoch requested) const;
  /// The leader's answer to a follower whose newest epoch is `last_fetched` at `fetch_offset`: nothing if they agree,
  /// the epoch's end if they diverge, offset_out_of_range if it cannot be told.
  Result<std::optional<EpochEnd>> divergence(LeaderEpoch last_fetched, Offset fetch_offset) const;
  EpochEnd end_of_epoch(LeaderEpoch epoch) const;
  /// A follower fetched from here. `none`, or why it is refused.
  Code follower_fetched(NodeId follower, BrokerEpoch epoch, Offset fetch_offset, Offset log_start, MonoNs now);
  bool has_replica(NodeId id) const;
  /// Proposes to drop members that lag; called every half lag time.
  void propose_shrink(MonoNs now);
  /// Looks again at followers outside the ISR: who was caught up but not eligible (or a proposal was under way) when it
  /// fetched last. Sessions do not repeat an idle partition, so its fetches alone would never tell.
  void propose_expansion(MonoNs now);
  const std::optional<IsrProposal>& proposal() const { return proposal_; }
  void mark_proposal_sent() { if (proposal_) proposal_->sent = true; }
  /// The controller's answers.
  void isr_accepted(const PartitionTerm& term, MonoNs now);
  void isr_refused(Code code);
  /// Re-evaluates the high watermark (a member's eligibility or time changed it).
  void update_high_watermark(MonoNs now);
  /// DeleteRecords: moves the log start (-1 = high watermark).
  Result<Offset> delete_records_before(Offset offset);
  Watermark::Wait low_watermark_reached(Offset offset, MonoNs deadline) { return low_watermark_.reach(offset.value(), deadline); }
  Offset low_watermark() const { return Offset(low_watermark_.value()); }

  // Follower side.
  /// Appends what the leader sent; batches of a newer epoch than `leader_epoch` are cut off.
  Result<bool> append_as_follower(const Bytes& batches, LeaderEpoch leader_epoch);
  /// The leader's high watermark and log start, clamped to this log.
  void learn_from_leader(Offset high_watermark, Offset log_start);
  Result<Offset> truncate_to(Offset offset);
  Result<bool> restart_at(Offset offset);

  // Everybody.
  Offset high_watermark() const { return Offset(high_watermark_.value()); }
  Offset log_start() const { return log_->start_offset(); }
  Offset log_end() const { return log_->end_offset(); }
  Offset epoch_start() const { return epoch_start_; }
  const std::vector<NodeId>& isr() const { return term_.isr; }
  std::vector<NodeId> maximal_isr() const;
  std::int32_t effective_min_isr() const;
  std::int32_t min_isr() const { return min_isr_; }
  std::int64_t lag_max_ms() const { return lag_max_ms_; }
  const std::vector<FollowerState>& followers() const { return followers_; }
  bool under_replicated() const { return is_leader() && term_.isr.size() < term_.replicas.size(); }
  void watch(FetchWatch& watch, bool as_replica) { (as_replica ? replica_watches_ : consumer_watches_).link_back(watch); }

 private:
  FollowerState* follower(NodeId id);
  void propose(std::vector<NodeId> isr, bool expands);
  void maybe_expand(FollowerState& follower, MonoNs now);
  void tell_watches(List<FetchWatch>& watches, bool wakes = true);
  void move_high_watermark(Offset to);
  void update_low_watermark();
  void emit_isr(TraceKind kind, const std::vector<NodeId>& isr);

  Wiring wiring_;
  TopicIdPartition id_;
  TopicPartition name_;
  std::uint32_t subject_;
  std::unique_ptr<Log> log_;
  ReplicaRole role_ = ReplicaRole::none;
  PartitionTerm term_;
  Offset epoch_start_ = no_offset;
  std::int32_t min_isr_ = 1;
  std::int64_t lag_max_ms_ = 30'000;
  std::vector<FollowerState> followers_;
  std::optional<IsrProposal> proposal_;
  Watermark high_watermark_;
  Watermark low_watermark_;
  List<FetchWatch> replica_watches_;
  List<FetchWatch> consumer_watches_;
};

}  // namespace harrow
