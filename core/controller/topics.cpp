// Topics: create, delete by id, more partitions. Each topic of a request succeeds or fails by itself.
#include <algorithm>
#include <map>
#include <set>

#include "core/controller/controller.h"
#include "core/controller/elections.h"
#include "core/controller/placement.h"
#include "core/wire/create_partitions_request.h"
#include "core/wire/create_partitions_response.h"
#include "core/wire/create_topics_request.h"
#include "core/wire/create_topics_response.h"
#include "core/wire/delete_topics_request.h"
#include "core/wire/delete_topics_response.h"

namespace harrow::controller {

namespace {

using NewTopic = wire::CreateTopicsRequest::CreatableTopic;
using NewTopicAnswer = wire::CreateTopicsResponse::CreatableTopicResult;

/// A refusal with the text that the client shows.
struct Refusal {
  Code code;
  std::string text;
};
template <class T>
using Answer = tl::expected<T, Refusal>;

tl::unexpected<Refusal> refused(Code code, std::string text) { return tl::unexpected<Refusal>({code, std::move(text)}); }

template <class Out>
void fill(Out& out, const Refusal& refusal) {
  out.error_code = static_cast<std::int16_t>(refusal.code);
  out.error_message = refusal.text;
}

bool legal_name(std::string_view name) {
  if (name.empty() || name == "." || name == ".." || name.size() > 249) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

/// Metric names do not tell a period from an underscore, so neither may two topics differ in that alone.
std::string folded(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '.', '_');
  return text;
}

const std::string* colliding_topic(const Image& image, const std::string& name) {
  if (name.find_first_of("._") == std::string::npos) return nullptr;
  const std::string own = folded(name);
  for (const auto& [other, id] : image.topic_ids()) {
    if (other != name && folded(other) == own) return &other;
  }
  return nullptr;
}

Answer<NodeIds> manual_replicas(const Image& image, const std::vector<std::int32_t>& ids, std::size_t replication_factor) {
  if (ids.empty()) return refused(Code::invalid_replica_assignment, "an assignment names no broker");
  if (replication_factor != 0 && ids.size() != replication_factor) {
    return refused(Code::invalid_replica_assignment, "all partitions must have the same number of replicas");
  }
  NodeIds replicas;
  for (const std::int32_t id : ids) {
    if (contains(replicas, NodeId(id))) return refused(Code::invalid_replica_assignment, "an assignment names a broker twice");
    if (image.broker(NodeId(id)) == nullptr) {
      return refused(Code::invalid_replica_assignment, "broker " + std::to_string(id) + " is not registered");
    }
    replicas.push_back(NodeId(id));
  }
  return replicas;
}

Answer<std::vector<NodeIds>> manual_assignment(const Image& image, const NewTopic& topic) {
  if (topic.num_partitions != -1) return refused(Code::invalid_request, "a manual assignment excludes a partition count");
  if (topic.replication_factor != -1) return refused(Code::invalid_request, "a manual assignment excludes a replication factor");
  std::map<std::int32_t, NodeIds> by_index;
  std::size_t replication_factor = 0;
  for (const auto& a : topic.assignments) {
    auto replicas = manual_replicas(image, a.broker_ids, replication_factor);
    if (!replicas) return tl::unexpected<Refusal>(replicas.error());
    replication_factor = replicas->size();
    if (!by_index.emplace(a.partition_index, std::move(*replicas)).second) {
      return refused(Code::invalid_replica_assignment, "a partition is assigned twice");
    }
  }
  std::vector<NodeIds> assignment;
  for (auto& [index, replicas] : by_index) {
    if (index != static_cast<std::int32_t>(assignment.size())) {
      return refused(Code::invalid_replica_assignment, "partitions must be numbered from 0 without gaps");
    }
    assignment.push_back(std::move(replicas));
  }
  return assignment;
}

Answer<std::vector<NodeIds>> placed(const Image& image, Random& random, std::int64_t partitions, std::int32_t replication_factor) {
  Placement placement(image, random);
  std::vector<NodeIds> assignment;
  for (std::int64_t i = 0; i < partitions; ++i) {
    Result<NodeIds> replicas = placement.place(replication_factor);
    if (!replicas) return refused(replicas.error().code, replicas.error().what);
    assignment.push_back(std::move(*replicas));
  }
  return assignment;
}

/// The first record of a partition. Refused when nobody could lead it.
Answer<wire::PartitionRecord> new_partition(const Image& image, const Uuid& topic, std::size_t index, const NodeIds& replicas) {
  wire::PartitionRecord record;
  record.topic_id = topic;
  record.partition_id = static_cast<std::int32_t>(index);
  record.replicas = numbers_of(replicas);
  for (const NodeId id : replicas) {
    record.directories.push_back(default_directory(image, id));
    if (image.active(id)) record.isr.push_back(id.value());
  }
  if (record.isr.empty()) {
    return refused(Code::invalid_replica_assignment,
                   "all brokers of partition " + std::to_string(index) + " are fenced or stopping");
  }
  record.leader = record.isr.front();
  record.leader_epoch = 0;
  record.partition_epoch = 0;
  return record;
}

Answer<ConfigMap> configs_of(const NewTopic& topic) {
  ConfigMap configs;
  for (const auto& c : topic.configs) {
    if (!c.value) return refused(Code::invalid_config, "null value for " + c.name);
    configs.insert_or_assign(c.name, *c.value);
  }
  if (auto problem = problem_of_topic_configs(configs)) return refused(Code::invalid_config, std::move(problem->message));
  return configs;
}

void show_configs(const State& state, const ConfigMap& overrides, NewTopicAnswer& answer) {
  answer.configs.emplace();
  const auto defaults = ConfigSnapshot::of_broker({}, state.image.config(ConfigResourceType::broker, ""));
  if (!defaults) return;
  const auto effective = ConfigSnapshot::of_topic(*defaults, overrides);
  if (!effective) return;
  for (const ConfigRow& row : config_rows()) {
    if (row.scope == ConfigScope::broker) continue;
    auto& out = answer.configs->emplace_back();
    out.name = row.name;
    out.value = effective->shown(row.key);
    out.config_source = static_cast<std::int8_t>(effective->source(row.key));
  }
}

struct Created {
  std::vector<wire::MetadataRecord> records;
  std::vector<Fact> facts;
  Uuid id;
};

Answer<Created> create(const State& state, Random& random, const NewTopic& topic, NewTopicAnswer& answer) {
  const Image& image = state.image;
  if (!legal_name(topic.name)) return refused(Code::invalid_topic_exception, "not a legal topic name");
  if (image.topic(topic.name) != nullptr) return refused(Code::topic_already_exists, "topic '" + topic.name + "' already exists");
  if (const std::string* const other = colliding_topic(image, topic.name)) {
    return refused(Code::invalid_topic_exception, "collides with the topic '" + *other + "'");
  }
  auto configs = configs_of(topic);
  if (!configs) return tl::unexpected<Refusal>(configs.error());

  Answer<std::vector<NodeIds>> assignment;
  if (!topic.assignments.empty()) {
    assignment = manual_assignment(image, topic);
  } else {
    if (topic.num_partitions == 0 || topic.num_partitions < -1) {
      return refused(Code::invalid_partitions, "a topic needs at least one partition");
    }
    if (topic.replication_factor == 0 || topic.replication_factor < -1) {
      return refused(Code::invalid_replication_factor, "a partition needs at least one replica");
    }
    const std::int32_t partitions = topic.num_partitions == -1 ? state.config.default_partitions : topic.num_partitions;
    if (partitions > state.config.max_records_per_batch) {
      return refused(Code::policy_violation, "more partitions than one metadata batch holds");
    }
    assignment = placed(image, random, partitions,
                        topic.replication_factor == -1 ? state.config.default_replication_factor : topic.replication_factor);
  }
  if (!assignment) return tl::unexpected<Refusal>(assignment.error());

  Created created;
  created.id = random_topic_id(image, random);
  wire::TopicRecord topic_record;
  topic_record.name = topic.name;
  topic_record.topic_id = created.id;
  created.records.emplace_back(std::move(topic_record));
  for (const auto& [key, value] : *configs) {
    wire::ConfigRecord record;
    record.resource_type = static_cast<std::int8_t>(ConfigResourceType::topic);
    record.resource_name = topic.name;
    record.name = key;
    record.value = value;
    created.records.emplace_back(std::move(record));
  }
  for (std::size_t i = 0; i < assignment->size(); ++i) {
    auto record = new_partition(image, created.id, i, (*assignment)[i]);
    if (!record) return tl::unexpected<Refusal>(record.error());
    created.records.emplace_back(std::move(*record));
  }
  answer.topic_id = created.id;
  answer.num_partitions = static_cast<std::int32_t>(assignment->size());
  answer.replication_factor = static_cast<std::int16_t>(assignment->front().size());
  show_configs(state, *configs, answer);
  return created;
}

template <class Topics>
std::set<std::string> names_given_twice(const Topics& topics) {
  std::set<std::string> once, twice;
  for (const auto& t : topics) {
    if (!once.insert(t.name).second) twice.insert(t.name);
  }
  return twice;
}

}  // namespace

ControllerResult<wire::CreateTopicsResponse> Controller::create_topics(const wire::CreateTopicsRequest& request) {
  ControllerResult<wire::CreateTopicsResponse> result;
  const std::set<std::string> twice = names_given_twice(request.topics);
  std::set<std::string> made;  // names that this request already gives, as metrics see them
  for (const NewTopic& topic : request.topics) {
    if (twice.contains(topic.name)) {
      if (std::none_of(result.response.topics.begin(), result.response.topics.end(),
                       [&](const NewTopicAnswer& a) { return a.name == topic.name; })) {
        auto& answer = result.response.topics.emplace_back();
        answer.name = topic.name;
        fill(answer, {Code::invalid_request, "a topic is named twice in one request"});
      }
      continue;
    }
    auto& answer = result.response.topics.emplace_back();
    answer.name = topic.name;
    answer.error_message.reset();
    auto created = create(state_, random_, topic, answer);
    if (created && !made.insert(folded(topic.name)).second) {
      created = refused(Code::invalid_topic_exception, "collides with another topic of this request");
    }
    if (!created) {
      fill(answer, created.error());
      answer.topic_id = Uuid{};
      answer.num_partitions = -1;
      answer.replication_factor = -1;
      answer.configs.reset();
      continue;
    }
    if (request.validate_only) continue;
    std::move(created->records.begin(), created->records.end(), std::back_inserter(result.records));
  }
  return result;
}

ControllerResult<wire::DeleteTopicsResponse> Controller::delete_topics(const wire::DeleteTopicsRequest& request) const {
  ControllerResult<wire::DeleteTopicsResponse> result;
  std::set<Uuid> doomed;
  const auto answer_for = [&](std::optional<std::string> name, const Uuid& id, const TopicImage* topic, Code missing) {
    auto& answer = result.response.responses.emplace_back();
    answer.name = std::move(name);
    answer.topic_id = id;
    if (topic == nullptr) {
      answer.error_code = static_cast<std::int16_t>(missing);
      return;
    }
    answer.name = topic->name;
    answer.topic_id = topic->id;
    if (!doomed.insert(topic->id).second) {
      answer.error_code = static_cast<std::int16_t>(Code::invalid_request);
      answer.error_message = "a topic is named twice in one request";
      return;
    }
    wire::RemoveTopicRecord record;
    record.topic_id = topic->id;
    result.records.emplace_back(std::move(record));
  };
  for (const auto& t : request.topics) {
    if (t.name && !t.topic_id.is_zero()) {
      answer_for(t.name, t.topic_id, nullptr, Code::invalid_request);
    } else if (t.name) {
      answer_for(t.name, Uuid{}, state_.image.topic(*t.name), Code::unknown_topic_or_partition);
    } else {
      answer_for(std::nullopt, t.topic_id, state_.image.topic(t.topic_id), Code::unknown_topic_id);
    }
  }
  for (const std::string& name : request.topic_names) {
    answer_for(name, Uuid{}, state_.image.topic(name), Code::unknown_topic_or_partition);
  }
  return result;
}

namespace {

using MorePartitions = wire::CreatePartitionsRequest::CreatePartitionsTopic;

Answer<std::vector<wire::MetadataRecord>> grow(const State& state, Random& random, const MorePartitions& more) {
  const Image& image = state.image;
  const TopicImage* const topic = image.topic(more.name);
  if (topic == nullptr) return refused(Code::unknown_topic_or_partition, "unknown topic");
  const auto current = static_cast<std::int32_t>(topic->partitions.size());
  if (more.count <= current) {
    return refused(Code::invalid_partitions, "the topic has " + std::to_string(current) + " partitions already");
  }
  const std::int64_t added = static_cast<std::int64_t>(more.count) - current;
  if (added > state.config.max_records_per_batch) {
    return refused(Code::policy_violation, "more partitions than one metadata batch holds");
  }
  const std::size_t replication_factor = topic->partitions.empty()
                                             ? static_cast<std::size_t>(state.config.default_replication_factor)
                                             : topic->partitions.front().replicas.size();
  Answer<std::vector<NodeIds>> assignment;
  if (more.assignments && !more.assignments->empty()) {
    if (static_cast<std::int64_t>(more.assignments->size()) != added) {
      return refused(Code::invalid_replica_assignment, "as many assignments are needed as partitions are added");
    }
    std::vector<NodeIds> lists;
    for (const auto& a : *more.assignments) {
      auto replicas = manual_replicas(image, a.broker_ids, replication_factor);
      if (!replicas) return tl::unexpected<Refusal>(replicas.error());
      lists.push_back(std::move(*replicas));
    }
    assignment = std::move(lists);
  } else {
    assignment = placed(image, random, added, static_cast<std::int32_t>(replication_factor));
  }
  if (!assignment) return tl::unexpected<Refusal>(assignment.error());
  std::vector<wire::MetadataRecord> records;
  std::size_t index = topic->partitions.size();
  for (const NodeIds& replicas : *assignment) {
    auto record = new_partition(image, topic->id, index++, replicas);
    if (!record) return tl::unexpected<Refusal>(record.error());
    records.emplace_back(std::move(*record));
  }
  return records;
}

}  // namespace

ControllerResult<wire::CreatePartitionsResponse> Controller::create_partitions(const wire::CreatePartitionsRequest& request) {
  ControllerResult<wire::CreatePartitionsResponse> result;
  const std::set<std::string> twice = names_given_twice(request.topics);
  for (const std::string& name : twice) {
    auto& answer = result.response.results.emplace_back();
    answer.name = name;
    fill(answer, {Code::invalid_request, "a topic is named twice in one request"});
  }
  for (const MorePartitions& more : request.topics) {
    if (twice.contains(more.name)) continue;
    auto& answer = result.response.results.emplace_back();
    answer.name = more.name;
    auto records = grow(state_, random_, more);
    if (!records) fill(answer, records.error());
    else if (!request.validate_only) std::move(records->begin(), records->end(), std::back_inserter(result.records));
  }
  return result;
}

}  // namespace harrow::controller
