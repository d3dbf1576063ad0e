#include "sim/check/registry.h"

namespace harrow::sim {

std::span<const CheckRow> all_checks() {
  static constexpr CheckRow rows[] = {
#define HARROW_CHECK(id, file, name, kind, statement) {#id, name, CheckKind::kind, statement, &make_##file},
#include "sim/check/checks.def"
#undef HARROW_CHECK
  };
  return rows;
}

const CheckRow* find_check(std::string_view id_or_name) {
  for (const CheckRow& row : all_checks())
    if (row.id == id_or_name || row.name == id_or_name) return &row;
  return nullptr;
}

}  // namespace harrow::sim
