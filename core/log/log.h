// Room: log. A partition's records on disk: segments, indexes, epochs, producer state, retention, recovery, in Kafka 4.2's
// own file formats (facts sections 4 to 6).
// Owner: core/replica and the quorum's shell (one Log a replica). May touch: Disk, model, the trace; time comes in.
// Invariants: offsets strictly increase, epochs never fall; log start <= recovery point <= log end; what flush() covered
// is on the disk with its folder entry, its epochs and its producer snapshots; segments are deleted only below the log
// start. Appending and truncating are one synchronous act each; only reading, syncing and loading wait.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/async/task.h"
#include "core/base/trace.h"
#include "core/host/disk.h"
#include "core/log/config.h"
#include "core/log/epoch_cache.h"
#include "core/log/producer_state.h"
#include "core/log/segment.h"
#include "core/log/txn_index.h"

namespace harrow {

/// Who hands a batch to a leader's log: clients are checked in full, the node's own coordinators and quorum are not.
enum class AppendOrigin : std::uint8_t { client, coordinator, quorum };
enum class LogStartReason : std::uint8_t { retention_time, retention_size, delete_records, leader, snapshot, restart };

struct Appended {
  Offset base = no_offset;
  Offset last = no_offset;
  Offset end = no_offset;
  WallMs log_append_time{-1};  // -1 with CreateTime
  ProducerId producer_id = no_producer_id;
  bool duplicate = false;  // nothing was written: these are the offsets of the first time
};

struct ReadResult {
  Bytes records;       // whole batches; empty between limit and end
  Offset next;         // where to read on
  Offset segment_base; // of the segment that holds the place
  bool older_segment;  // it is not the active one
};

struct FoundOffset {
  Offset offset = no_offset;
  WallMs timestamp{-1};
  LeaderEpoch leader_epoch = no_epoch;
};

class Log {
 public:
  struct Place {
    Disk& disk;
    Tracer trace;
    std::string log_dir;  // the folder of all logs, relative to the disk
    TopicPartition name;
    Uuid topic_id;
    std::shared_ptr<const LogConfig> config;
  };
  struct LoadOptions {
    bool clean = false;             // the last stop was clean: no batch needs to be looked at
    Offset recovery_point{0};       // from the checkpoint
    Offset log_start{0};            // from the checkpoint
    Offset cleaned_end{0};          // from the cleaner's checkpoint
    WallMs now{0};
  };
  /// Opens or creates the log's folder and brings it into order. corrupt_message: records below the recovery point are
  /// damaged; nothing was cut, the replica must be rebuilt or the folder repaired. io_error: the disk failed.
  static Task<Result<std::unique_ptr<Log>>> load(Place place, LoadOptions options);
  Log(const Log&) = delete;
  ~Log();

  const TopicPartition& name() const { return place_.name; }
  const Uuid& topic_id() const { return place_.topic_id; }
  const LogConfig& config() const { return *place_.config; }
  void set_config(std::shared_ptr<const LogConfig> config) { place_.config = std::move(config); }
  /// Folder relative to the disk.
  const std::string& folder() const { return folder_; }

  Offset start_offset() const { return start_; }
  Offset end_offset() const { return end_; }
  /// Compaction has been here: below it each key's records are those that some pass left. Never above the log's end.
  Offset cleaned_end() const { return std::max(cleaned_end_, start_); }
  /// Everything below is durable.
  Offset durable_end() const { return durable_end_; }
  /// What the recovery checkpoint may say: below it nothing needs to be looked at after a crash. One less than the durable
  /// end unless a whole segment ends there with its indexes: a later cut or roll at that place would not show.
  Offset recovery_point() const;
  std::uint64_t size_bytes() const;
  std::size_t segment_count() const { return segments_.size(); }
  const std::vector<Segment>& segments() const { return segments_; }
  Offset active_base() const { return segments_.back().base(); }
  const EpochCache& epochs() const { return epochs_; }
  LeaderEpoch latest_epoch() const { return epochs_.latest(); }
  const ProducerState& producers() const { return producers_; }
  /// Largest timestamp in the log; -1 if there is none.
  WallMs max_timestamp() const;
  /// Set once the disk refused something: the log takes nothing more.
  bool failed() const { return failed_; }

