// Purpose: every decision of the group coordinator for one partition of `__consumer_offsets`: the classic group
// protocol (facts section 10), committed offsets and their expiry, and the fold of the partition's records.
// Owner: core/node/coordinator, one Shard for each offsets partition that the broker leads.
// May touch: core/model, core/wire. No waiting, no clock, no disk: time and randomness come in as arguments.
//
// A call decides at once and returns an Outcome. Records of one Outcome are one atomic batch: the caller appends it in
// the same turn and then says, batches in order, exactly one of
//   refused(batch)    the log did not take it: its effects are undone, its requests are answered with the error;
//   committed(batch)  the high watermark passed it: its requests are answered;
// and possibly timed_out(batch) before the latter: its requests are answered with the error, the records stay.
// Offsets apply when written and are undone when refused; offset_fetch shows committed ones only.
//
// Invariants: a parked Ticket is answered exactly once; a stable group's members each have an assignment from the
// leader of that generation; committed records replayed into a new Shard give this one's state.
#pragma once

#include <deque>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/base/random.h"
#include "core/base/result.h"
#include "core/base/trace.h"
#include "core/group/group.h"
#include "core/wire/delete_groups_response.h"
#include "core/wire/describe_groups_response.h"
#include "core/wire/heartbeat_request.h"
#include "core/wire/heartbeat_response.h"
#include "core/wire/join_group_request.h"
#include "core/wire/join_group_response.h"
#include "core/wire/leave_group_request.h"
#include "core/wire/leave_group_response.h"
#include "core/wire/list_groups_request.h"
#include "core/wire/list_groups_response.h"
#include "core/wire/offset_commit_request.h"
#include "core/wire/offset_commit_response.h"
#include "core/wire/offset_delete_request.h"
#include "core/wire/offset_delete_response.h"
#include "core/wire/offset_fetch_request.h"
#include "core/wire/offset_fetch_response.h"
#include "core/wire/sync_group_request.h"
#include "core/wire/sync_group_response.h"

namespace harrow::group {

struct Config {
  std::int32_t min_session_timeout_ms = 6'000;              // group.min.session.timeout.ms
  std::int32_t max_session_timeout_ms = 1'800'000;          // group.max.session.timeout.ms
  std::int32_t initial_rebalance_delay_ms = 3'000;          // group.initial.rebalance.delay.ms
  std::int32_t new_member_join_timeout_ms = 300'000;
  std::int32_t max_size = INT32_MAX;                        // group.max.size
  std::int32_t offset_metadata_max_bytes = 4'096;           // offset.metadata.max.bytes
  std::int64_t offsets_retention_ms = 7LL * 24 * 3600 * 1000;  // offsets.retention.minutes
};

/// Both clocks, read once for a call.
struct Now {
  WallMs wall;
  MonoNs mono;
};

/// Who asks.
struct Caller {
  std::string client_id;
  std::string client_host;
  std::int16_t version = 0;  // of the request
};

/// One record of `__consumer_offsets`, as bytes; no value is a tombstone.
struct Record {
  Bytes key;
  std::optional<Bytes> value;
};

using Body = std::variant<wire::JoinGroupResponse, wire::SyncGroupResponse, wire::LeaveGroupResponse,
                          wire::OffsetCommitResponse, wire::OffsetDeleteResponse, wire::DeleteGroupsResponse>;

/// What the request with this ticket gets.
struct Answer {
  Ticket ticket = no_ticket;
  Body body;
};

/// A fact for the trace (kinds 120-139); the caller turns it into an event and, if wanted, a payload.
struct Note {
  TraceKind kind{};
  std::int64_t a = 0;
  std::int64_t b = 0;
  std::string group;
  std::string member;
  std::string topic;
  std::int32_t partition = -1;
  std::int32_t generation = -1;
  Offset offset = no_offset;
  WallMs commit_time;
  WallMs now;
  Code code = Code::none;
  std::vector<TopicPartition> partitions;
};

using BatchId = std::uint64_t;

struct Outcome {
  std::vector<Record> records;   // to be written as one batch; empty = nothing to write
  BatchId batch = 0;             // names the records to committed, timed_out and refused
  std::vector<Answer> answers;   // may go out at once
  std::vector<Note> notes;
};

class Shard {
 public:
  Shard(std::int32_t partition, const Config& config) : partition_(partition), config_(config) {}

