#include "core/client/producer_sender.h"

#include <algorithm>

#include "core/base/mutation.h"
#include "core/model/trace_payloads.h"

namespace harrow {
namespace {
// Room for a request around one batch: header, topic, partition.
constexpr std::uint32_t request_head_bytes = 192;
}  // namespace

Producer::Sender::Sender(Host& host, ProducerConfig config, DeliveryListener* listener)
    : host_(host), config_(std::move(config)), listener_(listener), random_(host.random.fork(config_.client_id).fork("producer")),
      pool_(host, config_), metadata_(host, config_, pool_), wake_(host.timers), progress_(host.timers), scope_(host.scope.queue()) {
  if (config_.acks != Acks::all) config_.enable_idempotence = false;
  if (config_.enable_idempotence)
    config_.max_in_flight_requests_per_connection = std::min(config_.max_in_flight_requests_per_connection, 5);
  pool_.add_listener(*this);
  metadata_.set_listener(*this);
  run(scope_, Label("producer sender"));
}

TopicHandle Producer::Sender::topic(std::string_view name) {
  const auto found = topic_index_.find(name);
  if (found != topic_index_.end()) return TopicHandle{found->second};
  const TopicHandle handle{static_cast<std::uint32_t>(topics_.size())};
  topics_.push_back(std::make_unique<Topic>());
  topics_.back()->name = std::string(name);
  topic_index_[topics_.back()->name] = handle.index;
  metadata_.add_topic(name);
  learn_partitions(*topics_.back());
  return handle;
}

void Producer::Sender::learn_partitions(Topic& topic) {
  const Metadata::Topic* const known = metadata_.find(topic.name);
  if (known == nullptr) return;
  if (topic.id != known->id) {
    // Made anew under the same name: its producer state starts afresh.
    topic.id = known->id;
    for (const auto& partition : topic.partitions) partition->needs_epoch = partition->producer_id != no_producer_id && idempotent();
    unsettled_sequences_ = true;
  }
  while (topic.partitions.size() < known->partitions.size()) {
    auto partition = std::make_unique<Partition>();
    partition->topic = &topic;
    partition->index = static_cast<std::int32_t>(topic.partitions.size());
    partition->subject = host_.trace.intern(folder_of(TopicPartition{topic.name, partition->index}));
    topic.partitions.push_back(std::move(partition));
  }
  for (std::size_t i = 0; i < known->partitions.size(); ++i) {
    Partition& partition = *topic.partitions[i];
    partition.leader = known->partitions[i].leader;
    partition.broker = partition.leader == no_node ? nullptr : &brokers_[partition.leader];
    if (partition.broker == nullptr) continue;
    partition.broker->id = partition.leader;
    partition.broker->connection = &pool_.to(partition.leader);
  }
}

void Producer::Sender::metadata_changed() {
  for (const auto& topic : topics_) learn_partitions(*topic);
  wake();
  progress_.wake();
}

std::int32_t Producer::Sender::choose_partition(Topic& topic, const ProducerRecord& record) {
  if (record.partition >= 0) return record.partition;
  const std::int32_t count = static_cast<std::int32_t>(topic.partitions.size());
  if (record.key) return partition_of_key(*record.key, count);
  if (topic.sticky < 0 || topic.sticky_bytes >= config_.batch_size) choose_sticky(topic);
  return topic.sticky;
}

// KIP-794: a partition for batch.size bytes, by chance, less likely the longer its queue; those with a leader only.
void Producer::Sender::choose_sticky(Topic& topic) {
  topic.sticky_bytes = 0;
  std::size_t longest = 0;
  bool any_leader = false;
  for (const auto& partition : topic.partitions) {
    longest = std::max(longest, partition->queue.size());
    any_leader = any_leader || partition->leader != no_node;
  }
  const auto weight = [&](const Partition& partition) -> std::uint64_t {
    return any_leader && partition.leader == no_node ? 0 : longest + 1 - partition.queue.size();
  };
  std::uint64_t total = 0;
  for (const auto& partition : topic.partitions) total += weight(*partition);
  std::uint64_t draw = random_.below(total);
  for (const auto& partition : topic.partitions) {
    topic.sticky = partition->index;
    if (draw < weight(*partition)) return;
    draw -= weight(*partition);
  }
}

Accepted Producer::Sender::send(const ProducerRecord& record) {
  if (closing_) return Accepted::closed;
  CHECK_SAYING(record.topic.index < topics_.size(), "a topic handle of another producer");
  Topic& topic = *topics_[record.topic.index];
  if (topic.partitions.empty()) {
    metadata_.request_update();
    return Accepted::no_metadata;
  }
  const std::uint32_t bound = BatchBuilder::record_bound(record.key, record.value, record.headers);
  if (bound + batch_header_bytes > config_.max_request_size || bound + batch_header_bytes > config_.buffer_memory) return Accepted::too_large;
  const std::int32_t index = choose_partition(topic, record);
  if (static_cast<std::size_t>(index) >= topic.partitions.size()) return Accepted::no_partition;
  Partition& partition = *topic.partitions[static_cast<std::size_t>(index)];

  Batch* batch = partition.queue.empty() ? nullptr : partition.queue.back().get();
  bool created = false;
  if (batch == nullptr || batch->attempts > 0 || batch->base_sequence >= 0 || batch->builder.size_bytes() + bound > config_.batch_size) {
    const std::int64_t reserve = std::max(config_.batch_size, bound + batch_header_bytes);
    if (buffered_bytes_ + reserve > config_.buffer_memory) {
      memory_short_ = true;
      wake();
      return Accepted::no_memory;
    }
    BatchOptions options;
    options.codec = config_.compression_type;
    options.expected_bytes = bound + batch_header_bytes;
    BatchPtr fresh = std::make_unique<Batch>(options, partition);
    batch = fresh.get();
    batch->created = host_.timers.now();
    batch->reserved_bytes = reserve;
    buffered_bytes_ += reserve;
    unfinished_.link_back(*batch);
    if (partition.queue.empty()) active_.link_back(partition);
    partition.queue.push_back(std::move(fresh));
    created = true;
  }
  const WallMs timestamp = record.timestamp.value() >= 0 ? record.timestamp : host_.clock.wall();
  batch->builder.add(timestamp, record.key, record.value, record.headers);
  const std::string_view value = record.value.value_or(std::string_view());
  const std::uint64_t value_hash = hash_of(value);
  const std::int64_t sequence = ++last_sequence_;
  batch->records.push_back(RecordSlot{record.tag, sequence, value_hash, timestamp});
  topic.sticky_bytes += bound;
  ++counts_.accepted;
  const SendNote note{config_.client_id, topic.name, index, static_cast<std::int16_t>(config_.acks), idempotent(), sequence, value_hash, Code::none, no_offset};
  host_.trace.emit(TraceKind::send_invoked, partition.subject, sequence, static_cast<std::int64_t>(value_hash), &note);
  // The sender looks again when the first linger ends, or now if a batch is full; else it sleeps on.
  if (partition.queue.size() > 1 || batch->builder.size_bytes() >= config_.batch_size ||
      (created && after_ms(batch->created, config_.linger_ms) < sleeping_until_))
    wake();
  return Accepted::accepted;
}

Task<Result<bool>> Producer::Sender::send_ready(TopicHandle handle, MonoNs deadline) {
  Topic& topic = *topics_[handle.index];
  for (;;) {
    if (closing_) co_return error(Code::closed, "the producer is closed");
    if (!topic.partitions.empty() && buffered_bytes_ + config_.batch_size <= config_.buffer_memory) co_return true;
    if (topic.partitions.empty()) metadata_.request_update();
    const Reached reached = co_await progress_.next(deadline);
    if (reached == Reached::deadline) co_return error(Code::request_timed_out, "no metadata or memory in time");
  }
}

Task<Producer::Sender::Sent> Producer::Sender::send_in_time(ProducerRecord record, bool await_fate) {
  const MonoNs deadline = after_ms(host_.timers.now(), config_.max_block_ms);
  Sent sent;
  for (;;) {
    sent.accepted = send(record);
    if (sent.accepted == Accepted::accepted) {
      sent.sequence = last_sequence_;
      if (await_fate) awaited_[sent.sequence] = std::nullopt;
    }
    if (sent.accepted != Accepted::no_metadata && sent.accepted != Accepted::no_memory) co_return sent;
    // Memory may suffice for a batch, but not for this record yet.
    if (sent.accepted == Accepted::no_memory) {
      co_await Sleep(host_.timers, after_ms(host_.timers.now(), 1), "buffer memory");
    }
    const Result<bool> ready = co_await send_ready(record.topic, deadline);
    if (!ready) co_return sent;
  }
}

Task<Accepted> Producer::Sender::send_waiting(ProducerRecord record) {
  const Sent sent = co_await send_in_time(record, false);
  co_return sent.accepted;
}

Task<Delivery> Producer::Sender::send_and_wait(ProducerRecord record) {
  const Sent sent = co_await send_in_time(record, true);
  Delivery delivery;
  if (sent.accepted != Accepted::accepted) {
    delivery.fate = Fate::failed;
    delivery.code = sent.accepted == Accepted::too_large      ? Code::message_too_large
                    : sent.accepted == Accepted::no_partition ? Code::unknown_topic_or_partition
                    : sent.accepted == Accepted::closed       ? Code::closed
                                                              : Code::request_timed_out;
    co_return delivery;
  }
  for (;;) {
    const auto found = awaited_.find(sent.sequence);
    if (found->second) {
      delivery = *found->second;
      awaited_.erase(found);
      co_return delivery;
    }
    co_await progress_.next();
  }
}

Task<Result<bool>> Producer::Sender::flush(MonoNs deadline) {
  const std::int64_t last = last_sequence_;
  ++flushing_;
  wake();
  // `unfinished_` is in order of age, so its first batch tells.
  bool done = true;
  while (!unfinished_.empty() && unfinished_.front().records.front().sequence <= last) {
    const Reached reached = co_await progress_.next(deadline);
    if (reached == Reached::deadline) {
      done = false;
      break;
    }
  }
  --flushing_;
  if (!done) co_return error(Code::request_timed_out, "not everything was delivered in time");
  co_return true;
}

Task<Result<bool>> Producer::Sender::close(MonoNs deadline) {
  closing_ = true;
  progress_.wake();
  const Result<bool> flushed = co_await flush(deadline);
  while (!active_.empty()) {
    Partition& partition = active_.front();
    partition.unlink();
    while (!partition.queue.empty()) {
      BatchPtr batch = std::move(partition.queue.front());
      partition.queue.pop_front();
      fail(std::move(batch), Code::request_timed_out);
    }
  }
  std::vector<BatchPtr> cut_off;
  for (const auto& flight : flights_)
    for (BatchPtr& batch : flight->batches) cut_off.push_back(std::move(batch));
  flights_.clear();
  for (BatchPtr& batch : cut_off) {
    batch->maybe_written = true;
    fail(std::move(batch), Code::request_timed_out);
  }
  co_return flushed;
}

Root Producer::Sender::run(Scope&, Label) {
  for (;;) {
    woken_ = false;
    const MonoNs next = drain();
    if (woken_) continue;  // by a callback within
    sleeping_until_ = next;
    co_await wake_.next(next);
    sleeping_until_ = never;
  }
}

/// Sends what is ready; returns when something may become ready by time alone.
MonoNs Producer::Sender::drain() {
  const MonoNs now = host_.timers.now();
  MonoNs next = never;
  if (unsettled_sequences_) resolve_sequences();
  for (;;) {
    next = never;
    active_.for_each([&](Partition& partition) {
      if (partition.queue.front()->created + config_.delivery_timeout_ms * ns_per_ms <= now) expire(partition, now);
      if (partition.queue.empty()) {
        partition.unlink();
        return;
      }
      next = std::min(next, after_ms(partition.queue.front()->created, config_.delivery_timeout_ms));
      if (!take_ready(partition, now, next)) return;
      add_to_draft(partition);
    });
    if (drafted_.empty()) break;
    std::sort(drafted_.begin(), drafted_.end(), [](const Broker* a, const Broker* b) { return a->id < b->id; });
    for (Broker* const broker : drafted_) send_draft(*broker);
    drafted_.clear();
    // A partition may have more than one batch to send; each takes a request of its own.
  }
  memory_short_ = false;
  return next;
}

/// Whether the first batch of the partition can go now; else `next` is when time alone may change that.
bool Producer::Sender::take_ready(Partition& partition, MonoNs now, MonoNs& next) {
  const Batch& first = *partition.queue.front();
  if (first.attempts > 0) {
    if (now < first.retry_at) {
      next = std::min(next, first.retry_at);
      return false;
    }
  } else if (partition.queue.size() == 1 && first.builder.size_bytes() < config_.batch_size && flushing_ == 0 && !closing_ && !memory_short_) {
    const MonoNs due = after_ms(first.created, config_.linger_ms);
    if (now < due) {
      next = std::min(next, due);
      return false;
    }
  }
  if (partition.broker == nullptr) {
    metadata_.request_update();
    return false;
  }
  Broker& broker = *partition.broker;
  if (!broker.connection->up()) {
    if (broker.connection->backing_off()) metadata_.request_update();
    broker.connection->want();
    return false;
  }
  if (broker.in_flight >= config_.max_in_flight_requests_per_connection) return false;
  // Only one request at a time may carry a batch of this partition; P01 forgets that a request to the old leader counts.
  if (config_.max_in_flight_requests_per_connection == 1 && partition.in_flight > 0 && !mutated(Bug::P01)) return false;
  if (idempotent()) {
    if (producer_id_ == no_producer_id) {
      if (!acquiring_) acquire_producer_id(scope_, Label("producer id"));
      return false;
    }
    if (must_wait(partition, first)) return false;
  }
  const std::uint64_t size = first.bytes.empty() ? partition.queue.front()->builder.size_bytes() : first.bytes.size();
  return broker.draft_batches.empty() || broker.draft_bytes + size <= config_.max_request_size;  // else the next request takes it
}

void Producer::Sender::add_to_draft(Partition& partition) {
  Broker& broker = *partition.broker;
  BatchPtr batch = std::move(partition.queue.front());
  partition.queue.pop_front();
  if (partition.queue.empty()) partition.unlink();
  if (idempotent() && batch->base_sequence < 0) give_sequence(partition, *batch);
  if (batch->bytes.empty()) {
    if (idempotent()) {
      batch->builder.set_producer(batch->producer_id, batch->producer_epoch, batch->base_sequence, false);
      batch->stamped = true;
    }
    batch->bytes = batch->builder.build();
  } else if (idempotent() && !batch->stamped) {
    stamp(*batch);
  }
  auto& topics = broker.draft.topic_data;
  auto place = std::find_if(topics.begin(), topics.end(), [&](const auto& entry) { return entry.topic_id == partition.topic->id && entry.name == partition.topic->name; });
  if (place == topics.end()) {
    place = topics.emplace(topics.end());
    place->name = partition.topic->name;
    place->topic_id = partition.topic->id;
  }
  auto& data = place->partition_data.emplace_back();
  data.index = partition.index;
  data.records = batch->bytes;
  broker.draft_bytes += batch->bytes.size();
  ++partition.in_flight;
  ++batch->attempts;
  ++counts_.batches;
  if (broker.draft_batches.empty()) drafted_.push_back(&broker);
  broker.draft_batches.push_back(std::move(batch));
}

void Producer::Sender::send_draft(Broker& broker) {
  broker.draft.acks = static_cast<std::int16_t>(config_.acks);
  broker.draft.timeout_ms = config_.request_timeout_ms;
  std::unique_ptr<Flight> flight;
  if (idle_flights_.empty()) {
    flight = std::make_unique<Flight>();
    flight->sender = this;
  } else {
    flight = std::move(idle_flights_.back());
    idle_flights_.pop_back();
  }
  flight->broker = &broker;
  flight->batches.swap(broker.draft_batches);
  // Topics are named by id from version 13 on; without an id (an old broker) by name.
  const bool ids = std::none_of(broker.draft.topic_data.begin(), broker.draft.topic_data.end(), [](const auto& topic) { return topic.topic_id.is_zero(); });
  const bool wants_answer = config_.acks != Acks::none;
  const Result<bool> posted = broker.connection->post(broker.draft, wants_answer ? flight.get() : nullptr, config_.request_timeout_ms,
                                                      ids ? INT16_MAX : std::int16_t{12}, request_head_bytes);
  broker.draft.topic_data.clear();
  broker.draft_bytes = 0;
  ++counts_.requests;
  ++broker.in_flight;
  Flight& sent = *flight;
  flights_.push_back(std::move(flight));
  if (!posted) {
    unanswered(sent, posted.error());
  } else if (!wants_answer) {
    // acks=0: sent is all that will ever be known.
    std::vector<BatchPtr> batches;
    batches.swap(sent.batches);
    landed(sent);
    for (BatchPtr& batch : batches) {
      --batch->partition.in_flight;
      settle(std::move(batch), Fate::acked, Answer());
    }
  }
}

}  // namespace harrow
