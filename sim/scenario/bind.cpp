#include "sim/scenario/bind.h"

#include <algorithm>
#include <bit>

#include "core/base/check.h"
#include "core/base/random.h"
#include "core/model/config_keys.h"
#include "sim/scenario/grammar.h"

namespace harrow::sim {

namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.push_back(trimmed(text.substr(0, at)));
    if (at == std::string_view::npos) return parts;
    text = text.substr(at + 1);
  }
}

bool name_is_legal(std::string_view name) {
  return !name.empty() && name.size() <= 249 && name != "." && name != ".." && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

std::string range_text(const Key& key, std::int64_t value) {
  switch (key.type) {
    case KeyType::duration:
    case KeyType::signed_duration: return duration_text(value);
    case KeyType::bytes: return bytes_text(value);
    case KeyType::factor: return millionths_text(value);
    case KeyType::drift: return std::to_string(value) + "ppb";
    case KeyType::bandwidth: return std::to_string(value) + "bps";
    default: return std::to_string(value);
  }
}

/// The Kafka configuration that a type of map holds.
ConfigOf config_of(KeyType type) {
  if (type == KeyType::topic_config) return ConfigOf::topic;
  return type == KeyType::client_config ? ConfigOf::client : ConfigOf::broker;
}

bool plain_integer(std::string_view text) {
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

class ValueParser {
 public:
  ValueParser(const Key& key, Problems& problems, Value& value, Tree& shown) : key_(key), problems_(problems), value_(value), shown_(shown) {}

  void parse(const Tree& tree) {
    value_.tree = &tree;
    switch (key_.type) {
      case KeyType::section:
      case KeyType::sections:
      case KeyType::faults:
      case KeyType::checks:
      case KeyType::hardware: return;  // bound by their owners
      case KeyType::config:
      case KeyType::topic_config:
      case KeyType::client_config: return parse_config_map(tree);
      case KeyType::names: return parse_names(tree);
      case KeyType::selectors: return parse_selectors(tree, value_.selectors);
      case KeyType::sides: return parse_sides(tree);
      case KeyType::groups_of_names: return parse_groups(tree);
      case KeyType::assignment: return parse_assignment(tree);
      case KeyType::weights: return parse_weights(tree);
      default: break;
    }
    if (tree.kind != Tree::Kind::scalar) {
      say(tree.at, "expected a single value for '" + std::string(key_.name) + "'" + example());
      return;
    }
    value_.text = tree.text;
    parse_scalar(tree);
  }

 private:
  void say(const Position& at, std::string text) { problems_.push_back({at, std::move(text)}); }
  std::string example() const {
    switch (key_.type) {
      case KeyType::duration: return ", such as 5s";
      case KeyType::bytes: return ", such as 16KiB";
      case KeyType::rate: return ", such as 500/s";
      default: return "";
    }
  }

  void number(const Tree& tree, const Parsed<std::int64_t>& parsed) {
    if (!parsed) {
      say(tree.at, parsed.error());
      return;
    }
    value_.number = *parsed;
    if (key_.least == 0 && key_.most == 0) return;  // the row gives no range
    if (*parsed < 0 && key_.least >= 0) {
      say(tree.at, "'" + std::string(key_.name) + "' must not be negative: " + tree.text);
    } else if (*parsed < key_.least) {
      say(tree.at, "'" + std::string(key_.name) + "' must be at least " + range_text(key_, key_.least) + ", found " + tree.text);
    } else if (*parsed > key_.most) {
      say(tree.at, "'" + std::string(key_.name) + "' must be at most " + range_text(key_, key_.most) + ", found " + tree.text);
    }
  }
  void distribution(const Tree& tree, const Parsed<Distribution>& parsed) {
    if (parsed) {
      value_.distribution = *parsed;
    } else {
      say(tree.at, parsed.error());
    }
  }

  void parse_scalar(const Tree& tree) {
    const std::string& text = tree.text;
    switch (key_.type) {
      case KeyType::text:
        if (text.empty()) say(tree.at, "expected a text for '" + std::string(key_.name) + "'");
        return;
      case KeyType::name:
        if (!name_is_legal(text)) say(tree.at, "expected a name of letters, digits, '.', '_' and '-', found '" + text + "'");
        return;
      case KeyType::integer: return number(tree, parse_integer(text));
      case KeyType::duration: return number(tree, parse_duration_ns(text));
      case KeyType::signed_duration: return number(tree, parse_duration_ns(text));
      case KeyType::bytes: return number(tree, parse_bytes(text));
      case KeyType::rate: {
        const auto parsed = parse_rate_micro_per_s(text);
        if (parsed && *parsed <= 0) return say(tree.at, "expected a rate above zero, found '" + text + "'");
        return number(tree, parsed);
      }
      case KeyType::probability: return number(tree, parse_probability_millionths(text));
      case KeyType::factor: return number(tree, parse_millionths(text));
      case KeyType::bandwidth: return number(tree, parse_bits_per_s(text));
      case KeyType::drift: return number(tree, parse_ppb(text));
      case KeyType::wall_time: return number(tree, parse_wall_ms(text));
      case KeyType::flag: {
        const auto parsed = parse_flag(text);
        if (!parsed) return say(tree.at, parsed.error());
        value_.number = *parsed ? 1 : 0;
        return;
      }
      case KeyType::choice: return parse_choice(tree);
      case KeyType::times: return distribution(tree, parse_distribution(text, Measured::time));
      case KeyType::signed_times: return parse_signed_times(tree);
      case KeyType::sizes: return distribution(tree, parse_distribution(text, Measured::bytes));
      case KeyType::keys: return distribution(tree, parse_keys(text));
      case KeyType::selector: return parse_selectors(tree, value_.selectors);
      case KeyType::condition: {
        auto parsed = parse_condition(text);
        if (!parsed) return say(tree.at, parsed.error());
        value_.condition = std::move(*parsed);
        return;
      }
      case KeyType::partition: {
        const auto parsed = parse_partition(text);
        if (!parsed) return say(tree.at, parsed.error());
        value_.text = parsed->topic;
        value_.number = parsed->partition;
        return;
      }
      case KeyType::api: return parse_api(tree);
      case KeyType::restart: return parse_restart(tree);
      case KeyType::limit_time: return parse_limit(tree, true);
      case KeyType::limit_number: return parse_limit(tree, false);
      case KeyType::when:
        if (text == "heal") {
          value_.number = -1;
          return;
        }
        return number(tree, parse_duration_ns(text).or_else([&](const std::string& e) { return Parsed<std::int64_t>(tl::unexpected<std::string>(e + ", or heal")); }));
      default: CHECK_SAYING(false, "a key type without a parser");
    }
  }

  void parse_signed_times(const Tree& tree) {
    const bool bare_negative = !tree.text.empty() && tree.text.front() == '-';
    if (!bare_negative) return distribution(tree, parse_distribution(tree.text, Measured::time));
    const auto parsed = parse_duration_ns(tree.text);
    if (!parsed) return say(tree.at, parsed.error());
    value_.distribution = constant(*parsed);
  }

  void parse_choice(const Tree& tree) {
    const auto choices = split(key_.detail, '|');
    const auto found = std::find(choices.begin(), choices.end(), tree.text);
    if (found == choices.end()) {
      std::string list;
      for (const std::string_view choice : choices) list += (list.empty() ? "" : ", ") + std::string(choice);
      return say(tree.at, "expected one of " + list + ", found '" + tree.text + "'" + did_you_mean(tree.text, choices));
    }
    value_.number = found - choices.begin();
  }

  void parse_api(const Tree& tree) {
    std::vector<std::string_view> names;
    for (const ApiRow& row : api_rows()) {
      names.push_back(row.name);
      if (row.name == tree.text) {
        value_.number = row.key;
        return;
      }
    }
    say(tree.at, "expected Kafka's name of a request, such as Produce or Fetch, found '" + tree.text + "'" + did_you_mean(tree.text, names));
  }

  void parse_restart(const Tree& tree) {
    if (tree.text == "never") {
      value_.number = -1;
      return;
    }
    if (tree.text.rfind("after ", 0) != 0) return say(tree.at, "expected 'after 5s' or 'never', found '" + tree.text + "'");
    const auto parsed = parse_duration_ns(std::string_view(tree.text).substr(6));
    if (!parsed) return say(tree.at, parsed.error());
    if (*parsed < 0) return say(tree.at, "'restart' must not be negative: " + tree.text);
    value_.number = *parsed;
  }

  /// "< 250ms", "< 12s per fault": number and, in `text`, what stands behind it.
  void parse_limit(const Tree& tree, bool time) {
    std::string_view rest = trimmed(tree.text);
    const std::string hint = time ? "expected a limit such as \"< 250ms\", found '" : "expected a limit such as \"< 1000 at end\", found '";
    if (rest.empty() || rest.front() != '<' || (rest.size() > 1 && rest[1] == '=')) return say(tree.at, hint + tree.text + "'");
    rest = trimmed(rest.substr(1));
    const std::size_t space = rest.find(' ');
    const std::string_view amount = rest.substr(0, space);
    const auto parsed = time ? parse_duration_ns(amount) : parse_integer(amount);
    if (!parsed) return say(tree.at, parsed.error());
    if (*parsed <= 0) return say(tree.at, "expected a limit above zero, found '" + tree.text + "'");
    value_.number = *parsed;
    value_.text = space == std::string_view::npos ? "" : std::string(trimmed(rest.substr(space)));
    const std::string_view name = key_.name;
    const bool known = value_.text.empty() || (name == "unavailable" && (value_.text == "per fault" || value_.text == "in total")) ||
                       (name == "consumer-lag" && value_.text == "at end");
    if (!known) say(tree.at, hint + tree.text + "'");
  }

  void parse_names(const Tree& tree) {
    if (tree.kind == Tree::Kind::scalar) {
      for (const std::string_view part : split(tree.text, ','))
        if (!part.empty()) value_.names.emplace_back(part);
    } else if (tree.kind == Tree::Kind::list) {
      for (const Tree& item : tree.items) {
        if (item.kind != Tree::Kind::scalar || item.text.empty()) {
          say(item.at, "expected a name");
          continue;
        }
        value_.names.push_back(item.text);
      }
    } else {
      return say(tree.at, "expected a name or a list of names for '" + std::string(key_.name) + "'");
    }
    shown_ = Tree::list(tree.at);
    for (const std::string& name : value_.names) {
      if (!name_is_legal(name)) say(tree.at, "expected a name of letters, digits, '.', '_' and '-', found '" + name + "'");
      shown_.items.push_back(Tree::scalar(name, tree.at));
    }
  }

  void parse_selectors(const Tree& tree, std::vector<Selector>& out) {
    if (tree.kind == Tree::Kind::list) {
      if (tree.items.empty()) say(tree.at, "expected at least one selector, such as broker(2)");
      for (const Tree& item : tree.items) parse_selectors(item, out);
      return;
    }
    if (tree.kind != Tree::Kind::scalar) return say(tree.at, "expected a selector such as broker(2) or leader(orders/0), or a list of them");
    auto parsed = parse_selector(tree.text);
    if (!parsed) return say(tree.at, parsed.error());
    out.push_back(std::move(*parsed));
  }

  void parse_sides(const Tree& tree) {
    const bool lists = tree.kind == Tree::Kind::list && std::all_of(tree.items.begin(), tree.items.end(), [](const Tree& i) { return i.kind == Tree::Kind::list; });
    if (!lists || tree.items.size() < 2) return say(tree.at, "expected the sides of the partition, such as [[rack:a], [rack:b, rack:c]]");
    for (const Tree& side : tree.items) {
      value_.sides.emplace_back();
      parse_selectors(side, value_.sides.back());
    }
  }

  void parse_groups(const Tree& tree) {
    if (tree.kind != Tree::Kind::map) return say(tree.at, "expected a map such as { z1: [a, b], z2: [c] }");
    for (const Tree::Entry& entry : tree.entries) {
      Value names;
      Tree ignored;
      const Key key{key_.name, KeyType::names, nullptr, ""};
      ValueParser(key, problems_, names, ignored).parse(entry.value);
      if (!name_is_legal(entry.key)) say(entry.at, "expected a name, found '" + entry.key + "'");
      value_.groups.emplace_back(entry.key, std::move(names.names));
    }
  }

  void parse_assignment(const Tree& tree) {
    if (tree.kind != Tree::Kind::list) return say(tree.at, "expected a list of broker ids for each partition, such as [[1, 2, 3], [2, 3, 1]]");
    for (const Tree& partition : tree.items) {
      value_.lists.emplace_back();
      if (partition.kind != Tree::Kind::list || partition.items.empty()) {
        say(partition.at, "expected a list of broker ids, such as [1, 2, 3]");
        continue;
      }
      for (const Tree& item : partition.items) {
        const auto id = parse_integer(item.text);
        if (!id || *id < 0 || *id > 1'000'000) {
          say(item.at, "expected a broker id, found '" + item.text + "'");
          continue;
        }
        value_.lists.back().push_back(static_cast<std::int32_t>(*id));
      }
    }
  }

  void parse_weights(const Tree& tree) {
    if (tree.kind == Tree::Kind::scalar && !value_.given) {  // the table's default
      Problems none;
      Tree map = Tree::map();
      for (const std::string_view part : split(tree.text, ',')) {
        const auto pair = split(part, ':');
        map.set(pair[0], Tree::scalar(std::string(pair[1])));
      }
      shown_ = map;
      return parse_weights(map);
    }
    if (tree.kind != Tree::Kind::map || tree.entries.empty()) return say(tree.at, "expected faults with weights, such as { kill: 3, pause: 2 }");
    std::vector<std::string_view> names;
    for (const FaultRow& row : fault_rows()) names.push_back(name_of(row.kind));
    for (const Tree::Entry& entry : tree.entries) {
      const FaultRow* const row = find_fault(entry.key);
      if (row == nullptr) {
        say(entry.at, "unknown fault '" + entry.key + "'" + did_you_mean(entry.key, names));
        continue;
      }
      if (row->form == TargetForm::topic) {
        say(entry.at, "'" + entry.key + "' cannot be drawn: it needs a topic");
        continue;
      }
      if (row->form == TargetForm::code) {
        say(entry.at, "'" + entry.key + "' cannot be drawn: it needs an error");
        continue;
      }
      if (row->kind == FaultKind::hold_api || row->kind == FaultKind::drop_api) {
        say(entry.at, "'" + entry.key + "' cannot be drawn: it needs an api");
        continue;
      }
      const auto weight = entry.value.kind == Tree::Kind::scalar ? parse_integer(entry.value.text) : Parsed<std::int64_t>(tl::unexpected<std::string>("expected a weight"));
      if (!weight || *weight < 0 || *weight > 1'000'000) {
        say(entry.value.at, "expected a weight from 0 to 1000000");
        continue;
      }
      if (*weight > 0) value_.weights.emplace_back(row->kind, static_cast<std::int32_t>(*weight));
    }
    if (value_.weights.empty() && problems_.empty()) say(tree.at, "expected at least one fault with a weight above zero");
  }

  void parse_config_map(const Tree& tree) {
    if (tree.kind != Tree::Kind::map) return say(tree.at, "expected a map of Kafka configuration, such as { min.insync.replicas: 2 }");
    shown_ = Tree::map(tree.at);
    for (const Tree::Entry& entry : tree.entries) {
      std::string text = entry.value.text;
      if (entry.value.kind == Tree::Kind::list) {
        text.clear();
        for (const Tree& item : entry.value.items) text += (text.empty() ? "" : ",") + item.text;
      } else if (entry.value.kind != Tree::Kind::scalar) {
        say(entry.value.at, "expected a single value for '" + entry.key + "'");
        continue;
      }
      const auto parsed = config_value(config_of(key_.type), entry.key, text);
      if (!parsed) {
        const bool unknown = parsed.error().rfind("unknown", 0) == 0;
        say(unknown ? entry.at : entry.value.at, parsed.error());
        continue;
      }
      value_.config[entry.key] = *parsed;
      shown_.set(entry.key, Tree::scalar(*parsed, entry.value.at));
    }
  }

  const Key& key_;
  Problems& problems_;
  Value& value_;
  Tree& shown_;
};

}  // namespace

Parsed<std::string> config_value(ConfigOf of, std::string_view name, std::string_view text) {
  const std::string shown(name);
  const auto ends = [&](std::string_view end) { return name.size() >= end.size() && name.substr(name.size() - end.size()) == end; };
  std::string value(text);
  const bool starts_as_number = !text.empty() && ((text.front() >= '0' && text.front() <= '9') || (text.front() == '-' && text.size() > 1));
  const std::string_view digits = !text.empty() && text.front() == '-' ? text.substr(1) : text;
  if (plain_integer(text) && digits.size() > 1 && digits.front() == '0')
    return tl::unexpected<std::string>("'" + value + "' starts with 0 and looks octal: drop the leading zero");
  if (starts_as_number && !plain_integer(text)) {
    std::int64_t unit_ns = 0;
    if (ends(".ms")) unit_ns = 1'000'000;
    if (ends(".seconds")) unit_ns = 1'000'000'000;
    if (ends(".minutes")) unit_ns = 60'000'000'000;
    if (ends(".hours")) unit_ns = 3'600'000'000'000;
    if (unit_ns > 0) {
      const auto parsed = parse_duration_ns(text);
      if (!parsed) return tl::unexpected<std::string>(shown + ": " + parsed.error());
      if (*parsed % unit_ns != 0) return tl::unexpected<std::string>(shown + " counts in " + std::string(name.substr(name.rfind('.') + 1)) + ", '" + value + "' is no whole number of them");
      value = std::to_string(*parsed / unit_ns);
    } else if (name.find("bytes") != std::string_view::npos || name.find("size") != std::string_view::npos || name.find("memory") != std::string_view::npos) {
      const auto parsed = parse_bytes(text);
      if (!parsed) return tl::unexpected<std::string>(shown + ": " + parsed.error());
      value = std::to_string(*parsed);
    } else if (const auto parsed = parse_integer(text); parsed) {
      value = std::to_string(*parsed);
    }
  }
  if (of == ConfigOf::client) {
    std::vector<std::string_view> names;
    for (const ClientKey& key : client_keys()) {
      names.push_back(key.name);
      if (key.name != name) continue;
      const bool numeric = key.type == ClientType::integer || key.type == ClientType::milliseconds || key.type == ClientType::bytes;
      if (numeric && !plain_integer(value)) return tl::unexpected<std::string>(shown + ": expected a number, found '" + value + "'");
      if (numeric && (value.size() > 18 || value.front() == '-')) return tl::unexpected<std::string>(shown + " must not be negative or beyond 10^18: " + value);
      if (key.type == ClientType::flag && value != "true" && value != "false") return tl::unexpected<std::string>(shown + ": expected true or false, found '" + value + "'");
      if (key.type == ClientType::choice) {
        const auto choices = split(key.choices, '|');
        if (name == "partition.assignment.strategy" && value.find(',') != std::string::npos) {
          for (const std::string_view part : split(value, ','))
            if (std::find(choices.begin(), choices.end(), part) == choices.end()) return tl::unexpected<std::string>(shown + ": unknown assignor '" + std::string(part) + "'");
        } else if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
          return tl::unexpected<std::string>(shown + ": expected one of " + std::string(key.choices) + ", found '" + value + "'" + did_you_mean(value, choices));
        }
        if (value == "-1") value = "all";
      }
      return value;
    }
    return tl::unexpected<std::string>("unknown client configuration '" + shown + "'" + did_you_mean(name, names));
  }
  const ConfigRow* const row = find_config(name);
  if (row == nullptr) {
    const std::string_view near = nearest_config_name(name);
    return tl::unexpected<std::string>("unknown configuration '" + shown + "'" + (near.empty() ? "" : " (did you mean '" + std::string(near) + "'?)"));
  }
  if (of == ConfigOf::topic && row->scope == ConfigScope::broker) return tl::unexpected<std::string>("unknown configuration of a topic: '" + shown + "' belongs to brokers");
  if (of == ConfigOf::broker && row->scope == ConfigScope::topic) {
    const std::string broker_key(row->broker_key);
    return tl::unexpected<std::string>("unknown configuration of a broker: '" + shown + "' belongs to topics" + (broker_key.empty() ? "" : " (did you mean '" + broker_key + "'?)"));
  }
  for (const std::string_view own : {"node.id", "process.roles", "log.dirs", "log.dir", "listeners", "advertised.listeners", "controller.quorum.voters", "broker.rack"})
    if (name == own) return tl::unexpected<std::string>("'" + shown + "' is set by the simulator: see cluster/brokers and cluster/controllers");
  if (const auto parsed = parse_config(*row, value); !parsed) return tl::unexpected<std::string>(parsed.error().text);
  return value;
}

