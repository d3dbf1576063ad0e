// What an all-knowing observer knows of a run, built from the trace alone: each replica's log as a path in a tree of
// batches, the true high watermark, what clients were promised and what they read, who leads by whose word.
// Purpose: the checks' common memory, so that each of them is a few look-ups. Owner: the Judge, which shows it every
// event before the checks. May touch: core/model, core/controller's image (payloads). Memory: about 60 bytes a batch and
// 24 a record; what every log has dropped is forgotten.
//
// The tree: a batch's row names the row before it, so two replicas that hold the same row have identical logs up to it.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/base/trace.h"
#include "core/controller/image.h"
#include "core/model/record_batch.h"
#include "core/model/trace_payloads.h"
#include "sim/check/check.h"

namespace harrow::sim {

struct JudgeSetup;

using RowId = std::uint32_t;
constexpr RowId no_row = 0;

/// One batch at one place of one history.
struct BatchRow {
  std::int64_t base = 0;
  std::uint64_t hash = 0;  // of everything behind the header's offset, epoch and CRC
  std::int64_t producer_id = -1;
  std::int32_t last_delta = 0;
  std::int32_t epoch = -1;
  std::int32_t base_sequence = -1;
  RowId previous = no_row;
  RowId child = no_row;              // the latest row that continues this one
  RowId producer_previous = no_row;  // the producer's batch before, on this path
  std::int16_t producer_epoch = -1;
  bool control = false;
  std::int64_t end() const { return base + last_delta + 1; }
  std::int32_t last_sequence() const {
    return base_sequence < 0 ? -1 : static_cast<std::int32_t>((std::int64_t{base_sequence} + last_delta) & 0x7fffffff);
  }
};

/// Values by offset, dense from a base that only moves up.
template <class Value>
class ByOffset {
 public:
  std::int64_t base() const { return base_; }
  std::int64_t end() const { return base_ + static_cast<std::int64_t>(values_.size()); }
  const Value* find(std::int64_t offset) const {
    return offset < base_ || offset >= end() ? nullptr : &values_[static_cast<std::size_t>(offset - base_)];
  }
  Value* find(std::int64_t offset) { return const_cast<Value*>(std::as_const(*this).find(offset)); }
  /// Null below the base.
  Value* make(std::int64_t offset) {
    if (values_.empty() && offset > base_ + gap_limit) base_ = offset;
    if (offset < base_ || offset > end() + gap_limit) return nullptr;
    if (offset >= end()) values_.resize(static_cast<std::size_t>(offset - base_) + 1);
    return &values_[static_cast<std::size_t>(offset - base_)];
  }
  void drop_below(std::int64_t offset) {
    while (base_ < offset && !values_.empty()) {
      values_.pop_front();
      ++base_;
    }
    if (values_.empty() && base_ < offset) base_ = offset;
  }
  void cut_from(std::int64_t offset) {
    if (offset < end()) values_.resize(static_cast<std::size_t>(std::max<std::int64_t>(offset - base_, 0)));
  }

 private:
  static constexpr std::int64_t gap_limit = 1 << 22;
  std::int64_t base_ = 0;
  std::deque<Value> values_;
};

/// One record of a topic that compacts, as its leader wrote it.
struct KeyedRecord {
  std::uint64_t key = 0, value = 0;  // hashes
  std::int64_t next = -1;            // the next record of the same key
  std::int64_t cleaned_ms = -1;      // wall time of the first compaction that found it to be its key's newest: a tombstone's clock
  bool known = false;
  bool keyless = false;
  bool tombstone = false;
  bool once_superseded = false;      // by what was lost since
};

enum class TruthRole : std::uint8_t { none, leader, follower };

/// A partition's replica on one machine. Its log survives the machine's processes.
struct ReplicaTruth {
  std::uint16_t machine = 0;
  NodeId id = no_node;
  std::vector<RowId> rows;  // from `head` on: the log's batches in order
  std::size_t head = 0;
  std::int64_t start = 0, end = 0;
  std::int64_t synced = 0;  // log_synced of this incarnation, or what a load found
  TruthRole role = TruthRole::none;
  std::int32_t leader_epoch = -1;
  std::int64_t high_watermark = -1;
  std::vector<NodeId> isr, maximal_isr;  // a leader's own view
  std::int32_t min_isr = 1;
  bool has_isr = false;
  bool lossy = false;  // lost un-synced data in a crash and has not caught up since
  std::uint32_t caught_up_start = 0;  // the node's start in which it last held everything committed
  bool loaded = false;
  std::map<std::int64_t, RowId> last_of_producer;
  // What its leader had compacted away when it copied the log: it has the history, but never had these.
  std::unordered_set<RowId> absent;
  std::unordered_set<std::int64_t> never_had;  // offsets
  std::vector<std::pair<std::int32_t, std::int64_t>> epochs;  // (epoch, first offset) of its batches

