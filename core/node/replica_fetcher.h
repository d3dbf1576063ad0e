// Copies partitions from one leading broker: one task, one connection, one incremental fetch session (facts section 7,
// follower side). The position of each partition is its own log's end.
#pragma once

#include <boost/container/flat_map.hpp>
#include <set>

#include "core/node/rpc.h"
#include "core/replica/partition.h"
#include "core/wire/fetch_response.h"

namespace harrow {

class Broker;

class ReplicaFetcher {
 public:
  ReplicaFetcher(Broker& broker, NodeId leader);
  /// Copies this partition from now on, in the leader epoch that it has.
  void add(const TopicIdPartition& id);
  void remove(const TopicIdPartition& id);
  bool has(const TopicIdPartition& id) const { return wanted_.count(id) != 0; }
  bool idle() const { return wanted_.empty(); }

 private:
  struct Wanted {
    Partition* partition = nullptr;    // the broker calls remove() before it drops one
    LeaderEpoch epoch = no_epoch;      // in which it is copied; another one means: stop
    MonoNs not_before{0};
    bool in_session = false;
    // As last told to the leader.
    Offset sent_offset = no_offset;
    LeaderEpoch sent_epoch = no_epoch;
    LeaderEpoch sent_last_epoch = no_epoch;
    Offset sent_log_start = no_offset;
    Offset asked_from = no_offset;     // position of the fetch under way
  };

  Root run(Scope& scope, Label label);
  Task<bool> fetch_once();
  bool flush_is_due() const;
  Task<bool> flush_what_is_due();
  /// Takes what the leader sent for one partition; nothing if that needs a wait, which take() does then.
  std::optional<Result<bool>> take_now(const TopicIdPartition& id, const wire::FetchResponse::PartitionData& data);
  Task<Result<bool>> take(TopicIdPartition id, wire::FetchResponse::PartitionData data);
  Task<Result<bool>> resolve_out_of_range(TopicIdPartition id);
  Task<Result<bool>> truncate(TopicIdPartition id, Offset to);
  void back_off(const TopicIdPartition& id);
  void forget_session();

  Broker& broker_;
  Host& host_;
  NodeId leader_;
  RpcChannel channel_;
  Signal changed_;
  boost::container::flat_map<TopicIdPartition, Wanted> wanted_;  // every fetch goes over all of it
  std::set<TopicIdPartition> forgotten_;  // in the leader's session, wanted no more
  std::int32_t session_id_ = 0;
  std::int32_t session_epoch_ = 0;
};

}  // namespace harrow
