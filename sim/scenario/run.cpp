// Builds everything a scenario asks for around one kernel, drives it to the end, and writes down what came of it.
#include "sim/scenario/run.h"

#include <algorithm>

#include "core/base/mutation.h"
#include "core/model/trace_payloads.h"
#include "sim/check/judge.h"
#include "sim/faults/injector.h"
#include "sim/scenario/watched_run.h"
#include "sim/trace/collector.h"
#include "sim/trace/export_disks.h"

namespace harrow::sim {
namespace {

constexpr std::int64_t slice_ns = 250 * ns_per_ms;

/// Counts answers, and tells the collector what the committed metadata says whenever any node publishes it first.
class Observer final : public TraceListener, public FaultObserver {
 public:
  Observer(Kernel& kernel, Collector& collector) : collector_(collector) {
    kernel.listen(TraceKind::response_sent, *this);
    kernel.listen(TraceKind::image_published, *this);
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::response_sent) {
      ++requests;
      return;
    }
    if (event.a <= newest_offset_ || event.b == last_hash_) return;
    newest_offset_ = event.a;
    last_hash_ = event.b;
    const auto& image = *static_cast<const controller::Image*>(static_cast<const ImageNote*>(payload)->image);
    for (const auto& [id, topic] : image.topics())
      for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
        const controller::PartitionImage& partition = topic.partitions[i];
        PartitionEpoch& seen = seen_[TopicIdPartition{id, static_cast<std::int32_t>(i)}];
        if (partition.partition_epoch + 1 == seen) continue;
        seen = partition.partition_epoch + 1;
        collector_.partition_changed(event.time_ns, topic.name, static_cast<std::int32_t>(i), partition.leader.value(), partition.leader_epoch.value(),
                                     controller::numbers_of(partition.isr), static_cast<std::int32_t>(partition.replicas.size()));
      }
    for (auto it = seen_.begin(); it != seen_.end();) {
      if (image.topic(it->first.topic_id) != nullptr) {
        names_[it->first.topic_id] = image.topic(it->first.topic_id)->name;
        ++it;
        continue;
      }
      collector_.partition_deleted(event.time_ns, names_[it->first.topic_id], it->first.partition);
      it = seen_.erase(it);
    }
  }
  void fault_began(const FaultRecord& fault) override { collector_.fault_began(fault.at_ns, fault.id, name_of(fault.kind), fault.target); }
  void fault_ended(const FaultRecord& fault) override { collector_.fault_ended(fault.until_ns, fault.id); }

  std::int64_t requests = 0;

 private:
  Collector& collector_;
  std::int64_t newest_offset_ = -1;
  std::int64_t last_hash_ = 0;
  std::map<TopicIdPartition, PartitionEpoch> seen_;
  std::map<Uuid, std::string> names_;
};

