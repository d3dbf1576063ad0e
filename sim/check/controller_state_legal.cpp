// I16, legal metadata: in every committed image ISR and ELR are disjoint subsets of the replicas, an ISR of at least
// min.insync.replicas has no ELR beside it, the leader is in the ISR or there is none, and no fenced or stopping broker is
// in an ISR or leads.
// Listens to: image_published (the first time that an offset is shown), for the partitions that changed and, when a broker
// changed, for all.
// Legal exceptions: without ELR the last member of an ISR stays in it when its broker is gone, without leading. A stopping
// broker that is alone in an ISR leads until it is gone.
#include "sim/check/comparisons.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/setup.h"

namespace harrow::sim {
namespace {

class ControllerStateLegal final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::image_published};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (payload == nullptr || !oracle().image_is_new()) return;
    const auto* const image = static_cast<const controller::Image*>(note_of<ImageNote>(payload).image);
    if (image == nullptr || static_cast<std::uint64_t>(event.b) == last_hash_) return;
    last_hash_ = static_cast<std::uint64_t>(event.b);
    for (const auto& [id, topic] : image->topics())
      for (std::size_t index = 0; index < topic.partitions.size(); ++index) {
        const PartitionTruth* const known = oracle().partition(topic.name, static_cast<std::int32_t>(index));
        const std::string problem = illegal_state(*image, topic.partitions[index], known == nullptr ? 1 : known->record.min_isr, setup().elr);
        expect(problem.empty(), Where{event.node, 0, -1, topic.name, static_cast<std::int32_t>(index)}, [&] { return problem; });
      }
  }

 private:
  std::uint64_t last_hash_ = 0;
};

}  // namespace

std::unique_ptr<Check> make_controller_state_legal() { return std::make_unique<ControllerStateLegal>(); }

}  // namespace harrow::sim
