// The high watermark: pure (facts section 7).
#pragma once

#include <algorithm>
#include <span>

#include "core/model/ids.h"

namespace harrow {

/// One replica that holds the high watermark back: the leader, the maximal ISR, and whoever is caught up and could be
/// in the ISR at any moment.
struct HighWatermarkMember {
  NodeId id;
  Offset log_end;
};

/// The least log end of all members, never below `current`. It stands still while the ISR is smaller than the minimum:
/// what is then appended must not become visible and be lost with the last replica.
inline Offset next_high_watermark(Offset current, std::span<const HighWatermarkMember> members, std::size_t isr_size,
                                  std::size_t effective_min_isr) {
  if (isr_size < effective_min_isr || members.empty()) return current;
  Offset least = members[0].log_end;
  for (const HighWatermarkMember& member : members) least = std::min(least, member.log_end);
  return std::max(current, least);
}

}  // namespace harrow
