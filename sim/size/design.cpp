#include "sim/size/design.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace harrow::size {
namespace {

constexpr double growth_most = 1000;
constexpr double brokers_most = 40'000;

/// Whether latency objectives are met in every state that counts.
bool meets_objectives(const Wish& wish, const Latency& now, const Latency& lost) {
  return std::all_of(wish.objectives.begin(), wish.objectives.end(),
                     [&](const Objective& objective) { return now.quantile(objective) <= objective.limit_s && lost.quantile(objective) <= objective.limit_s; });
}

State worst_state(const Wish& wish) { return wish.survive == Survive::zone ? State::zone_lost : wish.survive == Survive::broker ? State::broker_lost : State::now; }

bool holds(const Wish& wish, const Design& design) { return design.verdict.holds && meets_objectives(wish, design.latency, design.latency_lost); }

double step_of(const Wish& wish) { return std::max(1, wish.zones); }

/// Scales one input until `good` fails: the largest factor for which it holds.
template <class Good>
double growth_of(Good good) {
  double low = 1, high = 2;
  while (high < growth_most && good(high)) {
    low = high;
    high *= 2;
  }
  if (high >= growth_most) return growth_most;
  for (int i = 0; i < 24; ++i) {
    const double middle = (low + high) / 2;
    (good(middle) ? low : high) = middle;
  }
  return low;
}

void evaluate(const Wish& wish, Design& design) {
  design.demand = demand_of(wish, design.candidate);
  design.table = utilisation_of(wish, design.candidate, design.demand);
  design.verdict = judge(wish, design.candidate, design.table);
  design.latency = latency_of(design.candidate, design.demand, wish, State::now);
  design.latency_lost = latency_of(design.candidate, design.demand, wish, worst_state(wish));
}

/// The same machines, partitions and storage under another wish.
bool still_holds(const Wish& wish, Design design) {
  evaluate(wish, design);
  return holds(wish, design);
}

void find_room(const Wish& wish, Design& design) {
  design.growth.ingress = growth_of([&](double factor) {
    Wish more = wish;
    more.ingress *= factor;
    more.mean_ingress *= factor;
    return still_holds(more, design);
  });
  design.growth.egress = wish.egress == 0 ? growth_most : growth_of([&](double factor) {
    Wish more = wish;
    more.egress *= factor;
    return still_holds(more, design);
  });
  design.growth.retention = growth_of([&](double factor) {
    Wish more = wish;
    more.retention_s *= factor;
    return still_holds(more, design);
  });
  design.growth.partitions = growth_of([&](double factor) {
    Design more = design;
    more.candidate.partitions *= factor;
    evaluate(wish, more);
    return holds(wish, more);
  });
}

/// The rate at which something is used up now: what a ladder of rising load must find.
void find_knee(const Wish& wish, Design& design) {
  double best = std::numeric_limits<double>::infinity();
  for (int row = 0; row < constraints; ++row) {
    const auto constraint = static_cast<Constraint>(row);
    // Space and replicas do not bind within minutes; a cache that is too small only makes laggards slow.
    if (constraint == Constraint::space || constraint == Constraint::replicas || constraint == Constraint::cache || constraint == Constraint::hot_partition) continue;
    const double used = design.table(row, 0);
    if (used <= 0) continue;
    if (1 / used < best) {
      best = 1 / used;
      design.knee_constraint = constraint;
    }
  }
  design.knee = wish.ingress * best;
}

double round_up(double brokers, double step) { return std::ceil(brokers / step - 1e-9) * step; }

}  // namespace

double smaller_by(const Wish& wish) { return step_of(wish); }

Design design_of(const Wish& wish, const Machine& machine, const CpuCosts& costs, double brokers) {
  Design design;
  Candidate& candidate = design.candidate;
  candidate.machine = &machine;
  candidate.costs = &costs;
  candidate.brokers = brokers;
  candidate.clusters = std::ceil(brokers / machine.brokers_most);
  candidate.partitions = partitions_for(wish, brokers);
  candidate.spread = spread_of(wish, candidate.partitions, brokers);
  // Keys do not fall evenly; more partitions help as long as no single key is too much.
  for (int doublings = 0; doublings < 6 && wish.partitions == 0 && candidate.spread.partition_share * wish.ingress > wish.partition_rate && candidate.spread.hot_key_share * wish.ingress <= wish.partition_rate; ++doublings) {
    candidate.partitions *= 2;
    candidate.spread = spread_of(wish, candidate.partitions, brokers);
  }
  // Storage is bought for what the worst state that counts writes.
  candidate.storage = storage_for(machine, 1, 1, 1);
  const Demand first = demand_of(wish, candidate);
  double bytes = 0, iops = 0;
  for (int state = 0; state < states; ++state)
    if (counts(wish, static_cast<State>(state)) && first.brokers(state) >= 1) {
      bytes = std::max(bytes, first.disk_write(state) + first.disk_read(state));
      iops = std::max(iops, first.iops(state));
    }
  candidate.storage = storage_for(machine, first.space, bytes, iops);
  evaluate(wish, design);
  design.cost = cost_of(wish, candidate);
  return design;
}

