// I69, changes end: at rest after the heal every running broker is unfenced, no partition is without leader or in the middle of a
// reassignment, and no leader waits for the answer to an ISR change.
// Listens to: isr_proposed, isr_committed; judged at quiescence.
// Legal exceptions: a proposal younger than the settling time; nodes that a fault stopped for good.
#include <map>

#include "core/replica/partition.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/setup.h"
#include "sim/check/view.h"

namespace harrow::sim {
namespace {

class AdminEnds final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::isr_proposed, TraceKind::isr_committed, TraceKind::became_follower};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::isr_proposed) proposed_.try_emplace({event.subject, event.node}, event.time_ns);
    else proposed_.erase({event.subject, event.node});
  }
  void at_quiescence() override {
    const controller::Image* const image = view().image();
    if (image == nullptr) return;
    for (const NodeId id : view().brokers()) {
      const controller::BrokerImage* const broker = image->broker(id);
      if (!view().running(id)) continue;
      expect(broker != nullptr && !broker->fenced, Where{oracle().machine_of(id), 0, -1, "", -1}, [&] { return "broker " + std::to_string(id.value()) + " runs and is " + (broker == nullptr ? "not registered" : "fenced"); });
    }
    for (const auto& [topic_id, topic] : image->topics())
      for (std::size_t index = 0; index < topic.partitions.size(); ++index) {
        const controller::PartitionImage& partition = topic.partitions[index];
        const Where where{-1, 0, -1, topic.name, static_cast<std::int32_t>(index)};
        expect(partition.leader != no_node && !partition.reassigning(), where, [&] { return std::string(partition.leader == no_node ? "no leader" : "a reassignment is still under way"); });
        const Partition* const live = partition.leader == no_node ? nullptr : view().replica(partition.leader, TopicIdPartition{topic_id, static_cast<std::int32_t>(index)});
        if (live == nullptr || !live->proposal()) continue;
        const auto since = proposed_.find({live->subject(), static_cast<std::uint16_t>(oracle().machine_of(partition.leader))});
        expect(since == proposed_.end() || now_ns() - since->second < setup().settle_ns, where, [&] { return "an ISR change has waited for its answer for " + std::to_string((now_ns() - since->second) / 1'000'000'000) + " s"; });
      }
  }

 private:
  std::map<std::pair<std::uint32_t, std::uint16_t>, std::int64_t> proposed_;
};

}  // namespace

std::unique_ptr<Check> make_admin_ends() { return std::make_unique<AdminEnds>(); }

}  // namespace harrow::sim
