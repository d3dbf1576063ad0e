// Bringing a log's folder into order at a start: what is there, what of it is whole, what it says about epochs and
// producers (facts section 5, "unclean start" and "start order").
#pragma once

#include "core/log/log.h"

namespace harrow {

/// The steps of Log::load. After a clean stop the indexes are believed; else every segment that reaches above the
/// recovery point is read, its indexes are made anew, and the first byte that is no batch ends the log. A bad batch
/// below the recovery point is damage, never a torn tail: nothing is cut then.
class LogRecovery {
 public:
  LogRecovery(Log& log, const Log::LoadOptions& options) : log_(log), options_(options), compacts_(log.config().compacts || options.cleaned_end > Offset(0)) {}
  Task<Result<bool>> run();

 private:
  Task<Result<bool>> finish_swaps();
  Task<Result<bool>> finish_swap(Offset base);
  Result<bool> find_files();
  Task<Result<bool>> read_epochs();
  Task<Result<bool>> load_segment(std::size_t index);
  /// Segments behind `index` that lie within it: compaction has put them into it, and their removal was lost.
  Result<bool> drop_swallowed(std::size_t index);
  /// Reads both index files; false if they cannot be believed.
  Task<Result<bool>> read_indexes(std::size_t index);
  /// Reads the batches behind the last index entry of the newest segment; false if they are not whole.
  Task<Result<bool>> read_tail(std::size_t index);
  Task<Result<bool>> scan_segment(std::size_t index);
  Task<Result<bool>> read_epochs_of(std::size_t index);
  Task<Result<bool>> read_first_epochs();
  Task<Result<bool>> read_producers();
  Task<Result<bool>> read_txn_indexes();
  Result<bool> settle();
  void note_epoch(const BatchHeader& header);
  /// Apache's compaction leaves holes between segments, ours does not.
  bool may_end_early(Offset base) const { return log_.config().compacts || base < options_.cleaned_end; }

  Log& log_;
  Log::LoadOptions options_;
  Offset next_{0};                   // what the next batch may begin with
  Offset scanned_from_ = no_offset;  // base of the first segment that was read in full
  bool compacts_;                    // as far as is known: a broker loads before it has heard of its topics' settings
  bool saw_producer_ = false;        // in what was read in full
  bool cut_ = false;
  bool epochs_missing_ = false;
  bool epochs_changed_ = false;
};

}  // namespace harrow
