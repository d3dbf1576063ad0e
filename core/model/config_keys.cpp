#include "core/model/config_keys.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <vector>

#include "core/base/check.h"

namespace harrow {
namespace {

constexpr ConfigRow rows[] = {
#define HARROW_CONFIG(id, name, type, default_text, least, most, scope, broker_key, dynamic, choices, doc)                   \
  ConfigRow{ConfigKey::id, name, ConfigType::type, default_text, least, most, ConfigScope::scope, broker_key, dynamic, choices, doc},
#include "core/model/config_keys.def"
#undef HARROW_CONFIG
};
static_assert(std::size(rows) == config_key_count);

constexpr std::int64_t ratio_unit = 1'000'000;

// Visits the parts of a text between separators, without blanks around them.
template <class Visit>
void for_each_part(std::string_view text, char separator, Visit visit) {
  while (true) {
    const std::size_t at = text.find(separator);
    std::string_view part = text.substr(0, at);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    visit(part);
    if (at == std::string_view::npos) return;
    text.remove_prefix(at + 1);
  }
}

std::int64_t choice_index(const ConfigRow& row, std::string_view text) {
  std::int64_t found = -1, i = 0;
  for_each_part(row.choices, '|', [&](std::string_view choice) {
    if (choice == text) found = i;
    ++i;
  });
  return found;
}
std::string_view choice_name(const ConfigRow& row, std::int64_t index) {
  std::string_view name;
  for_each_part(row.choices, '|', [&](std::string_view choice) {
    if (index-- == 0) name = choice;
  });
  return name;
}

/// What is wrong with a value, said twice: for people, and as Kafka's answer ends.
ConfigProblem wrong_value(const ConfigRow& row, std::string_view value, std::string text, std::string_view rule) {
  return ConfigProblem{fmt::format("{}: {}", row.name, text), fmt::format("Invalid value {} for configuration {}: {}", value, row.name, rule),
                       ConfigProblem::Kind::wrong_value};
}
tl::unexpected<ConfigProblem> problem(const ConfigRow& row, std::string_view value, std::string text, std::string_view rule) {
  return tl::unexpected<ConfigProblem>(wrong_value(row, value, std::move(text), rule));
}

std::string_view number_name(const ConfigRow& row) {
  if (row.type == ConfigType::ratio) return "DOUBLE";
  return row.type == ConfigType::int64 ? "LONG" : row.most <= INT16_MAX ? "SHORT" : "INT";
}

std::string one_of(const ConfigRow& row) {
  std::string list = "String must be one of: ";
  for (const char c : row.choices) {
    if (c == '|') list += ", ";
    else list += c;
  }
  return list;
}

bool parse_integer(std::string_view text, std::int64_t& out) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
  return code == std::errc() && end == text.data() + text.size();
}

// "0.25" in millionths; digits beyond the sixth are dropped.
bool parse_ratio(std::string_view text, std::int64_t& out) {
  std::int64_t whole = 0;
  const std::size_t dot = text.find('.');
  const std::string_view before = text.substr(0, dot);
  if (before.empty() || !parse_integer(before, whole) || whole < 0 || whole > ratio_unit) return false;
  out = whole * ratio_unit;
  if (dot == std::string_view::npos) return true;
  std::int64_t unit = ratio_unit / 10;
  for (const char c : text.substr(dot + 1)) {
    if (c < '0' || c > '9') return false;
    out += (c - '0') * unit;
    unit /= 10;
  }
  return dot + 1 < text.size();
}

std::string ratio_text(std::int64_t number) {
  std::string text = fmt::format("{}.{:06}", number / ratio_unit, number % ratio_unit);
  while (text.back() == '0' && text[text.size() - 2] != '.') text.pop_back();
  return text;
}

bool has_text(ConfigType type) { return type == ConfigType::string || type == ConfigType::list; }

std::optional<ConfigProblem> problem_of(const ConfigMap& values, ConfigScope wanted, bool while_running) {
  const std::string_view level = wanted == ConfigScope::topic ? "topic" : "broker";
  std::string fixed, first_fixed;
  for (const auto& [name, text] : values) {
    const ConfigRow* const row = find_config(name);
    const std::string message = fmt::format("Unknown {} config name: {}", level, name);
    if (row == nullptr) {
      const std::string_view near = nearest_config_name(name);
      return ConfigProblem{near.empty() ? fmt::format("{}: unknown configuration key", name)
                                        : fmt::format("{}: unknown configuration key; did you mean {}?", name, near),
                           message, ConfigProblem::Kind::unknown_key};
    }
    if (row->scope != wanted && row->scope != ConfigScope::both)
      return ConfigProblem{fmt::format("{}: is no {} configuration", name, level), message, ConfigProblem::Kind::unknown_key};
    if (!while_running || row->dynamic) continue;
    fixed += (fixed.empty() ? "" : ", ") + name;
    if (first_fixed.empty()) first_fixed = name;
  }
  if (!fixed.empty())
    return ConfigProblem{fmt::format("{}: cannot be changed while a broker runs", first_fixed),
                         fmt::format("Cannot update these configs dynamically: Set({})", fixed), ConfigProblem::Kind::read_only};
  for (const auto& [name, text] : values)
    if (const auto number = parse_config(*find_config(name), text); !number) return number.error();
  return std::nullopt;
}

}  // namespace

