#include "core/group/shard.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/group/records.h"

namespace harrow::group {

std::string_view name_of(GroupState state) {
  switch (state) {
    case GroupState::empty: return "Empty";
    case GroupState::preparing_rebalance: return "PreparingRebalance";
    case GroupState::completing_rebalance: return "CompletingRebalance";
    case GroupState::stable: return "Stable";
    case GroupState::dead: return "Dead";
  }
  return "Unknown";
}

Code coordinator_code_of(Code log_code) {
  switch (log_code) {
    case Code::unknown_topic_or_partition:
    case Code::not_enough_replicas:
    case Code::not_enough_replicas_after_append:
    case Code::request_timed_out:
    case Code::timed_out: return Code::coordinator_not_available;
    case Code::not_leader_or_follower:
    case Code::kafka_storage_error:
    case Code::io_error:
    case Code::disk_full:
    case Code::closed: return Code::not_coordinator;
    case Code::message_too_large:
    case Code::record_list_too_large:
    case Code::invalid_fetch_size: return Code::unknown_server_error;
    default: return to_wire(log_code);
  }
}

namespace {

struct Refusal {
  Code code;
  std::int16_t number() const { return static_cast<std::int16_t>(coordinator_code_of(code)); }

  Body operator()(const wire::JoinGroupResponse& answer) const {
    wire::JoinGroupResponse refusal;
    refusal.member_id = answer.member_id;
    refusal.error_code = number();
    return refusal;
  }
  Body operator()(const wire::SyncGroupResponse&) const {
    wire::SyncGroupResponse refusal;
    refusal.error_code = number();
    return refusal;
  }
  Body operator()(const wire::LeaveGroupResponse&) const {
    wire::LeaveGroupResponse refusal;
    refusal.error_code = number();
    return refusal;
  }
  Body operator()(wire::OffsetCommitResponse answer) const {
    const bool too_large = code == Code::message_too_large || code == Code::record_list_too_large;
    for (auto& topic : answer.topics)
      for (auto& partition : topic.partitions)
        if (partition.error_code == 0)
          partition.error_code = too_large ? static_cast<std::int16_t>(Code::invalid_commit_offset_size) : number();
    return answer;
  }
  Body operator()(const wire::OffsetDeleteResponse&) const {
    wire::OffsetDeleteResponse refusal;
    refusal.error_code = number();
    return refusal;
  }
  Body operator()(wire::DeleteGroupsResponse answer) const {
    for (auto& result : answer.results)
      if (result.error_code == 0) result.error_code = number();
    return answer;
  }
};

}  // namespace

Body refusal_of(const Body& body, Code code) {
  return std::visit([code](const auto& answer) { return Refusal{code}(answer); }, body);
}

Shard::Draft Shard::draft(Now now) const {
  Draft draft;
  draft.now = now;
  return draft;
}

Outcome Shard::finish(Draft draft) {
  if (draft.outcome.records.empty()) {
    CHECK(draft.batch.undo.empty());
    settle(draft, draft.batch, Code::none);
    return std::move(draft.outcome);
  }
  draft.batch.id = next_batch_++;
  draft.outcome.batch = draft.batch.id;
  written_.push_back(std::move(draft.batch));
  return std::move(draft.outcome);
}

void Shard::settle(Draft& draft, Batch& batch, Code code) {
  for (Then& then : batch.then) {
    if (auto* const answer = std::get_if<AnswerThen>(&then)) {
      Body body = code == Code::none ? std::move(answer->body) : refusal_of(answer->body, code);
      draft.outcome.answers.push_back({answer->ticket, std::move(body)});
    } else if (auto* const assignment = std::get_if<AssignmentThen>(&then)) {
      if (code == Code::none) committed_assignment(draft, *assignment);
      else refused_assignment(draft, *assignment, code);
    } else if (auto* const join = std::get_if<StaticJoinThen>(&then)) {
      if (code == Code::none) committed_static_join(draft, *join);
      else refused_static_join(draft, *join, code);
    }
  }
  batch.then.clear();
  batch.answered = true;
  if (code != Code::none) return;
  for (Note& note : batch.notes) draft.outcome.notes.push_back(std::move(note));
}

Outcome Shard::committed(BatchId batch, Now now) {
  Draft d = draft(now);
  while (!written_.empty() && written_.front().id <= batch) {
    Batch done = std::move(written_.front());
    written_.pop_front();
    settle(d, done, Code::none);
  }
  return finish(std::move(d));
}

Outcome Shard::timed_out(BatchId batch, Code code, Now now) {
  Draft d = draft(now);
  const auto found = std::find_if(written_.begin(), written_.end(), [&](const Batch& b) { return b.id == batch; });
  if (found != written_.end()) settle(d, *found, code);
  return finish(std::move(d));
}

Outcome Shard::refused(BatchId batch, Code code, Now now) {
  CHECK(!written_.empty() && written_.back().id == batch);
  Draft d = draft(now);
  Batch undone = std::move(written_.back());
  written_.pop_back();
  for (auto change = undone.undo.rbegin(); change != undone.undo.rend(); ++change) {
    if (auto* const offset = std::get_if<OffsetUndo>(&*change)) {
      if (offset->before) offsets_[offset->key] = std::move(*offset->before);
      else offsets_.erase(offset->key);
    } else if (auto* const group = std::get_if<GroupUndo>(&*change)) {
      if (Group* const there = find(group->group_id); there != nullptr) disarm_all(*there);
      if (group->before) groups_.insert_or_assign(group->group_id, std::move(*group->before));
      else groups_.erase(group->group_id);
    }
  }
  settle(d, undone, code);
  return finish(std::move(d));
}

Outcome Shard::tick(Now now) {
  Draft d = draft(now);
  while (!timers_.empty() && timers_.begin()->at <= now.mono && d.outcome.records.empty()) {
    const Timer timer = *timers_.begin();
    timers_.erase(timers_.begin());
    Group* const group = find(timer.group_id);
    CHECK(group != nullptr);
    switch (timer.kind) {
      case TimerKind::session: {
        Member& member = group->members.at(timer.member_id);
        member.session_timer = never;
        if (member.session_deadline > now.mono) arm_session(*group, member, member.session_deadline);
        else expire_member(d, *group, timer.member_id);
        break;
      }
      case TimerKind::pending:
        group->pending_members.erase(timer.member_id);
        maybe_complete_join(d, *group);
        break;
      case TimerKind::join:
        group->join_timer = never;
        if (group->initial_join) initial_delay_over(d, *group);
        else complete_join(d, *group);
        break;
      case TimerKind::sync:
        group->sync_timer = never;
        sync_expired(d, *group);
        break;
    }
  }
  return finish(std::move(d));
}

std::vector<Answer> Shard::resign(Code code) {
  std::vector<Answer> answers;
  for (Batch& batch : written_)
    for (const Then& then : batch.then)
      if (const auto* const answer = std::get_if<AnswerThen>(&then)) answers.push_back({answer->ticket, refusal_of(answer->body, code)});
  for (auto& [group_id, group] : groups_) {
    for (auto& [member_id, member] : group.members) {
      if (member.awaiting_join != no_ticket) answers.push_back({member.awaiting_join, refusal_of(wire::JoinGroupResponse(), code)});
      if (member.awaiting_sync != no_ticket) answers.push_back({member.awaiting_sync, refusal_of(wire::SyncGroupResponse(), code)});
    }
  }
  written_.clear();
  groups_.clear();
  offsets_.clear();
  timers_.clear();
  return answers;
}

Group* Shard::find(const std::string& group_id) {
  const auto found = groups_.find(group_id);
  return found == groups_.end() ? nullptr : &found->second;
}
const Group* Shard::find(const std::string& group_id) const {
  const auto found = groups_.find(group_id);
  return found == groups_.end() ? nullptr : &found->second;
}
Group& Shard::create(const std::string& group_id) {
  Group& group = groups_[group_id];
  group.group_id = group_id;
  return group;
}

// A session's timer is only moved when it must fire earlier: a heartbeat writes one number, and the timer, when it
// fires, looks at that number.
void Shard::arm_session(Group& group, Member& member, MonoNs deadline) {
  member.session_deadline = deadline;
  if (member.session_timer <= deadline) return;
  disarm_session(group, member);
  member.session_deadline = deadline;
  member.session_timer = deadline;
  timers_.insert({deadline, TimerKind::session, group.group_id, member.member_id});
}
void Shard::renew_session(Group& group, Member& member, Now now) {
  arm_session(group, member, after_ms(now.mono, member.session_timeout_ms));
}
void Shard::disarm_session(const Group& group, Member& member) {
  member.session_deadline = never;
  if (member.session_timer == never) return;
  timers_.erase({member.session_timer, TimerKind::session, group.group_id, member.member_id});
  member.session_timer = never;
}
void Shard::arm_group(Group& group, TimerKind kind, MonoNs deadline) {
  disarm_group(group, kind);
  (kind == TimerKind::join ? group.join_timer : group.sync_timer) = deadline;
  timers_.insert({deadline, kind, group.group_id, ""});
}
void Shard::disarm_group(Group& group, TimerKind kind) {
  MonoNs& armed = kind == TimerKind::join ? group.join_timer : group.sync_timer;
  if (armed == never) return;
  timers_.erase({armed, kind, group.group_id, ""});
  armed = never;
}
void Shard::arm_pending(Group& group, const std::string& member_id, MonoNs deadline) {
  group.pending_members[member_id] = deadline;
  timers_.insert({deadline, TimerKind::pending, group.group_id, member_id});
}
void Shard::forget_pending(Group& group, const std::string& member_id) {
  const auto found = group.pending_members.find(member_id);
  if (found == group.pending_members.end()) return;
  timers_.erase({found->second, TimerKind::pending, group.group_id, member_id});
  group.pending_members.erase(found);
}
void Shard::disarm_all(Group& group) {
  disarm_group(group, TimerKind::join);
  disarm_group(group, TimerKind::sync);
  for (auto& [id, member] : group.members) disarm_session(group, member);
  while (!group.pending_members.empty()) forget_pending(group, std::string(group.pending_members.begin()->first));
}

void Shard::answer_join(Draft& draft, Member& member, wire::JoinGroupResponse response) {
  if (member.awaiting_join == no_ticket) return;
  draft.outcome.answers.push_back({std::exchange(member.awaiting_join, no_ticket), std::move(response)});
}
void Shard::answer_sync(Draft& draft, Member& member, wire::SyncGroupResponse response) {
  if (member.awaiting_sync == no_ticket) return;
  draft.outcome.answers.push_back({std::exchange(member.awaiting_sync, no_ticket), std::move(response)});
}

std::string Shard::print() const {
  std::string out;
  for (const auto& [id, group] : groups_) {
    // A simple group is nothing but its offsets: what a load finds of it is in their keys.
    fmt::format_to(std::back_inserter(out), "group {} {} generation={} type={} protocol={} leader={} since={}\n", id,
                   name_of(group.state), group.generation, group.protocol_type.value_or("-"), group.protocol_name.value_or("-"),
                   group.leader.value_or("-"), group.state_time ? group.state_time->value() : -1);
    for (const auto& [member_id, member] : group.members) {
      std::uint64_t subscription = 0;
      for (const Protocol& protocol : member.protocols)
        if (protocol.name == group.protocol_name) subscription = hash_of(protocol.metadata);
      fmt::format_to(std::back_inserter(out),
                     "  member {} instance={} client={} host={} rebalance={} session={} subscription={:x} assignment={:x}\n",
                     member_id, member.instance_id.value_or("-"), member.client_id, member.client_host,
                     member.rebalance_timeout_ms, member.session_timeout_ms, subscription, hash_of(member.assignment));
    }
  }
  for (const auto& [key, offset] : offsets_)
    fmt::format_to(std::back_inserter(out), "offset {} {}-{} = {} epoch={} metadata='{}' at={} expires={} topic={}\n", key.group_id,
                   key.topic, key.partition, offset.offset.value(), offset.leader_epoch.value(), offset.metadata,
                   offset.commit_time.value(), offset.expire_time ? offset.expire_time->value() : -1, to_text(offset.topic_id));
  return out;
}

}  // namespace harrow::group
