// The bug museum's switch. A named point in product code reads `if (mutated(Bug::R01))`; outside the museum build this
// is constexpr false and the compiler removes the branch. In the museum build one bug may be armed at a time, and each
// evaluation of an armed point counts as reached.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace harrow {

enum class Bug : std::uint8_t {
  none,
#define HARROW_BUG(id, name) id,
#include "core/base/mutations.def"
#undef HARROW_BUG
};

struct BugRow {
  Bug bug;
  std::string_view id, name;
};

#ifdef HARROW_MUSEUM
constexpr bool museum_build = true;
inline constexpr BugRow bug_rows[] = {
#define HARROW_BUG(id, name) {Bug::id, #id, name},
#include "core/base/mutations.def"
#undef HARROW_BUG
};
namespace museum {
inline Bug armed = Bug::none;
inline std::uint64_t reached = 0;
}  // namespace museum
inline bool mutated(Bug bug) {
  if (museum::armed != bug) return false;
  ++museum::reached;
  return true;
}
inline bool arm(Bug bug) {
  museum::armed = bug;
  museum::reached = 0;
  return true;
}
inline std::uint64_t mutation_reached() { return museum::reached; }
inline std::span<const BugRow> bugs() { return bug_rows; }
#else
constexpr bool museum_build = false;
/// False: this build has no museum.
constexpr bool arm(Bug) { return false; }
constexpr std::uint64_t mutation_reached() { return 0; }
constexpr std::span<const BugRow> bugs() { return {}; }
constexpr bool mutated(Bug) { return false; }
#endif

}  // namespace harrow
