// A quorum on simulated hosts, network and disks: nodes that do nothing but keep `__cluster_metadata`. The listener's
// state is the list of all committed records, so that two nodes can be compared.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/node/quorum.h"
#include "core/wire/frame.h"
#include "sim/disk/sim_disk.h"
#include "sim/host/sim_host.h"
#include "sim/net/fabric.h"

namespace harrow::sim {

struct QuorumOptions {
  int voters = 3;
  int observers = 1;
  std::uint64_t seed = 1;
  std::uint64_t snapshot_bytes = 20 * 1024 * 1024;
  std::uint64_t retention_bytes = 100 * 1024 * 1024;
  std::uint64_t segment_bytes = 1024 * 1024;
  std::int32_t fetch_max_bytes = 8 * 1024 * 1024;
};

class QuorumRig {
 public:
  struct Node final : QuorumListener {
    QuorumRig* rig = nullptr;
    int id = 0;
    HostIndex index = 0;
    std::unique_ptr<SimClock> clock;
    std::unique_ptr<SimDisk> disk;
    std::unique_ptr<ReadyQueue> queue;
    std::unique_ptr<SimHost> host;
    std::unique_ptr<Quorum> quorum;
    std::uint32_t life = 0;
    bool ready = false;
    bool halted = false;
    // The listener's state.
    std::vector<std::string> records;
    Offset applied{0};
    LeaderEpoch leads = no_epoch;
    int snapshots_loaded = 0;
    int snapshots_written = 0;

    void on_commit(const CommittedBatch& batch) override {
      EXPECT_EQ(batch.base.value(), applied.value()) << id << " misses something or sees it twice";
      applied = batch.last + 1;
      for (const Bytes& record : batch.records) records.push_back(record.to_string());
      rig->agree(*this, batch);
    }
    void on_leader_known(NodeId, LeaderEpoch) override {}
    void on_leader(LeaderEpoch epoch, Offset start) override {
      EXPECT_GE(applied.value(), start.value());
      leads = epoch;
      EXPECT_TRUE(rig->leaders.emplace(epoch, id).second) << "two leaders in epoch " << epoch.value();
    }
    void on_resign(LeaderEpoch epoch) override {
      EXPECT_EQ(leads, epoch);
      leads = no_epoch;
    }
    void load_snapshot(const raft::OffsetAndEpoch& snapshot, std::span<const Bytes> values) override {
      records.clear();
      for (const Bytes& value : values) records.push_back(value.to_string());
      applied = snapshot.offset;
      ++snapshots_loaded;
    }
    std::vector<Bytes> write_snapshot() override {
      ++snapshots_written;
      std::vector<Bytes> values;
      for (const std::string& record : records) values.push_back(Bytes::copy_of(record));
      return values;
    }
    std::uint64_t state_hash() override { return records.size(); }
  };

  explicit QuorumRig(QuorumOptions options)
      : options_(options), random_(options.seed),
        fabric_(kernel, topology(options.voters + options.observers), Random(options.seed).fork("net")) {
    for (int id = 1; id <= options.voters + options.observers; ++id) {
      Node& node = nodes[id];
      node.rig = this;
      node.id = id;
      node.index = static_cast<HostIndex>(id - 1);
      node.clock = std::make_unique<SimClock>(kernel, 1'767'600'000'000, 0, 0);
      node.disk = std::make_unique<SimDisk>(kernel, node.index, DiskProfile{}, random_.fork("disk", static_cast<std::uint64_t>(id)));
      start(id);
    }
  }
  ~QuorumRig() {
    for (auto& [id, node] : nodes) end(node, CrashMode::reset);
  }

  void start(int id) {
    Node& node = nodes.at(id);
    if (node.life > 0) fabric_.restart(node.index);
    ++node.life;
    node.ready = false;
    node.halted = false;
    node.records.clear();
    node.applied = Offset{0};
    node.leads = no_epoch;
    node.disk->prepare_start();
    node.queue = std::make_unique<ReadyQueue>(kernel.run_list());
    Port& port = fabric_.attach(node.index, name_of(id), *node.queue);
    node.host = std::make_unique<SimHost>(kernel, node.index, *node.clock, port, *node.disk, cpu_,
                                          random_.fork("process", static_cast<std::uint64_t>(id) * 1000 + node.life), *node.queue,
                                          [this, &node](Code) {
                                            node.halted = true;
                                            halts += 1;
                                          });
    node.host->enter([&] { run(node.host->host().scope, Label("node"), node); });
  }

