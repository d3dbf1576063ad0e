// The checks that need nothing but a history: what clients asked and were told. For histories of runs, of served clusters
// (`serve --record`) and of somebody's own client; one JSON object a line, as history.jsonl has them.
// Rules: I57 one value per offset; I13 no acked loss (an acked record is never passed over by a reader); I39 send order
// (a client's acked records stand in a partition in the order of its sends); I38 value once (only for idempotent producers).
// Legal exceptions: what nobody has read is not judged; a reader that was reassigned or reset begins anew; topics that are
// compacted lose records legally and must be named.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace harrow::sim {

struct HistoryOperation {
  enum class Type : std::uint8_t { invoke, ok, fail, info };
  Type type = Type::info;
  std::string op;         // send, poll, assign, revoke; others are skipped
  std::string client;
  std::string topic;
  std::int32_t partition = -1;
  std::int64_t sequence = -1;  // of the client's sends; -1: unknown
  std::int16_t acks = -1;
  std::int64_t offset = -1;
  std::int64_t from = -1;      // poll: where a whole answer began, if it is known
  std::uint64_t value = 0;     // hash of the record's value
  std::uint64_t line = 0;
};
/// False, and why, if the line is no operation: "expected ..., found ...".
bool parse_operation(std::string_view text, HistoryOperation& out, std::string& wrong);

struct HistoryCheck {
  std::string id, name;
  std::int64_t evaluated = 0, failed = 0;
  std::vector<std::string> messages;  // the first few
};

class HistoryRules {
 public:
  struct Limits {
    std::set<std::string> compacted;  // topics
    bool idempotent = false;          // every producer is: a value is stored once
  };
  explicit HistoryRules(Limits limits) : limits_(std::move(limits)) {}
  void take(const HistoryOperation& operation);
  /// After the last operation.
  std::vector<HistoryCheck> judge();
  std::int64_t acked() const { return acked_; }
  std::int64_t read() const { return read_; }

 private:
  using Place = std::pair<std::string, std::int32_t>;
  struct Seen {
    std::int64_t offset;
    std::uint64_t value;
    std::uint64_t line;
    bool promised;  // a send, acked with acks=all
    bool is_read;
  };
  struct Gap {
    std::int64_t from, until;  // both skipped
    std::uint64_t line;
  };
  struct Sent {
    std::int64_t sequence, offset;
    std::uint64_t line;
  };
  struct PartitionHistory {
    std::vector<Seen> seen;
    std::vector<Gap> gaps;
    std::map<std::string, std::vector<Sent>> sent;  // by client
  };
  Limits limits_;
  std::map<Place, PartitionHistory> partitions_;
  std::map<std::pair<std::string, Place>, std::int64_t> positions_;  // the last offset each reader has seen
  std::int64_t acked_ = 0, read_ = 0;
};

}  // namespace harrow::sim
