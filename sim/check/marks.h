// What is worth having happened: names that scenarios ask for with `sometimes` and `reached`, counted off the trace.
// Owner: the Judge. A mark is a row of marks.def: its name, and what reaches it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/trace.h"
#include "core/model/ids.h"

namespace harrow::sim {

class Oracle;

enum class Mark : std::uint8_t {
#define HARROW_MARK(id, name, meaning) id,
#include "sim/check/marks.def"
#undef HARROW_MARK
};
#define HARROW_MARK(id, name, meaning) +1
constexpr std::size_t mark_count = 0
#include "sim/check/marks.def"
    ;
#undef HARROW_MARK

std::string_view name_of(Mark mark);
std::string_view meaning_of(Mark mark);
/// Every name that a scenario may ask for.
std::span<const std::string_view> mark_names();

class Marks {
 public:
  static std::span<const TraceKind> kinds();
  /// After the oracle has seen the event.
  void on_event(const TraceEvent& event, const void* payload, const Oracle& oracle);
  std::int64_t reached(Mark mark) const { return reached_[static_cast<std::size_t>(mark)]; }
  /// -1: no such mark.
  std::int64_t reached(std::string_view name) const;

 private:
  void reach(Mark mark) { ++reached_[static_cast<std::size_t>(mark)]; }
  void on_image(const TraceEvent& event, const void* payload, const Oracle& oracle);
  void on_group_state(const TraceEvent& event, const void* payload);
  void on_assignment(const TraceEvent& event, const void* payload);
  void on_consumed(const TraceEvent& event, const void* payload);

  struct Membership {
    std::string group, member;
    std::int64_t generation = -1;
    std::set<TopicPartition> held;
    std::set<TopicPartition> consumed;  // since the group's rebalance began
  };
  std::array<std::int64_t, mark_count> reached_{};
  std::map<std::uint16_t, std::int64_t> written_end_;  // by machine: end of what its controller wrote in this term
  std::map<std::uint32_t, std::int32_t> leaders_;      // by partition: machine + 1
  std::int32_t last_controller_ = -1;
  std::set<std::string, std::less<>> rebalancing_;     // groups
  std::map<std::uint16_t, Membership> memberships_;    // by client's machine
  std::set<std::uint16_t> cleaning_;                   // machines on which a log is being compacted
};

}  // namespace harrow::sim
