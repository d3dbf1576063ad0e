// The awaiter of an operation that a host finishes later: the host keeps a pointer to it in a slot of its own, and the
// completion clears that slot if its coroutine dies first.
#pragma once

#include <optional>
#include <utility>

#include "core/async/ready.h"

namespace harrow {

template <class T>
class Completion : public Ready {
 public:
  Completion() = default;
  Completion(Completion&&) = delete;
  ~Completion() { detach(); }

  /// The host's slot now points here. One completion sits in at most one slot.
  void attach(Completion** slot) {
    detach();
    slot_ = slot;
    *slot = this;
  }
  void detach() {
    if (slot_ != nullptr) *std::exchange(slot_, nullptr) = nullptr;
  }
  /// Gives the result; wakes the coroutine if it already waits.
  void complete(T value) {
    detach();
    value_.emplace(std::move(value));
    if (handle) post();
  }
  /// The same, made in place.
  template <class... Arguments>
  void complete_with(Arguments&&... arguments) {
    detach();
    value_.emplace(std::forward<Arguments>(arguments)...);
    if (handle) post();
  }
  bool completed() const { return value_.has_value(); }

 protected:
  T take() { return std::move(*value_); }

 private:
  Completion** slot_ = nullptr;
  std::optional<T> value_;
};

}  // namespace harrow
