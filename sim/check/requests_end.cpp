// I68, progress: every send ends, acknowledged or failed, within delivery.timeout.ms and a bound.
// Listens to: send_invoked, send_acked, send_failed, fault_began; judged at quiescence and at the end.
// Legal exceptions: a producer that was killed, stopped or frozen by a fault: what it had under way is forgotten.
#include <map>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/setup.h"

namespace harrow::sim {
namespace {

class RequestsEnd final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::send_invoked, TraceKind::send_acked, TraceKind::send_failed, TraceKind::fault_began};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (payload == nullptr) return;
    if (event.kind == TraceKind::fault_began) {
      const auto& fault = note_of<FaultNote>(payload);
      if (fault.target.find("producer") != std::string_view::npos) interrupted_ = true;
      return;
    }
    const auto& note = note_of<SendNote>(payload);
    auto found = open_.find(note.producer);
    if (found == open_.end()) found = open_.emplace(std::string(note.producer), std::map<std::int64_t, std::int64_t>{}).first;
    if (event.kind == TraceKind::send_invoked) {
      found->second.emplace(event.a, event.time_ns);
      return;
    }
    evaluated();
    found->second.erase(event.a);
  }
  void at_quiescence() override {
    if (interrupted_) return;
    for (const auto& [producer, sends] : open_) {
      if (sends.empty()) continue;
      const auto facts = setup().producers.find(producer);
      const std::int64_t limit_ns = (facts == setup().producers.end() ? 120'000 : facts->second.delivery_timeout_ms) * 1'000'000 + slack_ns;
      const auto& [sequence, since_ns] = *sends.begin();
      expect(now_ns() - since_ns <= limit_ns, Where{}, [&, sequence = sequence, since_ns = since_ns] {
        return "record " + std::to_string(sequence) + " of " + producer + " has neither been acknowledged nor failed for " + std::to_string((now_ns() - since_ns) / 1'000'000) + " ms";
      });
    }
  }

 private:
  static constexpr std::int64_t slack_ns = 5'000'000'000;
  std::map<std::string, std::map<std::int64_t, std::int64_t>, std::less<>> open_;  // by producer: sequence to time
  bool interrupted_ = false;
};

}  // namespace

std::unique_ptr<Check> make_requests_end() { return std::make_unique<RequestsEnd>(); }

}  // namespace harrow::sim
