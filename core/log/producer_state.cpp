#include "core/log/producer_state.h"

#include <algorithm>

#include "core/base/buffer.h"
#include "core/base/mutation.h"
#include "core/model/crc32c.h"

namespace harrow {
namespace {
constexpr std::int16_t snapshot_version = 1;
constexpr std::uint32_t snapshot_entry_bytes = 46;

std::int32_t sequence_minus(std::int32_t sequence, std::int32_t delta) {
  return static_cast<std::int32_t>((std::int64_t{sequence} - delta) & 0x7fffffff);
}
std::int32_t next_sequence(std::int32_t sequence) { return sequence == INT32_MAX ? 0 : sequence + 1; }
}  // namespace

std::int32_t ProducerBatch::first_sequence() const { return last_sequence < 0 ? -1 : sequence_minus(last_sequence, offset_delta); }

std::optional<TransactionMarker> marker_of(const Bytes& control_batch) {
  Result<RecordReader> reader = RecordReader::open(control_batch);
  Record record;
  if (!reader || !reader->next(record)) return std::nullopt;
  const std::optional<ControlType> type = control_type_of(record);
  if (type != ControlType::commit && type != ControlType::abort) return std::nullopt;
  return TransactionMarker{*type == ControlType::commit, coordinator_epoch_of(record).value_or(-1)};
}

Code ProducerState::check(const BatchHeader& header, const ProducerBatch*& duplicate) const {
  const ProducerEntry* const entry = find(header.producer_id);
  if (entry == nullptr) return Code::none;  // nothing known: any sequence begins
  const std::int16_t epoch = header.producer_epoch.value();
  if (epoch < entry->epoch) return Code::invalid_producer_epoch;
  if (epoch == entry->epoch) {
    const std::uint8_t known = mutated(Bug::P02) && entry->batch_count > 1 ? 1 : entry->batch_count;
    for (std::uint8_t i = 0; i < known; ++i) {
      const ProducerBatch& batch = entry->batches[entry->batch_count - 1 - i];
      if (batch.first_sequence() == header.base_sequence && batch.last_sequence == header.last_sequence()) {
        duplicate = &batch;
        return Code::duplicate_sequence_number;
      }
    }
  }
  if (!header.is_transactional() && entry->open_transaction != no_offset) return Code::invalid_txn_state;
  const ProducerBatch* const last = entry->last();
  if (epoch > entry->epoch || last == nullptr) {
    // A new epoch begins at 0; after a marker alone (no batch known) any sequence of the same epoch does.
    if (epoch > entry->epoch && header.base_sequence != 0) return Code::out_of_order_sequence_number;
    return Code::none;
  }
  if (header.base_sequence != next_sequence(last->last_sequence)) return Code::out_of_order_sequence_number;
  return Code::none;
}

std::optional<ProducerState::Completed> ProducerState::update(const BatchHeader& header, std::optional<Marker> marker) {
  if (!header.has_producer()) return std::nullopt;
  ProducerEntry& entry = producers_[header.producer_id];
  if (header.producer_epoch.value() > entry.epoch) {
    entry.epoch = header.producer_epoch.value();
    entry.batch_count = 0;
  }
  if (header.max_timestamp > entry.last_timestamp || entry.last_timestamp.value() < 0) entry.last_timestamp = header.max_timestamp;
  if (header.is_control()) {
    if (!marker) return std::nullopt;
    entry.coordinator_epoch = marker->coordinator_epoch;
    entry.last_timestamp = header.max_timestamp;
    if (entry.open_transaction == no_offset) return std::nullopt;
    const Completed completed{header.producer_id, entry.open_transaction, header.last_offset(), !marker->commit};
    entry.open_transaction = no_offset;
    return completed;
  }
  if (entry.batch_count == ProducerEntry::window) {
    std::move(entry.batches + 1, entry.batches + ProducerEntry::window, entry.batches);
    --entry.batch_count;
  }
  entry.batches[entry.batch_count++] =
      ProducerBatch{header.last_sequence(), header.last_offset_delta, header.last_offset(), header.max_timestamp};
  entry.last_timestamp = header.max_timestamp;
  if (header.is_transactional() && entry.open_transaction == no_offset) entry.open_transaction = header.base_offset;
  return std::nullopt;
}

bool ProducerState::expire(WallMs now, std::int64_t expiration_ms) {
  const std::size_t before = producers_.size();
  for (auto at = producers_.begin(); at != producers_.end();) {
    const ProducerEntry& entry = at->second;
    if (entry.open_transaction == no_offset && now - entry.last_timestamp >= expiration_ms) at = producers_.erase(at);
    else ++at;
  }
  return producers_.size() != before;
}

const ProducerEntry* ProducerState::find(ProducerId id) const {
  const auto at = producers_.find(id);
  return at == producers_.end() ? nullptr : &at->second;
}

std::optional<Offset> ProducerState::first_unstable_offset() const {
  std::optional<Offset> first;
  for (const auto& [id, entry] : producers_)
    if (entry.open_transaction != no_offset && (!first || entry.open_transaction < *first)) first = entry.open_transaction;
  return first;
}

Bytes ProducerState::encode() const {
  Writer body(static_cast<std::uint32_t>(4 + producers_.size() * snapshot_entry_bytes));
  body.i32(static_cast<std::int32_t>(producers_.size()));
  for (const auto& [id, entry] : producers_) {
    const ProducerBatch* const last = entry.last();
    body.i64(id.value());
    body.i16(entry.epoch);
    body.i32(last != nullptr ? last->last_sequence : -1);
    body.i64(last != nullptr ? last->last_offset.value() : -1);
    body.i32(last != nullptr ? last->offset_delta : 0);
    body.i64(entry.last_timestamp.value());
    body.i32(entry.coordinator_epoch);
    body.i64(entry.open_transaction.value());
  }
  const Bytes entries = body.finish();
  Writer writer(static_cast<std::uint32_t>(6 + entries.size()));
  writer.i16(snapshot_version);
  writer.u32(crc32c(entries));
  writer.bytes(entries);
  return writer.finish().flat();
}

Result<ProducerState> ProducerState::decode(const Bytes& file) {
  Reader reader(file);
  const std::int16_t version = reader.i16();
  const std::uint32_t crc = reader.u32();
  if (reader.failed() || version != snapshot_version) return error(Code::corrupt_message, "a producer snapshot has a wrong head");
  Crc32c sum;
  sum.add(file, 6);
  if (sum.value() != crc) return error(Code::corrupt_message, "a producer snapshot has a wrong CRC");
  const std::int32_t count = reader.i32();
  if (reader.failed() || count < 0 || reader.left() != std::uint64_t{snapshot_entry_bytes} * static_cast<std::uint32_t>(count))
    return error(Code::corrupt_message, "a producer snapshot has a wrong length");
  ProducerState state;
  for (std::int32_t i = 0; i < count; ++i) {
    const ProducerId id(reader.i64());
    ProducerEntry entry;
    entry.epoch = reader.i16();
    ProducerBatch last{};
    last.last_sequence = reader.i32();
    last.last_offset = Offset(reader.i64());
    last.offset_delta = reader.i32();
    entry.last_timestamp = last.timestamp = WallMs(reader.i64());
    entry.coordinator_epoch = reader.i32();
    entry.open_transaction = Offset(reader.i64());
    if (last.last_offset.value() >= 0) entry.batches[entry.batch_count++] = last;
    state.producers_.insert_or_assign(id, entry);
  }
  return state;
}

}  // namespace harrow
