// partition, one-way, isolate, hold-api, drop-api, delay, loss, bandwidth, reset.
#include "sim/faults/injector.h"

namespace harrow::sim {
namespace {

RuleMode mode_of(Fault::Mode mode) {
  switch (mode) {
    case Fault::Mode::hold: return RuleMode::hold;
    case Fault::Mode::drop: return RuleMode::drop;
    case Fault::Mode::reset: return RuleMode::reset;
  }
  return RuleMode::hold;
}

}  // namespace

bool Injector::act_on_network(const Fault& fault, const Targets& targets, Active& active) {
  Fabric& fabric = cluster_.fabric();
  const auto set_rule = [&](Rule rule) {
    const std::uint32_t id = next_rule_++;
    fabric.set_rule(id, std::move(rule));
    active.undo.push_back([&fabric, id] { fabric.clear_rule(id); });
  };
  const Targets from = resolve(fault.from);
  const Targets to = resolve(fault.to);
  for (const Targets* side : {&from, &to})
    for (const Target& target : *side)
      if (target.node != no_node) active.impaired.insert(target.machine);
  Rule rule;
  rule.from = fault.from.empty() ? HostSet::everyone() : hosts_of(from);
  rule.to = fault.to.empty() ? HostSet::everyone() : hosts_of(to);
  const bool nobody = (!fault.from.empty() && from.empty()) || (!fault.to.empty() && to.empty());
  switch (fault.kind) {
    case FaultKind::partition: {
      std::vector<Targets> sides;
      for (const auto& side : fault.sides) sides.push_back(resolve(side));
      for (std::size_t i = 0; i < sides.size(); ++i)
        for (std::size_t j = i + 1; j < sides.size(); ++j) {
          Rule cut;
          cut.from = hosts_of(sides[i]);
          cut.to = hosts_of(sides[j]);
          cut.both_ways = true;
          cut.mode = mode_of(fault.mode);
          set_rule(std::move(cut));
        }
      if (!sides.empty())
        for (const Target& target : sides[0])
          if (target.node != no_node) active.impaired.insert(target.machine);
      return sides.size() > 1;
    }
    case FaultKind::isolate: {
      if (targets.empty()) return false;
      Rule cut;
      cut.from = hosts_of(targets);
      for (std::size_t i = 0; i < cluster_.machines(); ++i)
        if (!cut.from.contains(static_cast<HostIndex>(i))) cut.to.add(static_cast<HostIndex>(i));
      cut.both_ways = true;
      cut.mode = mode_of(fault.mode);
      set_rule(std::move(cut));
      return true;
    }
    case FaultKind::one_way:
      if (nobody) return false;
      rule.mode = mode_of(fault.mode);
      set_rule(std::move(rule));
      return true;
    case FaultKind::hold_api:
    case FaultKind::drop_api:
      if (nobody || fault.api_key < 0) return false;
      // Swallowed means: the frame is gone and its connection is reset at once, as when a proxy dies with it.
      rule.mode = fault.kind == FaultKind::hold_api ? RuleMode::hold : RuleMode::reset;
      rule.both_ways = true;  // `from` and `to` name who asks whom; the side says whose frames
      rule.api = fault.api_key;
      rule.side = fault.side == Fault::Side::request ? MessageSide::request : MessageSide::response;
      if (fault.kind == FaultKind::drop_api) rule.count = static_cast<std::uint32_t>(std::max(fault.count, 0));
      set_rule(std::move(rule));
      return true;
    case FaultKind::delay:
      if (nobody) return false;
      rule.both_ways = true;
      rule.extra_delay_ns = std::max<std::int64_t>(Sampler(fault.delay_ns).draw(dice_), 0);
      set_rule(std::move(rule));
      return true;
    case FaultKind::loss:
      if (nobody) return false;
      rule.both_ways = true;
      rule.loss_ppm = static_cast<std::uint32_t>(fault.loss_millionths);
      set_rule(std::move(rule));
      return true;
    case FaultKind::bandwidth:
      if (nobody) return false;
      rule.both_ways = true;
      rule.bandwidth_bytes_per_s = static_cast<std::uint64_t>(fault.bandwidth_bits_per_s / 8);
      set_rule(std::move(rule));
      return true;
    case FaultKind::reset:
      for (const Target& target : targets) fabric.reset_connections(static_cast<HostIndex>(target.machine));
      return !targets.empty();
    default: return false;
  }
}

}  // namespace harrow::sim
