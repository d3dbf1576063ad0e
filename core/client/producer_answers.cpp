// Answers to produce requests, and the fate of each batch.
#include <algorithm>

#include "core/base/mutation.h"
#include "core/client/producer_sender.h"
#include "core/model/trace_payloads.h"

namespace harrow {
namespace {
/// Errors that a leader gives before it appends anything. Everything else leaves open what happened: even
/// NOT_LEADER_OR_FOLLOWER may come from a leader that appended and then lost its office.
bool says_not_written(Code code) {
  switch (code) {
    case Code::message_too_large:
    case Code::record_list_too_large:
    case Code::corrupt_message:
    case Code::invalid_record:
    case Code::invalid_timestamp:
    case Code::invalid_required_acks:
    case Code::invalid_topic_exception:
    case Code::not_enough_replicas:
    case Code::unsupported_for_message_format:
    case Code::unsupported_compression_type:
    case Code::unsupported_version:
    case Code::policy_violation:
    case Code::topic_authorization_failed:
    case Code::cluster_authorization_failed:
    case Code::out_of_order_sequence_number:
    case Code::unknown_producer_id:
    case Code::invalid_producer_epoch:
    case Code::invalid_txn_state: return true;
    default: return false;
  }
}
}  // namespace

/// The request is over: frees its place; the flight may be used anew.
void Producer::Sender::landed(Flight& flight) {
  --flight.broker->in_flight;
  const auto place = std::find_if(flights_.begin(), flights_.end(), [&](const auto& other) { return other.get() == &flight; });
  std::swap(*place, flights_.back());
  idle_flights_.push_back(std::move(flights_.back()));
  flights_.pop_back();
  if (!active_.empty() || unsettled_sequences_) wake();  // somebody may have waited for the place
}

void Producer::Sender::answered(Flight& flight, Reader& body, std::int16_t version) {
  Result<wire::ProduceResponse> response = wire::decode_body<wire::ProduceResponse>(body, version);
  if (!response) {
    Broker& broker = *flight.broker;
    unanswered(flight, Error{Code::network_exception, "the answer does not decode"});
    broker.connection->drop(Code::network_exception);
    return;
  }
  std::vector<BatchPtr> batches;
  batches.swap(flight.batches);
  landed(flight);
  for (const auto& endpoint : response->node_endpoints)
    pool_.set_broker(NodeId(endpoint.node_id), Endpoint{endpoint.host, static_cast<std::uint16_t>(endpoint.port)});
  // Brokers answer in the order of the request; look from there on.
  std::size_t expected = 0;
  for (const auto& topic : response->responses) {
    for (const auto& said : topic.partition_responses) {
      std::size_t at = batches.size();
      for (std::size_t i = 0; i < batches.size(); ++i) {
        const std::size_t index = (expected + i) % batches.size();
        const Batch* const batch = batches[index].get();
        if (batch == nullptr || batch->partition.index != said.index) continue;
        if (version >= 13 ? batch->partition.topic->id == topic.topic_id : batch->partition.topic->name == topic.name) {
          at = index;
          break;
        }
      }
      if (at == batches.size()) continue;
      expected = at + 1;
      Answer answer{code_from_wire(said.error_code), Offset(said.base_offset), WallMs(said.log_append_time_ms), Offset(said.log_start_offset)};
      if (said.current_leader.leader_id >= 0)
        metadata_.update_leader(topic.topic_id, topic.name, said.index, NodeId(said.current_leader.leader_id), LeaderEpoch(said.current_leader.leader_epoch));
      finish(std::move(batches[at]), answer);
    }
  }
  for (BatchPtr& batch : batches)
    if (batch != nullptr) finish(std::move(batch), Answer{Code::unknown_server_error, no_offset, WallMs(-1), no_offset});
  progress_.wake();
}

void Producer::Sender::unanswered(Flight& flight, Error error) {
  std::vector<BatchPtr> batches;
  batches.swap(flight.batches);
  landed(flight);
  metadata_.request_update();
  for (BatchPtr& batch : batches) finish(std::move(batch), Answer{to_wire(error.code), no_offset, WallMs(-1), no_offset});
  progress_.wake();
}

void Producer::Sender::finish(BatchPtr batch, const Answer& answer) {
  Partition& partition = batch->partition;
  --partition.in_flight;
  if (answer.code == Code::none || answer.code == Code::duplicate_sequence_number) {
    if (batch->base_sequence >= 0) {
      if (batch->producer_id == partition.producer_id && batch->producer_epoch == partition.producer_epoch) {
        partition.last_acked_sequence = batch->last_sequence();
        if (answer.base_offset != no_offset) partition.last_acked_offset = answer.base_offset + batch->count() - 1;
      }
      untrack(*batch);
    }
    settle(std::move(batch), Fate::acked, answer);
    return;
  }
  if (!says_not_written(answer.code)) batch->maybe_written = true;
  if (wants_metadata_refresh(answer.code)) metadata_.request_update();
  if (may_retry(*batch, answer)) requeue(std::move(batch), answer.code);
  else fail(std::move(batch), answer.code);
}

bool Producer::Sender::may_retry(Batch& batch, const Answer& answer) {
  if (batch.attempts > config_.retries) return false;
  if (after_ms(batch.created, config_.delivery_timeout_ms) <= host_.timers.now()) return false;
  if (idempotent()) {
    Partition& partition = batch.partition;
    const auto needs_epoch = [&] {
      partition.needs_epoch = true;
      unsettled_sequences_ = true;
    };
    if (answer.code == Code::out_of_order_sequence_number) {
      // An answer that only follows from an older batch's failure is tried again as it is; the oldest batch itself can
      // only go on under a new epoch.
      if (partition.unresolved || mutated(Bug::P11) || (!batch.sequence_reset && is_next_sequence(batch))) needs_epoch();
      return true;
    }
    if (answer.code == Code::unknown_producer_id) {
      if (answer.log_start != no_offset && !batch.sequence_reset) needs_epoch();
      return true;
    }
  }
  return is_retriable(answer.code);
}

void Producer::Sender::requeue(BatchPtr batch, Code code) {
  Partition& partition = batch->partition;
  batch->retry_at = host_.timers.now() + backoff_ns(config_, batch->attempts, random_);
  ++counts_.retries;
  if (partition.queue.empty()) active_.link_back(partition);
  auto& queue = partition.queue;
  auto place = queue.begin();
  // Back to its place by age, before all that was never sent; P01 puts it behind what was collected meanwhile.
  while (place != queue.end() && (*place)->records.front().sequence < batch->records.front().sequence) ++place;
  if (mutated(Bug::P01)) place = queue.end();
  queue.insert(place, std::move(batch));
  wake();
}

/// Its own end: the fate is `failed` only if no attempt can have been written.
void Producer::Sender::fail(BatchPtr batch, Code code) {
  if (batch->base_sequence >= 0) {
    untrack(*batch);
    if (batch->maybe_written) {
      batch->partition.unresolved = true;
      unsettled_sequences_ = true;
    } else {
      close_gap(*batch);
    }
  }
  const Fate fate = batch->maybe_written ? Fate::unknown : Fate::failed;
  settle(std::move(batch), fate, Answer{code, no_offset, WallMs(-1), no_offset});
}

void Producer::Sender::expire(Partition& partition, MonoNs now) {
  while (!partition.queue.empty() && after_ms(partition.queue.front()->created, config_.delivery_timeout_ms) <= now) {
    BatchPtr batch = std::move(partition.queue.front());
    partition.queue.pop_front();
    fail(std::move(batch), Code::request_timed_out);
  }
  progress_.wake();
}

void Producer::Sender::settle(BatchPtr batch, Fate fate, const Answer& answer) {
  Partition& partition = batch->partition;
  batch->unlink();
  buffered_bytes_ -= batch->reserved_bytes;
  const std::uint64_t count = batch->records.size();
  (fate == Fate::acked ? counts_.acked : fate == Fate::failed ? counts_.failed : counts_.unknown) += count;
  Delivery delivery;
  delivery.fate = fate;
  delivery.code = fate == Fate::acked ? Code::none : answer.code;
  delivery.partition = partition.index;
  const TraceKind kind = fate == Fate::acked ? TraceKind::send_acked : TraceKind::send_failed;
  SendNote note{config_.client_id, partition.topic->name, partition.index, static_cast<std::int16_t>(config_.acks), idempotent(), 0, 0, delivery.code, no_offset};
  // `send_failed` shows request_timed_out for every unknown fate, so that nobody takes it for a promise.
  if (fate == Fate::unknown) note.code = Code::request_timed_out;
  for (std::size_t i = 0; i < count; ++i) {
    const RecordSlot& slot = batch->records[i];
    if (fate == Fate::acked && answer.base_offset != no_offset) delivery.offset = answer.base_offset + static_cast<std::int64_t>(i);
    delivery.timestamp = answer.log_append_time.value() >= 0 ? answer.log_append_time : slot.timestamp;
    delivery.sequence = slot.sequence;
    note.sequence = slot.sequence;
    note.value_hash = slot.value_hash;
    note.offset = delivery.offset;
    host_.trace.emit(kind, partition.subject, slot.sequence, fate == Fate::acked ? delivery.offset.value() : static_cast<std::int64_t>(note.code), &note);
    if (!awaited_.empty()) {
      const auto awaited = awaited_.find(slot.sequence);
      if (awaited != awaited_.end()) awaited->second = delivery;
    }
    if (listener_ != nullptr) listener_->on_delivery(slot.tag, delivery);
  }
  progress_.wake();
}

}  // namespace harrow
