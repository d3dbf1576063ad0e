// A consumer's dealings with its group coordinator over a connection of its own: who it is, membership (classic
// protocol, facts section 10), heartbeats, commits.
//
// The member is `joined` from a good SyncGroup until something says otherwise; then poll() joins again: revoke, join,
// sync, assign. Nothing here gives partitions away on its own: it says `must_join` and poll() acts in the application's
// turn, as Java does. Only the end of max.poll.interval.ms makes the heartbeat leave.
// A cooperative member (KIP-429) joins while it goes on consuming, and tells what it holds since which generation.
#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/client/assignors.h"
#include "core/client/consumer.h"
#include "core/client/fetcher.h"
#include "core/client/metadata.h"
#include "core/wire/join_group_response.h"
#include "core/wire/sync_group_request.h"

namespace harrow {

class CoordinatorLink {
 public:
  CoordinatorLink(Host& host, const ConsumerConfig& config, ConnectionPool& pool, Metadata& metadata, Signal& changed);

  void subscribe(std::vector<std::string> topics);
  bool subscribed() const { return !topics_.empty(); }
  bool must_join() const { return subscribed() && !joined_; }
  bool joined() const { return joined_; }
  /// The membership ended without a word from us: what it held is lost.
  bool lost() const { return lost_; }
  void acknowledge_loss() { lost_ = false; }
  /// The error that no retry mends (fenced, refused), if any.
  const std::optional<Error>& fatal() const { return fatal_; }
  void polled() { last_poll_ = host_.timers.now(); }
  /// Partitions of subscribed topics are not what they were at the last join: the leader asks for a new one.
  void check_topics();
  /// The group must rebalance again: partitions were given up that others wait for.
  void request_join();

  /// Joins and syncs until it holds an assignment. `owned` is what the member holds: it has given it up if it is eager,
  /// and goes on with it meanwhile if it is cooperative; `lost()` then says that it must not.
  Task<Result<std::vector<TopicPartition>>> join(std::vector<TopicPartition> owned);
  Task<Result<bool>> commit(CommitOffsets offsets, MonoNs deadline);
  Task<Result<CommitOffsets>> committed(std::vector<TopicPartition> ids, MonoNs deadline);
  /// Leaves for good, if that is due (dynamic members).
  Task<void> leave();

  const std::string& member_id() const { return member_id_; }
  std::int32_t generation() const { return generation_; }

 private:
  Root heartbeat(Scope&, Label);
  /// The connection to the coordinator, found first if need be.
  Task<Result<BrokerConnection*>> connection(MonoNs deadline);
  void forget_coordinator();
  void reset_membership();
  /// The leader's part: everybody's partitions.
  Task<Result<std::vector<wire::SyncGroupRequest::SyncGroupRequestAssignment>>> assign_all(wire::JoinGroupResponse joined);
  PartitionCounts counts_of(const std::set<std::string>& topics) const;
  /// What an answer's error code means for the membership; false: give up.
  bool take_error(Code code);
  std::int64_t join_timeout_ms() const { return std::max<std::int64_t>(config_.request_timeout_ms, std::int64_t{config_.max_poll_interval_ms} + 5'000); }

  Host& host_;
  const ConsumerConfig& config_;
  ConnectionPool& pool_;
  Metadata& metadata_;
  Signal& changed_;
  Random random_;
  const bool cooperative_;
  std::vector<std::string> topics_;
  std::vector<TopicPartition> owned_;  // as this member's next JoinGroup tells it,
  std::int32_t owned_generation_ = -1;  // and in which generation they were given to it
  NodeId node_ = no_node;
  Endpoint endpoint_;
  std::string member_id_;
  std::int32_t generation_ = -1;
  std::string protocol_;
  bool joined_ = false;
  bool joining_ = false;
  bool lost_ = false;
  bool leading_ = false;
  PartitionCounts partition_counts_;  // as the leader's last assignment saw them
  std::optional<std::uint64_t> checked_version_;  // of the metadata that was found to agree with them
  std::optional<Error> fatal_;
  MonoNs last_poll_{0};
  MonoNs last_heartbeat_{0};  // answered well
  Signal wake_;
  Scope scope_;  // last: its roots use everything above
};

}  // namespace harrow
