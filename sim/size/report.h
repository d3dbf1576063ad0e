// An answer as text for people and as JSON with stable names.
#pragma once

#include <string>

#include "sim/size/confirm.h"
#include "sim/size/design.h"

namespace harrow::size {

struct ReportStyle {
  bool colour = false;
  bool verbose = false;  // all constraints of all designs, sources of prices
};
std::string text_of(const Answer& answer, const Confirmed* confirmed, const ReportStyle& style);
std::string json_of(const Answer& answer, const Confirmed* confirmed);

}  // namespace harrow::size
