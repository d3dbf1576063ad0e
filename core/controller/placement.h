// Where new replicas go: striped over racks from a random start. Each partition starts one rack further than the one
// before, and each full turn over the racks starts one broker further within them, so that leaders spread evenly. Fenced
// brokers are used only when the active ones do not suffice, and never first.
#pragma once

#include <vector>

#include "core/base/random.h"
#include "core/base/result.h"
#include "core/controller/image.h"

namespace harrow::controller {

class Placement {
 public:
  Placement(const Image& image, Random& random);
  /// Replicas of the next partition; the first is the preferred leader. Refused with invalid_replication_factor.
  Result<NodeIds> place(std::int32_t replication_factor);

 private:
  struct Rack {
    NodeIds active;
    NodeIds fenced;
  };
  std::vector<Rack> racks_;  // in order of their names; brokers without a rack share one
  std::int32_t brokers_ = 0;
  std::int32_t active_ = 0;
  std::uint64_t next_rack_ = 0;
  std::uint64_t placed_ = 0;
};

/// The directory of a replica: a broker's only one, or zero when it may choose.
Uuid default_directory(const Image& image, NodeId broker);
/// A random id that neither Kafka reserves nor a command line takes for an option.
Uuid random_topic_id(const Image& image, Random& random);

}  // namespace harrow::controller
