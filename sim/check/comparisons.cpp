#include "sim/check/comparisons.h"

#include <algorithm>

#include "core/group/records.h"
#include "core/model/record_batch.h"
#include "core/wire/any_message.h"
#include "core/wire/frame.h"

namespace harrow::sim {
namespace {
std::string pair_text(std::int64_t a, std::int64_t b) { return "(" + std::to_string(a) + ", " + std::to_string(b) + ")"; }
bool contains(const controller::NodeIds& ids, NodeId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }
}  // namespace

std::string compare_epochs(const std::vector<std::pair<std::int32_t, std::int64_t>>& derived, const std::vector<EpochStart>& actual, std::int64_t start,
                           std::span<const std::int64_t> latest) {
  for (std::size_t i = 1; i < actual.size(); ++i)
    if (actual[i].epoch <= actual[i - 1].epoch || actual[i].start < actual[i - 1].start)
      return "the cache is not monotone at " + pair_text(actual[i].epoch.value(), actual[i].start.value());
  for (std::size_t i = 0; i < derived.size(); ++i) {
    const auto [epoch, first] = derived[i];
    const auto entry = std::find_if(actual.begin(), actual.end(), [epoch = epoch](const EpochStart& one) { return one.epoch.value() == epoch; });
    const std::int64_t by = latest.empty() ? std::max(first, start) : latest[i];
    if (entry == actual.end() && by == INT64_MAX) continue;
    if (entry == actual.end()) return "epoch " + std::to_string(epoch) + " has records from " + std::to_string(first) + " and is not in the cache";
    // A leader's own entry may begin before its first record; it may not claim records of the epoch before.
    const std::int64_t begins = entry->start.value();
    const std::int64_t earliest = i == 0 ? std::min(first, start) : derived[i - 1].second + 1;
    if (begins > by || (i > 0 && begins < earliest))
      return "epoch " + std::to_string(epoch) + " has records from " + std::to_string(first) + ", the cache says " + std::to_string(begins);
  }
  for (const EpochStart& entry : actual)
    for (const auto& [epoch, first] : derived)
      if (entry.epoch.value() > epoch && entry.start.value() <= first && first > start)
        return "the cache gives offset " + std::to_string(first) + " of epoch " + std::to_string(epoch) + " to epoch " + std::to_string(entry.epoch.value());
  return "";
}

std::string illegal_state(const controller::Image& image, const controller::PartitionImage& partition, std::int32_t min_isr, bool elr) {
  for (const NodeId id : partition.isr)
    if (!partition.has_replica(id)) return "broker " + std::to_string(id.value()) + " is in the ISR and no replica";
  for (const NodeId id : partition.elr) {
    if (!partition.has_replica(id)) return "broker " + std::to_string(id.value()) + " is in the ELR and no replica";
    if (partition.in_isr(id)) return "broker " + std::to_string(id.value()) + " is in ISR and ELR";
  }
  if (!partition.elr.empty() && static_cast<std::int32_t>(partition.isr.size()) >= min_isr) return "an ISR of " + std::to_string(partition.isr.size()) + " has an ELR beside it";
  if (partition.leader != no_node && !contains(partition.isr, partition.leader)) return "the leader " + std::to_string(partition.leader.value()) + " is not in the ISR";
  for (const NodeId id : partition.isr) {
    const controller::BrokerImage* const broker = image.broker(id);
    const bool fenced = broker == nullptr || broker->fenced;
    const bool stopping = broker != nullptr && broker->in_controlled_shutdown;
    if (!fenced && !stopping) continue;
    if (fenced && partition.leader == id) return "the fenced broker " + std::to_string(id.value()) + " leads";
    if (partition.isr.size() == 1 && (!elr || stopping)) continue;
    return std::string("the ") + (fenced ? "fenced" : "stopping") + " broker " + std::to_string(id.value()) + " is in the ISR";
  }
  return "";
}

std::string compare_indexes(const OffsetIndex& offsets, const TimeIndex& times, const Bytes& segment, std::int64_t base) {
  std::size_t next_offset = 0;
  std::size_t next_time = 0;
  std::int64_t largest = -1;
  BatchCursor cursor(segment);
  while (cursor.next()) {
    const BatchHeader& header = cursor.header();
    const std::uint64_t position = cursor.position();
    if (header.base_offset.value() < base) return "offset " + std::to_string(header.base_offset.value()) + " stands in the segment of " + std::to_string(base);
    const std::int64_t relative_last = header.last_offset().value() - base;
    if (offsets.floor_position(header.base_offset.value() - base) > position)
      return "the offset index begins to look for " + std::to_string(header.base_offset.value()) + " behind its batch";
    for (; next_offset < offsets.entries().size() && offsets.entries()[next_offset].position <= position; ++next_offset)
      if (offsets.entries()[next_offset].position != position || offsets.entries()[next_offset].relative_offset != relative_last)
        return "the offset index has " + pair_text(offsets.entries()[next_offset].relative_offset, offsets.entries()[next_offset].position) + ", no batch is there";
    largest = std::max(largest, header.max_timestamp.value());
    for (; next_time < times.entries().size() && times.entries()[next_time].relative_offset <= relative_last; ++next_time)
      if (times.entries()[next_time].timestamp.value() > largest)
        return "the time index has " + pair_text(times.entries()[next_time].timestamp.value(), times.entries()[next_time].relative_offset) + ", the largest time up to there is " + std::to_string(largest);
    if (header.max_timestamp.value() >= 0 && times.floor_offset(header.max_timestamp) > static_cast<std::uint64_t>(relative_last))
      return "the time index begins to look for " + std::to_string(header.max_timestamp.value()) + " behind offset " + std::to_string(header.last_offset().value());
  }
  if (next_offset < offsets.entries().size()) return "the offset index has an entry behind the segment's end";
  if (next_time < times.entries().size()) return "the time index has an entry behind the segment's end";
  return "";
}

std::string compare_producers(const std::map<std::int64_t, FoldedProducer>& folded, const ProducerState& actual) {
  for (const auto& [id, wanted] : folded) {
    const ProducerEntry* const entry = actual.find(ProducerId(id));
    if (entry == nullptr) return "producer " + std::to_string(id) + " has records and is not known";
    const ProducerBatch* const last = entry->last();
    if (entry->epoch != wanted.epoch) return "producer " + std::to_string(id) + " is known with epoch " + std::to_string(entry->epoch) + ", its last record has " + std::to_string(wanted.epoch);
    if (last == nullptr || last->last_sequence != wanted.last_sequence || last->last_offset.value() != wanted.last_offset)
      return "producer " + std::to_string(id) + " ends with sequence " + std::to_string(wanted.last_sequence) + " at " + std::to_string(wanted.last_offset) + ", the state says " +
             (last == nullptr ? std::string("nothing") : pair_text(last->last_sequence, last->last_offset.value()));
  }
  return "";
}

OffsetFold fold_offsets(const std::vector<Bytes>& batches) {
  OffsetFold fold;
  for (const Bytes& batch : batches) {
    Result<RecordReader> reader = RecordReader::open(batch);
    if (!reader || reader->header().is_control()) continue;
    Record record;
    while (reader->next(record)) {
      if (!record.key) continue;
      group::Record raw;
      raw.key = Bytes::copy_of(*record.key);
      if (record.value) raw.value = Bytes::copy_of(*record.value);
      const Result<group::Fact> fact = group::parse(raw);
      if (!fact) continue;
      if (const auto* const offset = std::get_if<group::OffsetFact>(&*fact)) {
        if (offset->value) fold[offset->key] = offset->value->offset.value();
        else fold.erase(offset->key);
      }
    }
  }
  return fold;
}

std::string compare_offsets(const OffsetFold& folded, const group::Shard& shard) {
  const auto named = [](const group::OffsetKey& key) { return "group " + key.group_id + ", " + key.topic + "-" + std::to_string(key.partition); };
  for (const auto& [key, offset] : folded) {
    const auto found = shard.offsets().find(key);
    if (found == shard.offsets().end()) return named(key) + ": the log says " + std::to_string(offset) + ", the coordinator knows nothing";
    if (found->second.offset.value() != offset) return named(key) + ": the log says " + std::to_string(offset) + ", the coordinator " + std::to_string(found->second.offset.value());
  }
  for (const auto& [key, value] : shard.offsets())
    if (!folded.contains(key)) return named(key) + ": the coordinator says " + std::to_string(value.offset.value()) + ", the log nothing";
  return "";
}

std::string malformed_answer(const Bytes& frame, std::int16_t api, std::int16_t version) {
  const wire::MessageInfo* row = nullptr;
  for (const wire::MessageInfo* const one : wire::all_messages())
    if (one->kind == wire::MessageKind::response && one->key == api) row = one;
  if (row == nullptr) return "an answer of API " + std::to_string(api) + ", which is not in the table";
  const std::string name = std::string(row->name) + " v" + std::to_string(version);
  if (version < row->min_version || version > row->max_version) return name + " is outside the table's versions";
  constexpr std::uint64_t size_bytes = 4;
  const Bytes body = frame.from(size_bytes);
  Reader reader(body);
  const auto header = wire::ResponseHeader::decode(reader, static_cast<wire::ApiKey>(api), version);
  if (!header) return name + ": its header does not decode";
  const auto message = row->decode(reader, version);
  if (!message) return name + " does not decode";
  if (reader.left() != 0) return name + " leaves " + std::to_string(reader.left()) + " bytes over";
  return "";
}

std::int64_t first_offset_at(const std::vector<Bytes>& batches, std::int64_t timestamp, std::int64_t from, std::int64_t to) {
  for (const Bytes& batch : batches) {
    Result<RecordReader> reader = RecordReader::open(batch);
    if (!reader || reader->header().max_timestamp.value() < timestamp) continue;
    Record record;
    while (reader->next(record))
      if (record.timestamp.value() >= timestamp && record.offset.value() >= from && record.offset.value() < to) return record.offset.value();
  }
  return -1;
}

}  // namespace harrow::sim
