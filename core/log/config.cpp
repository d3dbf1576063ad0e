#include "core/log/config.h"

#include <algorithm>

namespace harrow {

LogConfig log_config_of(const ConfigSnapshot& topic) {
  using Key = ConfigKey;
  LogConfig config;
  config.segment_bytes = topic.number(topic.is_set(Key::internal_segment_bytes) ? Key::internal_segment_bytes : Key::segment_bytes);
  config.segment_ms = topic.number(Key::segment_ms);
  config.segment_jitter_ms = topic.number(Key::segment_jitter_ms);
  config.segment_index_bytes = topic.number(Key::segment_index_bytes);
  config.index_interval_bytes = topic.number(Key::index_interval_bytes);
  config.retention_ms = topic.number(Key::retention_ms);
  config.retention_bytes = topic.number(Key::retention_bytes);
  config.file_delete_delay_ms = topic.number(Key::file_delete_delay_ms);
  config.flush_messages = topic.number(Key::flush_messages);
  config.flush_ms = topic.number(Key::flush_ms);
  config.producer_expiration_ms = topic.number(Key::producer_id_expiration_ms);
  config.deletes = topic.lists(Key::cleanup_policy, "delete");
  config.compacts = topic.lists(Key::cleanup_policy, "compact");
  config.min_cleanable_ratio_millionths = topic.number(Key::min_cleanable_dirty_ratio);
  config.min_compaction_lag_ms = topic.number(Key::min_compaction_lag_ms);
  config.max_compaction_lag_ms = topic.number(Key::max_compaction_lag_ms);
  config.delete_retention_ms = topic.number(Key::delete_retention_ms);
  // The active segment is never compacted: what must be compacted by then may not stay in it longer.
  if (config.compacts) config.segment_ms = std::min(config.segment_ms, config.max_compaction_lag_ms);
  AppendRules& rules = config.append_rules;
  rules.max_message_bytes = static_cast<std::uint32_t>(topic.number(Key::max_message_bytes));
  rules.needs_key = config.compacts;
  rules.timestamp_type = static_cast<TimestampType>(topic.number(Key::message_timestamp_type));
  rules.timestamp_before_max_ms = topic.number(Key::message_timestamp_before_max_ms);
  rules.timestamp_after_max_ms = topic.number(Key::message_timestamp_after_max_ms);
  if (Codec codec{}; parse_codec(topic.text(Key::compression_type), codec)) rules.codec = codec;  // `producer` names none
  return config;
}

}  // namespace harrow
