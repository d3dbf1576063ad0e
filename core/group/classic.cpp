// Requests of the classic group protocol: join, sync, heartbeat, leave; and members' comings and goings.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/mutation.h"
#include "core/group/records.h"
#include "core/group/shard.h"

namespace harrow::group {
namespace {

constexpr std::int16_t first_with_known_member_id = 4;
constexpr std::int16_t first_with_member_list = 3;  // LeaveGroup
constexpr std::int16_t first_with_skip_assignment = 9;

wire::JoinGroupResponse join_refusal(const std::string& member_id, Code code) {
  wire::JoinGroupResponse response;
  response.member_id = member_id;
  response.error_code = static_cast<std::int16_t>(code);
  return response;
}

wire::SyncGroupResponse sync_refusal(Code code) {
  wire::SyncGroupResponse response;
  response.error_code = static_cast<std::int16_t>(code);
  return response;
}

std::vector<Protocol> protocols_of(const wire::JoinGroupRequest& request) {
  std::vector<Protocol> protocols;
  for (const auto& protocol : request.protocols)
    protocols.push_back({protocol.name, Bytes::copy_of(protocol.metadata.flat().span())});  // not a share of the frame
  return protocols;
}

bool matches(const Member& member, const wire::JoinGroupRequest& request) {
  return std::equal(member.protocols.begin(), member.protocols.end(), request.protocols.begin(), request.protocols.end(),
                    [](const Protocol& mine, const auto& theirs) { return mine.name == theirs.name && mine.metadata == theirs.metadata; });
}

bool supports(const Group& group, const wire::JoinGroupRequest& request) {
  if (group.members.empty()) return !request.protocol_type.empty() && !request.protocols.empty();
  if (group.protocol_type != request.protocol_type) return false;
  return std::any_of(request.protocols.begin(), request.protocols.end(), [&](const auto& offered) {
    return std::all_of(group.members.begin(), group.members.end(), [&](const auto& entry) {
      const std::vector<Protocol>& protocols = entry.second.protocols;
      return std::any_of(protocols.begin(), protocols.end(), [&](const Protocol& p) { return p.name == offered.name; });
    });
  });
}

bool has_room(const Group& group, const std::string& member_id, std::int32_t max_size) {
  const auto member = group.members.find(member_id);
  const bool known = member != group.members.end();
  const auto limit = static_cast<std::size_t>(max_size);
  switch (group.state) {
    case GroupState::preparing_rebalance: {
      // Those who wait are counted: when the limit was lowered, the last to rejoin are the ones that go.
      if (known && member->second.awaiting_join != no_ticket) return true;
      const auto waiting = std::count_if(group.members.begin(), group.members.end(),
                                         [](const auto& entry) { return entry.second.awaiting_join != no_ticket; });
      return static_cast<std::size_t>(waiting) < limit;
    }
    case GroupState::completing_rebalance:
    case GroupState::stable: return known || group.members.size() < limit;
    default: return true;
  }
}

/// `<prefix>-<uuid>`, the prefix being the instance id or else the client id.
std::string new_member_id(const std::string& prefix, Random& random) {
  const std::uint64_t high = (random.next() & ~0xf000ULL) | 0x4000ULL;
  const std::uint64_t low = (random.next() & ~(3ULL << 62)) | (2ULL << 62);
  return fmt::format("{}-{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", prefix, high >> 32, (high >> 16) & 0xffff, high & 0xffff,
                     low >> 48, low & 0xffffffffffffULL);
}

/// Whether this member, as it names itself, belongs to the group.
Code check_member(const Group& group, const std::string& member_id, const std::optional<std::string>& instance_id) {
  if (instance_id) {
    const auto holder = group.static_members.find(*instance_id);
    if (holder == group.static_members.end()) return Code::unknown_member_id;
    if (holder->second != member_id) return Code::fenced_instance_id;
  }
  return group.members.contains(member_id) ? Code::none : Code::unknown_member_id;
}

}  // namespace

Outcome Shard::join_group(const wire::JoinGroupRequest& request, const Caller& caller, Ticket ticket, Now now, Random& random) {
  Draft d = draft(now);
  const auto refuse = [&](const std::string& member_id, Code code) {
    d.outcome.answers.push_back({ticket, join_refusal(member_id, code)});
  };
  if (request.group_id.empty()) {
    refuse(request.member_id, Code::invalid_group_id);
    return finish(std::move(d));
  }
  if (request.session_timeout_ms < config_.min_session_timeout_ms || request.session_timeout_ms > config_.max_session_timeout_ms) {
    refuse(request.member_id, Code::invalid_session_timeout);
    return finish(std::move(d));
  }
  Group* group = find(request.group_id);
  const bool is_new_group = group == nullptr;
  if (is_new_group) {
    if (!request.member_id.empty()) {
      refuse(request.member_id, Code::unknown_member_id);
      return finish(std::move(d));
    }
    group = &create(request.group_id);
    group->state_time = now.wall;
  }
  if (!has_room(*group, request.member_id, config_.max_size)) {
    if (group->members.contains(request.member_id)) remove_member(d, *group, request.member_id);
    forget_pending(*group, request.member_id);
    refuse("", Code::group_max_size_reached);
  } else if (!supports(*group, request)) {
    refuse(request.member_id, Code::inconsistent_group_protocol);
  } else if (request.member_id.empty()) {
    join_new_member(d, *group, request, caller, ticket, random);
  } else {
    join_existing_member(d, *group, request, caller, ticket);
  }
  // A group that exists only here would be forgotten by the next coordinator together with the ids it gave out.
  if (is_new_group && d.outcome.records.empty()) d.outcome.records.push_back(empty_group_record(*group));
  return finish(std::move(d));
}

void Shard::join_new_member(Draft& draft, Group& group, const wire::JoinGroupRequest& request, const Caller& caller, Ticket ticket,
                            Random& random) {
  const std::string member_id = new_member_id(request.group_instance_id.value_or(caller.client_id), random);
  if (request.group_instance_id) {
    const auto holder = group.static_members.find(*request.group_instance_id);
    if (holder == group.static_members.end()) return add_member(draft, group, member_id, request, caller, ticket);
    return replace_static_member(draft, group, std::string(holder->second), member_id, request, caller, ticket);
  }
  if (caller.version < first_with_known_member_id) return add_member(draft, group, member_id, request, caller, ticket);
  // Without this a client that times out and joins again would leave a member behind that nobody speaks for.
  arm_pending(group, member_id, after_ms(draft.now.mono, request.session_timeout_ms));
  draft.outcome.answers.push_back({ticket, join_refusal(member_id, Code::member_id_required)});
}

void Shard::join_existing_member(Draft& draft, Group& group, const wire::JoinGroupRequest& request, const Caller& caller,
                                 Ticket ticket) {
  if (group.pending_members.contains(request.member_id) && !request.group_instance_id)
    return add_member(draft, group, request.member_id, request, caller, ticket);
  if (const Code code = check_member(group, request.member_id, request.group_instance_id); code != Code::none) {
    draft.outcome.answers.push_back({ticket, join_refusal(request.member_id, code)});
    return;
  }
  Member& member = group.members.at(request.member_id);
  const bool same = matches(member, request);
  const bool is_leader = group.leader == member.member_id;
  switch (group.state) {
    case GroupState::preparing_rebalance:
      update_member(draft, member, request, caller.version, ticket);
      return maybe_complete_join(draft, group);
    case GroupState::completing_rebalance:
    case GroupState::stable:
      if (same && !(group.state == GroupState::stable && is_leader)) {
        // The answer to its join was lost: it gets it again.
        draft.outcome.answers.push_back({ticket, joined(group, member)});
        return;
      }
      update_member(draft, member, request, caller.version, ticket);
      return prepare_rebalance(draft, group);
    default:
      draft.outcome.answers.push_back({ticket, join_refusal(request.member_id, Code::unknown_member_id)});
  }
}

void Shard::add_member(Draft& draft, Group& group, const std::string& member_id, const wire::JoinGroupRequest& request,
                       const Caller& caller, Ticket ticket) {
  forget_pending(group, member_id);
  if (group.state == GroupState::preparing_rebalance && group.initial_join) group.new_member_added = true;
  if (group.members.empty()) group.protocol_type = request.protocol_type;
  if (!group.leader) group.leader = member_id;
  if (request.group_instance_id) group.static_members[*request.group_instance_id] = member_id;
  Member& member = group.members[member_id];
  member.member_id = member_id;
  member.instance_id = request.group_instance_id;
  member.client_id = caller.client_id;
  member.client_host = caller.client_host;
  member.is_new = true;
  update_member(draft, member, request, caller.version, ticket);
  // It cannot send heartbeats before its first join is answered, but a client that went away must not stay for ever.
  arm_session(group, member, after_ms(draft.now.mono, config_.new_member_join_timeout_ms));
  rebalance_or_complete_join(draft, group);
}

void Shard::update_member(Draft& draft, Member& member, const wire::JoinGroupRequest& request, std::int16_t version, Ticket ticket) {
  // The request before this one, if any, belongs to a connection that the client gave up.
  answer_join(draft, member, join_refusal(member.member_id, Code::rebalance_in_progress));
  member.rebalance_timeout_ms = request.rebalance_timeout_ms < 0 ? request.session_timeout_ms : request.rebalance_timeout_ms;
  member.session_timeout_ms = request.session_timeout_ms;
  member.protocols = protocols_of(request);
  member.awaiting_join = ticket;
  member.join_version = version;
}

Member& Shard::rename_static_member(Draft& draft, Group& group, const std::string& instance_id, const std::string& from,
                                    const std::string& to) {
  Member& old = group.members.at(from);
  answer_join(draft, old, join_refusal(from, Code::fenced_instance_id));
  answer_sync(draft, old, sync_refusal(Code::fenced_instance_id));
  disarm_session(group, old);
  auto node = group.members.extract(from);
  node.key() = to;
  Member& member = group.members.insert(std::move(node)).position->second;
  member.member_id = to;
  group.static_members[instance_id] = to;
  if (group.leader == from) group.leader = to;
  if (group.pending_sync_members.erase(from) > 0) group.pending_sync_members.insert(to);
  return member;
}

void Shard::replace_static_member(Draft& draft, Group& group, const std::string& old_member_id, const std::string& new_member_id,
                                  const wire::JoinGroupRequest& request, const Caller& caller, Ticket ticket) {
  StaticJoinThen then;
  then.group_id = group.group_id;
  then.instance_id = *request.group_instance_id;
  then.old_member_id = old_member_id;
  then.new_member_id = new_member_id;
  then.old_leader = group.leader;
  Member& member = rename_static_member(draft, group, then.instance_id, old_member_id, new_member_id);
  renew_session(group, member, draft.now);
  then.old_protocols = member.protocols;
  then.old_rebalance_timeout_ms = member.rebalance_timeout_ms;
  then.old_session_timeout_ms = member.session_timeout_ms;
  then.version = caller.version;
  update_member(draft, member, request, caller.version, ticket);
  switch (group.state) {
    case GroupState::stable:
      if (choose_protocol(group) != group.protocol_name) return prepare_rebalance(draft, group);
      if (mutated(Bug::G10)) return committed_static_join(draft, then);
      // Nothing moves but the id; it must survive this coordinator, or the next one would fence the living member.
      draft.outcome.records.push_back(group_record(group));
      draft.batch.then.push_back(std::move(then));
      return;
    case GroupState::completing_rebalance:
      // The leader may have computed an assignment for the old id already.
      return prepare_rebalance(draft, group);
    default: return maybe_complete_join(draft, group);
  }
}

void Shard::committed_static_join(Draft& draft, const StaticJoinThen& then) {
  Group* const group = find(then.group_id);
  if (group == nullptr) return;
  const auto found = group->members.find(then.new_member_id);
  if (found == group->members.end()) return;
  Member& member = found->second;
  wire::JoinGroupResponse response = joined(*group, member);
  if (then.version >= first_with_skip_assignment) {
    response.skip_assignment = group->leader == then.new_member_id;
  } else {
    // Older clients cannot be told to skip: the old leader's name keeps a returning leader from assigning anew.
    response.members.clear();
    response.leader = then.old_leader.value_or("");
  }
  answer_join(draft, member, std::move(response));
  member.is_new = false;
}

void Shard::refused_static_join(Draft& draft, const StaticJoinThen& then, Code code) {
  Group* const group = find(then.group_id);
  if (group == nullptr || !group->members.contains(then.new_member_id)) return;
  answer_join(draft, group->members.at(then.new_member_id), join_refusal("", coordinator_code_of(code)));
  Member& member = rename_static_member(draft, *group, then.instance_id, then.new_member_id, then.old_member_id);
  member.protocols = then.old_protocols;
  member.rebalance_timeout_ms = then.old_rebalance_timeout_ms;
  member.session_timeout_ms = then.old_session_timeout_ms;
  renew_session(*group, member, draft.now);
}

void Shard::remove_member(Draft& draft, Group& group, const std::string& member_id) {
  const auto found = group.members.find(member_id);
  if (found == group.members.end()) return;
  Member& member = found->second;
  answer_join(draft, member, join_refusal("", Code::unknown_member_id));
  answer_sync(draft, member, sync_refusal(Code::unknown_member_id));
  disarm_session(group, member);
  if (member.instance_id) group.static_members.erase(*member.instance_id);
  group.pending_sync_members.erase(member_id);
  group.members.erase(found);
  if (group.leader != member_id) return;
  if (group.members.empty()) group.leader.reset();
  else group.leader = group.members.begin()->first;
}

void Shard::expire_member(Draft& draft, Group& group, const std::string& member_id) {
  const Member& member = group.members.at(member_id);
  // Who waits for us cannot send heartbeats; its session starts anew with the answer. A new member's client may be gone.
  if (!member.is_new && (member.awaiting_join != no_ticket || member.awaiting_sync != no_ticket)) return;
  Note note;
  note.kind = TraceKind::member_expired;
  note.a = group.generation;
  note.group = group.group_id;
  note.member = member_id;
  note.generation = group.generation;
  note.now = draft.now.wall;
  draft.outcome.notes.push_back(std::move(note));
  remove_member(draft, group, std::string(member_id));
  rebalance_or_complete_join(draft, group);
}

Outcome Shard::sync_group(const wire::SyncGroupRequest& request, Ticket ticket, Now now) {
  Draft d = draft(now);
  const auto refuse = [&](Code code) {
    d.outcome.answers.push_back({ticket, sync_refusal(code)});
    return finish(std::move(d));
  };
  if (request.group_id.empty()) return refuse(Code::invalid_group_id);
  Group* const group = find(request.group_id);
  if (group == nullptr) return refuse(Code::unknown_member_id);
  if (const Code code = check_member(*group, request.member_id, request.group_instance_id); code != Code::none) return refuse(code);
  if (request.generation_id != group->generation) return refuse(Code::illegal_generation);
  if (request.protocol_type && request.protocol_type != group->protocol_type) return refuse(Code::inconsistent_group_protocol);
  if (request.protocol_name && request.protocol_name != group->protocol_name) return refuse(Code::inconsistent_group_protocol);
  Member& member = group->members.at(request.member_id);
  switch (group->state) {
    case GroupState::preparing_rebalance: return refuse(Code::rebalance_in_progress);
    case GroupState::completing_rebalance: {
      answer_sync(d, member, sync_refusal(Code::rebalance_in_progress));  // an older try of the same member
      member.awaiting_sync = ticket;
      group->pending_sync_members.erase(member.member_id);
      if (group->leader != member.member_id) break;
      AssignmentThen then{group->group_id, group->generation, {}};
      for (const auto& given : request.assignments)
        then.assignments[given.member_id] = Bytes::copy_of(given.assignment.flat().span());
      d.outcome.records.push_back(group_record(*group, then.assignments));
      d.batch.then.push_back(std::move(then));
      break;
    }
    case GroupState::stable: {
      group->pending_sync_members.erase(member.member_id);
      wire::SyncGroupResponse response;
      response.protocol_type = group->protocol_type;
      response.protocol_name = group->protocol_name;
      response.assignment = member.assignment;
      d.outcome.answers.push_back({ticket, std::move(response)});
      renew_session(*group, member, now);
      break;
    }
    default: return refuse(Code::unknown_member_id);
  }
  return finish(std::move(d));
}

wire::HeartbeatResponse Shard::heartbeat(const wire::HeartbeatRequest& request, Now now) {
  const auto decide = [&]() {
    if (request.group_id.empty()) return Code::invalid_group_id;
    Group* const group = find(request.group_id);
    if (group == nullptr) return Code::unknown_member_id;
    if (const Code code = check_member(*group, request.member_id, request.group_instance_id); code != Code::none) return code;
    if (request.generation_id != group->generation) return Code::illegal_generation;
    if (group->state == GroupState::empty || group->state == GroupState::dead) return Code::unknown_member_id;
    renew_session(*group, group->members.at(request.member_id), now);
    return group->state == GroupState::preparing_rebalance ? Code::rebalance_in_progress : Code::none;
  };
  wire::HeartbeatResponse response;
  response.error_code = static_cast<std::int16_t>(decide());
  return response;
}

Outcome Shard::leave_group(const wire::LeaveGroupRequest& request, const Caller& caller, Ticket ticket, Now now) {
  Draft d = draft(now);
  wire::LeaveGroupResponse response;
  Group* const group = find(request.group_id);
  if (request.group_id.empty() || group == nullptr) {
    response.error_code = static_cast<std::int16_t>(request.group_id.empty() ? Code::invalid_group_id : Code::unknown_member_id);
    d.outcome.answers.push_back({ticket, std::move(response)});
    return finish(std::move(d));
  }
  std::vector<wire::LeaveGroupRequest::MemberIdentity> leaving = request.members;
  if (caller.version < first_with_member_list) {
    leaving.clear();
    leaving.emplace_back().member_id = request.member_id;
  }
  bool anybody_left = false;
  for (const auto& identity : leaving) {
    std::string member_id = identity.member_id;
    Code code = Code::none;
    if (member_id.empty()) {
      // An administrator removes a static member by its instance id alone.
      const auto holder = identity.group_instance_id ? group->static_members.find(*identity.group_instance_id)
                                                     : group->static_members.end();
      if (holder == group->static_members.end()) code = Code::unknown_member_id;
      else member_id = holder->second;
    } else if (!group->pending_members.contains(member_id)) {
      code = check_member(*group, member_id, identity.group_instance_id);
    }
    if (code == Code::none) {
      forget_pending(*group, member_id);
      remove_member(d, *group, member_id);
      anybody_left = true;
    }
    if (caller.version < first_with_member_list) {
      response.error_code = static_cast<std::int16_t>(code);
      continue;
    }
    auto& result = response.members.emplace_back();
    result.member_id = identity.member_id;
    result.group_instance_id = identity.group_instance_id;
    result.error_code = static_cast<std::int16_t>(code);
  }
  if (anybody_left && group->state != GroupState::empty) rebalance_or_complete_join(d, *group);
  d.batch.then.push_back(AnswerThen{ticket, std::move(response)});
  return finish(std::move(d));
}

}  // namespace harrow::group
