// libFuzzer target: a scenario's text. Either it is refused with problems, or it is bound, and then its expanded form
// is bound without problems and expands to itself.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "sim/scenario/read.h"

using namespace harrow;
using namespace harrow::sim;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  // Files of this machine are not part of the input.
  for (const std::string_view key : {"extends", "file"})
    if (text.find(key) != std::string::npos) return 0;
  Problems problems;
  const auto bound = read_scenario_text(text, "fuzz", 1, problems);
  if (!bound) {
    CHECK(!problems.empty());
    return 0;
  }
  const std::string expanded = to_yaml(bound->expanded);
  Problems none;
  const auto again = read_scenario_text(expanded, "fuzz", 1, none);
  if (!again)
    for (const Problem& problem : none) check_failed("the expanded scenario is right", __FILE__, __LINE__, to_text(problem).c_str());
  CHECK(again.has_value());
  CHECK(to_yaml(again->expanded) == expanded);
  return 0;
}
