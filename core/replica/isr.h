// Who is in sync: pure rules over what the leader knows of its followers (facts section 7).
#pragma once

#include "core/base/time.h"
#include "core/model/ids.h"

namespace harrow {

/// What a leader knows of one follower; starts empty with each leader epoch.
struct FollowerState {
  NodeId id = no_node;
  Offset log_end = no_offset;         // its fetch offset
  Offset log_start = no_offset;
  BrokerEpoch broker_epoch{-1};       // of the incarnation that fetched
  MonoNs fetched_at{0};
  Offset leader_end_at_fetch = no_offset;
  MonoNs caught_up_at{0};             // last time at which it had everything
};

/// A fetch from `fetch_offset` arrived at `now` while the leader's log ended at `leader_end`. A follower that has
/// reached what the leader had at its previous fetch was caught up then: a follower under constant load never sees the
/// end, yet it is in sync.
inline void note_fetch(FollowerState& follower, Offset fetch_offset, Offset log_start, BrokerEpoch epoch, Offset leader_end, MonoNs now) {
  if (fetch_offset >= leader_end) follower.caught_up_at = now;
  else if (fetch_offset >= follower.leader_end_at_fetch && follower.leader_end_at_fetch >= Offset(0))
    follower.caught_up_at = follower.fetched_at > follower.caught_up_at ? follower.fetched_at : follower.caught_up_at;
  follower.log_end = fetch_offset;
  follower.log_start = log_start;
  follower.broker_epoch = epoch;
  follower.leader_end_at_fetch = leader_end;
  follower.fetched_at = now;
}

/// May stay in (or count for) the ISR.
inline bool is_caught_up(const FollowerState& follower, Offset leader_end, MonoNs now, std::int64_t lag_max_ms) {
  return follower.log_end == leader_end || now - follower.caught_up_at <= lag_max_ms * ns_per_ms;
}

/// May be proposed for the ISR: it has all that is committed and all that precedes this leader's own epoch.
inline bool may_join(const FollowerState& follower, Offset high_watermark, Offset epoch_start) {
  return follower.log_end >= high_watermark && follower.log_end >= epoch_start;
}

}  // namespace harrow
