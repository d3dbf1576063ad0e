// I38, at most once: a value that an idempotent producer sent once is at most once in the logs.
// Judged at the end, over all partitions; values carry producer and number, so each is unique.
// Legal exceptions: producers without idempotence (shown as duplicated_unpromised); re-delivery to consumers is not a copy.
#include "sim/check/accounting.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class ValueOnce final : public Check {
 public:
  void at_end() override {
    if (!accounting().counted() || accounting().records().readable == 0) return;
    const auto& copy = accounting().first_duplicate();
    expect(!copy, Where{-1, 0, copy ? copy->offset : -1, copy ? copy->topic : "", copy ? copy->partition : -1},
           [&] { return std::to_string(accounting().records().duplicated) + " second copies; the first: " + copy->what; });
  }
};

}  // namespace

std::unique_ptr<Check> make_value_once() { return std::make_unique<ValueOnce>(); }

}  // namespace harrow::sim
