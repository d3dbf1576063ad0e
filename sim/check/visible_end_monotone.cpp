// I9, visible end: what ListOffsets(latest) tells clients never goes back in real time, across leaders.
// Listens to: offsets_listed with timestamp -1, to clients.
// Legal exceptions: a deposed leader that has not learned of its successor answers with what it knows (clients fence it by
// epoch); what was lost legally lowers the bound; a topic made anew starts over.
#include <algorithm>
#include <map>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class VisibleEndMonotone final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::offsets_listed};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    constexpr std::int64_t latest = -1;
    if (payload == nullptr || event.a != latest || event.b < 0 || note_of<ListOffsetsNote>(payload).replica.value() >= 0) return;
    const PartitionTruth* const partition = oracle().partition(event.subject);
    if (partition == nullptr || partition->newest_leader != event.node) return;
    Told& told = told_[event.subject];
    if (told.topic_id != partition->topic_id || told.excuses != partition->excuses.size()) told = Told{partition->topic_id, partition->excuses.size(), -1};
    expect(event.b >= told.end, at(event, event.b), [&] { return "clients were told the end " + std::to_string(told.end) + " before and " + std::to_string(event.b) + " now"; });
    told.end = std::max(told.end, event.b);
  }

 private:
  struct Told {
    Uuid topic_id;
    std::size_t excuses = 0;
    std::int64_t end = -1;
  };
  std::map<std::uint32_t, Told> told_;
};

}  // namespace

std::unique_ptr<Check> make_visible_end_monotone() { return std::make_unique<VisibleEndMonotone>(); }

}  // namespace harrow::sim
