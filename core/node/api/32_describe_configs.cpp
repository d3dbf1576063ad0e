// DescribeConfigs, versions 1 to 4: effective values of topics, of this broker and of the cluster's dynamic defaults, each
// with all the places that give one. 3: types and documentation.
#include <algorithm>
#include <fmt/format.h>

#include "core/node/api/handlers.h"

namespace harrow {
namespace {

using Result_ = wire::DescribeConfigsResponse::DescribeConfigsResult;
using Row_ = wire::DescribeConfigsResponse::DescribeConfigsResourceResult;
using Synonym_ = wire::DescribeConfigsResponse::DescribeConfigsSynonym;
using controller::ConfigResourceType;

std::int8_t wire_type_of(ConfigType type) {
  switch (type) {
    case ConfigType::boolean: return 1;
    case ConfigType::string: return 2;
    case ConfigType::int32: return 3;
    case ConfigType::int64: return 5;
    case ConfigType::ratio: return 6;
    case ConfigType::list: return 7;
    case ConfigType::choice: return 2;
  }
  return 0;
}

void add_synonym(std::vector<Synonym_>& synonyms, std::string_view name, std::string value, ConfigSource source) {
  auto& synonym = synonyms.emplace_back();
  synonym.name = std::string(name);
  synonym.value = std::move(value);
  synonym.source = static_cast<std::int8_t>(source);
}

/// Where a value of a broker's key comes from, strongest first. What stands in for it counts only behind a value of its own.
std::vector<Synonym_> synonyms_of(const Broker& broker, const ConfigRow& row) {
  std::vector<Synonym_> synonyms;
  const controller::Image& image = broker.image();
  const std::pair<const ConfigMap*, ConfigSource> layers[] = {
      {&image.config(ConfigResourceType::broker, std::to_string(broker.id().value())), ConfigSource::dynamic_broker},
      {&image.config(ConfigResourceType::broker, ""), ConfigSource::dynamic_default},
      {&broker.config().properties, ConfigSource::static_broker}};
  const std::vector<const ConfigRow*> names = stand_ins_of(row);
  for (const auto& [values, source] : layers)
    for (const ConfigRow* const name : names)
      if (const auto found = values->find(name->name); found != values->end()) add_synonym(synonyms, name->name, found->second, source);
  for (const ConfigRow* const name : names)
    if (name->default_text != nullptr) add_synonym(synonyms, name->name, name->default_text, ConfigSource::default_value);
  const auto own = std::find_if(synonyms.begin(), synonyms.end(), [&](const Synonym_& one) { return one.name == row.name; });
  synonyms.erase(synonyms.begin(), own);
  return synonyms;
}

class Describer {
 public:
  Describer(const RequestContext& context, const wire::DescribeConfigsRequest& request, const wire::DescribeConfigsRequest::DescribeConfigsResource& resource,
            Result_& result)
      : context_(context), broker_(context.broker()), request_(request), resource_(resource), result_(result) {}

  void describe() {
    const std::string& name = resource_.resource_name;
    switch (static_cast<ConfigResourceType>(resource_.resource_type)) {
      case ConfigResourceType::topic: return describe_topic();
      case ConfigResourceType::broker:
        if (name.empty()) return describe_defaults();
        if (name == std::to_string(broker_.id().value())) return describe_broker();
        return refuse(Code::invalid_request, fmt::format("Unexpected broker id, expected {} or empty string, but received {}", broker_.id().value(), name));
      default: return refuse(Code::invalid_request, fmt::format("Unexpected resource type {} for resource {}", resource_.resource_type, name));
    }
  }

 private:
  void refuse(Code code, std::optional<std::string> text) {
    result_.error_code = static_cast<std::int16_t>(code);
    result_.error_message = std::move(text);
  }

  void describe_topic() {
    const controller::TopicImage* const topic = broker_.image().topic(resource_.resource_name);
    if (topic == nullptr) return refuse(Code::unknown_topic_or_partition, std::nullopt);
    const ConfigSnapshot& settings = broker_.topic_settings(topic->id);
    const ConfigMap& own = broker_.image().config(ConfigResourceType::topic, topic->name);
    for (const ConfigRow& row : config_rows()) {
      if (row.scope == ConfigScope::broker || !asked_for(row)) continue;
      std::vector<Synonym_> synonyms;
      if (own.contains(row.name)) add_synonym(synonyms, row.name, settings.shown(row.key).value_or(""), ConfigSource::topic);
      const ConfigRow* const on_broker = row.scope == ConfigScope::both ? &row : row.broker_key.empty() ? nullptr : find_config(row.broker_key);
      if (on_broker != nullptr)
        for (Synonym_& synonym : synonyms_of(broker_, *on_broker)) synonyms.push_back(std::move(synonym));
      add(row, settings.shown(row.key), false, std::move(synonyms));
    }
  }

  void describe_broker() {
    for (const ConfigRow& row : config_rows()) {
      if (row.scope == ConfigScope::topic || !asked_for(row)) continue;
      std::vector<Synonym_> synonyms = synonyms_of(broker_, row);
      // A key that nothing sets is null, even where a coarser one (log.retention.hours) gives its value.
      std::optional<std::string> value;
      if (!synonyms.empty()) value = broker_.settings().shown(row.key);
      add(row, std::move(value), !row.dynamic, std::move(synonyms));
    }
  }

  /// The dynamic values of all brokers, and nothing else.
  void describe_defaults() {
    for (const auto& [name, value] : broker_.image().config(ConfigResourceType::broker, "")) {
      const ConfigRow* const row = find_config(name);
      if (row == nullptr || !asked_for(*row)) continue;
      std::vector<Synonym_> synonyms;
      add_synonym(synonyms, name, value, ConfigSource::dynamic_default);
      add(*row, value, !row->dynamic, std::move(synonyms));
    }
  }

  bool asked_for(const ConfigRow& row) const {
    const auto& keys = resource_.configuration_keys;
    return !keys || keys->empty() || std::find(keys->begin(), keys->end(), row.name) != keys->end();
  }

  void add(const ConfigRow& row, std::optional<std::string> value, bool read_only, std::vector<Synonym_> synonyms) {
    Row_& answer = result_.configs.emplace_back();
    answer.name = std::string(row.name);
    answer.value = std::move(value);
    answer.config_source = synonyms.empty() ? static_cast<std::int8_t>(ConfigSource::default_value) : synonyms.front().source;
    answer.read_only = read_only;
    if (request_.include_synonyms) answer.synonyms = std::move(synonyms);
    if (context_.version < 3) return;
    answer.config_type = wire_type_of(row.type);
    answer.documentation.reset();
    if (request_.include_documentation) answer.documentation.emplace(row.doc);
  }

  const RequestContext& context_;
  const Broker& broker_;
  const wire::DescribeConfigsRequest& request_;
  const wire::DescribeConfigsRequest::DescribeConfigsResource& resource_;
  Result_& result_;
};

}  // namespace

Task<wire::DescribeConfigsResponse> describe_configs(const RequestContext& context, wire::DescribeConfigsRequest request) {
  co_await context.host().cpu.spend(Work::handler, request.resources.size());
  wire::DescribeConfigsResponse response;
  for (const auto& resource : request.resources) {
    Result_& result = response.results.emplace_back();
    result.resource_type = resource.resource_type;
    result.resource_name = resource.resource_name;
    result.error_message = std::nullopt;
    Describer(context, request, resource, result).describe();
  }
  co_return response;
}

}  // namespace harrow
