// Conversations as text: tests/data/raft/*.txt. A block is commands, a line "----", and what is expected to happen up
// to an empty line. `raft_test --rewrite` writes what did happen into the files; read the difference before you keep it.
//
//   cluster 1 2 3 [observers 4]   hold 2 (its flushes wait for `flush 2`)   unhold 2
//   timeout 1 (its clock runs until its role changes)   advance 1 500ms (one node's clock)   advance all 500ms
//   deliver (all, until nothing moves)   deliver 1->2   step (each message under way once)   drop 1->2   drop all
//   cut 1 2   partition 1 | 2 3   heal   append 1 a b   flush 2   crash 3 [keep N]   start 3   resign 1
//   wipe 2 (crash and an empty disk)   snapshot 1 [cut]   state 1 2   log 1 2   full 1   quiet (what happened is not shown)
//   fetch-entries 1 (how many an answer holds)
#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sstream>

#include "tests/unit/script_runner.h"
#include "tests/unit/raft/cluster.h"

namespace harrow::raft {
namespace {

class Script {
 public:
  std::string run(const std::vector<std::string>& commands) {
    out_.clear();
    quiet_ = std::find(commands.begin(), commands.end(), "quiet") != commands.end();
    const std::size_t known = cluster_ ? cluster_->violations.size() : 0;
    for (const std::string& command : commands) {
      std::istringstream words(command);
      std::vector<std::string> args;
      for (std::string word; words >> word;) args.push_back(word);
      if (!args.empty()) execute(args);
      show_events();
    }
    if (cluster_)
      for (std::size_t i = std::min(known, cluster_->violations.size()); i < cluster_->violations.size(); ++i)
        out_ += "VIOLATION " + cluster_->violations[i] + "\n";
    return out_;
  }

 private:
  static int number(const std::string& text) { return std::stoi(text); }
  void say(const std::string& line) {
    if (!quiet_) out_ += line + "\n";
  }
  void show_events() {
    if (!cluster_) return;
    for (const std::string& event : cluster_->events) say(event);
    cluster_->events.clear();
  }

  void execute(const std::vector<std::string>& args) {
    const std::string& verb = args[0];
    if (verb == "cluster") return create(args);
    if (verb == "quiet") return;
    if (verb == "hold" || verb == "unhold") {
      for (std::size_t i = 1; i < args.size(); ++i) cluster_->node(number(args[i])).auto_flush = verb == "unhold";
    } else if (verb == "timeout") {
      timeout(number(args[1]));
    } else if (verb == "advance") {
      advance(args[1], std::stoll(args[2]));
    } else if (verb == "deliver" || verb == "step") {
      deliver(args.size() > 1 ? args[1] : "", verb == "step");
    } else if (verb == "drop") {
      drop(args[1]);
    } else if (verb == "cut") {
      cluster_->cut(NodeId{number(args[1])}, NodeId{number(args[2])});
      cluster_->cut(NodeId{number(args[2])}, NodeId{number(args[1])});
    } else if (verb == "partition") {
      partition(args);
    } else if (verb == "heal") {
      cluster_->heal();
    } else if (verb == "append") {
      for (std::size_t i = 2; i < args.size(); ++i) cluster_->append(number(args[1]), args[i], 1);
    } else if (verb == "flush") {
      cluster_->flush(number(args[1]));
    } else if (verb == "crash") {
      cluster_->crash(number(args[1]), args.size() > 3 ? static_cast<std::size_t>(number(args[3])) : 0);
    } else if (verb == "fetch-entries") {
      cluster_->fetch_entries = static_cast<std::size_t>(number(args[1]));
    } else if (verb == "wipe") {
      Cluster::Node& node = cluster_->node(number(args[1]));
      cluster_->crash(number(args[1]), 0);
      node.hard = HardState{};
      node.log.clear();
      node.base = OffsetAndEpoch{Offset{0}, LeaderEpoch{0}};
      node.snapshots.clear();
    } else if (verb == "start") {
      cluster_->start(number(args[1]));
    } else if (verb == "resign") {
      cluster_->node(number(args[1])).raft->resign(cluster_->node(number(args[1])).now);
      cluster_->drain(cluster_->node(number(args[1])));
    } else if (verb == "snapshot") {
      cluster_->snapshot(number(args[1]), args.size() > 2);
    } else if (verb == "state" || verb == "log" || verb == "full") {
      for (std::size_t i = 1; i < args.size(); ++i) show(verb, cluster_->node(number(args[i])));
    } else {
      say("unknown command " + verb);
    }
  }

