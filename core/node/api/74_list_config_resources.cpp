// ListConfigResources, versions 0 and 1: what has, or may have, a configuration. 0 knows client metrics alone; from 1 on the
// asker names types, or means all by naming none.
#include <algorithm>

#include "core/node/api/handlers.h"

namespace harrow {
namespace {
// Types of resources.
constexpr std::int8_t of_topic = 2, of_broker = 4, of_logger = 8, of_client_metrics = 16, of_group = 32;
}  // namespace

Task<wire::ListConfigResourcesResponse> list_config_resources(const RequestContext& context, wire::ListConfigResourcesRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  wire::ListConfigResourcesResponse response;
  const std::vector<std::int8_t> known = context.version == 0 ? std::vector<std::int8_t>{of_client_metrics} : std::vector<std::int8_t>{of_topic, of_broker, of_logger, of_client_metrics, of_group};
  const std::vector<std::int8_t>& wanted = request.resource_types.empty() ? known : request.resource_types;
  const auto is_known = [&](std::int8_t type) { return std::find(known.begin(), known.end(), type) != known.end(); };
  if (!std::all_of(wanted.begin(), wanted.end(), is_known)) {
    response.error_code = static_cast<std::int16_t>(Code::unsupported_version);
    co_return response;
  }
  const auto wants = [&](std::int8_t type) { return std::find(wanted.begin(), wanted.end(), type) != wanted.end(); };
  const auto add = [&response](std::int8_t type, std::string name) {
    auto& row = response.config_resources.emplace_back();
    row.resource_type = type;
    row.resource_name = std::move(name);
  };
  const controller::Image& image = context.node.image();
  // Groups and client metrics are there once somebody configured them.
  for (const auto& [resource, values] : image.configs()) {
    const auto type = static_cast<std::int8_t>(resource.type);
    if ((type == of_group || type == of_client_metrics) && wants(type) && !values.empty()) add(type, resource.name);
  }
  for (const std::int8_t type : {of_logger, of_broker})
    for (const auto& [id, node] : image.brokers())
      if (wants(type) && !node.fenced) add(type, std::to_string(id.value()));
  if (wants(of_topic))
    for (const auto& [id, one] : image.topics()) add(of_topic, one.name);
  co_return response;
}

}  // namespace harrow
