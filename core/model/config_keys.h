// The configuration table: every key's name, type, default, range, scope and meaning stand in config_keys.def, from which
// come parser, snapshots, DescribeConfigs and the documents. A node reads immutable snapshots of effective values:
// topic override > dynamic value of this broker > dynamic cluster default > static file > default.
#pragma once

#include <array>
#include <boost/container/flat_map.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace harrow {

enum class ConfigKey : std::uint8_t {
#define HARROW_CONFIG(id, ...) id,
#include "core/model/config_keys.def"
#undef HARROW_CONFIG
  count
};
constexpr std::size_t config_key_count = static_cast<std::size_t>(ConfigKey::count);

enum class ConfigType : std::uint8_t { boolean, int32, int64, ratio, string, list, choice };
enum class ConfigScope : std::uint8_t { topic, broker, both };
/// Numbers of DescribeConfigs.
enum class ConfigSource : std::int8_t { topic = 1, dynamic_broker = 2, dynamic_default = 3, static_broker = 4, default_value = 5 };

struct ConfigRow {
  ConfigKey key;
  std::string_view name;
  ConfigType type;
  const char* default_text;  // null: none
  std::int64_t least, most;  // of numbers
  ConfigScope scope;
  std::string_view broker_key;  // name of the broker's key that gives a topic's default
  bool dynamic;                 // may change while a broker runs
  std::string_view choices;     // separated by '|'
  std::string_view doc;
};

/// All rows, in the order of ConfigKey.
std::span<const ConfigRow> config_rows();
const ConfigRow& row_of(ConfigKey key);
/// Null for an unknown name.
const ConfigRow* find_config(std::string_view name);
/// The known name that is most like a wrong one; empty if none is near.
std::string_view nearest_config_name(std::string_view wrong);

/// What is wrong with a value.
struct ConfigProblem {
  enum class Kind : std::uint8_t { unknown_key, read_only, wrong_value };
  std::string text;     // for people: "segment.bytes: 12 is below 1048576"
  std::string message;  // as Apache Kafka answers it: "Invalid value 12 for configuration segment.bytes: Value must be at least 1048576"
  Kind kind = Kind::wrong_value;
};
using ConfigMap = std::map<std::string, std::string, std::less<>>;

/// Where a value of a broker's key may come from, finest first: the key itself and the coarser ones that stand in for it.
std::vector<const ConfigRow*> stand_ins_of(const ConfigRow& row);

/// A number of a value's text: integers as they are, ratios in millionths, flags as 0 and 1, choices as their index;
/// 0 for texts and lists, which are checked only.
tl::expected<std::int64_t, ConfigProblem> parse_config(const ConfigRow& row, std::string_view text);
/// Checks a set of overrides as CreateTopics or IncrementalAlterConfigs would: names, scope, values.
std::optional<ConfigProblem> problem_of_topic_configs(const ConfigMap& overrides);
std::optional<ConfigProblem> problem_of_broker_configs(const ConfigMap& values, bool while_running);

/// Effective values of a broker, or of one topic on it. Cheap to read (an array), never changed once made.
class ConfigSnapshot {
 public:
  /// Every default.
  ConfigSnapshot();
  static tl::expected<ConfigSnapshot, ConfigProblem> of_broker(const ConfigMap& static_values, const ConfigMap& dynamic_default = {},
                                                               const ConfigMap& dynamic_broker = {});
  static tl::expected<ConfigSnapshot, ConfigProblem> of_topic(const ConfigSnapshot& broker, const ConfigMap& overrides);

  /// Integers, and ratios in millionths. Only for keys that have a value.
  std::int64_t number(ConfigKey key) const;
  bool flag(ConfigKey key) const { return number(key) != 0; }
  /// Texts and lists as written, choices by name; "" when unset.
  std::string_view text(ConfigKey key) const;
  /// Whether a list contains the item.
  bool lists(ConfigKey key, std::string_view item) const;
  bool is_set(ConfigKey key) const { return values_[index(key)].set; }
  ConfigSource source(ConfigKey key) const { return values_[index(key)].source; }
  /// As DescribeConfigs shows it; nothing when unset.
  std::optional<std::string> shown(ConfigKey key) const;

 private:
  struct Value {
    std::int64_t number = 0;
    ConfigSource source = ConfigSource::default_value;
    bool set = false;
  };
  static std::size_t index(ConfigKey key) { return static_cast<std::size_t>(key); }
  std::optional<ConfigProblem> apply(const ConfigMap& values, ConfigSource source);
  void put(const ConfigRow& row, std::string_view text, std::int64_t number, ConfigSource source);
  void derive_topic_defaults();

  std::array<Value, config_key_count> values_{};
  boost::container::flat_map<ConfigKey, std::string> texts_;  // only of texts and lists
};

}  // namespace harrow
