// Our own Kafka client: the workloads of the simulator and the console tools use it. Purpose: producer, consumer and
// admin with the Java client's defaults (facts section 17), over the Host seam. Owner: whoever builds a Producer,
// Consumer or Admin owns its connections and roots; destroying it ends them (not from within one of its callbacks).
// May touch: async, host (net, clock, timers, cpu, trace), model, wire.
// Invariants: answers are matched to requests by order and checked by correlation id; a batch's bytes and sequence
// never change while its fate is unknown; a consumed position only ever passes records that the application was given
// (or that no application is shown: control batches, gaps).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/host/net.h"
#include "core/model/ids.h"

namespace harrow {

/// What all three clients share; names and defaults are Kafka's.
struct ClientConfig {
  std::string client_id = "harrow";
  std::vector<Endpoint> bootstrap_servers;
  std::int32_t request_timeout_ms = 30'000;
  std::int32_t default_api_timeout_ms = 60'000;
  std::int32_t retry_backoff_ms = 100;
  std::int32_t retry_backoff_max_ms = 1'000;
  std::int32_t reconnect_backoff_ms = 50;
  std::int32_t reconnect_backoff_max_ms = 1'000;
  std::int32_t connection_setup_timeout_ms = 10'000;  // socket.connection.setup.timeout.ms
  std::int64_t metadata_max_age_ms = 300'000;
  bool allow_auto_create_topics = true;
};

}  // namespace harrow
