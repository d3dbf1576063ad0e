// The floor under a broker's append: a bare loop of recv, CRC-32C, pwrite and an answer, and `harrow serve` under the same
// requests. Each is a process of its own, so that its processor time can be told apart from the client's, which is this
// process; they take turns.
#include "sim/cli/bench_floor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <span>

#include "core/base/buffer.h"
#include "core/base/check.h"
#include "core/model/batch_builder.h"
#include "core/model/crc32c.h"
#include "core/wire/frame.h"
#include "core/wire/produce_request.h"
#include "sim/cli/command.h"

namespace harrow::cli {

namespace fs = std::filesystem;

namespace {

struct FloorRow {
  std::uint32_t records, value_bytes, in_flight;
  std::int64_t requests;
};
constexpr FloorRow floor_rows[] = {{1, 100, 1, 20'000}, {1, 100, 5, 40'000}, {128, 100, 5, 20'000}, {1000, 1000, 5, 600}};
constexpr int turns = 3;
constexpr std::int16_t produce_version = 9;
constexpr std::uint32_t crc_covers_from = 21;  // of a batch
constexpr std::uint32_t crc_at = 17;
constexpr std::size_t largest_frame = 8u << 20;

/// The frame as it is sent, its size in front, and where its batch lies.
struct Request {
  std::vector<std::uint8_t> bytes;
  std::size_t batch_at = 0, batch_bytes = 0;
};

Request request_of(const FloorRow& row) {
  BatchOptions options;
  options.expected_bytes = row.records * (row.value_bytes + 32) + 128;
  BatchBuilder builder(options);
  const std::string value(row.value_bytes, 'v');
  for (std::uint32_t i = 0; i < row.records; ++i) builder.add(WallMs(utc_seconds() * 1000), std::nullopt, value);
  const Bytes batch = builder.build();
  wire::ProduceRequest request;
  request.acks = 1;
  request.timeout_ms = 10'000;
  auto& topic = request.topic_data.emplace_back();
  topic.name = "bench";
  topic.partition_data.emplace_back().records = batch;
  const Bytes frame = wire::encode_request(produce_version, 1, "bench", request);
  Request made;
  made.bytes.resize(frame.size());
  frame.copy_to(0, made.bytes);
  std::vector<std::uint8_t> plain(batch.size());
  batch.copy_to(0, plain);
  const auto found = std::search(made.bytes.begin(), made.bytes.end(), plain.begin(), plain.end());
  CHECK(found != made.bytes.end());
  made.batch_at = static_cast<std::size_t>(found - made.bytes.begin());
  made.batch_bytes = plain.size();
  return made;
}

bool send_all(int fd, const std::uint8_t* data, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

std::uint32_t size_in_front(const std::uint8_t* bytes) {
  std::uint32_t size = 0;
  std::memcpy(&size, bytes, sizeof(size));
  return ntohl(size);
}

/// The bare loop; never returns.
[[noreturn]] void serve_bare(int listener, const Request& request, const std::string& file) {
  const int out = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (out < 0) ::_exit(1);
  std::vector<std::uint8_t> buffer(largest_frame);
  std::array<std::uint8_t, 60> answer{};
  answer[3] = answer.size() - 4;
  off_t end = 0;
  for (;;) {
    const int fd = ::accept(listener, nullptr, nullptr);
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    std::size_t filled = 0;
    for (;;) {
      const ssize_t got = ::recv(fd, buffer.data() + filled, buffer.size() - filled, 0);
      if (got <= 0) break;
      filled += static_cast<std::size_t>(got);
      std::size_t at = 0;
      while (filled - at >= request.bytes.size()) {
        const std::uint8_t* const batch = buffer.data() + at + request.batch_at;
        if (crc32c(std::span(batch + crc_covers_from, request.batch_bytes - crc_covers_from)) != size_in_front(batch + crc_at)) ::_exit(1);
        if (::pwrite(out, batch, request.batch_bytes, end) != static_cast<ssize_t>(request.batch_bytes)) ::_exit(1);
        end += static_cast<off_t>(request.batch_bytes);
        if (!send_all(fd, answer.data(), answer.size())) break;
        at += request.bytes.size();
      }
      std::memmove(buffer.data(), buffer.data() + at, filled - at);
      filled -= at;
    }
    ::close(fd);
  }
}

/// A child that ends with this process.
class Child {
 public:
  template <class Body>
  explicit Child(Body body) : pid_(::fork()) {
    CHECK_SAYING(pid_ >= 0, "a process can be made");
    if (pid_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    body();
    ::_exit(127);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  bool runs() const { return ::waitpid(pid_, nullptr, WNOHANG) == 0; }
  std::int64_t processor_ns() const {
    clockid_t clock{};
    timespec used{};
    CHECK(::clock_getcpuclockid(pid_, &clock) == 0 && ::clock_gettime(clock, &used) == 0);
    return used.tv_sec * 1'000'000'000 + used.tv_nsec;
  }

 private:
  pid_t pid_;
};

struct Spent {
  std::int64_t processor_ns = 0, wall_ns = 0;  // a request
};

/// Keeps `in_flight` requests under way until all are answered; nothing if the server fails.
std::optional<Spent> load(const Child& server, std::uint16_t port, const FloorRow& row, const Request& request, std::int64_t requests) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(port);
  const int on = 1;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0 || ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
    ::close(fd);
    return std::nullopt;
  }
  std::array<std::uint8_t, 4096> answers{};
  std::size_t filled = 0;
  std::int64_t sent = 0, answered = 0, start_cpu = 0, start_wall = 0;
  const std::int64_t warm = std::max<std::int64_t>(requests / 10, 1);
  bool sound = true;
  while (sound && answered < requests + warm) {
    while (sound && sent < requests + warm && sent - answered < row.in_flight) {
      sound = send_all(fd, request.bytes.data(), request.bytes.size());
      ++sent;
    }
    const ssize_t got = sound ? ::recv(fd, answers.data() + filled, answers.size() - filled, 0) : -1;
    if (got <= 0) sound = false;
    else filled += static_cast<std::size_t>(got);
    std::size_t at = 0;
    while (sound && filled - at >= 4 && filled - at >= size_in_front(answers.data() + at) + 4) {
      at += size_in_front(answers.data() + at) + 4;
      if (++answered == warm) {
        start_cpu = server.processor_ns();
        start_wall = wall_clock_ns();
      }
    }
    std::memmove(answers.data(), answers.data() + at, filled - at);
    filled -= at;
  }
  ::close(fd);
  if (!sound) return std::nullopt;
  return Spent{(server.processor_ns() - start_cpu) / requests, (wall_clock_ns() - start_wall) / requests};
}

int listen_anywhere(std::uint16_t& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0 && ::listen(fd, 4) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  CHECK_SAYING(bound, "a port can be listened on");
  port = ntohs(address.sin_port);
  return fd;
}

/// The port in a ready file's "host:port", once it is there.
std::optional<std::uint16_t> await_port(const Child& server, const std::string& ready_file) {
  constexpr std::int64_t patience_ns = 60'000'000'000;
  for (const std::int64_t until = wall_clock_ns() + patience_ns; wall_clock_ns() < until && server.runs() && interrupted == 0;) {
    const std::optional<std::string> text = read_text(ready_file);
    if (text && text->find(':') != std::string::npos) return static_cast<std::uint16_t>(std::strtoul(text->c_str() + text->rfind(':') + 1, nullptr, 10));
    ::usleep(2000);
  }
  return std::nullopt;
}

[[noreturn]] void become_server(const std::string& ready_file, const std::string& data) {
  const int nowhere = ::open("/dev/null", O_RDWR);
  ::dup2(nowhere, STDOUT_FILENO);
  const std::array<const char*, 12> arguments{"harrow", "serve", "--quiet", "--port", "0", "--topic", "bench:1:1", "--data", data.c_str(), "--ready-file", ready_file.c_str(), nullptr};
  ::execv("/proc/self/exe", const_cast<char* const*>(arguments.data()));
  ::_exit(127);
}

std::int64_t median(std::vector<std::int64_t> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

bool bench_floor(const sim::BenchOptions& options) {
  std::string folder = (fs::temp_directory_path() / "harrow-bench-XXXXXX").string();
  CHECK_SAYING(::mkdtemp(folder.data()) != nullptr, "a temporary folder can be made");
  bool good = true;
  for (const FloorRow& row : floor_rows) {
    const Request request = request_of(row);
    const std::int64_t requests = std::max<std::int64_t>(row.requests * options.percent / 100, 20);
    std::vector<std::int64_t> bare_cpu, bare_wall, serve_cpu, serve_wall;
    for (int turn = 0; turn < turns && good; ++turn) {
      {
        std::uint16_t port = 0;
        const int listener = listen_anywhere(port);
        const Child bare([&] { serve_bare(listener, request, folder + "/bare"); });
        const std::optional<Spent> spent = load(bare, port, row, request, requests);
        ::close(listener);
        good = spent.has_value();
        if (!good) break;
        bare_cpu.push_back(spent->processor_ns);
        bare_wall.push_back(spent->wall_ns);
      }
      const std::string ready_file = fmt::format("{}/ready-{}-{}", folder, &row - floor_rows, turn);
      const Child server([&] { become_server(ready_file, ready_file + "-data"); });
      const std::optional<std::uint16_t> port = await_port(server, ready_file);
      const std::optional<Spent> spent = port ? load(server, *port, row, request, requests) : std::nullopt;
      good = spent.has_value();
      if (!good) break;
      serve_cpu.push_back(spent->processor_ns);
      serve_wall.push_back(spent->wall_ns);
    }
    if (!good) break;
    const double ratio = static_cast<double>(median(serve_cpu)) / static_cast<double>(std::max<std::int64_t>(median(bare_cpu), 1));
    good = options.row(fmt::format("{{\"task\":\"append-floor\",\"batch_bytes\":{},\"records_a_batch\":{},\"in_flight\":{},\"bare_ns\":{},\"serve_ns\":{},\"ratio\":{:.2f},\"bare_wall_ns\":{},\"serve_wall_ns\":{}}}",
                                   request.batch_bytes, row.records, row.in_flight, median(bare_cpu), median(serve_cpu), ratio, median(bare_wall), median(serve_wall)));
    if (!good) break;
  }
  std::error_code unknown;
  fs::remove_all(folder, unknown);
  return good;
}

}  // namespace harrow::cli
