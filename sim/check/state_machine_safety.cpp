// I21, state machine safety: no two nodes have different metadata records at a committed offset; a quorum leader never cuts
// its own log; a voter grants one vote an epoch, and it is on disk before it is told.
// Listens to: quorum_high_watermark, quorum_truncated, vote_granted, quorum_state_written.
// Legal exceptions: a voter whose disk was wiped or damaged by a fault has forgotten its votes.
#include <map>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class StateMachineSafety final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::quorum_high_watermark, TraceKind::quorum_truncated, TraceKind::vote_granted, TraceKind::quorum_state_written};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    constexpr std::int32_t leader_role = 4;
    switch (event.kind) {
      case TraceKind::quorum_high_watermark: {
        const PartitionTruth* const log = oracle().metadata();
        const ReplicaTruth* const replica = log == nullptr ? nullptr : log->replica_on(event.node);
        if (replica == nullptr || event.a > replica->end || event.a > log->committed_end || event.a <= replica->start) return;
        // The committed path's own row at this offset.
        RowId row = log->committed_tip;
        while (log->row(row) != nullptr && log->row(row)->base >= event.a) row = log->row(row)->previous;
        expect(log->holds(*replica, row), at(event, event.a - 1), [&] { return "its committed metadata below " + std::to_string(event.a) + " differs from what the quorum committed"; });
        break;
      }
      case TraceKind::quorum_truncated:
        expect(oracle().node(event.node).quorum_role != leader_role, at(event, event.a), [] { return std::string("a quorum leader cut its own log"); });
        break;
      case TraceKind::quorum_state_written: written_[event.node] = {event.a, event.b}; break;
      default: {
        const auto [vote, first] = votes_.try_emplace({event.node, event.a}, event.b);
        evaluated();
        if (!first && vote->second != event.b && !oracle().node(event.node).disk_faulted)
          fail(at(event), "voted for " + std::to_string(vote->second) + " and for " + std::to_string(event.b) + " in epoch " + std::to_string(event.a));
        const auto written = written_.find(event.node);
        if (written == written_.end() || written->second != std::pair(event.a, event.b))
          fail(at(event), "told its vote for " + std::to_string(event.b) + " in epoch " + std::to_string(event.a) + " before it was written");
      }
    }
  }

 private:
  std::map<std::pair<std::uint16_t, std::int64_t>, std::int64_t> votes_;
  std::map<std::uint16_t, std::pair<std::int64_t, std::int64_t>> written_;
};

}  // namespace

std::unique_ptr<Check> make_state_machine_safety() { return std::make_unique<StateMachineSafety>(); }

}  // namespace harrow::sim
