#include "sim/check/oracle.h"

#include <algorithm>
#include <charconv>

#include "sim/check/setup.h"

namespace harrow::sim {
namespace {
const NodeTruth unknown_node;
constexpr std::size_t image_hashes_kept = 200'000;

/// A crash took the log back to where it had begun before: what the oracle still knows of that is in front of `head`.
void begin_lower(PartitionTruth& partition, ReplicaTruth& replica, std::int64_t start, std::int64_t end) {
  while (replica.head > 0 && partition.row(replica.rows[replica.head - 1]) != nullptr && partition.row(replica.rows[replica.head - 1])->end() > start) --replica.head;
  while (!replica.empty() && partition.row(replica.rows.back())->end() > end) replica.rows.pop_back();
  replica.start = start;
  replica.end = end;
  replica.last_of_producer.clear();
  replica.epochs.clear();
  for (std::size_t i = replica.head; i < replica.rows.size(); ++i) {
    const BatchRow& row = *partition.row(replica.rows[i]);
    if (row.producer_id >= 0) replica.last_of_producer[row.producer_id] = replica.rows[i];
    if (replica.epochs.empty() || replica.epochs.back().first < row.epoch) replica.epochs.push_back({row.epoch, row.base});
  }
}
}  // namespace

std::string_view name_of(ExcuseReason reason) {
  switch (reason) {
    case ExcuseReason::unsynced: return "every copy lost its un-synced tail to a power loss";
    case ExcuseReason::unclean: return "an unclean election that the settings allow";
    case ExcuseReason::deleted: return "the topic was deleted";
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

const ReplicaTruth* PartitionTruth::replica_on(std::uint16_t machine) const {
  for (const ReplicaTruth& replica : replicas)
    if (replica.machine == machine) return &replica;
  return nullptr;
}
const ReplicaTruth* PartitionTruth::replica_of(NodeId id) const {
  for (const ReplicaTruth& replica : replicas)
    if (replica.id == id) return &replica;
  return nullptr;
}

RowId PartitionTruth::find(const ReplicaTruth& replica, std::int64_t offset) const {
  if (replica.empty() || offset >= replica.end) return no_row;
  // Nearly always the end is meant, or what stands shortly before it.
  std::size_t near = replica.rows.size();
  for (int steps = 0; steps < 4 && near > replica.head; ++steps) {
    const RowId id = replica.rows[--near];
    const BatchRow& one = *row(id);
    if (offset >= one.base) return offset < one.end() ? id : no_row;
  }
  const auto begin = replica.rows.begin() + static_cast<std::ptrdiff_t>(replica.head);
  auto above = std::upper_bound(begin, replica.rows.end(), offset, [this](std::int64_t wanted, RowId id) { return wanted < row(id)->base; });
  if (above == begin) return no_row;
  --above;
  return offset < row(*above)->end() ? *above : no_row;
}

bool PartitionTruth::holds(const ReplicaTruth& replica, RowId id) const {
  const BatchRow* const wanted = row(id);
  if (wanted == nullptr) return true;  // forgotten: every log began above it
  if (wanted->end() <= replica.start) return true;
  return find(replica, wanted->base) == id;
}

std::int64_t PartitionTruth::common_end(const ReplicaTruth& replica, RowId id) const {
  for (const BatchRow* at = row(id); at != nullptr; id = at->previous, at = row(id))
    if (at->end() <= replica.end && holds(replica, id)) return at->end();
  return replica.start;
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
      TraceKind::send_failed,    TraceKind::record_consumed, TraceKind::position_reset};
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

ReplicaTruth& Oracle::replica(PartitionTruth& partition, std::uint16_t machine) {
  if (ReplicaTruth* const known = partition.replica_on(machine)) return *known;
  ReplicaTruth fresh;
  fresh.machine = machine;
  fresh.id = id_of(machine);
  partition.replicas.push_back(std::move(fresh));
  return partition.replicas.back();
}

void Oracle::note_deletion(const PartitionTruth& partition) {
  for (std::uint32_t subject = 0; subject < by_subject_.size(); ++subject)
    if (by_subject_[subject] == &partition) once_deleted_.insert(subject);
}

/// The topic was made anew under the same name.
void Oracle::forget(PartitionTruth& partition, const Uuid& new_id) {
  if (!partition.topic_id.is_zero()) {
    for (const BatchRow& row : partition.rows) partition.old_hashes.insert(row.hash);
    excuse(partition, 0, ExcuseReason::deleted, no_node);
  }
  partition.topic_id = new_id;
  partition.deleted = false;
  ++partition.times_made_anew;
  note_deletion(partition);
  const RowId next = partition.first_row + static_cast<RowId>(partition.rows.size());
  partition.rows.clear();
  partition.first_row = next;
  partition.replicas.clear();
  partition.committed_end = 0;
  partition.committed_tip = no_row;
  partition.newest_epoch = -1;
  partition.newest_leader = -1;
  partition.record = PartitionRecord{};
  partition.acked = {};
  partition.consumed = {};
  partition.highest_start = 0;
}

void Oracle::excuse(PartitionTruth& partition, std::int64_t from, ExcuseReason reason, NodeId node) {
  const std::int64_t to = std::max(partition.committed_end, partition.acked.end());
  partition.excuses.push_back({from, to, now_ns_, reason, node});
  for (std::int64_t offset = std::max(from, partition.acked.base()); offset < partition.acked.end(); ++offset) {
    const AckSlot& slot = *partition.acked.find(offset);
    if (slot.acks != 0) partition.unpromised.push_back({offset, slot, partition.excuses.size() - 1});
  }
  partition.acked.cut_from(from);
  partition.consumed.cut_from(from);
  if (from < partition.committed_end) partition.committed_end = from;
}

void Oracle::prune(PartitionTruth& partition) {
  RowId least = UINT32_MAX;
  std::int64_t start = INT64_MAX;
  for (const ReplicaTruth& replica : partition.replicas) {
    if (!replica.empty()) least = std::min(least, replica.rows[replica.head]);
    start = std::min(start, replica.start);
  }
  if (least != UINT32_MAX)
    while (partition.first_row < least && !partition.rows.empty()) {
      partition.rows.pop_front();
      ++partition.first_row;
    }
  partition.acked.drop_below(start);
  partition.consumed.drop_below(start);
}

void Oracle::cut(PartitionTruth& partition, ReplicaTruth& replica, std::int64_t to) {
  while (!replica.empty()) {
    const BatchRow& last = *partition.row(replica.rows.back());
    if (last.end() <= to) break;
    if (last.producer_id >= 0) {
      if (partition.row(last.producer_previous) != nullptr) replica.last_of_producer[last.producer_id] = last.producer_previous;
      else replica.last_of_producer.erase(last.producer_id);
    }
    replica.rows.pop_back();
  }
  while (!replica.epochs.empty() && replica.epochs.back().second >= to) replica.epochs.pop_back();
  replica.end = to;
  replica.synced = std::min(replica.synced, to);
  if (replica.high_watermark > to) replica.high_watermark = to;
}

void Oracle::raise_start(PartitionTruth& partition, ReplicaTruth& replica, std::int64_t start) {
  replica.start = start;
  const std::size_t head_before = replica.head;
  while (!replica.empty() && partition.row(replica.rows[replica.head])->end() <= start) ++replica.head;
  if (replica.head > 4096 && replica.head * 2 > replica.rows.size()) {
    replica.rows.erase(replica.rows.begin(), replica.rows.begin() + static_cast<std::ptrdiff_t>(replica.head));
    replica.head = 0;
  }
  while (replica.epochs.size() > 1 && replica.epochs[1].second <= start) replica.epochs.erase(replica.epochs.begin());
  if (!replica.epochs.empty() && replica.epochs[0].second < start) {
    if (replica.empty()) replica.epochs.clear();
    else replica.epochs[0].second = start;
  }
  if (replica.head != head_before) prune(partition);
}

void Oracle::note_caught_up(PartitionTruth& partition, ReplicaTruth& replica) {
  if (replica.end < partition.committed_end || !partition.holds(replica, partition.committed_tip)) return;
  replica.caught_up_start = node_at(replica.machine).starts;
  replica.lossy = false;
}

void Oracle::on_appended(const TraceEvent& event, const AppendNote& note) {
  append_ = {};
  PartitionTruth* const found = truth(event.subject);
  if (found == nullptr) return;
  PartitionTruth& partition = *found;
  if (partition.topic_id.is_zero()) partition.topic_id = note.topic_id;
  if (partition.topic_id != note.topic_id && !partition.metadata) return;  // of a topic that is gone, or not known yet
  const Result<BatchHeader> header = parse_batch_header(*note.batch);
  if (!header) return;
  header_ = *header;
  ReplicaTruth& replica = this->replica(partition, event.node);
  append_.partition = &partition;
  append_.replica = &replica;
  append_.header = &header_;
  append_.note = &note;
  append_.end_before = replica.end;
  const BatchRow* const tip = partition.row(replica.tip());
  append_.epoch_before = tip == nullptr ? -1 : tip->epoch;

  BatchRow row;
  row.base = header_.base_offset.value();
  row.last_delta = header_.last_offset_delta;
  row.epoch = header_.leader_epoch.value();
  constexpr std::uint64_t behind_crc = 21;
  row.hash = hash_of(note.batch->from(std::min(behind_crc, note.batch->size())));
  row.producer_id = header_.producer_id.value();
  row.producer_epoch = header_.producer_epoch.value();
  row.base_sequence = header_.base_sequence;
  row.control = note.is_control;
  row.previous = replica.tip();
  if (row.producer_id >= 0) {
    const auto last = replica.last_of_producer.find(row.producer_id);
    if (last != replica.last_of_producer.end()) row.producer_previous = last->second;
    append_.producer_before = row.producer_previous;
  }
  const auto same = [&row](const BatchRow& other) {
    return other.base == row.base && other.epoch == row.epoch && other.last_delta == row.last_delta && other.hash == row.hash;
  };
  RowId id = no_row;
  if (tip != nullptr && partition.row(tip->child) != nullptr && same(*partition.row(tip->child))) id = tip->child;
  else
    for (const ReplicaTruth& other : partition.replicas) {
      if (other.machine == replica.machine || other.end <= row.base) continue;
      const RowId there = partition.find(other, row.base);
      const BatchRow* const standing = partition.row(there);
      if (standing == nullptr || standing->epoch != row.epoch) continue;
      const bool equal = same(*standing);
      const bool joined = standing->previous == row.previous || partition.row(row.previous) == nullptr || partition.row(standing->previous) == nullptr;
      if (equal && joined) {
        if (id == no_row) id = there;
      } else {
        append_.clash = there;
        append_.clash_is_prefix = equal;
      }
    }
  if (id == no_row) {
    if (partition.rows.empty() && partition.first_row == 0) partition.first_row = 1;
    id = partition.first_row + static_cast<RowId>(partition.rows.size());
    partition.rows.push_back(row);
    if (BatchRow* const before = partition.row(row.previous)) before->child = id;
  }
  append_.row = id;
  if (replica.empty() && replica.start > row.base) replica.start = row.base;
  if (replica.empty() && replica.end == 0 && !replica.loaded) replica.start = row.base;
  replica.rows.push_back(id);
  replica.end = row.end();
  if (row.producer_id >= 0) replica.last_of_producer[row.producer_id] = id;
  if (replica.epochs.empty() || replica.epochs.back().first < row.epoch) replica.epochs.push_back({row.epoch, row.base});
  if (replica.end >= partition.committed_end) note_caught_up(partition, replica);
}

void Oracle::on_truncated(const TraceEvent& event) {
  truncation_ = {};
  PartitionTruth* const partition = truth(event.subject);
  if (partition == nullptr) return;
  ReplicaTruth& replica = this->replica(*partition, event.node);
  truncation_ = {partition, &replica, event.a, event.b, false};
  const bool held = partition->row(partition->committed_tip) != nullptr && partition->find(replica, partition->committed_end - 1) == partition->committed_tip;
  if (event.a >= replica.end) {
    // Everything goes and the log begins elsewhere.
    cut(*partition, replica, replica.start);
    replica.rows.clear();
    replica.head = 0;
    replica.epochs.clear();
    replica.start = replica.end = replica.synced = event.a;
  } else {
    cut(*partition, replica, event.a);
    truncation_.cut_committed = held && event.a < partition->committed_end;
  }
}

void Oracle::on_loaded(const TraceEvent& event, const LogNote* note) {
  load_ = {};
  PartitionTruth* const partition = truth(event.subject);
  if (partition == nullptr) return;
  const bool known = partition->replica_on(event.node) != nullptr;
  ReplicaTruth& replica = this->replica(*partition, event.node);
  NodeTruth& node = node_at(event.node);
  load_.partition = partition;
  load_.replica = &replica;
  if (known) {
    load_.end_before = replica.end;
    load_.start_before = replica.start;
    load_.synced_before = replica.synced;
  }
  load_.start = event.a;
  load_.end = event.b;
  load_.clean = note != nullptr && note->clean_shutdown;
  load_.power_lost = node.power_lost;
  load_.disk_faulted = node.disk_faulted;
  node.loaded_since_mark = true;
  node.up = true;
  const bool held = known && !replica.empty() && partition->holds(replica, partition->committed_tip);
  if (event.a < replica.start) begin_lower(*partition, replica, event.a, event.b);
  if (event.b < replica.end) cut(*partition, replica, event.b);
  else if (event.b > replica.end && replica.empty()) replica.end = event.b;
  if (event.a != replica.start) raise_start(*partition, replica, event.a);
  // A load syncs nothing: what a killed process left in the page cache may still go.
  replica.synced = std::min(known ? replica.synced : note == nullptr ? 0 : note->recovery_point.value(), event.b);
  replica.role = TruthRole::none;
  replica.has_isr = false;
  replica.loaded = true;
  replica.high_watermark = -1;
  if (event.b >= partition->committed_end || partition->row(partition->committed_tip) == nullptr) {
    if (known) note_caught_up(*partition, replica);
    return;
  }
  replica.lossy = true;
  if (!held || (!node.power_lost && !node.disk_faulted)) return;
  std::int64_t left = 0;
  for (const ReplicaTruth& other : partition->replicas) left = std::max(left, std::min(partition->common_end(other, partition->committed_tip), partition->committed_end));
  if (left >= partition->committed_end) return;
  // Nobody has it any more: lost as the settings allow, without a sync before the acknowledgement.
  lower_committed(*partition, left, ExcuseReason::unsynced, replica.id);
}

void Oracle::on_start_moved(const TraceEvent& event) {
  PartitionTruth* const partition = truth(event.subject);
  if (partition == nullptr) return;
  ReplicaTruth& replica = this->replica(*partition, event.node);
  if (event.a > replica.start) raise_start(*partition, replica, event.a);
  if (replica.end < event.a) replica.end = event.a;
  if (replica.role == TruthRole::leader) partition->highest_start = std::max(partition->highest_start, event.a);
}

/// An election outside of ISR and ELR that the settings, or KIP-966's balanced recovery, allow.
void Oracle::excuse_unclean(PartitionTruth& partition, const ReplicaTruth& winner) {
  const PartitionRecord& record = partition.record;
  const bool allowed = record.unclean_allowed || (record.last_known_elr.size() == 1 && record.last_known_elr[0] == winner.id);
  if (!allowed || partition.holds(winner, partition.committed_tip)) return;
  lower_committed(partition, std::min(partition.common_end(winner, partition.committed_tip), partition.committed_end), ExcuseReason::unclean, winner.id);
}

void Oracle::lower_committed(PartitionTruth& partition, std::int64_t to, ExcuseReason reason, NodeId node) {
  excuse(partition, to, reason, node);
  RowId tip = partition.committed_tip;
  while (partition.row(tip) != nullptr && partition.row(tip)->end() > to) tip = partition.row(tip)->previous;
  partition.committed_tip = tip;
}

void Oracle::on_became_leader(const TraceEvent& event) {
  election_ = {};
  PartitionTruth* const partition = truth(event.subject);
  if (partition == nullptr) return;
  ReplicaTruth& replica = this->replica(*partition, event.node);
  const auto epoch = static_cast<std::int32_t>(event.a);
  replica.role = TruthRole::leader;
  replica.leader_epoch = epoch;
  replica.has_isr = partition->record.known && partition->record.leader_epoch == epoch;
  if (replica.has_isr) {
    replica.isr = replica.maximal_isr = partition->record.isr;
    replica.min_isr = partition->record.min_isr;
  }
  election_.partition = partition;
  election_.replica = &replica;
  const auto pending = elections_.find({event.subject, epoch});
  const PartitionRecord& record = partition->record;
  election_.unclean = (pending != elections_.end() && pending->second.unclean) || (record.known && record.leader_epoch == epoch && record.recovering);
  if (election_.unclean) excuse_unclean(*partition, replica);
  if (epoch > partition->newest_epoch) {
    partition->newest_epoch = epoch;
    partition->newest_leader = event.node;
    partition->newest_epoch_start = replica.end;
  }
  if (pending != elections_.end()) elections_.erase(pending);
}

void Oracle::on_high_watermark(const TraceEvent& event) {
  moved_ = {};
  PartitionTruth* const partition = truth(event.subject);
  if (partition == nullptr) return;
  ReplicaTruth& replica = this->replica(*partition, event.node);
  moved_.partition = partition;
  moved_.replica = &replica;
  moved_.before = replica.high_watermark;
  moved_.epoch_before = replica.leader_epoch;
  replica.high_watermark = event.a;
  if (replica.role != TruthRole::leader || event.a <= replica.start) return;
  const RowId tip = partition->find(replica, event.a - 1);
  if (tip == no_row) return;
  const auto lacks = [&](NodeId id) {
    const ReplicaTruth* const member = partition->replica_of(id);
    return member == nullptr || (!member->lossy && !partition->holds(*member, tip));
  };
  if (replica.has_isr)
    for (const NodeId id : replica.maximal_isr)
      if (id != replica.id && lacks(id)) moved_.missing = id;
  if (moved_.missing != no_node || event.a <= partition->committed_end) return;
  if (partition->row(partition->committed_tip) != nullptr && !partition->holds(replica, partition->committed_tip)) return;
  partition->committed_end = event.a;
  partition->committed_tip = tip;
  replica.caught_up_start = node_at(replica.machine).starts;
  for (ReplicaTruth& other : partition->replicas)
    if (other.end >= event.a) note_caught_up(*partition, other);
}

void Oracle::on_quorum_high_watermark(const TraceEvent& event) {
  PartitionTruth* const partition = truth(event.subject);
  if (partition == nullptr) return;
  constexpr std::int32_t leader_role = 4;
  if (node_at(event.node).quorum_role != leader_role || event.a <= partition->committed_end) return;
  ReplicaTruth& replica = this->replica(*partition, event.node);
  const RowId tip = partition->find(replica, event.a - 1);
  if (tip == no_row) return;
  partition->committed_end = event.a;
  partition->committed_tip = tip;
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

void Oracle::on_image(const TraceEvent& event, const ImageNote& note) {
  changes_.clear();
  registered_now_.clear();
  image_is_new_ = event.a > newest_image_;
  image_hashes_.try_emplace(event.a, static_cast<std::uint64_t>(event.b));
  if (image_hashes_.size() > image_hashes_kept) image_hashes_.erase(image_hashes_.begin());
  if (!image_is_new_) return;
  newest_image_ = event.a;
  const auto hash = static_cast<std::uint64_t>(event.b);
  if (hash == newest_image_hash_ || note.image == nullptr) return;
  newest_image_hash_ = hash;
  const auto& image = *static_cast<const controller::Image*>(note.image);
  for (const auto& [id, broker] : image.brokers()) {
    const std::int32_t machine = machine_of(id);
    if (machine < 0) continue;
    NodeTruth& node = node_at(static_cast<std::uint16_t>(machine));
    if (broker.epoch.value() > node.broker_epoch) {
      node.broker_epoch = broker.epoch.value();
      node.registered = node.up;
      registered_now_.push_back(id);
    }
  }
  for (auto& [name, partition] : partitions_) {
    if (partition->deleted || partition->metadata || !partition->record.known || image.topic(partition->topic_id) != nullptr) continue;
    excuse(*partition, 0, ExcuseReason::deleted, no_node);
    partition->deleted = true;
    note_deletion(*partition);
  }
  const std::int64_t default_min_isr = setup_.number("min.insync.replicas", 1);
  const bool default_unclean = setup_.flag("unclean.leader.election.enable", false);
  for (const auto& [topic_id, topic] : image.topics()) {
    const std::string* const min_isr_text = image.topic_config(topic.name, "min.insync.replicas");
    const std::string* const unclean_text = image.topic_config(topic.name, "unclean.leader.election.enable");
    for (std::size_t index = 0; index < topic.partitions.size(); ++index) {
      const controller::PartitionImage& now = topic.partitions[index];
      PartitionTruth& partition = truth(topic.name, static_cast<std::int32_t>(index));
      if (partition.topic_id != topic_id) {
        if (!partition.topic_id.is_zero()) forget(partition, topic_id);
        partition.topic_id = topic_id;
      }
      if (partition.record.known && partition.record.partition_epoch == now.partition_epoch.value() &&
          partition.record.leader_epoch == now.leader_epoch.value())
        continue;
      changes_.push_back({&partition, partition.record});
      PartitionRecord& record = partition.record;
      // The last known ELR of the record before says whom a balanced recovery may elect.
      const std::vector<NodeId> last_known_before = record.last_known_elr;
      record.known = true;
      record.replicas = now.replicas;
      record.isr = now.isr;
      record.elr = now.elr;
      record.last_known_elr = now.last_known_elr.empty() && now.leader_recovery == controller::LeaderRecovery::recovering ? last_known_before : now.last_known_elr;
      record.leader = now.leader;
      record.leader_epoch = now.leader_epoch.value();
      record.partition_epoch = now.partition_epoch.value();
      record.recovering = now.leader_recovery == controller::LeaderRecovery::recovering;
      record.reassigning = now.reassigning();
      std::int64_t min_isr = default_min_isr;
      if (min_isr_text != nullptr) std::from_chars(min_isr_text->data(), min_isr_text->data() + min_isr_text->size(), min_isr);
      record.min_isr = static_cast<std::int32_t>(std::min<std::int64_t>(min_isr, static_cast<std::int64_t>(now.replicas.size())));
      record.unclean_allowed = unclean_text != nullptr ? *unclean_text == "true" : default_unclean;
      if (record.recovering && record.leader != no_node && record.leader_epoch > changes_.back().before.leader_epoch)
        if (const ReplicaTruth* const winner = partition.replica_of(record.leader)) excuse_unclean(partition, *winner);
    }
  }
}

void Oracle::on_acked(const TraceEvent& event, const SendNote& note) {
  ++acked_;
  PartitionTruth* const partition = truth(event.subject);
  if (partition == nullptr || note.offset.value() < 0 || note.acks == 0) return;
  auto number = producer_numbers_.find(note.producer);
  if (number == producer_numbers_.end()) {
    number = producer_numbers_.emplace(std::string(note.producer), static_cast<std::uint16_t>(producers_.size())).first;
    producers_.emplace_back(note.producer);
  }
  const AckSlot slot{note.value_hash, static_cast<std::uint32_t>(event.time_ns / 1'000'000), number->second,
                     static_cast<std::uint8_t>(note.acks == -1 ? 2 : 1)};
  if (partition->deleted) {
    partition->unpromised.push_back({note.offset.value(), slot, partition->excuses.size() - 1});
    return;
  }
  // An answer that was on its way while its record went: not promised either.
  constexpr std::int64_t on_its_way_ns = 5'000'000'000;
  for (std::size_t i = partition->excuses.size(); i-- > 0;) {
    const Excuse& one = partition->excuses[i];
    if (event.time_ns - one.at_ns > on_its_way_ns) break;
    if (note.offset.value() >= one.from && note.offset.value() < one.to + 1) {
      partition->unpromised.push_back({note.offset.value(), slot, i});
      return;
    }
  }
  AckSlot* const place = partition->acked.make(note.offset.value());
  if (place == nullptr) return;
  if (place->acks == 0 || place->hash == slot.hash) {
    *place = slot;
  } else if (place->acks == 1) {
    // acks=1 promised nothing: another leader gave the offset to somebody else.
    partition->unpromised.push_back({note.offset.value(), *place, UnpromisedAck::no_excuse});
    *place = slot;
  } else if (slot.acks == 1) {
    partition->unpromised.push_back({note.offset.value(), slot, UnpromisedAck::no_excuse});
  }
}

void Oracle::on_consumed(const TraceEvent& event) {
  PartitionTruth* const partition = truth(event.subject);
  if (partition == nullptr) return;
  if (std::uint64_t* const place = partition->consumed.make(event.a); place != nullptr && *place == 0) *place = static_cast<std::uint64_t>(event.b);
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
      if (payload != nullptr && note_of<SendNote>(payload).code != Code::request_timed_out) refused_.insert(note_of<SendNote>(payload).value_hash);
      break;
    case TraceKind::record_consumed: on_consumed(event); break;
    case TraceKind::position_reset:
      if (PartitionTruth* const partition = truth(event.subject); partition != nullptr && event.a >= 0) ++partition->resets;
      break;
    default: break;
  }
}

}  // namespace harrow::sim
