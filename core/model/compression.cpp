#include "core/model/compression.h"

#include <algorithm>
#include <lz4frame.h>
#include <memory>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include "core/base/buffer.h"
#include "core/base/check.h"

namespace harrow {
namespace {

// Framing of Java's snappy streams (xerial): magic, version, oldest compatible version, then blocks with a length each.
constexpr std::uint8_t xerial_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
constexpr std::uint32_t xerial_header_bytes = 16;
constexpr std::uint32_t xerial_block_bytes = 32 * 1024;

const char* chars(const std::uint8_t* bytes) { return reinterpret_cast<const char*>(bytes); }
char* chars(std::uint8_t* bytes) { return reinterpret_cast<char*>(bytes); }

void put_i32(BlockBuffer& out, std::uint32_t value) {
  const std::uint32_t big = detail::big_endian(value);
  out.put(&big, 4);
}

tl::unexpected<Error> too_large() { return error(Code::record_list_too_large, "decompressed records exceed the limit"); }
tl::unexpected<Error> damaged() { return error(Code::corrupt_message, "compressed records are damaged"); }

// Room for the next piece of output: as much as is free, one byte beyond the limit so that excess shows.
std::uint32_t next_room(BlockBuffer& out, std::uint64_t max_bytes) {
  if (out.free() == 0) out.room(out.size() < 4096 ? 4096 : out.size());
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(out.free(), max_bytes + 1 - out.size()));
}

BlockBuffer output_for(std::size_t compressed, std::uint64_t max_bytes) {
  const std::uint64_t guess = std::min<std::uint64_t>(std::uint64_t{compressed} * 4 + 64, max_bytes + 1);
  return BlockBuffer(static_cast<std::uint32_t>(std::min<std::uint64_t>(guess, 1u << 26)));
}

void gzip(std::span<const std::uint8_t> in, BlockBuffer& out) {
  z_stream stream{};
  CHECK(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  const auto bound = static_cast<std::uint32_t>(deflateBound(&stream, in.size()));
  stream.next_in = const_cast<std::uint8_t*>(in.data());
  stream.avail_in = static_cast<unsigned>(in.size());
  stream.next_out = out.room(bound);
  stream.avail_out = bound;
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.advance(bound - stream.avail_out);
  deflateEnd(&stream);
}

Result<Bytes> gunzip(std::span<const std::uint8_t> in, std::uint64_t max_bytes) {
  z_stream stream{};
  CHECK(inflateInit2(&stream, 15 + 16) == Z_OK);
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  stream.next_in = const_cast<std::uint8_t*>(in.data());
  stream.avail_in = static_cast<unsigned>(in.size());
  BlockBuffer out = output_for(in.size(), max_bytes);
  while (true) {
    const std::uint32_t space = next_room(out, max_bytes);
    stream.next_out = out.room(space);
    stream.avail_out = space;
    const int outcome = inflate(&stream, Z_NO_FLUSH);
    out.advance(space - stream.avail_out);
    if (out.size() > max_bytes) return too_large();
    if (outcome == Z_STREAM_END) {
      if (stream.avail_in == 0) return out.finish();
      if (inflateReset(&stream) != Z_OK) return damaged();  // members may follow each other
    } else if (outcome != Z_OK || (stream.avail_in == 0 && stream.avail_out != 0)) {
      return damaged();
    }
  }
}

void snappy_frames(std::span<const std::uint8_t> in, BlockBuffer& out) {
  out.put(xerial_magic, sizeof(xerial_magic));
  put_i32(out, 1);
  put_i32(out, 1);
  while (!in.empty()) {
    const std::size_t take = std::min<std::size_t>(in.size(), xerial_block_bytes);
    const auto bound = static_cast<std::uint32_t>(::snappy::MaxCompressedLength(take));
    std::uint8_t* const at = out.room(bound + 4);
    std::size_t size = 0;
    ::snappy::RawCompress(chars(in.data()), take, chars(at + 4), &size);
    put_i32(out, static_cast<std::uint32_t>(size));
    out.advance(static_cast<std::uint32_t>(size));
    in = in.subspan(take);
  }
}

bool unsnappy_block(std::span<const std::uint8_t> in, std::uint64_t max_bytes, BlockBuffer& out, bool& excess) {
  std::size_t size = 0;
  if (!::snappy::GetUncompressedLength(chars(in.data()), in.size(), &size)) return false;
  if (size > max_bytes || out.size() + size > max_bytes) {
    excess = true;
    return false;
  }
  std::uint8_t* const to = out.room(static_cast<std::uint32_t>(size));
  if (!::snappy::RawUncompress(chars(in.data()), in.size(), chars(to))) return false;
  out.advance(static_cast<std::uint32_t>(size));
  return true;
}

Result<Bytes> unsnappy(std::span<const std::uint8_t> in, std::uint64_t max_bytes) {
  BlockBuffer out(256);
  bool excess = false;
  const bool framed = in.size() >= sizeof(xerial_magic) && std::memcmp(in.data(), xerial_magic, sizeof(xerial_magic)) == 0;
  if (!framed) {
    if (!unsnappy_block(in, max_bytes, out, excess)) return excess ? too_large() : damaged();
    return out.finish();
  }
  if (in.size() < xerial_header_bytes) return damaged();
  in = in.subspan(xerial_header_bytes);
  while (!in.empty()) {
    if (in.size() < 4) return damaged();
    std::uint32_t size = 0;
    std::memcpy(&size, in.data(), 4);
    size = detail::big_endian(size);
    in = in.subspan(4);
    if (size > in.size()) return damaged();
    if (!unsnappy_block(in.first(size), max_bytes, out, excess)) return excess ? too_large() : damaged();
    in = in.subspan(size);
  }
  return out.finish();
}

void lz4(std::span<const std::uint8_t> in, BlockBuffer& out) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;  // the only mode that old Java readers know
  const auto bound = static_cast<std::uint32_t>(LZ4F_compressFrameBound(in.size(), &preferences));
  const std::size_t size = LZ4F_compressFrame(out.room(bound), bound, in.data(), in.size(), &preferences);
  CHECK(LZ4F_isError(size) == 0);
  out.advance(static_cast<std::uint32_t>(size));
}

Result<Bytes> unlz4(std::span<const std::uint8_t> in, std::uint64_t max_bytes) {
  LZ4F_dctx* raw = nullptr;
  CHECK(LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION)) == 0);
  const std::unique_ptr<LZ4F_dctx, LZ4F_errorCode_t (*)(LZ4F_dctx*)> context(raw, LZ4F_freeDecompressionContext);
  BlockBuffer out = output_for(in.size(), max_bytes);
  while (true) {
    const std::uint32_t space = next_room(out, max_bytes);
    std::size_t written = space;
    std::size_t taken = in.size();
    const std::size_t hint = LZ4F_decompress(context.get(), out.room(space), &written, in.data(), &taken, nullptr);
    if (LZ4F_isError(hint) != 0) return damaged();
    out.advance(static_cast<std::uint32_t>(written));
    in = in.subspan(taken);
    if (out.size() > max_bytes) return too_large();
    if (hint == 0) {
      if (!in.empty()) return damaged();
      return out.finish();
    }
    if (in.empty() && written < space) return damaged();
  }
}

