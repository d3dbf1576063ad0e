// A YAML file as a tree whose every node knows where it stands, so that errors can point there. The only file that
// touches yaml-cpp, whose exceptions end here and whose traps are closed here: duplicate keys are errors, every scalar
// stays text (nothing becomes octal or a boolean by itself), aliases cannot explode.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace harrow::sim {

struct Position {
  std::shared_ptr<const std::string> file;
  std::int32_t line = 0, column = 0;  // from 1; 0 = the file as a whole
};
std::string to_text(const Position& position);

struct Problem {
  Position at;
  std::string text;
};
/// "file:line:column: text"
std::string to_text(const Problem& problem);
using Problems = std::vector<Problem>;

struct Tree {
  enum class Kind : std::uint8_t { null, scalar, list, map };
  struct Entry;
  Kind kind = Kind::null;
  bool quoted = false;
  Position at;
  std::string text;          // scalar
  std::vector<Tree> items;   // list
  std::vector<Entry> entries;  // map, in the order of the file

  static Tree scalar(std::string text, Position at = {});
  static Tree list(Position at = {});
  static Tree map(Position at = {});
  const Tree* find(std::string_view key) const;
  Tree* find(std::string_view key);
  /// Replaces or appends.
  void set(std::string_view key, Tree value);
  bool is_null() const { return kind == Kind::null; }
};
struct Tree::Entry {
  std::string key;
  Position at;
  Tree value;
};

/// Adds problems and gives nothing on a syntax error, duplicate key, or a file that cannot be read.
std::optional<Tree> parse_yaml(std::string_view text, const std::string& file_name, Problems& problems);
std::optional<Tree> read_yaml(const std::string& path, Problems& problems);

/// `over` laid over `base`: maps by key, lists whose items have a `name` by that name, everything else replaced.
Tree merged(Tree base, const Tree& over);

/// Sets the value at a path of keys, list indices or item names, separated by '/'; a key that may itself contain '/'
/// does not exist. Missing maps are made. False with a problem if a part names no item of a list.
bool set_path(Tree& tree, std::string_view path, Tree value, Problems& problems);

/// Block-style YAML that reads back as the same tree.
std::string to_yaml(const Tree& tree);

/// Insertions, deletions, replacements and swaps of neighbours that make one of the other.
std::size_t edit_distance(std::string_view a, std::string_view b);
/// ` (did you mean 'x'?)`, or nothing.
std::string did_you_mean(std::string_view wrong, const std::vector<std::string_view>& names);

}  // namespace harrow::sim
