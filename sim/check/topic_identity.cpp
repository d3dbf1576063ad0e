// I25, topic identity: no batch of a topic that was deleted appears in the log of a new topic of the same name.
// Listens to: appended, once a topic was made anew.
// Legal exceptions: a broker that has not heard of the new topic still writes to the old one, under the old id. A client may
// send the same bytes again; with idempotence its producer id and sequence differ.
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class TopicIdentity final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::appended};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    const AppendView& append = oracle().append();
    if (append.partition == nullptr || append.partition->old_hashes.empty() || append.header->producer_id.value() < 0) return;
    const BatchRow* const row = append.partition->row(append.row);
    expect(row == nullptr || !append.partition->old_hashes.contains(row->hash), at(event, event.a), [] { return std::string("a batch of the deleted topic of this name"); });
  }
};

}  // namespace

std::unique_ptr<Check> make_topic_identity() { return std::make_unique<TopicIdentity>(); }

}  // namespace harrow::sim
