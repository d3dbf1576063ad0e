// The five codecs of record batches, through their libraries. Compressed bytes depend on library versions, so nothing
// that is hashed or decided may depend on them; decompressed size is always capped by the caller.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/model/block_buffer.h"

namespace harrow {

/// Numbers are the attribute bits 0-2 of a batch.
enum class Codec : std::uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };

std::string_view name_of(Codec codec);
/// False for a name that is none of `none` (or `uncompressed`), `gzip`, `snappy`, `lz4`, `zstd`.
bool parse_codec(std::string_view name, Codec& out);

/// Appends the compressed form of `in` to `out`.
void compress(Codec codec, std::span<const std::uint8_t> in, BlockBuffer& out);
/// The original of `in`: corrupt_message when it is none, record_list_too_large when it exceeds `max_bytes`.
Result<Bytes> decompress(Codec codec, std::span<const std::uint8_t> in, std::uint64_t max_bytes);

}  // namespace harrow
