// A number with a meaning: offsets, epochs and ids that do not convert into each other.
#pragma once

#include <compare>
#include <cstdint>
#include <type_traits>

namespace harrow {

template <class Value, class Tag>
class Strong {
 public:
  using value_type = Value;
  constexpr Strong() = default;
  template <class Number>
    requires(std::is_integral_v<Number> && !std::is_same_v<Number, bool>)
  constexpr explicit Strong(Number value) : value_(static_cast<Value>(value)) {}

  constexpr Value value() const { return value_; }
  friend constexpr auto operator<=>(const Strong&, const Strong&) = default;

  constexpr Strong& operator++() { ++value_; return *this; }
  constexpr Strong& operator--() { --value_; return *this; }
  friend constexpr Strong operator+(Strong a, std::int64_t n) { return Strong(a.value_ + n); }
  friend constexpr Strong operator-(Strong a, std::int64_t n) { return Strong(a.value_ - n); }
  friend constexpr std::int64_t operator-(Strong a, Strong b) {
    return static_cast<std::int64_t>(a.value_) - static_cast<std::int64_t>(b.value_);
  }

 private:
  Value value_{};
};

}  // namespace harrow
