// Errors are values. `Code` is Kafka's own error code (facts section 16) plus a few internal ones below -1 that
// never leave a node; `to_wire` is the one table that turns them into what a client may see.
#pragma once

#include <cstdint>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace harrow {

enum class Code : std::int16_t {
#define HARROW_CODE(name, value, retriable, refresh) name = value,
#include "core/base/codes.def"
#undef HARROW_CODE
};

/// Lower-case name of a code ("not_leader_or_follower"), or "code" for a number Kafka does not define.
std::string_view name_of(Code code);
/// Kafka's spelling of a code ("NOT_LEADER_OR_FOLLOWER"), static storage.
std::string_view kafka_name_of(Code code);
/// The code with this number, or unknown_server_error when there is none.
Code code_from_wire(std::int16_t number);
/// What a client is told: internal codes become their nearest Kafka code, Kafka's stay as they are.
Code to_wire(Code code);
/// Whether the Java client retries a request that failed so, and whether it refreshes metadata first.
bool is_retriable(Code code);
bool wants_metadata_refresh(Code code);

/// `what` is a literal or otherwise outlives the error; it is for people, never for decisions.
struct Error {
  Code code = Code::none;
  const char* what = "";
  friend bool operator==(const Error& a, const Error& b) { return a.code == b.code; }
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> error(Code code, const char* what = "") { return tl::unexpected<Error>(Error{code, what}); }

inline tl::unexpected<Error> pass(const Error& e) { return tl::unexpected<Error>(e); }

}  // namespace harrow

#define HARROW_CONCAT2(a, b) a##b
#define HARROW_CONCAT(a, b) HARROW_CONCAT2(a, b)

/// `TRY(const auto n, decode(x));` declares n or returns the error.
#define TRY(declaration, expression)                                          \
  auto HARROW_CONCAT(try_, __LINE__) = (expression);                          \
  if (!HARROW_CONCAT(try_, __LINE__)) [[unlikely]]                            \
    return ::harrow::pass(HARROW_CONCAT(try_, __LINE__).error());             \
  declaration = std::move(*HARROW_CONCAT(try_, __LINE__))

/// `TRY_VOID(write(x));` returns the error, if any.
#define TRY_VOID(expression)                                                  \
  if (auto HARROW_CONCAT(try_, __LINE__) = (expression); !HARROW_CONCAT(try_, __LINE__)) [[unlikely]] \
  return ::harrow::pass(HARROW_CONCAT(try_, __LINE__).error())

/// The same two within a coroutine.
#define TRY_CO(declaration, expression)                                       \
  auto HARROW_CONCAT(try_, __LINE__) = (expression);                          \
  if (!HARROW_CONCAT(try_, __LINE__)) [[unlikely]]                            \
    co_return ::harrow::pass(HARROW_CONCAT(try_, __LINE__).error());          \
  declaration = std::move(*HARROW_CONCAT(try_, __LINE__))
#define TRY_VOID_CO(expression)                                               \
  if (auto HARROW_CONCAT(try_, __LINE__) = (expression); !HARROW_CONCAT(try_, __LINE__)) [[unlikely]] \
  co_return ::harrow::pass(HARROW_CONCAT(try_, __LINE__).error())