std::optional<Design> fewest(const Wish& wish, const Machine& machine, const CpuCosts& costs) {
  const double step = step_of(wish);
  double brokers = round_up(std::max<double>(wish.replication, step), step);
  // Loads fall as 1/B, so the worst one says how many to try next; rounding and partitions may want a few more.
  for (int tries = 0; tries < 200 && brokers <= brokers_most; ++tries) {
    Design design = design_of(wish, machine, costs, brokers);
    if (design.verdict.holds) {
      if (meets_objectives(wish, design.latency, design.latency_lost)) return design;
      // More brokers make queues shorter, but no constant smaller.
      const Design twice = design_of(wish, machine, costs, brokers * 8);
      if (!meets_objectives(wish, twice.latency, twice.latency_lost)) return std::nullopt;
      brokers += step;
      continue;
    }
    if (design.verdict.binding == Constraint::hot_partition) return std::nullopt;
    const double wanted = std::isfinite(design.verdict.worst) ? round_up(brokers * std::min(design.verdict.worst, 64.0) * 0.98, step) : brokers + step;
    brokers = std::max(brokers + step, wanted);
  }
  return std::nullopt;
}

namespace {

/// fewest(), and then down again: the jump may have gone too far.
std::optional<Design> least(const Wish& wish, const Machine& machine, const CpuCosts& costs) {
  auto design = fewest(wish, machine, costs);
  if (!design) return design;
  const double step = step_of(wish), bottom = round_up(std::max<double>(wish.replication, step), step);
  for (int tries = 0; tries < 200 && design->candidate.brokers - step >= bottom; ++tries) {
    Design smaller = design_of(wish, machine, costs, design->candidate.brokers - step);
    if (!holds(wish, smaller)) break;
    design = smaller;
  }
  return design;
}

std::vector<Design> designs_for(const Wish& wish, const Catalogue& catalogue, const CpuCosts& costs, const SearchOptions& options) {
  std::vector<Design> designs;
  for (const Machine& machine : catalogue.machines) {
    if (!options.machine.empty() && machine.name != options.machine) continue;
    auto design = options.brokers > 0 ? std::optional<Design>(design_of(wish, machine, costs, options.brokers)) : least(wish, machine, costs);
    if (design) designs.push_back(std::move(*design));
  }
  std::stable_sort(designs.begin(), designs.end(), [](const Design& a, const Design& b) { return a.cost.total() < b.cost.total(); });
  return designs;
}

Impossible explain(const Wish& wish, const Catalogue& catalogue, const CpuCosts& costs, const SearchOptions& options, const std::vector<Design>& too_large) {
  Impossible impossible;
  if (!too_large.empty()) {
    const auto smallest = std::min_element(too_large.begin(), too_large.end(), [](const Design& a, const Design& b) { return a.candidate.brokers < b.candidate.brokers; });
    impossible.constraint = "most-brokers";
    impossible.wished = fmt::format("at most {} brokers", wish.most_brokers);
    impossible.possible = fmt::format("{:.0f} brokers of {}", smallest->candidate.brokers, smallest->candidate.machine->name);
    impossible.why = fmt::format("with fewer, {} is over its limit", words_of(design_of(wish, *smallest->candidate.machine, costs, std::max(smallest->candidate.brokers - step_of(wish), static_cast<double>(wish.replication))).verdict.binding));
    impossible.nearest = *smallest;
    return impossible;
  }
  // A key, or a partition of a fixed number, that no number of brokers makes smaller.
  Wish free = wish;
  free.objectives.clear();
  free.most_brokers = 0;
  const double partitions = partitions_for(wish, 1000);
  const Spread spread = spread_of(wish, partitions, 1000);
  if (wish.ingress * spread.partition_share > wish.partition_rate && designs_for(free, catalogue, costs, options).empty()) {
    Wish less = free;
    double factor = 0.98 * wish.partition_rate / (wish.ingress * spread.partition_share);
    std::vector<Design> nearest;
    for (int tries = 0; tries < 6 && nearest.empty(); ++tries, factor *= 0.85) {
      less.ingress = wish.ingress * factor;
      less.mean_ingress = wish.mean_ingress * factor;
      nearest = designs_for(less, catalogue, costs, options);
    }
    impossible.constraint = std::string(name_of(Constraint::hot_partition));
    impossible.wished = rate_text(wish.ingress);
    impossible.possible = rate_text(less.ingress);
    const double worst = spread.hot_key_share > 0 ? spread.hot_key_share : spread.partition_share;
    impossible.why = spread.hot_key_share == 0 ? fmt::format("{} partitions would each take {}, and one takes {}", number_text(wish.partitions), rate_text(wish.ingress / wish.partitions), rate_text(wish.partition_rate)) : fmt::format("the most frequent key has {:.1f} % of all bytes, {}, and one partition takes {}: more partitions do not help, another key or --partition-rate does", worst * 100,
                                 rate_text(worst * wish.ingress), rate_text(wish.partition_rate));
    if (!nearest.empty()) impossible.nearest = nearest.front();
    return impossible;
  }
  // A latency below what the way through the cluster takes when nothing waits.
  std::vector<Design> without = designs_for(free, catalogue, costs, options);
  for (const Objective& objective : wish.objectives) {
    const Design* fastest = nullptr;
    Design best;
    for (const Design& design : without) {
      Design wide = design_of(free, *design.candidate.machine, costs, design.candidate.brokers * 4);
      if (fastest == nullptr || wide.latency_lost.quantile(objective) < best.latency_lost.quantile(objective)) {
        best = wide;
        fastest = &design;
      }
    }
    if (fastest == nullptr || best.latency_lost.quantile(objective) <= objective.limit_s) continue;
    impossible.constraint = objective.text.substr(0, objective.text.find('='));
    impossible.wished = span_text(objective.limit_s);
    impossible.possible = span_text(best.latency_lost.quantile(objective));
    impossible.why = "the way there and back takes longer even when nothing waits: zones apart, fewer copies or no flush would shorten it";
    impossible.nearest = best;
    return impossible;
  }
  impossible.constraint = "machines";
  impossible.wished = rate_text(wish.ingress);
  impossible.why = "no machine of the catalogue holds this, whatever its number";
  if (!catalogue.machines.empty()) {
    const Machine& machine = catalogue.machines.front();
    const Design wide = design_of(free, machine, costs, round_up(1000, step_of(wish)));
    impossible.constraint = std::string(name_of(wide.verdict.binding));
    impossible.possible = fmt::format("{:.2f} of it", 1 / wide.verdict.worst);
    impossible.why = fmt::format("{} is over its limit even on 1,000 brokers", words_of(wide.verdict.binding));
  }
  return impossible;
}

std::vector<std::string> other_rules(const Wish& wish, const Design* cheapest) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("Google, managed: {:.0f} processors at 50 %", google_vcpus(wish.ingress, wish.ingress * wish.egress, wish.replication, 0.5)));
  lines.push_back(fmt::format("Alibaba, Confluent edition: {:.0f} brokers", alibaba_brokers(wish.ingress, wish.egress, wish.replication)));
  if (cheapest != nullptr && cheapest->candidate.machine->volume) {
    const Machine& machine = *cheapest->candidate.machine;
    const double most = aws_throughput(1, wish.replication, wish.egress, cheapest->candidate.storage.throughput, machine.disk, machine.net);
    lines.push_back(fmt::format("AWS, Equation 1 at 80 %: {:.0f} brokers of {}", std::ceil(wish.ingress / (0.8 * most) / wish.zones) * wish.zones, machine.name));
  }
  return lines;
}

}  // namespace

