// What deciding reads and what it gives back. Deciding never changes the image: it returns records; the shell appends
// them to the metadata log, calls `Controller::replay` at once, and answers when they are committed. Soft state (when a
// broker was last heard, how far it has read) is not in the log: a new active controller starts with fresh sessions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/controller/image.h"

namespace harrow::controller {

/// Something worth a trace event once the records are appended (kinds 104-107).
struct Fact {
  enum class Kind : std::uint8_t { leader_elected, broker_registered, broker_fenced, broker_unfenced };
  Kind kind = Kind::leader_elected;
  // leader_elected: the leader may be no_node
  TopicIdPartition partition;
  NodeId leader = no_node;
  LeaderEpoch leader_epoch{0};
  bool unclean = false;
  bool from_elr = false;
  // the other kinds
  NodeId broker = no_node;
  BrokerEpoch broker_epoch{-1};
};

template <class Response>
struct ControllerResult {
  std::vector<wire::MetadataRecord> records;  // one atomic batch; empty when nothing changes
  Response response;
  std::vector<Fact> facts;
};
/// Decisions of the controller's own (periodic tasks): nobody waits for an answer.
struct NoResponse {};
using Decision = ControllerResult<NoResponse>;

struct ControllerConfig {
  NodeId id = no_node;
  std::string cluster_id;
  std::int32_t default_partitions = 1;          // num.partitions
  std::int16_t default_replication_factor = 1;  // default.replication.factor
  std::int32_t default_min_isr = 1;             // min.insync.replicas of the table, when no record says otherwise
  bool unclean_election = false;                // unclean.leader.election.enable
  std::int64_t session_timeout_ms = 9'000;      // broker.session.timeout.ms
  std::int64_t imbalance_check_interval_ms = 300'000;   // leader.imbalance.check.interval.seconds; 0 = never
  std::int64_t unclean_election_interval_ms = 300'000;  // unclean.leader.election.interval.ms
  std::int64_t max_idle_interval_ms = 500;              // metadata.max.idle.interval.ms; 0 = never
  std::int32_t max_records_per_batch = 10'000;
};

/// What the active controller remembers of a broker without writing it down.
struct BrokerSession {
  MonoNs last_contact{0};
  Offset metadata_offset = no_offset;
  /// Offset of its last leadership change while it stops; it may go when every active broker has applied that.
  Offset shutdown_offset = no_offset;
};

struct State {
  ControllerConfig config;
  Image image;  // uncommitted records included
  std::map<NodeId, BrokerSession> sessions;

  bool elr_enabled() const;
  /// min.insync.replicas of a topic: its own, the cluster's, the default.
  std::int32_t min_isr(std::string_view topic) const;
  bool unclean_election_allowed(std::string_view topic) const;
};

}  // namespace harrow::controller
