#include "sim/faults/api_faults.h"

#include <algorithm>

namespace harrow::sim {
namespace {

/// "broker-2-fetcher": how nodes name themselves to each other.
bool is_a_node(std::string_view client_id) {
  constexpr std::string_view prefix = "broker-";
  if (!client_id.starts_with(prefix)) return false;
  const std::string_view rest = client_id.substr(prefix.size());
  const std::size_t digits = static_cast<std::size_t>(std::find_if(rest.begin(), rest.end(), [](char c) { return c < '0' || c > '9'; }) - rest.begin());
  return digits > 0 && digits < rest.size() && rest[digits] == '-';
}

}  // namespace

ArmedApiFaults::Rule ArmedApiFaults::rule_of(const Fault& fault, Random dice, std::shared_ptr<Calls> calls, std::function<void()> spent) {
  Rule rule{{}, fault.api_key, fault.first_call, fault.last_call, fault.probability_millionths, dice, std::move(calls), std::move(spent)};
  rule.fault.act = fault.kind == FaultKind::inject ? ApiFault::Act::refuse : fault.after_commit ? ApiFault::Act::close_after : ApiFault::Act::close_before;
  rule.fault.code = static_cast<Code>(fault.code);
  return rule;
}

ApiFault ArmedApiFaults::on_request(std::int16_t api_key, std::string_view client_id) {
  if (rules_.empty() || is_a_node(client_id)) return {};
  for (auto& [id, rule] : rules_) {
    if (rule.api_key >= 0 && rule.api_key != api_key) continue;
    if (rule.probability_millionths < 1'000'000 && !rule.dice.chance(rule.probability_millionths, 1'000'000)) continue;
    const std::int64_t call = ++rule.calls->taken;
    if (call < rule.first || (rule.last > 0 && call > rule.last)) continue;
    ApiFault fault = rule.fault;
    fault.ticket = id;
    return fault;
  }
  return {};
}

void ArmedApiFaults::settle(std::uint32_t ticket, bool took_effect) {
  const auto found = rules_.find(ticket);
  if (found == rules_.end()) return;
  Rule& rule = found->second;
  if (!took_effect) {
    --rule.calls->taken;
    return;
  }
  const std::int64_t settled = ++rule.calls->settled;
  if (rule.last > 0 && settled == rule.last - rule.first + 1 && rule.spent) rule.spent();
}

}  // namespace harrow::sim
