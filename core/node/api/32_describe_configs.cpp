// DescribeConfigs, versions 1 to 4: effective values of topics and of this broker, with where each comes from.
// 3: types and documentation.
#include <algorithm>

#include "core/node/api/handlers.h"

namespace harrow {
namespace {

using Result_ = wire::DescribeConfigsResponse::DescribeConfigsResult;

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

void add_row(Result_& result, const ConfigRow& row, const ConfigSnapshot& settings, const RequestContext& context, const wire::DescribeConfigsRequest& request,
             const std::optional<std::vector<std::string>>& keys) {
  if (keys && std::find(keys->begin(), keys->end(), row.name) == keys->end()) return;
  auto& answer = result.configs.emplace_back();
  answer.name = std::string(row.name);
  answer.value = settings.shown(row.key);
  answer.config_source = static_cast<std::int8_t>(settings.source(row.key));
  answer.read_only = !row.dynamic;
  if (context.version >= 3) {
    answer.config_type = wire_type_of(row.type);
    answer.documentation.reset();
    if (request.include_documentation) answer.documentation.emplace(row.doc);
  }
}

}  // namespace

Task<wire::DescribeConfigsResponse> describe_configs(const RequestContext& context, wire::DescribeConfigsRequest request) {
  Broker& broker = context.broker();
  co_await context.host().cpu.spend(Work::handler, request.resources.size());
  wire::DescribeConfigsResponse response;
  for (const auto& resource : request.resources) {
    Result_& result = response.results.emplace_back();
    result.resource_type = resource.resource_type;
    result.resource_name = resource.resource_name;
    result.error_message = std::nullopt;
    if (resource.resource_type == 2) {
      const controller::TopicImage* const topic = broker.image().topic(resource.resource_name);
      if (topic == nullptr) {
        result.error_code = static_cast<std::int16_t>(Code::unknown_topic_or_partition);
        continue;
      }
      const ConfigSnapshot& settings = broker.topic_settings(topic->id);
      for (const ConfigRow& row : config_rows()) {
        if (row.scope == ConfigScope::broker) continue;
        const std::size_t before = result.configs.size();
        add_row(result, row, settings, context, request, resource.configuration_keys);
        // The cluster's dynamic defaults are laid under the topic's own values and look like them in its settings.
        const bool shown_as_own = result.configs.size() > before && settings.source(row.key) == ConfigSource::topic;
        if (shown_as_own && !broker.image().config(controller::ConfigResourceType::topic, topic->name).contains(row.name))
          result.configs.back().config_source = static_cast<std::int8_t>(ConfigSource::dynamic_default);
      }
    } else if (resource.resource_type == 4) {
      for (const ConfigRow& row : config_rows())
        if (row.scope != ConfigScope::topic) add_row(result, row, broker.settings(), context, request, resource.configuration_keys);
    } else {
      result.error_code = static_cast<std::int16_t>(Code::invalid_request);
    }
  }
  co_return response;
}

}  // namespace harrow
