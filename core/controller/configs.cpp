// Configurations of topics, brokers and the cluster. Each resource of a request succeeds or fails as a whole. A change of
// min.insync.replicas moves the border at which eligible leader replicas are kept, so partitions follow at once.
#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "core/controller/controller.h"
#include "core/controller/elections.h"
#include "core/wire/alter_configs_request.h"
#include "core/wire/alter_configs_response.h"
#include "core/wire/incremental_alter_configs_request.h"
#include "core/wire/incremental_alter_configs_response.h"

namespace harrow::controller {

namespace {

constexpr std::string_view min_isr_key = "min.insync.replicas";

struct Refusal {
  Code code;
  std::string text;
};
template <class T>
using Answer = tl::expected<T, Refusal>;
tl::unexpected<Refusal> refused(Code code, std::string text) { return tl::unexpected<Refusal>({code, std::move(text)}); }

enum class Operation : std::int8_t { set = 0, erase = 1, append = 2, subtract = 3 };

std::vector<std::string> items_of(const std::string& list) {
  std::vector<std::string> items;
  std::size_t from = 0;
  while (from < list.size()) {
    const std::size_t comma = std::min(list.find(',', from), list.size());
    if (comma > from) items.push_back(list.substr(from, comma - from));
    from = comma + 1;
  }
  return items;
}

std::string list_of(const std::vector<std::string>& items) {
  std::string list;
  for (const std::string& item : items) list += (list.empty() ? "" : ",") + item;
  return list;
}

Answer<ConfigResource> resource_of(const Image& image, std::int8_t type, const std::string& name) {
  switch (static_cast<ConfigResourceType>(type)) {
    case ConfigResourceType::topic:
      if (image.topic(name) == nullptr) return refused(Code::unknown_topic_or_partition, "The topic '" + name + "' does not exist.");
      break;
    case ConfigResourceType::broker: {
      if (name.empty()) break;  // the cluster's default
      std::int32_t id = -1;
      const auto parsed = std::from_chars(name.data(), name.data() + name.size(), id);
      if (parsed.ec != std::errc{} || parsed.ptr != name.data() + name.size() || id < 0) {
        return refused(Code::invalid_request, "a broker's name is its id");
      }
      break;
    }
    case ConfigResourceType::client_metrics:
    case ConfigResourceType::group:
      if (name.empty()) return refused(Code::invalid_request, "a group needs a name");
      break;
    default: return refused(Code::invalid_request, "unknown type of resource");
  }
  return ConfigResource{static_cast<ConfigResourceType>(type), name};
}

std::optional<Refusal> problem_of(const State& state, const ConfigResource& resource, const ConfigMap& after) {
  std::optional<ConfigProblem> problem;
  if (resource.type == ConfigResourceType::topic) problem = problem_of_topic_configs(after);
  if (resource.type == ConfigResourceType::broker) problem = problem_of_broker_configs(after, true);
  if (problem) {
    // What a broker cannot take is an invalid request to Kafka's clients, what a topic cannot take an invalid configuration.
    const bool is_request = resource.type == ConfigResourceType::broker && problem->kind != ConfigProblem::Kind::unknown_key;
    return Refusal{is_request ? Code::invalid_request : Code::invalid_config, std::move(problem->message)};
  }
  if (state.elr_enabled() && resource.type == ConfigResourceType::broker) {
    // Controller and leaders must agree on the minimum, or the ELR is kept at the wrong time.
    if (!resource.name.empty() && after.contains(min_isr_key)) {
      return Refusal{Code::invalid_config, "min.insync.replicas of one broker is not allowed with eligible leader replicas"};
    }
    if (resource.name.empty() && !after.contains(min_isr_key) &&
        state.image.config(resource.type, resource.name).contains(min_isr_key)) {
      return Refusal{Code::invalid_config, "the cluster's min.insync.replicas cannot be removed with eligible leader replicas"};
    }
  }
  return std::nullopt;
}

/// What the resources of one request will be; they may depend on each other.
using Altered = std::map<ConfigResource, ConfigMap>;

const std::string* min_isr_of(const Image& image, const Altered& altered, ConfigResource resource) {
  const auto changed = altered.find(resource);
  const ConfigMap& configs = changed != altered.end() ? changed->second : image.config(resource.type, resource.name);
  const auto found = configs.find(min_isr_key);
  return found == configs.end() ? nullptr : &found->second;
}

/// Partitions whose ELR a new minimum makes superfluous.
void follow_min_isr(const State& state, const Altered& altered, std::vector<wire::MetadataRecord>& records,
                    std::vector<Fact>& facts) {
  if (!state.elr_enabled()) return;
  const std::string* const cluster = min_isr_of(state.image, altered, {ConfigResourceType::broker, ""});
  for (const auto& [id, topic] : state.image.topics()) {
    const std::string* const own = min_isr_of(state.image, altered, {ConfigResourceType::topic, topic.name});
    const std::string* const text = own != nullptr ? own : cluster;
    std::int32_t min_isr = state.config.default_min_isr;
    if (text != nullptr) std::from_chars(text->data(), text->data() + text->size(), min_isr);
    if (min_isr == state.min_isr(topic.name)) continue;
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(topic.partitions.size()); ++i) {
      PartitionTarget target = target_of(state, topic, i);
      target.min_isr = min_isr;
      if (target.now.elr.empty()) continue;
      if (auto change = change_to(std::move(target), Candidates{state.image})) write({id, i}, std::move(*change), records, facts);
    }
  }
}

/// Records that turn the resource's configuration into `after`.
void write_difference(const State& state, const ConfigResource& resource, const ConfigMap& after,
                      std::vector<wire::MetadataRecord>& records) {
  const ConfigMap& before = state.image.config(resource.type, resource.name);
  const auto put = [&](const std::string& key, const std::string* value) {
    wire::ConfigRecord record;
    record.resource_type = static_cast<std::int8_t>(resource.type);
    record.resource_name = resource.name;
    record.name = key;
    record.value = value == nullptr ? std::nullopt : std::optional<std::string>(*value);
    records.emplace_back(std::move(record));
  };
  for (const auto& [key, value] : before) {
    if (!after.contains(key)) put(key, nullptr);
  }
  for (const auto& [key, value] : after) {
    const auto old = before.find(key);
    if (old == before.end() || old->second != value) put(key, &value);
  }
}

using Alterable = wire::IncrementalAlterConfigsRequest::AlterableConfig;

std::optional<Refusal> apply(const Alterable& op, ConfigMap& configs) {
  const ConfigRow* const row = find_config(op.name);
  switch (static_cast<Operation>(op.config_operation)) {
    case Operation::set:
      if (!op.value) return Refusal{Code::invalid_request, "Null value not supported for : " + op.name};
      configs.insert_or_assign(op.name, *op.value);
      return std::nullopt;
    case Operation::erase: configs.erase(op.name); return std::nullopt;
    case Operation::append:
    case Operation::subtract: break;
    default: return Refusal{Code::invalid_request, "unknown operation on " + op.name};
  }
  if (row == nullptr || row->type != ConfigType::list)
    return Refusal{Code::invalid_config, "Can't " + std::string(static_cast<Operation>(op.config_operation) == Operation::append ? "APPEND" : "SUBTRACT") + " to key " + op.name + " because its type is not LIST."};
  if (!op.value) return Refusal{Code::invalid_request, "Null value not supported for : " + op.name};
  const auto old = configs.find(op.name);
  std::vector<std::string> items =
      items_of(old != configs.end() ? old->second : std::string(row->default_text == nullptr ? "" : row->default_text));
  for (const std::string& item : items_of(*op.value)) {
    const auto at = std::find(items.begin(), items.end(), item);
    if (static_cast<Operation>(op.config_operation) == Operation::append) {
      if (at == items.end()) items.push_back(item);
    } else if (at != items.end()) {
      items.erase(at);
    }
  }
  configs.insert_or_assign(op.name, list_of(items));
  return std::nullopt;
}

Answer<ConfigMap> altered(const ConfigMap& before, const wire::IncrementalAlterConfigsRequest::AlterConfigsResource& change) {
  ConfigMap after = before;
  std::set<std::string> seen;
  for (const auto& op : change.configs) {
    if (!seen.insert(op.name).second) return refused(Code::invalid_request, "Error due to duplicate config keys");
    if (auto refusal = apply(op, after)) return tl::unexpected<Refusal>(std::move(*refusal));
  }
  return after;
}

Answer<ConfigMap> altered(const ConfigMap&, const wire::AlterConfigsRequest::AlterConfigsResource& change) {
  ConfigMap after;
  for (const auto& c : change.configs) {
    if (!c.value) return refused(Code::invalid_request, "Null value not supported for : " + c.name);
    if (!after.emplace(c.name, *c.value).second) return refused(Code::invalid_request, "Error due to duplicate config keys");
  }
  return after;
}

template <class Response, class Request>
ControllerResult<Response> alter(const State& state, const Request& request) {
  ControllerResult<Response> result;
  std::set<ConfigResource> seen;
  Altered all;
  for (const auto& change : request.resources) {
    auto& answer = result.response.responses.emplace_back();
    answer.resource_type = change.resource_type;
    answer.resource_name = change.resource_name;
    answer.error_message.reset();
    const auto refuse = [&answer](const Refusal& refusal) {
      answer.error_code = static_cast<std::int16_t>(refusal.code);
      answer.error_message = refusal.text;
    };
    const auto resource = resource_of(state.image, change.resource_type, change.resource_name);
    if (!resource) {
      refuse(resource.error());
      continue;
    }
    if (!seen.insert(*resource).second) {
      refuse({Code::invalid_request, "Each resource must appear at most once."});
      continue;
    }
    const auto after = altered(state.image.config(resource->type, resource->name), change);
    if (!after) {
      refuse(after.error());
      continue;
    }
    if (const auto refusal = problem_of(state, *resource, *after)) {
      refuse(*refusal);
      continue;
    }
    all.emplace(*resource, *after);
  }
  if (request.validate_only) return result;
  for (const auto& [resource, after] : all) write_difference(state, resource, after, result.records);
  follow_min_isr(state, all, result.records, result.facts);
  return result;
}

}  // namespace

ControllerResult<wire::IncrementalAlterConfigsResponse> Controller::incremental_alter_configs(
    const wire::IncrementalAlterConfigsRequest& request) const {
  return alter<wire::IncrementalAlterConfigsResponse>(state_, request);
}

ControllerResult<wire::AlterConfigsResponse> Controller::alter_configs(const wire::AlterConfigsRequest& request) const {
  return alter<wire::AlterConfigsResponse>(state_, request);
}

}  // namespace harrow::controller
