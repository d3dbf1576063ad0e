// `%020d.txnindex`: the aborted transactions that ended in a segment (facts section 4).
#pragma once

#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/model/ids.h"

namespace harrow {

struct AbortedTransaction {
  ProducerId producer_id;
  Offset first_offset;
  Offset last_offset;  // of the marker
  Offset last_stable_offset;
  friend bool operator==(const AbortedTransaction&, const AbortedTransaction&) = default;
};
constexpr std::uint32_t aborted_entry_bytes = 34;

Bytes encode_aborted(const AbortedTransaction& entry);
/// Nothing if the size or a version is wrong.
std::optional<std::vector<AbortedTransaction>> decode_aborted(const Bytes& file);

}  // namespace harrow
