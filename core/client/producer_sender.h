// The inside of a Producer: accumulator, drain, sequences, answers. One root ("producer sender") drains; send() and
// answers only change state and wake it.
//
// Order: a partition's `queue` holds batches without a request under way, oldest first; `tracked` holds the sequenced
// batches without a fate, ascending. A sequenced batch goes (again) only if it is the oldest tracked one; new batches
// follow while at most five are tracked, which is what the broker remembers. Sequences restart under a new epoch only
// when none of the partition's requests is under way.
#pragma once

#include <boost/container/small_vector.hpp>
#include <deque>
#include <map>
#include <vector>

#include "core/client/metadata.h"
#include "core/client/producer.h"
#include "core/wire/produce_request.h"
#include "core/wire/produce_response.h"

namespace harrow {

class Producer::Sender final : private ConnectionListener, private MetadataListener {
 public:
  Sender(Host& host, ProducerConfig config, DeliveryListener* listener);

  TopicHandle topic(std::string_view name);
  std::int32_t partitions_of(TopicHandle topic) const { return static_cast<std::int32_t>(topics_[topic.index]->partitions.size()); }
  Accepted send(const ProducerRecord& record);
  Task<Result<bool>> send_ready(TopicHandle topic, MonoNs deadline);
  Task<Accepted> send_waiting(ProducerRecord record);
  Task<Delivery> send_and_wait(ProducerRecord record);
  Task<Result<bool>> flush(MonoNs deadline);
  Task<Result<bool>> close(MonoNs deadline);

  const Counts& counts() const { return counts_; }
  std::uint64_t pending() const { return counts_.accepted - counts_.acked - counts_.failed - counts_.unknown; }
  std::int64_t buffered_bytes() const { return buffered_bytes_; }
  ProducerId producer_id() const { return producer_id_; }
  ProducerEpoch producer_epoch() const { return producer_epoch_; }

 private:
  struct Partition;
  struct RecordSlot {
    std::uint64_t tag;
    std::int64_t sequence;
    std::uint64_t value_hash;
    WallMs timestamp;
  };
  struct Batch : Hook {  // in `unfinished_`, by age
    Batch(const BatchOptions& options, Partition& of) : partition(of), builder(options) {}
    Partition& partition;
    BatchBuilder builder;
    Bytes bytes;  // once built
    boost::container::small_vector<RecordSlot, 2> records;
    MonoNs created;
    MonoNs retry_at{0};
    std::int32_t attempts = 0;
    std::int32_t base_sequence = -1;
    ProducerId producer_id = no_producer_id;  // what the sequence belongs to
    ProducerEpoch producer_epoch{-1};
    bool stamped = false;         // the bytes carry id, epoch and sequence as above
    bool sequence_reset = false;  // restarted under a new epoch since it was first sent
    bool maybe_written = false;   // some attempt's outcome is not known
    std::int64_t reserved_bytes = 0;
    std::int32_t count() const { return static_cast<std::int32_t>(records.size()); }
    std::int32_t last_sequence() const { return static_cast<std::int32_t>((std::int64_t{base_sequence} + count() - 1) & 0x7fffffff); }
  };
  using BatchPtr = std::unique_ptr<Batch>;
  struct Broker {
    NodeId id = no_node;
    BrokerConnection* connection = nullptr;
    std::int32_t in_flight = 0;
    wire::ProduceRequest draft;  // being filled by the drain
    std::vector<BatchPtr> draft_batches;
    std::uint64_t draft_bytes = 0;
  };
  struct Topic;
  struct Partition : Hook {  // in `active_` while its queue is not empty
    Topic* topic = nullptr;
    std::int32_t index = 0;
    NodeId leader = no_node;
    Broker* broker = nullptr;
    std::deque<BatchPtr> queue;
    std::vector<Batch*> tracked;
    std::int32_t in_flight = 0;  // requests
    std::uint32_t subject = 0;
    // Sequences (idempotent producers)
    ProducerId producer_id = no_producer_id;
    ProducerEpoch producer_epoch{-1};
    std::int32_t next_sequence = 0;
    std::int32_t last_acked_sequence = -1;
    Offset last_acked_offset = no_offset;
    bool unresolved = false;    // a sequenced batch failed and may have been written
    bool needs_epoch = false;   // restart its sequences under a new epoch
  };
  struct Topic {
    std::string name;
    Uuid id;
    std::vector<std::unique_ptr<Partition>> partitions;
    std::int32_t sticky = -1;
    std::uint64_t sticky_bytes = 0;
  };
  struct Flight final : PendingAnswer {
    Sender* sender = nullptr;
    Broker* broker = nullptr;
    std::vector<BatchPtr> batches;
    void answered(Reader& body, std::int16_t version) override { sender->answered(*this, body, version); }
    void unanswered(Error error) override { sender->unanswered(*this, error); }
  };
  struct Sent {
    Accepted accepted = Accepted::closed;
    std::int64_t sequence = -1;
  };
  struct Answer {
    Code code = Code::none;
    Offset base_offset = no_offset;
    WallMs log_append_time{-1};
    Offset log_start = no_offset;
  };

