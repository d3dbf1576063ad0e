// I14, offsets: offsets in a log strictly increase, a leader appends exactly at its log's end, epochs along a log do not fall.
// Listens to: appended.
// Legal exceptions: none; a follower's log may have gaps.
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class OffsetsIncrease final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::appended};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    const AppendView& append = oracle().append();
    if (append.partition == nullptr) return;
    const std::int64_t base = event.a;
    evaluated();
    if (event.b < base) fail(at(event, base), "a batch ends at " + std::to_string(event.b) + ", before it begins");
    else if (base < append.end_before) fail(at(event, base), "appended at " + std::to_string(base) + " although the log ends at " + std::to_string(append.end_before));
    else if (append.note->as_leader && base != append.end_before && append.end_before > 0)
      fail(at(event, base), "a leader left a gap: the log ended at " + std::to_string(append.end_before));
    else if (append.header->leader_epoch.value() < append.epoch_before)
      fail(at(event, base), "epoch " + std::to_string(append.header->leader_epoch.value()) + " behind epoch " + std::to_string(append.epoch_before));
  }
};

}  // namespace

std::unique_ptr<Check> make_offsets_increase() { return std::make_unique<OffsetsIncrease>(); }

}  // namespace harrow::sim
