// Where a follower cuts its log when the leader says that they diverge: pure (facts section 7, follower side; KIP-279).
#pragma once

#include <algorithm>
#include <optional>

#include "core/log/epoch_cache.h"
#include "core/model/ids.h"

namespace harrow {

struct Truncation {
  Offset to;
  bool done;  // false: ask the leader again with the epoch that is now the last one
};

/// `leader`: the leader's largest epoch not above the asked one, and its end there. `own`: this log's largest epoch not
/// above the leader's, and its end; nothing if it has none.
inline Truncation truncation_of(EpochEnd leader, std::optional<EpochEnd> own, Offset own_end) {
  if (!own || !own->known()) return {std::min(leader.end, own_end), true};
  if (own->epoch == leader.epoch) return {std::min({own->end, leader.end, own_end}), true};
  return {std::min(own->end, own_end), false};
}

}  // namespace harrow
