// Every message behind one interface, for tests, fuzzing and `harrow log dump`: what is known only at run time.
#pragma once

#include <memory>
#include <vector>

#include "core/wire/message.h"

namespace harrow::wire {

class AnyMessage {
 public:
  virtual ~AnyMessage() = default;
  virtual void encode(Writer& w, std::int16_t version) const = 0;
  virtual std::string print() const = 0;
  virtual void randomise(Random& random, std::int16_t version) = 0;
  /// Whether both are the same message with equal fields.
  virtual bool equals(const AnyMessage& other) const = 0;
  virtual std::string_view name() const = 0;
};

enum class MessageKind { request, response, record, key, value, data };

struct MessageInfo {
  std::string_view name;
  MessageKind kind;
  /// Number of the API, record type or log type; -1 when there is none.
  std::int16_t key;
  std::int16_t min_version;
  std::int16_t max_version;
  std::int16_t flexible_from;
  std::unique_ptr<AnyMessage> (*create)();
  Result<std::unique_ptr<AnyMessage>> (*decode)(Reader& r, std::int16_t version);
};

/// Every message there is, in the order of the tables.
const std::vector<const MessageInfo*>& all_messages();
/// The row of this name, or null.
const MessageInfo* find_message(std::string_view name);

}  // namespace harrow::wire
