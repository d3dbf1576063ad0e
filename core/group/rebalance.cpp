// The phases of a rebalance: prepare (members rejoin), complete (the leader assigns), stable.
#include <algorithm>

#include "core/group/consumer_protocol.h"
#include "core/group/records.h"
#include "core/group/shard.h"

namespace harrow::group {
namespace {

std::int32_t rebalance_timeout_of(const Group& group) {
  std::int32_t largest = 0;
  for (const auto& [id, member] : group.members) largest = std::max(largest, member.rebalance_timeout_ms);
  return largest;
}

bool all_joined(const Group& group) {
  return group.pending_members.empty() &&
         std::all_of(group.members.begin(), group.members.end(), [](const auto& entry) { return entry.second.awaiting_join != no_ticket; });
}

/// Keeps the leader if it rejoined, else takes the first member that did; false if nobody did.
bool elect_joined_leader(Group& group) {
  if (!group.leader) return false;
  const auto leader = group.members.find(*group.leader);
  if (leader != group.members.end() && leader->second.awaiting_join != no_ticket) return true;
  for (const auto& [id, member] : group.members) {
    if (member.awaiting_join == no_ticket) continue;
    group.leader = id;
    return true;
  }
  return false;
}

Note assignment_note(const Group& group, const Member& member) {
  Note note;
  note.kind = TraceKind::assignment_made;
  note.a = group.generation;
  note.b = static_cast<std::int64_t>(group.members.size());
  note.group = group.group_id;
  note.member = member.member_id;
  note.generation = group.generation;
  if (group.uses_consumer_protocol())
    if (auto partitions = decode_assignment(member.assignment)) note.partitions = std::move(*partitions);
  return note;
}

}  // namespace

/// Each member votes for the first of its protocols that all support; most votes win, the lesser name on a tie.
std::string Shard::choose_protocol(const Group& group) {
  std::map<std::string, std::size_t> supporters;
  for (const auto& [id, member] : group.members)
    for (const Protocol& protocol : member.protocols) ++supporters[protocol.name];
  std::map<std::string, std::size_t> votes;
  for (const auto& [id, member] : group.members) {
    for (const Protocol& protocol : member.protocols) {
      if (supporters[protocol.name] != group.members.size()) continue;
      ++votes[protocol.name];
      break;
    }
  }
  CHECK(!votes.empty());
  const auto most = std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most->first;
}

void Shard::enter(Draft& draft, Group& group, GroupState state) {
  group.previous_state = group.state;
  group.state = state;
  group.state_time = draft.now.wall;
  Note note;
  note.kind = TraceKind::group_state;
  note.a = static_cast<std::int64_t>(state);
  note.b = group.generation;
  note.group = group.group_id;
  note.generation = group.generation;
  note.now = draft.now.wall;
  draft.outcome.notes.push_back(std::move(note));
}

void Shard::rebalance_or_complete_join(Draft& draft, Group& group) {
  if (group.state == GroupState::preparing_rebalance) maybe_complete_join(draft, group);
  else prepare_rebalance(draft, group);
}

void Shard::prepare_rebalance(Draft& draft, Group& group) {
  if (group.state == GroupState::completing_rebalance) reset_assignments(draft, group, Code::rebalance_in_progress);
  disarm_group(group, TimerKind::sync);
  const bool is_first = group.state == GroupState::empty;
  enter(draft, group, GroupState::preparing_rebalance);
  if (is_first) {
    // Members of a starting application arrive one by one: a short wait spares a rebalance for each.
    group.initial_join = true;
    group.new_member_added = false;
    group.initial_delay_ms = config_.initial_rebalance_delay_ms;
    group.initial_remaining_ms = std::max(rebalance_timeout_of(group) - config_.initial_rebalance_delay_ms, 0);
    arm_group(group, TimerKind::join, after_ms(draft.now.mono, group.initial_delay_ms));
    return;
  }
  group.initial_join = false;
  if (all_joined(group)) complete_join(draft, group);
  else arm_group(group, TimerKind::join, after_ms(draft.now.mono, rebalance_timeout_of(group)));
}

void Shard::initial_delay_over(Draft& draft, Group& group) {
  if (!group.new_member_added || group.initial_remaining_ms == 0) return complete_join(draft, group);
  group.new_member_added = false;
  const std::int32_t delay_ms = std::min(config_.initial_rebalance_delay_ms, group.initial_remaining_ms);
  group.initial_remaining_ms = std::max(group.initial_remaining_ms - group.initial_delay_ms, 0);
  group.initial_delay_ms = delay_ms;
  arm_group(group, TimerKind::join, after_ms(draft.now.mono, delay_ms));
}

void Shard::maybe_complete_join(Draft& draft, Group& group) {
  if (group.state == GroupState::preparing_rebalance && !group.initial_join && all_joined(group)) complete_join(draft, group);
}

void Shard::complete_join(Draft& draft, Group& group) {
  CHECK(group.state == GroupState::preparing_rebalance);
  disarm_group(group, TimerKind::join);
  std::vector<std::string> absent;
  for (const auto& [id, member] : group.members)
    if (member.awaiting_join == no_ticket && !member.instance_id) absent.push_back(id);
  for (const std::string& id : absent) remove_member(draft, group, id);

  if (!elect_joined_leader(group) && !group.members.empty()) {
    // Only static members are left and none came back: wait until their sessions end or one returns.
    group.initial_join = false;
    arm_group(group, TimerKind::join, after_ms(draft.now.mono, rebalance_timeout_of(group)));
    return;
  }
  group.initial_join = false;
  ++group.generation;
  group.pending_sync_members.clear();
  if (group.members.empty()) {
    group.protocol_name.reset();
    group.subscribed_topics = subscribed_topics_of(group);
    enter(draft, group, GroupState::empty);
    // If this is refused, a load finds the generation before: its members' sessions end there in their turn.
    draft.outcome.records.push_back(group_record(group));
    return;
  }
  group.protocol_name = choose_protocol(group);
  group.subscribed_topics = subscribed_topics_of(group);
  enter(draft, group, GroupState::completing_rebalance);
  for (auto& [id, member] : group.members) {
    answer_join(draft, member, joined(group, member));
    member.is_new = false;
    renew_session(group, member, draft.now);
    group.pending_sync_members.insert(id);
  }
  group.sync_timer_generation = group.generation;
  arm_group(group, TimerKind::sync, after_ms(draft.now.mono, rebalance_timeout_of(group)));
}

void Shard::sync_expired(Draft& draft, Group& group) {
  if (group.sync_timer_generation != group.generation || group.pending_sync_members.empty()) return;
  if (group.state != GroupState::completing_rebalance && group.state != GroupState::stable) return;
  const std::set<std::string> silent = group.pending_sync_members;
  for (const std::string& id : silent) remove_member(draft, group, id);
  prepare_rebalance(draft, group);
}

void Shard::reset_assignments(Draft& draft, Group& group, Code code) {
  for (auto& [id, member] : group.members) member.assignment = Bytes();
  answer_syncs(draft, group, code);
}

void Shard::answer_syncs(Draft& draft, Group& group, Code code) {
  for (auto& [id, member] : group.members) {
    if (member.awaiting_sync == no_ticket) continue;
    wire::SyncGroupResponse response;
    response.error_code = static_cast<std::int16_t>(code);
    if (code == Code::none) {
      response.protocol_type = group.protocol_type;
      response.protocol_name = group.protocol_name;
      response.assignment = member.assignment;
    }
    answer_sync(draft, member, std::move(response));
    renew_session(group, member, draft.now);  // while it waited, its session could not end
  }
}

void Shard::committed_assignment(Draft& draft, AssignmentThen& then) {
  Group* const group = find(then.group_id);
  if (group == nullptr || group->state != GroupState::completing_rebalance || group->generation != then.generation) return;
  for (auto& [id, member] : group->members) {
    const auto found = then.assignments.find(id);
    member.assignment = found == then.assignments.end() ? Bytes() : found->second;
    draft.outcome.notes.push_back(assignment_note(*group, member));
  }
  // The record was written with the time of the phase before; that is what a load must find, and what we go on with.
  const std::optional<WallMs> written_time = group->state_time;
  enter(draft, *group, GroupState::stable);
  group->state_time = written_time;
  answer_syncs(draft, *group, Code::none);
}

void Shard::refused_assignment(Draft& draft, const AssignmentThen& then, Code code) {
  Group* const group = find(then.group_id);
  if (group == nullptr || group->state != GroupState::completing_rebalance || group->generation != then.generation) return;
  reset_assignments(draft, *group, coordinator_code_of(code));
  prepare_rebalance(draft, *group);
}

wire::JoinGroupResponse Shard::joined(const Group& group, const Member& member) const {
  wire::JoinGroupResponse response;
  response.generation_id = group.generation;
  response.protocol_type = group.protocol_type;
  response.protocol_name = group.protocol_name;
  response.leader = group.leader.value_or("");
  response.member_id = member.member_id;
  if (group.leader != member.member_id) return response;
  for (const auto& [id, other] : group.members) {
    auto& shown = response.members.emplace_back();
    shown.member_id = id;
    shown.group_instance_id = other.instance_id;
    for (const Protocol& protocol : other.protocols)
      if (protocol.name == group.protocol_name) shown.metadata = protocol.metadata;
  }
  return response;
}

}  // namespace harrow::group
