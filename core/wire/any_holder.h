// How the generated rows of any_message.h are made; only generated code includes this.
#pragma once

#include "core/wire/any_message.h"

namespace harrow::wire {

template <class Message>
class AnyHolder final : public AnyMessage {
 public:
  AnyHolder() = default;
  explicit AnyHolder(Message message) : message_(std::move(message)) {}
  void encode(Writer& w, std::int16_t version) const override { message_.encode(w, version); }
  std::string print() const override { return message_.print(); }
  void randomise(Random& random, std::int16_t version) override { message_.randomise(random, version); }
  bool equals(const AnyMessage& other) const override {
    return other.name() == Message::message_name && static_cast<const AnyHolder&>(other).message_ == message_;
  }
  std::string_view name() const override { return Message::message_name; }

 private:
  Message message_;
};

template <class Message>
std::unique_ptr<AnyMessage> create_any() {
  return std::make_unique<AnyHolder<Message>>();
}
template <class Message>
Result<std::unique_ptr<AnyMessage>> decode_any(Reader& r, std::int16_t version) {
  TRY(Message message, Message::decode(r, version));
  return std::unique_ptr<AnyMessage>(std::make_unique<AnyHolder<Message>>(std::move(message)));
}

template <class Message>
constexpr MessageInfo row_of(MessageKind kind, std::int16_t key) {
  return MessageInfo{Message::message_name,          kind, key, Message::min_version, Message::max_version, Message::flexible_from,
                     &create_any<Message>, &decode_any<Message>};
}

}  // namespace harrow::wire
