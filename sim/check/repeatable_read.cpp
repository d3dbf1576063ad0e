// I11, repeatable read: an offset that was once given to an application has the same value for ever, whoever reads it.
// Listens to: record_consumed; the oracle remembers the first value read at each offset.
// Legal exceptions: below the log start nothing is read; what an unclean election or the loss of every copy took is
// forgotten from there on; a topic made anew starts over.
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class RepeatableRead final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::record_consumed};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    const PartitionTruth* const partition = oracle().partition(event.subject);
    const std::uint64_t* const first = partition == nullptr ? nullptr : partition->consumed.find(event.a);
    if (first == nullptr || *first == 0) return;
    expect(*first == static_cast<std::uint64_t>(event.b), at(event, event.a), [] { return std::string("this offset was read before with another value"); });
  }
};

}  // namespace

std::unique_ptr<Check> make_repeatable_read() { return std::make_unique<RepeatableRead>(); }

}  // namespace harrow::sim
