// Committed offsets: commit, fetch, delete, expiry; and what admin clients ask of groups.
#include <algorithm>

#include "core/base/mutation.h"
#include "core/group/records.h"
#include "core/group/shard.h"

namespace harrow::group {
namespace {

constexpr std::int16_t first_with_group_not_found = 6;  // DescribeGroups

/// What an offset's retention is counted from; nothing if it does not expire now.
std::optional<WallMs> expiry_base(const Group& group, const CommittedOffset& offset) {
  if (!group.protocol_type) return offset.commit_time;  // standalone commits without a membership
  if (group.state == GroupState::empty) return group.state_time.value_or(offset.commit_time);
  if (group.state == GroupState::stable && group.uses_consumer_protocol() && group.subscribed_topics) return offset.commit_time;
  return std::nullopt;
}

bool is_expired(const Group& group, const std::string& topic, const CommittedOffset& offset, WallMs now, std::int64_t retention_ms) {
  if (mutated(Bug::G02)) return now - offset.commit_time >= retention_ms;
  // An empty group's subscription is empty, so nothing in it is kept by this.
  if (group.protocol_type && group.is_subscribed_to(topic) && group.state != GroupState::empty) return false;
  const std::optional<WallMs> base = expiry_base(group, offset);
  if (!base) return false;
  if (offset.expire_time) return now >= *offset.expire_time;
  return now - *base >= retention_ms;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

Note commit_note(TraceKind kind, const OffsetKey& key, Now now) {
  Note note;
  note.kind = kind;
  note.group = key.group_id;
  note.topic = key.topic;
  note.partition = key.partition;
  note.now = now.wall;
  return note;
}

}  // namespace

void Shard::set_offset(Batch& batch, const OffsetKey& key, std::optional<CommittedOffset> value) {
  const auto found = offsets_.find(key);
  OffsetUndo undo{key, std::nullopt};
  if (found != offsets_.end()) undo.before = std::move(found->second);
  if (value && found != offsets_.end()) found->second = std::move(*value);
  else if (value) offsets_.emplace(key, std::move(*value));
  else if (found != offsets_.end()) offsets_.erase(found);
  batch.undo.push_back(std::move(undo));
}

Code Shard::check_commit(const Group* group, const wire::OffsetCommitRequest& request) const {
  const std::int32_t generation = request.generation_id_or_member_epoch;
  // Who does not use membership may commit to a group that nobody is in.
  if (group == nullptr) return generation < 0 ? Code::none : Code::illegal_generation;
  if (generation < 0 && group->state == GroupState::empty) return Code::none;
  if (generation < 0 && request.member_id.empty() && !request.group_instance_id) return Code::unknown_member_id;
  if (request.group_instance_id) {
    const auto holder = group->static_members.find(*request.group_instance_id);
    if (holder == group->static_members.end()) return Code::unknown_member_id;
    if (holder->second != request.member_id) return Code::fenced_instance_id;
  }
  if (!group->members.contains(request.member_id)) return Code::unknown_member_id;
  if (generation != group->generation) return Code::illegal_generation;
  // It knows the new generation but not yet its assignment: what it processed belongs to the old one.
  return group->state == GroupState::completing_rebalance ? Code::rebalance_in_progress : Code::none;
}

Outcome Shard::offset_commit(const wire::OffsetCommitRequest& request, Ticket ticket, Now now) {
  Draft d = draft(now);
  Group* group = find(request.group_id);
  const Code refusal = check_commit(group, request);
  if (refusal == Code::none) {
    if (group == nullptr) {
      group = &create(request.group_id);
      d.batch.undo.push_back(GroupUndo{request.group_id, std::nullopt});
    }
    const auto member = group->members.find(request.member_id);
    if (member != group->members.end() && (group->state == GroupState::stable || group->state == GroupState::preparing_rebalance))
      renew_session(*group, member->second, now);
  } else {
    Note note;
    note.kind = TraceKind::commit_refused;
    note.a = static_cast<std::int64_t>(refusal);
    note.b = request.generation_id_or_member_epoch;
    note.group = request.group_id;
    note.member = request.member_id;
    note.generation = request.generation_id_or_member_epoch;
    note.code = refusal;
    note.now = now.wall;
    d.outcome.notes.push_back(std::move(note));
  }
  wire::OffsetCommitResponse response;
  response.topics.reserve(request.topics.size());
  for (const auto& topic : request.topics) {
    auto& topic_answer = response.topics.emplace_back();
    topic_answer.name = topic.name;
    topic_answer.topic_id = topic.topic_id;
    topic_answer.partitions.reserve(topic.partitions.size());
    for (const auto& partition : topic.partitions) {
      auto& answer = topic_answer.partitions.emplace_back();
      answer.partition_index = partition.partition_index;
      Code code = refusal;
      if (code == Code::none && partition.committed_metadata &&
          partition.committed_metadata->size() > static_cast<std::size_t>(config_.offset_metadata_max_bytes))
        code = Code::offset_metadata_too_large;
      answer.error_code = static_cast<std::int16_t>(code);
      if (code != Code::none) continue;
      CommittedOffset value;
      value.offset = Offset(partition.committed_offset);
      value.leader_epoch = LeaderEpoch(partition.committed_leader_epoch);
      value.metadata = partition.committed_metadata.value_or("");
      value.commit_time = now.wall;
      if (request.retention_time_ms >= 0) value.expire_time = now.wall + request.retention_time_ms;
      value.topic_id = topic.topic_id;
      const OffsetKey key{request.group_id, topic.name, partition.partition_index};
      d.outcome.records.push_back(offset_record(key, value));
      Note note = commit_note(TraceKind::offset_committed, key, now);
      note.a = partition.committed_offset;
      note.b = group->generation;
      note.member = request.member_id;
      note.generation = request.generation_id_or_member_epoch;
      note.offset = value.offset;
      note.commit_time = value.commit_time;
      d.batch.notes.push_back(std::move(note));
      set_offset(d.batch, key, std::move(value));
    }
  }
  // A commit of nothing leaves nothing behind, not even the group.
  if (d.outcome.records.empty() && !d.batch.undo.empty()) {
    groups_.erase(request.group_id);
    d.batch.undo.clear();
  }
  d.batch.then.push_back(AnswerThen{ticket, std::move(response)});
  return finish(std::move(d));
}

std::map<OffsetKey, std::optional<CommittedOffset>> Shard::uncommitted_before(const std::string& group_id) const {
  std::map<OffsetKey, std::optional<CommittedOffset>> before;
  for (const Batch& batch : written_)
    for (const Undo& undo : batch.undo)
      if (const auto* const offset = std::get_if<OffsetUndo>(&undo); offset != nullptr && offset->key.group_id == group_id)
        before.emplace(offset->key, offset->before);  // the oldest change knows what was committed
  return before;
}

wire::OffsetFetchResponse::OffsetFetchResponseGroup Shard::offset_fetch(
    const wire::OffsetFetchRequest::OffsetFetchRequestGroup& request) const {
  wire::OffsetFetchResponse::OffsetFetchResponseGroup response;
  response.group_id = request.group_id;
  const auto before = uncommitted_before(request.group_id);
  using Answer = wire::OffsetFetchResponse::OffsetFetchResponsePartitions;
  const auto committed = [&](const OffsetKey& key) -> const CommittedOffset* {
    if (const auto changing = before.find(key); changing != before.end()) return changing->second ? &*changing->second : nullptr;
    const auto found = offsets_.find(key);
    return found == offsets_.end() ? nullptr : &found->second;
  };
  const auto fill = [](Answer& answer, std::int32_t partition, const CommittedOffset* offset) {
    answer.partition_index = partition;
    answer.committed_offset = offset == nullptr ? -1 : offset->offset.value();
    answer.committed_leader_epoch = offset == nullptr ? -1 : offset->leader_epoch.value();
    answer.metadata = offset == nullptr ? "" : offset->metadata;
  };
  if (request.topics) {
    for (const auto& topic : *request.topics) {
      auto& topic_answer = response.topics.emplace_back();
      topic_answer.name = topic.name;
      topic_answer.topic_id = topic.topic_id;
      topic_answer.partitions.reserve(topic.partition_indexes.size());
      for (const std::int32_t partition : topic.partition_indexes)
        fill(topic_answer.partitions.emplace_back(), partition, committed({request.group_id, topic.name, partition}));
    }
    return response;
  }
  // All that the group has: keys of both the present state and what is being changed.
  std::set<OffsetKey> keys;
  for (auto it = offsets_.lower_bound({request.group_id, "", INT32_MIN}); it != offsets_.end() && it->first.group_id == request.group_id; ++it)
    keys.insert(it->first);
  for (const auto& [key, value] : before) keys.insert(key);
  for (const OffsetKey& key : keys) {
    const CommittedOffset* const offset = committed(key);
    if (offset == nullptr) continue;
    if (response.topics.empty() || response.topics.back().name != key.topic) {
      auto& topic_answer = response.topics.emplace_back();
      topic_answer.name = key.topic;
      topic_answer.topic_id = offset->topic_id;
    }
    fill(response.topics.back().partitions.emplace_back(), key.partition, offset);
  }
  return response;
}

Outcome Shard::offset_delete(const wire::OffsetDeleteRequest& request, Ticket ticket, Now now) {
  Draft d = draft(now);
  wire::OffsetDeleteResponse response;
  const Group* const group = find(request.group_id);
  Code code = Code::none;
  if (group == nullptr) code = Code::group_id_not_found;
  else if (group->state != GroupState::empty && !group->uses_consumer_protocol()) code = Code::non_empty_group;
  response.error_code = static_cast<std::int16_t>(code);
  if (code == Code::none) {
    for (const auto& topic : request.topics) {
      auto& topic_answer = response.topics.emplace_back();
      topic_answer.name = topic.name;
      const bool in_use = group->state != GroupState::empty && group->is_subscribed_to(topic.name);
      for (const auto& partition : topic.partitions) {
        auto& answer = topic_answer.partitions.emplace_back();
        answer.partition_index = partition.partition_index;
        if (in_use) {
          answer.error_code = static_cast<std::int16_t>(Code::group_subscribed_to_topic);
          continue;
        }
        const OffsetKey key{request.group_id, topic.name, partition.partition_index};
        if (!offsets_.contains(key)) continue;
        d.outcome.records.push_back(offset_tombstone(key));
        set_offset(d.batch, key, std::nullopt);
      }
    }
  }
  d.batch.then.push_back(AnswerThen{ticket, std::move(response)});
  return finish(std::move(d));
}

void Shard::delete_group(Draft& draft, const std::string& group_id) {
  Group& group = groups_.at(group_id);
  disarm_all(group);
  enter(draft, group, GroupState::dead);
  group.state = group.previous_state;  // what an undo brings back is not dead
  draft.outcome.records.push_back(group_tombstone(group_id));
  draft.batch.undo.push_back(GroupUndo{group_id, std::move(group)});
  groups_.erase(group_id);
}

Outcome Shard::delete_groups(std::span<const std::string> groups, Ticket ticket, Now now) {
  Draft d = draft(now);
  wire::DeleteGroupsResponse response;
  for (const std::string& group_id : groups) {
    auto& result = response.results.emplace_back();
    result.group_id = group_id;
    const Group* const group = find(group_id);
    if (group == nullptr || group->state != GroupState::empty) {
      result.error_code = static_cast<std::int16_t>(group == nullptr ? Code::group_id_not_found : Code::non_empty_group);
      continue;
    }
    std::vector<OffsetKey> keys;
    for (auto it = offsets_.lower_bound({group_id, "", INT32_MIN}); it != offsets_.end() && it->first.group_id == group_id; ++it)
      keys.push_back(it->first);
    for (const OffsetKey& key : keys) {
      d.outcome.records.push_back(offset_tombstone(key));
      set_offset(d.batch, key, std::nullopt);
    }
    delete_group(d, group_id);
  }
  d.batch.then.push_back(AnswerThen{ticket, std::move(response)});
  return finish(std::move(d));
}

/// Whether the group has no offset left.
bool Shard::expire_group_offsets(Draft& draft, const Group& group, std::size_t limit) {
  std::vector<OffsetKey> expired;
  bool all = true;
  for (auto it = offsets_.lower_bound({group.group_id, "", INT32_MIN}); it != offsets_.end() && it->first.group_id == group.group_id; ++it) {
    const bool goes = draft.outcome.records.size() + expired.size() < limit &&
                      is_expired(group, it->first.topic, it->second, draft.now.wall, config_.offsets_retention_ms);
    if (goes) expired.push_back(it->first);
    else all = false;
  }
  for (const OffsetKey& key : expired) {
    const CommittedOffset& offset = offsets_.at(key);
    Note note = commit_note(TraceKind::offset_expired, key, draft.now);
    note.a = offset.offset.value();
    note.generation = group.generation;
    note.offset = offset.offset;
    note.commit_time = offset.commit_time;
    draft.outcome.notes.push_back(std::move(note));
    draft.outcome.records.push_back(offset_tombstone(key));
    set_offset(draft.batch, key, std::nullopt);
  }
  return all;
}

Outcome Shard::expire_offsets(Now now, std::size_t limit) {
  Draft d = draft(now);
  std::vector<std::string> gone;
  for (const auto& [group_id, group] : groups_) {
    if (d.outcome.records.size() + gone.size() >= limit) break;
    if (expire_group_offsets(d, group, limit) && group.state == GroupState::empty && group.pending_members.empty())
      gone.push_back(group_id);
  }
  for (const std::string& group_id : gone) delete_group(d, group_id);
  return finish(std::move(d));
}

Outcome Shard::delete_topic_offsets(const std::string& topic, Now now) {
  Draft d = draft(now);
  std::vector<OffsetKey> keys;
  for (const auto& [key, offset] : offsets_)
    if (key.topic == topic) keys.push_back(key);
  for (const OffsetKey& key : keys) {
    d.outcome.records.push_back(offset_tombstone(key));
    set_offset(d.batch, key, std::nullopt);
  }
  return finish(std::move(d));
}

wire::DescribeGroupsResponse::DescribedGroup Shard::describe_group(const std::string& group_id, std::int16_t version) const {
  wire::DescribeGroupsResponse::DescribedGroup described;
  described.group_id = group_id;
  const Group* const group = find(group_id);
  if (group == nullptr) {
    described.group_state = name_of(GroupState::dead);
    if (version >= first_with_group_not_found) {
      described.error_code = static_cast<std::int16_t>(Code::group_id_not_found);
      described.error_message = "Group " + group_id + " not found.";
    }
    return described;
  }
  const bool stable = group->state == GroupState::stable;
  described.group_state = name_of(group->state);
  described.protocol_type = group->protocol_type.value_or("");
  if (stable) described.protocol_data = group->protocol_name.value_or("");
  for (const auto& [id, member] : group->members) {
    auto& shown = described.members.emplace_back();
    shown.member_id = id;
    shown.group_instance_id = member.instance_id;
    shown.client_id = member.client_id;
    shown.client_host = member.client_host;
    if (!stable) continue;
    for (const Protocol& protocol : member.protocols)
      if (protocol.name == group->protocol_name) shown.member_metadata = protocol.metadata;
    shown.member_assignment = member.assignment;
  }
  return described;
}

std::vector<wire::ListGroupsResponse::ListedGroup> Shard::list_groups(const wire::ListGroupsRequest& request) const {
  const auto wanted = [](const std::vector<std::string>& filter, std::string_view value) {
    return filter.empty() || std::any_of(filter.begin(), filter.end(), [&](const std::string& f) { return equals_ignoring_case(f, value); });
  };
  std::vector<wire::ListGroupsResponse::ListedGroup> listed;
  if (!wanted(request.types_filter, "classic")) return listed;
  for (const auto& [id, group] : groups_) {
    if (!wanted(request.states_filter, name_of(group.state))) continue;
    auto& shown = listed.emplace_back();
    shown.group_id = id;
    shown.protocol_type = group.protocol_type.value_or("");
    shown.group_state = name_of(group.state);
    shown.group_type = "classic";
  }
  return listed;
}

}  // namespace harrow::group
