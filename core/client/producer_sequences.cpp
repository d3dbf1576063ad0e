// Idempotence: which producer id, epoch and sequence a batch carries, and when it may go (facts section 6; KIP-360).
#include <algorithm>

#include "core/base/mutation.h"
#include "core/client/producer_sender.h"
#include "core/model/crc32c.h"
#include "core/wire/init_producer_id_request.h"
#include "core/wire/init_producer_id_response.h"

namespace harrow {
namespace {
/// A broker remembers this many batches of a producer.
constexpr std::size_t remembered_batches = 5;
/// What a batch's CRC does not cover: up to and including the field itself.
constexpr std::uint32_t crc_start_bytes = 21;

std::int32_t sequence_after(std::int32_t sequence, std::int64_t count) {
  return static_cast<std::int32_t>((std::int64_t{sequence} + count) & 0x7fffffff);
}
}  // namespace

/// Whether order forbids to send the queue's first batch now.
bool Producer::Sender::must_wait(Partition& partition, const Batch& first) const {
  if (partition.needs_epoch) return true;
  if (first.base_sequence < 0) {
    if (partition.unresolved) return true;
    if (partition.tracked.empty()) return false;
    if (partition.producer_id != producer_id_ || partition.producer_epoch != producer_epoch_) return true;
    // Behind a batch that waits for its retry nothing new may go: the queue's order has seen to that.
    return partition.tracked.size() >= remembered_batches;
  }
  return partition.tracked.front() != &first;
}

void Producer::Sender::give_sequence(Partition& partition, Batch& batch) {
  if (partition.producer_id != producer_id_ || partition.producer_epoch != producer_epoch_) {
    CHECK(partition.tracked.empty());
    restart_sequences(partition);
  }
  batch.producer_id = partition.producer_id;
  batch.producer_epoch = partition.producer_epoch;
  batch.base_sequence = partition.next_sequence;
  partition.next_sequence = sequence_after(partition.next_sequence, batch.count());
  partition.tracked.push_back(&batch);
}

/// Puts another id, epoch or sequence into a batch that was built already.
void Producer::Sender::stamp(Batch& batch) {
  const Result<BatchHeader> parsed = parse_batch_header(batch.bytes);
  CHECK(parsed.has_value());
  BatchHeader header = *parsed;
  header.producer_id = batch.producer_id;
  header.producer_epoch = batch.producer_epoch;
  header.base_sequence = batch.base_sequence;
  Block* const block = Block::create(batch_header_bytes);
  encode_batch_header(header, block->data());
  Crc32c crc;
  crc.add(std::span<const std::uint8_t>(block->data() + crc_start_bytes, batch_header_bytes - crc_start_bytes));
  crc.add(batch.bytes, batch_header_bytes);
  header.crc = crc.value();
  encode_batch_header(header, block->data());
  Bytes stamped(Slice::adopt(block, 0, batch_header_bytes));
  stamped.append(batch.bytes.from(batch_header_bytes));
  batch.bytes = std::move(stamped);
  batch.stamped = true;
}

void Producer::Sender::untrack(Batch& batch) {
  auto& tracked = batch.partition.tracked;
  const auto place = std::find(tracked.begin(), tracked.end(), &batch);
  if (place != tracked.end()) tracked.erase(place);
}

bool Producer::Sender::is_next_sequence(const Batch& batch) const {
  const std::int32_t acked = batch.partition.last_acked_sequence;
  return batch.base_sequence == (acked < 0 ? 0 : sequence_after(acked, 1));
}

/// A batch was refused for good without being written: the ones behind it move down, or the broker would wait for ever.
void Producer::Sender::close_gap(const Batch& failed) {
  Partition& partition = failed.partition;
  if (failed.producer_id != partition.producer_id || failed.producer_epoch != partition.producer_epoch) return;
  std::int32_t sequence = failed.base_sequence;
  for (Batch* const batch : partition.tracked) {
    if (batch->records.front().sequence < failed.records.front().sequence) continue;
    batch->base_sequence = sequence;
    batch->stamped = false;
    batch->sequence_reset = true;
    sequence = sequence_after(sequence, batch->count());
  }
  partition.next_sequence = sequence;
}

/// Decides about partitions whose sequences are in doubt, once nothing of theirs is under way.
void Producer::Sender::resolve_sequences() {
  bool bump = false;
  unsettled_sequences_ = false;
  for (const auto& topic : topics_)
    for (const auto& partition : topic->partitions) {
      if (partition->unresolved && !partition->needs_epoch && partition->tracked.empty()) {
        // The last batch sent was acked after all: no sequence is missing.
        const std::int32_t acked = partition->last_acked_sequence;
        if (acked >= 0 && partition->next_sequence == sequence_after(acked, 1)) partition->unresolved = false;
        else partition->needs_epoch = true;
      }
      bump = bump || (partition->needs_epoch && partition->in_flight == 0);
      unsettled_sequences_ = unsettled_sequences_ || partition->unresolved || partition->needs_epoch;
    }
  if (!bump || producer_id_ == no_producer_id) return;
  if (producer_epoch_.value() == INT16_MAX) {
    producer_id_ = no_producer_id;  // asks for another one
    return;
  }
  producer_epoch_ = ProducerEpoch(producer_epoch_.value() + 1);
  ++counts_.epoch_bumps;
  unsettled_sequences_ = false;
  for (const auto& topic : topics_)
    for (const auto& partition : topic->partitions) {
      if (partition->needs_epoch && partition->in_flight == 0) restart_sequences(*partition);
      unsettled_sequences_ = unsettled_sequences_ || partition->unresolved || partition->needs_epoch;
    }
}

/// From 0 under the producer's present id and epoch; what is tracked keeps its order.
void Producer::Sender::restart_sequences(Partition& partition) {
  partition.producer_id = producer_id_;
  partition.producer_epoch = producer_epoch_;
  partition.next_sequence = 0;
  partition.last_acked_sequence = -1;
  partition.unresolved = false;
  partition.needs_epoch = false;
  for (Batch* const batch : partition.tracked) {
    batch->producer_id = producer_id_;
    batch->producer_epoch = producer_epoch_;
    batch->base_sequence = partition.next_sequence;
    batch->stamped = false;
    batch->sequence_reset = true;
    partition.next_sequence = sequence_after(partition.next_sequence, batch->count());
  }
}

Root Producer::Sender::acquire_producer_id(Scope&, Label) {
  acquiring_ = true;
  for (std::int32_t attempt = 1;; ++attempt) {
    wire::InitProducerIdRequest request;
    request.transactional_id = std::nullopt;
    request.transaction_timeout_ms = INT32_MAX;
    BrokerConnection& broker = pool_.any();
    const Result<wire::InitProducerIdResponse> response = co_await broker.call(std::move(request));
    if (response && response->error_code == 0) {
      producer_id_ = ProducerId(response->producer_id);
      producer_epoch_ = ProducerEpoch(response->producer_epoch);
      break;
    }
    co_await Sleep(host_.timers, host_.timers.now() + backoff_ns(config_, attempt, random_), "producer id backoff");
  }
  acquiring_ = false;
  // Partitions that waited for an epoch start afresh under the new id.
  for (const auto& topic : topics_)
    for (const auto& partition : topic->partitions)
      if (partition->needs_epoch && partition->in_flight == 0) restart_sequences(*partition);
  wake();
}

}  // namespace harrow
