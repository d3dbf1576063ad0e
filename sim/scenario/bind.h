// Binds one map of a scenario file to its section of the key table: unknown keys, wrong types, missing units and values
// out of range become problems that point at the file; what remains are typed values, and the map as it counts (given
// values and defaults), from which `check --expand` is written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/scenario/keys.h"
#include "sim/scenario/tree.h"
#include "sim/scenario/units.h"

namespace harrow::sim {

struct Value {
  bool given = false;    // by the file
  bool present = false;  // by the file or as a default
  Position at;
  std::int64_t number = 0;  // whatever the type counts in: ns, bytes, millionths, 0 or 1, index of a choice
  std::string text;
  Distribution distribution;
  std::vector<std::string> names;
  std::vector<Selector> selectors;
  std::vector<std::vector<Selector>> sides;
  Condition condition;
  ConfigMap config;
  std::vector<std::vector<std::int32_t>> lists;
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  std::vector<std::pair<FaultKind, std::int32_t>> weights;
  const Tree* tree = nullptr;  // as given; sections are bound by whoever knows what to do with them
};

class Bound {
 public:
  /// `tree` may be null: every value is its default. `where` is what a missing required key is said about.
  Bound(const Section& section, const Tree* tree, const Position& where, Problems& problems);

  const Value& operator[](std::string_view key) const { return values_[index(key)]; }
  /// Gives a worked-out default.
  void fill(std::string_view key, std::string text);
  /// Puts a part that was bound elsewhere into the map as it counts.
  void put(std::string_view key, Tree tree) { shown_[index(key)] = std::move(tree); }
  void drop(std::string_view key) { shown_[index(key)] = Tree(); }
  const Tree& shown(std::string_view key) const { return shown_[index(key)]; }
  /// The map as it counts, in the table's order.
  Tree counted() const;
  const Position& at() const { return at_; }
  Problems& problems() { return problems_; }

 private:
  std::size_t index(std::string_view key) const;
  void take(std::size_t index, const Tree& tree);

  const Section& section_;
  Position at_;
  Problems& problems_;
  std::vector<Value> values_;
  std::vector<Tree> shown_;
};

/// Parses one value of this type; problems point at it. What it means in the file again: `shown`.
Value parse_value(const Key& key, const Tree& tree, Problems& problems, Tree& shown);

/// Replaces every `{draw: ...}` by a value drawn from this seed and says which.
void make_draws(Tree& tree, std::uint64_t seed, std::vector<std::pair<std::string, std::string>>& drawn, Problems& problems);

enum class ConfigOf : std::uint8_t { broker, topic, client };
/// A Kafka configuration value with or without a unit, as Kafka reads it.
Parsed<std::string> config_value(ConfigOf of, std::string_view name, std::string_view text);

}  // namespace harrow::sim
