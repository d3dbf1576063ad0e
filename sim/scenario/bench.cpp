#include "sim/scenario/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/base/check.h"
#include "core/base/random.h"
#include "sim/kernel/kernel.h"
#include "sim/scenario/read.h"
#include "sim/scenario/run.h"
#include "sim/workload/fixed_math.h"

namespace harrow::sim {

namespace {

/// A bare 4-ary heap of (time, sequence, who): what any event queue costs at the least.
class BareHeap {
 public:
  struct Entry {
    std::int64_t time;
    std::uint64_t sequence;
    std::uint32_t who;
  };
  void push(std::int64_t time, std::uint32_t who) {
    entries_.push_back({time, sequence_++, who});
    std::size_t at = entries_.size() - 1;
    while (at > 0 && before(entries_[at], entries_[(at - 1) / 4])) {
      std::swap(entries_[at], entries_[(at - 1) / 4]);
      at = (at - 1) / 4;
    }
  }
  Entry pop() {
    const Entry top = entries_.front();
    const Entry last = entries_.back();
    entries_.pop_back();
    std::size_t at = 0;
    while (!entries_.empty()) {
      std::size_t best = at * 4 + 1;
      if (best >= entries_.size()) break;
      for (std::size_t child = best + 1; child < std::min(at * 4 + 5, entries_.size()); ++child)
        if (before(entries_[child], entries_[best])) best = child;
      if (!before(entries_[best], last)) break;
      entries_[at] = entries_[best];
      at = best;
    }
    if (!entries_.empty()) entries_[at] = last;
    return top;
  }
  bool empty() const { return entries_.empty(); }

 private:
  static bool before(const Entry& a, const Entry& b) { return a.time != b.time ? a.time < b.time : a.sequence < b.sequence; }
  std::vector<Entry> entries_;
  std::uint64_t sequence_ = 0;
};

/// What happens at an event of `who` at a time: schedules through `at(time, who)`.
struct Task {
  const char* name;
  std::uint32_t actors;
  std::int64_t events;
  std::int64_t floor_ns, mean_ns;  // delay of the next event: floor + exponential
  bool to_partner;                 // pingpong: the partner's turn; else (phold) a drawn actor's
};

std::int64_t delay_of(const Task& task, Random& random) { return task.floor_ns + fixed::multiply(task.mean_ns, fixed::minus_ln(random.next())); }
std::uint32_t next_of(const Task& task, std::uint32_t who, Random& random) {
  return task.to_partner ? who ^ 1u : static_cast<std::uint32_t>(random.below(task.actors));
}

struct Measured {
  std::int64_t wall_ns = 0;
  std::int64_t check = 0;  // both ways must come out the same
};

Measured through_heap(const Task& task, const BenchOptions& options) {
  BareHeap heap;
  Random random(1);
  const std::int64_t start = options.wall_ns();
  for (std::uint32_t who = 0; who < task.actors; who += task.to_partner ? 2 : 1) heap.push(delay_of(task, random), who);
  Measured measured;
  for (std::int64_t n = 0; n < task.events; ++n) {
    const BareHeap::Entry entry = heap.pop();
    measured.check += entry.time ^ entry.who;
    const std::int64_t delay = delay_of(task, random);
    heap.push(entry.time + delay, next_of(task, entry.who, random));
  }
  measured.wall_ns = options.wall_ns() - start;
  return measured;
}

struct KernelWorld {
  explicit KernelWorld(const Task& what) : task(what) {}
  class Actor final : public Event {
   public:
    void fire() override { world->fired(*this); }
    KernelWorld* world = nullptr;
    std::uint32_t who = 0;
  };
  void fired(Actor& actor) {
    kernel.emit(TraceEvent{TraceKind::frame_received, static_cast<std::uint16_t>(actor.who), 0, kernel.now_ns(), 1, 0}, nullptr);
    measured.check += kernel.now_ns() ^ actor.who;
    const std::int64_t delay = delay_of(task, random);
    actor.who = next_of(task, actor.who, random);  // the message travels on
    kernel.at(kernel.now_ns() + delay, actor);
  }
  const Task& task;
  Kernel kernel;
  Random random{1};
  Measured measured;
};

Measured through_kernel(const Task& task, const BenchOptions& options) {
  const auto world = std::make_unique<KernelWorld>(task);
  const std::uint32_t step = task.to_partner ? 2 : 1;
  std::vector<KernelWorld::Actor> messages(task.actors / step);
  const std::int64_t start = options.wall_ns();
  for (std::uint32_t i = 0; i < messages.size(); ++i) {
    messages[i].world = world.get();
    messages[i].who = i * step;
    const std::int64_t delay = delay_of(task, world->random);
    world->kernel.at(delay, messages[i]);
  }
  for (std::int64_t n = 0; n < task.events; ++n) world->kernel.step();
  world->measured.wall_ns = options.wall_ns() - start;
  return world->measured;
}

/// M/M/1 at 90 %: an arrival and a departure a customer.
template <class Push, class Pop>
Measured mm1(std::int64_t customers, const BenchOptions& options, Push push, Pop pop) {
  Random random(1);  // one stream: both ways draw alike
  const auto gap = [&](std::int64_t mean) { return fixed::multiply(mean, fixed::minus_ln(random.next())); };
  Measured measured;
  std::int64_t waiting = 0, arrived = 0;
  const std::int64_t start = options.wall_ns();
  push(gap(1'111'111), 0u);
  for (std::int64_t left = customers; left > 0;) {
    const auto [time, who] = pop();
    measured.check += time ^ who;
    if (who == 0) {
      if (++arrived < customers) push(time + gap(1'111'111), 0u);
      if (++waiting == 1) push(time + gap(1'000'000), 1u);
    } else {
      --left;
      if (--waiting > 0) push(time + gap(1'000'000), 1u);
    }
  }
  measured.wall_ns = options.wall_ns() - start;
  return measured;
}

class FiredEvent final : public Event {
 public:
  void fire() override { *fired = who; }
  std::uint32_t who = 0;
  std::uint32_t* fired = nullptr;
};

std::string kernel_row(const char* task, std::int64_t events, const Measured& kernel, const Measured& heap) {
  CHECK_SAYING(kernel.check == heap.check, "kernel and bare heap ran different events");
  const std::int64_t fast = events * 1'000'000'000 / std::max<std::int64_t>(kernel.wall_ns, 1), bare = events * 1'000'000'000 / std::max<std::int64_t>(heap.wall_ns, 1);
  return fmt::format("{{\"task\":\"{}\",\"events_per_second\":{},\"baseline_events_per_second\":{},\"ratio\":{}.{:02}}}", task, fast, bare, fast / std::max<std::int64_t>(bare, 1),
                     fast * 100 / std::max<std::int64_t>(bare, 1) % 100);
}

constexpr const char* cluster_yaml = R"yaml(harrow: 1
name: bench-cluster
topics: [{ name: records, partitions: 12 }]
workload:
  producers: [{ name: producer, rate: 50/s, size: 512B }]
  consumers: [{ name: first, count: 3 }, { name: second, count: 3 }]
faults: [{ random: { from: 10s, until: 570s, mean-gap: 30s, pick: { kill: 3, pause: 2, one-way: 1 } } }]
stop: { heal: 570s, after: 600s }
)yaml";

}  // namespace

