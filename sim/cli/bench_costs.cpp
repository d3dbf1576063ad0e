// What a broker's work costs this machine: frames through a socket, bytes into a file, batches into a log, requests.
// Processor time, so that waiting counts for nothing. Printed as a profile that `harrow size --hardware` reads.
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <vector>

#include <nlohmann/json.hpp>

#include "sim/cli/size.h"
#include "sim/scenario/bench.h"

namespace harrow::cli {

namespace {

double processor_ns() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

/// Fixed part and part per byte, by least squares over what was measured.
struct Line {
  double fixed = 0, slope = 0;
};
Line line_through(const std::vector<std::pair<double, double>>& points) {
  double sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (const auto& [x, y] : points) {
    sx += x;
    sy += y;
    sxx += x * x;
    sxy += x * y;
  }
  const auto n = static_cast<double>(points.size());
  Line line;
  line.slope = std::max(0.0, (n * sxy - sx * sy) / (n * sxx - sx * sx));
  line.fixed = std::max(0.0, (sy - line.slope * sx) / n);
  return line;
}

constexpr std::array<std::size_t, 4> frame_sizes{256, 4096, 16384, 65536};
constexpr int rounds = 5;

class Pair {
 public:
  bool open() {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    bool good = listener >= 0 && ::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 && ::listen(listener, 1) == 0 &&
                ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    from_ = ::socket(AF_INET, SOCK_STREAM, 0);
    good = good && ::connect(from_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    to_ = good ? ::accept(listener, nullptr, nullptr) : -1;
    if (listener >= 0) ::close(listener);
    const int on = 1, room = 4 << 20;
    if (to_ >= 0) {
      ::setsockopt(from_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      ::setsockopt(from_, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
      ::setsockopt(to_, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    }
    return to_ >= 0;
  }
  ~Pair() {
    if (from_ >= 0) ::close(from_);
    if (to_ >= 0) ::close(to_);
  }
  /// Processor time of sending and of receiving one frame of this size; false on an error.
  bool pass(std::size_t size, int times, double& out_ns, double& in_ns) {
    std::vector<char> frame(size, 'x'), space(size);
    double out = 0, in = 0;
    for (int i = 0; i < times; ++i) {
      const double begun = processor_ns();
      std::size_t sent = 0;
      while (sent < size) {
        const ssize_t now = ::send(from_, frame.data() + sent, size - sent, MSG_NOSIGNAL);
        if (now <= 0) return false;
        sent += static_cast<std::size_t>(now);
      }
      const double half = processor_ns();
      std::size_t got = 0;
      while (got < size) {
        pollfd ready{to_, POLLIN, 0};
        if (::poll(&ready, 1, 1000) != 1) return false;
        const ssize_t now = ::recv(to_, space.data() + got, size - got, 0);
        if (now <= 0) return false;
        got += static_cast<std::size_t>(now);
      }
      in += processor_ns() - half;
      out += half - begun;
    }
    out_ns = out / times;
    in_ns = in / times;
    return true;
  }

 private:
  int from_ = -1, to_ = -1;
};

/// Processor time of putting so many bytes into the page cache.
double write_ns(int file, std::size_t size, int times) {
  const std::vector<char> bytes(size, 'y');
  const double begun = processor_ns();
  for (int i = 0; i < times; ++i)
    if (::pwrite(file, bytes.data(), size, static_cast<off_t>(size) * (i % 64)) != static_cast<ssize_t>(size)) return -1;
  return (processor_ns() - begun) / times;
}

std::string processor_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown processor";
}

}  // namespace

int bench_costs(const Terminal& terminal) {
  // Sockets and files: the best of a few rounds, since everything that disturbs makes it slower.
  std::vector<std::pair<double, double>> in_points, out_points, write_points;
  Pair pair;
  if (!pair.open()) {
    terminal.warn("harrow bench: no loopback connection");
    return exit_defect;
  }
  char path[] = "/tmp/harrow-costs-XXXXXX";
  const int file = ::mkstemp(path);
  if (file < 0) {
    terminal.warn("harrow bench: no temporary file");
    return exit_defect;
  }
  ::unlink(path);
  bool good = true;
  for (const std::size_t size : frame_sizes) {
    double in = 1e18, out = 1e18, written = 1e18;
    for (int round = 0; round < rounds && good; ++round) {
      double out_ns = 0, in_ns = 0;
      good = pair.pass(size, 2000, out_ns, in_ns);
      in = std::min(in, in_ns);
      out = std::min(out, out_ns);
      const double write = write_ns(file, size, 2000);
      good = good && write >= 0;
      written = std::min(written, write);
    }
    in_points.emplace_back(static_cast<double>(size), in);
    out_points.emplace_back(static_cast<double>(size), out);
    write_points.emplace_back(static_cast<double>(size), written);
  }
  ::close(file);
  if (!good) {
    terminal.warn("harrow bench: the loopback connection or the temporary file failed");
    return exit_defect;
  }
  // Our own code: a log by itself, and whole round trips.
  std::vector<std::pair<double, double>> append_points;
  double round_trip_ns = 0;
  sim::BenchOptions options;
  options.wall_ns = [] { return static_cast<std::int64_t>(processor_ns()); };
  options.peak_bytes = [] { return std::int64_t{0}; };
  options.row = [&](const std::string& row) {
    const nlohmann::json values = nlohmann::json::parse(row, nullptr, false);
    if (values.contains("batches_per_second")) {
      const double bytes = values["records_a_batch"].get<double>() * values["value_bytes"].get<double>() + 61;
      append_points.emplace_back(bytes, 1e9 / values["batches_per_second"].get<double>());
    }
    if (values.contains("ns_per_request")) round_trip_ns = values["ns_per_request"].get<double>();
    return true;
  };
  sim::bench_append(options);
  options.percent = 30;
  sim::bench_saturated(options);

  const Line in = line_through(in_points), out = line_through(out_points), write = line_through(write_points), append = line_through(append_points);
  const std::time_t now = static_cast<std::time_t>(utc_seconds());
  std::tm date{};
  gmtime_r(&now, &date);
  terminal.put(fmt::format("harrow-costs: 1\n"
                           "costs:\n"
                           "  - name: harrow\n"
                           "    what: Harrow's broker as built, one thread\n"
                           "    date: {:04}-{:02}-{:02}\n"
                           "    machine: \"{}\"\n"
                           "    source: >-\n"
                           "      harrow bench costs. frame-in: poll and recv over loopback; a byte of it also validated, appended and written to a file's\n"
                           "      page cache. frame-out: send over loopback. batch: appending a batch, and its write. request: a whole simulated round trip, with\n"
                           "      the client and the simulator in it, so more than the broker's share.\n"
                           "    lanes: 1\n"
                           "    frame-in-ns: {:.0f}\n"
                           "    frame-in-byte-ns: {:.4f}\n"
                           "    request-ns: {:.0f}\n"
                           "    batch-ns: {:.0f}\n"
                           "    frame-out-ns: {:.0f}\n"
                           "    frame-out-byte-ns: {:.4f}\n",
                           date.tm_year + 1900, date.tm_mon + 1, date.tm_mday, processor_name(), in.fixed, in.slope + write.slope + append.slope, round_trip_ns, append.fixed + write.fixed, out.fixed, out.slope));
  return exit_ok;
}

}  // namespace harrow::cli
