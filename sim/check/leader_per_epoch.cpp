// I6, one leader an epoch: at most one node leads a partition, and at most one the quorum, in an epoch; only it writes in
// that epoch.
// Listens to: became_leader, quorum_role, appended (by a leader).
// Legal exceptions: none; a topic made anew starts over, and the same node may lead its epoch again after it learned newer metadata of the same epoch.
#include <map>
#include <tuple>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/view.h"

namespace harrow::sim {
namespace {

class LeaderPerEpoch final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::became_leader, TraceKind::quorum_role, TraceKind::appended};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    constexpr std::int64_t quorum_leader = 4;
    switch (event.kind) {
      case TraceKind::became_leader: claim(event, event.a, "leads"); break;
      case TraceKind::quorum_role:
        if (event.a == quorum_leader) claim(event, event.b, "leads");
        break;
      default: {
        const AppendView& append = oracle().append();
        if (append.partition != nullptr && append.note->as_leader && !append.partition->metadata) claim(event, append.header->leader_epoch.value(), "writes");
      }
    }
  }

 private:
  void claim(const TraceEvent& event, std::int64_t epoch, const char* what) {
    const PartitionTruth* const partition = oracle().partition(event.subject);
    const std::int32_t life = partition == nullptr ? 0 : partition->times_made_anew;
    Term& newest = newest_[event.subject];
    if (newest.epoch == epoch && newest.machine == event.node && newest.life == life) {
      evaluated();
      return;
    }
    const auto [holder, first] = holders_.try_emplace({event.subject, life, epoch}, event.node);
    expect(first || holder->second == event.node, at(event), [&] {
      return std::string(what) + " in epoch " + std::to_string(epoch) + ", which belongs to " + view().machine_name(holder->second);
    });
    newest = {life, epoch, event.node};
  }
  struct Term {
    std::int32_t life = 0;  // of the topic of this name
    std::int64_t epoch = -1;
    std::uint16_t machine = 0;
  };
  std::map<std::tuple<std::uint32_t, std::int32_t, std::int64_t>, std::uint16_t> holders_;
  std::map<std::uint32_t, Term> newest_;
};

}  // namespace

std::unique_ptr<Check> make_leader_per_epoch() { return std::make_unique<LeaderPerEpoch>(); }

}  // namespace harrow::sim
