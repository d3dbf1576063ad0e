// I57, one value an offset: no two acknowledgements name an offset for different values, and who reads an acknowledged offset
// gets the acknowledged value.
// Listens to: send_acked, record_consumed.
// Legal exceptions: acks=1, whose leader may go before anybody else has the record; offsets that were lost legally and written again: the oracle forgets what stood there.
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class OneValuePerOffset final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::send_acked, TraceKind::record_consumed};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    const PartitionTruth* const partition = oracle().partition(event.subject);
    if (partition == nullptr) return;
    const std::int64_t offset = event.kind == TraceKind::send_acked ? event.b : event.a;
    const AckSlot* const acked = partition->acked.find(offset);
    constexpr std::uint8_t promised = 2;
    if (acked == nullptr || acked->acks != promised) return;
    if (event.kind == TraceKind::record_consumed) {
      expect(acked->hash == static_cast<std::uint64_t>(event.b), at(event, offset), [&] { return "what was read is not what was acknowledged to " + oracle().producer_name(acked->producer); });
      return;
    }
    if (payload == nullptr) return;
    const auto& note = note_of<SendNote>(payload);
    if (note.acks != -1) return;
    const std::uint64_t* const read = partition->consumed.find(offset);
    evaluated();
    if (acked->hash != note.value_hash && !partition_rewritten(*partition, offset))
      fail(at(event, offset), "acknowledged to " + std::string(note.producer) + ", and before to " + oracle().producer_name(acked->producer) + " for another value");
    else if (acked->hash == note.value_hash && read != nullptr && *read != 0 && *read != note.value_hash)
      fail(at(event, offset), "acknowledged to " + std::string(note.producer) + ", but another value was read there");
  }

 private:
  static bool partition_rewritten(const PartitionTruth& partition, std::int64_t offset) {
    for (const Excuse& excuse : partition.excuses)
      if (offset >= excuse.from) return true;
    return false;
  }
};

}  // namespace

std::unique_ptr<Check> make_one_value_per_offset() { return std::make_unique<OneValuePerOffset>(); }

}  // namespace harrow::sim
