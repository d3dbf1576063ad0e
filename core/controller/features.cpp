#include "core/controller/features.h"

#include <array>
#include <set>

#include "core/controller/controller.h"
#include "core/wire/update_features_request.h"
#include "core/wire/update_features_response.h"

namespace harrow::controller {

namespace {

constexpr std::array features{
    Feature{elr_feature, 0, 1},          Feature{"group.version", 0, 1},   Feature{"kraft.version", 0, 1},
    Feature{metadata_feature, 7, 29},    Feature{"share.version", 0, 1},   Feature{"streams.version", 0, 1},
    Feature{"transaction.version", 0, 2},
};

const Feature* find_feature(std::string_view name) {
  for (const Feature& f : features) {
    if (f.name == name) return &f;
  }
  return nullptr;
}

wire::FeatureLevelRecord level_record(std::string_view name, std::int16_t level) {
  wire::FeatureLevelRecord record;
  record.name = name;
  record.feature_level = level;
  return record;
}

wire::ConfigRecord min_isr_record(const State& state) {
  wire::ConfigRecord record;
  record.resource_type = static_cast<std::int8_t>(ConfigResourceType::broker);
  record.name = "min.insync.replicas";
  record.value = std::to_string(state.config.default_min_isr);
  return record;
}

enum class Upgrade : std::int8_t { upgrade = 1, safe_downgrade = 2, unsafe_downgrade = 3 };

const char* problem_of(const Image& image, const wire::UpdateFeaturesRequest::FeatureUpdateKey& update) {
  const Feature* const feature = find_feature(update.feature);
  if (feature == nullptr) return "unknown feature";
  const std::int16_t level = update.max_version_level;
  if (level < feature->min_level || level > feature->max_level) return "the controller does not support this level";
  for (const auto& [id, broker] : image.brokers()) {
    for (const FeatureRange& f : broker.features) {
      if (f.name == update.feature && (level < f.min_version || level > f.max_version) && level != 0) {
        return "a broker does not support this level";
      }
    }
  }
  if (feature->name == metadata_feature && level < image.feature_level(metadata_feature)) {
    return "the metadata version cannot go back";
  }
  const bool downgrade = level < image.feature_level(update.feature);
  const bool allowed = update.allow_downgrade || update.upgrade_type == static_cast<std::int8_t>(Upgrade::safe_downgrade) ||
                       update.upgrade_type == static_cast<std::int8_t>(Upgrade::unsafe_downgrade);
  if (downgrade && !allowed) return "this is a downgrade, and none was asked for";
  if (!downgrade && allowed && level != image.feature_level(update.feature)) return "a downgrade was asked for, and this is none";
  return nullptr;
}

}  // namespace

std::span<const Feature> supported_features() { return features; }

Decision Controller::bootstrap(std::int16_t metadata_version, bool elr) const {
  Decision result;
  result.records.emplace_back(level_record(metadata_feature, metadata_version));
  for (const Feature& f : features) {
    if (f.name == metadata_feature || f.name == "kraft.version") continue;  // the quorum keeps the latter in control records
    if (f.name == elr_feature && !elr) continue;
    result.records.emplace_back(level_record(f.name, f.max_level));
  }
  if (elr) result.records.emplace_back(min_isr_record(state_));
  return result;
}

ControllerResult<wire::UpdateFeaturesResponse> Controller::update_features(const wire::UpdateFeaturesRequest& request) const {
  ControllerResult<wire::UpdateFeaturesResponse> result;
  const Image& image = state_.image;
  result.response.error_message.reset();
  // All or nothing: levels may depend on each other.
  std::vector<wire::MetadataRecord> records;
  std::set<std::string> seen;
  for (const auto& update : request.feature_updates) {
    auto& answer = result.response.results.emplace_back();
    answer.feature = update.feature;
    answer.error_message.reset();
    const char* problem = problem_of(image, update);
    if (!seen.insert(update.feature).second) problem = "a feature is named twice";
    if (problem != nullptr) {
      answer.error_code = static_cast<std::int16_t>(Code::invalid_update_version);
      answer.error_message = problem;
      result.response.error_code = answer.error_code;
      result.response.error_message = update.feature + ": " + problem;
      continue;
    }
    if (update.max_version_level == image.feature_level(update.feature)) continue;
    records.emplace_back(level_record(update.feature, update.max_version_level));
    if (update.feature != elr_feature) continue;
    if (update.max_version_level == 0) {
      records.emplace_back(wire::ClearElrRecord{});
      continue;
    }
    // From here on the minimum is the cluster's or a topic's, never one broker's.
    if (!image.config(ConfigResourceType::broker, "").contains("min.insync.replicas")) records.emplace_back(min_isr_record(state_));
    for (const auto& [resource, configs] : image.configs()) {
      if (resource.type != ConfigResourceType::broker || resource.name.empty() || !configs.contains("min.insync.replicas")) continue;
      wire::ConfigRecord record;
      record.resource_type = static_cast<std::int8_t>(resource.type);
      record.resource_name = resource.name;
      record.name = "min.insync.replicas";
      record.value.reset();
      records.emplace_back(std::move(record));
    }
  }
  if (result.response.error_code == 0 && !request.validate_only) result.records = std::move(records);
  return result;
}

}  // namespace harrow::controller