bool bench_kernel(const BenchOptions& options) {
  const std::int64_t events = 4'000'000 * options.percent / 100;
  BareHeap heap;
  const Measured bare = mm1(events / 2, options, [&](std::int64_t t, std::uint32_t who) { heap.push(t, who); }, [&] {
    const BareHeap::Entry entry = heap.pop();
    return std::pair(entry.time, entry.who);
  });
  Kernel kernel;
  std::uint32_t fired = 0;
  FiredEvent both[2];
  for (std::uint32_t who = 0; who < 2; ++who) {
    both[who].who = who;
    both[who].fired = &fired;
  }
  const Measured through = mm1(events / 2, options, [&](std::int64_t t, std::uint32_t who) { kernel.at(t, both[who]); }, [&] {
    kernel.step();
    return std::pair(kernel.now_ns(), fired);
  });
  if (!options.row(kernel_row("mm1", events, through, bare))) return true;
  for (const Task& task : {Task{"phold", 1024, events, 100'000, 900'000, false}, Task{"phold64", 65'536, events, 100'000, 900'000, false}, Task{"pingpong", 1000, events, 900'000, 100'000, true}}) {
    const Measured slow = through_heap(task, options);
    const Measured ours = through_kernel(task, options);
    if (!options.row(kernel_row(task.name, events, ours, slow))) return true;
  }
  return true;
}

bool bench_cluster(const BenchOptions& options) {
  std::vector<std::int64_t> ratios;
  for (std::uint64_t seed = options.from_seed; seed <= options.until_seed; ++seed) {
    Problems problems;
    const auto bound = read_scenario_text(cluster_yaml, "bench-cluster.yaml", seed, problems);
    CHECK_SAYING(bound.has_value(), "the built-in scenario is wrong");
    RunOptions run;
    run.wall_ns = options.wall_ns;
    const RunResult result = run_scenario(bound->scenario, seed, run);
    ratios.push_back(result.virtual_ns / std::max<std::int64_t>(result.wall_ns, 1));
    if (!options.row(fmt::format("{{\"task\":\"cluster\",\"seed\":{},\"verdict\":\"{}\",\"times_real_time\":{},\"requests\":{},\"requests_per_second\":{},\"events\":{},\"hash\":\"{:016x}\"}}", seed,
                                 name_of(result.verdict), ratios.back(), result.requests, result.requests * 1'000'000'000 / std::max<std::int64_t>(result.wall_ns, 1), result.events, result.trace_hash)))
      return true;
  }
  if (ratios.empty()) return false;
  std::sort(ratios.begin(), ratios.end());
  options.row(fmt::format("{{\"task\":\"cluster\",\"seeds\":{},\"median_times_real_time\":{}}}", ratios.size(), ratios[ratios.size() / 2]));
  return true;
}

}  // namespace harrow::sim
