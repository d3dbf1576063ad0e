// I32, compaction: of each key the newest committed record stays, a tombstone until delete.retention.ms after a compaction
// first found it to be the newest; order, offsets and contents stay; nothing at or above the true high watermark is touched;
// and what a pass has seen superseded, or a tombstone whose time has passed, is gone after it. The last batch of each producer
// stays, if need be without records: its sequence is what a repeated send is known by.
// Listens to: segments_cleaned; compares the new segment with what leaders wrote, as the oracle remembers it. At the end the
// newest record of each key must be readable.
// Legal exceptions: records from before their topic compacted are not judged; after a legal loss what superseded a record may
// be gone itself; times are the wall clocks of the nodes that compacted, so a moved clock moves both ends alike only on one
// node: with clock faults tombstones are not judged. Producers may be forgotten after producer.id.expiration.ms.
#include <algorithm>
#include <map>

#include "sim/check/log_reader.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/setup.h"
#include "sim/check/view.h"

namespace harrow::sim {
namespace {

class CompactionRule final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::segments_cleaned, TraceKind::fault_began};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::fault_began) {
      if (payload != nullptr && note_of<FaultNote>(payload).kind.starts_with("clock")) clocks_moved_ = true;
      return;
    }
    const PartitionTruth* const partition = oracle().partition(event.subject);
    const ReplicaTruth* const replica = partition == nullptr ? nullptr : partition->replica_on(event.node);
    if (payload == nullptr || replica == nullptr || !partition->compacts) return;
    Pass pass{*partition, *replica, note_of<CleanNote>(payload), event, retention_of(event.subject, note_of<CleanNote>(payload).delete_retention_ms), {}, {}};
    evaluated();
    // A replica learns of a commit later than it happens, never earlier.
    if (partition->excuses.empty() && pass.note.end_offset.value() > partition->committed_end)
      return fail(at(event, event.b), "compacted up to " + std::to_string(event.b) + ", committed is everything below " + std::to_string(partition->committed_end));
    if (!judge_what_stands(pass)) return;
    judge_what_is_gone(pass, std::max(event.a, replica->start));
    judge_producers(pass);
  }
  void at_end() override {
    if (oracle().disk_damage_possible()) return;
    for (const auto& [name, partition] : oracle().partitions()) {
      if (!partition->compacts || partition->metadata || !partition->excuses.empty() || partition->newest_of_key.empty()) continue;
      const std::optional<Accounting::Readable> log = read_partition(view(), *partition);
      if (!log) continue;
      std::vector<std::int64_t> there;
      for (const Bytes& batch : log->batches) {
        Result<RecordReader> reader = RecordReader::open(batch);
        Record record;
        while (reader && reader->next(record)) there.push_back(record.offset.value());
      }
      evaluated();
      for (std::int64_t offset = std::max(log->start, partition->keyed.base()); offset < std::min(log->end, partition->keyed.end()); ++offset) {
        const KeyedRecord& record = *partition->keyed.find(offset);
        const bool newest = record.known && !record.keyless && (record.next < 0 || record.next >= log->end);
        if (!newest || (record.tombstone && record.cleaned_ms >= 0) || std::binary_search(there.begin(), there.end(), offset)) continue;
        fail(partition->where(-1, offset), "the newest record of its key cannot be read at the end");
        break;
      }
    }
  }

 private:
  struct Pass {
    const PartitionTruth& partition;
    const ReplicaTruth& replica;
    const CleanNote& note;
    const TraceEvent& event;
    std::int64_t retention_ms;  // the shortest that the topic had
    std::vector<std::int64_t> offsets;  // that the new segment holds
    std::vector<std::int64_t> bases;    // of its batches
  };

  bool judge_what_stands(Pass& pass) {
    const CleanNote& note = pass.note;
    std::int64_t next = note.base_offset.value();
    for (const Bytes& batch : *note.batches) {
      Result<RecordReader> reader = RecordReader::open(batch);
      if (!reader || reader->header().base_offset.value() < next || reader->header().end_offset() > note.end_offset)
        return broken(pass, next, "a batch of the new segment is out of order, or outside the old ones");
      const BatchHeader& header = reader->header();
      pass.bases.push_back(header.base_offset.value());
      const std::optional<WallMs> horizon = delete_horizon_of(header);
      bool dated = false;
      Record record;
      while (reader->next(record)) {
        const std::int64_t offset = record.offset.value();
        if (offset < next) return broken(pass, offset, "records of the new segment are out of order");
        next = offset + 1;
        pass.offsets.push_back(offset);
        const KeyedRecord* const written = pass.partition.keyed.find(offset);
        if (header.is_control() || written == nullptr || !written->known) continue;
        if (written->keyless != !record.key || (record.key && written->key != hash_of(*record.key)) || written->tombstone != !record.value ||
            (record.value && written->value != hash_of(*record.value)))
          return broken(pass, offset, "the new segment has another record than was written");
        if (const std::int64_t newer = superseded_by(pass, written->next); newer >= 0 && !header.is_transactional())
          return broken(pass, offset, "a record was kept although the one at " + std::to_string(newer) + " supersedes it");
        if (record.value || header.base_offset >= note.map_end) continue;
        dated = true;
        if (!horizon) return broken(pass, offset, "a tombstone that this pass found to be the newest of its key has no horizon");
        if (*horizon <= note.now) return broken(pass, offset, "a tombstone was kept " + std::to_string(note.now - *horizon) + " ms behind its horizon");
      }
      if (dated && !clocks_moved_ && !began_in_time(pass, batch, *horizon)) return false;
      next = header.end_offset().value();
    }
    if (next != note.end_offset.value()) return broken(pass, next, "the new segment ends there, the old ones ended at " + std::to_string(note.end_offset.value()));
    return true;
  }

  /// A record of the same key in what the pass looked through, from `next` on; -1 if there is none. Not those that the replica never
  /// had: its leader had removed them before.
  static std::int64_t superseded_by(const Pass& pass, std::int64_t next) {
    while (next >= 0 && next < pass.note.map_end.value()) {
      if (next >= pass.note.first_dirty.value() && !pass.replica.never_had.contains(next)) return next;
      const KeyedRecord* const record = pass.partition.keyed.find(next);
      next = record == nullptr ? -1 : record->next;
    }
    return -1;
  }

  /// A horizon is at least the retention time behind the first compaction of one of its tombstones.
  bool began_in_time(Pass& pass, const Bytes& batch, WallMs horizon) {
    std::int64_t first = INT64_MAX, offset = -1;
    Result<RecordReader> reader = RecordReader::open(batch);
    Record record;
    while (reader->next(record)) {
      const KeyedRecord* const written = record.value ? nullptr : pass.partition.keyed.find(record.offset.value());
      if (written == nullptr || written->cleaned_ms < 0 || written->cleaned_ms >= first) continue;
      first = written->cleaned_ms;
      offset = record.offset.value();
    }
    if (offset < 0 || horizon.value() >= first + pass.retention_ms) return true;
    return broken(pass, offset, "a tombstone's horizon is " + std::to_string(horizon.value() - first) + " ms behind its first compaction, delete.retention.ms is " + std::to_string(pass.retention_ms));
  }

  void judge_what_is_gone(const Pass& pass, std::int64_t from) {
    const PartitionTruth& partition = pass.partition;
    for (std::int64_t offset = std::max(from, partition.keyed.base()); offset < std::min(pass.event.b, partition.keyed.end()); ++offset) {
      const KeyedRecord& record = *partition.keyed.find(offset);
      if (!record.known || std::binary_search(pass.offsets.begin(), pass.offsets.end(), offset)) continue;
      if (!partition.may_be_compacted(offset)) {
        fail(at(pass.event, offset), record.next >= 0 ? "removed although the newer record of its key, at " + std::to_string(record.next) + ", is not committed"
                                                      : std::string("the newest record of its key was removed"));
        return;
      }
      const bool only_by_time = record.tombstone && record.next < 0 && !record.once_superseded && !record.keyless;
      if (!only_by_time || clocks_moved_) continue;
      const std::int64_t kept_ms = pass.note.now.value() - record.cleaned_ms;
      if (kept_ms >= pass.retention_ms) continue;
      fail(at(pass.event, offset), "a tombstone was removed " + std::to_string(kept_ms) + " ms after it was first compacted, delete.retention.ms is " + std::to_string(pass.retention_ms));
      return;
    }
  }

  void judge_producers(const Pass& pass) {
    constexpr std::int64_t day_ms = 86'400'000;
    if (now_ns() / 1'000'000 > setup().number("producer.id.expiration.ms", day_ms)) return;
    for (const auto& [producer, id] : pass.replica.last_of_producer) {
      const BatchRow* const last = pass.partition.row(id);
      if (last == nullptr || last->control || pass.replica.absent.contains(id)) continue;
      if (last->base < std::max(pass.event.a, pass.replica.start) || last->base >= pass.event.b) continue;
      if (std::binary_search(pass.bases.begin(), pass.bases.end(), last->base)) continue;
      fail(at(pass.event, last->base), "the last batch of producer " + std::to_string(producer) + " was removed");
      return;
    }
  }

  bool broken(const Pass& pass, std::int64_t offset, std::string message) {
    fail(at(pass.event, offset), std::move(message));
    return false;
  }
  std::int64_t retention_of(std::uint32_t subject, std::int64_t now_ms) {
    const auto [shortest, first] = retention_ms_.try_emplace(subject, now_ms);
    shortest->second = std::min(shortest->second, now_ms);
    return shortest->second;
  }

  std::map<std::uint32_t, std::int64_t> retention_ms_;
  bool clocks_moved_ = false;
};

}  // namespace

std::unique_ptr<Check> make_compaction_rule() { return std::make_unique<CompactionRule>(); }

}  // namespace harrow::sim
