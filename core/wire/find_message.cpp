#include "core/wire/any_message.h"

namespace harrow::wire {

const MessageInfo* find_message(std::string_view name) {
  for (const MessageInfo* const info : all_messages())
    if (info->name == name) return info;
  return nullptr;
}

}  // namespace harrow::wire
