// One node of `harrow serve`: a thread that runs a PosixHost and the Node on it. Owner: the cluster in serve.cpp, on the
// program's main thread. Nothing is shared but the host's mailbox and the supervisor's: each side posts to the other.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "core/model/trace_payloads.h"
#include "core/node/node.h"
#include "core/posix/posix_host.h"
#include "sim/cli/history_file.h"
#include "sim/cli/server_properties.h"
#include "sim/faults/api_faults.h"

namespace harrow::cli {

/// Counts what Kafka's broker metrics count, from trace events. Lives on the node's thread.
class TrafficCounter final : public TraceSink {
 public:
  struct Requests {
    std::uint64_t request_bytes = 0, response_bytes = 0;
  };
  /// Who asked what how often. Clients that come when so many are known count as one, so that labels stay bounded.
  struct Asked {
    std::int16_t api, version;
    std::string client, client_version;
    std::uint64_t handled = 0;
  };
  static constexpr std::size_t most_clients = 100;
  static constexpr std::size_t longest_client_name = 100;
  struct TopicTraffic {
    std::uint64_t bytes_in = 0, messages_in = 0;
  };
  std::uint32_t intern(std::string_view) override { return 0; }
  void emit(const TraceEvent& event, const void* payload) override;
  bool wants(TraceKind kind) const override { return kind == TraceKind::appended; }
  /// From now on what is answered is written down, too.
  void record_in(HistoryFile& file) { recorder_ = std::make_unique<HistoryRecorder>(file); }
  const std::map<std::int16_t, Requests>& requests() const { return requests_; }
  std::vector<Asked> asked() const;
  const std::map<std::string, TopicTraffic, std::less<>>& topics() const { return topics_; }
  std::uint64_t logs_recovered() const { return logs_recovered_; }

 private:
  using Counts = std::map<std::pair<std::int16_t, std::int16_t>, std::uint64_t>;  // by API and version
  struct ByNameAndVersion {
    bool operator()(const ClientSoftware& a, const ClientSoftware& b) const { return std::tie(a.name, a.version) < std::tie(b.name, b.version); }
  };
  Counts& counts_of(const ClientSoftware& software);
  std::unique_ptr<HistoryRecorder> recorder_;
  std::map<std::int16_t, Requests> requests_;  // by API
  std::map<ClientSoftware, Counts, ByNameAndVersion> clients_;
  std::map<std::string, TopicTraffic, std::less<>> topics_;
  std::uint64_t logs_recovered_ = 0;  // whose records were looked at, as their last stop was not clean
};

/// What a node says about itself at one moment.
struct NodeFigures {
  std::int32_t id = -1;
  bool ready = false;
  bool active_controller = false;
  std::uint64_t partitions = 0, leaders = 0, under_replicated = 0, under_min_isr = 0, logs_recovered = 0;
  std::uint64_t offline_partitions = 0, topics = 0, cluster_partitions = 0;  // of the whole cluster; told by the active controller
  std::map<std::int16_t, TrafficCounter::Requests> requests;
  std::vector<TrafficCounter::Asked> asked;
  std::map<std::string, TrafficCounter::TopicTraffic, std::less<>> traffic;
};
/// Prometheus text with Kafka's names, one label a broker.
std::string metrics_text(const std::vector<NodeFigures>& nodes);

/// Where a node lives on this machine.
struct Ground {
  std::string folder;
  posix::Durability durability = posix::Durability::kept;
  ServerListener broker, controller;
  std::size_t most_descriptors = posix::OpenFiles::most_by_default;  // for files
};

class ServedNode {
 public:
  /// What happens to a node; both run on the supervisor's thread.
  struct Events {
    std::function<void()> ready;
    std::function<void(std::optional<Code> gave_up)> ended;
  };
  ServedNode(NodeConfig config, Ground ground);
  ~ServedNode();
  /// Takes the folder and the ports; what went wrong, or nothing. From the first time on the ports stay the same.
  std::optional<std::string> open();
  posix::PosixHost& host() { return *process_; }
  /// To be completed before start().
  NodeConfig& config() { return config_; }
  const NodeConfig& config() const { return config_; }
  void record_in(HistoryFile& file) { traffic_.record_in(file); }

  void start(posix::PosixHost& supervisor, Events events);
  bool running() const { return thread_.joinable() && !ended_; }
  /// Hands leaderships over and closes the logs; `done` runs on the supervisor's thread.
  void stop_broker(std::function<void(bool clean)> done);
  /// Leaves the quorum and ends the thread; `done` comes before `ended`.
  void stop_quorum(std::function<void(bool clean)> done);
  /// Asks the node's thread; nothing if it does not answer in time.
  std::optional<NodeFigures> figures(std::int64_t timeout_ms);
  /// The same for anything: `question` runs as a turn of the node.
  template <class T>
  std::optional<T> ask(std::function<T(Node&, posix::PosixHost&)> question, std::int64_t timeout_ms) {
    if (!running() || paused_) return std::nullopt;
    const auto promise = std::make_shared<std::promise<T>>();
    std::future<T> answer = promise->get_future();
    process_->post([this, promise, question = std::move(question)] { promise->set_value(question(*node_, *process_)); });
    if (answer.wait_for(std::chrono::milliseconds(timeout_ms)) != std::future_status::ready) return std::nullopt;
    return answer.get();
  }

  // Faults; on the supervisor's thread.
  /// As kill -9 would: the thread ends between two turns, nothing is closed or said; `ended` comes.
  void kill();
  /// After `ended`: gives ports, files and the folder's lock back, so that whoever connects is refused.
  void release();
  /// After release(): the same node from what its folder has. What went wrong, or nothing.
  std::optional<std::string> restart();
  /// The whole node stands still, and wakes as it was.
  void pause();
  void resume();
  bool paused() const { return paused_; }
  /// Asked by the node's thread; to be changed within ask().
  sim::ArmedApiFaults& api_faults() { return api_faults_; }
  /// After release(): the folder is emptied. False if it cannot be.
  bool wipe();

 private:
  void run();
  NodeConfig config_;
  Ground ground_;
  sim::ArmedApiFaults api_faults_;
  TrafficCounter traffic_;
  std::unique_ptr<posix::PosixHost> process_;
  posix::PosixHost* supervisor_ = nullptr;
  Events events_;
  Node* node_ = nullptr;  // the thread's
  bool ended_ = false;    // the supervisor's
  std::mutex pause_lock_;
  std::condition_variable pause_over_;
  std::atomic<bool> paused_{false}, dying_{false};
  std::thread thread_;
};

}  // namespace harrow::cli