  void create(const std::vector<std::string>& args) {
    std::vector<int> voters, observers;
    bool observing = false;
    for (std::size_t i = 1; i < args.size(); ++i) {
      if (args[i] == "observers") observing = true;
      else (observing ? observers : voters).push_back(number(args[i]));
    }
    cluster_.emplace(voters, observers, 1);
    for (auto& [id, node] : cluster_->nodes()) cluster_->start(id);
    // Nodes of a script start quietly: first everybody asks everybody who leads.
    cluster_->events.clear();
    cluster_->network.clear();
  }

  void timeout(int id) {
    Cluster::Node& node = cluster_->node(id);
    const Role before = node.raft->role();
    for (int i = 0; i < 1000 && node.raft->role() == before && node.raft->next_deadline() < never; ++i) {
      cluster_->tick(id, std::max(node.now, node.raft->next_deadline()));
      std::erase_if(cluster_->network, [&](const InFlight& m) {  // only what the new role says matters
        return m.envelope.from == node.id && node.raft->role() == before;
      });
    }
  }

  void advance(const std::string& who, std::int64_t ms) {
    for (auto& [id, node] : cluster_->nodes()) {
      if (who != "all" && id != number(who)) continue;
      const MonoNs target = after_ms(node.now, ms);
      while (node.raft && node.raft->next_deadline() < target) cluster_->tick(id, std::max(node.now, node.raft->next_deadline()));
      cluster_->tick(id, target);
    }
  }

  bool matches(const InFlight& m, const std::string& link) const {
    return link.empty() || link == "all" || link == fmt::format("{}->{}", m.envelope.from.value(), m.envelope.to.value());
  }

  void deliver(const std::string& link, bool once) {
    std::size_t budget = once ? cluster_->network.size() : 500;
    for (std::size_t i = 0; i < cluster_->network.size() && budget > 0;) {
      const InFlight m = cluster_->network[i];
      if (!matches(m, link)) {
        ++i;
        continue;
      }
      --budget;
      cluster_->network.erase(cluster_->network.begin() + static_cast<std::ptrdiff_t>(i));
      if (!cluster_->linked(m.envelope.from, m.envelope.to)) {
        say(fmt::format("x {}", print(m.envelope)));
        cluster_->lost(m);
      } else if (cluster_->node(m.envelope.to.value()).life != m.to_life) {
        say(fmt::format("x {}", print(m.envelope)));
        cluster_->lost(m);
      } else {
        say(print(m.envelope));
        cluster_->deliver(m);
      }
      show_events();
      if (!once) i = 0;
    }
  }

  void drop(const std::string& link) {
    std::erase_if(cluster_->network, [&](const InFlight& m) { return matches(m, link); });
  }

  void partition(const std::vector<std::string>& args) {
    std::map<int, int> side;
    int current = 0;
    for (std::size_t i = 1; i < args.size(); ++i) {
      if (args[i] == "|") ++current;
      else side[number(args[i])] = current;
    }
    for (const auto& [a, x] : side)
      for (const auto& [b, y] : side)
        if (x != y) cluster_->cut(NodeId{a}, NodeId{b});
  }

  void show(const std::string& what, const Cluster::Node& node) {
    if (!node.raft) return say(fmt::format("{} down epoch={} voted={} end={}", node.id.value(), node.hard.epoch.value(), node.hard.voted.id.value(), node.end().value()));
    const Raft& raft = *node.raft;
    if (what == "full") return say(raft.print());
    if (what == "log") {
      std::string text = fmt::format("{} log from {}:", node.id.value(), print(node.base));
      for (const Entry& entry : node.log) text += fmt::format(" {}@{}", text_of(entry), entry.epoch.value());
      return say(text + fmt::format(" applied: {}", node.state));
    }
    say(fmt::format("{} {} epoch={} leader={} voted={} end={} flushed={} hw={}", node.id.value(), name_of(raft.role()), raft.epoch().value(),
                    raft.leader().value(), raft.hard_state().voted.id.value(), raft.end().value(), raft.flushed_end().value(),
                    raft.high_watermark().value()));
  }

  std::optional<Cluster> cluster_;
  std::string out_;
  bool quiet_ = false;
};

class RaftScript : public testing::TestWithParam<std::string> {};

TEST_P(RaftScript, says_what_happens) { test::run_script<Script>(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Files, RaftScript, testing::ValuesIn(test::scripts_of("raft")), test::name_of_script);

}  // namespace
}  // namespace harrow::raft
