// What a confirmation run is judged by: latencies of the records that were sent within a window, how many were
// acknowledged in time, how far readers were behind, and how busy each broker's processor, link and disk were.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "core/base/trace.h"
#include "sim/cluster/cluster.h"
#include "sim/trace/histogram.h"

namespace harrow::size {

struct Window {
  std::int64_t from_ns = 0, until_ns = 0;
  bool has(std::int64_t at_ns) const { return at_ns >= from_ns && at_ns < until_ns; }
};

/// Listens to client events.
class Records final : public TraceListener {
 public:
  Records(Window window, int groups) : window_(window), groups_(groups) {}
  void on_event(const TraceEvent& event, const void* payload) override;
  /// Once the run is over: those that nobody has answered for count as well.
  void finish(std::int64_t now_ns);

  const sim::Histogram& produce_ns() const { return produce_; }
  const sim::Histogram& end_to_end_ns() const { return end_to_end_; }
  std::int64_t invoked() const { return invoked_; }      // within the window
  std::int64_t acked() const { return acked_; }          // of them, before it ended or soon after
  std::int64_t behind() const { return behind_; }        // of them, not read by everybody a second after the window
  std::int64_t longest_wait_ns() const { return longest_; }  // of any record of the run

 private:
  struct Flight {
    std::int64_t sent_ns;
    std::int32_t readers_left;
    bool answered = false;
  };
  Window window_;
  int groups_;
  std::unordered_map<std::uint64_t, Flight> flights_;  // by value hash; looked up, never walked for order
  sim::Histogram produce_, end_to_end_;
  std::int64_t invoked_ = 0, acked_ = 0, behind_ = 0, longest_ = 0;
};

struct Busy {
  double cpu = 0, net_in = 0, net_out = 0, disk = 0;  // seconds of work a second; bytes a second
};

/// Looks at every broker now and then, hears of every frame, and says how busy the busiest was within the window.
class Machines final : public TraceListener {
 public:
  explicit Machines(Window window) : window_(window) {}
  /// Once, before the cluster starts.
  void attach(sim::Cluster& cluster);
  void look(sim::Cluster& cluster);
  void on_event(const TraceEvent& event, const void* payload) override;
  /// Of the busiest broker in each respect.
  Busy busiest() const;

 private:
  struct Reading {
    std::int64_t at_ns = -1, cpu_ns = 0;
    std::uint64_t in = 0, out = 0, stored = 0;
    bool up = false;
  };
  Reading read(sim::Cluster& cluster, std::size_t node) const;
  Window window_;
  std::vector<std::uint64_t> in_, out_;  // bytes of frames that arrived, by machine
  std::vector<Reading> first_, last_;
};

}  // namespace harrow::size
