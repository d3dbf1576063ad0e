// I67, the quorum: at rest after the heal one controller is active, and it was not replaced since things calmed down.
// Listens to: quorum_role; judged at quiescence.
// Legal exceptions: elections within the settling time after the heal.
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/setup.h"
#include "sim/check/view.h"

namespace harrow::sim {
namespace {

class QuorumElects final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::quorum_role};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    constexpr std::int64_t leader_role = 4;
    if (event.a == leader_role) last_election_ns_ = event.time_ns;
  }
  void at_quiescence() override {
    if (setup().voters.empty()) return;
    std::size_t running = 0;
    for (const NodeId id : view().voters()) running += view().running(id) ? 1 : 0;
    if (running * 2 <= setup().voters.size()) return;
    expect(view().active_controller() != no_node, Where{}, [] { return std::string("a majority of the voters runs and no controller is active"); });
    const std::int64_t calm_ns = bench().healed_at_ns() + setup().settle_ns;
    expect(last_election_ns_ < calm_ns, Where{}, [&] { return "a new quorum leader was elected " + std::to_string((last_election_ns_ - bench().healed_at_ns()) / 1'000'000) + " ms after the heal"; });
  }

 private:
  std::int64_t last_election_ns_ = -1;
};

}  // namespace

std::unique_ptr<Check> make_quorum_elects() { return std::make_unique<QuorumElects>(); }

}  // namespace harrow::sim
