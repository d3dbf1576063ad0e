// `harrow topics`: what kafka-topics does, over our own client.
#include <fmt/format.h>

#include <algorithm>

#include "core/client/admin.h"
#include "core/model/config_keys.h"
#include "sim/cli/tool.h"

namespace harrow::cli {

namespace {

struct Asked {
  const Options& options;
  std::string what;  // create, list, describe, delete, alter
  std::vector<std::string> names;
  NewTopic fresh;
  int exit = exit_ok;
  std::string out;
};

void refuse(Asked& asked, const std::string& why) {
  asked.options.terminal.warn("Error while executing topic command : " + why);
  asked.exit = exit_failed;
}

std::string words_of(const NamedOutcome& outcome) { return outcome.message.empty() ? std::string(name_of(outcome.code)) : outcome.message; }

std::string list_of(const std::vector<NodeId>& nodes) {
  std::string text;
  for (const NodeId node : nodes) text += (text.empty() ? "" : ",") + std::to_string(node.value());
  return text;
}

Task<bool> describe(Admin& admin, Asked& asked, std::vector<DescribedTopic> topics) {
  for (const DescribedTopic& topic : topics) {
    Task<Result<std::vector<ConfigEntry>>> asking = admin.describe_configs(ConfigResource::topic, topic.name);
    const Result<std::vector<ConfigEntry>> configs = co_await asking;
    std::string settings;
    if (configs) {
      for (const ConfigEntry& entry : *configs)
        if (entry.source != static_cast<std::int8_t>(ConfigSource::default_value) && entry.value) settings += (settings.empty() ? "" : ",") + entry.name + "=" + *entry.value;
    }
    asked.out += fmt::format("Topic: {}\tTopicId: {}\tPartitionCount: {}\tReplicationFactor: {}\tConfigs: {}\n", topic.name, to_text(topic.id), topic.partitions.size(),
                             topic.partitions.empty() ? 0 : topic.partitions.front().replicas.size(), settings);
    for (const DescribedPartition& p : topic.partitions) {
      const std::string leader = p.leader == no_node ? "none" : std::to_string(p.leader.value());
      asked.out += fmt::format("\tTopic: {}\tPartition: {}\tLeader: {}\tReplicas: {}\tIsr: {}\tElr: N/A\tLastKnownElr: N/A\n", topic.name, p.index, leader, list_of(p.replicas), list_of(p.isr));
    }
  }
  co_return true;
}

Root administer(Scope&, Label, posix::PosixHost& process, ClientConfig config, Asked& asked) {
  Admin admin(process.host(), config);
  if (asked.what == "create") {
    std::vector<NewTopic> wanted = {asked.fresh};
    Task<Result<std::vector<NamedOutcome>>> creating = admin.create_topics(wanted);
    const Result<std::vector<NamedOutcome>> created = co_await creating;
    if (!created) refuse(asked, created.error().what);
    else if (created->front().code == Code::topic_already_exists && asked.options.has("if-not-exists")) asked.out = "";
    else if (created->front().code != Code::none) refuse(asked, words_of(created->front()));
    else asked.out = "Created topic " + asked.fresh.name + ".\n";
  } else if (asked.what == "delete") {
    Task<Result<std::vector<NamedOutcome>>> deleting = admin.delete_topics(asked.names);
    const Result<std::vector<NamedOutcome>> deleted = co_await deleting;
    if (!deleted) refuse(asked, deleted.error().what);
    else {
      for (const NamedOutcome& outcome : *deleted) {
        if (outcome.code == Code::unknown_topic_or_partition) {
          if (!asked.options.has("if-exists")) refuse(asked, "Topic '" + outcome.name + "' does not exist as expected");
        } else if (outcome.code != Code::none) {
          refuse(asked, words_of(outcome));
        }
      }
    }
  } else if (asked.what == "alter") {
    Task<Result<NamedOutcome>> growing = admin.create_partitions(asked.fresh.name, asked.fresh.partitions);
    const Result<NamedOutcome> grown = co_await growing;
    if (!grown) refuse(asked, grown.error().what);
    else if (grown->code != Code::none) refuse(asked, words_of(*grown));
  } else {
    std::optional<std::vector<std::string>> names;
    if (!asked.names.empty()) names = asked.names;
    Task<Result<std::vector<DescribedTopic>>> describing = admin.describe_topics(names);
    Result<std::vector<DescribedTopic>> topics = co_await describing;
    if (!topics) {
      refuse(asked, topics.error().what);
    } else {
      std::sort(topics->begin(), topics->end(), [](const DescribedTopic& a, const DescribedTopic& b) { return a.name < b.name; });
      if (asked.options.has("exclude-internal")) topics->erase(std::remove_if(topics->begin(), topics->end(), [](const DescribedTopic& topic) { return topic.internal; }), topics->end());
      bool all_there = true;
      for (const DescribedTopic& topic : *topics) {
        if (topic.code == Code::none) continue;
        all_there = false;
        if (asked.what == "describe" && !asked.options.has("if-exists")) refuse(asked, "Topic '" + topic.name + "' does not exist as expected");
      }
      if (asked.what == "list") {
        for (const DescribedTopic& topic : *topics)
          if (topic.code == Code::none) asked.out += topic.name + "\n";
      } else if (all_there) {
        Task<bool> printing = describe(admin, asked, std::move(*topics));
        co_await printing;
      }
    }
  }
  process.finish();
}

}  // namespace

int topics_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  add_bootstrap(options);
  options.add()("create", "makes a topic")("list", "names of all topics")("describe", "partitions, leaders, replicas")("delete", "deletes a topic")("alter", "more --partitions");
  options.add()("topic", po::value<std::string>()->value_name("NAME"), "which one");
  options.add()("partitions", po::value<std::string>()->value_name("N"), "default: the broker's num.partitions");
  options.add()("replication-factor", po::value<std::string>()->value_name("R"), "default: the broker's default.replication.factor");
  options.add()("config", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"), "a setting of a new topic");
  options.add()("if-not-exists", "create: an existing topic is no error")("if-exists", "delete, describe: a missing topic is no error")("exclude-internal", "list, describe: not Kafka's own topics");
  if (const auto done = options.parse(arguments)) return *done;
  const Terminal& terminal = options.terminal;
  Asked asked{options};
  for (const char* const what : {"create", "list", "describe", "delete", "alter"}) {
    if (!options.has(what)) continue;
    if (!asked.what.empty()) asked.what = "several";
    else asked.what = what;
  }
  if (asked.what.empty() || asked.what == "several") {
    terminal.warn("harrow topics: Command must include exactly one action: --list, --describe, --create, --alter or --delete");
    return exit_usage;
  }
  if (options.has("topic")) asked.names.push_back(options.text("topic"));
  if (asked.names.empty() && asked.what != "list" && asked.what != "describe") {
    terminal.warn("harrow topics: --" + asked.what + " needs --topic NAME");
    return exit_usage;
  }
  asked.fresh.name = options.text("topic");
  std::uint64_t partitions = 0, replicas = 0;
  if (!options.number("partitions", partitions) || !options.number("replication-factor", replicas)) return exit_usage;
  if (partitions > INT32_MAX || replicas > INT16_MAX || (options.has("partitions") && partitions == 0) || (options.has("replication-factor") && replicas == 0) ||
      (asked.what == "alter" && partitions == 0)) {
    terminal.warn("harrow topics: --partitions and --replication-factor are numbers from 1");
    return exit_usage;
  }
  if (partitions > 0) asked.fresh.partitions = static_cast<std::int32_t>(partitions);
  if (replicas > 0) asked.fresh.replication_factor = static_cast<std::int16_t>(replicas);
  std::vector<std::pair<std::string, std::string>> settings;
  if (!take_properties(command, options, {"config"}, settings)) return exit_usage;
  for (const auto& [key, value] : settings) asked.fresh.configs.insert_or_assign(key, value);
  ClientConfig config;
  if (!take_bootstrap(command, options, config)) return exit_usage;
  config.client_id = "harrow-topics";
  posix::PosixHost process(nullptr);
  run_tool(process, [&] { administer(process.host().scope, Label("topics"), process, config, asked); });
  terminal.put(asked.out);
  return asked.exit;
}

}  // namespace harrow::cli
