// What a Quorum consists of, shared by its source files only (quorum.cpp: its life and what others ask; quorum_drive.cpp:
// doing what a Ready orders, applying, appending, snapshots; quorum_peers.cpp: requests to the other voters).
#pragma once

#include <deque>
#include <map>

#include "core/node/metadata_store.h"
#include "core/node/quorum.h"
#include "core/node/quorum_wire.h"

namespace harrow {

struct Quorum::State {
  State(Host& host, QuorumConfig config, QuorumListener& listener);

  // ---- quorum.cpp
  /// Gives a request to the core and waits for its answer; nothing if the quorum stops first.
  Task<std::optional<raft::Message>> ask(raft::Message request, NodeId from);
  /// To be called after every input to the core.
  void stepped() { work.wake(); }
  void fail(const Error& why);
  MonoNs now() const { return host.clock.mono(); }

  // ---- quorum_drive.cpp
  Root drive(Scope& scope, Label label);
  Root flush(Scope& scope, Label label);
  Root apply(Scope& scope, Label label);
  Root append(Scope& scope, Label label);
  Root clean(Scope& scope, Label label);
  Task<Result<bool>> obey(raft::Ready ready);
  Task<Result<bool>> apply_up_to(Offset end);
  Task<Result<bool>> show_snapshot(raft::OffsetAndEpoch id);
  Task<Result<bool>> take_snapshot();
  bool snapshot_due() const;
  void show_batch(const BatchHeader& header, const Bytes& batch);
  void emit(const raft::Fact& fact);
  void change_role(const raft::RoleChange& change);
  void lead_if_caught_up();
  void seal();
  Bytes leader_change_batch(const raft::Entry& entry, const std::vector<raft::ReplicaKey>& granting);

  // ---- quorum_peers.cpp
  /// A connection to one voter for one purpose; a new request drops the one before, as the core has given it up.
  struct Lane {
    Lane(Timers& timers, NodeId to_id, Endpoint to) : id(to_id), endpoint(std::move(to)), changed(timers) {}
    NodeId id;
    Endpoint endpoint;
    std::optional<raft::Envelope> outgoing;
    Signal changed;
    ConnectionPtr connection;
    std::int32_t next_correlation = 0;
  };
  void make_lanes();
  void send(raft::Envelope envelope);
  Root run_lane(Scope& scope, Label label, Lane& lane);
  Task<Result<raft::Message>> exchange(Lane& lane, raft::Message request);
  Task<Result<Bytes>> exchange_frame(Lane& lane, Bytes frame);
  Task<bool> superseded(Lane& lane, MonoNs deadline);
  Endpoint own_endpoint() const;

  /// An inbound request that waits for the core's answer; it lives in the frame of ask().
  struct Pending {
    Pending(State& owner, std::uint64_t ticket) : state(owner), number(ticket), done(owner.host.timers) { state.pending.emplace(number, this); }
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;
    ~Pending() { state.pending.erase(number); }
    State& state;
    std::uint64_t number;
    Event done;
    std::optional<raft::Message> answer;
  };

  Host& host;
  QuorumConfig config;
  QuorumListener& listener;
  raft::VoterSet voters;
  std::int16_t quorum_state_version = 0;
  std::uint32_t subject = 0;
  MetadataStore store;
  std::optional<raft::Raft> core;
  bool stopping = false;
  bool ended = false;

  Signal work;      // the core was stepped
  Signal unsynced;  // the log grew
  Signal commits;   // the high watermark moved, or a snapshot is asked for
  Signal scheduled; // records wait for their linger
  Signal ending;    // ends the periodic root
  std::map<std::uint64_t, Pending*> pending;
  std::uint64_t next_ticket = 1;
  std::deque<Lane> lanes;  // control and fetch lane of each voter, in this order

  std::uint64_t log_version = 0;  // of the log as it is, not as the core already sees it
  Offset high_watermark{0};       // of the Readys that are done
  Offset applied_end{0};
  LeaderEpoch applied_epoch{0};
  WallMs applied_timestamp{-1};
  bool loading_snapshot = false;
  Watermark applied_mark;
  Watermark committed_mark;  // the same number; closed for a moment when leadership is lost
  std::uint64_t bytes_since_snapshot = 0;
  MonoNs last_snapshot;
  bool snapshot_asked = false;

  bool active = false;  // on_leader was called for active_epoch
  LeaderEpoch active_epoch = no_epoch;
  NodeId known_leader = no_node;
  LeaderEpoch known_epoch = no_epoch;

  std::vector<Bytes> waiting_records;
  std::uint64_t waiting_bytes = 0;
  LeaderEpoch waiting_epoch = no_epoch;
  MonoNs linger_until = never;
};

}  // namespace harrow
