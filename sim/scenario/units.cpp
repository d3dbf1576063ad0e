#include "sim/scenario/units.h"

#include <array>
#include <span>

#include "core/base/wide.h"

namespace harrow::sim {

namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

bool digit(char c) { return c >= '0' && c <= '9'; }

/// Takes a decimal number off the front: value = mantissa / 10^scale.
struct Decimal {
  i128 mantissa = 0;
  int scale = 0;
};

Parsed<Decimal> take_decimal(std::string_view& text) {
  Decimal number;
  std::string_view rest = text;
  bool negative = false;
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) {
    negative = rest.front() == '-';
    rest.remove_prefix(1);
  }
  if (rest.empty() || !digit(rest.front())) return tl::unexpected<std::string>("expected a number");
  if (rest.size() > 1 && rest[0] == '0' && digit(rest[1])) return tl::unexpected<std::string>("'" + std::string(text) + "' starts with 0 and looks octal: drop the leading zero");
  int digits = 0;
  while (!rest.empty() && digit(rest.front())) {
    number.mantissa = number.mantissa * 10 + (rest.front() - '0');
    rest.remove_prefix(1);
    if (++digits > 19) return tl::unexpected<std::string>("number too large");
  }
  if (rest.size() > 1 && rest[0] == '.' && digit(rest[1])) {
    rest.remove_prefix(1);
    while (!rest.empty() && digit(rest.front())) {
      number.mantissa = number.mantissa * 10 + (rest.front() - '0');
      ++number.scale;
      rest.remove_prefix(1);
      if (++digits > 19) return tl::unexpected<std::string>("too many digits");
    }
  }
  if (negative) number.mantissa = -number.mantissa;
  text = rest;
  return number;
}

Parsed<std::int64_t> scaled(const Decimal& number, std::int64_t factor) {
  i128 value = number.mantissa * factor;
  i128 divisor = 1;
  for (int i = 0; i < number.scale; ++i) divisor *= 10;
  const i128 half = value < 0 ? -(divisor / 2) : divisor / 2;
  value = (value + half) / divisor;
  if (value > INT64_MAX / 4 || value < -(INT64_MAX / 4)) return tl::unexpected<std::string>("number too large");
  return static_cast<std::int64_t>(value);
}

const Unit* unit_of(std::span<const Unit> units, std::string_view name) {
  for (const Unit& unit : units)
    if (unit.name == name) return &unit;
  return nullptr;
}

/// One number and one unit. `hint` says what was expected.
Parsed<std::int64_t> with_unit(std::string_view text, std::span<const Unit> units, const std::string& hint, bool zero_is_bare = true) {
  std::string_view rest = trimmed(text);
  const auto number = take_decimal(rest);
  if (!number) return tl::unexpected<std::string>(number.error() == "expected a number" ? hint + ", found '" + std::string(text) + "'" : number.error());
  rest = trimmed(rest);
  if (rest.empty()) {
    if (zero_is_bare && number->mantissa == 0) return 0;
    return tl::unexpected<std::string>("missing unit in '" + std::string(text) + "': " + hint);
  }
  const Unit* const unit = unit_of(units, rest);
  if (unit == nullptr) return tl::unexpected<std::string>("unknown unit '" + std::string(rest) + "' in '" + std::string(text) + "': " + hint);
  return scaled(*number, unit->factor);
}

