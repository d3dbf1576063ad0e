#include <gtest/gtest.h>

#include "core/model/config_keys.h"

namespace harrow {
namespace {

TEST(ConfigKeys, every_row_is_sound) {
  const ConfigSnapshot defaults;
  std::string_view last_doc;
  for (const ConfigRow& row : config_rows()) {
    EXPECT_EQ(find_config(row.name), &row) << "named twice: " << row.name;
    EXPECT_FALSE(row.doc.empty()) << row.name;
    EXPECT_NE(row.doc, last_doc) << row.name;
    last_doc = row.doc;
    if (row.default_text != nullptr) { EXPECT_TRUE(parse_config(row, row.default_text)) << row.name; }
    if (row.broker_key.empty()) continue;
    const ConfigRow* const broker = find_config(row.broker_key);
    ASSERT_NE(broker, nullptr) << row.name;
    EXPECT_EQ(broker->type, row.type) << row.name;
    EXPECT_EQ(defaults.shown(row.key), defaults.shown(broker->key)) << row.name;
    if (row.default_text != nullptr) { EXPECT_EQ(*defaults.shown(row.key), row.default_text) << row.name; }
  }
}

TEST(ConfigKeys, layers_override_each_other_in_order) {
  const auto broker = ConfigSnapshot::of_broker({{"log.retention.bytes", "10"}, {"num.partitions", "3"}, {"message.max.bytes", "5"}},
                                                {{"log.retention.bytes", "20"}, {"min.insync.replicas", "2"}},
                                                {{"log.retention.bytes", "30"}});
  ASSERT_TRUE(broker) << broker.error().text;
  EXPECT_EQ(broker->number(ConfigKey::retention_bytes), 30);
  EXPECT_EQ(broker->source(ConfigKey::retention_bytes), ConfigSource::dynamic_broker);
  EXPECT_EQ(broker->number(ConfigKey::min_insync_replicas), 2);
  EXPECT_EQ(broker->source(ConfigKey::min_insync_replicas), ConfigSource::dynamic_default);
  EXPECT_EQ(broker->number(ConfigKey::num_partitions), 3);
  EXPECT_EQ(broker->source(ConfigKey::num_partitions), ConfigSource::static_broker);
  EXPECT_EQ(broker->source(ConfigKey::segment_bytes), ConfigSource::default_value);
  const auto topic = ConfigSnapshot::of_topic(*broker, {{"retention.bytes", "40"}, {"cleanup.policy", "compact, delete"}});
  ASSERT_TRUE(topic);
  EXPECT_EQ(topic->number(ConfigKey::retention_bytes), 40);
  EXPECT_EQ(topic->source(ConfigKey::retention_bytes), ConfigSource::topic);
  EXPECT_EQ(topic->number(ConfigKey::max_message_bytes), 5);
  EXPECT_TRUE(topic->lists(ConfigKey::cleanup_policy, "compact"));
  EXPECT_TRUE(topic->lists(ConfigKey::cleanup_policy, "delete"));
  EXPECT_FALSE(broker->lists(ConfigKey::cleanup_policy, "compact"));
}

TEST(ConfigKeys, coarse_times_stand_in_for_unset_fine_ones) {
  EXPECT_EQ(ConfigSnapshot().number(ConfigKey::retention_ms), 604800000);
  EXPECT_EQ(ConfigSnapshot::of_broker({{"log.retention.hours", "2"}})->number(ConfigKey::retention_ms), 7200000);
  EXPECT_EQ(ConfigSnapshot::of_broker({{"log.retention.hours", "2"}, {"log.retention.minutes", "3"}})->number(ConfigKey::retention_ms), 180000);
  EXPECT_EQ(ConfigSnapshot::of_broker({{"log.retention.hours", "2"}, {"log.retention.ms", "7"}})->number(ConfigKey::retention_ms), 7);
  EXPECT_EQ(ConfigSnapshot::of_broker({{"log.retention.hours", "-1"}})->number(ConfigKey::retention_ms), -1);
}

TEST(ConfigKeys, wrong_values_say_what_was_expected) {
  const auto said = [](ConfigMap overrides) {
    const auto wrong = problem_of_topic_configs(overrides);
    return wrong ? wrong->text : std::string("nothing");
  };
  EXPECT_EQ(said({{"segment.bytes", "12"}}), "segment.bytes: 12 is below 1048576");
  EXPECT_EQ(said({{"segment.bytes", "many"}}), "segment.bytes: 'many' is not a whole number");
  EXPECT_EQ(said({{"segment.bytes", "99999999999"}}), "segment.bytes: 99999999999 is above 2147483647");
  EXPECT_EQ(said({{"retention.mss", "1"}}), "retention.mss: unknown configuration key; did you mean retention.ms?");
  EXPECT_EQ(said({{"num.partitions", "1"}}), "num.partitions: is no topic configuration");
  EXPECT_EQ(said({{"compression.type", "brotli"}}), "compression.type: 'brotli' is none of producer|uncompressed|gzip|snappy|lz4|zstd");
  EXPECT_EQ(said({{"cleanup.policy", "delete,shred"}}), "cleanup.policy: 'shred' is none of delete|compact");
  EXPECT_EQ(said({{"unclean.leader.election.enable", "yes"}}), "unclean.leader.election.enable: 'yes' is neither true nor false");
  EXPECT_EQ(said({{"min.cleanable.dirty.ratio", "1.5"}}), "min.cleanable.dirty.ratio: 1.5 is above 1.0");
  EXPECT_EQ(said({{"min.cleanable.dirty.ratio", "0.25"}}), "nothing");
  EXPECT_EQ(said({{"min.compaction.lag.ms", "5"}, {"max.compaction.lag.ms", "5"}}), "nothing");
  EXPECT_EQ(said({{"min.compaction.lag.ms", "6"}, {"max.compaction.lag.ms", "5"}}), "conflict topic config setting min.compaction.lag.ms (6) > max.compaction.lag.ms (5)");
  EXPECT_EQ(problem_of_broker_configs({{"node.id", "1"}}, true)->text, "node.id: cannot be changed while a broker runs");
  EXPECT_FALSE(problem_of_broker_configs({{"node.id", "1"}}, false));
}

TEST(ConfigKeys, clients_are_told_in_kafkas_words) {
  const auto said = [](ConfigMap overrides) { return problem_of_topic_configs(overrides)->message; };
  EXPECT_EQ(said({{"segment.bytes", "12"}}), "Invalid value 12 for configuration segment.bytes: Value must be at least 1048576");
  EXPECT_EQ(said({{"segment.bytes", "many"}}), "Invalid value many for configuration segment.bytes: Not a number of type INT");
  EXPECT_EQ(said({{"segment.bytes", "99999999999"}}), "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT");
  EXPECT_EQ(said({{"retention.ms", "soon"}}), "Invalid value soon for configuration retention.ms: Not a number of type LONG");
  EXPECT_EQ(said({{"retention.mss", "1"}}), "Unknown topic config name: retention.mss");
  EXPECT_EQ(said({{"num.partitions", "1"}}), "Unknown topic config name: num.partitions");
  EXPECT_EQ(said({{"cleanup.policy", "delete,shred"}}), "Invalid value shred for configuration cleanup.policy: String must be one of: delete, compact");
  EXPECT_EQ(said({{"unclean.leader.election.enable", "yes"}}), "Invalid value yes for configuration unclean.leader.election.enable: Expected value to be either true or false");
  EXPECT_EQ(said({{"min.cleanable.dirty.ratio", "1.5"}}), "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1.0");
  const auto fixed = problem_of_broker_configs({{"log.dirs", "/x"}, {"log.retention.ms", "soon"}, {"node.id", "1"}}, true);
  EXPECT_EQ(fixed->message, "Cannot update these configs dynamically: Set(log.dirs, node.id)");
  EXPECT_EQ(fixed->kind, ConfigProblem::Kind::read_only);
}

TEST(ConfigKeys, values_are_shown_as_kafka_writes_them) {
  const ConfigSnapshot defaults;
  EXPECT_EQ(defaults.shown(ConfigKey::min_cleanable_dirty_ratio), "0.5");
  EXPECT_EQ(defaults.shown(ConfigKey::compression_type), "producer");
  EXPECT_EQ(defaults.shown(ConfigKey::auto_create_topics_enable), "true");
  EXPECT_EQ(defaults.shown(ConfigKey::broker_rack), std::nullopt);
  EXPECT_EQ(defaults.text(ConfigKey::message_timestamp_type), "CreateTime");
}

}  // namespace
}  // namespace harrow