std::span<const ConfigRow> config_rows() { return rows; }
const ConfigRow& row_of(ConfigKey key) { return rows[static_cast<std::size_t>(key)]; }

const ConfigRow* find_config(std::string_view name) {
  for (const ConfigRow& row : rows)
    if (row.name == name) return &row;
  return nullptr;
}

std::string_view nearest_config_name(std::string_view wrong) {
  std::string_view best;
  std::size_t best_distance = wrong.size() / 3 + 1;
  std::vector<std::size_t> line;
  for (const ConfigRow& row : rows) {
    line.resize(row.name.size() + 1);
    for (std::size_t j = 0; j < line.size(); ++j) line[j] = j;
    for (std::size_t i = 1; i <= wrong.size(); ++i) {
      std::size_t diagonal = line[0];
      line[0] = i;
      for (std::size_t j = 1; j < line.size(); ++j) {
        const std::size_t above = line[j];
        line[j] = std::min({above + 1, line[j - 1] + 1, diagonal + (wrong[i - 1] == row.name[j - 1] ? 0 : 1)});
        diagonal = above;
      }
    }
    if (line.back() < best_distance) {
      best_distance = line.back();
      best = row.name;
    }
  }
  return best;
}

tl::expected<std::int64_t, ConfigProblem> parse_config(const ConfigRow& row, std::string_view text) {
  std::int64_t number = 0;
  const auto no_number = [&](std::string_view wanted) {
    return problem(row, text, fmt::format("'{}' is not {}", text, wanted), fmt::format("Not a number of type {}", number_name(row)));
  };
  switch (row.type) {
    case ConfigType::boolean:
      if (text == "true" || text == "TRUE" || text == "True") return 1;
      if (text == "false" || text == "FALSE" || text == "False") return 0;
      return problem(row, text, fmt::format("'{}' is neither true nor false", text), "Expected value to be either true or false");
    case ConfigType::int32:
    case ConfigType::int64:
      if (!parse_integer(text, number)) return no_number("a whole number");
      break;
    case ConfigType::ratio:
      if (!parse_ratio(text, number)) return no_number("a number like 0.5");
      break;
    case ConfigType::choice:
      number = choice_index(row, text);
      if (number < 0) return problem(row, text, fmt::format("'{}' is none of {}", text, row.choices), one_of(row));
      return number;
    case ConfigType::list: {
      std::optional<ConfigProblem> wrong;
      if (!row.choices.empty() && !text.empty())
        for_each_part(text, ',', [&](std::string_view item) {
          if (choice_index(row, item) < 0) wrong = wrong_value(row, item, fmt::format("'{}' is none of {}", item, row.choices), one_of(row));
        });
      if (wrong) return tl::unexpected<ConfigProblem>(*wrong);
      return 0;
    }
    case ConfigType::string: return 0;
  }
  const auto shown = [&](std::int64_t limit) { return row.type == ConfigType::ratio ? ratio_text(limit) : std::to_string(limit); };
  if (number < row.least) return problem(row, text, fmt::format("{} is below {}", text, shown(row.least)), "Value must be at least " + shown(row.least));
  if (number > row.most) {
    // Beyond what its type holds it is no such number to Kafka.
    const bool beyond_type = row.type == ConfigType::int32 && (row.most == INT32_MAX || row.most == INT16_MAX);
    return problem(row, text, fmt::format("{} is above {}", text, shown(row.most)),
                   beyond_type ? fmt::format("Not a number of type {}", number_name(row)) : "Value must be no more than " + shown(row.most));
  }
  return number;
}

