// A server.properties file, with Kafka's keys: who the node is, where it listens, who votes, and its settings.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/node/node_config.h"
#include "sim/cli/command.h"

namespace harrow::cli {

struct PropertyLine {
  std::string key, value;
  int line = 0;
};
/// Java's properties format: '#' and '!' begin comments, a backslash at the end goes on in the next line.
std::vector<PropertyLine> parse_properties(std::string_view text);

/// Where a listener is bound, and what others are told.
struct ServerListener {
  std::string address = "127.0.0.1";  // numeric
  std::uint16_t port = 0;
  Endpoint advertised;
};

struct ServerFile {
  ConfigMap properties;  // every known key, checked
  bool names_a_node = false;
  NodeId id{1};
  bool is_broker = true, is_controller = true;
  ServerListener broker, controller;
  std::vector<QuorumVoter> voters;
  std::optional<std::string> rack;
  std::string log_dir;  // empty: the file names none
};
/// Unknown keys are warned of. Nothing after saying, with file and line, what is wrong.
std::optional<ServerFile> read_server_file(const std::string& path, const Terminal& terminal);

}  // namespace harrow::cli
