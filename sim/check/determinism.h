// I71: see determinism.cpp. The Judge hands it the hashes of two runs.
#pragma once

#include "sim/check/check.h"

namespace harrow::sim {

class Determinism final : public Check {
 public:
  void compare(std::uint64_t before, std::uint64_t now);
};

}  // namespace harrow::sim
