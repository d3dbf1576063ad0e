// Compaction of one log: of each key the newest record stays (facts section 5, "compaction ..."). Two passes: the newest
// offset of each key in the dirty part, then segments copied in groups without what those offsets supersede.
// Owner: the broker's compaction root. May touch: one Log, its folder, the processor and the timers to do it in slices.
// Invariants: offsets and the order of records never change, and a batch that stays keeps its base and last offset; nothing
// at or above `limit` is touched, nor the active segment; a new segment ends where the old ones ended, so that a log's
// segments join; old files go only when the new one is durable under its `.swap` name, and a load finishes what a crash
// interrupted there. Who reads meanwhile holds the old files.
#pragma once

#include <optional>
#include <vector>

#include "core/async/timer.h"
#include "core/host/cpu.h"
#include "core/log/log.h"
#include "core/log/offset_map.h"

namespace harrow {

/// What of a log could be compacted now: whole closed segments in [first_dirty, end), and what stands before them.
struct Cleanable {
  Offset first_dirty{0};
  Offset end{0};
  std::uint64_t clean_bytes = 0;
  std::uint64_t dirty_bytes = 0;
  bool overdue = false;  // by max.compaction.lag.ms
  /// Dirty share of all of it, in millionths.
  std::int64_t ratio_millionths() const;
  /// By the log's settings.
  bool worthwhile(const LogConfig& config) const;
};
/// `limit`: what may still change or is not durable begins there.
Cleanable cleanable_part(const Log& log, Offset limit, WallMs now);

/// Aborted and committed transactions as a pass goes through a log: data of aborted ones goes at once, a marker may go when
/// no batch of its transaction is left.
class TransactionsInPass {
 public:
  explicit TransactionsInPass(std::vector<AbortedTransaction> aborted);
  /// Whether the batch belongs to an aborted transaction.
  bool data_is_aborted(const BatchHeader& header);
  /// Whether nothing of the marker's transaction stands before it. An empty control batch has been through this before.
  bool marker_is_free(const BatchHeader& header, std::optional<TransactionMarker> marker);
  /// Aborted transactions of which something is left: the new segment's index.
  std::vector<AbortedTransaction> take_left();

 private:
  struct Open {
    AbortedTransaction transaction;
    bool seen = false;  // a batch of it stands
  };
  void open_up_to(Offset offset);
  std::vector<AbortedTransaction> waiting_;  // by first offset, the earliest last
  boost::container::flat_map<ProducerId, Open> aborted_;
  std::vector<ProducerId> committed_;  // sorted
  std::vector<AbortedTransaction> left_;
};

class LogCleaner {
 public:
  struct Options {
    Offset limit{0};
    WallMs now{0};
    std::uint64_t map_bytes = 128u << 20;
  };
  struct Outcome {
    bool finished = false;  // else the log was cut, deleted or configured otherwise meanwhile
    Offset first_dirty{0};
    Offset cleaned_end{0};
    std::uint64_t bytes_before = 0, bytes_after = 0;
  };
  LogCleaner(Log& log, Cpu& cpu, Timers& timers, const Options& options) : log_(log), cpu_(cpu), timers_(timers), options_(options), map_(options.map_bytes) {}
  /// corrupt_message: a batch cannot be read; the log stays as it is. io_error, disk_full: the log has failed.
  Task<Result<Outcome>> run();

 private:
  struct Source {
    Offset base, end;
    FilePtr file;
    std::uint64_t size;
    std::uint64_t from = 0;  // position to begin at
  };
  struct Filtered {
    Bytes batch;  // empty: it goes
    bool changed = false;
  };
  /// A segment in the making.
  struct Output {
    Segment segment;
    std::vector<FilePtr> files;   // to be synced
    std::vector<Bytes> batches;   // for the trace, if it listens
    std::vector<AbortedTransaction> aborted;
    bool keeps_batches = false;
    bool changed = false;         // it says something else than the old files
  };

  bool interrupted() const { return log_.closed_ || log_.failed_ || log_.changes_ != changes_ || !log_.config().compacts; }
  Source source_of(std::size_t index) const;
  Task<Result<bool>> build_map(Offset first_dirty, Offset end);
  Result<bool> add_to_map(const Bytes& batch, const BatchHeader& header, Offset first_dirty);
  /// How many segments from `index` on go into one.
  std::size_t group_size(std::size_t index) const;
  /// False: interrupted.
  Task<Result<bool>> clean_group(std::size_t index, std::size_t count);
  Task<Result<bool>> copy(Source source, bool last_of_group);
  Result<bool> write_side_files();
  Task<Result<bool>> make_durable();
  Result<bool> swap_in(std::size_t index, std::size_t count);
  Result<Filtered> filter(const Bytes& batch, const BatchHeader& header, bool last_of_group);
  bool last_of_its_producer(const BatchHeader& header) const;
  /// The new segment's files go.
  Result<bool> forget(std::string_view suffix);
  bool pause_due(std::uint64_t bytes);
  Task<Result<bool>> pause();

  Log& log_;
  Cpu& cpu_;
  Timers& timers_;
  Options options_;
  OffsetMap map_;
  Offset map_end_{0};  // the map knows everything of the dirty part below
  Offset first_dirty_{0};
  std::uint32_t changes_ = 0;
  std::uint64_t bytes_since_pause_ = 0;
  std::optional<TransactionsInPass> transactions_;
  std::optional<Output> output_;
  Outcome outcome_;
};

}  // namespace harrow
