// Recorded events for a replay: CSV with a header line, or JSON lines; plain or gzip. Everything is read and checked
// before a run starts, so a cut or damaged file stops it and names the line. Only gaps, order, keys and sizes are kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "sim/scenario/scenario.h"

namespace harrow::sim {

struct RecordedEvent {
  std::int64_t at_ns = 0;        // since the first event, speed taken into account
  std::int32_t key = -1;         // index into ReplayFile::keys, -1 = none
  std::int32_t size_bytes = -1;  // -1: the producer's own distribution
};

struct ReplayFile {
  std::vector<RecordedEvent> events;  // in order of time
  std::vector<std::string> keys;      // distinct, in order of first use
  std::int64_t length_ns() const { return events.empty() ? 0 : events.back().at_ns; }
};

struct ReplayProblem {
  std::string file;
  std::int64_t line = 0;  // from 1; 0 = the file as a whole
  std::string text;
};
std::string to_text(const ReplayProblem& problem);

tl::expected<ReplayFile, ReplayProblem> read_replay_file(const ReplayPlan& plan);
/// The same from text that has been read already; `json_lines` says which format.
tl::expected<ReplayFile, ReplayProblem> read_replay_text(std::string_view text, bool json_lines, const ReplayPlan& plan);

}  // namespace harrow::sim
