// What the judge is told of the run before it begins: who is who, and which promises the settings make.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/model/ids.h"
#include "sim/scenario/scenario.h"

namespace harrow::sim {

struct ProducerFacts {
  bool idempotent = true;
  bool ordered = true;  // idempotent, or one request in flight
  std::int16_t acks = -1;
  std::int64_t delivery_timeout_ms = 120'000;
  std::string plan;     // "checkout" of "checkout/0"
};

struct JudgeSetup {
  /// By machine; no_node (or nothing) for a client's.
  std::vector<NodeId> node_of_machine;
  std::vector<NodeId> voters;
  CheckPlan checks;
  /// By client id, "checkout/0".
  std::map<std::string, ProducerFacts, std::less<>> producers;
  std::map<std::string, std::vector<std::string>, std::less<>> topics_of_group;
  /// Groups in which a partition that moves is nobody's for a generation (KIP-429).
  std::set<std::string, std::less<>> cooperative_groups;
  /// Brokers' configuration by Kafka's names.
  ConfigMap config;
  bool elr = true;
  std::int64_t start_wall_ms = 1'767'600'000'000;
  /// How long after the heal the cluster must be at rest.
  std::int64_t settle_ns = 20'000'000'000;

  std::int64_t number(std::string_view name, std::int64_t otherwise) const;
  bool flag(std::string_view name, bool otherwise) const;
};

}  // namespace harrow::sim
