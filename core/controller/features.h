// The features that this release knows, with the levels it supports and the ones a new cluster starts with.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace harrow::controller {

struct Feature {
  std::string_view name;
  std::int16_t min_level;
  std::int16_t max_level;
};
/// In order of their names.
std::span<const Feature> supported_features();

constexpr std::string_view elr_feature = "eligible.leader.replicas.version";
constexpr std::string_view metadata_feature = "metadata.version";

}  // namespace harrow::controller
