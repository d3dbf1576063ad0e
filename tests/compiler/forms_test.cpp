// The forms in which a co_await may stand (tests/tidy/tidy.py allows no others), and the ways of writing around those
// that g++ 12 compiles wrongly. Each form runs once to its end, and is then destroyed at each of its suspensions; either
// way every object that it made is destroyed exactly once and the values are right. What is forbidden, and what happens
// then, is in ARCHITECTURE.md; this program is built by every preset, so a new compiler says for itself what it breaks.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/async/wait.h"
#include "sim/kernel/kernel.h"

namespace harrow {
namespace {

/// An object that knows whether it was made and destroyed exactly once, wherever it lies.
class Counted {
 public:
  Counted() : cell_(std::make_unique<int>(7)) { born(); }
  Counted(const Counted& other) : cell_(std::make_unique<int>(other.value())) { born(); }
  Counted(Counted&& other) noexcept : cell_(std::move(other.cell_)) { born(); }
  Counted& operator=(Counted other) {
    std::swap(cell_, other.cell_);
    return *this;
  }
  ~Counted() {
    if (alive.erase(this) == 0) ++destroyed_twice;
  }
  int value() const { return cell_ == nullptr ? -1 : *cell_; }

  static inline std::set<const void*> alive;
  static inline int born_twice = 0, destroyed_twice = 0;

