#include "sim/scenario/tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <sstream>

namespace harrow::sim {

std::string to_text(const Position& position) {
  std::string text = position.file ? *position.file : std::string("scenario");
  if (position.line > 0) text += ":" + std::to_string(position.line) + ":" + std::to_string(position.column);
  return text;
}

std::string to_text(const Problem& problem) { return to_text(problem.at) + ": " + problem.text; }

Tree Tree::scalar(std::string text, Position at) {
  Tree tree;
  tree.kind = Kind::scalar;
  tree.text = std::move(text);
  tree.at = std::move(at);
  return tree;
}
Tree Tree::list(Position at) {
  Tree tree;
  tree.kind = Kind::list;
  tree.at = std::move(at);
  return tree;
}
Tree Tree::map(Position at) {
  Tree tree;
  tree.kind = Kind::map;
  tree.at = std::move(at);
  return tree;
}
const Tree* Tree::find(std::string_view key) const {
  for (const Entry& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}
Tree* Tree::find(std::string_view key) {
  for (Entry& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}
void Tree::set(std::string_view key, Tree value) {
  if (Tree* const old = find(key)) {
    *old = std::move(value);
    return;
  }
  Position at_key = value.at;
  entries.push_back(Entry{std::string(key), std::move(at_key), std::move(value)});
}

namespace {

class Converter {
 public:
  Converter(std::shared_ptr<const std::string> file, Problems& problems) : file_(std::move(file)), problems_(problems) {}

  Tree convert(const YAML::Node& node, int depth) {
    Tree tree;
    const YAML::Mark mark = node.Mark();
    tree.at = Position{file_, mark.line + 1, mark.column + 1};
    if (failed_) return tree;
    if (depth > most_depth || ++nodes_ > most_nodes) {
      failed_ = true;
      problems_.push_back({tree.at, depth > most_depth ? "nested too deeply (or an alias contains itself)" : "too large once aliases are followed"});
      return tree;
    }
    if (node.IsScalar()) {
      tree.kind = Tree::Kind::scalar;
      tree.text = node.Scalar();
      tree.quoted = node.Tag() == "!";
    } else if (node.IsSequence()) {
      tree.kind = Tree::Kind::list;
      for (const YAML::Node& item : node) tree.items.push_back(convert(item, depth + 1));
    } else if (node.IsMap()) {
      tree.kind = Tree::Kind::map;
      for (const auto& pair : node) add_entry(tree, pair.first, pair.second, depth);
    }
    return tree;
  }

 private:
  static constexpr int most_depth = 32;
  static constexpr int most_nodes = 200'000;

  void add_entry(Tree& tree, const YAML::Node& key, const YAML::Node& value, int depth) {
    const YAML::Mark mark = key.Mark();
    const Position at{file_, mark.line + 1, mark.column + 1};
    if (!key.IsScalar()) {
      problems_.push_back({at, "expected a plain name as key"});
      return;
    }
    if (const auto first = std::find_if(tree.entries.begin(), tree.entries.end(), [&](const Tree::Entry& e) { return e.key == key.Scalar(); });
        first != tree.entries.end()) {
      problems_.push_back({at, "duplicate key '" + key.Scalar() + "' (first at line " + std::to_string(first->at.line) + ")"});
      return;
    }
    tree.entries.push_back({key.Scalar(), at, convert(value, depth + 1)});
  }

  std::shared_ptr<const std::string> file_;
  Problems& problems_;
  int nodes_ = 0;
  bool failed_ = false;
};

/// Notes where documents begin, and nothing of what they hold.
class DocumentStarts : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { marks.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  std::vector<YAML::Mark> marks;
};

/// Where the first two documents begin. Not by YAML::LoadAll: a token that can begin no document (`,`) is never consumed,
/// and each look at it makes one more empty document, without end.
std::vector<YAML::Mark> first_two_documents(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStarts starts;
  while (starts.marks.size() < 2 && parser.HandleNextDocument(starts)) {}
  return starts.marks;
}

}  // namespace

std::optional<Tree> parse_yaml(std::string_view text, const std::string& file_name, Problems& problems) {
  const auto file = std::make_shared<const std::string>(file_name);
  const std::size_t before = problems.size();
  try {
    const std::string whole(text);
    const std::vector<YAML::Mark> documents = first_two_documents(whole);
    if (documents.empty()) return Tree::map(Position{file, 1, 1});
    if (documents.size() > 1) {
      const YAML::Mark& second = documents[1];
      const bool stuck = second.pos == documents[0].pos;
      problems.push_back({Position{file, second.line + 1, second.column + 1}, stuck ? "expected a key, and nothing can begin with this" : "expected one document in a file, found a second one"});
      return std::nullopt;
    }
    Tree tree = Converter(file, problems).convert(YAML::Load(whole), 0);
    if (problems.size() > before) return std::nullopt;
    return tree;
  } catch (const YAML::Exception& e) {
    problems.push_back({Position{file, e.mark.line + 1, e.mark.column + 1}, "not readable as YAML: " + e.msg});
  } catch (const std::exception& e) {
    problems.push_back({Position{file, 0, 0}, std::string("not readable as YAML: ") + e.what()});
  }
  return std::nullopt;
}

std::optional<Tree> read_yaml(const std::string& path, Problems& problems) {
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  const Position at{std::make_shared<const std::string>(path), 0, 0};
  if (file == nullptr) {
    problems.push_back({at, "cannot be opened"});
    return std::nullopt;
  }
  std::string text;
  char block[1 << 16];
  std::size_t got = 0;
  while ((got = std::fread(block, 1, sizeof block, file)) > 0 && text.size() < (std::size_t{16} << 20)) text.append(block, got);
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed || text.size() >= (std::size_t{16} << 20)) {
    problems.push_back({at, failed ? "cannot be read" : "larger than 16 MiB"});
    return std::nullopt;
  }
  return parse_yaml(text, path, problems);
}

namespace {

std::string_view name_in(const Tree& item) {
  const Tree* const name = item.kind == Tree::Kind::map ? item.find("name") : nullptr;
  return name != nullptr && name->kind == Tree::Kind::scalar ? std::string_view(name->text) : std::string_view();
}
bool all_named(const Tree& list) {
  return std::all_of(list.items.begin(), list.items.end(), [](const Tree& item) { return !name_in(item).empty(); });
}

}  // namespace

Tree merged(Tree base, const Tree& over) {
  if (base.kind == Tree::Kind::map && over.kind == Tree::Kind::map) {
    for (const Tree::Entry& entry : over.entries) {
      if (Tree* const old = base.find(entry.key)) {
        *old = merged(std::move(*old), entry.value);
      } else {
        base.entries.push_back(entry);
      }
    }
    base.at = over.at;
    return base;
  }
  if (base.kind == Tree::Kind::list && over.kind == Tree::Kind::list && !over.items.empty() && all_named(base) && all_named(over)) {
    for (const Tree& item : over.items) {
      const auto old = std::find_if(base.items.begin(), base.items.end(), [&](const Tree& b) { return name_in(b) == name_in(item); });
      if (old != base.items.end()) {
        *old = merged(std::move(*old), item);
      } else {
        base.items.push_back(item);
      }
    }
    return base;
  }
  return over;
}

bool set_path(Tree& tree, std::string_view path, Tree value, Problems& problems) {
  Tree* here = &tree;
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    if (here->kind == Tree::Kind::list) {
      std::size_t index = here->items.size();
      const auto parsed = std::from_chars(part.data(), part.data() + part.size(), index);
      if (parsed.ec != std::errc() || parsed.ptr != part.data() + part.size())
        index = static_cast<std::size_t>(std::find_if(here->items.begin(), here->items.end(), [&](const Tree& i) { return name_in(i) == part; }) -
                                         here->items.begin());
      if (index >= here->items.size()) {
        std::vector<std::string_view> names;
        for (const Tree& item : here->items) names.push_back(name_in(item));
        problems.push_back({value.at, "nothing named '" + std::string(part) + "' in this list" + did_you_mean(part, names)});
        return false;
      }
      here = &here->items[index];
      continue;
    }
    if (here->kind == Tree::Kind::scalar) {
      problems.push_back({value.at, "'" + std::string(part) + "' is below a plain value"});
      return false;
    }
    if (here->kind == Tree::Kind::null) here->kind = Tree::Kind::map;
    if (here->find(part) == nullptr) here->set(part, Tree{Tree::Kind::null, false, value.at, {}, {}, {}});
    here = here->find(part);
  }
  *here = std::move(value);
  return true;
}

namespace {

bool plain_is_safe(const std::string& text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ') return false;
  if (std::string_view("-?:,[]{}#&*!|>'\"%@`~=").find(text.front()) != std::string_view::npos && !(text.front() == '-' && text.size() > 1 && text[1] >= '0' && text[1] <= '9'))
    return false;
  if (text.find(": ") != std::string::npos || text.find(" #") != std::string::npos || text.back() == ':') return false;
  if (text == "null" || text == "Null" || text == "NULL") return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

void put_scalar(std::string& out, const std::string& text) {
  if (plain_is_safe(text)) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escape;
    } else {
      out += c;
    }
  }
  out += '"';
}

void put(std::string& out, const Tree& tree, int indent, bool inline_first);

void put_value(std::string& out, const Tree& value, int indent) {
  switch (value.kind) {
    case Tree::Kind::null: out += " null\n"; return;
    case Tree::Kind::scalar:
      out += ' ';
      put_scalar(out, value.text);
      out += '\n';
      return;
    case Tree::Kind::list: {
      const bool flat = std::all_of(value.items.begin(), value.items.end(), [](const Tree& i) { return i.kind == Tree::Kind::scalar; });
      if (flat) {
        out += " [";
        for (std::size_t i = 0; i < value.items.size(); ++i) {
          if (i > 0) out += ", ";
          const std::string& text = value.items[i].text;
          if (text.find_first_of(",[]{}") != std::string::npos && plain_is_safe(text)) {
            out += '"' + text + '"';
          } else {
            put_scalar(out, text);
          }
        }
        out += "]\n";
        return;
      }
      out += '\n';
      put(out, value, indent, false);
      return;
    }
    case Tree::Kind::map:
      if (value.entries.empty()) {
        out += " {}\n";
        return;
      }
      out += '\n';
      put(out, value, indent, false);
      return;
  }
}

void put(std::string& out, const Tree& tree, int indent, bool inline_first) {
  const std::string pad(static_cast<std::size_t>(indent), ' ');
  if (tree.kind == Tree::Kind::list) {
    for (const Tree& item : tree.items) {
      out += pad + "-";
      if (item.kind == Tree::Kind::map && !item.entries.empty()) {
        out += ' ';
        put(out, item, indent + 2, true);
      } else {
        put_value(out, item, indent + 2);
      }
    }
    return;
  }
  if (tree.kind == Tree::Kind::map) {
    bool first = true;
    for (const Tree::Entry& entry : tree.entries) {
      if (!(first && inline_first)) out += pad;
      first = false;
      put_scalar(out, entry.key);
      out += ':';
      put_value(out, entry.value, indent + 2);
    }
    return;
  }
  put_value(out, tree, indent);
}

}  // namespace

std::string to_yaml(const Tree& tree) {
  std::string out;
  put(out, tree, 0, false);
  return out;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a[i - 1] != b[j - 1] ? 1 : 0)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

std::string did_you_mean(std::string_view wrong, const std::vector<std::string_view>& names) {
  std::string_view best;
  std::size_t best_distance = std::min<std::size_t>(wrong.size() / 3, 3) + 1;
  if (wrong.size() > 64) return "";
  for (const std::string_view name : names) {
    const std::size_t distance = edit_distance(wrong, name);
    if (distance < best_distance) {
      best = name;
      best_distance = distance;
    }
  }
  return best.empty() ? "" : " (did you mean '" + std::string(best) + "'?)";
}

}  // namespace harrow::sim
