#include "core/controller/placement.h"

#include <map>

namespace harrow::controller {

namespace {

void shuffle(NodeIds& ids, Random& random) {
  for (std::size_t i = ids.size(); i > 1; --i) {
    const std::uint64_t j = random.below(i);
    std::swap(ids[i - 1], ids[j]);
  }
}

}  // namespace

Placement::Placement(const Image& image, Random& random) {
  std::map<std::optional<std::string>, Rack> by_name;
  for (const auto& [id, broker] : image.brokers()) {
    if (broker.in_controlled_shutdown) continue;
    Rack& rack = by_name[broker.rack];
    (broker.fenced ? rack.fenced : rack.active).push_back(id);
    ++brokers_;
    if (!broker.fenced) ++active_;
  }
  for (auto& [name, rack] : by_name) {
    shuffle(rack.active, random);
    shuffle(rack.fenced, random);
    racks_.push_back(std::move(rack));
  }
  if (!racks_.empty()) next_rack_ = random.below(racks_.size());
}

Result<NodeIds> Placement::place(std::int32_t replication_factor) {
  if (replication_factor <= 0) return error(Code::invalid_replication_factor, "replication factor must be positive");
  if (replication_factor > brokers_) return error(Code::invalid_replication_factor, "more replicas than registered brokers");
  if (active_ == 0) return error(Code::invalid_replication_factor, "all brokers are fenced");
  const std::uint64_t racks = racks_.size();
  const std::uint64_t shift = placed_ / racks;
  NodeIds chosen;
  const auto take = [&](NodeIds Rack::*kind) {
    // Round by round: the n-th round takes the n-th broker of each rack that has so many.
    for (std::uint64_t round = 0; std::cmp_less(chosen.size(), replication_factor); ++round) {
      bool any = false;
      for (std::uint64_t i = 0; i < racks && std::cmp_less(chosen.size(), replication_factor); ++i) {
        const NodeIds& ids = racks_[(next_rack_ + placed_ + i) % racks].*kind;
        if (round >= ids.size()) continue;
        chosen.push_back(ids[(shift + round) % ids.size()]);
        any = true;
      }
      if (!any) return;
    }
  };
  take(&Rack::active);
  take(&Rack::fenced);
  ++placed_;
  return chosen;
}

Uuid default_directory(const Image& image, NodeId id) {
  const BrokerImage* const broker = image.broker(id);
  return broker != nullptr && broker->log_dirs.size() == 1 ? broker->log_dirs.front() : Uuid{};
}

Uuid random_topic_id(const Image& image, Random& random) {
  while (true) {
    Uuid id;
    id.high = (random.next() & ~0xf000ULL) | 0x4000ULL;                            // version 4
    id.low = (random.next() & ~0xc000000000000000ULL) | 0x8000000000000000ULL;  // variant of RFC 4122
    if (to_text(id).front() != '-' && image.topic(id) == nullptr) return id;
  }
}

}  // namespace harrow::controller
