// `harrow groups`: what kafka-consumer-groups does, over our own client.
#include <fmt/format.h>

#include <algorithm>

#include "core/client/admin.h"
#include "sim/cli/tool.h"

namespace harrow::cli {

namespace {

struct Asked {
  const Options& options;
  std::string group;
  int exit = exit_ok;
  std::string out;
};

void refuse(Asked& asked, const std::string& why) {
  asked.options.terminal.warn("Error: " + why);
  asked.exit = exit_failed;
}

/// One line of --describe.
struct Row {
  std::string topic, partition, current = "-", end = "-", lag = "-", consumer = "-", host = "-", client = "-";
};

std::string table_of(const std::string& group, const std::vector<Row>& rows) {
  std::size_t group_width = 15, topic_width = 15, consumer_width = 15, host_width = 15;
  group_width = std::max(group_width, group.size());
  for (const Row& row : rows) {
    topic_width = std::max(topic_width, row.topic.size());
    consumer_width = std::max(consumer_width, row.consumer.size());
    host_width = std::max(host_width, row.host.size());
  }
  std::string text = "\n";
  const auto line = [&](const std::string& name, const Row& row) {
    text += fmt::format("{:<{}} {:<{}} {:<10} {:<15} {:<15} {:<15} {:<{}} {:<{}} {}\n", name, group_width, row.topic, topic_width, row.partition, row.current, row.end, row.lag,
                        row.consumer, consumer_width, row.host, host_width, row.client);
  };
  line("GROUP", Row{"TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID"});
  for (const Row& row : rows) line(group, row);
  return text;
}

Task<bool> describe(Admin& admin, Asked& asked) {
  Task<Result<DescribedGroup>> describing = admin.describe_group(asked.group);
  const Result<DescribedGroup> group = co_await describing;
  if (!group) {
    refuse(asked, group.error().what);
    co_return false;
  }
  if (group->code == Code::group_id_not_found || group->state == "Dead") {
    refuse(asked, "Consumer group '" + asked.group + "' does not exist.");
    co_return false;
  }
  if (group->code != Code::none) {
    refuse(asked, std::string(name_of(group->code)));
    co_return false;
  }
  if (group->state == "Empty") asked.options.terminal.warn("\nConsumer group '" + asked.group + "' has no active members.");
  if (asked.options.has("state")) {
    asked.out = fmt::format("\n{:<25} {:<25} {:<20} {:<20} {}\n{:<25} {:<25} {:<20} {:<20} {}\n", "GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS", asked.group, "-",
                            group->protocol, group->state, group->members.size());
    co_return true;
  }
  Task<Result<std::map<TopicPartition, Offset>>> fetching = admin.group_offsets(asked.group);
  const Result<std::map<TopicPartition, Offset>> offsets = co_await fetching;
  if (!offsets) {
    refuse(asked, offsets.error().what);
    co_return false;
  }
  std::map<TopicPartition, Row> rows;
  const auto row_of = [&rows](const TopicPartition& id) -> Row& {
    Row& row = rows[id];
    row.topic = id.topic;
    row.partition = std::to_string(id.partition);
    return row;
  };
  for (const auto& [id, offset] : *offsets)
    if (offset.value() >= 0) row_of(id).current = std::to_string(offset.value());
  for (const DescribedMember& member : group->members) {
    for (const TopicPartition& id : member.assignment) {
      Row& row = row_of(id);
      row.consumer = member.member_id;
      row.host = member.client_host;
      row.client = member.client_id;
    }
  }
  std::vector<TopicPartition> ids;
  for (const auto& [id, row] : rows) ids.push_back(id);
  if (!ids.empty()) {
    Task<Result<std::map<TopicPartition, ListedOffset>>> listing = admin.list_offsets(ids, list_latest);
    const Result<std::map<TopicPartition, ListedOffset>> ends = co_await listing;
    if (ends) {
      for (const auto& [id, end] : *ends) {
        if (end.code != Code::none) continue;
        Row& row = rows[id];
        row.end = std::to_string(end.offset.value());
        const auto committed = offsets->find(id);
        if (committed != offsets->end() && committed->second.value() >= 0) row.lag = std::to_string(end.offset.value() - committed->second.value());
      }
    }
  }
  // Members with partitions come first, as in Kafka.
  std::vector<Row> sorted;
  for (const bool assigned : {true, false})
    for (const auto& [id, row] : rows)
      if ((row.consumer != "-") == assigned) sorted.push_back(row);
  asked.out = table_of(asked.group, sorted);
  co_return true;
}

Root administer(Scope&, Label, posix::PosixHost& process, ClientConfig config, Asked& asked) {
  Admin admin(process.host(), config);
  if (asked.options.has("list")) {
    Task<Result<std::vector<ListedGroup>>> listing = admin.list_groups();
    const Result<std::vector<ListedGroup>> groups = co_await listing;
    if (!groups) refuse(asked, groups.error().what);
    else
      for (const ListedGroup& group : *groups) asked.out += group.id + "\n";
  } else if (asked.options.has("delete")) {
    std::vector<std::string> names = {asked.group};
    Task<Result<std::vector<NamedOutcome>>> deleting = admin.delete_groups(names);
    const Result<std::vector<NamedOutcome>> deleted = co_await deleting;
    if (!deleted) refuse(asked, deleted.error().what);
    else if (deleted->front().code != Code::none) refuse(asked, "Deletion of group '" + asked.group + "' failed: " + std::string(name_of(deleted->front().code)));
    else asked.out = "Deletion of requested consumer groups ('" + asked.group + "') was successful.\n";
  } else {
    Task<bool> describing = describe(admin, asked);
    co_await describing;
  }
  process.finish();
}

}  // namespace

int groups_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  add_bootstrap(options);
  options.add()("list", "names of all groups")("describe", "offsets, lags and members of a group")("delete", "deletes a group without members");
  options.add()("group", po::value<std::string>()->value_name("GROUP"), "which one");
  options.add()("state", "describe: its state instead");
  if (const auto done = options.parse(arguments)) return *done;
  const int actions = static_cast<int>(options.has("list")) + static_cast<int>(options.has("describe")) + static_cast<int>(options.has("delete"));
  if (actions != 1) {
    options.terminal.warn("harrow groups: Command must include exactly one action: --list, --describe or --delete");
    return exit_usage;
  }
  Asked asked{options, options.text("group")};
  if (!options.has("list") && asked.group.empty()) {
    options.terminal.warn("harrow groups: --group GROUP is needed");
    return exit_usage;
  }
  ClientConfig config;
  if (!take_bootstrap(command, options, config)) return exit_usage;
  config.client_id = "harrow-groups";
  posix::PosixHost process(nullptr);
  run_tool(process, [&] { administer(process.host().scope, Label("groups"), process, config, asked); });
  options.terminal.put(asked.out);
  return asked.exit;
}

}  // namespace harrow::cli
