// The kernel as runs use it (slots, first-in-first-out posts, trace hash) beside a bare 4-ary heap that does nothing but
// hold times. Every task is run on both sides with the same draws and must come out with the same check sum.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/async/task.h"
#include "core/async/wait.h"
#include "core/base/check.h"
#include "core/base/random.h"
#include "sim/kernel/kernel.h"
#include "sim/scenario/bench.h"
#include "sim/kernel/fixed_math.h"

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

 private:
  static bool before(const Entry& a, const Entry& b) { return a.time != b.time ? a.time < b.time : a.sequence < b.sequence; }
  std::vector<Entry> entries_;
  std::uint64_t sequence_ = 0;
};

/// Messages that travel between places: an event is one arrival.
struct Travel {
  const char* name;
  std::uint32_t places;
  std::uint32_t messages;
  std::int64_t floor_ns, mean_ns;  // a way takes: floor + exponential
  bool to_partner;                 // pingpong; else (phold) to a drawn place
  std::uint32_t first_place(std::uint32_t message) const { return to_partner ? message * 2 : message % places; }
};
constexpr Travel travels[] = {
    {"phold", 1024, 1024, 100'000, 900'000, false},
    {"phold64", 1024, 65'536, 100'000, 900'000, false},
    {"pingpong", 1000, 500, 900'000, 100'000, true},
};

std::int64_t way_of(const Travel& travel, Random& random) { return travel.floor_ns + fixed::multiply(travel.mean_ns, fixed::minus_ln(random.next())); }
std::uint32_t next_place(const Travel& travel, std::uint32_t place, Random& random) {
  return travel.to_partner ? place ^ 1u : static_cast<std::uint32_t>(random.below(travel.places));
}

struct Measured {
  std::int64_t wall_ns = 0;
  std::int64_t check = 0;  // all sides must come out the same
};

void note_arrival(Kernel& kernel, std::uint32_t place) {
  kernel.emit(TraceEvent{TraceKind::frame_received, static_cast<std::uint16_t>(place), 0, kernel.now_ns(), 1, 0}, nullptr);
}

Measured travel_through_heap(const Travel& travel, std::int64_t events, const BenchOptions& options) {
  BareHeap heap;
  Random random(1);
  Measured measured;
  for (std::uint32_t i = 0; i < travel.messages; ++i) heap.push(way_of(travel, random), travel.first_place(i));
  const std::int64_t start = options.wall_ns();
  for (std::int64_t n = 0; n < events; ++n) {
    const BareHeap::Entry entry = heap.pop();
    measured.check += entry.time ^ entry.who;
    const std::int64_t way = way_of(travel, random);
    heap.push(entry.time + way, next_place(travel, entry.who, random));
  }
  measured.wall_ns = options.wall_ns() - start;
  return measured;
}

struct TravelWorld {
  explicit TravelWorld(const Travel& what) : travel(what) {}
  const Travel& travel;
  Kernel kernel;
  Random random{1};
  std::int64_t check = 0;
  std::int64_t events = 0;
};

class Message final : public sim::Event {
 public:
  Message(TravelWorld& world, std::uint32_t place) : world_(world), place_(place) {}
  void fire() override {
    TravelWorld& world = world_;
    ++world.events;
    note_arrival(world.kernel, place_);
    world.check += world.kernel.now_ns() ^ place_;
    const std::int64_t way = way_of(world.travel, world.random);
    place_ = next_place(world.travel, place_, world.random);
    world.kernel.at(world.kernel.now_ns() + way, *this);
  }

 private:
  TravelWorld& world_;
  std::uint32_t place_;
};

Measured travel_through_kernel(const Travel& travel, std::int64_t events, const BenchOptions& options) {
  const auto world = std::make_unique<TravelWorld>(travel);
  std::vector<std::unique_ptr<Message>> messages;
  for (std::uint32_t i = 0; i < travel.messages; ++i) {
    messages.push_back(std::make_unique<Message>(*world, travel.first_place(i)));
    world->kernel.at(way_of(travel, world->random), *messages.back());
  }
  const std::int64_t start = options.wall_ns();
  for (std::int64_t n = 0; n < events; ++n) world->kernel.step();
  return {options.wall_ns() - start, world->check};
}

Root travelling(Scope&, Label, TravelWorld& world, std::uint32_t place) {
  for (;;) {
    const MonoNs arrival(world.kernel.now_ns() + way_of(world.travel, world.random));
    if (world.events > 0) place = next_place(world.travel, place, world.random);
    co_await Sleep(world.kernel, arrival);
    ++world.events;
    note_arrival(world.kernel, place);
    world.check += world.kernel.now_ns() ^ place;
  }
}

Measured travel_as_coroutines(const Travel& travel, std::int64_t events, const BenchOptions& options) {
  const auto world = std::make_unique<TravelWorld>(travel);
  ReadyQueue queue(world->kernel.run_list());
  Scope scope(queue);
  for (std::uint32_t i = 0; i < travel.messages; ++i) travelling(scope, Label("message"), *world, travel.first_place(i));
  const std::int64_t start = options.wall_ns();
  while (world->events < events) world->kernel.step();
  return {options.wall_ns() - start, world->check};
}

/// M/M/1 at 90 %: an arrival and a departure a customer.
constexpr std::int64_t arrival_gap_ns = 1'111'111, service_ns = 1'000'000;

template <class Push, class Pop>
Measured mm1(std::int64_t customers, const BenchOptions& options, Push push, Pop pop) {
  Random random(1);  // one stream: all sides draw alike
  const auto gap = [&](std::int64_t mean) { return fixed::multiply(mean, fixed::minus_ln(random.next())); };
  Measured measured;
  std::int64_t waiting = 0, arrived = 0;
  const std::int64_t start = options.wall_ns();
  push(gap(arrival_gap_ns), 0u);
  for (std::int64_t left = customers; left > 0;) {
    const auto [time, who] = pop();
    measured.check += time ^ who;
    if (who == 0) {
      if (++arrived < customers) push(time + gap(arrival_gap_ns), 0u);
      if (++waiting == 1) push(time + gap(service_ns), 1u);
    } else {
      --left;
      if (--waiting > 0) push(time + gap(service_ns), 1u);
    }
  }
  measured.wall_ns = options.wall_ns() - start;
  return measured;
}

class FiredEvent final : public sim::Event {
 public:
  void fire() override { *fired = who; }
  std::uint32_t who = 0;
  std::uint32_t* fired = nullptr;
};

Measured mm1_through_heap(std::int64_t customers, const BenchOptions& options) {
  BareHeap heap;
  return mm1(customers, options, [&](std::int64_t t, std::uint32_t who) { heap.push(t, who); }, [&] {
    const BareHeap::Entry entry = heap.pop();
    return std::pair(entry.time, entry.who);
  });
}

Measured mm1_through_kernel(std::int64_t customers, const BenchOptions& options) {
  Kernel kernel;
  std::uint32_t fired = 0;
  FiredEvent both[2];
  for (std::uint32_t who = 0; who < 2; ++who) {
    both[who].who = who;
    both[who].fired = &fired;
  }
  return mm1(customers, options, [&](std::int64_t t, std::uint32_t who) { kernel.at(t, both[who]); }, [&] {
    kernel.step();
    note_arrival(kernel, fired);
    return std::pair(kernel.now_ns(), fired);
  });
}

struct Counter {
  Kernel kernel;
  Signal someone_waits{kernel};
  Random random{1};
  std::int64_t customers = 0, arrived = 0, waiting = 0, left = 0;
  std::int64_t check = 0;
  MonoNs after(std::int64_t mean) { return MonoNs(kernel.now_ns() + fixed::multiply(mean, fixed::minus_ln(random.next()))); }
  void note(std::uint32_t who) {
    note_arrival(kernel, who);
    check += kernel.now_ns() ^ who;
  }
};

Root arrivals(Scope&, Label, Counter& counter) {
  MonoNs next = counter.after(arrival_gap_ns);
  while (counter.arrived < counter.customers) {
    co_await Sleep(counter.kernel, next);
    counter.note(0);
    if (++counter.arrived < counter.customers) next = counter.after(arrival_gap_ns);
    if (++counter.waiting == 1) counter.someone_waits.wake();
  }
}

Root service(Scope&, Label, Counter& counter) {
  for (;;) {
    while (counter.waiting == 0) {
      co_await counter.someone_waits.next();
    }
    co_await Sleep(counter.kernel, counter.after(service_ns));
    counter.note(1);
    --counter.waiting;
    --counter.left;
  }
}

Measured mm1_as_coroutines(std::int64_t customers, const BenchOptions& options) {
  const auto counter = std::make_unique<Counter>();
  counter->customers = counter->left = customers;
  ReadyQueue queue(counter->kernel.run_list());
  Scope scope(queue);
  const std::int64_t start = options.wall_ns();
  arrivals(scope, Label("arrivals"), *counter);
  service(scope, Label("service"), *counter);
  while (counter->left > 0) counter->kernel.step();
  return {options.wall_ns() - start, counter->check};
}

/// Both sides in turns; the row has the turn with the middle ratio.
template <class Ours, class Bare>
bool measure(const std::string& task, std::int64_t events, const BenchOptions& options, Ours ours, Bare bare) {
  constexpr std::size_t turns = 5;
  struct Turn {
    std::int64_t fast, baseline, permille;
  };
  std::vector<Turn> seen;
  for (std::size_t turn = 0; turn < turns; ++turn) {
    const Measured baseline = bare();
    const Measured measured = ours();
    CHECK_SAYING(measured.check == baseline.check, "kernel and bare heap ran different events");
    const auto rate = [&](const Measured& one) { return events * 1'000'000'000 / std::max<std::int64_t>(one.wall_ns, 1); };
    seen.push_back({rate(measured), rate(baseline), baseline.wall_ns * 1000 / std::max<std::int64_t>(measured.wall_ns, 1)});
  }
  std::sort(seen.begin(), seen.end(), [](const Turn& a, const Turn& b) { return a.permille < b.permille; });
  const Turn& middle = seen[turns / 2];
  return options.row(fmt::format("{{\"task\":\"{}\",\"events_per_second\":{},\"baseline_events_per_second\":{},\"ratio\":{}.{:03}}}", task, middle.fast, middle.baseline,
                                 middle.permille / 1000, middle.permille % 1000));
}

}  // namespace

void bench_kernel(const BenchOptions& options) {
  const std::int64_t events = 2'000'000 * options.percent / 100;
  const auto heap = [&] { return mm1_through_heap(events / 2, options); };
  if (!measure("mm1", events, options, [&] { return mm1_through_kernel(events / 2, options); }, heap)) return;
  for (const Travel& travel : travels)
    if (!measure(travel.name, events, options, [&] { return travel_through_kernel(travel, events, options); },
                 [&] { return travel_through_heap(travel, events, options); }))
      return;
  if (!measure("mm1-coroutines", events, options, [&] { return mm1_as_coroutines(events / 2, options); }, heap)) return;
  for (const Travel& travel : travels)
    if (!measure(std::string(travel.name) + "-coroutines", events, options, [&] { return travel_as_coroutines(travel, events, options); },
                 [&] { return travel_through_heap(travel, events, options); }))
      return;
}

}  // namespace harrow::sim
