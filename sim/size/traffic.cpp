#include "sim/size/traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "sim/scenario/units.h"
#include "sim/workload/replay_columns.h"

namespace harrow::size {
namespace {

std::string decimal(double value, int places) {
  std::string text = fmt::format("{:.{}f}", value, places);
  return text;
}

double mean_of(const sim::Distribution& distribution) {
  const auto a = static_cast<double>(distribution.a), b = static_cast<double>(distribution.b);
  switch (distribution.shape) {
    case sim::Distribution::Shape::uniform: return (a + b) / 2;
    case sim::Distribution::Shape::lognormal: return a * std::exp(b / 1e6 * b / 1e6 / 2);
    default: return a;
  }
}

/// The Zipf exponent under which the most frequent keys have these shares: least squares in logarithms over the ranks.
double alpha_of(const std::vector<double>& counts) {
  const std::size_t ranks = std::min<std::size_t>(counts.size(), 200);
  if (ranks < 3) return 0;
  double sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (std::size_t i = 0; i < ranks; ++i) {
    const double x = std::log(static_cast<double>(i + 1)), y = std::log(counts[i]);
    sx += x;
    sy += y;
    sxx += x * x;
    sxy += x * y;
  }
  const auto n = static_cast<double>(ranks);
  return std::max(0.0, -(n * sxy - sx * sy) / (n * sxx - sx * sx));
}

}  // namespace

tl::expected<Traffic, std::string> read_traffic(const std::string& path, const TrafficColumns& columns) {
  const auto header = sim::replay_columns(path);
  if (!header) return tl::unexpected<std::string>(to_text(header.error()));
  const auto has = [&](std::string_view name) { return std::find(header->begin(), header->end(), name) != header->end(); };
  const auto all = [&] {
    std::string text;
    for (const std::string& name : *header) text += (text.empty() ? "" : ", ") + name;
    return text;
  };
  sim::ReplayPlan plan;
  plan.file = path;
  plan.time_column = columns.time;
  if (plan.time_column.empty())
    for (const char* const name : {"time_ms", "time_s", "time_us", "time_ns", "time", "timestamp"})
      if (plan.time_column.empty() && has(name)) plan.time_column = name;
  if (plan.time_column.empty()) return tl::unexpected<std::string>(path + ": which column is the time? --time one of " + all());
  plan.key_column = columns.key;
  plan.size_column = columns.size;
  if (plan.size_column.empty())
    for (const char* const name : {"bytes", "size_bytes", "json_bytes", "line_bytes", "size"})
      if (plan.size_column.empty() && has(name)) plan.size_column = name;
  for (const std::string& name : {plan.time_column, plan.key_column, plan.size_column})
    if (!name.empty() && !header->empty() && !has(name)) return tl::unexpected<std::string>(path + ": no column '" + name + "' among " + all());
  const auto ends = [&](std::string_view end) { return plan.time_column.size() >= end.size() && plan.time_column.substr(plan.time_column.size() - end.size()) == end; };
  plan.time_unit_ns = ends("_s") ? 1'000'000'000 : ends("_us") ? 1'000 : ends("_ns") ? 1 : 1'000'000;
  plan.speed_millionths = static_cast<std::int64_t>(std::llround(columns.speed * 1e6));
  const auto replay = sim::read_replay_file(plan);
  if (!replay) return tl::unexpected<std::string>(to_text(replay.error()));
  if (replay->events.size() < 2 || replay->length_ns() <= 0) return tl::unexpected<std::string>(path + ": a trace of " + std::to_string(replay->events.size()) + " records says nothing about a rate");

  Traffic traffic;
  traffic.records = static_cast<double>(replay->events.size());
  traffic.seconds = static_cast<double>(replay->length_ns()) / 1e9;
  traffic.mean_rate = traffic.records / traffic.seconds;
  // The peak over one second, or over the time in which a hundred records come if that is longer: a single busy second of a
  // slow trace says little. Counted in windows that slide by a quarter.
  traffic.peak_over_s = std::max(1.0, std::ceil(100 / traffic.mean_rate));
  const auto width = static_cast<std::int64_t>(traffic.peak_over_s * 1e9);
  std::size_t from = 0, most = 0;
  std::int64_t longest_gap = 0, gap_at = 0;
  double bytes = 0;
  std::map<std::int32_t, double> of_key;
  for (std::size_t i = 0; i < replay->events.size(); ++i) {
    const sim::RecordedEvent& event = replay->events[i];
    while (event.at_ns - replay->events[from].at_ns >= width) ++from;
    most = std::max(most, i - from + 1);
    if (i > 0 && event.at_ns - replay->events[i - 1].at_ns > longest_gap) {
      longest_gap = event.at_ns - replay->events[i - 1].at_ns;
      gap_at = static_cast<std::int64_t>(i) + 1;
    }
    bytes += event.size_bytes < 0 ? 0 : event.size_bytes;
    if (event.key >= 0) of_key[event.key] += 1;
  }
  if (static_cast<double>(longest_gap) / 1e9 > 0.2 * traffic.seconds && traffic.records > 100)
    return tl::unexpected<std::string>(fmt::format("{}:{}: a hole of {} in a trace of {}: cut it there, or its mean and peak mean nothing", path, gap_at + 1, span_text(static_cast<double>(longest_gap) / 1e9), span_text(traffic.seconds)));
  traffic.peak_rate = std::max(traffic.mean_rate, static_cast<double>(most) / traffic.peak_over_s);
  traffic.mean_bytes = plan.size_column.empty() ? 0 : bytes / traffic.records;
  if (!of_key.empty()) {
    std::vector<double> counts;
    for (const auto& [key, count] : of_key) counts.push_back(count);
    std::sort(counts.begin(), counts.end(), std::greater<>());
    traffic.keys = static_cast<double>(counts.size());
    traffic.key_alpha = alpha_of(counts);
    traffic.hottest_share = counts[0] / traffic.records;
  }
  return traffic;
}

WishOptions wishes_of(const Traffic& traffic) {
  WishOptions wishes;
  wishes.emplace_back("records", decimal(traffic.peak_rate, 6) + "/s");
  if (traffic.mean_bytes > 0) {
    const double bytes = std::max(1.0, std::round(traffic.mean_bytes));
    wishes.emplace_back("record", decimal(bytes, 0) + "B");
    // As good as even traffic has no mean of its own: in the decimals it might stand above its peak.
    if (traffic.mean_rate < traffic.peak_rate * 0.9999) wishes.emplace_back("mean", decimal(traffic.mean_rate * bytes, 6) + "B/s");
  }
  if (traffic.keys > 0) wishes.emplace_back("keys", traffic.key_alpha > 0.01 ? fmt::format("zipf({:.0f}, {:.4f})", traffic.keys, traffic.key_alpha) : fmt::format("uniform({:.0f})", traffic.keys));
  return wishes;
}

tl::expected<WishOptions, std::string> wishes_of(const sim::Scenario& scenario) {
  double records = 0, bytes = 0, keyed_bytes = 0;
  const sim::ProducerPlan* keyed = nullptr;
  for (const sim::ProducerPlan& producer : scenario.producers) {
    double rate = static_cast<double>(producer.rate_micro_per_s) / 1e6;
    double size = mean_of(producer.size_bytes);
    if (producer.replay) {
      TrafficColumns columns;
      columns.time = producer.replay->time_column;
      columns.size = producer.replay->size_column;
      columns.speed = static_cast<double>(producer.replay->speed_millionths) / 1e6;
      const auto traffic = read_traffic(producer.replay->file, columns);
      if (!traffic) return tl::unexpected<std::string>(traffic.error());
      rate = traffic->peak_rate;
      if (traffic->mean_bytes > 0) size = traffic->mean_bytes;
    }
    if (producer.burst_every_ns > 0) rate *= static_cast<double>(producer.burst_factor_millionths) / 1e6;
    records += rate;
    bytes += rate * size;
    if (producer.keys.shape == sim::Distribution::Shape::zipf && rate * size > keyed_bytes) {
      keyed = &producer;
      keyed_bytes = rate * size;
    }
  }
  if (records <= 0) return tl::unexpected<std::string>(scenario.name + ": nobody produces, so there is nothing to size");
  WishOptions wishes;
  wishes.emplace_back("records", decimal(records, 6) + "/s");
  const double record = std::max(1.0, std::round(bytes / records));
  wishes.emplace_back("record", decimal(record, 0) + "B");
  // Bytes that groups read for each byte written.
  double read = 0;
  for (const sim::ProducerPlan& producer : scenario.producers) {
    std::set<std::string> groups;
    for (const sim::ConsumerPlan& consumer : scenario.consumers)
      if (consumer.topics.empty() || std::find(consumer.topics.begin(), consumer.topics.end(), producer.topic) != consumer.topics.end()) groups.insert(consumer.group);
    read += static_cast<double>(groups.size()) * static_cast<double>(producer.rate_micro_per_s) / 1e6 * mean_of(producer.size_bytes);
  }
  double written = 0;
  for (const sim::ProducerPlan& producer : scenario.producers) written += static_cast<double>(producer.rate_micro_per_s) / 1e6 * mean_of(producer.size_bytes);
  wishes.emplace_back("egress", decimal(read / std::max(written, 1e-9), 3) + "x");
  // The longest retention of any topic; Kafka's week where nothing is said.
  double retention = 0, partitions = 0;
  std::int32_t replication = 1;
  for (const sim::TopicPlan& topic : scenario.topics) {
    std::string ms = "604800000";
    for (const sim::ConfigMap* const config : {&scenario.cluster.brokers.config, &topic.config})
      for (const char* const key : {"log.retention.ms", "retention.ms"})
        if (const auto found = config->find(key); found != config->end()) ms = found->second;
    if (ms == "-1") return tl::unexpected<std::string>("topic '" + topic.name + "' keeps everything for ever: no disk is large enough; give --retention");
    const auto kept_ms = sim::parse_integer(ms);
    retention = std::max(retention, kept_ms ? static_cast<double>(*kept_ms) / 1000 : 0);
    partitions += topic.partitions;
    replication = std::max<std::int32_t>(replication, topic.replication);
  }
  wishes.emplace_back("retention", decimal(retention, 3) + "s");
  wishes.emplace_back("replication", std::to_string(replication));
  if (replication < 3) wishes.emplace_back("survive", replication < 2 ? "none" : "broker");
  if (keyed != nullptr) wishes.emplace_back("keys", fmt::format("zipf({}, {:.6f})", keyed->keys.a, static_cast<double>(keyed->keys.b) / 1e6));
  const auto objective = [&](const char* name, const std::optional<std::int64_t>& limit) {
    if (limit) wishes.emplace_back("slo", fmt::format("{}={}us", name, *limit / 1000));
  };
  objective("produce-p50", scenario.checks.slo.produce_p50_ns);
  objective("produce-p99", scenario.checks.slo.produce_p99_ns);
  objective("produce-p999", scenario.checks.slo.produce_p999_ns);
  objective("e2e-p50", scenario.checks.slo.end_to_end_p50_ns);
  objective("e2e-p99", scenario.checks.slo.end_to_end_p99_ns);
  objective("e2e-p999", scenario.checks.slo.end_to_end_p999_ns);
  return wishes;
}

}  // namespace harrow::size
