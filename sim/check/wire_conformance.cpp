// I64, wire: an answer carries its request's correlation id, decodes in its version without a byte left over, and its error is
// one that Kafka defines.
// Listens to: response_sent; every answer's correlation id, every 61st answer decoded whole.
// Legal exceptions: an ApiVersions answer to an unknown version is of version 0 and is not traced as answered.
#include "sim/check/comparisons.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class WireConformance final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::response_sent};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (payload == nullptr) return;
    const auto& note = note_of<RequestNote>(payload);
    if (note.frame == nullptr || note.frame->size() < size_bytes + 4) return;
    std::uint8_t raw[4];
    note.frame->copy_to(size_bytes, raw);
    const std::uint32_t correlation = std::uint32_t{raw[0]} << 24 | std::uint32_t{raw[1]} << 16 | std::uint32_t{raw[2]} << 8 | raw[3];
    expect(correlation == static_cast<std::uint32_t>(note.correlation), at(event), [&] { return "answers request " + std::to_string(note.correlation) + " with correlation id " + std::to_string(correlation); });
    if (++answers_ % every != 1) return;
    const std::string problem = malformed_answer(*note.frame, note.api, note.version);
    expect(problem.empty(), at(event), [&] { return problem; });
  }

 private:
  static constexpr std::uint64_t size_bytes = 4;  // of the length in front
  static constexpr std::int64_t every = 61;
  std::int64_t answers_ = 0;
};

}  // namespace

std::unique_ptr<Check> make_wire_conformance() { return std::make_unique<WireConformance>(); }

}  // namespace harrow::sim
