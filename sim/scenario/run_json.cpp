#include "sim/scenario/run_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "sim/scenario/units.h"

namespace harrow::sim {

namespace {

using Json = nlohmann::ordered_json;

/// Seconds and milliseconds leave here as decimals; inside everything is an integer.
double seconds(std::int64_t ns) { return static_cast<double>(ns) / 1e9; }
double milliseconds(std::int64_t ns) { return static_cast<double>(ns / 1000) / 1e3; }
std::int64_t ns_of_s(const Json& json) { return json.is_number() ? static_cast<std::int64_t>(json.get<double>() * 1e9 + (json.get<double>() < 0 ? -0.5 : 0.5)) : 0; }
std::int64_t ns_of_ms(const Json& json) { return json.is_number() ? static_cast<std::int64_t>(json.get<double>() * 1e6 + 0.5) : 0; }

Json quantiles(const Quantiles& q) {
  if (q.count == 0) return {{"p50", nullptr}, {"p99", nullptr}, {"p999", nullptr}};
  return {{"p50", milliseconds(q.p50_ns)}, {"p99", milliseconds(q.p99_ns)}, {"p999", milliseconds(q.p999_ns)}};
}

const Json& member(const Json& json, const char* name) {
  static const Json none;
  const auto found = json.find(name);
  return found == json.end() ? none : *found;
}
std::int64_t number(const Json& json, const char* name) {
  const Json& value = member(json, name);
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}
std::string text(const Json& json, const char* name) {
  const Json& value = member(json, name);
  return value.is_string() ? value.get<std::string>() : "";
}
Quantiles quantiles_of(const Json& json) {
  Quantiles q;
  q.count = member(json, "p50").is_number() ? 1 : 0;
  q.p50_ns = ns_of_ms(member(json, "p50"));
  q.p99_ns = ns_of_ms(member(json, "p99"));
  q.p999_ns = ns_of_ms(member(json, "p999"));
  return q;
}

std::string grouped(std::int64_t n) {
  std::string digits = std::to_string(n < 0 ? -n : n), out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return n < 0 ? "-" + out : out;
}

std::string latency_text(const Quantiles& q) {
  if (q.count == 0) return "none";
  return "p50 " + short_duration(q.p50_ns) + ", p99 " + short_duration(q.p99_ns) + ", p99.9 " + short_duration(q.p999_ns);
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  constexpr std::string_view names[] = {"pass", "fail", "undecided"};
  return names[static_cast<std::size_t>(verdict)];
}
std::string_view name_of(FailureKind kind) {
  constexpr std::string_view names[] = {"safety", "liveness", "slo", "crash"};
  return names[static_cast<std::size_t>(kind)];
}
std::string Failure::signature() const {
  std::string signature = std::string(name_of(kind)) + " " + check;
  if (kind == FailureKind::crash) signature += ": " + message.substr(0, message.find('\n'));
  return signature;
}

std::string to_json(const RunResult& r) {
  Json json;
  json["verdict"] = std::string(name_of(r.verdict));
  if (!r.undecided_because.empty()) json["undecided_because"] = r.undecided_because;
  json["scenario"] = r.scenario;
  json["seed"] = r.seed;
  json["trace_hash"] = fmt::format("{:016x}", r.trace_hash);
  json["version"] = r.version;
  json["virtual_s"] = seconds(r.virtual_ns);
  json["wall_s"] = seconds(r.wall_ns);
  json["events"] = r.events;
  json["requests"] = r.requests;
  const RecordCounts& c = r.records;
  json["records"] = {{"sent", c.sent},   {"acked", c.acked},           {"promised", c.promised},     {"readable", c.readable}, {"lost", c.lost}, {"lost_unpromised", c.lost_unpromised},
                     {"duplicated", c.duplicated}, {"duplicated_unpromised", c.duplicated_unpromised}, {"lost_acks_1", c.lost_acks_1}, {"lost_acks_0", c.lost_acks_0}};
  json["checks"] = Json::array();
  for (const CheckResult& check : r.checks) json["checks"].push_back({{"id", check.id}, {"name", check.name}, {"evaluated", check.evaluated}, {"failed", check.failed}});
  json["sometimes"] = Json::array();
  for (const MarkResult& mark : r.sometimes) json["sometimes"].push_back({{"name", mark.name}, {"reached", mark.reached}});
  if (!r.unreached.empty()) json["unreached"] = r.unreached;
  json["faults"] = Json::array();
  for (const FaultResult& fault : r.faults) {
    Json row{{"kind", fault.kind}, {"target", fault.target}, {"at_s", seconds(fault.at_ns)}, {"until_s", nullptr}, {"unavailable_ms", milliseconds(fault.unavailable_ns)}};
    if (fault.until_ns >= 0) row["until_s"] = seconds(fault.until_ns);
    json["faults"].push_back(row);
  }
  json["latency_ms"] = {{"produce", quantiles(r.produce)}, {"end_to_end", quantiles(r.end_to_end)}};
  json["lag"] = {{"max", r.lag_max}, {"at_end", r.lag_at_end}};
  json["under_replicated"] = {{"max", r.under_replicated_max}, {"seconds", seconds(r.under_replicated_ns)}};
  json["elections"] = r.elections;
  json["isr_shrinks"] = r.isr_shrinks;
  json["truncations"] = r.truncations;
  json["replay"] = r.replay;
  if (!r.bug.empty()) json["bug"] = r.bug;
  json["failure"] = nullptr;
  if (r.failure) {
    const Failure& f = *r.failure;
    json["failure"] = {{"check", f.check},         {"id", f.id},           {"kind", std::string(name_of(f.kind))}, {"at_s", seconds(f.at_ns)}, {"node", f.node}, {"topic", f.topic},
                       {"partition", f.partition}, {"offset", f.offset}, {"message", f.message},                 {"replay", f.replay}};
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<RunResult> parse_run_json(std::string_view source) {
  const Json json = Json::parse(source, nullptr, false);
  if (!json.is_object() || !member(json, "verdict").is_string()) return std::nullopt;
  RunResult r;
  const std::string verdict = text(json, "verdict");
  r.verdict = verdict == "pass" ? Verdict::pass : verdict == "fail" ? Verdict::fail : Verdict::undecided;
  r.undecided_because = text(json, "undecided_because");
  r.scenario = text(json, "scenario");
  if (member(json, "seed").is_number_integer()) r.seed = member(json, "seed").get<std::uint64_t>();
  for (const char c : text(json, "trace_hash")) r.trace_hash = r.trace_hash * 16 + static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  r.version = text(json, "version");
  r.replay = text(json, "replay");
  r.bug = text(json, "bug");
  r.virtual_ns = ns_of_s(member(json, "virtual_s"));
  r.wall_ns = ns_of_s(member(json, "wall_s"));
  r.events = number(json, "events");
  r.requests = number(json, "requests");
  const Json& c = member(json, "records");
  r.records = {number(c, "sent"),       number(c, "acked"),                 number(c, "promised"),    number(c, "readable"),   number(c, "lost"), number(c, "lost_unpromised"),
               number(c, "duplicated"), number(c, "duplicated_unpromised"), number(c, "lost_acks_1"), number(c, "lost_acks_0")};
  for (const Json& row : member(json, "checks")) r.checks.push_back({text(row, "id"), text(row, "name"), number(row, "evaluated"), number(row, "failed")});
  for (const Json& row : member(json, "sometimes")) r.sometimes.push_back({text(row, "name"), number(row, "reached")});
  for (const Json& row : member(json, "unreached"))
    if (row.is_string()) r.unreached.push_back(row.get<std::string>());
  for (const Json& row : member(json, "faults"))
    r.faults.push_back({text(row, "kind"), text(row, "target"), ns_of_s(member(row, "at_s")), member(row, "until_s").is_number() ? ns_of_s(member(row, "until_s")) : -1,
                        ns_of_ms(member(row, "unavailable_ms"))});
  r.produce = quantiles_of(member(member(json, "latency_ms"), "produce"));
  r.end_to_end = quantiles_of(member(member(json, "latency_ms"), "end_to_end"));
  r.lag_max = number(member(json, "lag"), "max");
  r.lag_at_end = number(member(json, "lag"), "at_end");
  r.under_replicated_max = number(member(json, "under_replicated"), "max");
  r.under_replicated_ns = ns_of_s(member(member(json, "under_replicated"), "seconds"));
  r.elections = number(json, "elections");
  r.isr_shrinks = number(json, "isr_shrinks");
  r.truncations = number(json, "truncations");
  if (const Json& f = member(json, "failure"); f.is_object()) {
    Failure failure;
    failure.check = text(f, "check");
    failure.id = text(f, "id");
    const std::string kind = text(f, "kind");
    failure.kind = kind == "liveness" ? FailureKind::liveness : kind == "slo" ? FailureKind::slo : kind == "crash" ? FailureKind::crash : FailureKind::safety;
    failure.at_ns = ns_of_s(member(f, "at_s"));
    failure.node = text(f, "node");
    failure.topic = text(f, "topic");
    failure.partition = static_cast<std::int32_t>(number(f, "partition"));
    failure.offset = number(f, "offset");
    failure.message = text(f, "message");
    failure.replay = text(f, "replay");
    r.failure = std::move(failure);
  }
  return r;
}

std::string loss_line(const RecordCounts& records) {
  std::string line = "acks=all: " + grouped(records.lost) + " lost.";
  const std::int64_t other = records.lost_unpromised - records.lost_acks_1 - records.lost_acks_0;
  if (records.lost_acks_1 > 0) line += " acks=1: " + grouped(records.lost_acks_1) + " lost, as its settings allow.";
  if (records.lost_acks_0 > 0) line += " acks=0: " + grouped(records.lost_acks_0) + " lost, as its settings allow.";
  if (other > 0) line += " acks=all without a promise: " + grouped(other) + " lost, as its settings allow.";
  return line;
}

std::string to_text(const RunResult& r, bool colour) {
  const auto tinted = [&](const char* code, const std::string& text) { return colour ? "\033[" + std::string(code) + "m" + text + "\033[0m" : text; };
  std::string out;
  const char* const code = r.verdict == Verdict::pass ? "1;32" : r.verdict == Verdict::fail ? "1;31" : "1;33";
  out += tinted(code, std::string(r.verdict == Verdict::pass ? "PASS" : r.verdict == Verdict::fail ? "FAIL" : "UNDECIDED")) + "  " + r.scenario + ", seed " + std::to_string(r.seed) + "\n";
  if (!r.undecided_because.empty()) out += "  " + r.undecided_because + "\n";
  if (r.failure) {
    const Failure& f = *r.failure;
    out += tinted("31", "  " + f.check + (f.id.empty() || f.id == f.check ? "" : " (" + f.id + ")") + ", " + std::string(name_of(f.kind)) + ", at " + short_duration(f.at_ns)) +
           (f.node.empty() ? "" : " on " + f.node) + (f.topic.empty() ? "" : " in " + f.topic + "/" + std::to_string(f.partition)) +
           (f.offset < 0 ? "" : " at offset " + grouped(f.offset)) + "\n    " + f.message + "\n";
  }
  const RecordCounts& c = r.records;
  out += "\nrecords     sent " + grouped(c.sent) + ", acked " + grouped(c.acked) + ", promised " + grouped(c.promised) + ", readable " + grouped(c.readable) + "\n";
  out += "            lost " + grouped(c.lost) + ", duplicated " + grouped(c.duplicated) + "; allowed by the settings: lost " + grouped(c.lost_unpromised) + ", duplicated " +
         grouped(c.duplicated_unpromised) + "\n";
  out += "produce     " + latency_text(r.produce) + "\nend to end  " + latency_text(r.end_to_end) + "\n";
  out += "lag         at most " + grouped(r.lag_max) + " records, at the end " + grouped(r.lag_at_end) + "\n";
  out += "replication at most " + grouped(r.under_replicated_max) + " partitions under-replicated, for " + short_duration(r.under_replicated_ns) + " in all\n";
  out += "            " + grouped(r.elections) + " elections, " + grouped(r.isr_shrinks) + " ISR shrinks, " + grouped(r.truncations) + " truncations\n";
  if (!r.faults.empty()) {
    out += "\nfaults                                        from      until     producers waited\n";
    for (const FaultResult& fault : r.faults)
      out += fmt::format("  {:<44}{:<10}{:<10}{}\n", (fault.kind + " " + fault.target).substr(0, 43), short_duration(fault.at_ns), fault.until_ns < 0 ? "the end" : short_duration(fault.until_ns),
                         fault.unavailable_ns > 0 ? short_duration(fault.unavailable_ns) : "-");
  }
  if (!r.checks.empty()) {
    out += "\nchecks                                        evaluated   failed\n";
    for (const CheckResult& check : r.checks) {
      std::string name = check.id.empty() || check.id == check.name ? check.name : check.id + " " + check.name;
      std::string line = fmt::format("  {:<44}{:<12}{}", name.substr(0, 43), check.evaluated == 0 ? "not reached" : grouped(check.evaluated), grouped(check.failed));
      out += (check.failed > 0 ? tinted("31", line) : check.evaluated == 0 ? tinted("2", line) : line) + "\n";
    }
  }
  if (!r.sometimes.empty()) {
    std::string reached, missed;
    for (const MarkResult& mark : r.sometimes) {
      std::string& list = mark.reached > 0 ? reached : missed;
      list += (list.empty() ? "" : ", ") + mark.name + (mark.reached > 0 ? " " + grouped(mark.reached) : "");
    }
    if (!reached.empty()) out += "\nsometimes   " + reached + "\n";
    if (!missed.empty()) out += (reached.empty() ? "\n" : "") + std::string("not reached in this run: ") + missed + "\n";
  }
  for (const std::string& mark : r.unreached) out += tinted("31", "required but not reached: " + mark) + "\n";
  const std::int64_t ratio = r.wall_ns > 0 ? r.virtual_ns / r.wall_ns : 0;
  out += "\ntime        " + short_duration(r.virtual_ns) + " virtual in " + short_duration(r.wall_ns) + " (" + grouped(ratio) + " times real time), " + grouped(r.events) + " events, " +
         grouped(r.requests) + " requests\n";
  out += fmt::format("hash        {:016x}\n", r.trace_hash);
  if (!r.replay.empty()) out += "repeat      " + r.replay + "\n";
  out += loss_line(c) + "\n";
  return out;
}

}  // namespace harrow::sim
