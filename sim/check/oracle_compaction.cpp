// What the oracle knows of topics that compact: each record as its leader wrote it, which later one supersedes it, and how a
// replica that copies a compacted log relates to the history that it never sees in full.
#include <algorithm>

#include "sim/check/oracle.h"

namespace harrow::sim {

bool PartitionTruth::may_be_compacted(std::int64_t offset) const {
  if (!compacts) return false;
  const KeyedRecord* const record = keyed.find(offset);
  // Written before its topic compacted, or forgotten; not: by nobody yet.
  if (record == nullptr || !record->known) return offset < keyed.end() || keyed.end() == keyed.base();
  // A legal loss may have taken what superseded it after compaction had acted on that.
  if (!excuses.empty() && (record->next >= 0 || record->once_superseded)) return true;
  if (record->next >= 0 && record->next < committed_end) return true;
  return record->keyless || (record->tombstone && record->cleaned_ms >= 0);
}

bool PartitionTruth::is_compacted_form(const BatchRow& row, const Bytes& batch) const {
  Result<RecordReader> reader = RecordReader::open(batch);
  if (!reader || reader->header().producer_id.value() != row.producer_id || reader->header().base_sequence != row.base_sequence) return false;
  if (row.control) return true;
  std::int64_t expected = row.base;
  Record record;
  const auto passed = [&](std::int64_t to) {
    for (; expected < to; ++expected)
      if (!may_be_compacted(expected)) return false;
    return true;
  };
  while (reader->next(record)) {
    const std::int64_t offset = record.offset.value();
    if (offset < expected || !passed(offset)) return false;
    expected = offset + 1;
    const KeyedRecord* const written = keyed.find(offset);
    if (written == nullptr || !written->known) continue;
    if (written->keyless || !record.key || written->key != hash_of(*record.key) || written->tombstone != !record.value.has_value()) return false;
    if (record.value && written->value != hash_of(*record.value)) return false;
  }
  return !reader->failed() && passed(row.end());
}

void Oracle::cut_keyed(PartitionTruth& partition, std::int64_t from) {
  if (partition.keyed.end() <= from) return;
  partition.keyed.cut_from(from);
  partition.newest_of_key.clear();
  for (std::int64_t offset = partition.keyed.base(); offset < partition.keyed.end(); ++offset) {
    KeyedRecord& record = *partition.keyed.find(offset);
    if (!record.known || record.keyless) continue;
    if (record.next >= from) {
      record.next = -1;
      record.once_superseded = true;
    }
    partition.newest_of_key[record.key] = offset;
  }
}

void Oracle::note_keyed(PartitionTruth& partition, const Bytes& batch) {
  Result<RecordReader> reader = RecordReader::open(batch);
  if (!reader || reader->header().leader_epoch.value() < partition.keyed_epoch) return;
  partition.keyed_epoch = reader->header().leader_epoch.value();
  // Another leader's records at these offsets were never committed, or are lost.
  cut_keyed(partition, reader->header().base_offset.value());
  if (reader->header().is_control()) return;
  Record record;
  while (reader->next(record)) {
    KeyedRecord* const made = partition.keyed.make(record.offset.value());
    if (made == nullptr) continue;
    *made = KeyedRecord();
    made->known = true;
    made->keyless = !record.key;
    made->tombstone = !record.value;
    made->value = record.value ? hash_of(*record.value) : 0;
    if (!record.key) continue;
    made->key = hash_of(*record.key);
    const auto [newest, first] = partition.newest_of_key.try_emplace(made->key, record.offset.value());
    if (first) continue;
    if (KeyedRecord* const before = partition.keyed.find(newest->second)) before->next = record.offset.value();
    newest->second = record.offset.value();
  }
}

/// A follower's leader had compacted away whole batches before this one. They are part of its history as far as they could go;
/// what could not is a hole, and the append then clashes with the leader's log.
void Oracle::fill_gap(PartitionTruth& partition, ReplicaTruth& replica, const BatchRow& row, const Bytes& batch) {
  RowId standing = no_row;
  for (const ReplicaTruth& other : partition.replicas) {
    if (other.machine == replica.machine || other.end <= row.base) continue;
    const RowId there = partition.find(other, row.base);
    const BatchRow* const one = partition.row(there);
    if (one == nullptr || one->base != row.base || one->epoch != row.epoch) continue;
    if (one->hash == row.hash || partition.is_compacted_form(*one, batch)) standing = there;
    if (standing != no_row) break;
  }
  if (standing == no_row) return;
  std::vector<RowId> passed;
  for (RowId id = partition.row(standing)->previous; partition.row(id) != nullptr && partition.row(id)->base >= replica.end; id = partition.row(id)->previous) {
    const BatchRow& one = *partition.row(id);
    for (std::int64_t offset = one.base; offset < one.end() && !one.control; ++offset)
      if (!partition.may_be_compacted(offset)) return;
    passed.push_back(id);
  }
  for (auto id = passed.rbegin(); id != passed.rend(); ++id) {
    const BatchRow& one = *partition.row(*id);
    replica.rows.push_back(*id);
    replica.absent.insert(*id);
    replica.end = one.end();
    if (one.producer_id >= 0) replica.last_of_producer[one.producer_id] = *id;
    for (std::int64_t offset = one.base; offset < one.end(); ++offset) replica.never_had.insert(offset);
  }
}

void Oracle::note_missing(ReplicaTruth& replica, const BatchRow& row, const Bytes& batch) {
  Result<RecordReader> reader = RecordReader::open(batch);
  std::int64_t expected = row.base;
  Record record;
  while (reader && reader->next(record)) {
    for (; expected < record.offset.value(); ++expected) replica.never_had.insert(expected);
    replica.never_had.erase(expected++);
  }
  for (; expected < row.end(); ++expected) replica.never_had.insert(expected);
}

void Oracle::on_cleaned(const TraceEvent& event, const CleanNote& note) {
  PartitionTruth* const partition = truth(event.subject);
  if (partition == nullptr || !partition->compacts) return;
  for (const Bytes& batch : *note.batches) {
    Result<RecordReader> reader = RecordReader::open(batch);
    if (!reader || reader->header().base_offset >= note.map_end) continue;
    Record record;
    while (reader->next(record)) {
      KeyedRecord* const kept = record.value ? nullptr : partition->keyed.find(record.offset.value());
      if (kept != nullptr && (kept->cleaned_ms < 0 || note.now.value() < kept->cleaned_ms)) kept->cleaned_ms = note.now.value();
    }
  }
}

bool Oracle::removes_tombstone(std::uint32_t subject, const CleanNote& note) const {
  const PartitionTruth* const of = partition(subject);
  if (of == nullptr) return false;
  std::vector<std::int64_t> kept;
  for (const Bytes& batch : *note.batches) {
    Result<RecordReader> reader = RecordReader::open(batch);
    Record record;
    while (reader && reader->next(record)) kept.push_back(record.offset.value());
  }
  for (std::int64_t offset = std::max(note.base_offset.value(), of->keyed.base()); offset < std::min(note.end_offset.value(), of->keyed.end()); ++offset) {
    const KeyedRecord& record = *of->keyed.find(offset);
    if (record.tombstone && record.next < 0 && record.cleaned_ms >= 0 && !std::binary_search(kept.begin(), kept.end(), offset)) return true;
  }
  return false;
}

}  // namespace harrow::sim
