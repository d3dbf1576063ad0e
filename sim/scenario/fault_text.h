// A fault as a line of a scenario file.
#pragma once

#include <string>

#include "sim/scenario/scenario.h"

namespace harrow::sim {

/// Of a drawn fault: whom `any-broker` and `controller` mean is decided when it fires.
std::string to_text(const Fault& fault);

}  // namespace harrow::sim
