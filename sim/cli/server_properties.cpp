#include "sim/cli/server_properties.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace harrow::cli {

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t' || text.front() == '\f')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

std::vector<std::string> parts_of(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (const std::string_view part = trimmed(list.substr(0, comma)); !part.empty()) parts.emplace_back(part);
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return parts;
}

struct NamedListener {
  std::string name, host;
  std::uint16_t port = 0;
};
/// "PLAINTEXT://host:9092"; nothing for anything else.
std::optional<NamedListener> parse_listener(std::string_view text) {
  const std::size_t slashes = text.find("://"), colon = text.rfind(':');
  if (slashes == std::string_view::npos || slashes == 0 || colon == std::string_view::npos || colon < slashes + 3) return std::nullopt;
  NamedListener listener{std::string(text.substr(0, slashes)), std::string(text.substr(slashes + 3, colon - slashes - 3)), 0};
  const auto end = std::from_chars(text.data() + colon + 1, text.data() + text.size(), listener.port);
  if (colon + 1 == text.size() || end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
  return listener;
}

/// What a listener's host is bound to; empty for a name.
std::string address_of(const std::string& host) {
  if (host.empty()) return "0.0.0.0";
  if (host == "localhost") return "127.0.0.1";
  in_addr ignored{};
  return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 ? host : std::string();
}

/// Reads one file; the first problem ends it.
class ServerFileReader {
 public:
  ServerFileReader(const std::string& path, const Terminal& terminal) : path_(path), terminal_(terminal) {}
  std::optional<ServerFile> read() {
    const std::optional<std::string> text = read_text(path_);
    if (!text) {
      terminal_.warn(path_ + ": cannot be read");
      return std::nullopt;
    }
    lines_ = parse_properties(*text);
    if (!settings() || !identity() || !listeners() || !voters()) return std::nullopt;
    return std::move(file_);
  }

 private:
  bool settings() {
    for (const PropertyLine& line : lines_) {
      const ConfigRow* const row = find_config(line.key);
      if (row == nullptr || row->scope == ConfigScope::topic) {
        const std::string_view near = nearest_config_name(line.key);
        const bool listed = line.key == "listener.security.protocol.map";
        if (!listed) terminal_.warn(fmt::format("{}:{}: unknown key '{}' is ignored{}", path_, line.line, line.key, near.empty() ? "" : fmt::format("; did you mean {}?", near)));
        continue;
      }
      if (const auto value = parse_config(*row, line.value); !value) return wrong(line.key, value.error().text);
      file_.properties.insert_or_assign(line.key, line.value);
    }
    return true;
  }
  bool identity() {
    file_.names_a_node = line_of("node.id") != nullptr || line_of("process.roles") != nullptr;
    if (const PropertyLine* const id = line_of("node.id")) file_.id = NodeId(static_cast<std::int32_t>(*parse_config(row_of(ConfigKey::node_id), id->value)));
    if (const PropertyLine* const roles = line_of("process.roles")) {
      const std::vector<std::string> parts = parts_of(roles->value);
      file_.is_broker = std::find(parts.begin(), parts.end(), "broker") != parts.end();
      file_.is_controller = std::find(parts.begin(), parts.end(), "controller") != parts.end();
      if (!file_.is_broker && !file_.is_controller) return wrong("process.roles", "process.roles: a node is a broker, a controller, or both");
    }
    if (const PropertyLine* const rack = line_of("broker.rack")) file_.rack = rack->value;
    const PropertyLine* dirs = line_of("log.dirs");
    if (dirs == nullptr) dirs = line_of("log.dir");
    if (dirs == nullptr) return true;
    const std::vector<std::string> folders = parts_of(dirs->value);
    if (folders.empty()) return wrong(dirs->key, dirs->key + ": no folder");
    if (folders.size() > 1) terminal_.warn(fmt::format("{}:{}: only the first folder of {} is used", path_, dirs->line, dirs->key));
    file_.log_dir = folders.front();
    return true;
  }
  bool listeners() {
    std::vector<std::string> controllers = {"CONTROLLER"};
    if (const PropertyLine* const names = line_of("controller.listener.names")) controllers = parts_of(names->value);
    const auto of_controller = [&](const std::string& name) { return std::find(controllers.begin(), controllers.end(), name) != controllers.end(); };
    file_.broker.port = 9092;
    file_.broker.address = "0.0.0.0";
    file_.controller.port = 9093;
    bool has_broker = false, has_controller = false;
    if (const PropertyLine* const line = line_of("listeners")) {
      for (const std::string& part : parts_of(line->value)) {
        const std::optional<NamedListener> listener = parse_listener(part);
        if (!listener) return wrong("listeners", fmt::format("listeners: '{}' is not NAME://HOST:PORT", part));
        const bool controls = of_controller(listener->name);
        bool& seen = controls ? has_controller : has_broker;
        if (seen) {
          terminal_.warn(fmt::format("{}:{}: listener {} is ignored: one for clients and one for controllers are served", path_, line->line, listener->name));
          continue;
        }
        seen = true;
        ServerListener& to = controls ? file_.controller : file_.broker;
        to.address = address_of(listener->host);
        if (to.address.empty()) return wrong("listeners", fmt::format("listeners: {} is bound by its numeric address, not by '{}'", listener->name, listener->host));
        to.port = listener->port;
        if (!listener->host.empty() && listener->host != "0.0.0.0") to.advertised = Endpoint{listener->host, listener->port};
      }
    }
    if (file_.is_controller && !has_controller && line_of("listeners") != nullptr)
      return wrong("listeners", "listeners: a controller needs a listener that controller.listener.names names");
    if (const PropertyLine* const line = line_of("advertised.listeners")) {
      for (const std::string& part : parts_of(line->value)) {
        const std::optional<NamedListener> listener = parse_listener(part);
        if (!listener || listener->host.empty()) return wrong("advertised.listeners", fmt::format("advertised.listeners: '{}' is not NAME://HOST:PORT", part));
        (of_controller(listener->name) ? file_.controller : file_.broker).advertised = Endpoint{listener->host, listener->port};
      }
    }
    for (ServerListener* const listener : {&file_.broker, &file_.controller})
      if (listener->advertised.host.empty()) listener->advertised = Endpoint{"localhost", listener->port};
    return true;
  }
  bool voters() {
    const PropertyLine* const line = line_of("controller.quorum.voters");
    if (line == nullptr) {
      // A controller that was formatted to stand alone.
      if (file_.is_controller) file_.voters.push_back(QuorumVoter{file_.id, Uuid{}, file_.controller.advertised});
      else if (file_.names_a_node) {
        terminal_.warn(path_ + ": a broker needs controller.quorum.voters=ID@HOST:PORT,...");
        return false;
      }
      return true;
    }
    for (const std::string& part : parts_of(line->value)) {
      const std::size_t at = part.find('@');
      std::int32_t id = -1;
      const auto end = std::from_chars(part.data(), part.data() + std::min(at, part.size()), id);
      const std::optional<NamedListener> where = at == std::string::npos ? std::nullopt : parse_listener("VOTER://" + part.substr(at + 1));
      if (!where || end.ec != std::errc() || end.ptr != part.data() + at || id < 0)
        return wrong("controller.quorum.voters", fmt::format("controller.quorum.voters: '{}' is not ID@HOST:PORT", part));
      file_.voters.push_back(QuorumVoter{NodeId(id), Uuid{}, Endpoint{where->host, where->port}});
    }
    const bool votes = std::any_of(file_.voters.begin(), file_.voters.end(), [this](const QuorumVoter& voter) { return voter.id == file_.id; });
    if (file_.names_a_node && file_.is_controller != votes)
      return wrong("controller.quorum.voters", fmt::format("controller.quorum.voters: node {} {}", file_.id.value(), votes ? "votes, but is no controller" : "is a controller and must be among the voters"));
    return true;
  }
  /// The last line with this key, as Java reads it.
  const PropertyLine* line_of(std::string_view key) const {
    for (auto line = lines_.rbegin(); line != lines_.rend(); ++line)
      if (line->key == key) return &*line;
    return nullptr;
  }
  bool wrong(std::string_view key, const std::string& why) const {
    terminal_.warn(fmt::format("{}:{}: {}", path_, line_of(key)->line, why));
    return false;
  }

  std::string path_;
  const Terminal& terminal_;
  std::vector<PropertyLine> lines_;
  ServerFile file_;
};

}  // namespace

std::vector<PropertyLine> parse_properties(std::string_view text) {
  std::vector<PropertyLine> lines;
  std::string whole;
  int number = 0, begun_at = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (whole.empty()) {
      if (line.empty() || line.front() == '#' || line.front() == '!') continue;
      begun_at = number;
    }
    const bool goes_on = !line.empty() && line.back() == '\\';
    if (goes_on) line.remove_suffix(1);
    whole += line;
    if (goes_on && !text.empty()) continue;
    const std::size_t key_end = std::min(whole.find_first_of("=: \t"), whole.size());
    std::string_view value = trimmed(std::string_view(whole).substr(key_end));
    if (!value.empty() && (value.front() == '=' || value.front() == ':')) value = trimmed(value.substr(1));
    lines.push_back({whole.substr(0, key_end), std::string(value), begun_at});
    whole.clear();
  }
  return lines;
}

std::optional<ServerFile> read_server_file(const std::string& path, const Terminal& terminal) { return ServerFileReader(path, terminal).read(); }

}  // namespace harrow::cli
