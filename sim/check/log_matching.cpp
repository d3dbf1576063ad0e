// I3, log matching: if two replicas have a batch of the same offset and epoch, their logs are identical up to it.
// Listens to: appended; compares with what the other replicas have at that offset at that moment, in the oracle's tree.
// Legal exceptions: logs that begin at different offsets are compared where both have batches. Replicas compact at different
// moments: a batch may lack records, and a log may lack batches, that a newer committed record of the same key supersedes.
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class LogMatching final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::appended};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    const AppendView& append = oracle().append();
    if (append.partition == nullptr) return;
    expect(append.clash == no_row, at(event, event.a), [&] {
      return std::string("another replica has epoch ") + std::to_string(append.header->leader_epoch.value()) + " at offset " + std::to_string(event.a) +
             (append.clash_is_prefix ? " with the same batch behind a different prefix" : " with a different batch");
    });
  }
};

}  // namespace

std::unique_ptr<Check> make_log_matching() { return std::make_unique<LogMatching>(); }

}  // namespace harrow::sim
