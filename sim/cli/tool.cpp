#include "sim/cli/tool.h"

#include <charconv>

namespace harrow::cli {

void add_bootstrap(Options& options) {
  options.add()("bootstrap-server", po::value<std::string>()->value_name("HOST:PORT"), "where to ask first; several with commas (default localhost:9092)");
}

bool take_bootstrap(const Command& command, const Options& options, ClientConfig& config) {
  const std::string list = options.text("bootstrap-server", "localhost:9092");
  for (std::size_t from = 0; from <= list.size();) {
    const std::size_t comma = std::min(list.find(',', from), list.size());
    const std::string part = list.substr(from, comma - from);
    const std::size_t colon = part.rfind(':');
    Endpoint endpoint;
    if (colon != std::string::npos && colon > 0) {
      endpoint.host = part.substr(0, colon);
      const auto end = std::from_chars(part.data() + colon + 1, part.data() + part.size(), endpoint.port);
      if (end.ec != std::errc() || end.ptr != part.data() + part.size()) endpoint.port = 0;
    }
    if (endpoint.port == 0) {
      options.terminal.warn("harrow " + std::string(command.name) + ": --bootstrap-server wants HOST:PORT,..., not '" + part + "'");
      return false;
    }
    config.bootstrap_servers.push_back(std::move(endpoint));
    from = comma + 1;
  }
  return true;
}

bool take_properties(const Command& command, const Options& options, std::initializer_list<const char*> names, std::vector<std::pair<std::string, std::string>>& properties) {
  for (const char* const name : names) {
    for (const std::string& text : options.texts(name)) {
      const std::size_t equals = text.find('=');
      if (equals == std::string::npos) {
        options.terminal.warn("harrow " + std::string(command.name) + ": --" + name + " wants KEY=VALUE, not '" + text + "'");
        return false;
      }
      properties.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return true;
}

void run_tool(posix::PosixHost& process, const std::function<void()>& start, std::function<void()> stop) {
  if (stop) process.on_stop_signal(std::move(stop));
  process.enter(start);
  process.run();
  process.end_scope();
}

}  // namespace harrow::cli
