// What is wrong with the network, as data. A rule names ordered pairs of hosts and what happens to their traffic; the
// fabric asks nothing else. Partitions, one-way cuts, held or swallowed messages and bad links are all rules.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include "sim/net/topology.h"

namespace harrow::sim {

class HostSet {
 public:
  HostSet() = default;
  HostSet(std::initializer_list<HostIndex> hosts) {
    for (const HostIndex host : hosts) add(host);
  }
  static HostSet of(const std::vector<HostIndex>& hosts) {
    HostSet set;
    for (const HostIndex host : hosts) set.add(host);
    return set;
  }
  /// Every host, also those that come later.
  static HostSet everyone() {
    HostSet set;
    set.everyone_ = true;
    return set;
  }
  void add(HostIndex host) {
    const std::size_t word = host / 64u;
    if (word >= words_.size()) words_.resize(word + 1, 0);
    words_[word] |= std::uint64_t{1} << (host % 64u);
  }
  bool contains(HostIndex host) const {
    const std::size_t word = host / 64u;
    return everyone_ || (word < words_.size() && (words_[word] >> (host % 64u) & 1) != 0);
  }

 private:
  std::vector<std::uint64_t> words_;
  bool everyone_ = false;
};

enum class RuleMode : std::uint8_t {
  none,   // only quality: delay, loss, bandwidth
  hold,   // kept back as by a dead wire: TCP sends again with a growing time-out; all arrives, in order, after the end
  drop,   // swallowed; the connection is found broken (reset on both sides) when the rule ends
  reset,  // swallowed, and the connection is reset at once; new connections are refused
};
enum class MessageSide : std::uint8_t { both, request, response };

/// Traffic from a host of `from` to a host of `to`. A partition of two groups is two rules (or one with `both_ways`).
struct Rule {
  HostSet from;
  HostSet to;
  bool both_ways = false;
  RuleMode mode = RuleMode::none;
  /// Only frames of this API (the first field of a request; a response goes by its request). A held frame keeps back
  /// those behind it on its connection.
  std::optional<std::int16_t> api;
  MessageSide side = MessageSide::both;  // with api only
  std::uint32_t count = 0;               // with api only: how many frames it takes; 0 = all
  std::int64_t extra_delay_ns = 0;
  std::uint32_t loss_ppm = 0;                 // a segment of 1448 bytes
  std::uint32_t bandwidth_permille = 1000;    // of what a connection could have
  std::uint64_t bandwidth_bytes_per_s = 0;    // shared by all that the rule matches; 0 = no limit

  bool covers(HostIndex a, HostIndex b) const {
    return (from.contains(a) && to.contains(b)) || (both_ways && from.contains(b) && to.contains(a));
  }
};

}  // namespace harrow::sim
