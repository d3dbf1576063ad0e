#include "sim/workload/replay_file.h"

#include <zlib.h>

#include <map>
#include <optional>
#include <span>

#include "core/base/wide.h"
#include "sim/scenario/units.h"
#include "sim/workload/replay_columns.h"

namespace harrow::sim {

namespace {

constexpr std::int64_t largest_record_bytes = std::int64_t{16} << 20;
constexpr std::size_t largest_file_bytes = std::size_t{4} << 30;

bool ends_with(std::string_view text, std::string_view end) { return text.size() >= end.size() && text.substr(text.size() - end.size()) == end; }

tl::unexpected<ReplayProblem> problem(const ReplayPlan& plan, std::int64_t line, std::string text) {
  return tl::unexpected<ReplayProblem>(ReplayProblem{plan.file, line, std::move(text)});
}

/// Splits one CSV line; doubled quotes inside quotes are one. False for a quote that does not close.
bool split_csv(std::string_view line, std::vector<std::string>& fields) {
  fields.clear();
  std::size_t at = 0;
  while (true) {
    std::string field;
    if (at < line.size() && line[at] == '"') {
      ++at;
      while (true) {
        if (at >= line.size()) return false;
        if (line[at] != '"') {
          field += line[at++];
        } else if (at + 1 < line.size() && line[at + 1] == '"') {
          field += '"';
          at += 2;
        } else {
          ++at;
          break;
        }
      }
      if (at < line.size() && line[at] != ',') return false;
    } else {
      const std::size_t comma = line.find(',', at);
      field = line.substr(at, comma == std::string_view::npos ? std::string_view::npos : comma - at);
      at = comma == std::string_view::npos ? line.size() : comma;
    }
    fields.push_back(std::move(field));
    if (at >= line.size()) return true;
    ++at;  // the comma
    if (at == line.size()) {
      fields.emplace_back();
      return true;
    }
  }
}

/// Walks one line of JSON: an object whose members of interest are given as text; everything is checked for form.
class JsonLine {
 public:
  JsonLine(std::string_view text, std::span<const std::string> names, std::span<std::optional<std::string>> values) : text_(text), names_(names), values_(values) {}

  bool read() {
    if (!object(true, 0)) return false;
    space();
    return at_ == text_.size();
  }

 private:
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
  }
  bool take(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool object(bool outer, int depth) {
    if (depth > 64 || !take('{')) return false;
    if (take('}')) return true;
    do {
      std::string name;
      space();
      if (!string(name) || !take(':')) return false;
      std::string* wanted = nullptr;
      std::string value;
      for (std::size_t i = 0; outer && i < names_.size(); ++i) {
        if (names_[i].empty() || names_[i] != name) continue;
        wanted = &value;
      }
      bool null = false;
      if (!any(wanted, null, depth + 1)) return false;
      for (std::size_t i = 0; wanted != nullptr && !null && i < names_.size(); ++i)
        if (names_[i] == name) values_[i] = value;
    } while (take(','));
    return take('}');
  }
  bool array(int depth) {
    if (depth > 64 || !take('[')) return false;
    if (take(']')) return true;
    do {
      bool null = false;
      if (!any(nullptr, null, depth + 1)) return false;
    } while (take(','));
    return take(']');
  }
  bool any(std::string* out, bool& null, int depth) {
    space();
    if (at_ >= text_.size()) return false;
    std::string ignored;
    if (text_[at_] == '"') return string(out != nullptr ? *out : ignored);
    if (text_[at_] == '{') return out == nullptr && object(false, depth);
    if (text_[at_] == '[') return out == nullptr && array(depth);
    const std::size_t start = at_;
    while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '}' && text_[at_] != ']' && text_[at_] != ' ' && text_[at_] != '\r') ++at_;
    const std::string_view word = text_.substr(start, at_ - start);
    null = word == "null";
    if (out != nullptr) *out = word;
    if (null || word == "true" || word == "false") return true;
    return !word.empty() && (word[0] == '-' || (word[0] >= '0' && word[0] <= '9'));
  }
  bool string(std::string& out) {
    if (at_ >= text_.size() || text_[at_] != '"') return false;
    ++at_;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] != '\\') {
        out += text_[at_++];
        continue;
      }
      if (++at_ >= text_.size()) return false;
      const char c = text_[at_++];
      if (c != 'u') {
        out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'b' ? '\b' : c == 'f' ? '\f' : c;
        continue;
      }
      if (at_ + 4 > text_.size()) return false;
      std::uint32_t code = 0;
      for (int i = 0; i < 4; ++i) {
        const char h = text_[at_++];
        const int digit = h >= '0' && h <= '9' ? h - '0' : h >= 'a' && h <= 'f' ? h - 'a' + 10 : h >= 'A' && h <= 'F' ? h - 'A' + 10 : -1;
        if (digit < 0) return false;
        code = code * 16 + static_cast<std::uint32_t>(digit);
      }
      // halves of surrogate pairs stay apart: a key only has to be the same each time
      if (code < 0x80) {
        out += static_cast<char>(code);
      } else if (code < 0x800) {
        out += static_cast<char>(0xc0 | code >> 6);
        out += static_cast<char>(0x80 | (code & 0x3f));
      } else {
        out += static_cast<char>(0xe0 | code >> 12);
        out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
        out += static_cast<char>(0x80 | (code & 0x3f));
      }
    }
    if (at_ >= text_.size()) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  std::span<const std::string> names_;
  std::span<std::optional<std::string>> values_;
  std::size_t at_ = 0;
};

