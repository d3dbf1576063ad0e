// The small languages inside a scenario's scalars: selectors (`leader(orders/0)`), conditions (`isr(orders/0) < 3`) and
// distributions (`lognormal(1KiB, 0.5)`).
#pragma once

#include <string_view>

#include "sim/scenario/scenario.h"
#include "sim/scenario/units.h"

namespace harrow::sim {

/// What a distribution's values measure, and so which unit its numbers need.
enum class Measured : std::uint8_t { time, bytes, number };

Parsed<Selector> parse_selector(std::string_view text);
Parsed<Condition> parse_condition(std::string_view text);
/// A quantity alone is a constant; `a..b` is uniform. `zipf` is for numbers only.
Parsed<Distribution> parse_distribution(std::string_view text, Measured measured);
std::string to_text(const Distribution& distribution, Measured measured);
/// `none`, `uniform(10k)`, `zipf(10k, 0.99)`: numbers of keys.
Parsed<Distribution> parse_keys(std::string_view text);
/// "orders/0"
struct TopicPartitionText {
  std::string topic;
  std::int32_t partition = 0;
};
Parsed<TopicPartitionText> parse_partition(std::string_view text);

}  // namespace harrow::sim
