// Two runs that should be one: where their events part.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace harrow::sim {

struct EventDifference {
  std::int64_t number = 0;  // of the event, from 1
  std::string first, second;  // its line in each file; "" = the file has ended
};

/// Compares two events.jsonl.zst line by line. Nothing if they are the same; `problem` says why nothing could be said.
std::optional<EventDifference> first_difference(const std::string& first_path, const std::string& second_path, std::string& problem);

}  // namespace harrow::sim