void zstd(std::span<const std::uint8_t> in, BlockBuffer& out) {
  const auto bound = static_cast<std::uint32_t>(ZSTD_compressBound(in.size()));
  const std::size_t size = ZSTD_compress(out.room(bound), bound, in.data(), in.size(), ZSTD_CLEVEL_DEFAULT);
  CHECK(ZSTD_isError(size) == 0);
  out.advance(static_cast<std::uint32_t>(size));
}

Result<Bytes> unzstd(std::span<const std::uint8_t> in, std::uint64_t max_bytes) {
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  BlockBuffer out = output_for(in.size(), max_bytes);
  ZSTD_inBuffer from{in.data(), in.size(), 0};
  while (true) {
    const std::uint32_t space = next_room(out, max_bytes);
    ZSTD_outBuffer to{out.room(space), space, 0};
    const std::size_t hint = ZSTD_decompressStream(context.get(), &to, &from);
    if (ZSTD_isError(hint) != 0) return damaged();
    out.advance(static_cast<std::uint32_t>(to.pos));
    if (out.size() > max_bytes) return too_large();
    if (hint == 0 && from.pos == from.size) return out.finish();
    if (from.pos == from.size && to.pos < space) return damaged();
  }
}

}  // namespace

std::string_view name_of(Codec codec) {
  constexpr std::string_view names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
  return names[static_cast<std::size_t>(codec)];
}

bool parse_codec(std::string_view name, Codec& out) {
  if (name == "uncompressed") name = "none";
  for (const Codec codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd})
    if (name_of(codec) == name) {
      out = codec;
      return true;
    }
  return false;
}

void compress(Codec codec, std::span<const std::uint8_t> in, BlockBuffer& out) {
  switch (codec) {
    case Codec::none: out.put(in.data(), static_cast<std::uint32_t>(in.size())); return;
    case Codec::gzip: gzip(in, out); return;
    case Codec::snappy: snappy_frames(in, out); return;
    case Codec::lz4: lz4(in, out); return;
    case Codec::zstd: zstd(in, out); return;
  }
}

Result<Bytes> decompress(Codec codec, std::span<const std::uint8_t> in, std::uint64_t max_bytes) {
  switch (codec) {
    case Codec::none:
      if (in.size() > max_bytes) return too_large();
      return Bytes::copy_of(in);
    case Codec::gzip: return gunzip(in, max_bytes);
    case Codec::snappy: return unsnappy(in, max_bytes);
    case Codec::lz4: return unlz4(in, max_bytes);
    case Codec::zstd: return unzstd(in, max_bytes);
  }
  return error(Code::unsupported_compression_type, "unknown compression codec");
}

}  // namespace harrow
