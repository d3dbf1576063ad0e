// Quantities with units, as integers: "250ms", "1h30m", "16KiB", "500/s", "0.01%", "10Gbps", "20ppm", "10k". Exact
// decimal arithmetic, no floating point. A number that starts with a superfluous zero looks octal and is refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace harrow::sim {

/// On failure: what was expected, for people.
template <class T>
using Parsed = tl::expected<T, std::string>;

Parsed<std::int64_t> parse_integer(std::string_view text);          // "12", "10k", "3M", "-1"
Parsed<std::int64_t> parse_duration_ns(std::string_view text);      // may be negative; 0 needs no unit
Parsed<std::int64_t> parse_bytes(std::string_view text);            // unit required but for 0
Parsed<std::int64_t> parse_rate_micro_per_s(std::string_view text); // "500/s", "30/min", "2/h"
Parsed<std::int64_t> parse_probability_millionths(std::string_view text);  // "0.01%", "100ppm", "0.5"
Parsed<std::int64_t> parse_bits_per_s(std::string_view text);       // "10Gbps", "125MB/s"
Parsed<std::int64_t> parse_ppb(std::string_view text);              // "20ppm", "-500ppb"
Parsed<std::int64_t> parse_millionths(std::string_view text);       // plain decimal: "1.5"
Parsed<std::int64_t> parse_wall_ms(std::string_view text);          // "2026-01-05T08:00:00Z"
Parsed<bool> parse_flag(std::string_view text);                     // true, false

/// Shortest exact text in the largest fitting unit: 1500000 -> "1500us".
std::string duration_text(std::int64_t ns);
std::string bytes_text(std::int64_t bytes);
std::string millionths_text(std::int64_t millionths);  // "0.99"
/// For people: three or so significant digits, "12.3 ms", "1.2 s".
std::string short_duration(std::int64_t ns);
std::string wall_text(std::int64_t wall_ms);

std::string_view trimmed(std::string_view text);

}  // namespace harrow::sim
