// One run from the command line: its folder, progress, listeners, and what is left when it fails or is interrupted.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/cli/command.h"
#include "sim/scenario/read.h"
#include "sim/scenario/run.h"

namespace harrow::cli {

struct OneRun {
  std::string file;
  std::uint64_t seed = 1;
  std::vector<std::string> sets;
  std::string out;           // folder, "" = below the results root
  bool events = false;       // write every event
  bool progress = true;
  std::int64_t until_ns = -1;
  std::string export_disks;
  std::string bug;           // museum: switched on
  const sim::Failure* follow = nullptr;  // its record is the one that the report follows
};
/// The run's hash at times that any two runs of a scenario have in common.
using HashPath = std::vector<std::pair<std::int64_t, std::uint64_t>>;
/// Of the file hashes.csv in a run's folder; empty if there is none.
HashPath read_hashes(const std::string& folder);

struct OneRunResult {
  sim::RunResult result;
  std::string folder;
  std::string state;  // with until_ns
  HashPath hashes;
};
/// Runs in this process and writes the folder. Nothing, with an exit code, when the scenario is wrong.
std::optional<OneRunResult> run_once(const Terminal& terminal, const OneRun& what, int& exit_code);

/// A run in a process of its own that cannot take this one with it: a failed CHECK comes back as a failure of kind
/// crash. Start several; each is one descriptor to read until its end.
struct Child {
  int pid = -1;
  int descriptor = -1;
  std::string text;  // read so far
};
struct ChildOptions {
  std::string bug;
  std::string replay_command;
  bool checks = true;
};
Child start_child(const sim::Tree& scenario, const std::string& path, std::uint64_t seed, const ChildOptions& options);
/// False at the end of its output.
bool read_child(Child& child);
/// Waits for it; a child that died without a word is a crash, too.
sim::RunResult finish_child(Child& child, const std::string& scenario, std::uint64_t seed, const std::string& replay_command);
sim::RunResult run_in_child(const sim::Tree& scenario, const std::string& path, std::uint64_t seed, const ChildOptions& options);

/// One run with its folder, in a process of its own: the folder is there afterwards even if the run dies of a failed
/// CHECK. "" if nothing was left.
std::string keep_run(const OneRun& what);

/// The museum of this build has this bug.
bool is_bug(std::string_view id);

int exit_code_of(const sim::RunResult& result);

}  // namespace harrow::cli
