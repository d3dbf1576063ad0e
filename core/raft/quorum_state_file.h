// The text of `quorum-state`: Kafka's JSON, version 0 (static voters) or 1 (directory ids).
#pragma once

#include <string>
#include <string_view>

#include "core/raft/raft.h"

namespace harrow::raft {

/// One line without a line end, fields in Kafka's order.
std::string quorum_state_text(const HardState& state, const VoterSet& voters, std::int16_t version);
/// Reads either version; unknown fields are skipped.
Result<HardState> parse_quorum_state(std::string_view text);

}  // namespace harrow::raft
