#include "sim/shrink/shrink.h"

#include <algorithm>
#include <numeric>

namespace harrow::sim {

std::vector<std::size_t> smallest_failing(std::size_t parts, const StillFails& still_fails, std::size_t budget) {
  std::vector<std::size_t> kept(parts);
  std::iota(kept.begin(), kept.end(), std::size_t{0});
  std::size_t trials = 0, piece = std::max<std::size_t>(parts / 2, 1);
  while (!kept.empty() && trials < budget) {
    bool smaller = false;
    for (std::size_t from = 0; from < kept.size() && trials < budget;) {
      std::vector<std::size_t> without;
      for (std::size_t i = 0; i < kept.size(); ++i)
        if (i < from || i >= from + piece) without.push_back(kept[i]);
      ++trials;
      if (still_fails(without)) {
        kept = std::move(without);
        smaller = true;  // the next piece has moved to this place
      } else {
        from += piece;
      }
    }
    if (piece == 1 && !smaller) break;
    if (piece > 1) piece = std::max<std::size_t>(piece / 2, 1);
  }
  return kept;
}

}  // namespace harrow::sim