Value parse_value(const Key& key, const Tree& tree, Problems& problems, Tree& shown) {
  Value value;
  value.given = value.present = true;
  value.at = tree.at;
  shown = tree;
  ValueParser(key, problems, value, shown).parse(tree);
  return value;
}

Bound::Bound(const Section& section, const Tree* tree, const Position& where, Problems& problems)
    : section_(section), at_(tree != nullptr ? tree->at : where), problems_(problems), values_(section.keys.size()), shown_(section.keys.size()) {
  if (tree != nullptr && tree->kind != Tree::Kind::map && tree->kind != Tree::Kind::null) {
    problems.push_back({tree->at, "expected a map of the keys of " + std::string(section.title)});
    tree = nullptr;
  }
  if (tree != nullptr) {
    std::vector<std::string_view> names;
    for (const Key& key : section.keys) names.push_back(key.name);
    for (const Tree::Entry& entry : tree->entries)
      if (std::find(names.begin(), names.end(), entry.key) == names.end())
        problems.push_back({entry.at, "unknown key '" + entry.key + "' in " + section.title + did_you_mean(entry.key, names)});
  }
  for (std::size_t i = 0; i < section.keys.size(); ++i) {
    const Key& key = section.keys[i];
    const Tree* const given = tree != nullptr ? tree->find(key.name) : nullptr;
    if (given != nullptr && given->kind != Tree::Kind::null) {
      take(i, *given);
    } else if (key.required) {
      problems.push_back({at_, "missing '" + std::string(key.name) + "' in " + section.title});
    } else if (key.fallback != nullptr && key.fallback[0] != '\0') {
      Value& value = values_[i];
      value.present = true;
      value.at = at_;
      const Tree text = Tree::scalar(key.fallback, at_);
      shown_[i] = text;
      ValueParser(key, problems, value, shown_[i]).parse(text);
      value.tree = nullptr;
    }
  }
}

