// I56, no lost write: an acknowledged record is not passed over by those who read on behind it.
// Judged at the end: acknowledged offsets between the first and the last that anybody read, none of them unread.
// Legal exceptions: below the log start; what compaction may have removed; partitions where a position was reset (the reader jumped on purpose).
#include "sim/check/accounting.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class NoLostWrite final : public Check {
 public:
  void at_end() override {
    if (!accounting().counted() || accounting().reads_compared() == 0) return;
    const auto& passed = accounting().first_passed_over();
    expect(!passed, Where{-1, 0, passed ? passed->offset : -1, passed ? passed->topic : "", passed ? passed->partition : -1},
           [&] { return std::to_string(accounting().passed_over()) + " acknowledged records were never read; the first: " + passed->what; });
  }
};

}  // namespace

std::unique_ptr<Check> make_no_lost_write() { return std::make_unique<NoLostWrite>(); }

}  // namespace harrow::sim
