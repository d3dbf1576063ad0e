// What an append costs beside the least that it can cost. Owner: `harrow bench append`.
#pragma once

#include "sim/scenario/bench.h"

namespace harrow::cli {

/// Rows of `harrow serve` beside a bare loop of recv, CRC-32C, pwrite and an answer. False if a server failed, or when
/// interrupted.
bool bench_floor(const sim::BenchOptions& options);

}  // namespace harrow::cli
