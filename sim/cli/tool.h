// What the console tools share: Kafka's first steps over our own client, on one PosixHost without files.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/client/client_config.h"
#include "core/posix/posix_host.h"
#include "sim/cli/command.h"

namespace harrow::cli {

/// --bootstrap-server HOST:PORT,...
void add_bootstrap(Options& options);
/// Fills bootstrap.servers in; false after saying what is wrong with them.
bool take_bootstrap(const Command& command, const Options& options, ClientConfig& config);
/// Kafka's "--property key=value", under any of these option names; false after saying which is none.
bool take_properties(const Command& command, const Options& options, std::initializer_list<const char*> names, std::vector<std::pair<std::string, std::string>>& properties);
/// Runs `start` and then the process until it calls finish(). `stop` is called by the first interrupt.
void run_tool(posix::PosixHost& process, const std::function<void()>& start, std::function<void()> stop = {});

int random_uuid_command(const Command&, const std::vector<std::string>&);
int format_command(const Command&, const std::vector<std::string>&);
int topics_command(const Command&, const std::vector<std::string>&);
int console_producer_command(const Command&, const std::vector<std::string>&);
int console_consumer_command(const Command&, const std::vector<std::string>&);
int groups_command(const Command&, const std::vector<std::string>&);

}  // namespace harrow::cli
