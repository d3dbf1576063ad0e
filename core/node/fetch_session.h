// Fetch sessions (KIP-227; facts section 15): what a follower or consumer wants, remembered between its fetches, so that
// a fetch names only what changed and costs only what has news. A session links itself into each partition that it
// wants; an append or a moved high watermark marks that partition and wakes the session's waiting fetch.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "core/async/wait.h"
#include "core/base/random.h"
#include "core/replica/partition.h"

namespace harrow {

class FetchSession;

/// One partition of a session. In the session's list of news while there may be something to answer.
struct SessionPartition final : FetchWatch {
  struct News : Hook {
    SessionPartition* owner;
  };
  explicit SessionPartition(FetchSession& session) : session(session) { news.owner = this; }
  void partition_changed(bool wakes) override;

  FetchSession& session;
  TopicIdPartition id;
  std::string topic;  // as asked by name (versions below 13); for answers
  Offset fetch_offset = no_offset;
  LeaderEpoch current_leader_epoch = no_epoch;
  LeaderEpoch last_fetched_epoch = no_epoch;
  Offset log_start = no_offset;
  std::int32_t max_bytes = 0;
  Offset sent_high_watermark = no_offset;
  Offset sent_log_start = no_offset;
  Code last_code = Code::none;
  bool unread = true;  // the fetcher's position is new since this partition was looked at
  LeaderEpoch judged_epoch = no_epoch;  // leadership under which the position was found to agree with the log
  News news;
};

class FetchSession {
 public:
  FetchSession(Timers& timers, std::int32_t id, NodeId replica) : id_(id), replica_(replica), changed_(timers) {}
  std::int32_t id() const { return id_; }
  NodeId replica() const { return replica_; }
  bool is_follower() const { return replica_ != no_node; }

  SessionPartition& want(const TopicIdPartition& id);
  void forget(const TopicIdPartition& id) { partitions_.erase(id); }
  std::size_t size() const { return partitions_.size(); }
  List<SessionPartition::News>& news() { return news_; }
  /// Adds to the news without waking (a follower learns a moved high watermark with its next answer).
  void note(SessionPartition& partition) {
    if (!partition.news.linked()) news_.link_back(partition.news);
  }
  void mark(SessionPartition& partition) {
    note(partition);
    ++marks_;
    changed_.wake();
  }
  /// Grows with each mark: news that came up while a look waited for the disk must not be slept through.
  std::uint64_t marks() const { return marks_; }
  Signal& changed() { return changed_; }
  template <class Visit>
  void for_each(Visit visit) {
    for (auto& [id, partition] : partitions_) visit(*partition);
  }

  std::int32_t next_epoch = 1;
  MonoNs used_at{0};
  MonoNs created_at{0};
  bool busy = false;    // a fetch is being answered
  bool evicted = false; // dropped while busy: goes with that fetch

 private:
  std::int32_t id_;
  NodeId replica_;
  std::uint64_t marks_ = 0;
  Signal changed_;
  List<SessionPartition::News> news_;
  std::map<TopicIdPartition, std::unique_ptr<SessionPartition>> partitions_;
};

inline void SessionPartition::partition_changed(bool wakes) {
  if (wakes) session.mark(*this);
  else session.note(*this);
}

/// Bounded by `max.incremental.fetch.session.cache.slots`. Followers push consumers out; among equals the one unused
/// for two minutes goes first (Kafka's rule), else nobody and the fetch stays without a session.
class FetchSessionCache {
 public:
  FetchSessionCache(Timers& timers, Random random, std::size_t slots) : timers_(timers), random_(random), slots_(slots) {}
  std::shared_ptr<FetchSession> find(std::int32_t id);
  /// Null when there is no room. `evicted` gets the number of the session that had to go, 0 if none.
  std::shared_ptr<FetchSession> open(NodeId replica, std::size_t size, MonoNs now, std::int32_t& evicted);
  void close(std::int32_t id) { sessions_.erase(id); }
  std::size_t size() const { return sessions_.size(); }
  std::size_t slots() const { return slots_; }
  std::uint64_t evictions() const { return evictions_; }
  template <class Visit>
  void for_each(Visit visit) {
    for (auto& [id, session] : sessions_) visit(*session);
  }

 private:
  Timers& timers_;
  Random random_;
  std::size_t slots_;
  std::uint64_t evictions_ = 0;
  std::map<std::int32_t, std::shared_ptr<FetchSession>> sessions_;
};

}  // namespace harrow
