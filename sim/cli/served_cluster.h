// A cluster in this process: the nodes, each on a thread of its own, and the supervisor that watches them, makes the first
// topics, answers the admin port and carries out faults. Owner: `harrow serve`, on the main thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/client/admin.h"
#include "core/posix/http_listener.h"
#include "sim/cli/live_faults.h"
#include "sim/cli/served_node.h"

namespace harrow::cli {

/// Written beside and renamed, so that whoever waits for the file finds it whole.
bool write_whole(const std::string& path, const std::string& text);

class ServedCluster {
 public:
  explicit ServedCluster(const Terminal& terminal) : terminal_(terminal), changed_(supervisor_.host().timers), faults_(supervisor_, nodes_) {}

  posix::PosixHost& supervisor() { return supervisor_; }
  LiveFaults& faults() { return faults_; }
  // To be completed before run().
  void add(std::unique_ptr<ServedNode> node) { nodes_.push_back(std::move(node)); }
  const std::vector<std::unique_ptr<ServedNode>>& nodes() const { return nodes_; }
  void make_at_start(std::vector<NewTopic> topics) { topics_ = std::move(topics); }
  void say_ready_in(std::string file) { ready_file_ = std::move(file); }
  /// What is answered is written there. False if the file cannot be made.
  bool record_in(const std::string& file);
  /// Lines of faults to begin with, checked once the topics are there.
  void play_faults_of(std::string file) { faults_file_ = std::move(file); }

  /// Serves until a signal or the end of every node; the exit code.
  int run();
  void answer(const posix::HttpRequest& request, const posix::HttpListener::Reply& reply);

 private:
  std::string bootstrap() const;
  void ended(ServedNode& node, std::optional<Code> gave_up);
  void fail(const std::string& why);
  static Root bring_up(Scope& scope, Label label, ServedCluster& cluster);
  static Task<std::string> make_topics(ServedCluster& cluster);
  /// Whether every partition that has a leader is led by a broker that knows it.
  bool leaders_at_work();
  static Root shut_down(Scope& scope, Label label, ServedCluster& cluster);

  const Terminal& terminal_;
  posix::PosixHost supervisor_{nullptr};
  Signal changed_;
  std::unique_ptr<HistoryFile> history_;  // the nodes write to it
  std::vector<std::unique_ptr<ServedNode>> nodes_;
  LiveFaults faults_;
  std::vector<NewTopic> topics_;
  std::string ready_file_, faults_file_;
  std::size_t ready_nodes_ = 0, parts_stopped_ = 0;
  bool ready_ = false, stopping_ = false, clean_ = true, failed_ = false, usage_ = false;
};

}  // namespace harrow::cli
