// `harrow console-producer`: lines of standard input as records, with Kafka's flags, over our own client.
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "core/async/wait.h"
#include "core/client/producer.h"
#include "sim/cli/tool.h"

namespace harrow::cli {

namespace {

/// Standard input by lines, read by a thread of its own so that a slow writer holds no request up.
class Lines {
 public:
  explicit Lines(std::shared_ptr<posix::PosixHost> process) : process_(std::move(process)), arrived_(process_->host().timers) {}
  /// The thread keeps its lines and their host alive: it may sit in a read when the command ends.
  static void start(const std::shared_ptr<Lines>& lines, bool prompt) {
    std::thread([lines, prompt] { lines->read_all(prompt); }).detach();
  }
  /// The next one, if there is one now.
  std::optional<std::string> take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (lines_.empty()) return std::nullopt;
    std::string line = std::move(lines_.front());
    lines_.pop_front();
    room_.notify_one();
    return line;
  }
  bool ended() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return ended_ && lines_.empty();
  }
  Signal& arrived() { return arrived_; }

 private:
  static constexpr std::size_t most_lines = 10'000;
  void put(std::string line) {
    std::unique_lock<std::mutex> lock(mutex_);
    room_.wait(lock, [this] { return lines_.size() < most_lines; });
    lines_.push_back(std::move(line));
  }
  void read_all(bool prompt) {
    std::string rest;
    char piece[65536];
    for (;;) {
      if (prompt && ::write(STDOUT_FILENO, ">", 1) < 0) break;
      const ssize_t got = ::read(STDIN_FILENO, piece, sizeof(piece));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      rest.append(piece, static_cast<std::size_t>(got));
      std::size_t from = 0;
      for (std::size_t end; (end = rest.find('\n', from)) != std::string::npos; from = end + 1) {
        const bool carriage = end > from && rest[end - 1] == '\r';
        put(rest.substr(from, end - from - (carriage ? 1 : 0)));
      }
      rest.erase(0, from);
      process_->post([this] { arrived_.wake(); });
    }
    if (!rest.empty()) put(rest);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ended_ = true;
    }
    process_->post([this] { arrived_.wake(); });
  }
  std::shared_ptr<posix::PosixHost> process_;
  Signal arrived_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::deque<std::string> lines_;
  bool ended_ = false;
};

struct Writing final : DeliveryListener {
  explicit Writing(const Terminal& to) : terminal(to) {}
  void on_delivery(std::uint64_t tag, const Delivery& delivery) override {
    if (delivery.fate == Fate::acked) return;
    terminal.warn(fmt::format("Error when sending message to topic {} (line {}): {}", topic, tag, name_of(delivery.code)));
    exit = exit_failed;
  }
  const Terminal& terminal;
  ProducerConfig config;
  std::string topic;
  bool parse_key = false, ignore_error = false, sync = false, stop = false;
  std::string key_separator = "\t";
  std::optional<std::string> null_marker;
  int exit = exit_ok;
};

Root write(Scope&, Label, posix::PosixHost& process, Lines& lines, Writing& writing) {
  Host& host = process.host();
  Producer producer(host, writing.config, &writing);
  const TopicHandle topic = producer.topic(writing.topic);
  for (std::uint64_t number = 1; !writing.stop; ++number) {
    std::optional<std::string> line = lines.take();
    while (!line && !lines.ended() && !writing.stop) {
      co_await lines.arrived().next(after_ms(host.clock.mono(), 100));
      line = lines.take();
    }
    if (!line) break;
    ProducerRecord record;
    record.topic = topic;
    record.tag = number;
    record.value = *line;
    if (writing.parse_key) {
      const std::size_t at = line->find(writing.key_separator);
      if (at != std::string::npos) {
        record.key = std::string_view(*line).substr(0, at);
        record.value = std::string_view(*line).substr(at + writing.key_separator.size());
      } else if (!writing.ignore_error) {
        writing.terminal.warn(fmt::format("No key separator found on line number {}: '{}'", number, *line));
        writing.exit = exit_failed;
        break;
      }
    }
    if (writing.null_marker) {
      if (record.key == *writing.null_marker) record.key.reset();
      if (record.value == *writing.null_marker) record.value.reset();
    }
    if (writing.sync) {
      Task<Delivery> sending = producer.send_and_wait(record);
      co_await sending;
    } else {
      Task<Accepted> sending = producer.send_waiting(record);
      const Accepted accepted = co_await sending;
      if (accepted != Accepted::accepted) {
        const char* const why = accepted == Accepted::too_large ? "it is larger than max.request.size" : accepted == Accepted::no_memory ? "no memory in time" : "the topic is not known in time";
        writing.terminal.warn(fmt::format("Error when sending message to topic {} (line {}): {}", writing.topic, number, why));
        writing.exit = exit_failed;
      }
    }
  }
  Task<Result<bool>> closing = producer.close(after_ms(host.clock.mono(), writing.config.delivery_timeout_ms));
  co_await closing;
  process.finish();
}

}  // namespace

