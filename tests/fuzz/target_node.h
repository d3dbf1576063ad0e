// A controller and a broker in the simulator, and a host beside them that sends bytes of its own making. Shared by the
// frame tests and the fuzz target: whatever arrives on a connection, both nodes must go on.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/node/api_table.h"
#include "core/wire/any_message.h"
#include "sim/cluster/cluster.h"

namespace harrow::test {

class TargetNode {
 public:
  TargetNode() : cluster_(kernel_, plan(), 1), client_(cluster_.add_client("stranger", "a")) {
    cluster_.start();
    run_ms(10'000);
    CHECK(cluster_.live(NodeId(1))->broker() != nullptr);
    CHECK(cluster_.live(NodeId(1))->broker()->state() == BrokerState::running);
  }
  /// Sends each of these down its own connection, waits a little, and goes away.
  void send(const std::vector<std::string>& streams, bool to_controller) {
    const Endpoint to = to_controller ? Endpoint{"controller-1", 9093} : Endpoint{"broker-1", 9092};
    client_.start([&](sim::SimHost& host) {
      for (const std::string& stream : streams) talk(host.scope(), Label("stranger"), host.host().net, to, stream, connections_);
    });
    run_ms(20);
    client_.host()->scope().destroy_all();
    connections_.clear();
    client_.kill();
  }
  /// Neither node has halted, and a well-formed request is still answered.
  void expect_alive() {
    CHECK_SAYING(cluster_.halts() == 0, "a node halted");
    CHECK(cluster_.live(NodeId(1)) != nullptr);
    CHECK(cluster_.live(NodeId(3001)) != nullptr);
    const std::size_t before = answers_;
    Writer w(64);
    wire::frame::begin_request(w, wire::ApiKey::api_versions, 0, 1, "stranger");
    const std::string good = wire::frame::finish(w).to_string();
    send({good}, false);
    send({good}, true);
    CHECK_SAYING(answers_ == before + 2, "a node answers no more");
  }
  std::size_t answers() const { return answers_; }
  sim::Cluster& cluster() { return cluster_; }
  void run_ms(std::int64_t ms) { kernel_.run_until(kernel_.now_ns() + ms * ns_per_ms); }

 private:
  static sim::ClusterPlan plan() {
    sim::ClusterPlan plan;
    plan.controllers.count = plan.brokers.count = 1;
    plan.controllers.racks = plan.brokers.racks = {"a"};
    for (sim::ConfigMap* config : {&plan.controllers.config, &plan.brokers.config}) {
      (*config)["default.replication.factor"] = (*config)["offsets.topic.replication.factor"] = "1";
      (*config)["offsets.topic.num.partitions"] = "1";
    }
    return plan;
  }
  Root talk(Scope& scope, Label label, Network& net, Endpoint to, std::string stream, std::vector<ConnectionPtr>& kept) {
    Result<ConnectionPtr> made = co_await net.connect(to);
    if (!made) co_return;
    Connection& connection = **made;
    kept.push_back(std::move(*made));
    connection.send(Bytes::copy_of(stream));
    for (;;) {
      const Result<Bytes> answer = co_await connection.read_frame(64u << 20);
      if (!answer) break;
      ++answers_;
    }
  }

  sim::Kernel kernel_;
  sim::Cluster cluster_;
  sim::Machine& client_;
  std::vector<ConnectionPtr> connections_;
  std::size_t answers_ = 0;
};

/// A request frame, its size field included, with this body.
inline std::string frame_of(wire::ApiKey api, std::int16_t version, std::string_view body) {
  Writer w(64);
  wire::frame::begin_request(w, api, version, 7, "stranger");
  Bytes frame = wire::frame::finish(w);
  std::string text = frame.to_string() + std::string(body);
  const auto size = static_cast<std::uint32_t>(text.size() - 4);
  for (int i = 0; i < 4; ++i) text[static_cast<std::size_t>(i)] = static_cast<char>(size >> (24 - 8 * i));
  return text;
}

/// The request message of an API, or null.
inline const wire::MessageInfo* request_of(wire::ApiKey api) {
  for (const wire::MessageInfo* const info : wire::all_messages())
    if (info->kind == wire::MessageKind::request && info->key == static_cast<std::int16_t>(api)) return info;
  return nullptr;
}

}  // namespace harrow::test
