// I59, no inversion: in a partition's log, records of a producer stand in the order in which the application sent them.
// Judged at the end by reading every log; values carry producer and number.
// Legal exceptions: producers that may have several requests in flight without idempotence; second copies of a record of a
// producer without idempotence. Skipped numbers are legal: keys
// go to other partitions, and sends fail.
#include "sim/check/accounting.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class SendInversion final : public Check {
 public:
  void at_end() override {
    if (!accounting().counted() || accounting().sends_compared() == 0) return;
    const auto& inverted = accounting().first_inversion();
    expect(!inverted, Where{-1, 0, inverted ? inverted->offset : -1, inverted ? inverted->topic : "", inverted ? inverted->partition : -1},
           [&] { return std::to_string(accounting().inversions()) + " inversions; the first: " + inverted->what; });
  }
};

}  // namespace

std::unique_ptr<Check> make_send_inversion() { return std::make_unique<SendInversion>(); }

}  // namespace harrow::sim
