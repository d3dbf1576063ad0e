// The metadata quorum's waiting shell: one replica of `__cluster_metadata`, voter or observer.
//
// Purpose    keeps the log, its snapshots and `quorum-state`; carries the messages of core/raft over connections of its
//            own; feeds committed records to a listener (the controller, a broker's metadata image).
// Owner      core/node's server: one Quorum a node. Controllers are voters, brokers observers; a combined node has one
//            Quorum and gives it a listener that tells both.
// May touch  everything of the Host. Decides nothing: the rules are core/raft's.
// Invariants what a Ready of core/raft orders is done in its order: quorum-state is on disk before an answer leaves; a
//            voter's log end counts only once synced; the listener sees committed records only, in offset order, once.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/async/task.h"
#include "core/async/wait.h"
#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/host/host.h"
#include "core/model/ids.h"
#include "core/raft/raft.h"
#include "core/wire/begin_quorum_epoch_request.h"
#include "core/wire/begin_quorum_epoch_response.h"
#include "core/wire/describe_quorum_request.h"
#include "core/wire/describe_quorum_response.h"
#include "core/wire/end_quorum_epoch_request.h"
#include "core/wire/end_quorum_epoch_response.h"
#include "core/wire/fetch_request.h"
#include "core/wire/fetch_response.h"
#include "core/wire/fetch_snapshot_request.h"
#include "core/wire/fetch_snapshot_response.h"
#include "core/wire/vote_request.h"
#include "core/wire/vote_response.h"

namespace harrow {

/// One committed batch of metadata records, as replayed. `records` are the record values: frame version, type,
/// version, message (facts section 9). A control batch is shown without records.
struct CommittedBatch {
  Offset base;
  Offset last;
  LeaderEpoch epoch;
  WallMs appended_at;
  std::span<const Bytes> records;
};

class QuorumListener {
 public:
  virtual ~QuorumListener() = default;
  /// Everything below is called within a turn of the node and must not wait.
  virtual void on_commit(const CommittedBatch& batch) = 0;
  /// The leader as far as known (no_node: unknown). Called on every change, for voters and observers.
  virtual void on_leader_known(NodeId leader, LeaderEpoch epoch) = 0;
  /// This node leads and on_commit has shown it everything below `start`, the first offset of its epoch.
  virtual void on_leader(LeaderEpoch epoch, Offset start) = 0;
  /// It leads no more: scheduled but uncommitted records of `epoch` may be lost; the listener goes back to what
  /// on_commit has shown. Called only after on_leader of the same epoch.
  virtual void on_resign(LeaderEpoch epoch) = 0;
  /// Replaces the whole state; the next on_commit starts at `id.offset`. Also called at a start with the newest
  /// snapshot of the folder.
  virtual void load_snapshot(const raft::OffsetAndEpoch& id, std::span<const Bytes> records) = 0;
  /// The committed state (what on_commit has shown so far) as record values.
  virtual std::vector<Bytes> write_snapshot() = 0;
  /// For the trace: a hash of the committed state.
  virtual std::uint64_t state_hash() = 0;
};

struct QuorumVoter {
  NodeId id;
  Uuid directory_id;  // zero with static voters
  Endpoint endpoint;
};

struct QuorumConfig {
  NodeId self;
  Uuid directory_id;
  std::string cluster_id;
  std::vector<QuorumVoter> voters;
  /// Folder that holds `__cluster_metadata-0`, relative to the node's root ("data" or "").
  std::string log_dir;
  raft::Timeouts timeouts;
  std::int64_t append_linger_ms = 25;
  std::uint64_t append_max_bytes = 8 * 1024 * 1024;
  std::uint64_t segment_bytes = 1024 * 1024 * 1024;
  std::int64_t segment_ms = 7LL * 24 * 3600 * 1000;
  std::uint64_t retention_bytes = 100 * 1024 * 1024;
  std::int64_t retention_ms = 7LL * 24 * 3600 * 1000;
  std::uint64_t snapshot_max_new_record_bytes = 20 * 1024 * 1024;
  std::int64_t snapshot_max_interval_ms = 3600 * 1000;
  std::uint64_t index_interval_bytes = 4096;
  std::uint64_t segment_index_bytes = 10 * 1024 * 1024;
};

class Quorum {
 public:
  Quorum(Host& host, QuorumConfig config, QuorumListener& listener);
  ~Quorum();
  Quorum(const Quorum&) = delete;
  Quorum& operator=(const Quorum&) = delete;

  /// Recovers folder and state and shows the newest snapshot to the listener. An error is fatal for the node.
  Task<Result<bool>> open();
  /// Starts the roots that drive it; after open().
  void start();
  /// Clean stop: a leader hands over, the log is synced. The roots end; requests get BROKER_NOT_AVAILABLE.
  Task<bool> stop();

  // What other nodes ask.
  Task<wire::VoteResponse> vote(wire::VoteRequest request);
  Task<wire::BeginQuorumEpochResponse> begin_quorum_epoch(wire::BeginQuorumEpochRequest request);
  Task<wire::EndQuorumEpochResponse> end_quorum_epoch(wire::EndQuorumEpochRequest request);
  /// A Fetch of `__cluster_metadata`-0 on a controller's port; waits up to the request's max wait.
  Task<wire::FetchResponse> fetch(wire::FetchRequest request, std::int16_t version);
  Task<wire::FetchSnapshotResponse> fetch_snapshot(wire::FetchSnapshotRequest request);
  wire::DescribeQuorumResponse describe(const wire::DescribeQuorumRequest& request) const;

  /// Appends the records as one batch (with others of the same linger) if this node still leads `epoch`; gives the
  /// last one's offset. Error: not_controller. Takes effect at once: the offset is final if it commits.
  Result<Offset> schedule_append(LeaderEpoch epoch, std::vector<Bytes> records);
  /// The offset that the next scheduled record will get.
  Offset next_append_offset() const;
  /// reached: the record at `offset`, scheduled by this leader, is committed. closed: leadership was lost first.
  Watermark::Wait committed(Offset offset, MonoNs deadline = never);
  /// reached: the listener was shown everything below `end`.
  Watermark::Wait applied(Offset end, MonoNs deadline = never);
  /// The controller gives up by itself (an error it cannot explain): steps down at once.
  void renounce(LeaderEpoch epoch);
  /// Writes a snapshot now if anything is new; the usual trigger is by size and time.
  void request_snapshot();

  NodeId leader() const;
  LeaderEpoch epoch() const;
  /// Leads, and on_leader was called.
  bool is_active() const;
  bool is_voter() const;
  Offset high_watermark() const;
  Offset log_end() const;
  Offset log_start() const;
  Offset applied_end() const;
  /// Where the leader answers; null when it is unknown.
  const Endpoint* leader_endpoint() const;
  /// For checks and dumps.
  const raft::Raft& core() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace harrow
