// I28, damage: a batch with a bad checksum is never appended by a follower, never given to an application, and never a reason
// to cut data that was synced and is good.
// Listens to: appended (by followers: the checksum is computed again), torn_tail_cut, record_consumed while damage is
// possible (the value is one that was sent).
// Legal exceptions: serving a damaged batch to a client that checks is legal, as in Kafka; cutting a torn tail behind what
// was synced is what recovery is for.
#include <unordered_set>
#include <vector>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class DamagedBatch final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::appended, TraceKind::torn_tail_cut, TraceKind::record_consumed, TraceKind::send_invoked};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    switch (event.kind) {
      case TraceKind::appended: {
        const AppendView& append = oracle().append();
        if (append.partition == nullptr || append.note->as_leader) return;
        const Bytes& batch = *append.note->batch;
        expect(batch.size() == append.header->size_bytes() && batch_crc(batch, 0, *append.header) == append.header->crc, at(event, event.a), [] { return std::string("a follower appended a batch whose checksum is wrong"); });
        break;
      }
      case TraceKind::torn_tail_cut: {
        const PartitionTruth* const partition = oracle().partition(event.subject);
        const ReplicaTruth* const replica = partition == nullptr || partition->metadata ? nullptr : partition->replica_on(event.node);
        if (replica == nullptr || replica->synced == 0 || oracle().node(event.node).disk_faulted) return;
        expect(event.a >= replica->synced, at(event, event.a), [&] { return "recovery cut at " + std::to_string(event.a) + ", synced was everything below " + std::to_string(replica->synced); });
        break;
      }
      case TraceKind::send_invoked:
        // A set only when it is needed: most runs know no damage.
        if (oracle().disk_damage_possible()) sent_.insert(static_cast<std::uint64_t>(event.b));
        else if (early_.size() < remembered) early_.push_back(static_cast<std::uint64_t>(event.b));
        break;
      default:
        if (!oracle().disk_damage_possible() || early_.size() >= remembered) return;
        sent_.insert(early_.begin(), early_.end());
        early_.clear();
        expect(sent_.contains(static_cast<std::uint64_t>(event.b)), at(event, event.a), [] { return std::string("an application was given a value that nobody sent"); });
    }
  }

 private:
  static constexpr std::size_t remembered = 1 << 20;
  std::vector<std::uint64_t> early_;
  std::unordered_set<std::uint64_t> sent_;
};

}  // namespace

std::unique_ptr<Check> make_damaged_batch() { return std::make_unique<DamagedBatch>(); }

}  // namespace harrow::sim
