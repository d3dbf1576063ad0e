#include "sim/check/oracle.h"

#include <algorithm>
#include <charconv>

#include "sim/check/setup.h"

namespace harrow::sim {
namespace {
const NodeTruth unknown_node;
}  // namespace

std::string_view name_of(ExcuseReason reason) {
  switch (reason) {
    case ExcuseReason::unsynced: return "every copy lost its un-synced tail to a power loss";
    case ExcuseReason::unclean: return "an unclean election that the settings allow";
    case ExcuseReason::deleted: return "the topic was deleted";
    case ExcuseReason::wiped: return "a voter's disk was wiped, and too few others had it";
  }
  return "";
}

std::int64_t JudgeSetup::number(std::string_view name, std::int64_t otherwise) const {
  const auto found = config.find(name);
  if (found == config.end()) return otherwise;
  std::int64_t value = otherwise;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  return value;
}
bool JudgeSetup::flag(std::string_view name, bool otherwise) const {
  const auto found = config.find(name);
  return found == config.end() ? otherwise : found->second == "true";
}

std::span<const TraceKind> Oracle::kinds() {
  static constexpr TraceKind list[] = {
      TraceKind::node_started,   TraceKind::node_crashed,    TraceKind::node_stopped,      TraceKind::node_halted,
      TraceKind::fault_began,    TraceKind::disk_failed,     TraceKind::appended,          TraceKind::truncated,
      TraceKind::log_start_moved, TraceKind::log_loaded,     TraceKind::log_synced,        TraceKind::log_deleted,
      TraceKind::clean_shutdown_marked, TraceKind::became_leader, TraceKind::became_follower, TraceKind::high_watermark_moved,
      TraceKind::isr_proposed,   TraceKind::isr_committed,   TraceKind::partition_dropped, TraceKind::quorum_role,
      TraceKind::quorum_high_watermark, TraceKind::quorum_flushed, TraceKind::quorum_truncated, TraceKind::image_published,
      TraceKind::leader_elected, TraceKind::broker_registered, TraceKind::send_invoked,    TraceKind::send_acked,
      TraceKind::send_failed,    TraceKind::record_consumed, TraceKind::position_reset, TraceKind::segments_cleaned};
  return list;
}

PartitionTruth& Oracle::truth(const std::string& topic, std::int32_t index) {
  auto& place = partitions_[{topic, index}];
  if (place == nullptr) {
    place = std::make_unique<PartitionTruth>();
    place->topic = topic;
    place->partition = index;
    place->metadata = topic == metadata_topic_name;
    place->internal = place->metadata || topic == offsets_topic_name;
    if (place->metadata) metadata_ = place.get();
  }
  return *place;
}

PartitionTruth* Oracle::truth(std::uint32_t subject) {
  if (subject < by_subject_.size() && by_subject_[subject] != nullptr) return by_subject_[subject];
  const std::string& name = name_(subject);
  const std::size_t dash = name.rfind('-');
  if (dash == std::string::npos || dash == 0) return nullptr;
  std::int32_t index = 0;
  const auto [end, problem] = std::from_chars(name.data() + dash + 1, name.data() + name.size(), index);
  if (problem != std::errc() || end != name.data() + name.size()) return nullptr;
  PartitionTruth& found = truth(name.substr(0, dash), index);
  found.subject = subject;
  if (subject >= by_subject_.size()) by_subject_.resize(subject + 16, nullptr);
  by_subject_[subject] = &found;
  return &found;
}

const PartitionTruth* Oracle::partition(std::uint32_t subject) const {
  return subject < by_subject_.size() ? by_subject_[subject] : nullptr;
}
const PartitionTruth* Oracle::partition(std::string_view topic, std::int32_t index) const {
  const auto found = partitions_.find(std::pair<std::string, std::int32_t>(topic, index));
  return found == partitions_.end() ? nullptr : found->second.get();
}

NodeTruth& Oracle::node_at(std::uint16_t machine) {
  while (nodes_.size() <= machine) {
    NodeTruth fresh;
    fresh.id = id_of(static_cast<std::uint16_t>(nodes_.size()));
    nodes_.push_back(fresh);
  }
  return nodes_[machine];
}
const NodeTruth& Oracle::node(std::uint16_t machine) const { return machine < nodes_.size() ? nodes_[machine] : unknown_node; }
const NodeTruth* Oracle::node_of(NodeId id) const {
  const std::int32_t machine = machine_of(id);
  return machine < 0 || static_cast<std::size_t>(machine) >= nodes_.size() ? nullptr : &nodes_[static_cast<std::size_t>(machine)];
}
std::int32_t Oracle::machine_of(NodeId id) const {
  for (std::size_t i = 0; i < setup_.node_of_machine.size(); ++i)
    if (setup_.node_of_machine[i] == id) return static_cast<std::int32_t>(i);
  return -1;
}
bool Oracle::registered_now(NodeId id) const { return std::find(registered_now_.begin(), registered_now_.end(), id) != registered_now_.end(); }
bool Oracle::is_voter(std::uint16_t machine) const {
  const NodeId id = id_of(machine);
  return id != no_node && std::find(setup_.voters.begin(), setup_.voters.end(), id) != setup_.voters.end();
}
NodeId Oracle::id_of(std::uint16_t machine) const {
  return machine < setup_.node_of_machine.size() ? setup_.node_of_machine[machine] : no_node;
}

const std::uint64_t* Oracle::image_hash_at(std::int64_t offset) const {
  auto above = image_hashes_.upper_bound(offset);
  return above == image_hashes_.begin() ? nullptr : &(--above)->second;
}
const std::uint64_t* Oracle::image_hash_exactly(std::int64_t offset) const {
  const auto found = image_hashes_.find(offset);
  return found == image_hashes_.end() ? nullptr : &found->second;
}

void Oracle::on_process_end(std::uint16_t machine, bool power_lost) {
  NodeTruth& node = node_at(machine);
  ++node.starts;
  node.up = false;
  node.disk_failed_at = -1;
  node.registered = false;
  node.power_lost = node.power_lost || power_lost;
  node.quorum_role = -1;
  if (node.loaded_since_mark) node.clean_marked = false;
  for (auto& [name, partition] : partitions_)
    if (ReplicaTruth* const replica = partition->replica_on(machine)) {
      replica->role = TruthRole::none;
      replica->has_isr = false;
      replica->high_watermark = -1;
    }
}

bool Oracle::of_another_topic(const TraceEvent& event, const void* payload) {
  const bool of_a_replica = event.kind >= TraceKind::log_loaded && event.kind < TraceKind::quorum_role;
  if (event.kind == TraceKind::log_loaded && payload != nullptr) served_ids_[{event.node, event.subject}] = note_of<LogNote>(payload).topic_id;
  if (once_deleted_.empty() || !of_a_replica || !once_deleted_.contains(event.subject)) return false;
  if (truth(event.subject)->deleted) return true;
  const auto served = served_ids_.find({event.node, event.subject});
  return served != served_ids_.end() && served->second != truth(event.subject)->topic_id;
}

void Oracle::on_event(const TraceEvent& event, const void* payload) {
  now_ns_ = event.time_ns;
  switch (event.kind) {
    case TraceKind::appended:
      if (payload != nullptr) on_appended(event, note_of<AppendNote>(payload));
      else append_ = {};
      break;
    case TraceKind::truncated: on_truncated(event); break;
    case TraceKind::log_loaded: on_loaded(event, static_cast<const LogNote*>(payload)); break;
    case TraceKind::log_start_moved: on_start_moved(event); break;
    case TraceKind::segments_cleaned:
      if (payload != nullptr) on_cleaned(event, note_of<CleanNote>(payload));
      break;
    case TraceKind::log_synced:
      if (PartitionTruth* const partition = truth(event.subject)) {
        ReplicaTruth& synced = replica(*partition, event.node);
        synced.synced = std::max(synced.synced, event.a);
      }
      break;
    case TraceKind::log_deleted:
      if (PartitionTruth* const partition = truth(event.subject))
        std::erase_if(partition->replicas, [&](const ReplicaTruth& one) { return one.machine == event.node; });
      break;
    case TraceKind::became_leader: on_became_leader(event); break;
    case TraceKind::became_follower:
      if (PartitionTruth* const partition = truth(event.subject)) {
        ReplicaTruth& follower = replica(*partition, event.node);
        follower.role = TruthRole::follower;
        follower.leader_epoch = static_cast<std::int32_t>(event.a);
        follower.has_isr = false;
      }
      break;
    case TraceKind::high_watermark_moved: on_high_watermark(event); break;
    case TraceKind::isr_proposed:
    case TraceKind::isr_committed:
      if (PartitionTruth* const partition = truth(event.subject); partition != nullptr && payload != nullptr) {
        const auto& note = note_of<IsrNote>(payload);
        ReplicaTruth& leader = replica(*partition, event.node);
        if (event.kind == TraceKind::isr_committed) leader.isr.assign(note.isr.begin(), note.isr.end());
        leader.maximal_isr.assign(note.maximal_isr.begin(), note.maximal_isr.end());
        leader.min_isr = note.min_isr;
        leader.has_isr = true;
      }
      break;
    case TraceKind::leader_elected:
      if (payload != nullptr) {
        const auto& note = note_of<ElectionNote>(payload);
        elections_[{event.subject, static_cast<std::int32_t>(event.b)}] = {note.unclean, note.from_elr};
      }
      break;
    case TraceKind::image_published:
      if (payload != nullptr) on_image(event, note_of<ImageNote>(payload));
      break;
    case TraceKind::quorum_role: {
      NodeTruth& node = node_at(event.node);
      node.quorum_role = static_cast<std::int32_t>(event.a);
      node.quorum_epoch = static_cast<std::int32_t>(event.b);
      break;
    }
    case TraceKind::quorum_high_watermark: on_quorum_high_watermark(event); break;
    case TraceKind::quorum_flushed: node_at(event.node).flushed_end = event.a; break;
    case TraceKind::quorum_truncated: {
      NodeTruth& node = node_at(event.node);
      node.flushed_end = std::min(node.flushed_end, event.a);
      break;
    }
    case TraceKind::node_started: {
      NodeTruth& node = node_at(event.node);
      node.up = true;
      node.power_lost = false;
      break;
    }
    case TraceKind::node_crashed: on_process_end(event.node, event.b != 0); break;
    case TraceKind::node_stopped:
    case TraceKind::node_halted: on_process_end(event.node, false); break;
    case TraceKind::disk_failed: {
      NodeTruth& node = node_at(event.node);
      if (node.disk_failed_at < 0) node.disk_failed_at = event.time_ns;
      node.may_halt = true;
      break;
    }
    case TraceKind::clean_shutdown_marked: {
      NodeTruth& node = node_at(event.node);
      node.clean_marked = true;
      node.loaded_since_mark = false;
      break;
    }
    case TraceKind::fault_began:
      if (payload != nullptr) {
        const std::string_view kind = note_of<FaultNote>(payload).kind;
        if (kind.find("disk") != std::string_view::npos || kind == "bit-rot" || kind == "misdirect" || kind == "sync-error")
          for (std::size_t machine = 0; machine < setup_.node_of_machine.size(); ++machine) node_at(static_cast<std::uint16_t>(machine)).may_halt = true;
        if (kind == "bit-rot" || kind == "misdirect" || kind == "sync-error" || kind == "disk-error" || kind == "wipe-disk") {
          damage_possible_ = true;
          // The note names its target in words; whoever is hit, any node's loss may come from it.
          for (std::size_t machine = 0; machine < setup_.node_of_machine.size(); ++machine)
            if (setup_.node_of_machine[machine] != no_node) node_at(static_cast<std::uint16_t>(machine)).disk_faulted = true;
        }
      }
      break;
    case TraceKind::send_invoked: ++sent_; break;
    case TraceKind::send_acked:
      if (payload != nullptr) on_acked(event, note_of<SendNote>(payload));
      break;
    case TraceKind::send_failed:
      if (payload != nullptr && note_of<SendNote>(payload).code != Code::request_timed_out &&
          note_of<SendNote>(payload).value_hash != hash_of(std::string_view()))  // tombstones are all alike
        refused_.insert(note_of<SendNote>(payload).value_hash);
      break;
    case TraceKind::record_consumed: on_consumed(event); break;
    case TraceKind::position_reset:
      if (PartitionTruth* const partition = truth(event.subject); partition != nullptr && event.a >= 0) ++partition->resets;
      break;
    default: break;
  }
}

}  // namespace harrow::sim
