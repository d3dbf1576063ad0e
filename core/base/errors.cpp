#include <array>

#include "core/base/result.h"

namespace harrow {
namespace {

struct Row {
  std::int16_t number;
  std::string_view name;
  bool retriable;
  bool refresh;
};

constexpr Row rows[] = {
#define HARROW_CODE(name, value, retriable, refresh) {value, #name, retriable, refresh},
#include "core/base/codes.def"
#undef HARROW_CODE
};

// Rows of the wire stand in the order of their numbers from -1 on, the internal ones after them.
const Row* find(Code code) {
  const int index = static_cast<int>(code) + 1;
  constexpr int count = static_cast<int>(std::size(rows));
  if (index >= 0 && index < count && rows[index].number == static_cast<std::int16_t>(code)) return &rows[index];
  for (const Row& row : rows)
    if (row.number == static_cast<std::int16_t>(code)) return &row;
  return nullptr;
}

constexpr std::size_t longest = 48;
constexpr auto upper_names = [] {
  std::array<std::array<char, longest>, std::size(rows)> names{};
  for (std::size_t i = 0; i < std::size(rows); ++i)
    for (std::size_t j = 0; j < rows[i].name.size(); ++j) {
      const char c = rows[i].name[j];
      names[i][j] = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
  return names;
}();

}  // namespace

std::string_view name_of(Code code) {
  const Row* const row = find(code);
  return row != nullptr ? row->name : std::string_view("code");
}

std::string_view kafka_name_of(Code code) {
  const Row* const row = find(code);
  return row != nullptr ? std::string_view(upper_names[static_cast<std::size_t>(row - rows)].data(), row->name.size())
                        : std::string_view("UNKNOWN");
}

Code code_from_wire(std::int16_t number) {
  const Row* const row = find(static_cast<Code>(number));
  return row != nullptr && number >= -1 ? static_cast<Code>(number) : Code::unknown_server_error;
}

Code to_wire(Code code) {
  switch (code) {
    case Code::io_error:
    case Code::disk_full: return Code::kafka_storage_error;
    case Code::not_found: return Code::unknown_topic_or_partition;
    case Code::closed:
    case Code::connection_reset:
    case Code::connection_refused: return Code::network_exception;
    case Code::timed_out: return Code::request_timed_out;
    case Code::truncated_input:
    case Code::malformed_input: return Code::invalid_request;
    case Code::too_large: return Code::message_too_large;
    case Code::already_exists: return Code::topic_already_exists;
    default: return code;
  }
}

bool is_retriable(Code code) {
  const Row* const row = find(code);
  return row != nullptr && row->retriable;
}

bool wants_metadata_refresh(Code code) {
  const Row* const row = find(code);
  return row != nullptr && row->refresh;
}

}  // namespace harrow