std::optional<ConfigProblem> problem_of_topic_configs(const ConfigMap& overrides) {
  if (auto wrong = problem_of(overrides, ConfigScope::topic, false)) return wrong;
  const auto number_of = [&overrides](ConfigKey key) {
    const ConfigRow& row = row_of(key);
    const auto set = overrides.find(row.name);
    return *parse_config(row, set == overrides.end() ? row.default_text : std::string_view(set->second));
  };
  const std::int64_t least = number_of(ConfigKey::min_compaction_lag_ms), most = number_of(ConfigKey::max_compaction_lag_ms);
  if (least <= most) return std::nullopt;
  return ConfigProblem{fmt::format("conflict topic config setting min.compaction.lag.ms ({}) > max.compaction.lag.ms ({})", least, most)};
}
std::optional<ConfigProblem> problem_of_broker_configs(const ConfigMap& values, bool while_running) {
  return problem_of(values, ConfigScope::broker, while_running);
}

ConfigSnapshot::ConfigSnapshot() {
  for (const ConfigRow& row : rows) {
    if (row.default_text == nullptr) continue;
    const auto number = parse_config(row, row.default_text);
    CHECK_SAYING(number.has_value(), "a default in the configuration table is wrong");
    put(row, row.default_text, *number, ConfigSource::default_value);
  }
  derive_topic_defaults();
}

void ConfigSnapshot::put(const ConfigRow& row, std::string_view text, std::int64_t number, ConfigSource source) {
  values_[index(row.key)] = Value{number, source, true};
  if (has_text(row.type)) texts_[row.key] = std::string(text);
}

std::optional<ConfigProblem> ConfigSnapshot::apply(const ConfigMap& values, ConfigSource source) {
  for (const auto& [name, text] : values) {
    const ConfigRow& row = *find_config(name);  // the caller has checked the names
    const auto number = parse_config(row, text);
    if (!number) return number.error();
    put(row, text, *number, source);
  }
  return std::nullopt;
}

void ConfigSnapshot::derive_topic_defaults() {
  // The older keys in minutes and hours count only while the finer ones are unset.
  const auto stand_in = [this](ConfigKey fine, ConfigKey coarse, std::int64_t unit_ms) {
    if (is_set(fine) || !is_set(coarse)) return;
    const Value& from = values_[index(coarse)];
    values_[index(fine)] = Value{from.number < 0 ? -1 : from.number * unit_ms, from.source, true};
  };
  constexpr std::int64_t minute_ms = 60'000, hour_ms = 3'600'000;
  stand_in(ConfigKey::log_retention_ms, ConfigKey::log_retention_minutes, minute_ms);
  stand_in(ConfigKey::log_retention_ms, ConfigKey::log_retention_hours, hour_ms);
  stand_in(ConfigKey::log_roll_ms, ConfigKey::log_roll_hours, hour_ms);
  stand_in(ConfigKey::log_roll_jitter_ms, ConfigKey::log_roll_jitter_hours, hour_ms);
  stand_in(ConfigKey::log_flush_interval_ms, ConfigKey::log_flush_scheduler_interval_ms, 1);
  for (const ConfigRow& row : rows) {
    if (row.scope != ConfigScope::topic || row.broker_key.empty()) continue;
    const ConfigRow* const from = find_config(row.broker_key);
    CHECK_SAYING(from != nullptr, "a topic key names an unknown broker key");
    if (!is_set(from->key)) continue;
    values_[index(row.key)] = values_[index(from->key)];
    if (has_text(row.type)) texts_[row.key] = texts_[from->key];
  }
}

