// A consumer's positions and what it fetches: one fetch under way per broker, in a session (KIP-227), prefetching while
// the application works. Decides nothing about groups.
//
// Each partition has two places: `position`, the next record for the application (what may be committed), and
// `fetch_position`, the next to ask for; between them lies what is buffered. A damaged batch is never buffered and
// neither place passes it.
#pragma once

#include <boost/container/flat_map.hpp>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "core/client/consumer.h"
#include "core/client/metadata.h"
#include "core/wire/fetch_request.h"
#include "core/wire/fetch_response.h"

namespace harrow {

class Fetcher final : public ConnectionListener, public MetadataListener {
 public:
  /// `changed` is woken when poll() has something to look at. `member_id` is for traces and outlives the fetcher.
  Fetcher(Host& host, const ConsumerConfig& config, ConnectionPool& pool, Metadata& metadata, Signal& changed, const std::string& member_id);

  /// The partitions to hold from now on; those already held keep their state. New ones have no position.
  void hold(const std::vector<TopicPartition>& partitions);
  std::vector<TopicPartition> held() const;
  bool holds(const TopicPartition& id) const { return find(id) != nullptr; }

  /// Partitions whose position must come from commits (or, without a group, from the reset policy).
  std::vector<TopicPartition> without_position() const;
  void seek(const TopicPartition& id, Offset offset, LeaderEpoch epoch);
  void reset(const TopicPartition& id, OffsetReset where);
  void pause(const TopicPartition& id, bool paused);
  std::optional<Offset> position(const TopicPartition& id) const;
  std::optional<std::int64_t> lag(const TopicPartition& id) const;
  /// What a commit of everything consumed says.
  CommitOffsets consumed() const;

  /// Moves up to max.poll.records to `out`; an error only if there is nothing to give before it.
  Result<bool> collect(Polled& out);

  /// Asks the leaders; entries in error keep their code. Used for resets, end_offsets and by nobody in a hurry.
  Task<Result<std::map<TopicPartition, Offset>>> list_offsets(std::vector<TopicPartition> ids, std::int64_t timestamp, MonoNs deadline);
  void stop();

  void connection_changed(BrokerConnection&) override { wake(); }
  void metadata_changed() override;

 private:
  enum class State : std::uint8_t { no_position, resetting, validating, fetching };
  struct Broker;
  struct Held {
    TopicPartition id;
    Uuid topic_id;
    std::uint64_t number = 0;  // never used again
    std::uint32_t subject = 0;
    State state = State::no_position;
    OffsetReset reset_to = OffsetReset::latest;
    Offset position = no_offset;
    LeaderEpoch position_epoch = no_epoch;  // of the last record before `position`
    Offset fetch_position = no_offset;
    LeaderEpoch fetch_epoch = no_epoch;
    NodeId leader = no_node;
    LeaderEpoch leader_epoch = no_epoch;
    Broker* broker = nullptr;  // the leader, or one that was it; see broker_of
    bool paused = false;
    bool asking = false;  // a reset or validation is under way
    MonoNs retry_at{0};
    Offset high_watermark = no_offset;
    std::deque<Bytes> batches;  // checked, in order
    std::optional<RecordReader> reader;  // of the first batch
    std::optional<Error> failure;  // for the next poll
  };
  struct Sent {
    Uuid topic_id;
    std::string topic;
    std::int32_t partition = 0;
    Offset offset = no_offset;
    LeaderEpoch leader_epoch = no_epoch;
  };
  struct Broker final : PendingAnswer {
    Fetcher* fetcher = nullptr;
    NodeId node;
    BrokerConnection* connection = nullptr;
    bool in_flight = false;
    bool incremental = false;  // the request under way
    std::int32_t session_id = 0;
    std::int32_t session_epoch = 0;
    MonoNs retry_at{0};
    boost::container::flat_map<std::uint64_t, Sent> session;  // by Held::number
    wire::FetchRequest request;
    void answered(Reader& body, std::int16_t version) override { fetcher->answered(*this, body, version); }
    void unanswered(Error error) override { fetcher->unanswered(*this, error); }
  };

  Root run(Scope&, Label);
  Root look_up_positions(Scope&, Label);
  Root validate(Scope&, Label, std::uint64_t number);
  MonoNs step();
  void fetch_from(Broker& broker, MonoNs now);
  void answered(Broker& broker, Reader& body, std::int16_t version);
  void unanswered(Broker& broker, Error error);
  void end_session(Broker& broker, bool known_gone);
  void take(Held& held, const wire::FetchResponse::PartitionData& data);
  void buffer(Held& held, const Bytes& records);
  void out_of_range(Held& held);
  void moved(Held& held, Offset to, LeaderEpoch epoch);
  void refuse(Held& held, Error error);
  Held* find(const TopicPartition& id) const;
  Held* find(std::uint64_t number) const;
  Held* find(const Uuid& topic_id, std::string_view topic, std::int32_t partition) const;
  Broker& broker_of(NodeId node);
  Broker& broker_of(Held& held) {
    if (held.broker == nullptr || held.broker->node != held.leader) held.broker = &broker_of(held.leader);
    return *held.broker;
  }
  void learn_leader(Held& held);
  void wake() {
    woken_ = true;
    wake_.wake();
  }

  Host& host_;
  const ConsumerConfig& config_;
  ConnectionPool& pool_;
  Metadata& metadata_;
  Signal& changed_;
  const std::string& member_id_;
  Random random_;
  std::vector<std::unique_ptr<Held>> held_;
  std::map<NodeId, std::unique_ptr<Broker>> brokers_;
  std::uint64_t next_number_ = 1;
  std::size_t collect_from_ = 0;  // round robin over partitions
  bool looking_up_ = false;
  bool woken_ = false;
  bool stopped_ = false;
  Signal wake_;
  Scope scope_;  // last: its roots use everything above
};

}  // namespace harrow
