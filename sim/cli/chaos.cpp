// `harrow chaos`: faults on a cluster that `harrow serve` runs, through its admin port.
#include <charconv>

#include "core/posix/http_request.h"
#include "sim/cli/command.h"

namespace harrow::cli {
namespace {

// A rolling restart answers when the last node is back.
constexpr std::int64_t answer_timeout_ms = 10 * 60'000;

/// "127.0.0.1:8080", "http://127.0.0.1:8080/", or a file that `serve --admin-file` wrote.
std::optional<Endpoint> admin_address(std::string text) {
  if (const std::optional<std::string> file = read_text(text); file && text.find(':') == std::string::npos) text = *file;
  if (text.starts_with("http://")) text = text.substr(7);
  while (!text.empty() && (text.back() == '\n' || text.back() == '/' || text.back() == ' ')) text.pop_back();
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  Endpoint endpoint{text.substr(0, colon), 0};
  const auto end = std::from_chars(text.data() + colon + 1, text.data() + text.size(), endpoint.port);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size() || endpoint.port == 0) return std::nullopt;
  return endpoint;
}

}  // namespace

int chaos_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  options.positional("words", -1);
  if (const auto done = options.parse(arguments)) return *done;
  std::vector<std::string> words = options.texts("words");
  const std::string address = words.empty() ? "" : words.front();
  if (!words.empty()) words.erase(words.begin());
  const std::optional<Endpoint> admin = admin_address(address);
  if (!admin) {
    options.terminal.warn("harrow chaos: expected HOST:PORT or the file of serve --admin-file, found '" + address + "'");
    return exit_usage;
  }
  if (words.empty()) {
    options.terminal.warn("harrow chaos: expected a fault such as 'kill: leader(orders/0), restart: after 2s', or list, or heal");
    return exit_usage;
  }
  int status = exit_ok;
  for (const std::string& word : words) {
    const posix::HttpRequest request{word == "list" ? "GET" : word == "heal" ? "DELETE" : "POST", "/faults", word == "list" || word == "heal" ? "" : word};
    const Result<posix::HttpAnswer> answer = posix::http_request(*admin, request, answer_timeout_ms);
    if (!answer) {
      options.terminal.warn("harrow chaos: " + admin->host + ":" + std::to_string(admin->port) + ": " + answer.error().what);
      return exit_failed;
    }
    if (answer->status == 200) {
      options.terminal.put(answer->body);
    } else {
      options.terminal.warn("harrow chaos: " + answer->body.substr(0, answer->body.find_last_not_of('\n') + 1));
      status = exit_usage;
    }
  }
  return status;
}

}  // namespace harrow::cli
