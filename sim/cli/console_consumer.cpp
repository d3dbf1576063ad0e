// `harrow console-consumer`: records to standard output, with Kafka's flags, over our own client.
#include <fmt/format.h>

#include <charconv>

#include "core/client/consumer.h"
#include "sim/cli/tool.h"

namespace harrow::cli {

namespace {

constexpr std::int64_t longest_poll_ms = 200;

struct Printing {
  bool key = false, value = true, timestamp = false, partition = false, offset = false, headers = false;
  std::string key_separator = "\t", line_separator = "\n", null_literal = "null";
};

struct Reading {
  const Terminal& terminal;
  ConsumerConfig config;
  std::string topic;
  std::optional<std::int32_t> partition;
  std::optional<std::int64_t> offset;  // of --partition
  Printing printing;
  std::uint64_t max_messages = UINT64_MAX;
  std::int64_t timeout_ms = -1;
  std::uint64_t printed = 0;
  bool stop = false;
  int exit = exit_ok;
};

bool flag(const std::string& text) { return text == "true"; }

std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char next = text[++i];
    out += next == 't' ? '\t' : next == 'n' ? '\n' : next;
  }
  return out;
}

void print(const Reading& reading, const ConsumedRecord& record, std::string& out) {
  const Printing& how = reading.printing;
  bool first = true;
  const auto next = [&](std::string_view text) {
    if (!first) out += how.key_separator;
    first = false;
    out += text;
  };
  if (how.timestamp) next("CreateTime:" + std::to_string(record.timestamp.value()));
  if (how.partition) next("Partition:" + std::to_string(record.partition));
  if (how.offset) next("Offset:" + std::to_string(record.offset.value()));
  if (how.headers) {
    std::string headers;
    for (const RecordHeader& header : record.headers())
      headers += fmt::format("{}{}:{}", headers.empty() ? "" : ",", header.key, header.value ? *header.value : std::string_view(how.null_literal));
    next(headers.empty() ? "NO_HEADERS" : headers);
  }
  if (how.key) next(record.key ? *record.key : std::string_view(how.null_literal));
  if (how.value) next(record.value ? *record.value : std::string_view(how.null_literal));
  out += how.line_separator;
}

Root read(Scope&, Label, posix::PosixHost& process, Reading& reading) {
  Host& host = process.host();
  Consumer consumer(host, reading.config);
  if (reading.partition) {
    const std::vector<TopicPartition> ids = {{reading.topic, *reading.partition}};
    consumer.assign(ids);
    if (reading.offset) consumer.seek(ids.front(), Offset(*reading.offset));
  } else {
    consumer.subscribe({reading.topic});
  }
  MonoNs last = host.clock.mono();
  while (!reading.stop && reading.printed < reading.max_messages) {
    const std::int64_t idle_ms = (host.clock.mono() - last) / ns_per_ms;
    if (reading.timeout_ms >= 0 && idle_ms >= reading.timeout_ms) break;
    const std::int64_t wait_ms = reading.timeout_ms >= 0 ? std::min(longest_poll_ms, reading.timeout_ms - idle_ms) : longest_poll_ms;
    Task<Result<Polled>> polling = consumer.poll(wait_ms);
    const Result<Polled> polled = co_await polling;
    if (!polled) {
      reading.terminal.warn(fmt::format("harrow console-consumer: {}: {}", name_of(polled.error().code), polled.error().what));
      reading.exit = exit_failed;
      break;
    }
    if (polled->empty()) continue;
    last = host.clock.mono();
    std::string out;
    std::map<TopicPartition, Offset> unread;  // the first record of each partition that is not printed
    for (const ConsumedRecord& record : *polled) {
      if (reading.printed == reading.max_messages) {
        unread.insert({TopicPartition{std::string(record.topic), record.partition}, record.offset});
        continue;
      }
      print(reading, record, out);
      ++reading.printed;
    }
    reading.terminal.put(out);
    for (const auto& [id, offset] : unread) consumer.seek(id, offset);
  }
  Task<Result<bool>> closing = consumer.close(5'000);
  co_await closing;
  process.finish();
}

}  // namespace

