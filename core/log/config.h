// The settings of one log, as plain numbers. Logs of topics with the same settings share one object.
#pragma once

#include <cstdint>

#include "core/model/config_keys.h"
#include "core/model/record_batch.h"

namespace harrow {

struct LogConfig {
  std::int64_t segment_bytes = 1 << 30;
  std::int64_t segment_ms = 604'800'000;
  std::int64_t segment_jitter_ms = 0;
  std::int64_t segment_index_bytes = 10 << 20;
  std::int64_t index_interval_bytes = 4096;
  std::int64_t retention_ms = 604'800'000;  // -1: for ever
  std::int64_t retention_bytes = -1;        // -1: no limit
  std::int64_t file_delete_delay_ms = 60'000;
  std::int64_t flush_messages = INT64_MAX;
  std::int64_t flush_ms = INT64_MAX;
  std::int64_t producer_expiration_ms = 86'400'000;
  bool deletes = true;    // cleanup.policy holds delete
  bool compacts = false;  // cleanup.policy holds compact
  std::int64_t min_cleanable_ratio_millionths = 500'000;  // dirty bytes of all that can be compacted
  std::int64_t min_compaction_lag_ms = 0;
  std::int64_t max_compaction_lag_ms = INT64_MAX;
  std::int64_t delete_retention_ms = 86'400'000;  // of tombstones, once what they delete is gone
  AppendRules append_rules;
};

/// Of a topic's effective configuration.
LogConfig log_config_of(const ConfigSnapshot& topic);

}  // namespace harrow
