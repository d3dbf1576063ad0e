// Which epoch starts at which offset: all that the rules need to know of the log's content. `base` is the snapshot the
// log begins after (0@0 for a whole log).
#pragma once

#include <string>
#include <vector>

#include "core/raft/messages.h"

namespace harrow::raft {

struct EpochStart {
  LeaderEpoch epoch;
  Offset start;
  friend auto operator<=>(const EpochStart&, const EpochStart&) = default;
};

class EpochCache {
 public:
  EpochCache() = default;
  EpochCache(OffsetAndEpoch base, std::vector<EpochStart> starts);

  /// Epoch of the last record, or of the snapshot before an empty log.
  LeaderEpoch last_epoch() const { return starts_.empty() ? base_.epoch : starts_.back().epoch; }
  /// A record of `epoch` was appended at `offset`.
  void assign(LeaderEpoch epoch, Offset offset);
  void truncate_to(Offset end);
  /// Everything below `base` is gone.
  void drop_below(OffsetAndEpoch base);
  /// The largest epoch not above `epoch` and where it ends in a log that ends at `end`. An epoch newer than all gives
  /// the log's own last one: the asker must decide which of both is longer.
  OffsetAndEpoch end_of(LeaderEpoch epoch, Offset end) const;
  OffsetAndEpoch base() const { return base_; }
  const std::vector<EpochStart>& starts() const { return starts_; }
  std::string print() const;
  friend bool operator==(const EpochCache&, const EpochCache&) = default;

 private:
  OffsetAndEpoch base_{Offset{0}, LeaderEpoch{0}};
  std::vector<EpochStart> starts_;
};

}  // namespace harrow::raft
