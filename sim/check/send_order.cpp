// I39, order: of a producer's acknowledged records in a partition, the one that was sent later stands later.
// Listens to: send_acked.
// Legal exceptions: producers that may have several requests in flight without idempotence; records whose place was lost
// legally in between (the partition's log was rewritten).
#include <map>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/setup.h"

namespace harrow::sim {
namespace {

class SendOrder final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::send_acked};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (payload == nullptr) return;
    const auto& note = note_of<SendNote>(payload);
    const PartitionTruth* const partition = oracle().partition(event.subject);
    if (partition == nullptr || note.offset.value() < 0) return;
    const auto key = std::pair(event.subject, event.node);
    auto last = last_.find(key);
    if (last == last_.end()) {
      const auto facts = setup().producers.find(note.producer);
      last = last_.emplace(key, Last{facts == setup().producers.end() ? note.idempotent : facts->second.ordered, partition->excuses.size(), note.sequence, note.offset.value()}).first;
      return;
    }
    Last& before = last->second;
    if (!before.ordered) return;
    if (before.excuses == partition->excuses.size())
      expect((note.sequence > before.sequence) == (note.offset.value() > before.offset), at(event, note.offset.value()), [&] {
        return "record " + std::to_string(note.sequence) + " of " + std::string(note.producer) + " is at offset " + std::to_string(note.offset.value()) + ", record " +
               std::to_string(before.sequence) + " at " + std::to_string(before.offset);
      });
    before = Last{true, partition->excuses.size(), note.sequence, note.offset.value()};
  }

 private:
  struct Last {
    bool ordered;
    std::size_t excuses;
    std::int64_t sequence, offset;
  };
  std::map<std::pair<std::uint32_t, std::uint16_t>, Last> last_;
};

}  // namespace

std::unique_ptr<Check> make_send_order() { return std::make_unique<SendOrder>(); }

}  // namespace harrow::sim
