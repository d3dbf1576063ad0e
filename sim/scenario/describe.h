// Texts made from the key table: the JSON schema (draft-07), the two reference pages and the commented file of
// `harrow new`.
#pragma once

#include <string>

namespace harrow::sim {

std::string json_schema();
std::string scenario_reference();  // Markdown
std::string fault_reference();     // Markdown
std::string scenario_template(const std::string& name);

}  // namespace harrow::sim
