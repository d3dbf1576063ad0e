// What a client may call its software (KIP-511): names and versions become labels of metrics, so they are restrained.
#pragma once

#include <algorithm>
#include <string_view>

#include "core/wire/api_versions_request.h"

namespace harrow {

constexpr std::int16_t client_software_from = 3;  // version of ApiVersions

/// Letters, digits, '-' and '.'; the latter two neither first nor last.
inline bool valid_client_software(std::string_view text) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return !text.empty() && plain(text.front()) && plain(text.back()) && std::all_of(text.begin(), text.end(), [&](char c) { return plain(c) || c == '-' || c == '.'; });
}

inline bool names_client_software(const wire::ApiVersionsRequest& request, std::int16_t version) {
  return version >= client_software_from && valid_client_software(request.client_software_name) && valid_client_software(request.client_software_version);
}

}  // namespace harrow