/// A number in the plan's unit, or "2015-09-12T00:46:58.771Z".
std::optional<std::int64_t> time_of(const std::string& text, const ReplayPlan& plan) {
  if (text.size() >= 20 && text[4] == '-' && text.back() == 'Z') {
    const auto whole = parse_wall_ms(text.substr(0, 19) + "Z");
    if (!whole) return std::nullopt;
    std::int64_t ns = *whole * 1'000'000, place = 100'000'000;
    if (text[19] == 'Z') return ns;
    if (text[19] != '.') return std::nullopt;
    for (std::size_t i = 20; i + 1 < text.size(); ++i, place /= 10) {
      if (text[i] < '0' || text[i] > '9') return std::nullopt;
      ns += (text[i] - '0') * place;
    }
    return ns;
  }
  std::int64_t whole = 0, fraction_ns = 0, place = plan.time_unit_ns;
  std::size_t at = 0;
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) ++at;
  if (at >= text.size()) return std::nullopt;
  for (; at < text.size() && text[at] != '.'; ++at) {
    if (text[at] < '0' || text[at] > '9' || whole > INT64_MAX / 100) return std::nullopt;
    whole = whole * 10 + (text[at] - '0');
  }
  if (at < text.size()) {
    for (++at; at < text.size(); ++at) {
      if (text[at] < '0' || text[at] > '9') return std::nullopt;
      place /= 10;
      fraction_ns += (text[at] - '0') * place;
    }
  }
  if (whole > INT64_MAX / 4 / plan.time_unit_ns) return std::nullopt;
  const std::int64_t ns = whole * plan.time_unit_ns + fraction_ns;
  return negative ? -ns : ns;
}

class Collecting {
 public:
  explicit Collecting(const ReplayPlan& plan) : plan_(plan) {}

  std::optional<std::string> add(const std::string& time, const std::string* key, const std::string* size) {
    const auto at = time_of(time, plan_);
    if (!at) return "column '" + plan_.time_column + "' holds no time: '" + time + "'";
    if (file_.events.empty()) first_ns_ = last_ns_ = *at;
    if (*at < last_ns_) return "out of order: earlier than the line before";
    last_ns_ = *at;
    RecordedEvent event;
    const i128 scaled = static_cast<i128>(*at - first_ns_) * 1'000'000 / plan_.speed_millionths;
    if (scaled > INT64_MAX / 4) return "too far from the first event";
    event.at_ns = static_cast<std::int64_t>(scaled);
    if (key != nullptr && !key->empty()) {
      const auto [found, added] = index_.try_emplace(*key, static_cast<std::int32_t>(file_.keys.size()));
      if (added) file_.keys.push_back(*key);
      event.key = found->second;
    }
    if (size != nullptr) {
      const auto bytes = parse_integer(*size);
      if (!bytes || *bytes < 0 || *bytes > largest_record_bytes) return "column '" + plan_.size_column + "' holds no size up to 16 MiB: '" + *size + "'";
      event.size_bytes = static_cast<std::int32_t>(*bytes);
    }
    file_.events.push_back(event);
    return std::nullopt;
  }
  ReplayFile take() { return std::move(file_); }
  bool empty() const { return file_.events.empty(); }

 private:
  const ReplayPlan& plan_;
  ReplayFile file_;
  std::map<std::string, std::int32_t, std::less<>> index_;
  std::int64_t first_ns_ = 0, last_ns_ = 0;
};

