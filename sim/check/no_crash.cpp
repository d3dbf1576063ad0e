// I72, no crash: a node ends by itself only because its disk refused something; a failed assertion ends the whole run and is
// reported as such.
// Listens to: node_halted, node_started.
// Legal exceptions: a disk that failed or is full, or that a fault damaged: Kafka halts then, and so does Harrow.
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class NoCrash final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::node_halted, TraceKind::node_started};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::node_started) {
      evaluated();
      return;
    }
    const NodeTruth& node = oracle().node(event.node);
    expect(node.may_halt, at(event), [&] { return "halted with " + std::string(name_of(static_cast<Code>(event.a))) + " although its disk had no fault"; });
  }
};

}  // namespace

std::unique_ptr<Check> make_no_crash() { return std::make_unique<NoCrash>(); }

}  // namespace harrow::sim
