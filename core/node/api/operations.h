// What somebody who may do everything may do, as bits by Kafka's operation codes: there is no authorizer yet. An answer
// holds them only if they were asked for.
#pragma once

#include <cstdint>
#include <limits>

namespace harrow {

constexpr std::int32_t operations_not_asked_for = std::numeric_limits<std::int32_t>::min();

template <class... Operations>
constexpr std::int32_t operation_bits(Operations... operations) {
  return (0 | ... | (1 << operations));
}

// 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9 cluster action, 10 and 11 describe and alter configurations,
// 12 idempotent write
constexpr std::int32_t cluster_operations = operation_bits(5, 7, 8, 9, 10, 11, 12);
constexpr std::int32_t topic_operations = operation_bits(3, 4, 5, 6, 7, 8, 10, 11);
constexpr std::int32_t group_operations = operation_bits(3, 6, 8, 10, 11);

static_assert(cluster_operations == 8096 && topic_operations == 3576 && group_operations == 3400);

}  // namespace harrow
