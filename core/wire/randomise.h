// What generated random fillers call: values that reach the corners of an encoding (empty, null, extreme, long).
#pragma once

#include "core/base/random.h"
#include "core/wire/message.h"

namespace harrow::wire::dice {

std::int64_t integer(Random& random, int bits, bool is_signed);
void roll(Random& random, bool& v);
void roll(Random& random, std::int8_t& v);
void roll(Random& random, std::int16_t& v);
void roll(Random& random, std::uint16_t& v);
void roll(Random& random, std::int32_t& v);
void roll(Random& random, std::uint32_t& v);
void roll(Random& random, std::int64_t& v);
void roll(Random& random, double& v);
void roll(Random& random, std::string& v);
void roll(Random& random, Uuid& v);
void roll(Random& random, Bytes& v);
/// Now and then a tag from far above those in use.
void roll(Random& random, std::vector<RawTag>& v);

/// Whether a value is null this time.
inline bool absent(Random& random, bool nullable) { return nullable && random.chance(1, 4); }
inline std::size_t count(Random& random) { return static_cast<std::size_t>(random.below(4)); }

}  // namespace harrow::wire::dice
