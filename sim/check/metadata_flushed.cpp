// I22, metadata is flushed: when a quorum leader's high watermark reaches an offset, a majority of the voters has flushed its
// log up to it.
// Listens to: quorum_high_watermark of the leader; the oracle keeps what each voter flushed (quorum_flushed, lowered by
// truncation). What a voter finds at its start counts: it syncs once before it takes part.
// Legal exceptions: none. A follower's high watermark is what its leader told it.
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/setup.h"

namespace harrow::sim {
namespace {

class MetadataFlushed final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::quorum_high_watermark};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    constexpr std::int32_t leader_role = 4;
    if (oracle().node(event.node).quorum_role != leader_role) return;
    std::size_t flushed = 0;
    for (const NodeId id : setup().voters) {
      const NodeTruth* const voter = oracle().node_of(id);
      if (voter != nullptr && voter->flushed_end >= event.a) ++flushed;
    }
    expect(flushed * 2 > setup().voters.size(), at(event, event.a), [&] {
      return "the metadata high watermark is " + std::to_string(event.a) + ", flushed by " + std::to_string(flushed) + " of " + std::to_string(setup().voters.size()) + " voters";
    });
  }
};

}  // namespace

std::unique_ptr<Check> make_metadata_flushed() { return std::make_unique<MetadataFlushed>(); }

}  // namespace harrow::sim
