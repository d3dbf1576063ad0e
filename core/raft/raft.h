// Raft as Kafka's metadata quorum plays it: pre-vote, binding votes, pull-based replication, snapshots (facts section 8).
//
// Purpose    decide. Messages, time and what the disk has done come in; a Ready goes out. No wait, no clock, no disk:
//            the whole of the protocol's state is in this object and can be printed, compared and replayed.
// Owner      one replica of `__cluster_metadata`: the shell in core/node/quorum drives it and keeps the log itself.
// May touch  core/base, core/model. Records are opaque; the core knows the log as end, flushed end, start, snapshots
//            and the offsets where epochs start.
// Invariants one vote an epoch, written before it is told; a leader never truncates or overwrites; nothing below the
//            high watermark is ever truncated; an end counts for the high watermark only once it is flushed; the high
//            watermark is exposed only when a record of the leader's own epoch is below it (Raft figure 8).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/base/result.h"
#include "core/raft/epoch_cache.h"
#include "core/raft/messages.h"
#include "core/raft/voters.h"

namespace harrow::raft {

/// Kafka's `controller.quorum.*` with its defaults.
struct Timeouts {
  std::int64_t election_ms = 1000;          // drawn from [election, 2 * election)
  std::int64_t election_backoff_max_ms = 1000;
  std::int64_t fetch_ms = 2000;
  std::int64_t request_ms = 2000;
  std::int64_t retry_backoff_ms = 20;
  std::int32_t fetch_max_wait_ms = 500;
  std::int32_t fetch_max_bytes = 8 * 1024 * 1024;
};

struct Config {
  ReplicaKey self;
  VoterSet voters;  // a self outside of it makes an observer
  Timeouts timeouts;
};

/// What `quorum-state` holds. A vote in an epoch stays in it for as long as the epoch does.
struct HardState {
  NodeId leader = no_node;
  LeaderEpoch epoch{0};
  ReplicaKey voted;
  friend bool operator==(const HardState&, const HardState&) = default;
};

/// What the shell found in the log's folder at the start. Whatever was there then counts as flushed: the shell syncs
/// the log once before it builds the core.
struct LogState {
  Offset end{0};
  EpochCache epochs;                              // its base says where the log starts
  std::optional<OffsetAndEpoch> oldest_snapshot;  // both unset or both set
  std::optional<OffsetAndEpoch> newest_snapshot;
};

enum class Role : std::uint8_t { unattached, follower, prospective, candidate, leader, resigned };
std::string_view name_of(Role role);

/// Things that happened and are worth a trace event; the shell emits them in order.
enum class FactKind : std::uint8_t {
  role,                 // a = role, b = epoch
  vote_granted,         // a = epoch, b = candidate
  pre_vote_refused,     // a = epoch, b = candidate
  high_watermark,       // a = offset, b = epoch
  resigned,             // a = epoch: check quorum failed
  truncated,            // a = new end, b = old end
  truncation_refused,   // a = where the leader wanted it, b = high watermark
};
struct Fact {
  FactKind kind;
  std::int64_t a = 0;
  std::int64_t b = 0;
};

struct SnapshotChunk {
  OffsetAndEpoch id;
  std::int64_t position = 0;
  bool last = false;
  Bytes bytes;
};

struct RoleChange {
  Role role;
  LeaderEpoch epoch;
  NodeId leader = no_node;
  Offset epoch_start = no_offset;  // of a leader: where its first record, the leader change, goes
};

/// What the shell must do, in the order of the fields. A Ready is done completely before the next one is taken; the
/// core may be stepped meanwhile.
struct Ready {
  /// First, and on disk with its directory entry before anything below leaves this node: a vote or an epoch that was
  /// told but not kept elects two leaders.
  std::optional<HardState> hard_state;
  /// Cut the log to this end before anything is appended. Never below the high watermark.
  std::optional<Offset> truncate_to;
  /// Append in order; offsets are final. The sync may follow later and is reported with flushed().
  std::vector<Entry> append;
  /// Who granted the vote, for the leader change record among `append`.
  std::vector<ReplicaKey> granting_voters;
  /// Write these pieces of a snapshot; after the last one sync, rename, replace the log, call snapshot_loaded(). Until
  /// that (or snapshot_refused()) the core neither fetches nor stands for election.
  std::vector<SnapshotChunk> snapshot_chunks;
  /// Send; answers to Fetch and FetchSnapshot are read from the log now, after the appends above. What a follower
  /// tells with its next Fetch is held back by the core itself until it is flushed.
  std::vector<Envelope> messages;
  /// In the order in which they happened; several are possible in one turn.
  std::vector<RoleChange> roles;
  /// Everything below is committed and may be applied.
  std::optional<Offset> high_watermark;
  std::vector<Fact> facts;
  /// log_version() when this Ready was taken: what the log is once it has been done.
  std::uint64_t log_version = 0;

