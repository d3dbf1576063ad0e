// Judging a history: each rule with what passes and what must fail.
#include <gtest/gtest.h>

#include "sim/check/history_rules.h"

namespace harrow::sim {
namespace {

std::string send(int offset, const char* value, int sequence = -1, const char* client = "shop", int acks = -1) {
  return R"({"type":"ok","op":"send","client":")" + std::string(client) + R"(","topic":"orders","partition":0,"acks":)" + std::to_string(acks) + R"(,"sequence":)" + std::to_string(sequence) +
         R"(,"value":")" + value + R"(","offset":)" + std::to_string(offset) + "}";
}
std::string poll(int offset, const char* value, int from = -1, const char* client = "billing") {
  return R"({"type":"ok","op":"poll","client":")" + std::string(client) + R"(","topic":"orders","partition":0,"from":)" + std::to_string(from) + R"(,"offset":)" + std::to_string(offset) + R"(,"value":")" + value + "\"}";
}

/// failed/evaluated by id
std::map<std::string, std::pair<std::int64_t, std::int64_t>> judged(const std::vector<std::string>& lines, HistoryRules::Limits limits = {}) {
  HistoryRules rules(std::move(limits));
  std::uint64_t line = 0;
  for (const std::string& text : lines) {
    HistoryOperation operation;
    std::string wrong;
    EXPECT_TRUE(parse_operation(text, operation, wrong)) << text << ": " << wrong;
    operation.line = ++line;
    rules.take(operation);
  }
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> found;
  for (const HistoryCheck& check : rules.judge()) found[check.id] = {check.failed, check.evaluated};
  return found;
}

using Pair = std::pair<std::int64_t, std::int64_t>;

TEST(History, what_was_acked_and_read_passes) {
  auto found = judged({send(0, "a", 0), send(1, "b", 1), poll(0, "a"), poll(1, "b")}, {{}, true});
  EXPECT_EQ(found["I13"], Pair(0, 2));
  EXPECT_EQ(found["I57"], Pair(0, 2));
  EXPECT_EQ(found["I39"], Pair(0, 1));
  EXPECT_EQ(found["I38"].first, 0);
}

TEST(History, an_acked_record_that_a_reader_passes_over_is_lost) {
  EXPECT_EQ(judged({send(0, "a"), send(1, "b"), poll(0, "a"), poll(2, "c")})["I13"], Pair(1, 2));
  EXPECT_EQ(judged({send(1, "b"), poll(2, "c", 0)})["I13"], Pair(1, 1)) << "an answer that began before it";
  EXPECT_EQ(judged({send(1, "b", -1, "shop", 1), poll(0, "a"), poll(2, "c")})["I13"], Pair(0, 0)) << "acks=1 promises nothing";
  EXPECT_EQ(judged({send(1, "b"), poll(0, "a"), poll(2, "c")}, {{"orders"}, false})["I13"], Pair(0, 0)) << "compacted";
  EXPECT_EQ(judged({send(5, "f")})["I13"], Pair(0, 0)) << "nobody has read so far";
}

TEST(History, a_reassigned_or_reset_reader_begins_anew) {
  const std::string assign = R"({"type":"ok","op":"assign","client":"billing","group":"billing","generation":2,"partitions":["orders/0"]})";
  EXPECT_EQ(judged({send(1, "b"), poll(0, "a"), assign, poll(2, "c")})["I13"], Pair(0, 0));
  EXPECT_EQ(judged({send(1, "b"), poll(0, "a"), R"({"type":"info","op":"position_reset","a":0,"b":2})", poll(2, "c")})["I13"], Pair(0, 0));
}

TEST(History, two_values_at_one_offset_fail) {
  EXPECT_EQ(judged({send(0, "a"), poll(0, "b")})["I57"], Pair(1, 1));
  EXPECT_EQ(judged({poll(0, "a"), poll(0, "b", -1, "audit")})["I57"], Pair(1, 1));
}

TEST(History, sends_of_one_client_out_of_order_fail) {
  EXPECT_EQ(judged({send(5, "a", 1), send(4, "b", 2)})["I39"], Pair(1, 1));
  EXPECT_EQ(judged({send(5, "a", 1), send(4, "b", 2, "other")})["I39"], Pair(0, 0));
}

TEST(History, a_value_stored_twice_fails_for_idempotent_producers_only) {
  const std::vector<std::string> lines{send(0, "a"), poll(0, "a"), poll(1, "a")};
  EXPECT_EQ(judged(lines, {{}, true})["I38"].first, 1);
  EXPECT_EQ(judged(lines).count("I38"), 0u);
}

TEST(History, a_line_that_is_no_operation_says_what_was_expected) {
  HistoryOperation operation;
  std::string wrong;
  for (const char* const text : {"nonsense", "[]", R"({"type":"okay","op":"send"})", R"({"type":"ok"})", R"({"type":"ok","op":"poll","topic":"t","partition":0,"offset":1,"value":"zz"})",
                                 R"({"type":"ok","op":"poll","partition":0,"offset":1,"value":"a"})"}) {
    EXPECT_FALSE(parse_operation(text, operation, wrong)) << text;
    EXPECT_TRUE(wrong.starts_with("expected")) << wrong;
  }
}

}  // namespace
}  // namespace harrow::sim