void complete(const Wish& wish, Design& design) {
  find_room(wish, design);
  find_knee(wish, design);
}

Answer search(const Wish& wish, const Catalogue& catalogue, const SearchOptions& options) {
  Answer answer;
  answer.wish = wish;
  answer.assumptions = wish.assumptions;
  const CpuCosts& costs = *catalogue.costs_named(options.costs);
  answer.designs = designs_for(wish, catalogue, costs, options);
  std::vector<Design> too_large;
  if (wish.most_brokers > 0) {
    std::copy_if(answer.designs.begin(), answer.designs.end(), std::back_inserter(too_large), [&](const Design& design) { return design.candidate.brokers > wish.most_brokers; });
    std::erase_if(answer.designs, [&](const Design& design) { return design.candidate.brokers > wish.most_brokers; });
  }
  if (answer.designs.size() > 3) answer.designs.resize(3);
  for (Design& design : answer.designs) complete(wish, design);
  if (answer.designs.empty()) {
    answer.impossible = explain(wish, catalogue, costs, options, too_large);
    if (answer.impossible->nearest) find_knee(wish, *answer.impossible->nearest);
  }
  answer.other_rules = other_rules(wish, answer.designs.empty() ? nullptr : &answer.designs.front());
  answer.assumptions.push_back({"processor costs", costs.name, fmt::format("{}: {}, {}", costs.what, costs.machine, costs.date)});
  answer.assumptions.push_back({"allowed shares", "network and disk 80 %, space 80 %, processor as its machine says (70 %)", "in every state that must be survived; TCP carries 95 % of a link"});
  answer.assumptions.push_back({"skew", answer.designs.empty() ? "1.05" : number_text(answer.designs.front().candidate.spread.broker_skew), "the fullest broker's load over the mean"});
  answer.assumptions.push_back({"network", "sustained baseline", "bursts of small machines are not counted on"});
  for (std::size_t i = 0; i < answer.designs.size(); ++i) {
    const Prices& prices = *answer.designs[i].candidate.machine->prices;
    const std::string value = fmt::format("{} {}, {}", prices.currency, prices.region, prices.date);
    if (std::none_of(answer.assumptions.begin(), answer.assumptions.end(), [&](const Assumption& one) { return one.name == "prices" && one.value == value && one.why == prices.source; }))
      answer.assumptions.push_back({"prices", value, prices.source});
  }
  return answer;
}

}  // namespace harrow::size
