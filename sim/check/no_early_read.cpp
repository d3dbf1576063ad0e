// I12, no early read: nothing at or above the true high watermark is given to a consumer.
// Listens to: fetch_answered (to consumers).
// Legal exceptions: replicas read to the log's end; read_committed will bound by the last stable offset when there are
// transactions. What every copy lost later was below the true high watermark when it was read.
#include <algorithm>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class NoEarlyRead final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::fetch_answered};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (payload == nullptr || event.b != 0) return;
    const auto& note = note_of<FetchNote>(payload);
    const PartitionTruth* const partition = oracle().partition(event.subject);
    if (partition == nullptr || note.replica.value() >= 0 || note.records == nullptr || note.records->empty()) return;
    std::int64_t end = 0;
    for (std::uint64_t position = 0;;) {
      const std::optional<BatchPrefix> prefix = parse_batch_prefix(*note.records, position);
      if (!prefix || prefix->size_bytes < batch_header_bytes || position + static_cast<std::uint64_t>(prefix->size_bytes) > note.records->size()) break;
      const Result<BatchHeader> header = parse_batch_header(*note.records, position);
      if (!header) break;
      end = header->end_offset().value();
      position += static_cast<std::uint64_t>(prefix->size_bytes);
    }
    const std::int64_t excused = partition->excuses.empty() ? 0 : partition->excuses.back().to;
    expect(end <= std::max(partition->committed_end, excused), at(event, end - 1), [&] {
      return "a consumer was given records up to " + std::to_string(end - 1) + ", committed is everything below " + std::to_string(partition->committed_end);
    });
  }
};

}  // namespace

std::unique_ptr<Check> make_no_early_read() { return std::make_unique<NoEarlyRead>(); }

}  // namespace harrow::sim
