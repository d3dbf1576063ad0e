// The bug museum's switch. A named point in product code reads `if (mutated(Bug::R01))`; outside the museum build this
// is constexpr false and the compiler removes the branch. In the museum build one bug may be armed at a time, and each
// evaluation of an armed point counts as reached.
#pragma once

#include <cstdint>
#include <string_view>

namespace harrow {

enum class Bug : std::uint8_t {
  none,
#define HARROW_BUG(id, name) id,
#include "core/base/mutations.def"
#undef HARROW_BUG
};

#ifdef HARROW_MUSEUM
namespace museum {
inline Bug armed = Bug::none;
inline std::uint64_t reached = 0;
}  // namespace museum
inline bool mutated(Bug bug) {
  if (museum::armed != bug) return false;
  ++museum::reached;
  return true;
}
#else
constexpr bool mutated(Bug) { return false; }
#endif

}  // namespace harrow
