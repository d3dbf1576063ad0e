// The wire room turns Kafka's messages into structs and back. Owner of every byte layout that leaves a node or enters a
// log's records. The tables in core/wire/schema say what a message is; generate.py makes its struct, decoder, encoder,
// printer and random filler from them; nothing here waits, and nothing here knows who sent a message or why.
//
// Invariants: one struct serves every version of a message and holds no version; encode(decode(bytes)) gives the same
// bytes; a decoder accepts any input and answers with a value or an error, allocating no more than a fixed multiple of
// the bytes it was given; fields of records are shared with the frame they came in, never copied.
//
// This header is all that a generated header needs: keep it light, every room includes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/model/ids.h"

namespace harrow {
class Reader;
class Writer;
class Random;
}  // namespace harrow

namespace harrow::wire {

enum class ApiKey : std::int16_t;

/// `flexible_from` of a message which has no flexible version.
constexpr std::int16_t never_flexible = 32767;

/// A tagged field this release does not know; kept so that passing a message on loses nothing.
struct RawTag {
  std::uint32_t tag = 0;
  Bytes data;
  friend bool operator==(const RawTag&, const RawTag&) = default;
};

}  // namespace harrow::wire