 private:
  void born() {
    if (!alive.insert(this).second) ++born_twice;
  }
  std::unique_ptr<int> cell_;
};

struct World {
  sim::Kernel kernel;
  ReadyQueue queue{kernel.run_list()};
  int good = 0;
  Scope scope{queue};
  MonoNs soon() { return MonoNs(kernel.now_ns() + 1); }
  void expect(bool right) { good += right ? 1 : -1000; }
};

struct Request {
  int number = 0;
  std::string text;
  Counted counted;
};
using Text = std::string;
Text long_text(char letter, std::size_t size) { return Text(size, letter); }

Task<Counted> make(World& world) {
  co_await Sleep(world.kernel, world.soon());
  co_return Counted{};
}
Task<int> number(World& world, int value) {
  co_await Sleep(world.kernel, world.soon());
  co_return value;
}
Task<bool> yes(World& world) {
  co_await Sleep(world.kernel, world.soon());
  co_return true;
}
Task<Text> text(World& world, std::size_t size) {
  co_await Sleep(world.kernel, world.soon());
  co_return long_text('t', size);
}
Task<int> by_value(World& world, Counted counted, Text name) {
  co_await Sleep(world.kernel, world.soon());
  co_return counted.value() + static_cast<int>(name.size());
}
Task<int> take(World& world, Request request) {
  co_await Sleep(world.kernel, world.soon());
  co_return request.counted.value() + static_cast<int>(request.text.size()) + request.number;
}
Task<int> borrow(World& world, const Request& request) {
  co_await Sleep(world.kernel, world.soon());
  co_return request.counted.value() + static_cast<int>(request.text.size()) + request.number;
}
Task<int> sizes(World& world, std::vector<Text> texts) {
  co_await Sleep(world.kernel, world.soon());
  int sum = 0;
  for (const Text& one : texts) sum += static_cast<int>(one.size());
  co_return sum;
}
template <class Work>
Task<int> call(World& world, Work work) {
  co_await Sleep(world.kernel, world.soon());
  co_return work();
}

// ---- the five forms ----

Root statement(Scope&, Label, World& world) {
  Counted before;
  co_await Sleep(world.kernel, world.soon());
  co_await make(world);  // the result is dropped
  world.expect(before.value() == 7);
}
Root new_variable(Scope&, Label, World& world) {
  const Counted made = co_await make(world);
  const int sum = co_await by_value(world, made, long_text('x', 60));
  const int from_temporaries = co_await by_value(world, Counted{}, long_text('y', 30) + "and forty more letters, which are no sso");
  world.expect(made.value() == 7);
  world.expect(sum == 67);
  world.expect(from_temporaries == 77);
}
Root assignment(Scope&, Label, World& world) {
  Counted made;
  int total = 1;
  for (int i = 0; i < 3; ++i) {
    made = co_await make(world);
    total = co_await by_value(world, made, long_text('x', 20));
    world.expect(total == 27);
  }
  world.expect(made.value() == 7);
}
Task<Counted> pass_on(World& world) {
  Counted local;
  co_return co_await make(world);
}
Root returned(Scope&, Label, World& world) {
  const Counted made = co_await pass_on(world);
  world.expect(made.value() == 7);
}
Root condition(Scope&, Label, World& world) {
  Counted around;
  if (co_await yes(world)) world.expect(true);
  else world.expect(false);
  if (co_await yes(world)) {
    Counted inside;
    co_await Sleep(world.kernel, world.soon());
    world.expect(inside.value() == 7);
  }
  world.expect(around.value() == 7);
}

// ---- what is written instead of the forbidden ones ----

Root named_lambda(Scope&, Label, World& world) {
  Counted counted;
  auto work = [counted] { return counted.value(); };
  const int got = co_await call(world, std::move(work));
  world.expect(got == 7);
}
Root named_request(Scope&, Label, World& world) {
  Request request{.number = 1, .text = long_text('z', 60), .counted = {}};
  const int borrowed = co_await borrow(world, request);
  const int taken = co_await take(world, std::move(request));
  world.expect(borrowed == 68);
  world.expect(taken == 68);
}
Root if_for_ternary(Scope&, Label, World& world) {
  Counted chosen;
  if (world.good == 0) chosen = co_await make(world);
  world.expect(chosen.value() == 7);
}
Root switch_on_a_name(Scope&, Label, World& world) {
  const int kind = co_await number(world, 2);
  switch (kind) {
    case 2:
      co_await Sleep(world.kernel, world.soon());
      world.expect(true);
      break;
    default: world.expect(false);
  }
}
Root named_elements(Scope&, Label, World& world) {
  Text first = co_await text(world, 40);
  Text second = co_await text(world, 20);
  std::vector<Text> texts;
  texts.push_back(std::move(first));
  texts.push_back(std::move(second));
  const int sum = co_await sizes(world, std::move(texts));
  world.expect(sum == 60);
}
Root named_aggregate(Scope&, Label, World& world) {
  Counted made = co_await make(world);
  const int seen = co_await number(world, 3);
  const Request request{seen, long_text('a', 50), std::move(made)};
  co_await Sleep(world.kernel, world.soon());
  world.expect(request.number == 3 && request.counted.value() == 7);
}
Root pair_without_binding(Scope&, Label, World& world) {
  struct Pair {
    static Task<std::pair<Counted, int>> of(World& from) {
      co_await Sleep(from.kernel, from.soon());
      co_return std::pair<Counted, int>(Counted{}, 2);
    }
  };
  const auto both = co_await Pair::of(world);
  co_await Sleep(world.kernel, world.soon());
  world.expect(both.first.value() == 7 && both.second == 2);
}
Root loop_over_a_name(Scope&, Label, World& world) {
  std::vector<Counted> all(3);
  for (const Counted& one : all) {
    const int got = co_await number(world, one.value());
    world.expect(got == 7);
  }
}
Task<int> deep(World& world, int depth, Counted counted) {
  if (depth == 0) {
    co_await Sleep(world.kernel, world.soon());
    co_return counted.value();
  }
  const int below = co_await deep(world, depth - 1, counted);
  co_return below;
}
Root deep_chain(Scope&, Label, World& world) {
  const int got = co_await deep(world, 20, Counted{});
  world.expect(got == 7);
}
Root held_task(Scope&, Label, World& world) {
  Task<int> first = by_value(world, Counted{}, long_text('a', 40));
  Task<Counted> dropped = make(world);
  const int got = co_await first;
  world.expect(got == 47);
}
Task<int> ready_at_once(Counted counted) { co_return counted.value(); }
Root many_ready_children(Scope&, Label, World& world) {
  // With symmetric transfer this overflows the stack below -O2.
  int sum = 0;
  for (int i = 0; i < 200'000; ++i) {
    const int one = co_await ready_at_once(Counted{});
    sum += one;
  }
  world.expect(sum == 1'400'000);
}

using Form = Root (*)(Scope&, Label, World&);
struct Named {
  const char* name;
  Form form;
  int expectations;
};
void PrintTo(const Named& form, std::ostream* out) { *out << form.name; }

class Forms : public testing::TestWithParam<Named> {
 protected:
  void SetUp() override {
    Counted::alive.clear();
    Counted::born_twice = Counted::destroyed_twice = 0;
  }
  void nothing_is_left(const char* when, std::int64_t step) {
    EXPECT_TRUE(Counted::alive.empty()) << when << " " << step << ": " << Counted::alive.size() << " objects are left";
    EXPECT_EQ(Counted::born_twice, 0) << when << " " << step;
    EXPECT_EQ(Counted::destroyed_twice, 0) << when << " " << step;
  }
};

TEST_P(Forms, runs_to_its_end) {
  {
    World world;
    GetParam().form(world.scope, Label("form"), world);
    world.kernel.run_until(1000);
    EXPECT_TRUE(world.scope.empty());
    EXPECT_EQ(world.good, GetParam().expectations);
  }
  nothing_is_left("at its end", 0);
}

TEST_P(Forms, can_be_destroyed_at_each_suspension) {
  bool ended = false;
  for (std::int64_t step = 0; !ended && step < 100; ++step) {
    {
      World world;
      GetParam().form(world.scope, Label("form"), world);
      world.kernel.run_until(step);
      ended = world.scope.empty();
      world.scope.destroy_all();
      EXPECT_TRUE(world.queue.idle()) << "something still waits, step " << step;
    }
    nothing_is_left("destroyed at step", step);
  }
  EXPECT_TRUE(ended);
}

INSTANTIATE_TEST_SUITE_P(Compiler, Forms,
                         testing::Values(Named{"statement", statement, 1}, Named{"new_variable", new_variable, 3}, Named{"assignment", assignment, 4}, Named{"returned", returned, 1},
                                         Named{"condition", condition, 3}, Named{"named_lambda", named_lambda, 1}, Named{"named_request", named_request, 2},
                                         Named{"if_for_ternary", if_for_ternary, 1}, Named{"switch_on_a_name", switch_on_a_name, 1}, Named{"named_elements", named_elements, 1},
                                         Named{"named_aggregate", named_aggregate, 1}, Named{"pair_without_binding", pair_without_binding, 1}, Named{"loop_over_a_name", loop_over_a_name, 3},
                                         Named{"deep_chain", deep_chain, 1}, Named{"held_task", held_task, 1}, Named{"many_ready_children", many_ready_children, 1}),
                         [](const testing::TestParamInfo<Named>& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace harrow