std::vector<const ConfigRow*> stand_ins_of(const ConfigRow& row) {
  using Key = ConfigKey;
  constexpr Key families[][3] = {{Key::log_retention_ms, Key::log_retention_minutes, Key::log_retention_hours},
                                 {Key::log_roll_ms, Key::log_roll_hours, Key::count},
                                 {Key::log_roll_jitter_ms, Key::log_roll_jitter_hours, Key::count},
                                 {Key::log_flush_interval_ms, Key::log_flush_scheduler_interval_ms, Key::count}};
  std::vector<const ConfigRow*> result;
  for (const auto& family : families) {
    if (std::find(std::begin(family), std::end(family), row.key) == std::end(family)) continue;
    for (const Key key : family)
      if (key != Key::count) result.push_back(&row_of(key));
  }
  if (result.empty()) result.push_back(&row);
  return result;
}

tl::expected<ConfigSnapshot, ConfigProblem> ConfigSnapshot::of_broker(const ConfigMap& static_values, const ConfigMap& dynamic_default,
                                                                      const ConfigMap& dynamic_broker) {
  ConfigSnapshot snapshot;
  // What the defaults of the coarse keys gave must not shadow a coarse key that is set now.
  for (const ConfigKey key : {ConfigKey::log_retention_ms, ConfigKey::log_roll_ms, ConfigKey::log_roll_jitter_ms, ConfigKey::log_flush_interval_ms})
    snapshot.values_[index(key)] = Value{};
  const ConfigMap* const layers[] = {&static_values, &dynamic_default, &dynamic_broker};
  const ConfigSource sources[] = {ConfigSource::static_broker, ConfigSource::dynamic_default, ConfigSource::dynamic_broker};
  for (int i = 0; i < 3; ++i) {
    if (auto wrong = problem_of_broker_configs(*layers[i], i > 0)) return tl::unexpected<ConfigProblem>(*wrong);
    if (auto wrong = snapshot.apply(*layers[i], sources[i])) return tl::unexpected<ConfigProblem>(*wrong);
  }
  snapshot.derive_topic_defaults();
  return snapshot;
}

tl::expected<ConfigSnapshot, ConfigProblem> ConfigSnapshot::of_topic(const ConfigSnapshot& broker, const ConfigMap& overrides) {
  if (auto wrong = problem_of_topic_configs(overrides)) return tl::unexpected<ConfigProblem>(*wrong);
  ConfigSnapshot snapshot = broker;
  if (auto wrong = snapshot.apply(overrides, ConfigSource::topic)) return tl::unexpected<ConfigProblem>(*wrong);
  return snapshot;
}

std::int64_t ConfigSnapshot::number(ConfigKey key) const {
  DCHECK(is_set(key));
  return values_[index(key)].number;
}

std::string_view ConfigSnapshot::text(ConfigKey key) const {
  if (!is_set(key)) return {};
  const ConfigRow& row = row_of(key);
  if (row.type == ConfigType::choice) return choice_name(row, values_[index(key)].number);
  const auto at = texts_.find(key);
  return at == texts_.end() ? std::string_view{} : std::string_view(at->second);
}

bool ConfigSnapshot::lists(ConfigKey key, std::string_view item) const {
  bool found = false;
  for_each_part(text(key), ',', [&](std::string_view part) { found = found || part == item; });
  return found;
}

std::optional<std::string> ConfigSnapshot::shown(ConfigKey key) const {
  if (!is_set(key)) return std::nullopt;
  const std::int64_t number = values_[index(key)].number;
  switch (row_of(key).type) {
    case ConfigType::boolean: return number != 0 ? "true" : "false";
    case ConfigType::ratio: return ratio_text(number);
    case ConfigType::int32:
    case ConfigType::int64: return std::to_string(number);
    default: return std::string(text(key));
  }
}

}  // namespace harrow
