// What a report shows, as plain data: filled by the collector while the run goes, drawn by report_html.cpp. Times are
// virtual nanoseconds. Owner: sim/trace. May touch: the standard library only.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace harrow::sim {

struct LeaderSpan {
  std::int64_t from_ns = 0, until_ns = 0;
  std::int32_t leader = -1;  // broker id, -1 = none
  std::int32_t epoch = -1;
};
struct IsrSpan {
  std::int64_t from_ns = 0, until_ns = 0;
  std::vector<std::int32_t> isr;
};
struct PartitionTimeline {
  std::string topic;
  std::int32_t partition = 0;
  std::int32_t replicas = 0;
  std::vector<LeaderSpan> leaders;
  std::vector<IsrSpan> isrs;
};
struct FaultBar {
  std::string kind, target;
  std::int64_t from_ns = 0, until_ns = -1;  // -1: still on at the end
  std::int64_t unavailable_ns = 0;
};
/// One curve: points in order of time.
struct Series {
  std::string name;
  std::vector<std::pair<std::int64_t, std::int64_t>> points;
};
struct RecordStep {
  std::int64_t at_ns = 0;
  std::string what;   // "produced", "stored", "replicated", "acked", "consumed", "committed"
  std::string where;  // node or client
};
struct RecordPath {
  std::string producer, topic;
  std::int32_t partition = -1;
  std::int64_t sequence = -1, offset = -1;
  std::vector<RecordStep> steps;
  std::string note;  // "lost: ..." for the record of a failure
};
/// A line of metrics.csv.
struct MetricRow {
  std::int64_t at_ns = 0;
  std::string node, metric, labels;
  std::int64_t value = 0;
};
struct ReportData {
  std::string scenario, description;
  std::int64_t end_ns = 0, heal_ns = -1;
  std::vector<PartitionTimeline> partitions;
  std::vector<FaultBar> faults;
  std::vector<Series> latency_ms_micro;  // values are microseconds; produce and end-to-end quantiles per interval
  std::vector<Series> lag;               // records, one curve a group
  Series under_replicated;
  RecordPath path;
  std::vector<MetricRow> metrics;
};

}  // namespace harrow::sim
