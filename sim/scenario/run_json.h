// run.json: what a run found out, with names that stay. Also its short form for people.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sim/scenario/run.h"

namespace harrow::sim {

std::string to_json(const RunResult& result);
/// Nothing for text that is no run.json.
std::optional<RunResult> parse_run_json(std::string_view text);

/// The lines that a run ends with. `colour` adds terminal colours to the verdict.
std::string to_text(const RunResult& result, bool colour);
/// "acks=all: 0 lost. acks=1: 37 lost, as its settings allow."
std::string loss_line(const RecordCounts& records);


}  // namespace harrow::sim
