// I71, determinism: the same scenario, seed and version give the same hash of all events.
// Judged when the run is done twice (replay --verify, a swarm's sample): the caller hands both hashes to the Judge.
// Legal exceptions: none.
#include "sim/check/determinism.h"

#include "sim/check/registry.h"

namespace harrow::sim {

void Determinism::compare(std::uint64_t before, std::uint64_t now) {
  expect(before == now, Where{}, [&] { return "the run's hash was " + std::to_string(before) + " before and is " + std::to_string(now) + " now"; });
}

std::unique_ptr<Check> make_determinism() { return std::make_unique<Determinism>(); }

}  // namespace harrow::sim