  bool up(int id) const { return nodes.at(id).host != nullptr; }
  void power_loss(int id) {
    Node& node = nodes.at(id);
    const Random dice = random_.fork("dice", static_cast<std::uint64_t>(id) * 1000 + node.life);
    end(node, CrashMode::black_hole);
    node.disk->crash_power(FileSystem::strict, dice);
  }
  void kill(int id) {
    end(nodes.at(id), CrashMode::reset);
    nodes.at(id).disk->crash_process();
  }
  void stop_clean(int id) {
    Node& node = nodes.at(id);
    node.host->enter([&] { stop(node.host->host().scope, Label("stop"), node); });
  }
  void isolate(const std::vector<int>& some) {
    HostSet from, to;
    const std::set<int> inside(some.begin(), some.end());
    for (auto& [id, node] : nodes) (inside.contains(id) ? from : to).add(node.index);
    Rule rule;
    rule.from = from;
    rule.to = to;
    rule.both_ways = true;
    rule.mode = RuleMode::hold;
    fabric_.set_rule(1, rule);
  }
  void heal() { fabric_.clear_rules(); }

  Node* leader() {
    Node* found = nullptr;
    for (auto& [id, node] : nodes)
      if (node.quorum && node.ready && node.quorum->is_active() && (found == nullptr || node.quorum->epoch() > found->quorum->epoch())) found = &node;
    return found;
  }
  Node* await_leader(std::int64_t limit_ms = 20'000) {
    for (std::int64_t i = 0; i < limit_ms / 20 && leader() == nullptr; ++i) run_ms(20);
    return leader();
  }
  void run_ms(std::int64_t ms) { kernel.run_until(kernel.now_ns() + ms * ns_per_ms); }

  /// Appends through the present leader; `acked` gets the text when it commits.
  bool append(const std::string& text) {
    Node* const node = leader();
    if (node == nullptr) return false;
    bool scheduled = false;
    node->host->enter([&] {
      std::vector<Bytes> records{Bytes::copy_of(text)};
      const Result<Offset> last = node->quorum->schedule_append(node->leads, std::move(records));
      scheduled = last.has_value();
      if (last) await_commit(node->host->host().scope, Label("append"), *node, text, *last);
    });
    return scheduled;
  }

  /// No node may ever be shown another record at an offset than the first one was.
  void agree(const Node& node, const CommittedBatch& batch) {
    std::string text;
    for (const Bytes& record : batch.records) text += record.to_string() + "|";
    const std::string shown = fmt::format("{}..{}@{} {}", batch.base.value(), batch.last.value(), batch.epoch.value(), text);
    const auto [at, fresh] = committed.emplace(batch.base, shown);
    EXPECT_EQ(at->second, shown) << "node " << node.id;
  }
  bool converged() {
    Node* const lead = leader();
    if (lead == nullptr) return false;
    for (auto& [id, node] : nodes)
      if (!node.ready || node.applied != lead->applied || node.records != lead->records) return false;
    return true;
  }
  std::string dump() {
    std::string text;
    for (auto& [id, node] : nodes)
      text += fmt::format("{} applied {} of {}: {}\n", id, node.applied.value(), node.records.size(),
                          node.ready ? node.quorum->core().print() : "down");
    return text;
  }

  Kernel kernel;
  std::map<int, Node> nodes;
  std::map<Offset, std::string> committed;
  std::map<LeaderEpoch, int> leaders;
  std::set<std::string> acked;
  int stopped = 0;
  int halts = 0;

 private:
  static std::string name_of(int id) { return "n" + std::to_string(id); }
  static Topology topology(int hosts) {
    Topology topology;
    for (int id = 1; id <= hosts; ++id) topology.add_host(name_of(id), "rack" + std::to_string(id));
    return topology;
  }
  void end(Node& node, CrashMode mode) {
    if (!node.host) return;
    fabric_.crash(node.index, mode);
    node.host->scope().destroy_all();
    node.quorum.reset();
    node.host.reset();
    node.queue.reset();
    node.ready = false;
  }

