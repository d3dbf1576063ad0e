// Random lives of a few hosts: whatever happens, order holds, nothing is left behind and two runs are one.
#include "tests/unit/net/rig.h"

namespace harrow::sim {
namespace {

struct World {
  struct Peer {
    std::unique_ptr<ReadyQueue> queue;
    std::unique_ptr<Scope> scope;
    Port* port = nullptr;
    std::vector<std::unique_ptr<ConnectionPtr>> connections;  // both made and accepted
    bool up = true;
  };
  static constexpr std::size_t count = 4;

  explicit World(std::uint64_t seed) : random(seed), fabric(kernel, topology(), Random(seed), profile()) {
    for (HostIndex i = 0; i < count; ++i) start(i);
  }
  ~World() {
    for (Peer& peer : peers) {
      peer.scope->destroy_all();
      peer.connections.clear();
    }
  }
  static Topology topology() {
    NetworkShape shape;
    shape.host_bytes_per_s = 20'000'000;
    Topology topology(shape);
    for (std::size_t i = 0; i < count; ++i) topology.add_host("h" + std::to_string(i), i % 2 == 0 ? "a" : "b");
    return topology;
  }
  static TransportProfile profile() {
    TransportProfile profile;
    profile.loss_ppm = 500;
    profile.receive_buffer_bytes = 100'000;
    profile.rto_max_ns = 2 * ns_per_s;
    profile.user_timeout_ns = 30 * ns_per_s;
    return profile;
  }
  void start(HostIndex i) {
    Peer& peer = peers[i];
    peer.queue = std::make_unique<ReadyQueue>(kernel.run_list());
    peer.scope = std::make_unique<Scope>(*peer.queue);
    peer.port = &fabric.attach(i, "h" + std::to_string(i), *peer.queue);
    peer.up = true;
    const Result<bool> listening = peer.port->listen(1, [this, i](ConnectionPtr connection) { adopt(i, std::move(connection)); });
    ASSERT_TRUE(listening);
  }
  void adopt(HostIndex i, ConnectionPtr connection) {
    Peer& peer = peers[i];
    peer.connections.push_back(std::make_unique<ConnectionPtr>(std::move(connection)));
    read(*peer.scope, Label("read"), *this, **peer.connections.back());
    write(*peer.scope, Label("write"), *this, **peer.connections.back());
  }
  static Root read(Scope& scope, Label label, World& world, Connection& connection) {
    std::uint32_t expected = 0;
    for (;;) {
      Result<Bytes> frame = co_await connection.read_frame(1u << 20);
      if (!frame) break;
      const std::uint32_t number = static_cast<std::uint32_t>(frame->at(8)) << 8 | frame->at(9);
      if (number != expected++) ++world.disorders;
      ++world.frames;
    }
  }
  static Root write(Scope& scope, Label label, World& world, Connection& connection) {
    for (std::uint32_t number = 0; number < 60; ++number) {
      const Result<bool> flushed = co_await connection.flushed();
      if (!flushed) break;
      const auto size = static_cast<std::uint32_t>(20 + world.random.below(world.random.chance(1, 5) ? 60'000 : 600));
      Bytes frame = frame_of(size, 0);
      Bytes numbered = frame.sub(0, 12);
      const std::uint8_t digits[2] = {static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
      numbered.append(Bytes::copy_of(std::span<const std::uint8_t>(digits, 2)));
      numbered.append(frame.from(14));
      connection.send(std::move(numbered));
    }
  }
  static Root connect(Scope& scope, Label label, World& world, HostIndex from, Port& port, Endpoint to) {
    Result<ConnectionPtr> connection = co_await port.connect(std::move(to));
    if (connection) world.adopt(from, std::move(*connection));
    else ++world.failures;
  }
  void act() {
    const auto i = static_cast<HostIndex>(random.below(count));
    Peer& peer = peers[i];
    switch (random.below(14)) {
      case 0:
      case 1:
      case 2:
      case 3:
        if (peer.up) {
          const auto to = random.below(count);
          connect(*peer.scope, Label("connect"), *this, i, *peer.port, Endpoint{"h" + std::to_string(to), 1});
        }
        break;
      case 4:
        if (peer.up) {
          fabric.crash(i, random.chance(1, 2) ? CrashMode::reset : CrashMode::black_hole);
          peer.scope->destroy_all();
          peer.connections.clear();
          peer.up = false;
        }
        break;
      case 5:
      case 6:
        if (!peer.up) {
          fabric.restart(i);
          start(i);
        }
        break;
      case 7:
      case 8: {
        Rule rule;
        rule.from = {i};
        rule.to = {static_cast<HostIndex>(random.below(count)), static_cast<HostIndex>(random.below(count))};
        rule.both_ways = random.chance(1, 2);
        rule.mode = static_cast<RuleMode>(random.below(4));
        if (random.chance(1, 3)) rule.api = 0;
        rule.count = static_cast<std::uint32_t>(random.below(3));
        if (rule.mode == RuleMode::none) {
          rule.bandwidth_permille = static_cast<std::uint32_t>(random.between(1, 1000));
          rule.bandwidth_bytes_per_s = random.below(1'000'000);
          rule.loss_ppm = static_cast<std::uint32_t>(random.below(20'000));
        }
        fabric.set_rule(static_cast<std::uint32_t>(random.below(3)), rule);
        break;
      }
      case 9:
        fabric.clear_rule(static_cast<std::uint32_t>(random.below(3)));
        break;
      case 10:
        fabric.reset_connections(i);
        break;
      case 11:
        if (peer.queue->parked()) peer.queue->release();
        else peer.queue->park();
        break;
      case 12:
        if (!peer.connections.empty()) (**peer.connections[random.below(peer.connections.size())]).close();
        break;
      default:
        break;
    }
  }
  void run() {
    for (int step = 0; step < 400; ++step) {
      act();
      kernel.run_until(kernel.now_ns() + static_cast<std::int64_t>(random.below(80)) * ms);
    }
    fabric.clear_rules();
    for (HostIndex i = 0; i < count; ++i) {
      if (peers[i].queue->parked()) peers[i].queue->release();
      if (peers[i].up) continue;
      fabric.restart(i);
      start(i);
    }
    kernel.run_until(kernel.now_ns() + 200 * ns_per_s);
  }

  Kernel kernel;
  Random random;
  Fabric fabric;
  Peer peers[count];
  std::uint64_t frames = 0;
  std::uint64_t failures = 0;
  std::uint64_t disorders = 0;
};

TEST(NetworkStress, WhateverHappensOrderHoldsAndNothingIsLeftBehind) {
  std::uint64_t frames = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    std::uint64_t hashes[2];
    for (std::uint64_t& hash : hashes) {
      World world(seed);
      world.run();
      EXPECT_EQ(world.disorders, 0u) << seed;
      EXPECT_EQ(world.fabric.frames_in_flight(), 0u) << seed;
      frames += world.frames;
      for (World::Peer& peer : world.peers) {
        peer.scope->destroy_all();
        peer.connections.clear();
      }
      world.kernel.run_until(world.kernel.now_ns() + 200 * ns_per_s);
      EXPECT_EQ(world.fabric.connections(), 0u) << seed;
      hash = world.kernel.hash();
    }
    EXPECT_EQ(hashes[0], hashes[1]) << seed;
  }
  EXPECT_GT(frames, 50'000u);
}

}  // namespace
}  // namespace harrow::sim
