#include "core/controller/state.h"

#include <charconv>

#include "core/base/mutation.h"

namespace harrow::controller {

bool State::elr_enabled() const {
  // R26: the ISR never empties, so its last member is elected again whatever its restart lost.
  if (mutated(Bug::R26)) return false;
  return image.feature_level("eligible.leader.replicas.version") >= 1;
}

std::int32_t State::min_isr(std::string_view topic) const {
  const std::string* const text = image.topic_config(topic, "min.insync.replicas");
  if (text == nullptr) return config.default_min_isr;
  std::int32_t value = config.default_min_isr;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
  return parsed.ec == std::errc{} ? value : config.default_min_isr;
}

bool State::unclean_election_allowed(std::string_view topic) const {
  if (mutated(Bug::R25)) return true;
  const std::string* const text = image.topic_config(topic, "unclean.leader.election.enable");
  return text == nullptr ? config.unclean_election : *text == "true";
}

}  // namespace harrow::controller
