// Time as integers. Wall-clock milliseconds and monotonic nanoseconds are different things and do not convert.
#pragma once

#include <cstdint>

#include "core/base/strong.h"

namespace harrow {

/// Milliseconds since 1970 on the node's own wall clock; it may jump.
using WallMs = Strong<std::int64_t, struct WallMsTag>;
/// Nanoseconds on the node's own monotonic clock; never goes back.
using MonoNs = Strong<std::int64_t, struct MonoNsTag>;

constexpr std::int64_t ns_per_us = 1'000;
constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::int64_t ns_per_s = 1'000'000'000;

constexpr MonoNs after_ms(MonoNs now, std::int64_t ms) { return now + ms * ns_per_ms; }
/// Far enough to mean "no deadline" and to add to without overflow.
constexpr MonoNs never{INT64_MAX / 4};

}  // namespace harrow
