// A producer: collects records in a batch a partition, sends the batches of all partitions that a broker leads in one
// request, up to max.in.flight requests a connection, and reports each record's fate exactly once.
//
//   Producer producer(host, config, listener);
//   const TopicHandle orders = producer.topic("orders");
//   ProducerRecord record; record.topic = orders; record.key = ...; record.value = ...; record.tag = 17;
//   Accepted a = producer.send(record);                     // cheap: copies key and value into the batch, never waits
//   if (a != Accepted::accepted) co_await producer.send_ready(orders, deadline);  // metadata or memory is missing: then again
//   ... listener.on_delivery(17, delivery) comes later, from the producer's own turn.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/async/task.h"
#include "core/client/client_config.h"
#include "core/host/host.h"
#include "core/model/batch_builder.h"

namespace harrow {

struct ProducerConfig : ClientConfig {
  Acks acks = Acks::all;
  bool enable_idempotence = true;  // off by itself when acks is not `all`, as in Java's defaults
  std::uint32_t batch_size = 16'384;
  std::int32_t linger_ms = 5;
  std::int64_t buffer_memory = 32 << 20;
  std::int32_t max_in_flight_requests_per_connection = 5;
  std::int64_t delivery_timeout_ms = 120'000;
  std::int32_t retries = INT32_MAX;
  std::uint32_t max_request_size = 1 << 20;
  std::int64_t max_block_ms = 60'000;
  Codec compression_type = Codec::none;
};

/// A topic as this producer numbers it.
struct TopicHandle {
  std::uint32_t index = UINT32_MAX;
  bool valid() const { return index != UINT32_MAX; }
};

struct ProducerRecord {
  TopicHandle topic;
  std::int32_t partition = -1;  // -1: by key, or sticky without one
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::span<const RecordHeader> headers;
  WallMs timestamp{-1};  // -1: the clock's
  std::uint64_t tag = 0;  // comes back with the delivery
};

/// What send() did. Only `accepted` leads to a delivery report.
enum class Accepted : std::uint8_t {
  accepted,
  no_metadata,  // the topic's partitions are not known (yet): send_ready()
  no_memory,    // buffer.memory is used up: send_ready()
  too_large,    // larger than max.request.size
  no_partition, // the record names a partition that the topic does not have
  closed,
};

/// A record's fate: `failed` = definitely not written; `unknown` = it may or may not be.
enum class Fate : std::uint8_t { acked, failed, unknown };
struct Delivery {
  Fate fate = Fate::unknown;
  Code code = Code::none;
  std::int32_t partition = -1;
  Offset offset = no_offset;          // of an acked record; -1 with acks=0 and for some answered duplicates
  WallMs timestamp{-1};               // log append time if the topic uses it, else the record's own
  std::int64_t sequence = 0;          // this producer's n-th accepted record, from 0
};

class DeliveryListener {
 public:
  virtual ~DeliveryListener() = default;
  /// Must not destroy the producer; may send.
  virtual void on_delivery(std::uint64_t tag, const Delivery& delivery) = 0;
};

class Producer {
 public:
  /// The listener outlives the producer; null: nobody wants to know (then see counts()).
  Producer(Host& host, ProducerConfig config, DeliveryListener* listener);
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  /// The same name gives the same handle. Asks for the topic's metadata in the background.
  TopicHandle topic(std::string_view name);
  /// Partitions of the topic; 0 while unknown.
  std::int32_t partitions_of(TopicHandle topic) const;

  Accepted send(const ProducerRecord& record);
  /// Waits until send() is worth trying again for this topic. Errors: request_timed_out (the deadline came), closed.
  Task<Result<bool>> send_ready(TopicHandle topic, MonoNs deadline);
  /// send() that waits for metadata and memory, for max.block.ms at most. The record's texts must live until then.
  Task<Accepted> send_waiting(ProducerRecord record);
  /// send_waiting(), then the record's own fate: for tools and tests, not for load. The listener is told too.
  Task<Delivery> send_and_wait(ProducerRecord record);

  /// Sends everything collected so far without lingering and waits until each record has its fate.
  Task<Result<bool>> flush();
  /// flush, then no more; what is not delivered by the deadline fails.
  Task<Result<bool>> close(MonoNs deadline);

  struct Counts {
    std::uint64_t accepted = 0, acked = 0, failed = 0, unknown = 0;
    std::uint64_t requests = 0, batches = 0, retries = 0, epoch_bumps = 0;
  };
  const Counts& counts() const;
  /// Records accepted and without a fate.
  std::uint64_t pending() const;
  std::int64_t buffered_bytes() const;
  ProducerId producer_id() const;
  ProducerEpoch producer_epoch() const;

 private:
  class Sender;
  std::unique_ptr<Sender> sender_;
};

}  // namespace harrow