int console_consumer_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  add_bootstrap(options);
  options.add()("topic", po::value<std::string>()->value_name("TOPIC"), "what to read");
  options.add()("from-beginning", "from the first record, if the group has no place yet");
  options.add()("group", po::value<std::string>()->value_name("GROUP"), "reads and commits as this group (default: one of its own)");
  options.add()("partition", po::value<std::string>()->value_name("P"), "this partition alone");
  options.add()("offset", po::value<std::string>()->value_name("OFFSET"), "of --partition: a number, earliest or latest (default)");
  options.add()("max-messages", po::value<std::string>()->value_name("N"), "ends after so many");
  options.add()("timeout-ms", po::value<std::string>()->value_name("MS"), "ends when nothing came for so long");
  options.add()("isolation-level", po::value<std::string>()->value_name("LEVEL"), "read_uncommitted (default) or read_committed");
  options.add()("property", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"), "print.key, print.value, print.timestamp, print.partition, print.offset, print.headers, key.separator, line.separator, null.literal");
  options.add()("formatter-property", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"), "the same");
  options.add()("consumer-property", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"), "auto.offset.reset, client.id, enable.auto.commit, fetch.max.wait.ms, group.id, isolation.level, session.timeout.ms");
  options.add()("command-property", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"), "the same");
  if (const auto done = options.parse(arguments)) return *done;
  const Terminal& terminal = options.terminal;
  const auto wrong = [&](const std::string& why) {
    terminal.warn("harrow console-consumer: " + why);
    return exit_usage;
  };
  Reading reading{terminal};
  reading.topic = options.text("topic");
  if (reading.topic.empty()) return wrong("--topic TOPIC is needed");
  reading.config.client_id = "console-consumer";
  reading.config.auto_offset_reset = options.has("from-beginning") ? OffsetReset::earliest : OffsetReset::latest;
  reading.config.group_id = options.text("group");
  reading.config.read_committed = options.text("isolation-level") == "read_committed";
  std::vector<std::pair<std::string, std::string>> properties;
  if (!take_properties(command, options, {"consumer-property", "command-property"}, properties)) return exit_usage;
  for (const auto& [key, value] : properties) {
    std::int32_t number = 0;
    const bool is_number = std::from_chars(value.data(), value.data() + value.size(), number).ec == std::errc();
    if (key == "group.id") reading.config.group_id = value;
    else if (key == "client.id") reading.config.client_id = value;
    else if (key == "enable.auto.commit") reading.config.enable_auto_commit = flag(value);
    else if (key == "isolation.level") reading.config.read_committed = value == "read_committed";
    else if (key == "auto.offset.reset") reading.config.auto_offset_reset = value == "earliest" ? OffsetReset::earliest : value == "none" ? OffsetReset::none : OffsetReset::latest;
    else if (key == "fetch.max.wait.ms" && is_number) reading.config.fetch_max_wait_ms = number;
    else if (key == "session.timeout.ms" && is_number) reading.config.session_timeout_ms = number;
    else terminal.warn("harrow console-consumer: " + key + "=" + value + " is ignored");
  }
  properties.clear();
  if (!take_properties(command, options, {"property", "formatter-property"}, properties)) return exit_usage;
  for (const auto& [key, value] : properties) {
    if (key == "print.key") reading.printing.key = flag(value);
    else if (key == "print.value") reading.printing.value = flag(value);
    else if (key == "print.timestamp") reading.printing.timestamp = flag(value);
    else if (key == "print.partition") reading.printing.partition = flag(value);
    else if (key == "print.offset") reading.printing.offset = flag(value);
    else if (key == "print.headers") reading.printing.headers = flag(value);
    else if (key == "key.separator") reading.printing.key_separator = unescaped(value);
    else if (key == "line.separator") reading.printing.line_separator = unescaped(value);
    else if (key == "null.literal") reading.printing.null_literal = value;
    else terminal.warn("harrow console-consumer: --property " + key + " is ignored");
  }
  std::uint64_t number = 0;
  if (!options.number("max-messages", reading.max_messages)) return exit_usage;
  if (options.has("timeout-ms")) {
    if (!options.number("timeout-ms", number)) return exit_usage;
    reading.timeout_ms = static_cast<std::int64_t>(std::min<std::uint64_t>(number, INT32_MAX));
  }
  if (options.has("partition")) {
    if (!options.number("partition", number)) return exit_usage;
    reading.partition = static_cast<std::int32_t>(number);
    const std::string offset = options.text("offset", options.has("from-beginning") ? "earliest" : "latest");
    if (offset == "earliest") reading.config.auto_offset_reset = OffsetReset::earliest;
    else if (offset != "latest") {
      if (!options.number("offset", number)) return exit_usage;
      reading.offset = static_cast<std::int64_t>(number);
    }
  } else if (options.has("offset")) {
    return wrong("--offset goes with --partition");
  }
  if (!take_bootstrap(command, options, reading.config)) return exit_usage;
  posix::PosixHost process(nullptr);
  if (reading.config.group_id.empty() && !reading.partition) {
    reading.config.group_id = fmt::format("console-consumer-{}", process.host().random.fork("group").next() % 100'000);
    reading.config.enable_auto_commit = false;
  }
  run_tool(process, [&] { read(process.host().scope, Label("console consumer"), process, reading); }, [&] { reading.stop = true; });
  terminal.say(fmt::format("Processed a total of {} messages", reading.printed));
  return reading.exit;
}

}  // namespace harrow::cli
