#include "sim/workload/produce.h"

#include <algorithm>
#include <cstring>

#include "sim/workload/client_options.h"

namespace harrow::sim {
namespace {

constexpr std::size_t stamp_bytes = 16;

Distribution gaps_of(const ProducerPlan& plan) {
  // The rate is that of all instances together.
  const std::int64_t mean = mean_gap_ns(plan.rate_micro_per_s) * std::max(1, plan.count);
  return plan.arrival == ProducerPlan::Arrival::even ? constant(mean) : Distribution{Distribution::Shape::exp, mean, 0};
}

}  // namespace

ProducerWorkload::ProducerWorkload(Cluster& cluster, Machine& machine, Job job)
    : cluster_(cluster),
      machine_(machine),
      job_(std::move(job)),
      name_(job_.plan->name + "/" + std::to_string(job_.instance)),
      payload_key_(Random(7).fork(name_).next()),
      sizes_(job_.plan->size_bytes),
      keys_(job_.plan->keys),
      key_sizes_(job_.plan->key_bytes),
      gaps_(gaps_of(*job_.plan)),
      tombstones_(job_.random.fork("tombstones")) {}

ProducerWorkload::~ProducerWorkload() {
  if (machine_.running()) kill();
}

void ProducerWorkload::start() {
  machine_.start([this](SimHost& host) {
    producer_ = std::make_unique<Producer>(host.host(), producer_config_of(*job_.plan, cluster_.bootstrap(), name_), this);
    run(host.scope(), Label("producer workload"));
  });
}

void ProducerWorkload::kill() {
  if (!machine_.running()) return;
  // The client object lives beside the process here: its roots must go first, then it, then the host.
  cluster_.fabric().crash(machine_.index(), CrashMode::reset);
  machine_.host()->scope().destroy_all();
  producer_.reset();
  machine_.kill();
}

void ProducerWorkload::restart_after(std::int64_t ns) {
  const std::uint32_t incarnation = machine_.incarnation();
  cluster_.kernel().call_at(cluster_.kernel().now_ns() + ns, [this, incarnation] {
    if (!machine_.running() && machine_.incarnation() == incarnation) start();
  });
}

std::int64_t ProducerWorkload::next_gap_ns() {
  std::int64_t gap = gaps_.draw(job_.random);
  const ProducerPlan& plan = *job_.plan;
  if (plan.burst_every_ns > 0 && cluster_.kernel().now_ns() % plan.burst_every_ns < plan.burst_for_ns)
    gap = gap * 1'000'000 / std::max<std::int64_t>(1, plan.burst_factor_millionths);
  return std::max<std::int64_t>(gap, 1);
}

Root ProducerWorkload::run(Scope& scope, Label) {
  Host& host = machine_.host()->host();
  Kernel& kernel = cluster_.kernel();
  const ProducerPlan& plan = *job_.plan;
  if (kernel.now_ns() < plan.from_ns) co_await Sleep(host.timers, host.clock.mono() + (plan.from_ns - kernel.now_ns()), "workload start");
  if (started_at_ns_ < 0) started_at_ns_ = kernel.now_ns();
  for (;;) {
    std::int64_t size = -1, replay_key = -1, key = -1;
    std::int64_t wait_ns = 0;
    if (job_.replay != nullptr) {
      const std::size_t recorded = job_.replay->events.size();
      if (next_recorded_ >= recorded && !(plan.replay && plan.replay->loop)) break;
      // Each round begins where the one before ended.
      const auto round = static_cast<std::int64_t>(next_recorded_ / recorded);
      const RecordedEvent& event = job_.replay->events[next_recorded_++ % recorded];
      // Instances share the file's events in turn.
      if (plan.count > 1 && static_cast<std::int32_t>((next_recorded_ - 1) % static_cast<std::size_t>(plan.count)) != job_.instance) continue;
      wait_ns = started_at_ns_ + round * job_.replay->length_ns() + event.at_ns - kernel.now_ns();
      size = event.size_bytes;
      replay_key = event.key;
    } else {
      wait_ns = next_gap_ns();
      key = keys_.draw(job_.random);
    }
    if (wait_ns > 0) co_await Sleep(host.timers, host.clock.mono() + wait_ns, "next record");
    if (kernel.now_ns() >= job_.until_ns) break;
    if (plan.records >= 0 && next_sequence_ >= plan.records) break;
    if (size < 0) size = sizes_.draw(job_.random);
    Task<bool> sending = send_one(key, size, replay_key);
    const bool going_on = co_await sending;
    if (!going_on) break;
  }
  Task<Result<bool>> flushing = producer_->flush();
  co_await flushing;
  done_ = true;
}

Task<bool> ProducerWorkload::send_one(std::int64_t key, std::int64_t size, std::int64_t replay_key) {
  const std::int64_t sequence = next_sequence_++;
  value_.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(size, static_cast<std::int64_t>(stamp_bytes), 16 << 20)));
  std::memcpy(value_.data(), &payload_key_, 8);
  std::memcpy(value_.data() + 8, &sequence, 8);
  std::uint64_t state = payload_key_ ^ mix64(static_cast<std::uint64_t>(sequence) + 1);
  const auto next_word = [&state] { return state = state * 0x9e3779b97f4a7c15ULL + 0xd1b54a32d192ed03ULL; };
  char* at = value_.data() + stamp_bytes;
  char* const end = value_.data() + value_.size();
  for (; end - at >= 8; at += 8) {
    const std::uint64_t word = next_word();
    std::memcpy(at, &word, 8);
  }
  if (at != end) {
    const std::uint64_t word = next_word();
    std::memcpy(at, &word, static_cast<std::size_t>(end - at));
  }
  ProducerRecord record;
  record.topic = producer_->topic(job_.plan->topic);
  record.value = value_;
  record.tag = static_cast<std::uint64_t>(sequence);
  if (replay_key >= 0) {
    record.key = job_.replay->keys[static_cast<std::size_t>(replay_key)];
  } else if (key >= 0) {
    key_ = std::to_string(key);
    const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(key_sizes_.draw(job_.random), 1));
    if (key_.size() < wanted) key_.insert(0, wanted - key_.size(), '0');
    record.key = key_;
    if (job_.plan->tombstones_millionths > 0 && tombstones_.below(1'000'000) < static_cast<std::uint64_t>(job_.plan->tombstones_millionths)) record.value.reset();
  }
  Accepted accepted = producer_->send(record);
  if (accepted == Accepted::no_metadata || accepted == Accepted::no_memory) {
    Task<Accepted> sending = producer_->send_waiting(record);
    accepted = co_await sending;
  }
  co_return accepted != Accepted::closed;
}

void ProducerWorkload::on_delivery(std::uint64_t, const Delivery&) {}

}  // namespace harrow::sim
