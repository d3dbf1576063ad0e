// I37, sequences: in a log each (producer id, epoch, sequence) stands once, and the sequences of an epoch are contiguous.
// Listens to: appended; the oracle links each batch with the producer's batch before it on the same path.
// Legal exceptions: a new epoch begins at 0; a producer whose earlier batches retention removed, or who was forgotten after
// producer.id.expiration.ms, may begin anywhere; numbers wrap after 2147483647.
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class SequenceOnce final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::appended};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    const AppendView& append = oracle().append();
    if (append.partition == nullptr || append.header->producer_id.value() < 0 || append.header->is_control()) return;
    const BatchRow* const before = append.partition->row(append.producer_before);
    if (before == nullptr || before->end() <= append.replica->start) return;
    const BatchHeader& header = *append.header;
    const std::int64_t expected = (std::int64_t{before->last_sequence()} + 1) & 0x7fffffff;
    evaluated();
    if (header.producer_epoch.value() < before->producer_epoch)
      fail(at(event, event.a), "producer " + std::to_string(header.producer_id.value()) + " wrote with epoch " + std::to_string(header.producer_epoch.value()) + " after epoch " + std::to_string(before->producer_epoch));
    else if (header.producer_epoch.value() > before->producer_epoch ? header.base_sequence != 0 : header.base_sequence != expected)
      fail(at(event, event.a), "producer " + std::to_string(header.producer_id.value()) + " continues with sequence " + std::to_string(header.base_sequence) + ", expected is " +
                                   std::to_string(header.producer_epoch.value() > before->producer_epoch ? 0 : expected));
  }
};

}  // namespace

std::unique_ptr<Check> make_sequence_once() { return std::make_unique<SequenceOnce>(); }

}  // namespace harrow::sim