constexpr std::array<Unit, 10> duration_units{{{"ns", 1}, {"us", 1'000}, {"µs", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}, {"min", 60'000'000'000},
                                               {"m", 60'000'000'000}, {"h", 3'600'000'000'000}, {"d", 86'400'000'000'000}, {"w", 604'800'000'000'000}}};
constexpr std::array<Unit, 10> byte_units{{{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", std::int64_t{1} << 40},
                                           {"kB", 1'000}, {"KB", 1'000}, {"MB", 1'000'000}, {"GB", 1'000'000'000}, {"TB", 1'000'000'000'000}}};
constexpr std::array<Unit, 5> count_units{{{"", 1}, {"k", 1'000}, {"K", 1'000}, {"M", 1'000'000}, {"G", 1'000'000'000}}};

std::string plain_decimal(std::int64_t value, int places) {
  const bool negative = value < 0;
  std::string digits = std::to_string(negative ? -value : value);
  if (static_cast<int>(digits.size()) <= places) digits.insert(0, static_cast<std::size_t>(places) + 1 - digits.size(), '0');
  std::string text = digits.substr(0, digits.size() - static_cast<std::size_t>(places));
  std::string fraction = digits.substr(digits.size() - static_cast<std::size_t>(places));
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  if (!fraction.empty()) text += "." + fraction;
  return negative ? "-" + text : text;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Parsed<std::int64_t> parse_integer(std::string_view text) {
  std::string_view rest = trimmed(text);
  const std::string hint = "expected a whole number such as 12 or 10k, found '" + std::string(text) + "'";
  const auto number = take_decimal(rest);
  if (!number) return tl::unexpected<std::string>(number.error() == "expected a number" ? hint : number.error());
  const Unit* const unit = unit_of(count_units, rest);
  if (unit == nullptr) return tl::unexpected<std::string>(hint);
  i128 divisor = 1;
  for (int i = 0; i < number->scale; ++i) divisor *= 10;
  if ((number->mantissa * unit->factor) % divisor != 0) return tl::unexpected<std::string>(hint);
  return scaled(*number, unit->factor);
}

Parsed<std::int64_t> parse_duration_ns(std::string_view text) {
  const std::string hint = "expected a time such as 250ms, 5s or 1h30m";
  std::string_view rest = trimmed(text);
  const bool negative = !rest.empty() && rest.front() == '-';
  std::int64_t sum = 0;
  bool first = true;
  if (rest.empty()) return tl::unexpected<std::string>(hint);
  while (!rest.empty()) {
    std::string_view after = rest;
    const auto number = take_decimal(after);
    if (!number) return tl::unexpected<std::string>(number.error() == "expected a number" ? hint + ", found '" + std::string(text) + "'" : number.error());
    std::size_t end = 0;
    while (end < after.size() && !digit(after[end]) && after[end] != ' ' && after[end] != '-') ++end;
    const std::string_view name = after.substr(0, end);
    if (name.empty()) {
      if (first && number->mantissa == 0 && after.empty()) return 0;
      return tl::unexpected<std::string>("missing unit in '" + std::string(text) + "': " + hint);
    }
    const Unit* const unit = unit_of(duration_units, name);
    if (unit == nullptr) return tl::unexpected<std::string>("unknown unit '" + std::string(name) + "' in '" + std::string(text) + "': " + hint);
    const auto part = scaled(*number, unit->factor);
    if (!part) return part;
    if (!first && *part < 0) return tl::unexpected<std::string>(hint);
    sum += negative && !first ? -*part : *part;
    if (sum > INT64_MAX / 4 || sum < -(INT64_MAX / 4)) return tl::unexpected<std::string>("time too long");
    rest = after.substr(end);
    first = false;
  }
  return sum;
}

Parsed<std::int64_t> parse_bytes(std::string_view text) {
  return with_unit(text, byte_units, "expected a size such as 512B, 16KiB or 1GB");
}

Parsed<std::int64_t> parse_rate_micro_per_s(std::string_view text) {
  const std::string hint = "expected a rate such as 500/s, 10k/s or 30/min";
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    std::string_view rest = trimmed(text);
    const auto number = take_decimal(rest);
    if (number && rest.empty()) return tl::unexpected<std::string>("missing unit in '" + std::string(text) + "': " + hint);
    return tl::unexpected<std::string>(hint + ", found '" + std::string(text) + "'");
  }
  const std::string_view per = trimmed(text.substr(slash + 1));
  std::string_view rest = trimmed(text.substr(0, slash));
  const auto number = take_decimal(rest);
  if (!number) return tl::unexpected<std::string>(number.error() == "expected a number" ? hint + ", found '" + std::string(text) + "'" : number.error());
  const Unit* const many = unit_of(count_units, trimmed(rest));
  std::int64_t seconds = 0;
  if (per == "s") seconds = 1;
  if (per == "min" || per == "m") seconds = 60;
  if (per == "h") seconds = 3600;
  if (per == "d") seconds = 86400;
  if (many == nullptr || seconds == 0) return tl::unexpected<std::string>(hint + ", found '" + std::string(text) + "'");
  const auto micro = scaled(*number, many->factor * 1'000'000);
  if (!micro) return micro;
  return *micro / seconds;
}

Parsed<std::int64_t> parse_probability_millionths(std::string_view text) {
  const std::string hint = "expected a share such as 0.01%, 100ppm or 0.5";
  std::string_view rest = trimmed(text);
  const auto number = take_decimal(rest);
  if (!number) return tl::unexpected<std::string>(number.error() == "expected a number" ? hint + ", found '" + std::string(text) + "'" : number.error());
  constexpr std::array<Unit, 3> units{{{"%", 10'000}, {"ppm", 1}, {"", 1'000'000}}};
  const Unit* const unit = unit_of(units, trimmed(rest));
  if (unit == nullptr) return tl::unexpected<std::string>(hint + ", found '" + std::string(text) + "'");
  const auto value = scaled(*number, unit->factor);
  if (value && (*value < 0 || *value > 1'000'000)) return tl::unexpected<std::string>("expected a share from 0 to 100%, found '" + std::string(text) + "'");
  return value;
}

Parsed<std::int64_t> parse_bits_per_s(std::string_view text) {
  constexpr std::array<Unit, 12> units{{{"bps", 1}, {"kbps", 1'000}, {"Kbps", 1'000}, {"Mbps", 1'000'000}, {"Gbps", 1'000'000'000}, {"B/s", 8}, {"kB/s", 8'000},
                                        {"MB/s", 8'000'000}, {"GB/s", 8'000'000'000}, {"KiB/s", 8 << 10}, {"MiB/s", 8 << 20}, {"GiB/s", std::int64_t{8} << 30}}};
  return with_unit(text, units, "expected a bandwidth such as 10Gbps or 125MB/s");
}

Parsed<std::int64_t> parse_ppb(std::string_view text) {
  constexpr std::array<Unit, 2> units{{{"ppm", 1'000}, {"ppb", 1}}};
  return with_unit(text, units, "expected a clock rate such as 20ppm");
}

Parsed<std::int64_t> parse_millionths(std::string_view text) {
  std::string_view rest = trimmed(text);
  const std::string hint = "expected a number such as 20 or 1.5, found '" + std::string(text) + "'";
  const auto number = take_decimal(rest);
  if (!number) return tl::unexpected<std::string>(number.error() == "expected a number" ? hint : number.error());
  if (!rest.empty()) return tl::unexpected<std::string>(hint);
  return scaled(*number, 1'000'000);
}

Parsed<bool> parse_flag(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return tl::unexpected<std::string>("expected true or false, found '" + std::string(text) + "'");
}

namespace {
/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
std::int64_t days_of(std::int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}
}  // namespace

Parsed<std::int64_t> parse_wall_ms(std::string_view text) {
  const std::string hint = "expected a time such as 2026-01-05T08:00:00Z, found '" + std::string(text) + "'";
  constexpr std::string_view form = "dddd-dd-ddTdd:dd:ddZ";
  if (text.size() != form.size()) return tl::unexpected<std::string>(hint);
  for (std::size_t i = 0; i < form.size(); ++i)
    if (form[i] == 'd' ? !digit(text[i]) : text[i] != form[i]) return tl::unexpected<std::string>(hint);
  const auto number = [&](std::size_t at, std::size_t size) {
    int value = 0;
    for (std::size_t i = at; i < at + size; ++i) value = value * 10 + (text[i] - '0');
    return value;
  };
  const int month = number(5, 2), day = number(8, 2), hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return tl::unexpected<std::string>(hint);
  return (((days_of(number(0, 4), month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000;
}

std::string wall_text(std::int64_t wall_ms) {
  std::int64_t seconds = wall_ms / 1000;
  std::int64_t days = seconds / 86400;
  seconds %= 86400;
  days += 719468;
  const std::int64_t era = days / 146097, day_of_era = days % 146097;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted = (5 * day_of_year + 2) / 153;
  const std::int64_t day = day_of_year - (153 * shifted + 2) / 5 + 1, month = shifted + (shifted < 10 ? 3 : -9);
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  const auto padded = [](std::int64_t n, std::size_t width) {
    const std::string digits = std::to_string(n);
    return std::string(digits.size() < width ? width - digits.size() : 0, '0') + digits;
  };
  return padded(year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2) + "T" + padded(seconds / 3600, 2) + ":" + padded(seconds / 60 % 60, 2) + ":" +
         padded(seconds % 60, 2) + "Z";
}

std::string duration_text(std::int64_t ns) {
  if (ns == 0) return "0s";
  for (const std::string_view name : {"d", "h", "min", "s", "ms", "us"}) {
    const std::int64_t factor = unit_of(duration_units, name)->factor;
    if (ns % factor == 0 && (name != "min" || ns >= 600'000'000'000)) return std::to_string(ns / factor) + std::string(name);
  }
  return std::to_string(ns) + "ns";
}

std::string bytes_text(std::int64_t bytes) {
  if (bytes == 0) return "0B";
  for (const std::string_view name : {"TiB", "GiB", "MiB", "KiB"}) {
    const std::int64_t factor = unit_of(byte_units, name)->factor;
    if (bytes % factor == 0) return std::to_string(bytes / factor) + std::string(name);
  }
  return std::to_string(bytes) + "B";
}

std::string millionths_text(std::int64_t millionths) { return plain_decimal(millionths, 6); }

std::string short_duration(std::int64_t ns) {
  if (ns < 0) return "-" + short_duration(-ns);
  const auto shown = [](std::int64_t value_milli, const char* unit) {
    // value_milli is the value in thousandths: three significant digits
    std::int64_t keep = value_milli;
    if (value_milli >= 100'000) keep = (value_milli + 500) / 1000 * 1000;
    else if (value_milli >= 10'000) keep = (value_milli + 50) / 100 * 100;
    else keep = (value_milli + 5) / 10 * 10;
    return plain_decimal(keep, 3) + unit;
  };
  if (ns < 1'000'000) return shown(ns, " us");
  if (ns < 1'000'000'000) return shown(ns / 1'000, " ms");
  if (ns < 120'000'000'000) return shown(ns / 1'000'000, " s");
  if (ns < 7'200'000'000'000) return shown(ns / 60'000'000, " min");
  if (ns < 172'800'000'000'000) return shown(ns / 3'600'000'000, " h");
  return shown(ns / 86'400'000'000, " days");
}

}  // namespace harrow::sim
