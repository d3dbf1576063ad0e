// I10, truncation: no replica cuts records below the true high watermark that it holds, and a leader cuts nothing at all.
// Listens to: truncated (partitions and the metadata log alike).
// Legal exceptions: what an unclean election or the loss of every copy took below the true high watermark before; a log that
// begins anew above its old end (its leader's log starts there).
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class TruncationBound final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::truncated};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    const TruncationView& cut = oracle().truncation();
    if (cut.partition == nullptr || cut.to >= cut.old_end) return;
    evaluated();
    if (cut.replica->role == TruthRole::leader) fail(at(event, event.a), "a leader cut its log from " + std::to_string(event.b) + " to " + std::to_string(event.a));
    else if (cut.cut_committed)
      fail(at(event, event.a), "cut from " + std::to_string(event.b) + " to " + std::to_string(event.a) + ", committed is everything below " + std::to_string(cut.partition->committed_end));
  }
};

}  // namespace

std::unique_ptr<Check> make_truncation_bound() { return std::make_unique<TruncationBound>(); }

}  // namespace harrow::sim
