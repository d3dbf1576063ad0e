// Wishes from what is there: a recorded trace (time, optional key and size columns), or a scenario's producers and
// consumers. What they cannot say (retention of a trace, what must survive) stays with the command line.
#pragma once

#include <string>

#include "sim/scenario/scenario.h"
#include "sim/size/wish.h"

namespace harrow::size {

struct TrafficColumns {
  std::string time, key, size;  // "": guessed from the header: time_ms, time_s, time_us, time; bytes
  double speed = 1;             // as if the trace went so many times as fast
};

/// Peak second, mean, sizes and key skew of a trace. Disorder, holes longer than a day of an otherwise dense trace and damaged
/// lines are errors with a line.
struct Traffic {
  double records = 0, seconds = 0;
  double mean_rate = 0, peak_rate = 0;     // records/s; the peak over `peak_over_s`
  double peak_over_s = 1;
  double mean_bytes = 0;                   // of a record
  double keys = 0, key_alpha = 0;          // 0: no key column
  double hottest_share = 0;
};
tl::expected<Traffic, std::string> read_traffic(const std::string& path, const TrafficColumns& columns);
/// The wishes that the trace gives: mean, ingress, record and, if it has a key column, keys.
WishOptions wishes_of(const Traffic& traffic);

/// The wishes that a scenario gives: rates and sizes of its producers, groups, retention, replication, objectives.
tl::expected<WishOptions, std::string> wishes_of(const sim::Scenario& scenario);

}  // namespace harrow::size