  // producer_sender.cpp: accumulate and drain
  Root run(Scope&, Label);
  Task<Sent> send_in_time(ProducerRecord record, bool await_fate);
  MonoNs drain();
  bool take_ready(Partition& partition, MonoNs now, MonoNs& next);
  void add_to_draft(Partition& partition);
  void send_draft(Broker& broker);
  std::int32_t choose_partition(Topic& topic, const ProducerRecord& record);
  void choose_sticky(Topic& topic);
  void wake() {
    woken_ = true;
    wake_.wake();
  }
  void learn_partitions(Topic& topic);
  void connection_changed(BrokerConnection&) override { wake(); }
  void metadata_changed() override;

  // producer_answers.cpp: answers and fates
  void answered(Flight& flight, Reader& body, std::int16_t version);
  void unanswered(Flight& flight, Error error);
  void landed(Flight& flight);
  void finish(BatchPtr batch, const Answer& answer);
  bool may_retry(Batch& batch, const Answer& answer);
  void requeue(BatchPtr batch, Code code);
  void fail(BatchPtr batch, Code code);
  void settle(BatchPtr batch, Fate fate, const Answer& answer);
  void expire(Partition& partition, MonoNs now);

  // producer_sequences.cpp: idempotence
  bool idempotent() const { return config_.enable_idempotence; }
  bool must_wait(Partition& partition, const Batch& first) const;
  void give_sequence(Partition& partition, Batch& batch);
  void stamp(Batch& batch);
  void untrack(Batch& batch);
  bool is_next_sequence(const Batch& batch) const;
  void close_gap(const Batch& failed);
  void resolve_sequences();
  void restart_sequences(Partition& partition);
  Root acquire_producer_id(Scope&, Label);

  Host& host_;
  ProducerConfig config_;
  DeliveryListener* listener_;
  Random random_;
  ConnectionPool pool_;
  Metadata metadata_;
  std::vector<std::unique_ptr<Topic>> topics_;
  std::map<std::string, std::uint32_t, std::less<>> topic_index_;
  std::map<NodeId, Broker> brokers_;
  std::vector<Broker*> drafted_;                       // those with a draft; empty outside of the drain
  std::vector<std::unique_ptr<Flight>> flights_;       // under way
  std::vector<std::unique_ptr<Flight>> idle_flights_;  // for the next requests
  List<Partition> active_;
  List<Batch> unfinished_;
  std::map<std::int64_t, std::optional<Delivery>> awaited_;  // send_and_wait, by sequence
  Counts counts_;
  std::int64_t buffered_bytes_ = 0;
  std::int64_t last_sequence_ = -1;  // of the record accepted last
  std::int32_t flushing_ = 0;
  bool memory_short_ = false;
  bool closing_ = false;
  bool unsettled_sequences_ = false;  // some partition is unresolved or needs an epoch
  ProducerId producer_id_ = no_producer_id;
  ProducerEpoch producer_epoch_{-1};
  bool acquiring_ = false;
  MonoNs sleeping_until_ = never;  // the sender; `never` while it works
  bool woken_ = false;
  Signal wake_;
  Signal progress_;  // fates, freed memory, new partitions
  Scope scope_;      // last: its roots use everything above
};

}  // namespace harrow
