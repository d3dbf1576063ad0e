// The arithmetic of majorities, apart from who asks.
#pragma once

#include <cstdint>
#include <vector>

#include "core/model/ids.h"

namespace harrow::raft {

/// The largest offset that a majority of the voters has reached: `ends` holds one end a voter, no_offset if unknown.
Offset majority_end(std::vector<Offset> ends);

/// Delay before a successor starts its election after an EndQuorumEpoch: none for the first of the list, then doubling
/// from 100 ms; one that is not on the list (`position` < 0) waits longest.
std::int64_t succession_delay_ms(std::int64_t position, std::int64_t backoff_max_ms);

enum class Ballot : std::uint8_t { open, won, lost };
Ballot count_ballot(std::size_t voters, std::size_t granted, std::size_t rejected);

}  // namespace harrow::raft
