#include "core/node/fetch_session.h"

namespace harrow {
namespace {
constexpr std::int64_t eviction_ms = 120'000;  // min.incremental.fetch.session.eviction.ms
}

SessionPartition& FetchSession::want(const TopicIdPartition& id) {
  std::unique_ptr<SessionPartition>& partition = partitions_[id];
  if (partition == nullptr) {
    partition = std::make_unique<SessionPartition>(*this);
    partition->id = id;
  }
  return *partition;
}

std::shared_ptr<FetchSession> FetchSessionCache::find(std::int32_t id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second;
}

std::shared_ptr<FetchSession> FetchSessionCache::open(NodeId replica, std::size_t size, MonoNs now, std::int32_t& evicted) {
  evicted = 0;
  if (slots_ == 0) return nullptr;
  if (sessions_.size() >= slots_) {
    // Whoever was unused longest; else, for a follower, the consumer that was; else a smaller and older session.
    auto victim = sessions_.end();
    for (auto it = sessions_.begin(); it != sessions_.end(); ++it)
      if (now - it->second->used_at > eviction_ms * ns_per_ms && (victim == sessions_.end() || it->second->used_at < victim->second->used_at)) victim = it;
    if (victim == sessions_.end() && replica != no_node)
      for (auto it = sessions_.begin(); it != sessions_.end(); ++it)
        if (!it->second->is_follower() && (victim == sessions_.end() || it->second->used_at < victim->second->used_at)) victim = it;
    if (victim == sessions_.end())
      for (auto it = sessions_.begin(); it != sessions_.end(); ++it)
        if (it->second->is_follower() == (replica != no_node) && it->second->size() < size && now - it->second->created_at > eviction_ms * ns_per_ms) victim = it;
    if (victim == sessions_.end()) return nullptr;
    evicted = victim->first;
    victim->second->evicted = true;
    sessions_.erase(victim);
    ++evictions_;
  }
  std::int32_t id = 0;
  while (id == 0 || sessions_.count(id) != 0) id = static_cast<std::int32_t>(random_.between(1, INT32_MAX));
  auto session = std::make_shared<FetchSession>(timers_, id, replica);
  session->created_at = session->used_at = now;
  sessions_.emplace(id, session);
  return session;
}

}  // namespace harrow