  bool empty() const { return head >= rows.size(); }
  RowId tip() const { return empty() ? no_row : rows.back(); }
};

/// The controller's committed record of a partition.
struct PartitionRecord {
  bool known = false;
  std::vector<NodeId> replicas, isr, elr, last_known_elr;
  NodeId leader = no_node;
  std::int32_t leader_epoch = -1, partition_epoch = -1;
  bool recovering = false;
  bool reassigning = false;
  std::int32_t min_isr = 1;  // effective
  bool unclean_allowed = false;
};

enum class ExcuseReason : std::uint8_t { unsynced, unclean, deleted, wiped };
/// From here on down the log, what was committed or acknowledged is gone as the settings or the faults allow.
struct Excuse {
  std::int64_t from, to;
  std::int64_t at_ns;
  ExcuseReason reason;
  NodeId node;
};
std::string_view name_of(ExcuseReason reason);

struct AckSlot {
  std::uint64_t hash = 0;
  std::uint32_t at_ms = 0;
  std::uint16_t producer = 0;
  std::uint8_t acks = 0;  // 0: nothing acknowledged here; 1: acks=1; 2: acks=all
};
/// An acknowledged record that an excuse took out of the promise.
struct UnpromisedAck {
  static constexpr std::size_t no_excuse = SIZE_MAX;  // acks=1: its leader went before others had it
  std::int64_t offset;
  AckSlot slot;
  std::size_t excuse;
};

struct PartitionTruth {
  std::uint32_t subject = 0;
  std::string topic;
  std::int32_t partition = 0;
  Uuid topic_id;
  bool metadata = false;
  bool internal = false;
  std::int32_t times_made_anew = 0;
  bool deleted = false;  // the metadata does not know it any more; its replicas may not have heard

  std::deque<BatchRow> rows;  // id first_row + index
  RowId first_row = 1;
  std::vector<ReplicaTruth> replicas;
  std::int64_t committed_end = 0;
  RowId committed_tip = no_row;
  std::int32_t newest_epoch = -1;
  std::int32_t newest_leader = -1;  // machine
  std::int64_t newest_epoch_start = 0;
  PartitionRecord record;
  std::vector<Excuse> excuses;
  ByOffset<AckSlot> acked;
  std::vector<UnpromisedAck> unpromised;
  ByOffset<std::uint64_t> consumed;  // value hash, 0 = not read
  std::int64_t resets = 0;           // positions that jumped
  std::int64_t highest_start = 0;    // of any leader
  std::unordered_set<std::uint64_t> old_hashes;  // batches of an earlier topic of this name
  // What compaction is judged by. Rows are not changed by it: two replicas with the same rows have the same history,
  // whichever of its records either has compacted away.
  bool compacts = false;  // by its configuration, now or before
  ByOffset<KeyedRecord> keyed;
  std::int32_t keyed_epoch = -1;  // of the newest leader that wrote any: a deposed one that goes on writing is not heard
  std::unordered_map<std::uint64_t, std::int64_t> newest_of_key;