int console_producer_command(const Command& command, const std::vector<std::string>& arguments) {
  Options options(command);
  add_bootstrap(options);
  options.add()("topic", po::value<std::string>()->value_name("TOPIC"), "where to");
  options.add()("property", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"), "parse.key, key.separator, null.marker, ignore.error");
  options.add()("reader-property", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"), "the same");
  options.add()("producer-property", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"), "acks, batch.size, client.id, compression.type, delivery.timeout.ms, enable.idempotence, linger.ms, max.block.ms");
  options.add()("command-property", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"), "the same");
  options.add()("request-required-acks", po::value<std::string>()->value_name("ACKS"), "all (default), 1 or 0");
  options.add()("compression-codec", po::value<std::string>()->value_name("CODEC"), "none, gzip, snappy, lz4 or zstd");
  options.add()("sync", "waits for each record's answer");
  if (const auto done = options.parse(arguments)) return *done;
  const Terminal& terminal = options.terminal;
  Writing writing(terminal);
  writing.topic = options.text("topic");
  if (writing.topic.empty()) {
    terminal.warn("harrow console-producer: --topic TOPIC is needed");
    return exit_usage;
  }
  writing.sync = options.has("sync");
  writing.config.client_id = "console-producer";
  std::vector<std::pair<std::string, std::string>> properties;
  if (options.has("request-required-acks")) properties.emplace_back("acks", options.text("request-required-acks"));
  if (options.has("compression-codec")) properties.emplace_back("compression.type", options.text("compression-codec"));
  if (!take_properties(command, options, {"producer-property", "command-property"}, properties)) return exit_usage;
  for (const auto& [key, value] : properties) {
    std::int32_t number = 0;
    const auto end = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool is_number = !value.empty() && end.ec == std::errc() && end.ptr == value.data() + value.size() && number >= 0;
    bool good = true;
    if (key == "acks") {
      good = value == "all" || value == "-1" || value == "1" || value == "0";
      writing.config.acks = value == "1" ? Acks::leader : value == "0" ? Acks::none : Acks::all;
    } else if (key == "compression.type") {
      good = false;
      const std::pair<const char*, Codec> codecs[] = {{"none", Codec::none}, {"gzip", Codec::gzip}, {"snappy", Codec::snappy}, {"lz4", Codec::lz4}, {"zstd", Codec::zstd}};
      for (const auto& [name, codec] : codecs) {
        if (value != name) continue;
        writing.config.compression_type = codec;
        good = true;
      }
    } else if (key == "client.id") writing.config.client_id = value;
    else if (key == "enable.idempotence") writing.config.enable_idempotence = value == "true";
    else if (key == "linger.ms" && is_number) writing.config.linger_ms = number;
    else if (key == "batch.size" && is_number) writing.config.batch_size = static_cast<std::uint32_t>(number);
    else if (key == "delivery.timeout.ms" && is_number) writing.config.delivery_timeout_ms = number;
    else if (key == "max.block.ms" && is_number) writing.config.max_block_ms = number;
    else terminal.warn("harrow console-producer: " + key + "=" + value + " is ignored");
    if (!good) {
      terminal.warn("harrow console-producer: " + key + " is not '" + value + "'");
      return exit_usage;
    }
  }
  properties.clear();
  if (!take_properties(command, options, {"property", "reader-property"}, properties)) return exit_usage;
  for (const auto& [key, value] : properties) {
    if (key == "parse.key") writing.parse_key = value == "true";
    else if (key == "key.separator") writing.key_separator = value;
    else if (key == "null.marker") writing.null_marker = value;
    else if (key == "ignore.error") writing.ignore_error = value == "true";
    else terminal.warn("harrow console-producer: --property " + key + " is ignored");
  }
  if (writing.key_separator.empty() || !take_bootstrap(command, options, writing.config)) return exit_usage;
  const auto process = std::make_shared<posix::PosixHost>(nullptr);
  const auto lines = std::make_shared<Lines>(process);
  Lines::start(lines, ::isatty(STDIN_FILENO) == 1);
  run_tool(*process, [&] { write(process->host().scope, Label("console producer"), *process, *lines, writing); }, [&] { writing.stop = true; });
  return writing.exit;
}

}  // namespace harrow::cli