  // Requests that change something. `ticket` names the request in a later Outcome's answers (or in this one's).
  Outcome join_group(const wire::JoinGroupRequest& request, const Caller& caller, Ticket ticket, Now now, Random& random);
  Outcome sync_group(const wire::SyncGroupRequest& request, Ticket ticket, Now now);
  Outcome leave_group(const wire::LeaveGroupRequest& request, const Caller& caller, Ticket ticket, Now now);
  /// Topic names must be resolved (v10 asks by id); partitions that the caller refuses are not passed on.
  Outcome offset_commit(const wire::OffsetCommitRequest& request, Ticket ticket, Now now);
  Outcome offset_delete(const wire::OffsetDeleteRequest& request, Ticket ticket, Now now);
  Outcome delete_groups(std::span<const std::string> groups, Ticket ticket, Now now);

  // Requests that are answered at once.
  wire::HeartbeatResponse heartbeat(const wire::HeartbeatRequest& request, Now now);
  /// One group of the request (versions below 8 ask for one group only); committed offsets only.
  wire::OffsetFetchResponse::OffsetFetchResponseGroup offset_fetch(
      const wire::OffsetFetchRequest::OffsetFetchRequestGroup& request) const;
  wire::DescribeGroupsResponse::DescribedGroup describe_group(const std::string& group_id, std::int16_t version) const;
  std::vector<wire::ListGroupsResponse::ListedGroup> list_groups(const wire::ListGroupsRequest& request) const;

  // The fate of a batch.
  Outcome committed(BatchId batch, Now now);
  Outcome timed_out(BatchId batch, Code code, Now now);
  Outcome refused(BatchId batch, Code code, Now now);

  // Time.
  /// Fires what is due, up to the first timer that writes: call again while next_deadline() <= now.
  Outcome tick(Now now);
  /// When tick has something to do next; `never` if nothing is armed.
  MonoNs next_deadline() const { return timers_.empty() ? never : timers_.begin()->at; }
  /// Tombstones for offsets and groups whose retention passed, at most `limit` of them; call again until none come.
  Outcome expire_offsets(Now now, std::size_t limit = 1000);
  /// The topic is gone: so are its offsets.
  Outcome delete_topic_offsets(const std::string& topic, Now now);

  // Load: every record from the log's start to its end, in buffers of `offsets.load.buffer.size`.
  void begin_load();
  Result<void> load_buffer(std::span<const Record> records);
  /// Ends the load: sessions of the members found start now.
  Outcome end_load(Now now);

  /// Every parked request, answered with `code`: the coordinator moves elsewhere. The shard is dropped afterwards.
  std::vector<Answer> resign(Code code);

  // For checks and for people.
  std::int32_t partition() const { return partition_; }
  const std::map<std::string, Group>& groups() const { return groups_; }
  const std::map<OffsetKey, CommittedOffset>& offsets() const { return offsets_; }
  std::int64_t records_loaded() const { return records_loaded_; }
  std::int32_t buffers_loaded() const { return buffers_loaded_; }
  /// What replaying the written records would give, in a canonical form: two shards are equal if their texts are.
  std::string print() const;

 private:
  enum class TimerKind : std::uint8_t { session, pending, join, sync };
  struct Timer {
    MonoNs at;
    TimerKind kind;
    std::string group_id;
    std::string member_id;
    friend auto operator<=>(const Timer&, const Timer&) = default;
  };

  // What happens when a batch's fate is known.
  struct AnswerThen {
    Ticket ticket;
    Body body;
  };
  struct AssignmentThen {
    std::string group_id;
    std::int32_t generation;
    std::map<std::string, Bytes> assignments;
  };
  struct StaticJoinThen {
    std::string group_id;
    std::string instance_id;
    std::string old_member_id, new_member_id;
    std::optional<std::string> old_leader;
    std::vector<Protocol> old_protocols;
    std::int32_t old_rebalance_timeout_ms, old_session_timeout_ms;
    std::int16_t version;
  };
  using Then = std::variant<AnswerThen, AssignmentThen, StaticJoinThen>;
  struct OffsetUndo {
    OffsetKey key;
    std::optional<CommittedOffset> before;
  };
  struct GroupUndo {
    std::string group_id;
    std::optional<Group> before;
  };
  using Undo = std::variant<OffsetUndo, GroupUndo>;
  struct Batch {
    BatchId id = 0;
    std::vector<Then> then;
    std::vector<Undo> undo;      // in the order of the changes
    std::vector<Note> notes;     // for when it commits
    bool answered = false;       // timed out: nobody waits any more
  };
  /// An Outcome in the making, with the batch that its records will be.
  struct Draft {
    Outcome outcome;
    Batch batch;
    Now now;
  };

