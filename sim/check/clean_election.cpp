// I18, clean election: a new leader was in the ISR or ELR of the record before, or the record is marked unclean (recovering)
// and the topic's configuration allows that.
// Listens to: image_published (a changed leader).
// Legal exceptions: the balanced recovery of KIP-966: with an empty ISR and ELR the last known leader may be elected, marked
// as recovering. A record that was not seen between two others (a snapshot) is not judged.
#include <algorithm>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class CleanElection final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::image_published};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    for (const RecordChange& change : oracle().record_changes()) {
      const PartitionRecord& now = change.partition->record;
      const PartitionRecord& before = change.before;
      if (!before.known || now.leader == no_node || (now.leader == before.leader && now.leader_epoch == before.leader_epoch)) continue;
      if (now.partition_epoch != before.partition_epoch + 1) continue;
      const auto has = [&](const std::vector<NodeId>& ids) { return std::find(ids.begin(), ids.end(), now.leader) != ids.end(); };
      const bool clean = has(before.isr) || has(before.elr);
      const bool last_known = before.isr.empty() && before.elr.empty() && before.last_known_elr.size() == 1 && has(before.last_known_elr);
      evaluated();
      if (clean) continue;
      const Where where{event.node, 0, -1, change.partition->topic, change.partition->partition};
      if (!now.recovering) fail(where, "broker " + std::to_string(now.leader.value()) + " leads epoch " + std::to_string(now.leader_epoch) + "; it was in neither ISR nor ELR, and the record is not marked");
      else if (!now.unclean_allowed && !last_known) fail(where, "unclean election of broker " + std::to_string(now.leader.value()) + " although unclean.leader.election.enable is false");
    }
  }
};

}  // namespace

std::unique_ptr<Check> make_clean_election() { return std::make_unique<CleanElection>(); }

}  // namespace harrow::sim
