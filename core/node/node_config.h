// What a node is told at its start: who it is, where it listens, who the quorum's voters are, and Kafka's own settings.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/model/config_keys.h"
#include "core/model/ids.h"
#include "core/node/api_faults.h"
#include "core/node/quorum.h"

namespace harrow {

struct NodeConfig {
  NodeId id;
  bool is_broker = true;
  bool is_controller = false;
  std::string cluster_id;
  std::string host;  // advertised; what other nodes connect to
  std::uint16_t broker_port = 9092;
  std::uint16_t controller_port = 9093;
  std::optional<std::string> rack;
  std::vector<QuorumVoter> voters;
  /// Static values as in server.properties.
  ConfigMap properties;
  std::string log_dir = "data";
  /// metadata.version that a fresh cluster is formatted with, and whether eligible leader replicas are on.
  std::int16_t metadata_version = 29;
  bool elr = true;
  /// Armed faults at the protocol, for tests of clients; nothing in a healthy node.
  ApiFaults* api_faults = nullptr;
};

}  // namespace harrow
