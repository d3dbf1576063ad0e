// Which leader epoch began at which offset of a log: the line of a partition's leaders, by which replicas find where
// they diverge (facts sections 4, 5 and 7). Its file is `leader-epoch-checkpoint`.
// Invariant: epochs and start offsets both strictly increase.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/model/ids.h"

namespace harrow {

/// An epoch and the offset behind its last record.
struct EpochEnd {
  LeaderEpoch epoch = no_epoch;
  Offset end = no_offset;
  bool known() const { return epoch >= LeaderEpoch(0) && end >= Offset(0); }
  friend bool operator==(const EpochEnd&, const EpochEnd&) = default;
};

struct EpochStart {
  LeaderEpoch epoch;
  Offset start;
  friend bool operator==(const EpochStart&, const EpochStart&) = default;
};

class EpochCache {
 public:
  /// The epoch's records begin at `start`. Entries that this contradicts go. False if nothing changed (known epoch).
  bool assign(LeaderEpoch epoch, Offset start);
  /// Entries that begin at or behind `end` go. False if there were none.
  bool truncate_from_end(Offset end);
  /// The log begins at `start` now: older entries go, the one that covers `start` begins there. False if unchanged.
  bool truncate_from_start(Offset start);
  void clear() { entries_.clear(); }

  /// Largest epoch not above the asked one and its end; facts section 7 "end of epoch".
  EpochEnd end_of(LeaderEpoch epoch, Offset log_end) const;
  /// The epoch of the record at this offset; no_epoch if unknown.
  LeaderEpoch epoch_at(Offset offset) const;
  LeaderEpoch latest() const { return entries_.empty() ? no_epoch : entries_.back().epoch; }
  const std::vector<EpochStart>& entries() const { return entries_; }

  std::string to_text() const;
  static Result<EpochCache> parse(std::string_view text);

 private:
  std::vector<EpochStart> entries_;
};

}  // namespace harrow
