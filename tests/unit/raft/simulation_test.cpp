// Random clusters under drops, delays, partitions and crashes that lose what was not flushed. Raft's invariants are
// checked at every step (cluster.cpp); afterwards everything heals and the cluster must agree and go on.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/raft/cluster.h"

namespace harrow::raft {
namespace {

struct Totals {
  std::uint64_t elections = 0, committed = 0, truncations = 0, snapshots = 0, refused = 0, resigned = 0;
  std::string violation;
  std::string stuck;
};

class Simulation {
 public:
  Simulation(std::uint64_t seed, Sabotage sabotage) : random_(seed), voters_(draw_voters()), cluster_(voters_, {9}, seed) {
    cluster_.sabotage = sabotage;
    cluster_.chunk_bytes = 8000;
    seed_ = seed;
    for (auto& [id, node] : cluster_.nodes()) {
      node.auto_flush = false;
      cluster_.start(id);
    }
  }

  Totals run() {
    const MonoNs calm = after_ms(MonoNs{0}, 20'000);
    while (now_ < calm && cluster_.violations.empty()) step(true);
    cluster_.heal();
    for (auto& [id, node] : cluster_.nodes())
      if (!node.raft) cluster_.start(id);
    const std::size_t before = cluster_.committed.size();
    const MonoNs end = after_ms(now_, 15'000);
    while (now_ < end && cluster_.violations.empty()) {
      appending_ = now_ < after_ms(end, -4'000);
      step(false);
    }
    Totals totals;
    totals.elections = cluster_.elections;
    totals.committed = cluster_.committed.size();
    totals.truncations = cluster_.truncations;
    totals.snapshots = cluster_.snapshots_loaded;
    totals.refused = cluster_.pre_votes_refused;
    totals.resigned = cluster_.resigned;
    if (!cluster_.violations.empty()) totals.violation = fmt::format("seed {}: {}", seed_, cluster_.violations.front());
    else if (cluster_.committed.size() <= before) totals.stuck = fmt::format("seed {}: nothing was committed after the faults", seed_);
    else if (const std::string differing = disagreement(); !differing.empty()) totals.stuck = differing;
    return totals;
  }

 private:
  std::vector<int> draw_voters() {
    std::vector<int> voters;
    const std::uint64_t count = 2 * random_.below(3) + 1;
    for (std::uint64_t i = 1; i <= count; ++i) voters.push_back(static_cast<int>(i));
    return voters;
  }

  std::string disagreement() {
    for (auto& [id, node] : cluster_.nodes()) {
      const Offset last = cluster_.committed.rbegin()->second.last;
      if (node.applied != last + 1) return fmt::format("seed {}: {} stays behind: {}", seed_, id, node.raft->print());
    }
    return {};
  }

  // Moves to the earliest thing that is due and does it.
  void step(bool faults) {
    cluster_.send_time = now_;
    dispatch_sends(faults);
    MonoNs next = after_ms(now_, 5);
    for (const InFlight& m : held_) next = std::min(next, m.at);
    for (const auto& [at, flush] : flushes_) next = std::min(next, at);
    for (auto& [id, node] : cluster_.nodes())
      if (node.raft) next = std::min(next, std::max(now_ + 1, node.raft->next_deadline()));
    now_ = std::max(next, now_);
    for (auto& [id, node] : cluster_.nodes()) node.now = now_;
    for (std::size_t i = 0; i < held_.size();) {
      if (held_[i].at > now_) {
        ++i;
        continue;
      }
      const InFlight m = held_[i];
      held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(i));
      if (cluster_.linked(m.envelope.from, m.envelope.to)) cluster_.deliver(m);
      dispatch_sends(faults);
    }
    for (std::size_t i = 0; i < flushes_.size();) {
      if (flushes_[i].first > now_) {
        ++i;
        continue;
      }
      const auto flush = flushes_[i].second;
      flushes_.erase(flushes_.begin() + static_cast<std::ptrdiff_t>(i));
      if (cluster_.node(flush.id).life == flush.life) cluster_.flush_done(flush.id, flush.end, flush.version);
      dispatch_sends(faults);
    }
    for (auto& [id, node] : cluster_.nodes())
      if (node.raft && node.raft->next_deadline() <= now_) cluster_.tick(id, now_);
    if (appending_ && random_.chance(1, 8)) append();
    if (random_.chance(1, 300)) take_snapshot();
    if (faults && random_.chance(1, 60)) fault();
  }

  void dispatch_sends(bool faults) {
    for (InFlight& m : cluster_.network) {
      const bool cut = !cluster_.linked(m.envelope.from, m.envelope.to);
      const bool drop = cut || (faults && random_.chance(1, 40));
      if (drop) {
        if (random_.chance(1, 2)) failed_.push_back(m);  // the sender sees a reset
        continue;
      }
      const std::uint64_t delay = random_.chance(1, 30) && faults ? random_.below(700) : random_.below(4);
      m.at = after_ms(now_, static_cast<std::int64_t>(delay)) + 1000;
      held_.push_back(m);
    }
    cluster_.network.clear();
    const std::vector<InFlight> failed = std::move(failed_);
    failed_.clear();
    for (const InFlight& m : failed) cluster_.lost(m);
    for (const auto& [id, what] : cluster_.wants_flush) {
      const Flush flush{id, cluster_.node(id).life, what.first, what.second};
      const std::uint64_t delay = random_.chance(1, 20) ? random_.below(400) : random_.below(6);
      flushes_.push_back({after_ms(now_, static_cast<std::int64_t>(delay)), flush});
    }
    cluster_.wants_flush.clear();
  }

  int any_node() {
    auto at = cluster_.nodes().begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.below(cluster_.nodes().size())));
    return at->first;
  }