  // classic.cpp
  void join_new_member(Draft& draft, Group& group, const wire::JoinGroupRequest& request, const Caller& caller, Ticket ticket,
                       Random& random);
  void join_existing_member(Draft& draft, Group& group, const wire::JoinGroupRequest& request, const Caller& caller,
                            Ticket ticket);
  void add_member(Draft& draft, Group& group, const std::string& member_id, const wire::JoinGroupRequest& request,
                  const Caller& caller, Ticket ticket);
  void replace_static_member(Draft& draft, Group& group, const std::string& old_member_id, const std::string& new_member_id,
                             const wire::JoinGroupRequest& request, const Caller& caller, Ticket ticket);
  void update_member(Draft& draft, Member& member, const wire::JoinGroupRequest& request, std::int16_t version, Ticket ticket);
  Member& rename_static_member(Draft& draft, Group& group, const std::string& instance_id, const std::string& from,
                               const std::string& to);
  void remove_member(Draft& draft, Group& group, const std::string& member_id);
  void expire_member(Draft& draft, Group& group, const std::string& member_id);
  void refused_assignment(Draft& draft, const AssignmentThen& then, Code code);
  void committed_assignment(Draft& draft, AssignmentThen& then);
  void refused_static_join(Draft& draft, const StaticJoinThen& then, Code code);
  void committed_static_join(Draft& draft, const StaticJoinThen& then);

  // rebalance.cpp
  static std::string choose_protocol(const Group& group);
  void rebalance_or_complete_join(Draft& draft, Group& group);
  void prepare_rebalance(Draft& draft, Group& group);
  void maybe_complete_join(Draft& draft, Group& group);
  void complete_join(Draft& draft, Group& group);
  void initial_delay_over(Draft& draft, Group& group);
  void sync_expired(Draft& draft, Group& group);
  void reset_assignments(Draft& draft, Group& group, Code code);
  void answer_syncs(Draft& draft, Group& group, Code code);
  void enter(Draft& draft, Group& group, GroupState state);
  wire::JoinGroupResponse joined(const Group& group, const Member& member) const;

  // offsets.cpp
  void set_offset(Batch& batch, const OffsetKey& key, std::optional<CommittedOffset> value);
  void delete_group(Draft& draft, const std::string& group_id);
  bool expire_group_offsets(Draft& draft, const Group& group, std::size_t limit);
  std::map<OffsetKey, std::optional<CommittedOffset>> uncommitted_before(const std::string& group_id) const;
  Code check_commit(const Group* group, const wire::OffsetCommitRequest& request) const;

  // loader.cpp
  struct Loaded {
    std::map<std::string, std::optional<Group>> groups;
    std::map<OffsetKey, std::optional<CommittedOffset>> offsets;
  };
  Result<void> fold(Loaded& loaded, const Record& record) const;
  void apply(Loaded loaded);

  // shard.cpp
  Draft draft(Now now) const;
  Outcome finish(Draft draft);
  void settle(Draft& draft, Batch& batch, Code code);
  Group* find(const std::string& group_id);
  const Group* find(const std::string& group_id) const;
  Group& create(const std::string& group_id);
  void arm_session(Group& group, Member& member, MonoNs deadline);
  void renew_session(Group& group, Member& member, Now now);
  void disarm_session(const Group& group, Member& member);
  void arm_group(Group& group, TimerKind kind, MonoNs deadline);
  void disarm_group(Group& group, TimerKind kind);
  void arm_pending(Group& group, const std::string& member_id, MonoNs deadline);
  void forget_pending(Group& group, const std::string& member_id);
  void disarm_all(Group& group);
  void answer_join(Draft& draft, Member& member, wire::JoinGroupResponse response);
  void answer_sync(Draft& draft, Member& member, wire::SyncGroupResponse response);

  std::int32_t partition_;
  Config config_;
  std::map<std::string, Group> groups_;
  std::map<OffsetKey, CommittedOffset> offsets_;
  std::set<Timer> timers_;
  std::deque<Batch> written_;   // not yet known to be committed, oldest first
  BatchId next_batch_ = 1;
  Loaded loaded_;
  std::int64_t records_loaded_ = 0;
  std::int32_t buffers_loaded_ = 0;
};

/// The same kind of answer, saying only `code`.
Body refusal_of(const Body& body, Code code);
/// What a coordinator tells a client whose batch the log did not take or did not replicate in time.
Code coordinator_code_of(Code log_code);

}  // namespace harrow::group