void Bound::take(std::size_t index, const Tree& tree) { values_[index] = parse_value(section_.keys[index], tree, problems_, shown_[index]); }

void Bound::fill(std::string_view key, std::string text) {
  const std::size_t i = index(key);
  Value& value = values_[i];
  value = Value();
  value.present = true;
  value.at = at_;
  const Tree tree = Tree::scalar(std::move(text), at_);
  shown_[i] = tree;
  ValueParser(section_.keys[i], problems_, value, shown_[i]).parse(tree);
  value.tree = nullptr;
}

std::size_t Bound::index(std::string_view key) const {
  for (std::size_t i = 0; i < section_.keys.size(); ++i)
    if (key == section_.keys[i].name) return i;
  CHECK_SAYING(false, "no such key in the table");
}

Tree Bound::counted() const {
  Tree map = Tree::map(at_);
  for (std::size_t i = 0; i < section_.keys.size(); ++i)
    if (!shown_[i].is_null()) map.entries.push_back({section_.keys[i].name, shown_[i].at, shown_[i]});
  return map;
}

namespace {

/// `a..b`: a value between, each doubling of the size equally likely.
Parsed<std::string> draw_between(std::string_view text, Random& random) {
  const std::size_t dots = text.find("..");
  if (dots == std::string_view::npos) return tl::unexpected<std::string>("expected a range such as 16KiB..1MiB or a list of values");
  const std::string_view low_text = trimmed(text.substr(0, dots)), high_text = trimmed(text.substr(dots + 2));
  enum class Kind { number, bytes, time } kind = Kind::number;
  auto low = parse_integer(low_text), high = parse_integer(high_text);
  if (!low || !high) {
    kind = Kind::bytes;
    low = parse_bytes(low_text);
    high = parse_bytes(high_text);
  }
  if (!low || !high) {
    kind = Kind::time;
    low = parse_duration_ns(low_text);
    high = parse_duration_ns(high_text);
  }
  if (!low || !high) return tl::unexpected<std::string>("expected a range of numbers, sizes or times, such as 16KiB..1MiB");
  if (*low < 0 || *high < *low) return tl::unexpected<std::string>("the range ends before it begins, or is negative");
  const std::int64_t base = std::max<std::int64_t>(*low, 1);
  const int doublings = std::bit_width(static_cast<std::uint64_t>(std::max<std::int64_t>(*high, 1) / base)) - 1;
  const int chosen = static_cast<int>(random.below(static_cast<std::uint64_t>(doublings) + 1));
  const std::int64_t from = chosen == 0 ? *low : base << chosen;
  const std::int64_t until = std::min(*high, chosen == doublings ? *high : (base << (chosen + 1)) - 1);
  std::int64_t value = random.between(from, std::max(from, until));
  if (kind == Kind::time)  // no finer than the ends are given
    for (const std::int64_t grain : {std::int64_t{1'000'000'000}, std::int64_t{1'000'000}, std::int64_t{1'000}})
      if (*low % grain == 0 && *high % grain == 0) {
        value = value / grain * grain;
        break;
      }
  if (kind == Kind::bytes) return std::to_string(value) + "B";
  return kind == Kind::time ? duration_text(value) : std::to_string(value);
}

void draw_in(Tree& tree, const std::string& path, const Random& random, std::vector<std::pair<std::string, std::string>>& drawn, Problems& problems) {
  if (tree.kind == Tree::Kind::map && tree.entries.size() == 1 && tree.entries[0].key == "draw") {
    Random stream = random.fork(path);
    const Tree from = tree.entries[0].value;
    if (from.kind == Tree::Kind::list && !from.items.empty()) {
      tree = from.items[stream.below(from.items.size())];
    } else if (from.kind == Tree::Kind::scalar) {
      const auto text = draw_between(from.text, stream);
      if (!text) {
        problems.push_back({from.at, text.error()});
        tree = Tree();
        return;
      }
      tree = Tree::scalar(*text, from.at);
    } else {
      problems.push_back({from.at, "expected a range such as 16KiB..1MiB or a list of values"});
      tree = Tree();
      return;
    }
    drawn.emplace_back(path, tree.kind == Tree::Kind::scalar ? tree.text : to_yaml(tree));
    return;
  }
  for (Tree::Entry& entry : tree.entries) draw_in(entry.value, path.empty() ? entry.key : path + "/" + entry.key, random, drawn, problems);
  for (std::size_t i = 0; i < tree.items.size(); ++i) {
    const Tree* const name = tree.items[i].kind == Tree::Kind::map ? tree.items[i].find("name") : nullptr;
    draw_in(tree.items[i], path + "/" + (name != nullptr ? name->text : std::to_string(i)), random, drawn, problems);
  }
}

}  // namespace

void make_draws(Tree& tree, std::uint64_t seed, std::vector<std::pair<std::string, std::string>>& drawn, Problems& problems) {
  draw_in(tree, "", Random(seed).fork("draw"), drawn, problems);
}

}  // namespace harrow::sim
