// Hosts with a queue and a scope each, for the fabric's tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "sim/net/fabric.h"

namespace harrow::sim {

constexpr std::int64_t ms = ns_per_ms;

/// A frame of this many bytes on the stream, its size field included; the body repeats `mark`.
inline Bytes frame_of(std::uint32_t total_bytes, std::uint8_t mark = 0) {
  Block* const block = Block::create(total_bytes);
  std::fill(block->data(), block->data() + total_bytes, mark);
  const std::uint32_t body = total_bytes - 4;
  for (int i = 0; i < 4; ++i) block->data()[i] = static_cast<std::uint8_t>(body >> (24 - 8 * i));
  return Bytes(Slice::adopt(block, 0, total_bytes));
}
/// A request's start: api, version 0, correlation; or a response's: correlation.
inline Bytes request_of(std::int16_t api, std::int32_t correlation) {
  std::uint8_t body[12] = {0, 0, 0, 8};
  body[4] = static_cast<std::uint8_t>(api >> 8);
  body[5] = static_cast<std::uint8_t>(api);
  for (int i = 0; i < 4; ++i) body[8 + i] = static_cast<std::uint8_t>(correlation >> (24 - 8 * i));
  return Bytes::copy_of(std::span<const std::uint8_t>(body, 12));
}
inline Bytes response_of(std::int32_t correlation) {
  std::uint8_t body[8] = {0, 0, 0, 4};
  for (int i = 0; i < 4; ++i) body[4 + i] = static_cast<std::uint8_t>(correlation >> (24 - 8 * i));
  return Bytes::copy_of(std::span<const std::uint8_t>(body, 8));
}

/// What a reader saw.
struct Inbox {
  std::vector<Bytes> frames;
  std::vector<std::int64_t> times_ns;
  Code code = Code::none;
  std::int64_t ended_ns = -1;
};

struct TestHost {
  TestHost(Fabric& fabric, Kernel& kernel, HostIndex index, const std::string& name)
      : queue(std::make_unique<ReadyQueue>(kernel.run_list())), scope(std::make_unique<Scope>(*queue)),
        port(fabric.attach(index, name, *queue)), index(index), name(name) {}
  std::unique_ptr<ReadyQueue> queue;
  std::unique_ptr<Scope> scope;
  Port& port;
  HostIndex index;
  std::string name;
  ConnectionPtr connection;   // that it made
  std::vector<ConnectionPtr> accepted;
  Code connect_code = Code::none;
  std::int64_t connected_ns = -1;
  std::int64_t flushed_ns = -1;
  Inbox inbox;
};

struct Rig {
  explicit Rig(TransportProfile profile = quiet(), NetworkShape shape = {}, unsigned hosts = 3, std::uint64_t seed = 1)
      : fabric(kernel, topology_of(shape, hosts), Random(seed), profile) {
    for (HostIndex i = 0; i < hosts; ++i) this->hosts.push_back(std::make_unique<TestHost>(fabric, kernel, i, "h" + std::to_string(i)));
  }
  ~Rig() {
    for (auto& host : hosts) {
      host->scope->destroy_all();
      host->connection.reset();
      host->accepted.clear();
    }
  }
  static TransportProfile quiet() {
    TransportProfile profile;
    profile.jitter_mean_ns = 0;
    return profile;
  }
  static Topology topology_of(NetworkShape shape, unsigned hosts) {
    Topology topology(shape);
    for (unsigned i = 0; i < hosts; ++i) topology.add_host("h" + std::to_string(i), "r" + std::to_string(i));
    return topology;
  }
  TestHost& operator[](std::size_t i) { return *hosts[i]; }

  static Root connect_to(Scope& scope, Label label, Rig& rig, TestHost& host, Endpoint to) {
    Result<ConnectionPtr> connection = co_await host.port.connect(std::move(to));
    host.connected_ns = rig.kernel.now_ns();
    if (connection) host.connection = std::move(*connection);
    else host.connect_code = connection.error().code;
  }
  static Root read_all(Scope& scope, Label label, Rig& rig, Connection& connection, Inbox& inbox) {
    for (;;) {
      Result<Bytes> frame = co_await connection.read_frame(64u << 20);
      if (!frame) {
        inbox.code = frame.error().code;
        inbox.ended_ns = rig.kernel.now_ns();
        break;
      }
      inbox.frames.push_back(std::move(*frame));
      inbox.times_ns.push_back(rig.kernel.now_ns());
    }
  }
  static Root flush(Scope& scope, Label label, Rig& rig, TestHost& host, Connection& connection) {
    const Result<bool> flushed = co_await connection.flushed();
    if (flushed) host.flushed_ns = rig.kernel.now_ns();
  }
  void listen(std::size_t server, bool read = true) {
    TestHost& host = *hosts[server];
    ASSERT_TRUE(host.port.listen(9092, [this, &host, read](ConnectionPtr connection) {
      host.accepted.push_back(std::move(connection));
      if (read) read_all(*host.scope, Label("server"), *this, *host.accepted.back(), host.inbox);
    }));
  }
  void connect(std::size_t client, std::size_t server) {
    connect_to(*hosts[client]->scope, Label("client"), *this, *hosts[client], Endpoint{hosts[server]->name, 9092});
  }
  void read(std::size_t client) { read_all(*hosts[client]->scope, Label("client"), *this, *hosts[client]->connection, hosts[client]->inbox); }
  void run_for(std::int64_t ns) { kernel.run_until(kernel.now_ns() + ns); }
  /// 0 connects to 1 and both read.
  void pair(bool server_reads = true) {
    listen(1, server_reads);
    connect(0, 1);
    run_for(20 * ms);
    ASSERT_NE(hosts[0]->connection, nullptr);
    ASSERT_EQ(hosts[1]->accepted.size(), 1u);
    read(0);
  }
  void crash(std::size_t i, CrashMode mode) {
    fabric.crash(static_cast<HostIndex>(i), mode);
    hosts[i]->scope->destroy_all();
    hosts[i]->connection.reset();
    hosts[i]->accepted.clear();
  }

  Kernel kernel;
  Fabric fabric;
  std::vector<std::unique_ptr<TestHost>> hosts;
};

}  // namespace harrow::sim
