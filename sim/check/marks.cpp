#include "sim/check/marks.h"

#include <algorithm>

#include "core/group/group.h"
#include "core/log/log.h"
#include "sim/check/oracle.h"

namespace harrow::sim {
namespace {
struct Row {
  std::string_view name, meaning;
};
constexpr Row rows[] = {
#define HARROW_MARK(id, name, meaning) {name, meaning},
#include "sim/check/marks.def"
#undef HARROW_MARK
};
constexpr std::string_view names[] = {
#define HARROW_MARK(id, name, meaning) name,
#include "sim/check/marks.def"
#undef HARROW_MARK
};
constexpr std::int64_t leader_role = 4;
bool contains(const std::vector<NodeId>& ids, NodeId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }
}  // namespace

std::string_view name_of(Mark mark) { return rows[static_cast<std::size_t>(mark)].name; }
std::string_view meaning_of(Mark mark) { return rows[static_cast<std::size_t>(mark)].meaning; }
std::span<const std::string_view> mark_names() { return names; }

std::int64_t Marks::reached(std::string_view name) const {
  for (std::size_t i = 0; i < mark_count; ++i)
    if (names[i] == name) return reached_[i];
  return -1;
}

std::span<const TraceKind> Marks::kinds() {
  static constexpr TraceKind list[] = {
      TraceKind::became_leader, TraceKind::image_published, TraceKind::leader_elected, TraceKind::broker_fenced, TraceKind::broker_unfenced,
      TraceKind::node_stopped, TraceKind::segment_rolled, TraceKind::log_start_moved, TraceKind::divergence_truncated, TraceKind::truncated,
      TraceKind::torn_tail_cut, TraceKind::unsynced_lost, TraceKind::duplicate_answered, TraceKind::produce_answered, TraceKind::fetch_session_opened,
      TraceKind::fetch_session_evicted, TraceKind::position_reset, TraceKind::fetch_rejected_corrupt, TraceKind::fetch_answered,
      TraceKind::controller_activated, TraceKind::controller_renounced, TraceKind::records_written, TraceKind::quorum_resigned,
      TraceKind::pre_vote_refused, TraceKind::quorum_truncated, TraceKind::snapshot_written, TraceKind::snapshot_loaded,
      TraceKind::coordinator_loaded, TraceKind::group_state, TraceKind::commit_refused, TraceKind::offset_expired, TraceKind::node_halted,
      TraceKind::disk_failed, TraceKind::node_paused, TraceKind::request_timed_out, TraceKind::fetch_session_full, TraceKind::member_expired,
      TraceKind::record_consumed, TraceKind::partitions_assigned, TraceKind::partitions_revoked,
      TraceKind::cleaning_began, TraceKind::log_cleaned, TraceKind::cleaning_interrupted, TraceKind::segments_cleaned, TraceKind::swap_finished,
      TraceKind::node_crashed, TraceKind::appended};
  return list;
}

void Marks::on_image(const TraceEvent&, const void*, const Oracle& oracle) {
  if (!oracle.image_is_new()) return;
  for (const RecordChange& change : oracle.record_changes()) {
    const PartitionRecord& now = change.partition->record;
    if (!change.before.known) continue;
    for (const auto* const list : {&change.before.isr, &change.before.elr})
      for (const NodeId id : *list)
        if (oracle.registered_now(id) && !contains(now.isr, id) && !contains(now.elr, id)) reach(Mark::unclean_restart);
    const std::size_t before = change.before.isr.size();
    if (now.isr.size() > before) reach(Mark::isr_expanded);
    if (now.isr.size() >= before) continue;
    reach(Mark::isr_shrunk);
    const auto minimum = static_cast<std::size_t>(now.min_isr);
    if (now.isr.size() == minimum) reach(Mark::isr_at_minimum);
    if (now.isr.size() < minimum) reach(Mark::isr_below_minimum);
  }
}

void Marks::on_group_state(const TraceEvent& event, const void* payload) {
  if (payload == nullptr) return;
  const std::string_view group = note_of<CommitNote>(payload).group;
  const auto state = static_cast<group::GroupState>(event.a);
  if (state != group::GroupState::preparing_rebalance && state != group::GroupState::completing_rebalance) {
    if (const auto found = rebalancing_.find(group); found != rebalancing_.end()) rebalancing_.erase(found);
    return;
  }
  if (!rebalancing_.emplace(group).second) return;
  for (auto& [machine, membership] : memberships_)
    if (membership.group == group) membership.consumed.clear();
}

void Marks::on_consumed(const TraceEvent& event, const void* payload) {
  if (rebalancing_.empty() || payload == nullptr) return;
  const auto& note = note_of<ConsumeNote>(payload);
  if (!rebalancing_.contains(note.group)) return;
  const auto found = memberships_.find(event.node);
  if (found != memberships_.end()) found->second.consumed.insert(TopicPartition{std::string(note.topic), note.partition});
}

void Marks::on_assignment(const TraceEvent& event, const void* payload) {
  if (payload == nullptr) return;
  const auto& note = note_of<AssignmentNote>(payload);
  Membership& membership = memberships_[event.node];
  if (event.kind == TraceKind::partitions_revoked) {
    for (const TopicPartition& partition : note.partitions) {
      membership.held.erase(partition);
      membership.consumed.erase(partition);
    }
    return;
  }
  const bool same_member = membership.member == note.member;
  if (!same_member && membership.generation == event.a && membership.group == note.group) reach(Mark::static_return);
  if (same_member && event.a > membership.generation &&
      std::any_of(note.partitions.begin(), note.partitions.end(),
                  [&](const TopicPartition& one) { return membership.held.contains(one) && membership.consumed.contains(one); }))
    reach(Mark::consumed_meanwhile);
  membership = Membership{std::string(note.group), std::string(note.member), event.a, {note.partitions.begin(), note.partitions.end()}, {}};
}

void Marks::on_event(const TraceEvent& event, const void* payload, const Oracle& oracle) {
  switch (event.kind) {
    case TraceKind::became_leader:
      if (const PartitionTruth* const partition = oracle.partition(event.subject); partition != nullptr && partition->newest_epoch == event.a) {
        std::int32_t& last = leaders_[event.subject];
        if (last != 0 && last != event.node + 1) reach(Mark::leader_changed);
        last = event.node + 1;
      }
      break;
    case TraceKind::image_published: on_image(event, payload, oracle); break;
    case TraceKind::leader_elected:
      if (payload != nullptr) {
        if (note_of<ElectionNote>(payload).from_elr) reach(Mark::elr_election);
        if (note_of<ElectionNote>(payload).unclean) reach(Mark::unclean_election);
      }
      break;
    case TraceKind::broker_fenced: reach(Mark::broker_fenced); break;
    case TraceKind::broker_unfenced: reach(Mark::broker_unfenced); break;
    case TraceKind::node_stopped:
      if (event.a != 0) reach(Mark::controlled_shutdown);
      break;
    case TraceKind::segment_rolled: reach(Mark::segment_rolled); break;
    case TraceKind::cleaning_began: cleaning_.insert(event.node); break;
    case TraceKind::log_cleaned:
      cleaning_.erase(event.node);
      reach(Mark::log_cleaned);
      break;
    case TraceKind::cleaning_interrupted:
    case TraceKind::node_crashed:
      if (cleaning_.erase(event.node) != 0) reach(Mark::cleaner_interrupted);
      break;
    case TraceKind::swap_finished: reach(Mark::swap_finished); break;
    case TraceKind::segments_cleaned:
      if (payload != nullptr && oracle.removes_tombstone(event.subject, note_of<CleanNote>(payload))) reach(Mark::tombstone_removed);
      break;
    case TraceKind::appended:
      if (oracle.append().filled_gap) reach(Mark::compacted_copied);
      break;
    case TraceKind::log_start_moved:
      switch (static_cast<LogStartReason>(event.b)) {
        case LogStartReason::retention_time:
        case LogStartReason::retention_size: reach(Mark::retention_moved); break;
        case LogStartReason::delete_records: reach(Mark::records_deleted); break;
        default: break;
      }
      break;
    case TraceKind::divergence_truncated:
      if (event.a < event.b) reach(Mark::truncated_diverging);
      break;
    case TraceKind::truncated:
      if (event.a < event.b) reach(Mark::truncated);
      break;
    case TraceKind::torn_tail_cut: reach(Mark::torn_tail_cut); break;
    case TraceKind::unsynced_lost: reach(Mark::unsynced_lost); break;
    case TraceKind::duplicate_answered: {
      reach(Mark::duplicate_answered);
      // Others of the same producer were appended behind the repeated batch: they were in flight with it.
      const PartitionTruth* const partition = oracle.partition(event.subject);
      const ReplicaTruth* const replica = partition == nullptr ? nullptr : partition->replica_on(event.node);
      if (replica == nullptr) break;
      const BatchRow* const repeated = partition->row(partition->find(*replica, event.a));
      if (repeated == nullptr) break;
      const auto last = replica->last_of_producer.find(repeated->producer_id);
      if (last != replica->last_of_producer.end() && partition->row(last->second) != nullptr && partition->row(last->second)->base > repeated->base)
        reach(Mark::five_in_flight);
      break;
    }
    case TraceKind::produce_answered:
      if (event.b == static_cast<std::int64_t>(Code::not_enough_replicas) || event.b == static_cast<std::int64_t>(Code::not_enough_replicas_after_append))
        reach(Mark::not_enough_replicas);
      break;
    case TraceKind::fetch_session_full: reach(Mark::fetch_session_full); break;
    case TraceKind::fetch_session_evicted:
      reach(Mark::fetch_session_evicted);
      reach(Mark::fetch_session_full);
      break;
    case TraceKind::position_reset:
      if (event.a >= 0) reach(Mark::out_of_range_reset);
      break;
    case TraceKind::fetch_rejected_corrupt: reach(Mark::fetch_rejected); break;
    case TraceKind::fetch_answered:
      if (event.b == static_cast<std::int64_t>(Code::fenced_leader_epoch)) reach(Mark::leader_epoch_fenced);
      break;
    case TraceKind::controller_activated:
      if (last_controller_ >= 0 && last_controller_ != event.node) reach(Mark::controller_changed);
      last_controller_ = event.node;
      written_end_[event.node] = 0;
      break;
    case TraceKind::records_written: written_end_[event.node] = event.a + event.b; break;
    case TraceKind::controller_renounced:
      if (written_end_[event.node] > event.b) reach(Mark::controller_lost_uncommitted);
      break;
    case TraceKind::quorum_resigned: reach(Mark::check_quorum_resigned); break;
    case TraceKind::pre_vote_refused: reach(Mark::pre_vote_refused); break;
    case TraceKind::quorum_truncated: reach(Mark::quorum_truncated); break;
    case TraceKind::snapshot_written: reach(Mark::snapshot_written); break;
    case TraceKind::snapshot_loaded: {
      // At a start the newest snapshot of the folder is shown too: only what comes from a leader counts.
      const PartitionTruth* const log = oracle.metadata();
      const ReplicaTruth* const replica = log == nullptr ? nullptr : log->replica_on(event.node);
      if (oracle.node(event.node).quorum_role < 0 || oracle.node(event.node).quorum_role == leader_role) break;
      if (replica != nullptr && replica->end != event.a) break;
      reach(oracle.is_voter(event.node) ? Mark::snapshot_follower : Mark::snapshot_broker);
      break;
    }
    case TraceKind::coordinator_loaded:
      reach(Mark::coordinator_loaded);
      if (payload != nullptr && note_of<CoordinatorNote>(payload).buffers >= 2) reach(Mark::coordinator_two_buffers);
      break;
    case TraceKind::group_state: {
      constexpr std::int64_t completing = 2;
      if (event.a == completing && event.b > 1) reach(Mark::group_rebalanced);
      on_group_state(event, payload);
      break;
    }
    case TraceKind::record_consumed: on_consumed(event, payload); break;
    case TraceKind::partitions_assigned:
    case TraceKind::partitions_revoked: on_assignment(event, payload); break;
    case TraceKind::member_expired: reach(Mark::member_expired); break;
    case TraceKind::commit_refused: reach(Mark::commit_refused); break;
    case TraceKind::offset_expired: reach(Mark::offsets_expired); break;
    case TraceKind::node_halted: reach(Mark::node_halted); break;
    case TraceKind::disk_failed: reach(Mark::disk_failed); break;
    case TraceKind::node_paused: reach(Mark::leader_paused); break;
    case TraceKind::request_timed_out: reach(Mark::request_timed_out); break;
    default: break;
  }
}

}  // namespace harrow::sim
