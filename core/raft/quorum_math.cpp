#include "core/raft/quorum_math.h"

#include <algorithm>

namespace harrow::raft {

Offset majority_end(std::vector<Offset> ends) {
  if (ends.empty()) return no_offset;
  std::sort(ends.begin(), ends.end(), [](Offset a, Offset b) { return a > b; });
  return ends[ends.size() / 2];
}

std::int64_t succession_delay_ms(std::int64_t position, std::int64_t backoff_max_ms) {
  if (position == 0) return 0;
  if (position < 0 || position > 16) return backoff_max_ms;
  return std::min(std::int64_t{100} << (position - 1), backoff_max_ms);
}

Ballot count_ballot(std::size_t voters, std::size_t granted, std::size_t rejected) {
  const std::size_t majority = voters / 2 + 1;
  if (granted >= majority) return Ballot::won;
  return voters - rejected < majority ? Ballot::lost : Ballot::open;
}

}  // namespace harrow::raft
