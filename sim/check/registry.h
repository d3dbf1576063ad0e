// Every check of this release, in one table: the run makes them from it, the documents and tests list it.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "sim/check/check.h"

namespace harrow::sim {

struct CheckRow {
  std::string_view id;         // "I6"
  std::string_view name;       // "leader-per-epoch"
  CheckKind kind;
  std::string_view statement;
  std::unique_ptr<Check> (*make)();
};

std::span<const CheckRow> all_checks();
/// By id or name; null when there is none.
const CheckRow* find_check(std::string_view id_or_name);

#define HARROW_CHECK(id, file, name, kind, statement) std::unique_ptr<Check> make_##file();
#include "sim/check/checks.def"
#undef HARROW_CHECK

}  // namespace harrow::sim
