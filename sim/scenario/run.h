// One deterministic run of one scenario with one seed, and all that it found out: RunResult is run.json (names stable).
// Owner: sim/scenario. run.cpp builds the cluster, workload, faults and checks and drives the kernel; nothing here
// touches a file: sim/trace writes the results folder through RunOptions' hooks.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/trace.h"
#include "sim/scenario/scenario.h"
#include "sim/trace/report_data.h"

namespace harrow::sim {

enum class Verdict : std::uint8_t { pass, fail, undecided };
enum class FailureKind : std::uint8_t { safety, liveness, slo, crash };
std::string_view name_of(Verdict verdict);
std::string_view name_of(FailureKind kind);

struct RecordCounts {
  std::int64_t sent = 0, acked = 0, promised = 0, readable = 0;
  std::int64_t lost = 0, lost_unpromised = 0, duplicated = 0, duplicated_unpromised = 0;
  std::int64_t lost_acks_1 = 0, lost_acks_0 = 0;  // lost_unpromised by acks: for the last line only
};
struct CheckResult {
  std::string id, name;  // "I13", "no-acked-loss"
  std::int64_t evaluated = 0, failed = 0;
};
struct MarkResult {
  std::string name;
  std::int64_t reached = 0;
};
struct FaultResult {
  std::string kind, target;
  std::int64_t at_ns = 0, until_ns = -1;
  std::int64_t unavailable_ns = 0;  // longest time in which some producer's records of one partition got no answer
};
struct Quantiles {
  std::int64_t count = 0;
  std::int64_t p50_ns = 0, p99_ns = 0, p999_ns = 0;
};
struct Failure {
  std::string check, id;
  FailureKind kind = FailureKind::safety;
  std::int64_t at_ns = 0;
  std::string node, topic;
  std::int32_t partition = -1;
  std::int64_t offset = -1;
  std::string message;
  std::string replay;  // the command that repeats it
  /// What makes two failures the same in a swarm: check, kind and, for a crash, the failed expression.
  std::string signature() const;
};

struct RunResult {
  Verdict verdict = Verdict::undecided;
  std::string undecided_because;
  std::string scenario;
  std::uint64_t seed = 0;
  std::uint64_t trace_hash = 0;
  std::string version;
  std::int64_t virtual_ns = 0, wall_ns = 0;
  std::int64_t events = 0, requests = 0;
  RecordCounts records;
  std::vector<CheckResult> checks;
  std::vector<MarkResult> sometimes;
  std::vector<std::string> unreached;  // `reached:` marks that were not
  std::vector<FaultResult> faults;
  Quantiles produce, end_to_end;
  std::int64_t lag_max = 0, lag_at_end = 0;
  std::int64_t under_replicated_max = 0, under_replicated_ns = 0;
  std::int64_t elections = 0, isr_shrinks = 0, truncations = 0;
  std::optional<Failure> failure;
  std::string replay;  // the command that repeats the run
  std::string bug;     // museum: the armed mutation, "" = none
};

struct Progress {
  std::int64_t virtual_ns = 0, until_ns = 0;
  std::int64_t events = 0, records_acked = 0;
  std::string_view doing;  // "running", "healing", "checking"
  std::uint64_t hash = 0;  // of everything so far
};

struct RunOptions {
  bool checks = true;
  bool stop_at_first_failure = true;
  bool all_events = false;        // hand every event to event_listener
  bool collect_report = false;    // fill `report`
  std::int64_t until_ns = -1;     // stop there (replay --until) and fill `state_at_stop`
  std::string replay_command;     // for Failure::replay
  std::string export_disks;       // folder into which every node's disk is written at the end; "" = no
  std::string follow_topic;       // follow this record for the report; "" = the first that goes the whole way
  std::int32_t follow_partition = -1;
  std::int64_t follow_offset = -1;
  std::string bug;                // museum: the armed mutation, "" = none
  TraceListener* event_listener = nullptr;
  TraceListener* history_listener = nullptr;  // client kinds only
  /// Called between turns about every few milliseconds of wall time; false stops the run (interrupted, undecided).
  std::function<bool(const Progress&)> on_progress;
  /// Wall-clock nanoseconds; given by sim/cli, as the run itself has no clock.
  std::function<std::int64_t()> wall_ns;
  // filled by the run
  ReportData* report = nullptr;
  std::string* state_at_stop = nullptr;
  /// Subject number to text; set by the run before the first event, for listeners.
  std::function<void(std::function<std::string(std::uint32_t)>)> on_subjects;
  std::function<void(std::vector<std::string>)> on_nodes;  // node index to name
};

/// Errors of the scenario itself have been found before (read.h); a failed CHECK ends the process.
RunResult run_scenario(const Scenario& scenario, std::uint64_t seed, RunOptions& options);

}  // namespace harrow::sim
