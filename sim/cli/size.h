// `harrow size`, and the benchmark that measures the processor costs it works with.
#pragma once

#include "sim/cli/command.h"

namespace harrow::cli {

int size_command(const Command&, const std::vector<std::string>&);
/// `bench costs`: what a broker's work costs this machine's processor, as a profile for `size`.
int bench_costs(const Terminal& terminal);

}  // namespace harrow::cli
