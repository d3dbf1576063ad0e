// Makes a failing thing smaller: which of its parts can go while it still fails in the same way. Owner: the command that
// minimises. Knows nothing of scenarios. Delta debugging: halves first, then ever smaller pieces, then single parts.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace harrow::sim {

/// Whether what is left of the parts (their numbers, ascending) still fails in the same way.
using StillFails = std::function<bool(const std::vector<std::size_t>& kept)>;
/// A subset of 0..parts-1 from which no single part can be dropped, or as far as `budget` trials went.
std::vector<std::size_t> smallest_failing(std::size_t parts, const StillFails& still_fails, std::size_t budget);

}  // namespace harrow::sim
