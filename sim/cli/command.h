// The command line: what every command gets, how options are parsed, how failures leave. Owner: main.cpp. This room
// alone reads the environment and the wall clock, writes to the terminal, forks, and may include core/posix.
#pragma once

#include <boost/program_options.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace harrow::cli {

namespace po = boost::program_options;

/// Process exit codes; they never change.
enum Exit : int {
  exit_ok = 0,
  exit_failed = 1,
  exit_usage = 2,
  exit_undecided = 3,
  exit_not_deterministic = 4,
  exit_nothing = 5,
  exit_defect = 70,
  exit_interrupted = 130,
};

struct Terminal {
  bool quiet = false, verbose = false;
  bool colour_out = false, colour_err = false;
  bool tty_err = false;
  void say(std::string_view line) const;   // talk, to stderr, unless quiet
  void warn(std::string_view line) const;  // to stderr, always
  void put(std::string_view text) const;   // data, to stdout
};

struct Command {
  std::string_view name;
  std::string_view alias;
  std::string_view arguments;  // "FILE... [options]"
  std::string_view summary;
  std::span<const std::string_view> examples;  // three
  int (*run)(const Command& command, const std::vector<std::string>& arguments);
};
std::span<const Command> commands();

/// Options of one command with the common ones. After parse(): `values`, and `terminal` set up.
class Options {
 public:
  explicit Options(const Command& command) : command_(command), described_("Options") {}
  po::options_description_easy_init add() { return described_.add_options(); }
  /// Names the positional arguments; `most` -1 for any number.
  void positional(const char* name, int most) {
    positional_.add(name, most);
    positional_name_ = name;
  }
  /// An exit code if the command is done already (help, or a mistake).
  std::optional<int> parse(const std::vector<std::string>& arguments);

  bool has(const char* name) const { return values.count(name) > 0; }
  std::string text(const char* name, const std::string& fallback = "") const;
  std::vector<std::string> texts(const char* name) const;
  /// False after saying what was wrong with the number.
  bool number(const char* name, std::uint64_t& value) const;

  po::variables_map values;
  Terminal terminal;

 private:
  int help() const;
  const Command& command_;
  po::options_description described_;
  po::positional_options_description positional_;
  std::string positional_name_;
};

/// "--seeds 1..500" or one number. Both ends belong to it.
struct SeedRange {
  std::uint64_t from = 1, until = 1;
};
std::optional<SeedRange> parse_seeds(std::string_view text);

std::string environment(const char* name);
std::int64_t wall_clock_ns();  // monotonic
std::int64_t utc_seconds();
/// A word as a shell takes it.
std::string shell_quoted(std::string_view word);
std::optional<std::string> read_text(const std::string& path);

/// Interrupt and terminate set this; commands look at it between turns. 0, or the signal's number.
extern volatile int interrupted;
void watch_signals();

int run_command(const Command&, const std::vector<std::string>&);
int swarm_command(const Command&, const std::vector<std::string>&);
int replay_command(const Command&, const std::vector<std::string>&);
int minimise_command(const Command&, const std::vector<std::string>&);
int check_command(const Command&, const std::vector<std::string>&);
int new_command(const Command&, const std::vector<std::string>&);
int list_command(const Command&, const std::vector<std::string>&);
int show_command(const Command&, const std::vector<std::string>&);
int report_command(const Command&, const std::vector<std::string>&);
int museum_command(const Command&, const std::vector<std::string>&);
int log_command(const Command&, const std::vector<std::string>&);
int bench_command(const Command&, const std::vector<std::string>&);
int serve_command(const Command&, const std::vector<std::string>&);
int judge_command(const Command&, const std::vector<std::string>&);
int chaos_command(const Command&, const std::vector<std::string>&);
int version_command(const Command&, const std::vector<std::string>&);

}  // namespace harrow::cli
