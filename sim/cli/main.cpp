// harrow: one executable, one file a command.
#include <cstdio>

#include "sim/cli/command.h"
#include "sim/cli/size.h"
#include "sim/cli/tool.h"
#include "sim/scenario/tree.h"

namespace harrow::cli {

namespace {

using Examples = std::string_view[3];
constexpr Examples run_examples{"harrow run scenarios/first-light.yaml --seed 7", "harrow run my.yaml --set cluster/config/min.insync.replicas=1 --out results/try",
                                "harrow run scenarios/leader-crash.yaml --format json | jq .latency_ms"};
constexpr Examples swarm_examples{"harrow swarm scenarios/first-light.yaml --seeds 1..500", "harrow swarm scenarios/*.yaml --duration 10m --jobs 4 --junit swarm.xml",
                                  "harrow swarm my.yaml --seeds 1..100 --grid workload/producers/shop/client/acks=1,all"};
constexpr Examples replay_examples{"harrow replay latest-failed --until 12.5s", "harrow replay scenarios/first-light.yaml --seed 7 --verify", "harrow replay latest --events"};
constexpr Examples minimise_examples{"harrow minimise latest-failed", "harrow minimise results/runs/first-light/20260105T080000Z-s42 --out small.yaml", "harrow minimize latest-failed --seeds 5"};
constexpr Examples check_examples{"harrow check scenarios/*.yaml", "harrow check my.yaml --expand --seed 7", "harrow check --schema > scenarios/scenario.schema.json"};
constexpr Examples new_examples{"harrow new my.yaml", "harrow new scenarios/rack-loss.yaml", "harrow new my.yaml && harrow run my.yaml"};
constexpr Examples list_examples{"harrow list", "harrow list presets", "harrow list marks"};
constexpr Examples show_examples{"harrow show latest", "harrow show latest-failed", "harrow show latest --format json"};
constexpr Examples report_examples{"harrow report latest", "harrow report latest-failed", "harrow report results/runs/first-light/20260105T080000Z-s7"};
constexpr Examples museum_examples{"harrow museum list", "harrow museum run R01 --seeds 1..50", "harrow museum run --all --seeds 1..100"};
constexpr Examples log_examples{"harrow log dump data/orders-0", "harrow log verify data", "harrow log verify /var/lib/kafka/data"};
constexpr Examples bench_examples{"harrow bench kernel", "harrow bench cluster --seeds 1..20", "harrow bench saturated --scale 25"};
constexpr Examples size_examples{"harrow size --ingress 200MB/s --record 1KiB --egress 3x --retention 3d --survive zone --slo produce-p99=50ms", "harrow size --preset netflix-keystone --equations",
                                 "harrow size --traffic edits.csv.gz --key page --speed 10000x --egress 2x --retention 7d"};
constexpr Examples serve_examples{"harrow serve --brokers 3 --topic orders:12:3", "harrow serve --port 9092 --data data", "harrow serve --brokers 3 --port 0 --ready-file ready --admin-file admin --fast-failover"};
constexpr Examples chaos_examples{"harrow chaos 127.0.0.1:8080 'kill: leader(orders/0), restart: after 2s'", "harrow chaos admin 'inject: OFFSET_OUT_OF_RANGE, api: Fetch, calls: 1'", "harrow chaos admin list"};
constexpr Examples judge_examples{"harrow judge results/runs/latest/history.jsonl", "harrow judge served.jsonl --idempotent", "harrow judge mine.jsonl --format json | jq .verdict"};
constexpr Examples random_uuid_examples{"harrow random-uuid", "harrow format -t $(harrow random-uuid) -c server.properties", "CLUSTER=$(harrow random-uuid)"};
constexpr Examples format_examples{"harrow format -t $(harrow random-uuid) -c server.properties --standalone", "harrow format -t \"$CLUSTER\" -c node-2.properties", "harrow format -t \"$CLUSTER\" -c node-2.properties --ignore-formatted"};
constexpr Examples topics_examples{"harrow topics --bootstrap-server localhost:9092 --create --topic orders --partitions 3 --replication-factor 1", "harrow topics --bootstrap-server localhost:9092 --describe --topic orders",
                                   "harrow topics --bootstrap-server localhost:9092 --list"};
constexpr Examples console_producer_examples{"harrow console-producer --bootstrap-server localhost:9092 --topic orders", "harrow console-producer --bootstrap-server localhost:9092 --topic orders --property parse.key=true --property key.separator=: < lines",
                                             "harrow console-producer --bootstrap-server localhost:9092 --topic orders --producer-property acks=1 --compression-codec zstd"};
constexpr Examples console_consumer_examples{"harrow console-consumer --bootstrap-server localhost:9092 --topic orders --from-beginning", "harrow console-consumer --bootstrap-server localhost:9092 --topic orders --group billing --max-messages 10",
                                             "harrow console-consumer --bootstrap-server localhost:9092 --topic orders --from-beginning --timeout-ms 2000 --property print.key=true"};
constexpr Examples groups_examples{"harrow groups --bootstrap-server localhost:9092 --list", "harrow groups --bootstrap-server localhost:9092 --describe --group billing", "harrow groups --bootstrap-server localhost:9092 --delete --group billing"};
constexpr Examples version_examples{"harrow version", "harrow version --json", "harrow version -q"};

constexpr Command table[] = {
    {"run", "", "FILE... [--seed N] [--set PATH=VALUE]... [options]", "Runs scenarios, each once, and says what happened.", run_examples, run_command},
    {"swarm", "", "FILE... --seeds A..B | --duration TIME [options]", "Runs a scenario with many seeds.", swarm_examples, swarm_command},
    {"replay", "", "RUN | FILE --seed N [--until TIME] [--verify] [--events]", "Repeats a run: to look at it, or to see that it is the same.", replay_examples, replay_command},
    {"minimise", "minimize", "RUN [--out FILE]", "Drops faults for as long as the same check fails, and writes a scenario.", minimise_examples, minimise_command},
    {"check", "", "FILE... [--expand --seed N] [--schema] [--strict]", "Validates scenarios without running them.", check_examples, check_command},
    {"new", "", "FILE", "Writes a commented scenario to edit.", new_examples, new_command},
    {"list", "", "[runs|presets|marks|checks|faults]", "Lists results, or what scenarios may name.", list_examples, list_command},
    {"show", "", "RUN", "Prints what a run found; RUN is a folder, latest or latest-failed.", show_examples, show_command},
    {"report", "", "RUN", "Writes report.html into a run's folder.", report_examples, report_command},
    {"museum", "", "list | run ID | run --all", "Switches historical bugs on and shows which check catches each (museum build only).", museum_examples, museum_command},
    {"log", "", "dump|verify DIR", "Looks into log folders of Harrow and of Apache Kafka.", log_examples, log_command},
    {"bench", "", "kernel|cluster|checks|saturated|brokers|idle|append|costs", "Measures, and prints rows as JSON.", bench_examples, bench_command},
    {"serve", "", "[--brokers N] [--port PORT] [--data DIR] [--config FILE] [--set KEY=VALUE]... [--topic NAME:PARTITIONS:RF]... [options]", "Runs a real node or cluster on this machine, for development and tests.", serve_examples, serve_command},
    {"chaos", "", "ADMIN FAULT...|list|heal", "Makes faults happen on a cluster that harrow serve runs.", chaos_examples, chaos_command},
    {"judge", "", "HISTORY... [--idempotent] [--compacted TOPIC]... [--format FORMAT]", "Applies the history checks to what clients asked and were told.", judge_examples, judge_command},
    {"random-uuid", "", "", "Prints a cluster id.", random_uuid_examples, random_uuid_command},
    {"format", "", "-t UUID -c FILE [--standalone]", "Formats a node's log folder, as its server.properties names it.", format_examples, format_command},
    {"topics", "", "--create|--list|--describe|--alter|--delete [--topic NAME] [options]", "Makes, lists, shows and deletes topics.", topics_examples, topics_command},
    {"console-producer", "", "--topic TOPIC [options]", "Sends lines of standard input.", console_producer_examples, console_producer_command},
    {"console-consumer", "", "--topic TOPIC [--from-beginning] [--group GROUP] [options]", "Prints records.", console_consumer_examples, console_consumer_command},
    {"groups", "", "--list|--describe|--delete [--group GROUP]", "Lists, shows and deletes consumer groups.", groups_examples, groups_command},
    {"size", "", "--ingress RATE --record SIZE --egress TIMES --retention TIME [--survive WHAT] [--slo LIMIT]... | --preset NAME | --traffic FILE | SCENARIO", "How many of which machines, at what price, and what binds; confirmed by simulation.", size_examples, size_command},
    {"version", "", "[--json]", "Prints the version.", version_examples, version_command},
};

int usage(std::FILE* to) {
  std::string out = "Examples:\n  harrow run scenarios/first-light.yaml --seed 7\n  harrow swarm scenarios/first-light.yaml --seeds 1..100\n  harrow new my.yaml\n\nCommands:\n";
  for (const Command& command : table) {
    std::string name(command.name);
    name.resize(17, ' ');
    out += "  " + name + std::string(command.summary) + "\n";
  }
  out += "\n`harrow COMMAND -h` says more.\n";
  std::fwrite(out.data(), 1, out.size(), to);
  return to == stdout ? exit_ok : exit_usage;
}

}  // namespace

std::span<const Command> commands() { return table; }

int dispatch(int count, char** words) {
  if (count < 2) return usage(stderr);
  const std::string_view name = words[1];
  if (name == "-h" || name == "--help" || name == "help") return usage(stdout);
  const std::string_view wanted = name == "--version" ? "version" : name;
  std::vector<std::string_view> names;
  for (const Command& command : table) {
    names.push_back(command.name);
    if (command.name == wanted || (!command.alias.empty() && command.alias == wanted))
      return command.run(command, std::vector<std::string>(words + 2, words + count));
  }
  const std::string line = "harrow: unknown command '" + std::string(name) + "'" + sim::did_you_mean(name, names) + "; see harrow -h\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
  return exit_usage;
}

}  // namespace harrow::cli

int main(int count, char** words) { return harrow::cli::dispatch(count, words); }
