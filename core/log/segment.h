// One segment: a file of batches and its two sparse indexes. Index files open lazily: an empty log costs one file.
#pragma once

#include <memory>
#include <string>

#include "core/host/disk.h"
#include "core/log/config.h"
#include "core/log/offset_index.h"
#include "core/log/time_index.h"
#include "core/model/record_batch.h"

namespace harrow {

/// "00000000000000000042.log"
std::string segment_file_name(Offset base, std::string_view suffix);
/// The number in such a name, if it has this suffix.
std::optional<Offset> segment_offset_of(std::string_view name, std::string_view suffix);

class Segment {
 public:
  Segment(Offset base, FilePtr file, std::uint64_t size) : base_(base), file_(std::move(file)), size_(size) {}

  Offset base() const { return base_; }
  bool needs_sync() const { return synced_size < size_ || cut_unsynced; }
  std::uint64_t size() const { return size_; }
  const FilePtr& file() const { return file_; }
  WallMs max_timestamp() const { return max_timestamp_; }
  Offset offset_of_max_timestamp() const { return offset_of_max_; }
  /// Of the first batch; -1 while that is not known.
  WallMs first_timestamp() const { return first_timestamp_; }
  /// What retention by time compares: the largest timestamp, or the time of the last append if records have none.
  WallMs age_timestamp() const { return max_timestamp_.value() >= 0 ? max_timestamp_ : last_append_; }
  const OffsetIndex& offset_index() const { return offset_index_; }
  const TimeIndex& time_index() const { return time_index_; }

  /// Whether a new segment must begin before `header`'s batch of `bytes` goes in.
  bool must_roll(const BatchHeader& header, std::uint64_t bytes, const LogConfig& config, std::int64_t jitter_ms, WallMs now) const;
  /// Batches that certainly find room in the index files.
  std::size_t free_index_entries(const LogConfig& config) const;
  /// Writes whole batches at the end of the file. io_error, disk_full: nothing changed.
  Result<bool> write(const Bytes& batches);
  /// Notes a batch that was written at `position`; gives the index files their entry when the interval is full.
  Result<bool> note(Disk& disk, const std::string& folder, const LogConfig& config, const BatchHeader& header, std::uint64_t position,
                    WallMs now);
  /// The same in memory only, while a file is scanned; write_indexes() follows.
  void note_scanned(const LogConfig& config, const BatchHeader& header, std::uint64_t position);
  /// What was scanned is all: the last time entry, in memory only, and a segment that takes no more.
  void close_scanned();
  /// A segment that takes another one's place has its age.
  void take_age_of(const Segment& other);
  /// Final time entry, index files made and cut to size: at roll and at close.
  Result<bool> seal(Disk& disk, const std::string& folder);
  /// Writes both index files anew from memory; `open` ones get their full size.
  Result<bool> write_indexes(Disk& disk, const std::string& folder, const LogConfig& config, bool open);
  /// Cuts everything from `position` on; `end` is the first offset that goes. What stands behind the last index entry is
  /// noted again by the caller: reset_tail(), then note_tail() for each batch.
  Result<bool> truncate(std::uint64_t position, Offset end);
  void reset_tail();
  void note_tail(const BatchHeader& header, std::uint64_t position);
  /// Where the tail begins: the last indexed position below `position`.
  std::uint64_t tail_position(Offset end) const;

  /// What is known without a scan: the batch that begins at or before `offset`, close to it.
  std::uint32_t floor_position(Offset offset) const;
  /// Position of the batch that begins exactly at `offset`, if it was appended lately.
  std::optional<std::uint64_t> recent_position(Offset offset) const;

  void adopt_indexes(OffsetIndex offsets, TimeIndex times);
  void set_first_timestamp(WallMs timestamp) { first_timestamp_ = timestamp; }
  /// What age is counted from when records carry no time.
  void set_append_time(WallMs now) { first_append_ = last_append_ = now; }
  const FilePtr& offset_file() const { return offset_file_; }
  const FilePtr& time_file() const { return time_file_; }
  const FilePtr& txn_file() const { return txn_file_; }
  void set_txn_file(FilePtr file) { txn_file_ = std::move(file); }
  /// A rolled segment's descriptors of its indexes are not needed any more.
  void close_indexes() {
    offset_file_.reset();
    time_file_.reset();
  }

  std::uint64_t synced_size = 0;  // of the log file
  bool cut_unsynced = false;      // the file was longer when it was synced last
  bool sealed = false;            // rolled: no more appends
  bool indexes_synced = false;    // of a sealed segment

 private:
  /// The last appended batches: tail reads find their place without a scan.
  struct Recent {
    static constexpr std::uint32_t size = 8;
    Offset base[size];
    std::uint32_t position[size];
    std::uint32_t next = 0;
  };
  Result<bool> open_index_files(Disk& disk, const std::string& folder, const LogConfig& config);
  void observe(const BatchHeader& header, std::uint64_t position);
  bool entry_due(const LogConfig& config, const BatchHeader& header, std::uint64_t position, OffsetEntry& offset_entry,
                 std::optional<TimeEntry>& time_entry);

  Offset base_;
  FilePtr file_, offset_file_, time_file_, txn_file_;
  std::uint64_t size_;
  OffsetIndex offset_index_;
  TimeIndex time_index_;
  WallMs max_timestamp_{-1};
  Offset offset_of_max_ = no_offset;
  WallMs first_timestamp_{-1};  // of the first batch: the roll clock
  WallMs first_append_{-1};
  WallMs last_append_{-1};
  std::int64_t bytes_since_entry_ = 0;
  std::unique_ptr<Recent> recent_;
};

}  // namespace harrow
