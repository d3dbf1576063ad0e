// ApiVersions, versions 0 to 4: what this listener offers. Version 3 adds features. The answer's header is always v0;
// an unknown version is answered in the v0 layout by the connection loop.
#include "core/node/api/handlers.h"
#include "core/node/client_software.h"

namespace harrow {

Task<wire::ApiVersionsResponse> api_versions(const RequestContext& context, wire::ApiVersionsRequest request) {
  wire::ApiVersionsResponse response;
  if (context.version >= client_software_from && !names_client_software(request, context.version)) {
    response.error_code = static_cast<std::int16_t>(Code::invalid_request);
    co_return response;
  }
  for (const ApiRow& row : context.on_controller ? controller_apis() : broker_apis()) {
    auto& api = response.api_keys.emplace_back();
    api.api_key = static_cast<std::int16_t>(row.key);
    api.min_version = row.min_version;
    api.max_version = row.max_version;
  }
  if (context.version < 3) co_return response;
  const controller::Image& image = context.node.image();
  const struct {
    const char* name;
    std::int16_t min, max;
  } supported[] = {{"eligible.leader.replicas.version", 0, 1}, {"group.version", 0, 1}, {"kraft.version", 0, 1}, {"metadata.version", 7, 29}, {"transaction.version", 0, 2}};
  for (const auto& row : supported) {
    // Versions below 4 cannot carry a range that begins at 0 (KIP-584's first clients refuse it).
    if (context.version < 4 && row.min == 0) continue;
    auto& feature = response.supported_features.emplace_back();
    feature.name = row.name;
    feature.min_version = row.min;
    feature.max_version = row.max;
  }
  response.finalized_features_epoch = image.offset().value();
  for (const auto& [name, level] : image.features()) {
    auto& feature = response.finalized_features.emplace_back();
    feature.name = name;
    feature.max_version_level = level;
    feature.min_version_level = level;
  }
  co_return response;
}

}  // namespace harrow
