// I54, groups converge: when the faults have ended long enough ago, every group is stable or empty.
// Listens to: group_state.
// Legal exceptions: none; how long "long enough" is: JudgeSetup::settle_ns, and longer session or rebalance time-outs must be
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
    static constexpr TraceKind list[] = {TraceKind::group_state};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.subject != 0) states_[event.subject] = {event.a, event.time_ns};
  }
  void at_quiescence() override {
    for (const auto& [subject, state] : states_) {
      if (now_ns() - state.second < setup().settle_ns && state.second > bench().healed_at_ns() + setup().settle_ns) continue;  // something new is going on
      constexpr std::int64_t preparing = 1;
      constexpr std::int64_t completing = 2;
      expect(state.first != preparing && state.first != completing, Where{-1, 0, -1, "", -1}, [&] {
        return bench().subject(subject) + " is still rebalancing " + std::to_string((now_ns() - bench().healed_at_ns()) / 1'000'000'000) + " s after the heal";
      });
    }
  }

 private:
  std::map<std::uint32_t, std::pair<std::int64_t, std::int64_t>> states_;
};

}  // namespace

std::unique_ptr<Check> make_group_converges() { return std::make_unique<GroupConverges>(); }

}  // namespace harrow::sim
