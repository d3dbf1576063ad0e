#include "core/log/txn_index.h"

#include "core/base/buffer.h"

namespace harrow {

Bytes encode_aborted(const AbortedTransaction& entry) {
  Writer writer(aborted_entry_bytes);
  writer.i16(0);
  writer.i64(entry.producer_id.value());
  writer.i64(entry.first_offset.value());
  writer.i64(entry.last_offset.value());
  writer.i64(entry.last_stable_offset.value());
  return writer.finish();
}

std::optional<std::vector<AbortedTransaction>> decode_aborted(const Bytes& file) {
  if (file.size() % aborted_entry_bytes != 0) return std::nullopt;
  std::vector<AbortedTransaction> entries;
  Reader reader(file);
  while (reader.left() > 0) {
    if (reader.i16() != 0) return std::nullopt;
    AbortedTransaction entry;
    entry.producer_id = ProducerId(reader.i64());
    entry.first_offset = Offset(reader.i64());
    entry.last_offset = Offset(reader.i64());
    entry.last_stable_offset = Offset(reader.i64());
    entries.push_back(entry);
  }
  return entries;
}

}  // namespace harrow
