#include <gtest/gtest.h>

#include "core/async/wait.h"
#include "sim/kernel/kernel.h"

namespace harrow {
namespace {

using sim::Kernel;

struct Node {
  explicit Node(Kernel& kernel) : kernel(kernel), queue(kernel.run_list()), mark(kernel), signal(kernel), slots(kernel, 2), scope(queue) {}
  Kernel& kernel;
  ReadyQueue queue;
  Watermark mark;
  Signal signal;
  Semaphore slots;
  std::vector<std::string> log;
  Scope scope;
  void say(const std::string& text) { log.push_back(std::to_string(kernel.now_ns()) + " " + text); }
};

Task<int> add_later(Node& node, int a, int b, std::int64_t at_ns) {
  co_await Sleep(node.kernel, MonoNs(at_ns));
  co_return a + b;
}

Root sum(Scope&, Label, Node& node) {
  const int x = co_await add_later(node, 1, 2, 10);
  Task<int> late = add_later(node, 3, 4, 30);
  const Reached too_early = co_await within(late, node.kernel, MonoNs(20));
  node.say(too_early == Reached::deadline ? "deadline" : "early");
  const int y = co_await late;
  node.say(std::to_string(x + y));
}

TEST(Async, tasks_return_values_and_deadlines_hold) {
  Kernel kernel;
  Node node(kernel);
  sum(node.scope, Label("sum"), node);
  kernel.run_until(100);
  EXPECT_EQ(node.log, (std::vector<std::string>{"20 deadline", "30 10"}));
  EXPECT_TRUE(node.scope.empty());
  EXPECT_EQ(kernel.now_ns(), 100);
}

Root wait_for_mark(Scope&, Label, Node& node, int target, std::int64_t deadline_ns) {
  const Reached reached = co_await node.mark.reach(target, MonoNs(deadline_ns));
  node.say(std::to_string(target) + (reached == Reached::reached ? " reached" : reached == Reached::deadline ? " deadline" : " closed"));
}

TEST(Async, watermark_wakes_in_order_and_only_who_is_satisfied) {
  Kernel kernel;
  Node node(kernel);
  wait_for_mark(node.scope, Label("a"), node, 5, 1000);
  wait_for_mark(node.scope, Label("b"), node, 3, 1000);
  wait_for_mark(node.scope, Label("c"), node, 9, 50);
  wait_for_mark(node.scope, Label("d"), node, 10, 1000);
  kernel.call_at(10, [&] { node.mark.advance(5); });
  kernel.call_at(60, [&] { node.mark.close(); });
  kernel.run_until(100);
  EXPECT_EQ(node.log, (std::vector<std::string>{"10 5 reached", "10 3 reached", "50 9 deadline", "60 10 closed"}));
  EXPECT_TRUE(node.queue.idle());
}

Root take_slots(Scope&, Label, Node& node, int amount, std::string name, std::int64_t hold_ns) {
  const Reached taken = co_await node.slots.take(amount);
  CHECK(taken == Reached::reached);
  node.say(name);
  co_await Sleep(node.kernel, MonoNs(node.kernel.now_ns() + hold_ns));
  node.slots.release(amount);
}

TEST(Async, semaphore_is_fifo_and_a_large_request_is_not_overtaken) {
  Kernel kernel;
  Node node(kernel);
  take_slots(node.scope, Label("a"), node, 1, "a", 10);
  take_slots(node.scope, Label("b"), node, 2, "b", 10);
  take_slots(node.scope, Label("c"), node, 1, "c", 10);
  kernel.run_until(100);
  EXPECT_EQ(node.log, (std::vector<std::string>{"0 a", "10 b", "20 c"}));
}

TEST(Async, a_parked_node_keeps_its_posts_in_order) {
  Kernel kernel;
  Node node(kernel);
  wait_for_mark(node.scope, Label("a"), node, 1, 1000);
  wait_for_mark(node.scope, Label("b"), node, 2, 1000);
  kernel.call_at(5, [&] { node.queue.park(); });
  kernel.call_at(10, [&] { node.mark.advance(1); });
  kernel.call_at(20, [&] { node.mark.advance(2); });
  kernel.call_at(30, [&] { node.queue.release(); });
  kernel.run_until(100);
  EXPECT_EQ(node.log, (std::vector<std::string>{"30 1 reached", "30 2 reached"}));
}

Root chatter(Scope&, Label, Node& node, Random random) {
  for (;;) {
    const std::int64_t pause = random.between(1, 9);
    Task<int> work = add_later(node, 1, 1, node.kernel.now_ns() + pause);
    const Reached done = co_await within(work, node.kernel, MonoNs(node.kernel.now_ns() + 5));
    if (done == Reached::reached) node.mark.advance(node.mark.value() + 1);
    const Reached slot = co_await node.slots.take(1, MonoNs(node.kernel.now_ns() + 3));
    if (slot == Reached::reached) node.slots.release(1);
  }
}

// A crash at any event leaves no task, timer or wait behind, and the same seed gives the same history.
TEST(Async, crash_at_any_event_leaves_nothing_behind) {
  for (std::uint64_t crash_at = 1; crash_at < 400; ++crash_at) {
    Kernel kernel;
    {
      Node node(kernel);
      for (int i = 0; i < 5; ++i) chatter(node.scope, Label("chatter"), node, Random(7).fork("chatter", static_cast<std::uint64_t>(i)));
      for (int i = 1; i < 20; ++i) wait_for_mark(node.scope, Label("w"), node, i * 5, i * 30);
      for (std::uint64_t i = 0; i < crash_at; ++i) kernel.step();
      node.scope.destroy_all();
      EXPECT_TRUE(node.queue.idle());
    }
    EXPECT_EQ(kernel.queue().live(), 0u) << crash_at;
    EXPECT_TRUE(kernel.run_list().empty());
  }
}

TEST(EventQueue, pops_in_time_then_fifo_order_whatever_was_removed) {
  struct Mark final : sim::Event {
    int number = 0;
    std::vector<int>* out = nullptr;
    void fire() override { out->push_back(number); }
  };
  Kernel kernel;
  std::vector<int> out, expected;
  std::vector<std::unique_ptr<Mark>> marks;
  Random random(3);
  std::vector<std::pair<std::int64_t, int>> keys;
  for (int i = 0; i < 5000; ++i) {
    auto mark = std::make_unique<Mark>();
    mark->number = i;
    mark->out = &out;
    const std::int64_t at = random.between(0, 200);
    kernel.at(at, *mark);
    marks.push_back(std::move(mark));
    keys.emplace_back(at, i);
  }
  for (int i = 0; i < 5000; ++i)
    if (i % 3 != 0) marks[static_cast<std::size_t>(i)].reset();
  std::stable_sort(keys.begin(), keys.end(), [](auto& a, auto& b) { return a.first < b.first; });
  for (auto& [at, i] : keys)
    if (i % 3 == 0) expected.push_back(i);
  kernel.run_until(1000);
  EXPECT_EQ(out, expected);
}

}  // namespace
}  // namespace harrow
