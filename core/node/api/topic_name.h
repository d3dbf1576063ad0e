// Which topic names there can be.
#pragma once

#include <algorithm>
#include <string_view>

namespace harrow {

inline bool valid_topic_name(std::string_view name) {
  constexpr std::size_t longest = 249;
  if (name.empty() || name.size() > longest || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

}  // namespace harrow