  QuorumConfig config_of(int id) const {
    QuorumConfig config;
    config.self = NodeId{id};
    config.directory_id = Uuid{7, static_cast<std::uint64_t>(id)};
    config.cluster_id = "rig";
    for (int voter = 1; voter <= options_.voters; ++voter) config.voters.push_back(QuorumVoter{NodeId{voter}, {}, Endpoint{name_of(voter), 9093}});
    config.log_dir = "data";
    config.snapshot_max_new_record_bytes = options_.snapshot_bytes;
    config.retention_bytes = options_.retention_bytes;
    config.segment_bytes = options_.segment_bytes;
    config.timeouts.fetch_max_bytes = options_.fetch_max_bytes;
    return config;
  }

  Root run(Scope&, Label, Node& node) {
    node.quorum = std::make_unique<Quorum>(node.host->host(), config_of(node.id), node);
    Task<Result<bool>> opening = node.quorum->open();
    const Result<bool> opened = co_await opening;
    EXPECT_TRUE(opened.has_value()) << node.id << ": " << (opened ? "" : opened.error().what);
    if (!opened) co_return;
    const Result<bool> listening = node.host->host().net.listen(9093, [this, &node](ConnectionPtr connection) {
      serve(node.host->host().scope, Label("connection"), node, std::move(connection));
    });
    EXPECT_TRUE(listening.has_value());
    node.quorum->start();
    node.ready = true;
  }
  Root stop(Scope&, Label, Node& node) {
    Task<bool> stopping = node.quorum->stop();
    const bool clean = co_await stopping;
    if (clean) ++stopped;
  }
  Root await_commit(Scope&, Label, Node& node, std::string text, Offset offset) {
    const Reached reached = co_await node.quorum->committed(offset);
    if (reached == Reached::reached) acked.insert(text);
  }
  Root serve(Scope&, Label, Node& node, ConnectionPtr connection) {
    for (;;) {
      const Result<Bytes> frame = co_await connection->read_frame(100 << 20);
      if (!frame) break;
      Reader reader(*frame);
      const Result<wire::RequestHeader> header = wire::RequestHeader::decode(reader);
      if (!header) break;
      const std::int16_t version = header->api_version;
      Bytes answer;
      if (header->api() == wire::ApiKey::vote) {
        Task<wire::VoteResponse> task = node.quorum->vote(*wire::VoteRequest::decode(reader, version));
        const wire::VoteResponse response = co_await task;
        answer = wire::encode_response(version, header->correlation_id, response);
      } else if (header->api() == wire::ApiKey::begin_quorum_epoch) {
        Task<wire::BeginQuorumEpochResponse> task = node.quorum->begin_quorum_epoch(*wire::BeginQuorumEpochRequest::decode(reader, version));
        const wire::BeginQuorumEpochResponse response = co_await task;
        answer = wire::encode_response(version, header->correlation_id, response);
      } else if (header->api() == wire::ApiKey::end_quorum_epoch) {
        Task<wire::EndQuorumEpochResponse> task = node.quorum->end_quorum_epoch(*wire::EndQuorumEpochRequest::decode(reader, version));
        const wire::EndQuorumEpochResponse response = co_await task;
        answer = wire::encode_response(version, header->correlation_id, response);
      } else if (header->api() == wire::ApiKey::fetch) {
        Task<wire::FetchResponse> task = node.quorum->fetch(*wire::FetchRequest::decode(reader, version), version);
        const wire::FetchResponse response = co_await task;
        answer = wire::encode_response(version, header->correlation_id, response);
      } else {
        Task<wire::FetchSnapshotResponse> task = node.quorum->fetch_snapshot(*wire::FetchSnapshotRequest::decode(reader, version));
        const wire::FetchSnapshotResponse response = co_await task;
        answer = wire::encode_response(version, header->correlation_id, response);
      }
      connection->send(std::move(answer));
      const Result<bool> flushed = co_await connection->flushed();
      if (!flushed) break;
    }
    connection->close();
  }

  QuorumOptions options_;
  Random random_;
  CpuProfile cpu_;
  Fabric fabric_;
};

}  // namespace harrow::sim
