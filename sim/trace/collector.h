// Gathers, while a run goes, what its result and report say: latencies, consumer lag, leaders and ISRs over time, fault
// bars, and how long producers got no answer. It listens to the trace and is told the committed metadata by the run.
// Owner: sim/trace. May touch: core/base, core/model. Invariant: it never changes the run; memory is bounded by what is
// in flight (a record is forgotten once it was acked and every group of its topic read it) plus the report's own points.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/trace.h"
#include "core/model/trace_payloads.h"
#include "sim/trace/histogram.h"
#include "sim/trace/report_data.h"

namespace harrow::sim {

/// The kinds that Collector wants to hear; register it for each (Kernel::listen).
std::span<const TraceKind> collector_kinds();

struct CollectorSetup {
  std::map<std::string, std::int32_t, std::less<>> groups_of_topic;  // how many groups read each topic
  std::int64_t interval_ns = 1'000'000'000;             // of the report's curves
  bool curves = true;                                   // false: totals only, for swarms and benchmarks
  std::set<std::string, std::less<>> leaving_groups{};  // they stop for good during the run: their lag says nothing
};

class Collector final : public TraceListener {
 public:
  explicit Collector(CollectorSetup setup) : setup_(std::move(setup)) {}

  void on_event(const TraceEvent& event, const void* payload) override;
  /// A partition's committed state as the metadata log now has it; call for each partition that a published image
  /// changed (of one node only, e.g. the first that publishes an offset).
  void partition_changed(std::int64_t now_ns, std::string_view topic, std::int32_t partition, std::int32_t leader,
                         std::int32_t leader_epoch, std::span<const std::int32_t> isr, std::int32_t replicas);
  void partition_deleted(std::int64_t now_ns, std::string_view topic, std::int32_t partition);
  void fault_began(std::int64_t now_ns, std::int64_t fault, std::string_view kind, std::string_view target);
  void fault_ended(std::int64_t now_ns, std::int64_t fault);
  /// Follow this record for the report instead of the first one that takes the whole way (a failure names it).
  void follow(std::string_view topic, std::int32_t partition, std::int64_t offset);
  void name_nodes(std::vector<std::string> names) { nodes_ = std::move(names); }
  /// Closes what is open; call once, at the end.
  void finish(std::int64_t now_ns);

  const Histogram& produce_latency_ns() const { return produce_; }
  const Histogram& end_to_end_ns() const { return end_to_end_; }
  std::int64_t sent() const { return sent_; }
  std::int64_t acked() const { return acked_; }
  std::int64_t send_failures() const { return failed_; }
  std::int64_t lag_max() const { return lag_max_; }
  /// Sum over groups and partitions of high watermark minus position.
  std::int64_t lag_now() const { return lag_now_; }
  std::int64_t lag_of(std::string_view group) const;
  std::int64_t under_replicated_now() const { return under_replicated_; }
  std::int64_t under_replicated_max() const { return under_replicated_max_; }
  std::int64_t under_replicated_ns() const { return under_replicated_ns_; }
  std::int64_t elections() const { return elections_; }
  std::int64_t isr_shrinks() const { return isr_shrinks_; }
  std::int64_t truncations() const { return truncations_; }
  /// Longest time without an answer that began within the whole run.
  std::int64_t unavailable_max_ns() const { return unavailable_max_ns_; }
  /// The bars with `unavailable_ns` filled, in the order in which the faults began.
  const std::vector<FaultBar>& faults() const { return faults_; }
  const std::vector<MetricRow>& metrics() const { return metrics_; }
  /// Curves, timelines and the path of one record.
  void fill(ReportData& report) const;

 private:
  struct Flight {
    std::int64_t sent_ns;
    std::int32_t readers_left;  // groups that have not read it yet
    bool answered;
  };
  struct PartitionState {
    std::int64_t high_watermark = 0;
    std::int32_t leader = -1, epoch = -1, isr = 0, replicas = 0;
    std::map<std::string, std::int64_t, std::less<>> position;     // group to next offset
    std::map<std::string, std::int64_t, std::less<>> answered_ns;  // producer to last answer
    PartitionTimeline timeline;
    bool deleted = false;
  };
  struct Stored {
    std::int32_t partition;
    std::int64_t base, last;
    RecordStep step;
  };
  struct Path {
    RecordPath path;
    std::vector<Stored> stored;
    std::uint64_t value_hash = 0;
    bool done = false;
  };
  /// By topic, then number; looked up with a view of the topic.
  struct ByPartition {
    using is_transparent = void;
    bool operator()(const auto& a, const auto& b) const {
      const int topics = std::string_view(a.first).compare(b.first);
      return topics != 0 ? topics < 0 : a.second < b.second;
    }
  };
  PartitionState& state_of(std::string_view topic, std::int32_t partition);
  void roll(std::int64_t now_ns);
  void close_interval(std::int64_t at_ns);
  void change_lag(const std::string& group, std::int64_t by);
  void count_under_replicated(std::int64_t now_ns, std::int64_t by);
  void waited(std::int64_t from_ns, std::int64_t until_ns);
  void on_client(const TraceEvent& event, const void* payload);
  void watch_path(const TraceEvent& event, const void* payload);
  std::string node_name(std::uint16_t node) const;

  CollectorSetup setup_;
  std::vector<std::string> nodes_;
  Histogram produce_, end_to_end_, produce_now_, end_to_end_now_;
  std::int64_t interval_start_ns_ = 0;
  std::unordered_map<std::uint64_t, Flight> flights_;  // by value hash; looked up, never walked for order
  std::map<std::pair<std::string, std::int32_t>, PartitionState, ByPartition> partitions_;
  std::map<std::string, std::int64_t, std::less<>> lag_of_group_;
  std::vector<Series> lag_curves_;
  Series under_replicated_curve_{"under-replicated partitions", {}};
  std::vector<Series> latency_curves_;
  std::vector<MetricRow> metrics_;
  std::vector<FaultBar> faults_;
  std::map<std::int64_t, std::size_t> fault_index_;
  struct Gap {
    std::int64_t from_ns, until_ns;
  };
  std::vector<Gap> gaps_;  // long ones only
  Path path_;
  std::int64_t sent_ = 0, acked_ = 0, failed_ = 0;
  std::int64_t lag_now_ = 0, lag_max_ = 0;
  std::int64_t under_replicated_ = 0, under_replicated_max_ = 0, under_replicated_ns_ = 0, under_replicated_since_ns_ = 0;
  std::int64_t elections_ = 0, isr_shrinks_ = 0, truncations_ = 0;
  std::int64_t unavailable_max_ns_ = 0;
  bool following_ = false;
};

}  // namespace harrow::sim
