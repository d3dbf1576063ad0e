// I10, truncation: no replica cuts records below the true high watermark that it holds, a leader cuts nothing at all, and no
// node of the quorum cuts below a high watermark that it has heard of itself.
// Listens to: truncated (partitions and the metadata log alike); quorum_high_watermark and quorum_truncated.
// Legal exceptions: what an unclean election or the loss of every copy took below the true high watermark before; a log that
// begins anew above its old end (its leader's log starts there). A process that died has forgotten the quorum's high
// watermark, which is on no disk.
#include <algorithm>
#include <map>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class TruncationBound final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::truncated,    TraceKind::quorum_high_watermark, TraceKind::quorum_truncated,
                                         TraceKind::node_crashed, TraceKind::node_stopped,          TraceKind::node_halted};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind != TraceKind::truncated) return on_quorum(event);
    const TruncationView& cut = oracle().truncation();
    if (cut.partition == nullptr || cut.to >= cut.old_end) return;
    evaluated();
    if (cut.replica->role == TruthRole::leader) fail(at(event, event.a), "a leader cut its log from " + std::to_string(event.b) + " to " + std::to_string(event.a));
    else if (cut.cut_committed)
      fail(at(event, event.a), "cut from " + std::to_string(event.b) + " to " + std::to_string(event.a) + ", committed is everything below " + std::to_string(cut.partition->committed_end));
  }

 private:
  void on_quorum(const TraceEvent& event) {
    switch (event.kind) {
      case TraceKind::quorum_high_watermark: heard_[event.node] = std::max(heard_[event.node], event.a); break;
      case TraceKind::quorum_truncated: {
        const auto heard = heard_.find(event.node);
        if (heard == heard_.end()) return;
        expect(event.a >= heard->second, at(event, event.a), [&] {
          return "cut its metadata log to " + std::to_string(event.a) + " and knew that everything below " + std::to_string(heard->second) + " is committed";
        });
        break;
      }
      default: heard_.erase(event.node);
    }
  }
  std::map<std::uint16_t, std::int64_t> heard_;  // by machine
};

}  // namespace

std::unique_ptr<Check> make_truncation_bound() { return std::make_unique<TruncationBound>(); }

}  // namespace harrow::sim