  const BatchRow* row(RowId id) const {
    return id < first_row || id - first_row >= rows.size() ? nullptr : &rows[id - first_row];
  }
  BatchRow* row(RowId id) { return const_cast<BatchRow*>(std::as_const(*this).row(id)); }
  /// Compaction may have removed it: a newer record of its key is committed, or it is a tombstone that has had its time begun.
  bool may_be_compacted(std::int64_t offset) const;
  /// The batch is the row's, but for records that compaction may have removed.
  bool is_compacted_form(const BatchRow& row, const Bytes& batch) const;
  const ReplicaTruth* replica_on(std::uint16_t machine) const;
  ReplicaTruth* replica_on(std::uint16_t machine) { return const_cast<ReplicaTruth*>(std::as_const(*this).replica_on(machine)); }
  const ReplicaTruth* replica_of(NodeId id) const;
  /// The row whose batch holds `offset` in this log.
  RowId find(const ReplicaTruth& replica, std::int64_t offset) const;
  /// Whether the log has this row, or began above it.
  bool holds(const ReplicaTruth& replica, RowId id) const;
  /// For a failure: this partition, on a machine.
  Where where(std::int32_t machine, std::int64_t offset) const { return Where{machine, subject, offset, topic, partition}; }
  /// Where the replica's log leaves the path that ends in `id`.
  std::int64_t common_end(const ReplicaTruth& replica, RowId id) const;
  const ReplicaTruth* leader() const { return newest_leader < 0 ? nullptr : replica_on(static_cast<std::uint16_t>(newest_leader)); }
};

struct NodeTruth {
  NodeId id = no_node;
  std::uint32_t starts = 1;        // processes begun
  bool up = false;                 // its process was seen alive since the last end
  bool power_lost = false;         // since its logs were last loaded
  bool disk_faulted = false;       // a fault of its disk began, ever
  bool may_halt = false;           // its disk may refuse something, as a fault wants it
  std::int64_t disk_failed_at = -1;  // in this process
  bool clean_marked = false;       // a mark stands, unless a process began since
  bool loaded_since_mark = false;
  bool registered = false;         // by a registration of this process
  std::int64_t broker_epoch = -1;
  std::int32_t quorum_role = -1, quorum_epoch = -1;
  std::int64_t flushed_end = -1;   // of the metadata log
};

struct AppendView {
  PartitionTruth* partition = nullptr;
  ReplicaTruth* replica = nullptr;
  const BatchHeader* header = nullptr;
  const AppendNote* note = nullptr;
  RowId row = no_row;
  std::int64_t end_before = 0;
  std::int32_t epoch_before = -1;
  RowId producer_before = no_row;
  RowId clash = no_row;          // another replica has something else at this offset and epoch
  bool filled_gap = false;       // batches before it had been compacted away at the leader
  bool clash_is_prefix = false;  // the batch is equal, what precedes it is not
};
struct TruncationView {
  PartitionTruth* partition = nullptr;
  ReplicaTruth* replica = nullptr;
  std::int64_t to = 0, old_end = 0;
  bool cut_committed = false;
};
struct LoadView {
  PartitionTruth* partition = nullptr;
  ReplicaTruth* replica = nullptr;
  std::int64_t end_before = -1;  // -1: nothing was known of this log
  std::int64_t start_before = 0;
  std::int64_t synced_before = 0;
  std::int64_t start = 0, end = 0;
  bool clean = false;
  bool power_lost = false;
  bool disk_faulted = false;
};
struct HighWatermarkView {
  PartitionTruth* partition = nullptr;
  ReplicaTruth* replica = nullptr;
  std::int64_t before = -1;
  std::int32_t epoch_before = -1;
  NodeId missing = no_node;  // member of its quorum that does not hold it
};
struct RecordChange {
  PartitionTruth* partition;
  PartitionRecord before;  // not known: new
};
struct ElectionView {
  PartitionTruth* partition = nullptr;
  ReplicaTruth* replica = nullptr;
  bool unclean = false;
};

class Oracle {
 public:
  using SubjectName = std::function<const std::string&(std::uint32_t)>;
  Oracle(const JudgeSetup& setup, SubjectName name) : setup_(setup), name_(std::move(name)) {}
  Oracle(const Oracle&) = delete;

  static std::span<const TraceKind> kinds();
  void on_event(const TraceEvent& event, const void* payload);
  /// The event is about a replica of a topic that was deleted, perhaps made anew, and of which its node has not heard yet: nobody judges it.
  /// Asked once for each event, in order.
  bool of_another_topic(const TraceEvent& event, const void* payload);

  // What the event under way did; valid for events of the kind named only.
  const AppendView& append() const { return append_; }                     // appended; partition null if not followed
  const TruncationView& truncation() const { return truncation_; }         // truncated
  const LoadView& load() const { return load_; }                           // log_loaded
  const HighWatermarkView& high_watermark() const { return moved_; }       // high_watermark_moved
  const ElectionView& election() const { return election_; }               // became_leader
  const std::vector<RecordChange>& record_changes() const { return changes_; }  // image_published
  /// The broker registered in what was just published.
  bool registered_now(NodeId id) const;
  bool image_is_new() const { return image_is_new_; }                      // no node published this offset before

  // Partitions, by subject number; nodes, by machine.
  const PartitionTruth* partition(std::uint32_t subject) const;
  const PartitionTruth* partition(std::string_view topic, std::int32_t index) const;
  using Partitions = std::map<std::pair<std::string, std::int32_t>, std::unique_ptr<PartitionTruth>>;
  const Partitions& partitions() const { return partitions_; }
  const PartitionTruth* metadata() const { return metadata_; }
  const NodeTruth& node(std::uint16_t machine) const;
  const NodeTruth* node_of(NodeId id) const;
  std::int32_t machine_of(NodeId id) const;
  NodeId id_of(std::uint16_t machine) const;
  bool is_voter(std::uint16_t machine) const;
  const std::vector<NodeTruth>& nodes() const { return nodes_; }

