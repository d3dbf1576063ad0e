#include "sim/check/history_rules.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace harrow::sim {
namespace {

constexpr std::size_t most_messages = 5;

void fail(HistoryCheck& check, std::string message) {
  ++check.failed;
  if (check.messages.size() < most_messages) check.messages.push_back(std::move(message));
}

}  // namespace

bool parse_operation(std::string_view text, HistoryOperation& out, std::string& wrong) {
  const nlohmann::json row = nlohmann::json::parse(text, nullptr, false);
  if (!row.is_object()) {
    wrong = "expected a JSON object";
    return false;
  }
  const auto word = [&](const char* key) { return row.contains(key) && row[key].is_string() ? row[key].get<std::string>() : std::string(); };
  const auto number = [&](const char* key) { return row.contains(key) && row[key].is_number_integer() ? row[key].get<std::int64_t>() : std::int64_t{-1}; };
  const std::string type = word("type");
  if (type == "invoke") out.type = HistoryOperation::Type::invoke;
  else if (type == "ok") out.type = HistoryOperation::Type::ok;
  else if (type == "fail") out.type = HistoryOperation::Type::fail;
  else if (type == "info") out.type = HistoryOperation::Type::info;
  else {
    wrong = "expected \"type\" to be invoke, ok, fail or info, found '" + type + "'";
    return false;
  }
  out.op = word("op");
  if (out.op.empty()) {
    wrong = "expected \"op\": send, poll, assign or revoke";
    return false;
  }
  out.client = word("client");
  out.topic = word("topic");
  out.partition = static_cast<std::int32_t>(number("partition"));
  out.sequence = number("sequence");
  out.acks = static_cast<std::int16_t>(number("acks"));
  out.offset = number("offset");
  out.from = number("from");
  const bool told = out.type == HistoryOperation::Type::ok && (out.op == "send" || out.op == "poll");
  if (!told) return true;
  const std::string value = word("value");
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), out.value, 16);
  if (value.empty() || parsed.ec != std::errc() || parsed.ptr != value.data() + value.size()) {
    wrong = "expected \"value\": the hash of the record's value in hexadecimal digits, found '" + value + "'";
    return false;
  }
  if (out.topic.empty() || out.partition < 0 || (out.op == "poll" && out.offset < 0)) {
    wrong = "expected \"topic\", \"partition\" and \"offset\"";
    return false;
  }
  return true;
}

void HistoryRules::take(const HistoryOperation& operation) {
  if (operation.op == "position_reset") {
    positions_.clear();  // it does not say whose: nobody is judged across it
    return;
  }
  if (operation.op == "assign" || operation.op == "revoke") {
    std::erase_if(positions_, [&](const auto& one) { return one.first.first == operation.client; });
    return;
  }
  if (operation.type != HistoryOperation::Type::ok) return;
  const Place place{operation.topic, operation.partition};
  if (operation.op == "send") {
    ++acked_;
    if (operation.offset < 0) return;  // acks=0 learns none
    PartitionHistory& partition = partitions_[place];
    partition.seen.push_back({operation.offset, operation.value, operation.line, operation.acks == -1, false});
    if (operation.acks == -1 && operation.sequence >= 0) partition.sent[operation.client].push_back({operation.sequence, operation.offset, operation.line});
  } else if (operation.op == "poll") {
    ++read_;
    PartitionHistory& partition = partitions_[place];
    partition.seen.push_back({operation.offset, operation.value, operation.line, false, true});
    const auto [position, first] = positions_.try_emplace({operation.client, place}, operation.offset - 1);
    if (operation.from >= 0) position->second = operation.from - 1;
    if (operation.offset > position->second + 1) partition.gaps.push_back({position->second + 1, operation.offset - 1, operation.line});
    position->second = operation.offset;
  }
}

std::vector<HistoryCheck> HistoryRules::judge() {
  HistoryCheck values{"I57", "one-value-per-offset"}, loss{"I13", "no-acked-loss"}, order{"I39", "send-order"}, once{"I38", "value-once"};
  for (auto& [place, partition] : partitions_) {
    const std::string where = place.first + "/" + std::to_string(place.second);
    std::vector<Seen>& seen = partition.seen;
    std::sort(seen.begin(), seen.end(), [](const Seen& a, const Seen& b) { return a.offset != b.offset ? a.offset < b.offset : a.line < b.line; });
    for (std::size_t i = 1; i < seen.size(); ++i) {
      if (seen[i].offset != seen[i - 1].offset) continue;
      ++values.evaluated;
      if (seen[i].value != seen[i - 1].value)
        fail(values, where + " offset " + std::to_string(seen[i].offset) + ": line " + std::to_string(seen[i - 1].line) + " and line " + std::to_string(seen[i].line) + " say different values");
    }
    if (!limits_.compacted.contains(place.first)) {
      for (std::size_t i = 0, next = 0; i < seen.size(); i = next) {
        bool promised = false, was_read = false;
        for (next = i; next < seen.size() && seen[next].offset == seen[i].offset; ++next) {
          promised = promised || seen[next].promised;
          was_read = was_read || seen[next].is_read;
        }
        loss.evaluated += promised && was_read;
      }
      for (const Gap& gap : partition.gaps) {
        auto at = std::lower_bound(seen.begin(), seen.end(), gap.from, [](const Seen& a, std::int64_t offset) { return a.offset < offset; });
        for (; at != seen.end() && at->offset <= gap.until; ++at)
          if (at->promised) {
            ++loss.evaluated;
            fail(loss, where + " offset " + std::to_string(at->offset) + ": acked (line " + std::to_string(at->line) + "), and passed over by a reader (line " + std::to_string(gap.line) + ")");
          }
      }
    }
    for (auto& [client, sent] : partition.sent) {
      std::sort(sent.begin(), sent.end(), [](const Sent& a, const Sent& b) { return a.sequence < b.sequence; });
      for (std::size_t i = 1; i < sent.size(); ++i) {
        ++order.evaluated;
        if (sent[i].offset <= sent[i - 1].offset)
          fail(order, where + ", " + client + ": send " + std::to_string(sent[i].sequence) + " stands at " + std::to_string(sent[i].offset) + ", the one before it at " + std::to_string(sent[i - 1].offset) +
                          " (line " + std::to_string(sent[i].line) + ")");
      }
    }
    if (limits_.idempotent) {
      std::map<std::uint64_t, Seen> first;
      for (const Seen& one : seen) {
        const auto [known, fresh] = first.try_emplace(one.value, one);
        ++once.evaluated;
        if (!fresh && known->second.offset != one.offset)
          fail(once, where + ": the value of line " + std::to_string(one.line) + " stands at " + std::to_string(known->second.offset) + " and at " + std::to_string(one.offset));
      }
    }
  }
  std::vector<HistoryCheck> checks{std::move(loss), std::move(values), std::move(order)};
  if (limits_.idempotent) checks.push_back(std::move(once));
  return checks;
}

}  // namespace harrow::sim
