// I70, bounds: what a node holds is bounded, and no node turns in circles: at one virtual instant only so many answers leave
// the cluster; at the end no log has more segments than any sane setting makes.
// Listens to: response_sent.
// Legal exceptions: none.
#include "core/node/broker.h"
#include "core/replica/partition.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/view.h"

namespace harrow::sim {
namespace {

class BoundedResources final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::response_sent};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.time_ns != instant_ns_) {
      instant_ns_ = event.time_ns;
      answers_ = 0;
      evaluated();
    }
    if (++answers_ == answers_limit)
      expect(false, at(event), [] { return "more than " + std::to_string(answers_limit) + " answers at one instant"; });
  }
  void at_end() override {
    for (const NodeId id : view().brokers()) {
      const Broker* const broker = view().broker(id);
      if (broker == nullptr) continue;
      for (const auto& [name, partition] : broker->partitions())
        expect(partition->log().segment_count() < segments_limit, Where{oracle().machine_of(id), 0, -1, partition->name().topic, partition->name().partition},
               [&] { return std::to_string(partition->log().segment_count()) + " segments"; });
    }
  }

 private:
  static constexpr std::int64_t answers_limit = 1'000'000;
  static constexpr std::size_t segments_limit = 100'000;
  std::int64_t instant_ns_ = -1;
  std::int64_t answers_ = 0;
};

}  // namespace

std::unique_ptr<Check> make_bounded_resources() { return std::make_unique<BoundedResources>(); }

}  // namespace harrow::sim
