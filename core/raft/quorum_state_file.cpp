#include "core/raft/quorum_state_file.h"

#include <fmt/format.h>

namespace harrow::raft {

namespace {

// Just enough JSON to read what Kafka's writer makes; nested values are skipped.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  bool failed() const { return failed_; }
  bool take(char c) {
    blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) failed_ = true;
  }
  char peek() {
    blanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool at_end() {
    blanks();
    return at_ == text_.size();
  }
  std::string_view string() {
    expect('"');
    const std::size_t from = at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size()) {
      failed_ = true;
      return {};
    }
    return text_.substr(from, at_++ - from);
  }
  std::int64_t number() {
    const bool negative = take('-');
    std::int64_t value = 0;
    std::size_t digits = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_, ++digits) value = value * 10 + (text_[at_] - '0');
    if (digits == 0 || digits > 18) failed_ = true;
    return negative ? -value : value;
  }
  /// Any value, brackets balanced.
  void skip() {
    int depth = 0;
    do {
      const char c = peek();
      if (c == '\0') {
        failed_ = true;
        return;
      }
      if (c == '"') {
        string();
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) return;
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++at_;
      if (depth == 0 && (c == '}' || c == ']')) return;
    } while (!failed_ && (depth > 0 || (peek() != ',' && peek() != '}' && peek() != ']')));
  }

 private:
  void blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) ++at_;
  }
  std::string_view text_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace

std::string quorum_state_text(const HardState& state, const VoterSet& voters, std::int16_t version) {
  if (version == 0) {
    std::string list;
    for (const ReplicaKey& voter : voters.all()) list += fmt::format("{}{{\"voterId\":{}}}", list.empty() ? "" : ",", voter.id.value());
    return fmt::format(
        "{{\"clusterId\":\"\",\"leaderId\":{},\"leaderEpoch\":{},\"votedId\":{},\"appliedOffset\":0,\"currentVoters\":[{}],"
        "\"data_version\":0}}",
        state.leader.value(), state.epoch.value(), state.voted.id.value(), list);
  }
  return fmt::format("{{\"leaderId\":{},\"leaderEpoch\":{},\"votedId\":{},\"votedDirectoryId\":\"{}\",\"data_version\":1}}",
                     state.leader.value(), state.epoch.value(), state.voted.id.value(), to_text(state.voted.directory));
}

Result<HardState> parse_quorum_state(std::string_view text) {
  HardState state;
  std::int64_t version = -1;
  Parser parser(text);
  parser.expect('{');
  bool has_epoch = false;
  while (!parser.failed() && parser.peek() != '}') {
    const std::string_view name = parser.string();
    parser.expect(':');
    if (name == "leaderId") {
      state.leader = NodeId{parser.number()};
    } else if (name == "leaderEpoch") {
      state.epoch = LeaderEpoch{parser.number()};
      has_epoch = true;
    } else if (name == "votedId") {
      state.voted.id = NodeId{parser.number()};
    } else if (name == "votedDirectoryId") {
      if (!parse_uuid(parser.string(), state.voted.directory)) return error(Code::malformed_input, "quorum-state: bad directory id");
    } else if (name == "data_version") {
      version = parser.number();
    } else {
      parser.skip();
    }
    if (!parser.take(',')) break;
  }
  parser.expect('}');
  if (parser.failed() || !parser.at_end()) return error(Code::malformed_input, "quorum-state: not the expected JSON");
  if (!has_epoch || state.epoch < LeaderEpoch{0}) return error(Code::malformed_input, "quorum-state: no epoch");
  if (version != 0 && version != 1) return error(Code::malformed_input, "quorum-state: unknown data_version");
  return state;
}

}  // namespace harrow::raft