  /// One act: checks the batch (and, for a client's, its records, sequence and epoch), rolls if due, assigns offsets,
  /// stores it. Several batches are legal but for clients. Errors as in facts sections 3 and 6; io_error, disk_full.
  Result<Appended> append_as_leader(const Bytes& batches, LeaderEpoch leader_epoch, AppendOrigin origin, WallMs now);
  /// Batches as a leader assigned them. corrupt_message: a wrong CRC; offset_out_of_range: they do not continue this
  /// log. Whole batches before a bad one are appended all the same. A cut last batch is left out.
  Result<Appended> append_as_follower(const Bytes& batches, WallMs now = WallMs(-1));
  /// Whether flush.messages makes the answer wait for flush() (leader) or the next fetch (follower).
  bool flush_due() const { return end_ - durable_end_ >= config().flush_messages; }
  /// A rolled segment is not durable yet: the owner flushes it in the background, `synced(active_base())`.
  bool roll_flush_due() const { return durable_end_ < segments_.back().base() || snapshot_unsynced(); }
  /// Whether flush.ms has passed since the first record that is not durable.
  bool flush_time_due(WallMs now) const;

  /// Whole batches from the one that holds `from`, ending at or before `limit`: at most `max_bytes`, but at least one
  /// batch if `min_one`. offset_out_of_range outside [start, end].
  Task<Result<ReadResult>> read(Offset from, std::uint64_t max_bytes, Offset limit, bool min_one);
  /// The same at once, if the page cache has it all; nothing otherwise. Allocates nothing.
  std::optional<Result<ReadResult>> read_cached(Offset from, std::uint64_t max_bytes, Offset limit, bool min_one);
  /// First record at or after this time; offset -1 if there is none.
  Task<Result<FoundOffset>> offset_for_timestamp(WallMs timestamp);
  /// The record with the largest timestamp; offset -1 in an empty log.
  Task<Result<FoundOffset>> offset_of_max_timestamp();

  EpochEnd end_of_epoch(LeaderEpoch epoch) const { return epochs_.end_of(epoch, end_); }
  /// The epoch that the record at `offset` has, for answers that carry it.
  LeaderEpoch epoch_at(Offset offset) const { return epochs_.epoch_at(offset); }
  /// A new leader's epoch begins here even before it appends.
  Result<bool> assign_epoch_start(LeaderEpoch epoch, Offset start);

  /// Cuts everything from `offset` on (down to the batch boundary at or below it). Not below the log start: then it is
  /// truncate_fully. not_cached: pages are missing; `co_await warm(offset)` and try again. The recovery point may fall:
  /// the owner makes its checkpoint durable before the next append, or a torn tail there could be taken for damage.
  Result<bool> truncate_to(Offset offset);
  Result<bool> truncate_fully_and_start_at(Offset offset);
  /// Brings the pages that truncate_to(offset) looks at into the cache.
  Task<Result<bool>> warm(Offset offset);

  /// Moves the log start (never back, never behind the end) and deletes segments below it. True if it moved.
  Result<bool> advance_log_start(Offset offset, LogStartReason reason, WallMs now = WallMs(-1));
  /// Retention by time and size, and segments below the log start; returns how many segments went.
  Result<std::uint32_t> apply_retention(WallMs now, Offset high_watermark);
  /// Removes files whose delay has passed and whose new names are durable: until then the names are all that tells a load
  /// what was deleted. Called by apply_retention too.
  Result<bool> remove_due_files(WallMs now);
  /// When the next such file is due; nothing if there is none.
  std::optional<WallMs> next_removal() const;
  /// Forgets silent producers.
  void expire_producers(WallMs now) { producers_.expire(now, config().producer_expiration_ms); }

  /// Makes the log durable as it is: everything below the present end, and cuts.
  Task<Result<bool>> flush();
  /// Waits until everything below `end` is durable; callers share one sync. True also if it was cut meanwhile.
  Task<Result<bool>> synced(Offset end);
  /// Flushes, takes a producer snapshot, cuts the index files to size: what must precede the clean-shutdown mark.
  Task<Result<bool>> close_clean();
  /// Renames the folder to `<topic>-<p>.<unique>-delete`; the owner removes that folder later. The log is closed.
  Result<std::string> rename_for_deletion(const Uuid& unique);

