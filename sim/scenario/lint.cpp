#include "sim/scenario/lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "sim/scenario/units.h"

namespace harrow::sim {
namespace {

std::string setting(const Scenario& scenario, const TopicPlan& topic, const char* own, std::initializer_list<const char*> of_broker, const char* fallback) {
  if (const auto found = topic.config.find(own); found != topic.config.end()) return found->second;
  for (const char* const key : of_broker)
    if (const auto found = scenario.cluster.brokers.config.find(key); found != scenario.cluster.brokers.config.end()) return found->second;
  return fallback;
}

double mean_bytes(const Distribution& sizes) {
  const auto a = static_cast<double>(sizes.a), b = static_cast<double>(sizes.b) / 1e6;
  if (sizes.shape == Distribution::Shape::uniform) return (a + static_cast<double>(sizes.b)) / 2;
  return sizes.shape == Distribution::Shape::lognormal ? a * std::exp(b * b / 2) : a;
}

double bytes_per_s(const ProducerPlan& producer) { return static_cast<double>(producer.rate_micro_per_s) / 1e6 * mean_bytes(producer.size_bytes); }

/// Share of all records that the most frequent key has.
double hottest_share(const Distribution& keys) {
  if (keys.shape == Distribution::Shape::constant) return keys.a < 0 ? 0 : 1;
  if (keys.shape == Distribution::Shape::uniform) return 1.0 / static_cast<double>(std::max<std::int64_t>(keys.b - keys.a + 1, 1));
  if (keys.shape != Distribution::Shape::zipf) return 0;
  const double alpha = static_cast<double>(keys.b) / 1e6;
  const std::int64_t ranks = std::min<std::int64_t>(keys.a, 2'000);
  double sum = 0;
  for (std::int64_t i = 1; i <= ranks; ++i) sum += std::pow(static_cast<double>(i), -alpha);
  if (keys.a > ranks) {
    const double from = static_cast<double>(ranks), to = static_cast<double>(keys.a);
    sum += std::abs(alpha - 1) < 1e-9 ? std::log(to / from) : (std::pow(to, 1 - alpha) - std::pow(from, 1 - alpha)) / (1 - alpha);
  }
  return 1 / sum;
}

std::string mb_per_s(double rate) { return fmt::format("{:.3g} MB/s", rate / 1e6); }

class Lint {
 public:
  Lint(const Scenario& scenario, const Places& places, const std::set<std::string, std::less<>>& ordered, double partition_rate)
      : scenario_(scenario), places_(places), ordered_(ordered), partition_rate_(partition_rate) {}

  Problems look() {
    for (const TopicPlan& topic : scenario_.topics) {
      look_at_retention(topic);
      look_at_copies(topic);
      look_at_order(topic);
    }
    for (const ProducerPlan& producer : scenario_.producers) look_at_keys(producer);
    look_at_groups();
    return std::move(found_);
  }

 private:
  void say(const std::string& what, std::string text) {
    const auto place = places_.find(what);
    found_.push_back({place == places_.end() ? Position{} : place->second, std::move(text)});
  }

  void look_at_retention(const TopicPlan& topic) {
    if (setting(scenario_, topic, "cleanup.policy", {"log.cleanup.policy"}, "delete").find("compact") != std::string::npos) return;
    const std::string ms = setting(scenario_, topic, "retention.ms", {"log.retention.ms", "log.retention.minutes", "log.retention.hours"}, "604800000");
    const std::string bytes = setting(scenario_, topic, "retention.bytes", {"log.retention.bytes"}, "-1");
    if (ms != "-1" || bytes != "-1") return;
    double rate = 0;
    for (const ProducerPlan& producer : scenario_.producers)
      if (producer.topic == topic.name) rate += bytes_per_s(producer);
    const double room = static_cast<double>(scenario_.cluster.brokers.hardware.disk_capacity_bytes) * scenario_.cluster.brokers.count / topic.replication;
    std::string when;
    if (rate > 0) when = ": at this rate after " + short_duration(static_cast<std::int64_t>(std::min(room / rate, 1e9) * 1e9));
    say("topic " + topic.name, "topic '" + topic.name + "' has no retention limit, but disks are finite" + when);
  }

  void look_at_copies(const TopicPlan& topic) {
    if (topic.replication >= 3 || scenario_.cluster.brokers.count < 3) return;
    say("topic " + topic.name, topic.replication == 1 ? "topic '" + topic.name + "' has one copy: a lost disk loses it, and a stopped broker stops it"
                                                      : "topic '" + topic.name + "' has two copies: with one away, either writes stop or the next loss loses records");
  }

  void look_at_order(const TopicPlan& topic) {
    if (!ordered_.contains(topic.name)) return;
    for (const ProducerPlan& producer : scenario_.producers) {
      if (producer.topic != topic.name) continue;
      const bool keyed = producer.replay ? !producer.replay->key_column.empty() : producer.keys != constant(-1);
      if (!keyed && topic.partitions > 1)
        say("producer " + producer.name, "topic '" + topic.name + "' is read for its order, but '" + producer.name + "' gives no keys: its records go to " + std::to_string(topic.partitions) + " partitions, and order holds within one");
      const auto in_flight = producer.client.find("max.in.flight.requests.per.connection");
      if (!producer.idempotent && (in_flight == producer.client.end() || in_flight->second != "1"))
        say("producer " + producer.name, "topic '" + topic.name + "' is read for its order, but '" + producer.name + "' is not idempotent and has several requests in flight: a retry may overtake");
    }
  }

  void look_at_keys(const ProducerPlan& producer) {
    const TopicPlan* const topic = scenario_.topic(producer.topic);
    if (producer.replay || topic == nullptr) return;
    const double rate = bytes_per_s(producer), share = hottest_share(producer.keys);
    if (share * rate > partition_rate_)
      say("producer " + producer.name, fmt::format("the most frequent key of '{}' has {:.1f} % of its records, {}: more than the {} that one partition takes, whatever their number", producer.name, share * 100, mb_per_s(share * rate), mb_per_s(partition_rate_)));
    else if (rate / topic->partitions > partition_rate_)
      say("producer " + producer.name, fmt::format("'{}' writes {} into each of {} partitions: more than the {} that one takes", producer.name, mb_per_s(rate / topic->partitions), topic->partitions, mb_per_s(partition_rate_)));
  }

  /// A group that several lines of the file make up; one line by itself is looked at when it is read.
  void look_at_groups() {
    std::map<std::string, std::pair<std::int32_t, std::set<std::string>>> groups;
    std::map<std::string, int> lines;
    for (const ConsumerPlan& consumer : scenario_.consumers) {
      auto& [members, topics] = groups[consumer.group];
      members += consumer.count;
      topics.insert(consumer.topics.begin(), consumer.topics.end());
      ++lines[consumer.group];
    }
    for (const auto& [group, known] : groups) {
      if (lines[group] < 2) continue;
      std::int32_t partitions = 0;
      for (const std::string& name : known.second)
        if (const TopicPlan* const topic = scenario_.topic(name)) partitions += topic->partitions;
      if (known.first > partitions) say("group " + group, std::to_string(known.first) + " members of '" + group + "' share " + std::to_string(partitions) + " partitions: some stay idle");
    }
  }

  const Scenario& scenario_;
  const Places& places_;
  const std::set<std::string, std::less<>>& ordered_;
  double partition_rate_;
  Problems found_;
};

}  // namespace

Problems lint(const Scenario& scenario, const Places& places, const std::set<std::string, std::less<>>& ordered, double partition_bytes_per_s) {
  return Lint(scenario, places, ordered, partition_bytes_per_s).look();
}

}  // namespace harrow::sim
