// Administration: every call finds a broker by itself, retries what may be retried until default.api.timeout.ms, and
// answers with one entry per thing asked for. Controller work is sent to any broker, which forwards it (Kafka 4).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/async/task.h"
#include "core/client/client_config.h"
#include "core/host/host.h"
#include "core/model/ids.h"

namespace harrow {

struct NewTopic {
  std::string name;
  std::int32_t partitions = -1;       // -1: the broker's default
  std::int16_t replication_factor = -1;
  std::map<std::string, std::string> configs;
  std::map<std::int32_t, std::vector<NodeId>> assignment;  // partition -> replicas; excludes the counts
};

/// The answer about one thing; `message` is the broker's, if it gave one.
struct NamedOutcome {
  std::string name;
  Code code = Code::none;
  std::string message;
};

struct DescribedBroker {
  NodeId id;
  Endpoint endpoint;
  std::string rack;
  bool fenced = false;
};
struct DescribedCluster {
  std::string cluster_id;
  NodeId controller = no_node;
  std::vector<DescribedBroker> brokers;
};
struct DescribedPartition {
  std::int32_t index = 0;
  Code code = Code::none;
  NodeId leader = no_node;
  LeaderEpoch leader_epoch = no_epoch;
  std::vector<NodeId> replicas, isr;
};
struct DescribedTopic {
  std::string name;
  Code code = Code::none;
  Uuid id;
  bool internal = false;
  std::vector<DescribedPartition> partitions;
};

enum class ConfigResource : std::int8_t { topic = 2, broker = 4, group = 32 };
enum class ConfigOperation : std::int8_t { set = 0, remove = 1, append = 2, subtract = 3 };
struct ConfigChange {
  std::string name;
  ConfigOperation operation = ConfigOperation::set;
  std::string value;
};
struct ConfigEntry {
  std::string name;
  std::optional<std::string> value;
  std::int8_t source = -1;
  bool read_only = false;
  bool sensitive = false;
};

/// Where in a log: a timestamp, or one of these.
constexpr std::int64_t list_latest = -1;
constexpr std::int64_t list_earliest = -2;
constexpr std::int64_t list_max_timestamp = -3;
struct ListedOffset {
  Code code = Code::none;
  Offset offset = no_offset;
  LeaderEpoch leader_epoch = no_epoch;
  std::int64_t timestamp = -1;
};

struct ListedGroup {
  std::string id, protocol_type, state, type;
};
struct DescribedMember {
  std::string member_id, client_id, client_host;
  std::optional<std::string> instance_id;
  std::vector<TopicPartition> assignment;
};
struct DescribedGroup {
  std::string id;
  Code code = Code::none;
  std::string state, protocol_type, protocol;
  std::vector<DescribedMember> members;
};

class Admin {
 public:
  Admin(Host& host, ClientConfig config);
  ~Admin();
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  Task<Result<std::vector<NamedOutcome>>> create_topics(std::vector<NewTopic> topics, bool validate_only = false);
  Task<Result<std::vector<NamedOutcome>>> delete_topics(std::vector<std::string> names);
  Task<Result<NamedOutcome>> create_partitions(std::string topic, std::int32_t count);
  Task<Result<DescribedCluster>> describe_cluster();
  /// Nothing: all topics.
  Task<Result<std::vector<DescribedTopic>>> describe_topics(std::optional<std::vector<std::string>> names);
  Task<Result<std::vector<ConfigEntry>>> describe_configs(ConfigResource resource, std::string name);
  Task<Result<NamedOutcome>> alter_configs(ConfigResource resource, std::string name, std::vector<ConfigChange> changes);
  /// Low watermarks by partition; an error for the first partition that has one.
  Task<Result<std::map<TopicPartition, Offset>>> delete_records(std::map<TopicPartition, Offset> before);
  Task<Result<std::map<TopicPartition, ListedOffset>>> list_offsets(std::vector<TopicPartition> ids, std::int64_t timestamp);
  Task<Result<std::vector<ListedGroup>>> list_groups();
  Task<Result<DescribedGroup>> describe_group(std::string group);
  Task<Result<std::vector<NamedOutcome>>> delete_groups(std::vector<std::string> groups);
  Task<Result<std::map<TopicPartition, Offset>>> group_offsets(std::string group);
  /// Preferred (or unclean) election; nothing: every partition that needs one.
  Task<Result<std::map<TopicPartition, Code>>> elect_leaders(bool unclean, std::optional<std::vector<TopicPartition>> ids);

 private:
  class Session;
  std::unique_ptr<Session> session_;
};

}  // namespace harrow