  bool empty() const {
    return !hard_state && !truncate_to && append.empty() && snapshot_chunks.empty() && messages.empty() && roles.empty() &&
           !high_watermark && facts.empty();
  }
};

/// What a leader knows of one replica, voters first: DescribeQuorum's rows.
struct ReplicaProgress {
  ReplicaKey key;
  bool is_voter = false;
  Offset end = no_offset;  // flushed at the replica; no_offset until its first valid fetch in this epoch
  MonoNs last_fetch;
  MonoNs last_caught_up;
  bool fetched_in_period = false;    // since the check-quorum timer was set
  bool fetched_in_interval = false;  // since the BeginQuorumEpoch timer was set
};

class Raft {
 public:
  Raft(Config config, const HardState& hard_state, const LogState& log, Random random, MonoNs now);

  // Inputs. Each may make a Ready; has_ready() says so.
  /// A request (its answer goes out with a Ready, at once or later) or an answer; answers nobody waits for are ignored.
  void step(const Envelope& envelope, MonoNs now);
  /// To be called when next_deadline() is reached; early or late calls do no harm.
  void tick(MonoNs now);
  /// The leader of `epoch` appends one batch of `count` records; gives the first one's offset.
  Result<Offset> append(LeaderEpoch epoch, std::int64_t count, Bytes bytes, MonoNs now);
  /// The log is on disk up to `end`. `log_version` is log_version() as it was when the sync began: a sync from before
  /// a truncation says nothing about what was appended after it.
  void flushed(Offset end, std::uint64_t log_version, MonoNs now);
  /// A request could not be delivered or its connection broke.
  void request_failed(NodeId to, std::uint64_t request, MonoNs now);
  /// This node's own snapshot is complete on disk.
  void snapshot_written(OffsetAndEpoch id);
  /// The snapshot fetched from the leader is in place and the log is empty from there.
  void snapshot_loaded(OffsetAndEpoch id, MonoNs now);
  /// It could not be stored; fetching starts over.
  void snapshot_refused(MonoNs now);
  /// Retention has cut the log; `oldest` is the oldest snapshot left, at or above the log's new start.
  void log_start_moved(OffsetAndEpoch new_base, std::optional<OffsetAndEpoch> oldest);
  /// Clean stop: a leader hands over (EndQuorumEpoch with successors by end offset), others do nothing.
  void resign(MonoNs now);
  /// The leader of `epoch` gives up although it goes on running.
  void renounce(LeaderEpoch epoch, MonoNs now);

  bool has_ready() const;
  Ready take_ready();
  MonoNs next_deadline() const { return deadline_; }

  // Views.
  Role role() const { return role_; }
  bool is_voter() const { return config_.voters.contains(config_.self); }
  bool is_leader() const { return role_ == Role::leader; }
  NodeId leader() const { return hard_.leader; }
  LeaderEpoch epoch() const { return hard_.epoch; }
  const HardState& hard_state() const { return hard_; }
  Offset end() const { return end_; }
  Offset flushed_end() const { return flushed_; }
  Offset log_start() const { return epochs_.base().offset; }
  Offset high_watermark() const { return high_watermark_; }
  Offset epoch_start() const { return epoch_start_; }
  LeaderEpoch last_epoch() const { return epochs_.last_epoch(); }
  std::uint64_t log_version() const { return log_version_; }
  /// A resigned leader has told everybody.
  bool has_handed_over() const { return role_ != Role::leader && (role_ != Role::resigned || waiting_for_.empty()); }
  const std::vector<ReplicaProgress>& replicas() const { return replicas_; }
  const Config& config() const { return config_; }
  /// All of the state as text, for tests and for comparing two cores.
  std::string print() const;
  std::uint64_t hash() const;

 private:
  /// At most one request is under way to each peer; afterwards it rests for the retry backoff if it failed.
  struct Peer {
    NodeId id;
    std::uint64_t request = 0;  // 0 = none under way
    MonoNs deadline = never;
    MonoNs rest_until{0};
  };
  struct WaitingFetch {
    Envelope request;
    MonoNs deadline;
  };