  void append() {
    for (auto& [id, node] : cluster_.nodes()) {
      if (!node.raft || !node.raft->is_leader()) continue;
      const std::int64_t count = random_.between(1, 3);
      cluster_.append(id, fmt::format("{}.{}", id, ++appended_), count);
    }
  }

  void take_snapshot() {
    const int id = any_node();
    const bool cut = random_.chance(1, 2);
    if (cluster_.node(id).raft) cluster_.snapshot(id, cut);
  }

  void fault() {
    const int id = any_node();
    const std::uint64_t kind = random_.below(8);
    if (kind < 2) {
      if (cluster_.node(id).raft) cluster_.crash(id, random_.chance(1, 3) ? random_.below(3) : 0);
    } else if (kind < 5) {
      for (auto& [other, node] : cluster_.nodes())
        if (!node.raft) cluster_.start(other);
    } else if (kind < 6) {
      cluster_.heal();
    } else if (kind < 7) {
      const std::uint64_t side = random_.next();
      for (auto& [a, x] : cluster_.nodes())
        for (auto& [b, y] : cluster_.nodes())
          if (((side >> a) & 1) != ((side >> b) & 1)) cluster_.cut(NodeId{a}, NodeId{b});
    } else {
      cluster_.cut(NodeId{id}, NodeId{any_node()});
    }
  }

  struct Flush {
    int id;
    std::uint64_t life;
    Offset end;
    std::uint64_t version;
  };
  Random random_;
  std::vector<int> voters_;
  Cluster cluster_;
  std::uint64_t seed_ = 0;
  MonoNs now_{0};
  std::uint64_t appended_ = 0;
  bool appending_ = true;
  std::vector<InFlight> held_;
  std::vector<InFlight> failed_;
  std::vector<std::pair<MonoNs, Flush>> flushes_;
};

TEST(Simulation, keeps_every_invariant_and_recovers_in_a_thousand_random_clusters) {
  Totals sum;
  int stuck = 0;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    Simulation simulation(seed, {});
    const Totals totals = simulation.run();
    ASSERT_EQ(totals.violation, "");
    if (!totals.stuck.empty()) {
      ++stuck;
      ADD_FAILURE() << totals.stuck;
    }
    ASSERT_LT(stuck, 3);
    sum.elections += totals.elections;
    sum.committed += totals.committed;
    sum.truncations += totals.truncations;
    sum.snapshots += totals.snapshots;
    sum.refused += totals.refused;
    sum.resigned += totals.resigned;
  }
  // The runs are worth something only if these happened.
  EXPECT_GT(sum.elections, 3000u);
  EXPECT_GT(sum.committed, 100000u);
  EXPECT_GT(sum.truncations, 300u);
  EXPECT_GT(sum.snapshots, 300u);
  EXPECT_GT(sum.refused, 300u);
  EXPECT_GT(sum.resigned, 100u);
}

TEST(Simulation, notices_ends_that_count_before_they_are_flushed) {
  Sabotage sabotage;
  sabotage.lie_about_flush = true;
  bool noticed = false;
  for (std::uint64_t seed = 1; seed <= 200 && !noticed; ++seed) {
    Simulation simulation(seed, sabotage);
    noticed = !simulation.run().violation.empty();
  }
  EXPECT_TRUE(noticed);
}

TEST(Simulation, notices_votes_that_a_crash_forgets) {
  Sabotage sabotage;
  sabotage.forget_hard_state = true;
  bool noticed = false;
  for (std::uint64_t seed = 1; seed <= 500 && !noticed; ++seed) {
    Simulation simulation(seed, sabotage);
    noticed = !simulation.run().violation.empty();
  }
  EXPECT_TRUE(noticed);
}

}  // namespace
}  // namespace harrow::raft
