// The search: every machine, as many brokers as each constraint asks for, the storage that they need; the cheapest three.
// What a design leaves room for, what binds, and for an impossible wish the constraint and the nearest that is possible.
// Pure: a wish and a catalogue go in, an answer comes out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/size/model.h"

namespace harrow::size {

/// How far one input may grow, everything else as it is, until the verdict changes; 1.4 = by 40 %. A thousandfold stands
/// for no limit.
struct Growth {
  double ingress = 1, egress = 1, retention = 1, partitions = 1;
};

struct Design {
  Candidate candidate;
  Demand demand;
  Table table;
  Verdict verdict;
  Latency latency;         // now
  Latency latency_lost;    // in the worst state that must be survived
  Cost cost;
  Growth growth;
  /// Payload bytes/s of the whole cluster at which the first constraint is used up entirely (not just its allowed share).
  double knee = 0;
  Constraint knee_constraint = Constraint::net_in;
};

struct Impossible {
  std::string constraint;  // "hot_partition", "produce-p99", "most-brokers"
  std::string wished, possible, why;
  std::optional<Design> nearest;  // the cheapest design for what is possible
};

struct Answer {
  Wish wish;
  std::vector<Design> designs;  // cheapest first, at most three
  std::optional<Impossible> impossible;
  std::vector<Assumption> assumptions;
  std::vector<std::string> other_rules;  // what other people's rules say, a line each
};

struct SearchOptions {
  std::string costs;      // name of the processor costs
  std::string machine;    // only this one; "" = all
  double brokers = 0;     // with `machine`: just so many; 0 = as many as needed
};

/// A design of this machine with so many brokers, whether it holds or not.
Design design_of(const Wish& wish, const Machine& machine, const CpuCosts& costs, double brokers);
/// The fewest brokers of this machine that hold; nothing if no number does.
std::optional<Design> fewest(const Wish& wish, const Machine& machine, const CpuCosts& costs);
/// The next size down that one could have taken: a zone's worth of brokers less (or one, in one zone).
double smaller_by(const Wish& wish);

/// Fills in what a design leaves room for and where its knee should be.
void complete(const Wish& wish, Design& design);

Answer search(const Wish& wish, const Catalogue& catalogue, const SearchOptions& options);

}  // namespace harrow::size