  // raft.cpp
  void poll(MonoNs now);
  void wake_at(MonoNs at);
  void send(NodeId to, Message message, MonoNs now);
  void answer(const Envelope& request, Message message);
  bool can_send(NodeId to, MonoNs now);
  Peer& peer(NodeId id);
  void reset_peers();
  void settle_timeouts(MonoNs now);
  void note(FactKind kind, std::int64_t a, std::int64_t b = 0);
  std::int64_t draw_election_ns();
  void enter(Role role);
  bool learn(LeaderEpoch epoch, NodeId leader, MonoNs now);

  // election.cpp
  void become_unattached(LeaderEpoch epoch, MonoNs now);
  void become_follower(LeaderEpoch epoch, NodeId leader, MonoNs now);
  void become_prospective(MonoNs now);
  void become_candidate(MonoNs now);
  void become_leader(MonoNs now);
  void become_resigned(std::vector<ReplicaKey> preferred, MonoNs now);
  std::vector<ReplicaKey> successors() const;
  void leave_prospective(MonoNs now);
  bool may_grant(const VoteRequest& request) const;
  void count_vote(NodeId voter, bool granted, MonoNs now);
  void count_election(MonoNs now);
  void on(const Envelope& envelope, const VoteRequest& request, MonoNs now);
  void on(const Envelope& envelope, const VoteResponse& response, MonoNs now);
  void on(const Envelope& envelope, const BeginQuorumEpochRequest& request, MonoNs now);
  void on(const Envelope& envelope, const BeginQuorumEpochResponse& response, MonoNs now);
  void on(const Envelope& envelope, const EndQuorumEpochRequest& request, MonoNs now);
  void on(const Envelope& envelope, const EndQuorumEpochResponse& response, MonoNs now);
  void poll_election(MonoNs now);

  // replication.cpp
  void on(const Envelope& envelope, const FetchRequest& request, MonoNs now);
  void on(const Envelope& envelope, const FetchResponse& response, MonoNs now);
  void on(const Envelope& envelope, const FetchSnapshotRequest& request, MonoNs now);
  void on(const Envelope& envelope, const FetchSnapshotResponse& response, MonoNs now);
  Code leader_only(LeaderEpoch epoch) const;
  FetchResponse fetch_answer(const FetchRequest& request) const;
  void answer_waiting_fetches();
  void refuse_waiting_fetches();
  ReplicaProgress& progress_of(const ReplicaKey& replica, MonoNs now);
  void count_contact(const ReplicaKey& replica, MonoNs now);
  Offset own_counted_end() const;
  void advance_leader_high_watermark();
  void move_high_watermark(Offset to);
  bool truncate_diverging(const OffsetAndEpoch& diverging);
  void append_entries(const std::vector<Entry>& entries);
  void poll_follower(MonoNs now);
  void poll_leader(MonoNs now);
  bool may_fetch() const;
  void send_fetch(NodeId to, MonoNs now);
  void fetch_from_anyone(MonoNs now);
  void rest(NodeId peer_id, MonoNs now);

  Config config_;
  Random random_;
  Role role_ = Role::unattached;
  HardState hard_;
  HardState handed_out_;  // hard state of the newest Ready
  bool stopping_ = false;

  // The log as far as the rules need it.
  EpochCache epochs_;
  Offset end_{0};
  Offset flushed_{0};
  Offset high_watermark_{0};
  std::uint64_t log_version_ = 0;
  std::optional<OffsetAndEpoch> oldest_snapshot_;
  std::optional<OffsetAndEpoch> newest_snapshot_;

  // Timers; each is meaningful in the roles named.
  MonoNs election_deadline_ = never;  // unattached, prospective, candidate, resigned
  MonoNs fetch_deadline_ = never;     // follower
  MonoNs check_quorum_deadline_ = never;  // leader
  MonoNs begin_epoch_deadline_ = never;   // leader
  MonoNs deadline_{0};

  // Follower.
  bool has_fetched_ = false;
  std::optional<OffsetAndEpoch> fetching_snapshot_;
  std::int64_t snapshot_position_ = 0;
  bool snapshot_complete_ = false;  // all pieces handed out, the shell is at work

  // Prospective and candidate: who answered. Resigned: who has not been told.
  std::vector<NodeId> granted_;
  std::vector<NodeId> rejected_;
  std::vector<NodeId> waiting_for_;
  std::vector<ReplicaKey> preferred_;

  // Leader.
  Offset epoch_start_ = no_offset;
  std::vector<ReplicaProgress> replicas_;
  std::vector<WaitingFetch> waiting_fetches_;

  std::vector<Peer> peers_;
  std::uint64_t next_request_ = 1;
  Ready ready_;
};

}  // namespace harrow::raft