  /// Aborted transactions that a reader of [from, to) must know.
  std::vector<AbortedTransaction> aborted_between(Offset from, Offset to) const;
  std::optional<Offset> first_unstable_offset() const { return producers_.first_unstable_offset(); }

 private:
  explicit Log(Place place);
  struct FlushWait;
  struct FlushTurn;
  struct Peek;
  class Walk;
  friend class LogRecovery;
  friend class LogCleaner;
  struct DyingFiles {
    std::vector<std::string> paths;
    WallMs due;
    std::uint32_t names = 0;  // folder_changes_ when they got these names
  };
  struct Snapshot {
    Offset offset;
    FilePtr file;  // while it is not synced
  };

  Segment& active() { return segments_.back(); }
  std::size_t segment_index_of(Offset offset) const;
  Offset end_of_segment(std::size_t index) const;
  std::int64_t jitter_ms() const;
  bool snapshot_unsynced() const { return !snapshots_.empty() && snapshots_.back().file != nullptr; }
  Result<bool> create_segment(Offset base);
  Result<bool> roll(Offset base);
  Result<bool> roll_if_due(const BatchHeader& header, std::uint64_t bytes, WallMs now);
  Result<bool> store_batch(const Bytes& batch, const BatchHeader& header, bool as_leader, WallMs now);
  Result<bool> note_stored(const BatchHeader& header, const Bytes& run, std::uint64_t at, std::uint64_t position, bool as_leader, WallMs now);
  Result<Appended> append_own(const Bytes& batches, LeaderEpoch leader_epoch, WallMs now);
  Result<bool> apply_to_producers(const BatchHeader& header, const Bytes& run, std::uint64_t at);
  Result<bool> write_epochs();
  Result<bool> take_producer_snapshot(Offset offset);
  Result<bool> drop_segments(std::size_t from, std::size_t to, WallMs now);
  Result<bool> bury(std::vector<std::string> names, WallMs now);
  Result<bool> drop_snapshots_above(Offset offset);
  void emit_deleted(std::size_t index, LogStartReason reason, WallMs now, Offset high_watermark) const;
  void move_start(Offset to, LogStartReason reason);
  tl::unexpected<Error> broken(const Error& e);
  struct Located {
    std::size_t segment;
    std::uint64_t from;
    std::uint64_t to;
    Offset next;
  };
  Result<bool> locate(Offset from, std::uint64_t max_bytes, Offset limit, bool min_one, Peek& peek, Located& out) const;
  struct Cut {
    std::size_t segment;
    std::uint64_t position;
    Offset end;
    std::vector<std::pair<BatchHeader, std::uint64_t>> tail;  // batches behind the last index entry that stay
    ProducerState producers;
  };
  Result<bool> cut_segment(const Cut& cut);
  Result<Cut> plan_cut(Offset offset, Peek& peek) const;
  Result<ProducerState> producers_at(Offset end, Peek& peek) const;
  Task<Result<bool>> sync_up_to(Offset target);

  Place place_;
  std::string folder_;
  std::uint32_t subject_;
  std::vector<Segment> segments_;  // at least one; the last is active
  Offset start_{0};
  Offset end_{0};
  Offset durable_end_{0};
  Offset cleaned_end_{0};
  Offset flush_target_ = no_offset;  // of the flush under way; truncation lowers it
  WallMs unflushed_since_{-1};
  EpochCache epochs_;
  ProducerState producers_;
  std::vector<Snapshot> snapshots_;
  std::vector<AbortedTransaction> aborted_;
  mutable std::int64_t jitter_ms_ = -1;  // of the active segment, once drawn
  std::vector<DyingFiles> dying_;
  FilePtr epoch_file_;  // while it is not synced
  List<Hook> flush_waits_;
  std::uint32_t changes_ = 0;  // truncations, deletions, compactions: readers that waited look again
  std::uint32_t folder_changes_ = 0;  // names made, changed or removed in the folder
  std::uint32_t folder_synced_ = 0;   // how many of them are durable
  bool folder_named_ = true;  // the folder's own name is durable
  bool flushing_ = false;
  bool failed_ = false;
  bool closed_ = false;
};

}  // namespace harrow
