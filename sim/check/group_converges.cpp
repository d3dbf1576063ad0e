// I54, groups converge: when the faults have ended long enough ago, every group is stable or empty.
// Listens to: group_state, coordinator_loaded, coordinator_unloaded.
// Legal exceptions: what a coordinator said that has been deposed since is not the group's state: its successor loads groups
// that are at rest. How long "long enough" is: JudgeSetup::settle_ns, and longer session or rebalance time-outs must be
// given that time by the scenario.
#include <map>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/setup.h"

namespace harrow::sim {
namespace {

class GroupConverges final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::group_state, TraceKind::coordinator_loaded, TraceKind::coordinator_unloaded};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::group_state) {
      if (event.subject != 0) states_[event.subject] = {event.a, event.time_ns, event.node};
      return;
    }
    const bool loaded = event.kind == TraceKind::coordinator_loaded;
    const auto partitions = static_cast<std::int32_t>(setup().number("offsets.topic.num.partitions", 50));
    for (auto& [subject, state] : states_) {
      constexpr std::string_view prefix = "group ";
      const std::string& name = bench().subject(subject);
      const bool told_here = state.machine == event.node;
      if (told_here == loaded || !name.starts_with(prefix) || coordinator_partition_of(std::string_view(name).substr(prefix.size()), partitions) != event.a) continue;
      state = loaded ? State{at_rest, event.time_ns, event.node} : State{deposed, event.time_ns, event.node};
    }
  }
  void at_quiescence() override {
    for (const auto& [subject, state] : states_) {
      if (now_ns() - state.since_ns < setup().settle_ns && state.since_ns > bench().healed_at_ns() + setup().settle_ns) continue;  // something new is going on
      if (state.state == deposed) continue;  // nobody has taken the group over: what I53 and the consumers' own checks judge
      constexpr std::int64_t preparing = 1;
      constexpr std::int64_t completing = 2;
      expect(state.state != preparing && state.state != completing, Where{-1, 0, -1, "", -1}, [&] {
        return bench().subject(subject) + " is still rebalancing " + std::to_string((now_ns() - bench().healed_at_ns()) / 1'000'000'000) + " s after the heal";
      });
    }
  }

 private:
  static constexpr std::int64_t at_rest = 3;   // stable: what a coordinator loads
  static constexpr std::int64_t deposed = -1;  // its coordinator resigned
  struct State {
    std::int64_t state = 0;
    std::int64_t since_ns = 0;
    std::uint16_t machine = 0;  // who said so
  };
  std::map<std::uint32_t, State> states_;  // by subject
};

}  // namespace

std::unique_ptr<Check> make_group_converges() { return std::make_unique<GroupConverges>(); }

}  // namespace harrow::sim
