// Some Raft cores, a network in memory and a tiny disk each: what the text scripts and the random simulation drive.
// It plays the shell: it does what each Ready orders, in its order, and it checks Raft's invariants on the way.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/raft/raft.h"

namespace harrow::raft {

struct InFlight {
  Envelope envelope;
  std::uint64_t from_life = 0;
  std::uint64_t to_life = 0;
  MonoNs at;
};

/// Ways to break the shell, to see that the checks notice.
struct Sabotage {
  bool lie_about_flush = false;   // flushed() is reported although nothing is on disk
  bool forget_hard_state = false; // quorum-state is not written
};

class Cluster {
 public:
  struct Snapshot {
    OffsetAndEpoch id;
    std::string content;
  };
  struct Node {
    NodeId id;
    std::optional<Raft> raft;  // unset while it is down
    std::uint64_t life = 1;
    MonoNs now{0};
    // What survives.
    HardState hard;
    std::vector<Entry> log;
    OffsetAndEpoch base{Offset{0}, LeaderEpoch{0}};
    Offset durable{0};
    std::vector<Snapshot> snapshots;
    // What does not.
    std::string loading;
    bool auto_flush = true;
    Offset applied{0};
    std::string state;  // text of all applied entries
    Offset end() const { return log.empty() ? base.offset : log.back().last + 1; }
  };

  Cluster(std::vector<int> voters, std::vector<int> observers, std::uint64_t seed);

  Node& node(int id) { return nodes_.at(id); }
  std::map<int, Node>& nodes() { return nodes_; }
  void start(int id);
  /// keep: how many unflushed batches survive.
  void crash(int id, std::size_t keep);
  void append(int id, const std::string& text, std::int64_t count);
  void flush(int id);
  void flush_done(int id, Offset end, std::uint64_t log_version);
  void snapshot(int id, bool cut_log);
  void tick(int id, MonoNs now);
  void deliver(const InFlight& message);
  void lost(const InFlight& message);
  /// Does what the core ordered; called after every input.
  void drain(Node& node);
  bool linked(NodeId a, NodeId b) const { return !cut_.contains({a, b}); }
  void cut(NodeId a, NodeId b) { cut_.insert({a, b}); }
  void heal() { cut_.clear(); }

  std::vector<InFlight> network;
  std::vector<std::string> events;      // one line a fact, for the scripts
  std::vector<std::string> violations;  // broken invariants
  std::vector<std::pair<int, std::pair<Offset, std::uint64_t>>> wants_flush;  // for the simulation
  std::map<Offset, Entry> committed;
  std::uint64_t elections = 0, truncations = 0, snapshots_loaded = 0, pre_votes_refused = 0, resigned = 0;
  Sabotage sabotage;
  MonoNs send_time{0};
  std::size_t chunk_bytes = 8;
  std::size_t fetch_entries = 5;

 private:
  void check_leader(Node& node, LeaderEpoch epoch);
  void apply(Node& node, Offset high_watermark);
  void store_chunk(Node& node, const SnapshotChunk& chunk);
  void fill(Node& node, Message& message);
  void record(const Node& node, const Fact& fact);

  std::vector<int> voters_;
  Random random_;
  std::map<int, Node> nodes_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  std::map<LeaderEpoch, NodeId> leaders_;
  std::map<std::pair<NodeId, LeaderEpoch>, NodeId> votes_;
};

std::string text_of(const Entry& entry);

}  // namespace harrow::raft
