// `harrow judge`: the history checks, on a recorded history.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sim/check/history_rules.h"
#include "sim/cli/command.h"

namespace harrow::cli {
namespace {

constexpr std::uint64_t lines_between_progress = 1'000'000;

}  // namespace

int judge_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.add()("compacted", po::value<std::vector<std::string>>()->value_name("TOPIC"), "a topic that loses records legally");
  options.add()("idempotent", "every producer was: a value is stored once (values must be unique)");
  options.add()("format", po::value<std::string>()->value_name("FORMAT"), "text or json");
  options.positional("history", -1);
  if (const auto done = options.parse(arguments)) return *done;
  const Terminal& terminal = options.terminal;
  const std::vector<std::string> files = options.texts("history");
  const std::string format = options.text("format", "text");
  if (files.empty() || (format != "text" && format != "json")) {
    terminal.warn(files.empty() ? "harrow judge: expected a history: a file of JSON lines, as history.jsonl of a run or serve --record" : "harrow judge: --format is text or json");
    return exit_usage;
  }
  sim::HistoryRules::Limits limits;
  for (const std::string& topic : options.texts("compacted")) limits.compacted.insert(topic);
  limits.idempotent = options.has("idempotent");
  sim::HistoryRules rules(std::move(limits));
  for (const std::string& file : files) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
      terminal.warn("harrow judge: " + file + ": cannot be read");
      return exit_usage;
    }
    std::string text;
    for (std::uint64_t line = 1; std::getline(in, text); ++line) {
      if (text.empty()) continue;
      sim::HistoryOperation operation;
      std::string wrong;
      if (!sim::parse_operation(text, operation, wrong)) {
        terminal.warn(fmt::format("{}:{}:1: {}", file, line, wrong));
        return exit_usage;
      }
      operation.line = line;
      rules.take(operation);
      if (line % lines_between_progress == 0 && terminal.tty_err) terminal.say(fmt::format("{} lines", line));
    }
  }
  const std::vector<sim::HistoryCheck> checks = rules.judge();
  bool failed = false, evaluated = false;
  for (const sim::HistoryCheck& check : checks) {
    failed = failed || check.failed > 0;
    evaluated = evaluated || check.evaluated > 0;
  }
  const char* const verdict = failed ? "fail" : evaluated ? "pass" : "undecided";
  if (format == "json") {
    nlohmann::ordered_json out{{"verdict", verdict}, {"acked", rules.acked()}, {"read", rules.read()}};
    out["checks"] = nlohmann::ordered_json::array();
    for (const sim::HistoryCheck& check : checks)
      out["checks"].push_back({{"id", check.id}, {"name", check.name}, {"evaluated", check.evaluated}, {"failed", check.failed}, {"messages", check.messages}});
    terminal.put(out.dump(2) + "\n");
  } else {
    std::string out = fmt::format("{}  {} acked, {} read\n\nchecks                          evaluated   failed\n", failed ? "FAIL" : evaluated ? "PASS" : "UNDECIDED", rules.acked(), rules.read());
    for (const sim::HistoryCheck& check : checks) {
      out += fmt::format("  {:<4} {:<24} {:>9}   {:>6}\n", check.id, check.name, check.evaluated == 0 ? "none" : std::to_string(check.evaluated), check.failed);
      for (const std::string& message : check.messages) out += "       " + message + "\n";
    }
    terminal.put(out);
  }
  return failed ? exit_failed : evaluated ? exit_ok : exit_undecided;
}

}  // namespace harrow::cli
