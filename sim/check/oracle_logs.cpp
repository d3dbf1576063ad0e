// What the oracle learns from logs: appends, cuts, recoveries, moved starts, and what of it may be forgotten.
#include "sim/check/oracle.h"

#include <algorithm>

namespace harrow::sim {
namespace {

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
  partition.compacts = false;
  partition.keyed = {};
  partition.keyed_epoch = -1;
  partition.newest_of_key.clear();
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
  partition.keyed.drop_below(start);
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
  if (!replica.never_had.empty()) std::erase_if(replica.never_had, [to](std::int64_t offset) { return offset >= to; });
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
  const BatchRow* tip = partition.row(replica.tip());
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
  if (partition.compacts && !note.as_leader && row.base > replica.end) fill_gap(partition, replica, row, *note.batch);
  append_.filled_gap = replica.end > append_.end_before;
  row.previous = replica.tip();
  if (row.producer_id >= 0) {
    const auto last = replica.last_of_producer.find(row.producer_id);
    if (last != replica.last_of_producer.end()) row.producer_previous = last->second;
    append_.producer_before = row.producer_previous;
  }
  const auto same = [&](const BatchRow& other) {
    if (other.base != row.base || other.epoch != row.epoch || other.last_delta != row.last_delta) return false;
    return other.hash == row.hash || (partition.compacts && partition.is_compacted_form(other, *note.batch));
  };
  RowId id = no_row;
  if (const BatchRow* const filled = partition.row(row.previous); filled != nullptr) tip = filled;
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
  if (partition.compacts && note.as_leader) note_keyed(partition, *note.batch);
  if (partition.compacts && !note.as_leader && !row.control && (append_.filled_gap || !replica.never_had.empty() || header_.record_count != header_.last_offset_delta + 1))
    note_missing(replica, row, *note.batch);
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
  // The leader may have heard of more than is left, and may count it once somebody else no longer holds it back.
  const bool lost_reported = known && event.b < replica.end && (node.power_lost || node.disk_faulted);
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
    if (lost_reported) replica.lossy = true;
    return;
  }
  replica.lossy = true;
  if (!held || (!node.power_lost && !node.disk_faulted)) return;
  if (partition->metadata) {
    if (node.disk_faulted && is_voter(event.node)) lower_quorum(*partition, replica.id);
    return;
  }
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

}  // namespace harrow::sim
