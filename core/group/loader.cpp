// Load: the fold of the partition's records, from the log's start to its end.
#include "core/base/mutation.h"
#include "core/group/records.h"
#include "core/group/shard.h"

namespace harrow::group {

void Shard::begin_load() {
  CHECK(written_.empty());
  groups_.clear();
  offsets_.clear();
  timers_.clear();
  loaded_ = Loaded();
  records_loaded_ = 0;
  buffers_loaded_ = 0;
}

Result<void> Shard::fold(Loaded& loaded, const Record& record) const {
  TRY(Fact fact, parse(record));
  if (auto* const offset = std::get_if<OffsetFact>(&fact)) loaded.offsets[std::move(offset->key)] = std::move(offset->value);
  else if (auto* const group = std::get_if<GroupFact>(&fact)) loaded.groups[group->group_id] = std::move(group->value);
  return {};
}

Result<void> Shard::load_buffer(std::span<const Record> records) {
  ++buffers_loaded_;
  for (const Record& record : records) {
    TRY_VOID(fold(loaded_, record));
    ++records_loaded_;
  }
  if (mutated(Bug::G01)) {
    // What an earlier buffer brought stays, and its tombstones in this one are lost.
    for (auto& [key, value] : loaded_.offsets)
      if (value) offsets_.try_emplace(key, std::move(*value));
    for (auto& [group_id, group] : loaded_.groups)
      if (group) groups_.try_emplace(group_id, std::move(*group));
    loaded_ = Loaded();
  }
  return {};
}

void Shard::apply(Loaded loaded) {
  for (auto& [group_id, group] : loaded.groups)
    if (group) groups_.insert_or_assign(group_id, std::move(*group));
  for (auto& [key, value] : loaded.offsets)
    if (value) offsets_.insert_or_assign(key, std::move(*value));
}

Outcome Shard::end_load(Now now) {
  apply(std::exchange(loaded_, Loaded()));
  // Offsets without a group record are those of a simple group.
  for (const auto& [key, value] : offsets_)
    if (!groups_.contains(key.group_id)) create(key.group_id);
  Draft d = draft(now);
  for (auto& [group_id, group] : groups_) {
    for (auto& [member_id, member] : group.members) renew_session(group, member, now);
    if (group.members.size() > static_cast<std::size_t>(config_.max_size)) prepare_rebalance(d, group);
  }
  return finish(std::move(d));
}

}  // namespace harrow::group
