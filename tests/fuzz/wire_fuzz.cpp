// libFuzzer target: the first three bytes choose a message and a version, the rest is its encoding. Whatever is decoded must
// encode, and decode again to the same bytes. Build: preset `fuzz`, target `wire_fuzz`.
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/buffer.h"
#include "core/wire/any_message.h"
#include "core/wire/coordinator_records.h"
#include "core/wire/frame.h"
#include "core/wire/metadata_records.h"

using namespace harrow;

namespace {

void try_framings(const Bytes& bytes) {
  Reader r(bytes);
  const auto header = wire::RequestHeader::decode(r);
  if (header) CHECK(header->unknown_tags.size() <= bytes.size());
  if (const auto record = wire::decode_record(bytes)) CHECK(wire::decode_record(wire::encode_record(*record)).has_value());
  if (const auto key = wire::decode_group_log_key(bytes)) CHECK(wire::encode_key(*key) == bytes.sub(0, wire::encode_key(*key).size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const auto& all = wire::all_messages();
  const std::size_t choice = data[0] * std::size_t{256} + data[1];
  const Bytes bytes = Bytes::copy_of(std::span(data + 3, size - 3));
  if (choice >= 0xff00) {
    try_framings(bytes);
    return 0;
  }
  const wire::MessageInfo& info = *all[choice % all.size()];
  const int versions = info.max_version - info.min_version + 1;
  const auto version = static_cast<std::int16_t>(info.min_version + data[2] % versions);
  Reader r(bytes);
  const auto message = info.decode(r, version);
  if (!message) return 0;
  CHECK((*message)->print().size() >= 2);
  Writer w;
  (*message)->encode(w, version);
  const Bytes canonical = w.finish();
  Reader again(canonical);
  const auto second = info.decode(again, version);
  CHECK(second.has_value() && again.left() == 0);
  Writer w2;
  (*second)->encode(w2, version);
  CHECK(w2.finish() == canonical);
  return 0;
}
