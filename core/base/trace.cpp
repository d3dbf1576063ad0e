#include "core/base/trace.h"

namespace harrow {
namespace {
struct Row {
  std::string_view name, a, b;
};
Row row_of(TraceKind kind) {
  switch (kind) {
#define HARROW_TRACE(number, name, a, b, payload) \
  case TraceKind::name: return {#name, a, b};
#include "core/base/trace_kinds.def"
#undef HARROW_TRACE
  }
  return {"unknown", "", ""};
}
}  // namespace

std::string_view name_of(TraceKind kind) { return row_of(kind).name; }
std::string_view first_field_of(TraceKind kind) { return row_of(kind).a; }
std::string_view second_field_of(TraceKind kind) { return row_of(kind).b; }

}  // namespace harrow
