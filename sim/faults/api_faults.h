// Error answers and lost connections at the protocol (faults inject and disconnect), for one node. The same object serves
// simulated and real nodes: it is asked on its node's thread alone; what several nodes share is the count of calls.
// Nodes' own requests are left alone: the faults are for clients.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>

#include "core/base/random.h"
#include "core/node/api_faults.h"
#include "sim/scenario/scenario.h"

namespace harrow::sim {

class ArmedApiFaults final : public harrow::ApiFaults {
 public:
  /// How often a fault has struck, over all the nodes that it is armed on.
  struct Calls {
    std::atomic<std::int64_t> taken{0}, settled{0};
  };
  struct Rule {
    ApiFault fault;
    std::int16_t api_key = -1;  // -1: any
    std::int64_t first = 1, last = 1;  // of the calls that match; last 0: no end
    std::int64_t probability_millionths = 1'000'000;
    Random dice;
    std::shared_ptr<Calls> calls;
    std::function<void()> spent;  // the last call is done; in the middle of a node's turn
  };
  /// The rule of a fault of the grammar; `spent` as above.
  static Rule rule_of(const Fault& fault, Random dice, std::shared_ptr<Calls> calls, std::function<void()> spent);

  void arm(std::uint32_t id, Rule rule) { rules_.insert_or_assign(id, std::move(rule)); }
  void disarm(std::uint32_t id) { rules_.erase(id); }
  ApiFault on_request(std::int16_t api_key, std::string_view client_id) override;
  void settle(std::uint32_t ticket, bool took_effect) override;

 private:
  std::map<std::uint32_t, Rule> rules_;
};

}  // namespace harrow::sim
