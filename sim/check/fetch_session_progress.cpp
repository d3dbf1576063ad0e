// I61, fetch sessions: a partition that has data for its reader is returned with data within a few rounds.
// Listens to: fetch_answered, by broker, partition and reader.
// Legal exceptions: a round may leave a partition out for size or turn, but not many in a row; errors and divergence answers
// carry no data. Consumers are not told apart here: any that is served ends the count.
#include <map>
#include <tuple>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class FetchSessionProgress final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::fetch_answered};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (payload == nullptr) return;
    const auto& note = note_of<FetchNote>(payload);
    const auto key = std::make_tuple(event.node, event.subject, note.replica.value());
    const std::int64_t limit = note.replica.value() >= 0 ? note.log_end.value() : note.high_watermark.value();
    const bool served = note.records != nullptr && !note.records->empty();
    if (served || event.b != 0 || note.fetch_offset.value() >= limit || note.fetch_offset < note.log_start) {
      if (served) {
        evaluated();
        if (!starved_.empty()) starved_.erase(key);
      }
      return;
    }
    std::int32_t& rounds = starved_[key];
    if (++rounds < rounds_limit) return;
    expect(rounds != rounds_limit, at(event, note.fetch_offset.value()), [&] {
      return "no data from " + std::to_string(note.fetch_offset.value()) + " in " + std::to_string(rounds) + " answers although the reader's limit is " + std::to_string(limit);
    });
  }

 private:
  static constexpr std::int32_t rounds_limit = 200;
  std::map<std::tuple<std::uint16_t, std::uint32_t, std::int32_t>, std::int32_t> starved_;
};

}  // namespace

std::unique_ptr<Check> make_fetch_session_progress() { return std::make_unique<FetchSessionProgress>(); }

}  // namespace harrow::sim