tl::expected<ReplayFile, ReplayProblem> read_csv(std::string_view text, const ReplayPlan& plan) {
  Collecting collecting(plan);
  std::vector<std::string> header, fields;
  std::ptrdiff_t time_at = -1, key_at = -1, size_at = -1;
  std::int64_t line_number = 0;
  while (!text.empty()) {
    ++line_number;
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return problem(plan, line_number, "ends without a line break: the file is cut");
    std::string_view line = text.substr(0, end);
    text = text.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.find('\0') != std::string_view::npos) return problem(plan, line_number, "holds a zero byte: the file is damaged");
    if (line_number == 1) {
      if (!split_csv(line, header)) return problem(plan, 1, "a quote that does not close in the header");
      const auto column = [&](const std::string& name) {
        for (std::size_t i = 0; i < header.size(); ++i)
          if (header[i] == name) return static_cast<std::ptrdiff_t>(i);
        return std::ptrdiff_t{-1};
      };
      time_at = column(plan.time_column);
      key_at = plan.key_column.empty() ? -1 : column(plan.key_column);
      size_at = plan.size_column.empty() ? -1 : column(plan.size_column);
      for (const auto& [name, at] : {std::pair{&plan.time_column, time_at}, std::pair{&plan.key_column, key_at}, std::pair{&plan.size_column, size_at}}) {
        if (at >= 0 || name->empty()) continue;
        std::string known;
        for (const std::string& h : header) known += (known.empty() ? "" : ", ") + h;
        return problem(plan, 1, "there is no column '" + *name + "', only " + known);
      }
      continue;
    }
    if (line.empty()) continue;
    if (!split_csv(line, fields)) return problem(plan, line_number, "a quote that does not close");
    if (fields.size() != header.size())
      return problem(plan, line_number, "expected " + std::to_string(header.size()) + " fields, found " + std::to_string(fields.size()));
    const auto wrong = collecting.add(fields[static_cast<std::size_t>(time_at)], key_at < 0 ? nullptr : &fields[static_cast<std::size_t>(key_at)],
                                      size_at < 0 ? nullptr : &fields[static_cast<std::size_t>(size_at)]);
    if (wrong) return problem(plan, line_number, *wrong);
  }
  if (collecting.empty()) return problem(plan, 0, "holds no events");
  return collecting.take();
}

tl::expected<ReplayFile, ReplayProblem> read_json_lines(std::string_view text, const ReplayPlan& plan) {
  Collecting collecting(plan);
  const std::string names[3] = {plan.time_column, plan.key_column, plan.size_column};
  std::int64_t line_number = 0;
  while (!text.empty()) {
    ++line_number;
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (trimmed(line).empty() || line == "\r") continue;
    std::optional<std::string> values[3];
    if (!JsonLine(line, names, values).read()) return problem(plan, line_number, "not a whole JSON object with plain values in the columns wanted");
    if (!values[0]) return problem(plan, line_number, "there is no member '" + plan.time_column + "'");
    if (!plan.size_column.empty() && !values[2]) return problem(plan, line_number, "there is no member '" + plan.size_column + "'");
    const auto wrong = collecting.add(*values[0], values[1] ? &*values[1] : nullptr, values[2] ? &*values[2] : nullptr);
    if (wrong) return problem(plan, line_number, *wrong);
  }
  if (collecting.empty()) return problem(plan, 0, "holds no events");
  return collecting.take();
}

}  // namespace

std::string to_text(const ReplayProblem& problem) {
  return problem.file + (problem.line > 0 ? ":" + std::to_string(problem.line) + ":1" : "") + ": " + problem.text;
}

tl::expected<ReplayFile, ReplayProblem> read_replay_text(std::string_view text, bool json_lines, const ReplayPlan& plan) {
  auto read = json_lines ? read_json_lines(text, plan) : read_csv(text, plan);
  if (read && plan.loop && read->length_ns() <= 0) return problem(plan, 0, "cannot be looped: all its events are at one time");
  return read;
}

tl::expected<std::vector<std::string>, ReplayProblem> replay_columns(const std::string& path) {
  ReplayPlan plan;
  plan.file = path;
  gzFile const file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return problem(plan, 0, "cannot be opened");
  std::string text(1 << 16, '\0');
  const int got = gzread(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
  if (got <= 0) return problem(plan, 1, "is empty or damaged");
  text.resize(static_cast<std::size_t>(got));
  std::string_view line = std::string_view(text).substr(0, text.find('\n'));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  std::vector<std::string> header;
  if (line.find('{') == 0) return header;  // JSON lines name their members themselves
  if (!split_csv(line, header)) return problem(plan, 1, "a quote that does not close in the header");
  return header;
}

tl::expected<ReplayFile, ReplayProblem> read_replay_file(const ReplayPlan& plan) {
  gzFile const file = gzopen(plan.file.c_str(), "rb");  // reads plain files, too
  if (file == nullptr) return problem(plan, 0, "cannot be opened");
  std::string text;
  std::vector<char> block(1 << 16);
  int got = 0;
  while ((got = gzread(file, block.data(), static_cast<unsigned>(block.size()))) > 0 && text.size() < largest_file_bytes) text.append(block.data(), static_cast<std::size_t>(got));
  int state = Z_OK;
  const std::string message = gzerror(file, &state);
  const bool failed = got < 0 || (state != Z_OK && state != Z_STREAM_END);
  const bool cut = gzclose(file) == Z_BUF_ERROR;
  if (failed || cut) {
    std::int64_t lines = 1;
    for (const char c : text) lines += c == '\n' ? 1 : 0;
    return problem(plan, lines, cut || state == Z_BUF_ERROR ? "the compressed data ends here: the file is cut" : "the compressed data is damaged from here: " + message);
  }
  if (text.size() >= largest_file_bytes) return problem(plan, 0, "larger than 4 GiB");
  std::string_view name = plan.file;
  if (ends_with(name, ".gz")) name.remove_suffix(3);
  return read_replay_text(text, ends_with(name, ".jsonl") || ends_with(name, ".json") || ends_with(name, ".ndjson"), plan);
}

}  // namespace harrow::sim