  /// Hash of the image whose last record is at or below `offset`; nothing if unknown.
  const std::uint64_t* image_hash_at(std::int64_t offset) const;
  const std::uint64_t* image_hash_exactly(std::int64_t offset) const;
  std::int64_t newest_image_offset() const { return newest_image_; }
  /// Values that a producer was told would never appear.
  const std::unordered_set<std::uint64_t>& refused_values() const { return refused_; }
  /// The new segment lacks a tombstone that was its key's newest record.
  bool removes_tombstone(std::uint32_t subject, const CleanNote& note) const;
  bool disk_damage_possible() const { return damage_possible_; }
  const std::string& producer_name(std::uint16_t number) const { return producers_[number]; }
  std::int64_t sent() const { return sent_; }
  std::int64_t acked() const { return acked_; }

 private:
  struct PendingElection {
    bool unclean, from_elr;
  };
  PartitionTruth* truth(std::uint32_t subject);
  PartitionTruth& truth(const std::string& topic, std::int32_t index);
  ReplicaTruth& replica(PartitionTruth& partition, std::uint16_t machine);
  NodeTruth& node_at(std::uint16_t machine);
  void note_deletion(const PartitionTruth& partition);
  void forget(PartitionTruth& partition, const Uuid& new_id);
  void on_appended(const TraceEvent& event, const AppendNote& note);
  void on_truncated(const TraceEvent& event);
  void on_loaded(const TraceEvent& event, const LogNote* note);
  void on_start_moved(const TraceEvent& event);
  // oracle_compaction.cpp
  void on_cleaned(const TraceEvent& event, const CleanNote& note);
  void note_keyed(PartitionTruth& partition, const Bytes& batch);
  void cut_keyed(PartitionTruth& partition, std::int64_t from);
  void fill_gap(PartitionTruth& partition, ReplicaTruth& replica, const BatchRow& row, const Bytes& batch);
  void note_missing(ReplicaTruth& replica, const BatchRow& row, const Bytes& batch);
  void on_became_leader(const TraceEvent& event);
  void on_high_watermark(const TraceEvent& event);
  void on_quorum_high_watermark(const TraceEvent& event);
  void on_image(const TraceEvent& event, const ImageNote& note);
  void on_process_end(std::uint16_t machine, bool power_lost);
  void on_acked(const TraceEvent& event, const SendNote& note);
  void on_consumed(const TraceEvent& event);
  void cut(PartitionTruth& partition, ReplicaTruth& replica, std::int64_t to);
  void raise_start(PartitionTruth& partition, ReplicaTruth& replica, std::int64_t start);
  void excuse(PartitionTruth& partition, std::int64_t from, ExcuseReason reason, NodeId node);
  void excuse_unclean(PartitionTruth& partition, const ReplicaTruth& winner);
  void lower_committed(PartitionTruth& partition, std::int64_t to, ExcuseReason reason, NodeId node);
  void lower_quorum(PartitionTruth& partition, NodeId node);
  void prune(PartitionTruth& partition);
  void note_caught_up(PartitionTruth& partition, ReplicaTruth& replica);

  const JudgeSetup& setup_;
  SubjectName name_;
  std::int64_t now_ns_ = 0;
  Partitions partitions_;
  std::vector<PartitionTruth*> by_subject_;  // those that events have named
  PartitionTruth* metadata_ = nullptr;
  std::set<std::uint32_t> once_deleted_;                                 // partitions of topics that were deleted, and perhaps made again
  std::map<std::pair<std::uint16_t, std::uint32_t>, Uuid> served_ids_;  // by machine and partition: the topic id of the loaded log
  std::vector<NodeTruth> nodes_;
  std::map<std::pair<std::uint32_t, std::int32_t>, PendingElection> elections_;
  std::map<std::int64_t, std::uint64_t> image_hashes_;
  std::int64_t newest_image_ = -1;
  std::uint64_t newest_image_hash_ = 0;
  std::unordered_set<std::uint64_t> refused_;
  std::vector<std::string> producers_{""};
  std::map<std::string, std::uint16_t, std::less<>> producer_numbers_;
  bool damage_possible_ = false;
  std::int64_t sent_ = 0, acked_ = 0;

  AppendView append_;
  BatchHeader header_;
  TruncationView truncation_;
  LoadView load_;
  HighWatermarkView moved_;
  ElectionView election_;
  std::vector<RecordChange> changes_;
  std::vector<NodeId> registered_now_;
  bool image_is_new_ = false;
};

}  // namespace harrow::sim