Bug bug_of(std::string_view id) {
#define HARROW_BUG(id_, name) \
  if (id == #id_) return Bug::id_;
#include "core/base/mutations.def"
#undef HARROW_BUG
  return Bug::none;
}

Quantiles quantiles_of(const Histogram& histogram) {
  return {histogram.count(), histogram.quantile(500'000), histogram.quantile(990'000), histogram.quantile(999'000)};
}

/// Per partition: leader, epoch, ISR, and each replica's high watermark and log end; then who waits for what.
std::string describe(Cluster& cluster) {
  std::string text;
  if (const controller::Image* const image = cluster.newest_image(); image != nullptr)
    for (const auto& [id, topic] : image->topics())
      for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
        const controller::PartitionImage& partition = topic.partitions[i];
        text += topic.name + "/" + std::to_string(i) + "  leader " + std::to_string(partition.leader.value()) + " epoch " +
                std::to_string(partition.leader_epoch.value()) + "  isr";
        for (const NodeId member : partition.isr) text += " " + std::to_string(member.value());
        for (const NodeId replica : partition.replicas) {
          const Partition* const held = cluster.replica(replica, {id, static_cast<std::int32_t>(i)});
          text += "  | " + std::to_string(replica.value()) + ": ";
          if (held == nullptr) text += "down";
          else text += "hw " + std::to_string(held->high_watermark().value()) + " leo " + std::to_string(held->log_end().value());
        }
        text += "\n";
      }
  for (std::size_t i = 0; i < cluster.machines(); ++i) {
    Machine& machine = cluster.machine(i);
    text += machine.name() + (machine.running() ? machine.paused() ? " (paused)" : "" : " (down)") + "\n";
    if (machine.queue() == nullptr) continue;
    std::map<std::string, int> waits;
    machine.queue()->for_each_waiting([&](const char* root, const char* label) { ++waits[std::string("  ") + root + " waits for " + label]; });
    for (const auto& [what, count] : waits) text += what + (count > 1 ? " x" + std::to_string(count) : "") + "\n";
  }
  return text;
}

}  // namespace

RunResult run_scenario(const Scenario& scenario, std::uint64_t seed, RunOptions& options) { return run_watched(scenario, seed, options, {}); }

RunResult run_watched(const Scenario& scenario, std::uint64_t seed, RunOptions& options, const RunWatch& watch) {
  const std::int64_t wall_start = options.wall_ns ? options.wall_ns() : 0;
#ifdef HARROW_MUSEUM
  museum::armed = bug_of(options.bug);
  museum::reached = 0;
#else
  CHECK_SAYING(bug_of(options.bug) == Bug::none, "bugs can be armed in the museum build only");
#endif
  RunResult result;
  result.scenario = scenario.name;
  result.seed = seed;
  result.bug = options.bug;

  Kernel kernel;
  Cluster cluster(kernel, scenario.cluster, seed);
  CollectorSetup setup;
  for (const ConsumerPlan& plan : scenario.consumers) {
    if (plan.until_ns >= 0) setup.leaving_groups.insert(plan.group);
    for (const std::string& topic : plan.topics) ++setup.groups_of_topic[topic];
  }
  setup.curves = options.collect_report;
  setup.interval_ns = std::max<std::int64_t>(ns_per_s, scenario.after_ns / 400);
  Collector collector(std::move(setup));
  if (!options.follow_topic.empty()) collector.follow(options.follow_topic, options.follow_partition, options.follow_offset);
  for (const TraceKind kind : collector_kinds()) kernel.listen(kind, collector);
  Observer observer(kernel, collector);
  if (options.history_listener != nullptr)
    for (int kind = static_cast<int>(TraceKind::send_invoked); kind <= static_cast<int>(TraceKind::request_timed_out); ++kind)
      kernel.listen(static_cast<TraceKind>(kind), *options.history_listener);
  if (options.all_events && options.event_listener != nullptr) kernel.listen_all(*options.event_listener);

  Judge judge(kernel, cluster, scenario);
  judge.use(collector);
  judge.stop_at_first_failure(options.stop_at_first_failure);
  if (options.checks) judge.attach();

  Clients clients;
  Operator admin(cluster);
  Random workload = Random(seed).fork("workload");
  for (const ProducerPlan& plan : scenario.producers) {
    std::shared_ptr<const ReplayFile> replay;
    if (plan.replay) {
      auto read = read_replay_file(*plan.replay);
      if (!read) {
        result.undecided_because = to_text(read.error());
        return result;
      }
      replay = std::make_shared<const ReplayFile>(std::move(*read));
    }
    for (std::int32_t i = 0; i < plan.count; ++i) {
      const std::string rack = plan.racks.empty() ? "a" : plan.racks[static_cast<std::size_t>(i) % plan.racks.size()];
      Machine& machine = cluster.add_client(plan.name + "/" + std::to_string(i), rack);
      const std::int64_t until = plan.until_ns >= 0 ? plan.until_ns : scenario.produce_until_ns();
      clients.producers.push_back(std::make_unique<ProducerWorkload>(cluster, machine, ProducerWorkload::Job{&plan, i, until, replay, workload.fork(plan.name, static_cast<std::uint64_t>(i))}));
    }
  }
  for (const ConsumerPlan& plan : scenario.consumers)
    for (std::int32_t i = 0; i < plan.count; ++i) {
      const std::string rack = plan.racks.empty() ? "a" : plan.racks[static_cast<std::size_t>(i) % plan.racks.size()];
      Machine& machine = cluster.add_client(plan.name + "/" + std::to_string(i), rack);
      clients.consumers.push_back(std::make_unique<ConsumerWorkload>(cluster, machine, ConsumerWorkload::Job{&plan, i, workload.fork(plan.name, static_cast<std::uint64_t>(i))}));
    }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < cluster.machines(); ++i) names.push_back(cluster.name_of_machine(i));
  collector.name_nodes(names);
  if (options.on_nodes) options.on_nodes(names);
  if (options.on_subjects) options.on_subjects([&kernel](std::uint32_t subject) { return kernel.subject(subject); });

  Injector injector(cluster, scenario, seed, clients, admin, &observer);
  if (watch.before_start) watch.before_start(cluster);
  cluster.start();
  bool topics_made = false;
  admin.create_topics(scenario.topics, [&] {
    topics_made = true;
    for (auto& consumer : clients.consumers) consumer->start();
    for (auto& producer : clients.producers) producer->start();
  });
  injector.start();

  const std::int64_t end_ns = options.until_ns >= 0 ? options.until_ns : scenario.after_ns;
  const std::int64_t heal_ns = std::min(scenario.heal_at_ns(), end_ns);
  bool interrupted = false;
  const auto drive = [&](std::int64_t until, std::string_view doing) {
    while (!interrupted && kernel.now_ns() < until) {
      kernel.run_until(std::min(until, kernel.now_ns() + slice_ns));
      if (watch.between) watch.between(cluster);
      if (options.on_progress) {
        Progress progress{kernel.now_ns(), end_ns, static_cast<std::int64_t>(kernel.events()), collector.acked(), doing, kernel.hash()};
        interrupted = !options.on_progress(progress);
      }
      if (kernel.stopped() || (options.checks && options.stop_at_first_failure && judge.failed())) return;
    }
  };
  drive(heal_ns, "running");
  const bool failed_early = options.checks && options.stop_at_first_failure && judge.failed();
  if (!interrupted && !failed_early && options.until_ns < 0) {
    injector.heal();
    if (options.checks) judge.at_heal();
  }
  if (!failed_early) drive(end_ns, "healing");
  const bool whole = !interrupted && options.until_ns < 0;
  if (options.checks && whole && !(options.stop_at_first_failure && judge.failed())) judge.at_end();

  collector.finish(kernel.now_ns());
  if (options.state_at_stop != nullptr) *options.state_at_stop = describe(cluster);
  result.trace_hash = kernel.hash();
  result.virtual_ns = kernel.now_ns();
  result.events = static_cast<std::int64_t>(kernel.events() + kernel.turns());
  result.requests = observer.requests;
  result.produce = quantiles_of(collector.produce_latency_ns());
  result.end_to_end = quantiles_of(collector.end_to_end_ns());
  result.lag_max = collector.lag_max();
  result.lag_at_end = collector.lag_now();
  result.under_replicated_max = collector.under_replicated_max();
  result.under_replicated_ns = collector.under_replicated_ns();
  result.elections = collector.elections();
  result.isr_shrinks = collector.isr_shrinks();
  result.truncations = collector.truncations();
  for (const FaultBar& bar : collector.faults()) result.faults.push_back({bar.kind, bar.target, bar.from_ns, bar.until_ns, bar.unavailable_ns});
  result.records.sent = collector.sent();
  result.records.acked = collector.acked();
  if (options.checks) judge.fill(result);
  if (result.failure) result.failure->replay = options.replay_command;
  if (result.failure) result.verdict = Verdict::fail;
  else if (!whole || !topics_made) {
    result.verdict = Verdict::undecided;
    result.undecided_because = interrupted ? "interrupted" : topics_made ? "stopped before the end" : "the topics were never made";
  } else {
    result.verdict = Verdict::pass;
  }
  if (options.report != nullptr) {
    options.report->scenario = scenario.name;
    options.report->description = scenario.description;
    options.report->end_ns = kernel.now_ns();
    options.report->heal_ns = heal_ns;
    collector.fill(*options.report);
  }
  if (!options.export_disks.empty()) {
    for (const auto& place : cluster.nodes()) export_disk(place.machine->disk(), options.export_disks + "/" + place.config.host);
  }
  if (options.wall_ns) result.wall_ns = options.wall_ns() - wall_start;
  return result;
}

}  // namespace harrow::sim
