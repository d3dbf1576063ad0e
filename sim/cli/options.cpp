#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "sim/cli/command.h"
#include "sim/scenario/tree.h"

namespace harrow::cli {

volatile int interrupted = 0;

namespace {
void on_signal(int signal) {
  if (interrupted != 0) _exit(128 + signal);  // asked twice: at once
  interrupted = signal;
}
}  // namespace

void watch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

void Terminal::say(std::string_view line) const {
  if (quiet) return;
  warn(line);
}
void Terminal::warn(std::string_view line) const {
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fputc('\n', stderr);
}
void Terminal::put(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::int64_t wall_clock_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}
std::int64_t utc_seconds() { return static_cast<std::int64_t>(::time(nullptr)); }

std::string shell_quoted(std::string_view word) {
  if (!word.empty() && word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,@%+") == std::string_view::npos) return std::string(word);
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::optional<std::string> read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

int Options::help() const {
  std::string out = "Examples:\n";
  for (const std::string_view example : command_.examples) out += "  " + std::string(example) + "\n";
  out += "\nharrow " + std::string(command_.name) + " " + std::string(command_.arguments) + "\n" + std::string(command_.summary) + "\n\n";
  std::ostringstream options;
  options << described_;
  out += options.str();
  out += "\nExit: 0 held, 1 a check failed, 2 usage or bad file, 3 undecided, 4 not deterministic, 5 nothing selected, 70 own defect, 130 interrupted.\n";
  std::fwrite(out.data(), 1, out.size(), stdout);
  return exit_ok;
}

std::optional<int> Options::parse(const std::vector<std::string>& arguments) {
  add()("help,h", "this text")("quiet,q", "only results")("verbose,v", "more talk")("color", po::value<std::string>()->value_name("WHEN"), "auto, always or never (also NO_COLOR)");
  po::options_description all;
  all.add(described_);
  if (!positional_name_.empty()) all.add_options()(positional_name_.c_str(), po::value<std::vector<std::string>>());
  const std::string where = "harrow " + std::string(command_.name) + ": ";
  try {
    // names are never guessed from prefixes: --see is not --seed
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(arguments).options(all).positional(positional_).style(style).run(), values);
    po::notify(values);
  } catch (const po::unknown_option& e) {
    std::string name = e.get_option_name();
    while (!name.empty() && name.front() == '-') name.erase(0, 1);
    std::vector<std::string> known;
    for (const auto& option : described_.options()) known.push_back(option->long_name());
    std::vector<std::string_view> views(known.begin(), known.end());
    terminal.warn(where + "unknown option '" + e.get_option_name() + "'" + sim::did_you_mean(name, views) + "; see harrow " + std::string(command_.name) + " -h");
    return exit_usage;
  } catch (const po::error& e) {
    terminal.warn(where + e.what() + "; see harrow " + std::string(command_.name) + " -h");
    return exit_usage;
  }
  if (has("help")) return help();
  terminal.quiet = has("quiet");
  terminal.verbose = has("verbose");
  terminal.tty_err = ::isatty(STDERR_FILENO) == 1;
  const std::string when = text("color", "auto");
  if (when != "auto" && when != "always" && when != "never") {
    terminal.warn(where + "--color is auto, always or never, not '" + when + "'");
    return exit_usage;
  }
  const bool wanted = when == "always" || (when == "auto" && environment("NO_COLOR").empty() && environment("TERM") != "dumb");
  terminal.colour_out = wanted && (when == "always" || ::isatty(STDOUT_FILENO) == 1);
  terminal.colour_err = wanted && (when == "always" || terminal.tty_err);
  return std::nullopt;
}

std::string Options::text(const char* name, const std::string& fallback) const { return has(name) ? values[name].as<std::string>() : fallback; }
std::vector<std::string> Options::texts(const char* name) const { return has(name) ? values[name].as<std::vector<std::string>>() : std::vector<std::string>(); }

bool Options::number(const char* name, std::uint64_t& value) const {
  if (!has(name)) return true;
  const std::string given = text(name);
  // unsigned in Program_options would take -1 for 18446744073709551615
  std::uint64_t parsed = 0;
  const auto end = std::from_chars(given.data(), given.data() + given.size(), parsed);
  if (given.empty() || end.ec != std::errc() || end.ptr != given.data() + given.size()) {
    terminal.warn("harrow " + std::string(command_.name) + ": --" + name + " wants a whole number from 0, not '" + given + "'");
    return false;
  }
  value = parsed;
  return true;
}

std::optional<SeedRange> parse_seeds(std::string_view text) {
  const auto number = [](std::string_view digits, std::uint64_t& value) {
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return !digits.empty() && end.ec == std::errc() && end.ptr == digits.data() + digits.size();
  };
  SeedRange range;
  const std::size_t dots = text.find("..");
  if (!number(text.substr(0, dots), range.from)) return std::nullopt;
  range.until = range.from;
  if (dots != std::string_view::npos && !number(text.substr(dots + 2), range.until)) return std::nullopt;
  if (range.until < range.from) return std::nullopt;
  return range;
}

}  // namespace harrow::cli
