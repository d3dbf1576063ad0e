#include "tests/unit/client/fake_cluster.h"

#include <algorithm>

#include "core/model/batch_builder.h"
#include "core/wire/api_versions_response.h"
#include "core/wire/fetch_request.h"
#include "core/wire/find_coordinator_request.h"
#include "core/wire/find_coordinator_response.h"
#include "core/wire/init_producer_id_response.h"
#include "core/wire/list_offsets_request.h"
#include "core/wire/list_offsets_response.h"
#include "core/wire/metadata_request.h"
#include "core/wire/metadata_response.h"
#include "core/wire/offset_for_leader_epoch_request.h"
#include "core/wire/offset_for_leader_epoch_response.h"

namespace harrow::test {

using wire::ApiKey;

class FakeConnection final : public Connection {
 public:
  FakeConnection(FakeCluster& cluster, std::uint64_t id, Endpoint peer) : cluster_(cluster), id_(id), peer_(std::move(peer)) {}
  ~FakeConnection() override { cluster_.peers_.erase(id_); }
  void send(Bytes frame) override {
    FakeCluster& cluster = cluster_;
    const std::uint64_t id = id_;
    cluster.kernel.call_at(cluster.kernel.now_ns() + delay_ns, [&cluster, id, frame] { cluster.arrived(id, frame); });
  }
  std::uint64_t unsent_bytes() const override { return 0; }
  void close() override {
    if (closed_) return;
    closed_ = true;
    if (reader_ != nullptr) reader_->complete(error(Code::closed));
  }
  bool closed() const override { return closed_; }
  const Endpoint& peer() const override { return peer_; }
  void deliver(Bytes frame) {
    if (closed_) return;
    if (reader_ != nullptr) reader_->complete(std::move(frame));
    else received_.push_back(std::move(frame));
  }
  void reset() {
    closed_ = true;
    if (reader_ != nullptr) reader_->complete(error(Code::connection_reset));
  }

 private:
  void start_read(std::uint32_t, Completion<Result<Bytes>>& done) override {
    if (!received_.empty()) {
      done.complete(std::move(received_.front()));
      received_.pop_front();
    } else if (closed_) {
      done.complete(error(Code::connection_reset));
    } else {
      done.attach(&reader_);
    }
  }
  void start_flush(Completion<Result<bool>>& done) override { done.complete(true); }
  FakeCluster& cluster_;
  std::uint64_t id_;
  Endpoint peer_;
  bool closed_ = false;
  std::deque<Bytes> received_;
  Completion<Result<Bytes>>* reader_ = nullptr;
};

FakeCluster::FakeCluster() = default;
FakeCluster::~FakeCluster() = default;

void FakeCluster::create_topic(const std::string& name, std::int32_t partitions) {
  topics[name] = Uuid{77, topics.size() + 1};
  for (std::int32_t i = 0; i < partitions; ++i) logs[TopicPartition{name, i}].leader = NodeId(1 + i % brokers);
}

void FakeCluster::move_leader(const std::string& topic, std::int32_t partition, NodeId to, std::optional<Offset> cut_to) {
  Log& moved = log(topic, partition);
  if (cut_to) {
    while (!moved.batches.empty() && parse_batch_header(moved.batches.back())->base_offset >= *cut_to) moved.batches.pop_back();
    moved.end = *cut_to;
  }
  moved.epoch_ends[moved.epoch.value()] = moved.end.value();
  moved.epoch = LeaderEpoch(moved.epoch.value() + 1);
  moved.leader = to;
}

std::vector<std::string> FakeCluster::values(const std::string& topic, std::int32_t partition) {
  std::vector<std::string> result;
  for (const Bytes& batch : log(topic, partition).batches) {
    Result<RecordReader> reader = RecordReader::open(batch);
    if (reader->header().is_control()) {
      result.push_back("-");
      continue;
    }
    Record record;
    while (reader->next(record)) result.push_back(std::string(record.value.value_or("null")));
  }
  return result;
}

void FakeCluster::append_control_batch(const std::string& topic, std::int32_t partition) {
  Log& to = log(topic, partition);
  to.batches.push_back(end_transaction_marker(to.end, to.epoch, WallMs(1), ProducerId(5), ProducerEpoch(0), true, 0));
  ++to.end;
}

int FakeCluster::count(ApiKey api) const {
  return static_cast<int>(std::count_if(journal.begin(), journal.end(), [&](const auto& entry) { return entry.first == api; }));
}

bool FakeCluster::run_until(const std::function<bool()>& done, std::int64_t limit_ms) {
  const std::int64_t limit_ns = kernel.now_ns() + limit_ms * ns_per_ms;
  while (!done() && kernel.now_ns() < limit_ns) kernel.run_until(std::min(limit_ns, kernel.now_ns() + ns_per_ms / 2));
  return done();
}

void FakeCluster::start_connect(const Endpoint& to, Completion<Result<ConnectionPtr>>& done) {
  if (down.contains(to.port)) {
    done.complete(error(Code::connection_refused));
    return;
  }
  const std::uint64_t id = next_peer_++;
  auto connection = std::make_unique<FakeConnection>(*this, id, to);
  peers_[id].connection = connection.get();
  peers_[id].broker = to.port;
  done.complete(ConnectionPtr(std::move(connection)));
}

void FakeCluster::arrived(std::uint64_t id, Bytes frame) {
  const auto peer = peers_.find(id);
  if (peer == peers_.end()) return;
  if (peer->second.busy) {
    peer->second.inbox.push_back(std::move(frame));
    return;
  }
  peer->second.busy = true;
  handle(id, frame.from(4));
}

/// One request at a time and connection, as a broker does.
void FakeCluster::answer(std::uint64_t id, Bytes frame, bool lose) {
  if (lose) {
    reset(id);
    return;
  }
  const Bytes body = frame.from(4);
  kernel.call_at(kernel.now_ns() + delay_ns, [this, id, body] {
    const auto peer = peers_.find(id);
    if (peer != peers_.end()) peer->second.connection->deliver(body);
  });
  const auto peer = peers_.find(id);
  if (peer == peers_.end()) return;
  peer->second.busy = false;
  if (peer->second.inbox.empty()) return;
  Bytes next = std::move(peer->second.inbox.front());
  peer->second.inbox.pop_front();
  peer->second.busy = true;
  kernel.call_at(kernel.now_ns(), [this, id, next] { handle(id, next.from(4)); });
}

void FakeCluster::reset(std::uint64_t id) {
  const auto peer = peers_.find(id);
  if (peer == peers_.end()) return;
  peer->second.inbox.clear();
  peer->second.connection->reset();
}

const std::string& FakeCluster::name_of_topic(const Uuid& id) const {
  static const std::string none;
  for (const auto& [name, topic] : topics)
    if (topic == id) return name;
  return none;
}

Code FakeCluster::append(Log& log, const Bytes& records, Offset& base) {
  const Result<BatchHeader> header = check_batch(records);
  if (!header) return header.error().code;
  if (header->has_producer()) {
    Log::Producer& producer = log.producers[header->producer_id.value()];
    if (producer.epoch == header->producer_epoch.value())
      for (const Entry& entry : producer.last)
        if (entry.first == header->base_sequence && entry.last == header->last_sequence()) {
          base = entry.offset;
          return Code::none;
        }
    if (header->producer_epoch.value() < producer.epoch) return Code::invalid_producer_epoch;
    const bool fresh = header->producer_epoch.value() > producer.epoch;
    if (producer.epoch >= 0 && fresh && header->base_sequence != 0) return Code::out_of_order_sequence_number;
    if (!fresh && !producer.last.empty() && header->base_sequence != producer.last.back().last + 1) return Code::out_of_order_sequence_number;
    if (fresh) producer.last.clear();
    producer.epoch = header->producer_epoch.value();
    producer.last.push_back(Entry{header->base_sequence, header->last_sequence(), log.end});
    if (producer.last.size() > 5) producer.last.pop_front();
  }
  base = log.end;
  log.batches.push_back(with_base_offset(records, *header, log.end, log.epoch));
  log.end = log.end + header->last_offset_delta + 1;
  return Code::none;
}

void FakeCluster::shard_outcome(group::Outcome outcome) {
  const auto tell = [&](const std::vector<group::Answer>& answers) {
    for (const group::Answer& said : answers) {
      const auto ticket = tickets_.find(said.ticket);
      if (ticket == tickets_.end()) continue;
      const auto deliver = std::move(ticket->second);
      tickets_.erase(ticket);
      deliver(said.body);
    }
  };
  tell(outcome.answers);
  if (!outcome.records.empty()) shard_outcome(shard.committed(outcome.batch, now()));
  arm_shard();
}

void FakeCluster::arm_shard() {
  const MonoNs next = shard.next_deadline();
  if (next >= never) return;
  kernel.call_at(next.value(), [this] {
    if (shard.next_deadline().value() <= kernel.now_ns()) shard_outcome(shard.tick(now()));
  });
}

void FakeCluster::serve_fetch(std::uint64_t id, std::int32_t correlation, std::int16_t version, Bytes frame, std::int64_t until_ns, Meddling meddling) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  Reader reader(frame);
  const auto header = wire::RequestHeader::decode(reader);
  const wire::FetchRequest request = *wire::FetchRequest::decode(reader, header->api_version);
  wire::FetchResponse response;
  Peer::Session session = peer.session;
  if (request.session_epoch <= 0) session = Peer::Session();
  else if (request.session_id != session.id) response.error_code = static_cast<std::int16_t>(Code::fetch_session_id_not_found);
  else if (request.session_epoch != session.epoch) response.error_code = static_cast<std::int16_t>(Code::invalid_fetch_session_epoch);
  for (const auto& topic : request.forgotten_topics_data)
    for (const std::int32_t partition : topic.partitions) session.partitions.erase(TopicIdPartition{topic.topic_id, partition});
  for (const auto& topic : request.topics)
    for (const auto& partition : topic.partitions)
      session.partitions[TopicIdPartition{topic.topic_id, partition.partition}] = {partition.fetch_offset, partition.current_leader_epoch};
  bool something = response.error_code != 0;
  if (!something) {
    for (const auto& [tip, place] : session.partitions) {
      wire::FetchResponse::PartitionData data;
      data.partition_index = tip.partition;
      data.records = Bytes();
      const auto at = logs.find(TopicPartition{name_of_topic(tip.topic_id), tip.partition});
      Code code = meddling.code;
      if (at == logs.end()) code = Code::unknown_topic_id;
      else if (code == Code::none && at->second.leader.value() != peer.broker) code = Code::not_leader_or_follower;
      else if (code == Code::none && place.second >= 0 && place.second < at->second.epoch.value()) code = Code::fenced_leader_epoch;
      else if (code == Code::none && place.second > at->second.epoch.value()) code = Code::unknown_leader_epoch;
      else if (code == Code::none && (place.first < at->second.start.value() || place.first > at->second.end.value())) code = Code::offset_out_of_range;
      data.error_code = static_cast<std::int16_t>(code);
      if (code == Code::none) {
        data.high_watermark = at->second.end.value();
        for (const Bytes& batch : at->second.batches) {
          const Result<BatchHeader> batch_header = parse_batch_header(batch);
          if (batch_header->end_offset().value() > place.first) data.records->append(batch);
        }
      }
      if (code == Code::none && data.records->empty() && request.session_epoch > 0) continue;
      something = something || code != Code::none || !data.records->empty();
      auto& topic = response.responses.emplace_back();
      topic.topic_id = tip.topic_id;
      topic.topic = name_of_topic(tip.topic_id);
      topic.partitions.push_back(std::move(data));
    }
  }
  if (!something && kernel.now_ns() < until_ns) {
    kernel.call_at(std::min(until_ns, kernel.now_ns() + 5 * ns_per_ms),
                   [this, id, correlation, version, frame, until_ns, meddling] { serve_fetch(id, correlation, version, frame, until_ns, meddling); });
    return;
  }
  if (response.error_code == 0) {
    session.id = request.session_epoch <= 0 ? next_session_++ : session.id;
    session.epoch = request.session_epoch <= 0 ? 1 : session.epoch + 1;
    response.session_id = session.id;
    peer.session = session;
  }
  answer(id, wire::encode_response(version, correlation, response), meddling.what == Meddling::lose_answer);
}

void FakeCluster::handle(std::uint64_t id, Bytes frame) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  Reader reader(frame);
  const Result<wire::RequestHeader> header = wire::RequestHeader::decode(reader);
  CHECK(header.has_value());
  const ApiKey api = header->api();
  const std::int16_t version = header->api_version;
  const std::int32_t correlation = header->correlation_id;
  const std::string client = header->client_id.value_or("");
  std::string line = std::to_string(peer.broker) + " v" + std::to_string(version);
  if (api == ApiKey::api_versions && version > newest_api_versions) {
    journal.emplace_back(api, line);
    wire::ApiVersionsResponse refusal;
    refusal.error_code = static_cast<std::int16_t>(Code::unsupported_version);
    auto& own = refusal.api_keys.emplace_back();
    own.api_key = static_cast<std::int16_t>(ApiKey::api_versions);
    own.max_version = newest_api_versions;
    answer(id, wire::encode_response(ApiKey::api_versions, 0, correlation, refusal), false);
    return;
  }
  wire::ProduceRequest produce;
  if (api == ApiKey::produce) {
    produce = *wire::ProduceRequest::decode(reader, version);
    for (const auto& topic : produce.topic_data)
      for (const auto& data : topic.partition_data) {
        const BatchHeader batch = *parse_batch_header(*data.records);
        line += " " + name_of_topic(topic.topic_id) + topic.name + "-" + std::to_string(data.index) + " epoch " + std::to_string(batch.producer_epoch.value()) +
                " seq " + std::to_string(batch.base_sequence) + ".." + std::to_string(batch.last_sequence());
      }
  }
  journal.emplace_back(api, line);
  Meddling meddling;
  if (meddle) meddling = meddle(peer.broker, api, line);
  if (meddling.what == Meddling::stay_silent) return;
  if (meddling.what == Meddling::lose_request) {
    reset(id);
    return;
  }
  const bool lose = meddling.what == Meddling::lose_answer;
  const auto done = [&](const auto& response) { answer(id, wire::encode_response(version, correlation, response), lose); };
  const auto later = [&](auto empty) {
    using Response = decltype(empty);
    const group::Ticket ticket = next_ticket_++;
    tickets_[ticket] = [this, id, version, correlation, lose](const group::Body& body) {
      answer(id, wire::encode_response(version, correlation, std::get<Response>(body)), lose);
    };
    return ticket;
  };
  const group::Caller caller{client, "127.0.0.1", version};
  switch (api) {
    case ApiKey::api_versions: {
      wire::ApiVersionsResponse response;
      for (const wire::ApiInfo& info : wire::all_apis()) {
        auto& range = response.api_keys.emplace_back();
        range.api_key = static_cast<std::int16_t>(info.key);
        range.min_version = info.min_version;
        range.max_version = info.max_version;
      }
      done(response);
      break;
    }
    case ApiKey::metadata: {
      const wire::MetadataRequest request = *wire::MetadataRequest::decode(reader, version);
      wire::MetadataResponse response;
      for (std::int32_t broker = 1; broker <= brokers; ++broker) {
        auto& entry = response.brokers.emplace_back();
        entry.node_id = broker;
        entry.host = "broker";
        entry.port = broker;
      }
      response.cluster_id = "fake";
      for (const auto& asked : *request.topics) {
        auto& topic = response.topics.emplace_back();
        topic.name = asked.name;
        if (!topics.contains(*asked.name)) {
          topic.error_code = static_cast<std::int16_t>(Code::unknown_topic_or_partition);
          continue;
        }
        topic.topic_id = topics.at(*asked.name);
        for (const auto& [tp, log] : logs) {
          if (tp.topic != *asked.name) continue;
          auto& partition = topic.partitions.emplace_back();
          partition.partition_index = tp.partition;
          partition.leader_id = log.leader.value();
          partition.leader_epoch = log.epoch.value();
          partition.replica_nodes = {1, 2};
          partition.isr_nodes = {1, 2};
        }
      }
      done(response);
      break;
    }
    case ApiKey::init_producer_id: {
      wire::InitProducerIdResponse response;
      response.producer_id = next_producer_id++;
      response.producer_epoch = 0;
      done(response);
      break;
    }
    case ApiKey::produce: {
      wire::ProduceResponse response;
      for (const auto& topic : produce.topic_data) {
        auto& said = response.responses.emplace_back();
        said.topic_id = topic.topic_id;
        said.name = topic.name;
        for (const auto& data : topic.partition_data) {
          auto& partition = said.partition_responses.emplace_back();
          partition.index = data.index;
          partition.base_offset = -1;
          const auto at = logs.find(TopicPartition{topic.name.empty() ? name_of_topic(topic.topic_id) : topic.name, data.index});
          Code code = meddling.code;
          Offset base = no_offset;
          if (at == logs.end()) code = Code::unknown_topic_id;
          else if (code == Code::none && at->second.leader.value() != peer.broker) code = Code::not_leader_or_follower;
          else if (code == Code::none) code = append(at->second, *data.records, base);
          else if (meddling.do_it_anyway) append(at->second, *data.records, base);
          partition.error_code = static_cast<std::int16_t>(code);
          if (code == Code::none) partition.base_offset = base.value();
        }
      }
      if (produce.acks == 0) {
        peer.busy = false;
        break;
      }
      done(response);
      break;
    }
    case ApiKey::fetch: {
      const wire::FetchRequest request = *wire::FetchRequest::decode(reader, version);
      serve_fetch(id, correlation, version, frame, kernel.now_ns() + request.max_wait_ms * ns_per_ms, meddling);
      break;
    }
    case ApiKey::list_offsets: {
      const wire::ListOffsetsRequest request = *wire::ListOffsetsRequest::decode(reader, version);
      wire::ListOffsetsResponse response;
      for (const auto& topic : request.topics) {
        auto& said = response.topics.emplace_back();
        said.name = topic.name;
        for (const auto& partition : topic.partitions) {
          auto& entry = said.partitions.emplace_back();
          entry.partition_index = partition.partition_index;
          const Log& of = log(topic.name, partition.partition_index);
          entry.offset = partition.timestamp == -2 ? of.start.value() : of.end.value();
          entry.leader_epoch = of.epoch.value();
        }
      }
      done(response);
      break;
    }
    case ApiKey::offset_for_leader_epoch: {
      const wire::OffsetForLeaderEpochRequest request = *wire::OffsetForLeaderEpochRequest::decode(reader, version);
      wire::OffsetForLeaderEpochResponse response;
      for (const auto& topic : request.topics) {
        auto& said = response.topics.emplace_back();
        said.topic = topic.topic;
        for (const auto& partition : topic.partitions) {
          auto& entry = said.partitions.emplace_back();
          entry.partition = partition.partition;
          const Log& of = log(topic.topic, partition.partition);
          const auto end = of.epoch_ends.find(partition.leader_epoch);
          entry.leader_epoch = partition.leader_epoch;
          entry.end_offset = end != of.epoch_ends.end() ? end->second : of.end.value();
        }
      }
      done(response);
      break;
    }
    case ApiKey::find_coordinator: {
      const wire::FindCoordinatorRequest request = *wire::FindCoordinatorRequest::decode(reader, version);
      wire::FindCoordinatorResponse response;
      for (const std::string& key : request.coordinator_keys) {
        auto& entry = response.coordinators.emplace_back();
        entry.key = key;
        entry.node_id = 1;
        entry.host = "broker";
        entry.port = 1;
      }
      done(response);
      break;
    }
    case ApiKey::join_group: {
      const group::Ticket ticket = later(wire::JoinGroupResponse());
      shard_outcome(shard.join_group(*wire::JoinGroupRequest::decode(reader, version), caller, ticket, now(), random_));
      break;
    }
    case ApiKey::sync_group: {
      const group::Ticket ticket = later(wire::SyncGroupResponse());
      shard_outcome(shard.sync_group(*wire::SyncGroupRequest::decode(reader, version), ticket, now()));
      break;
    }
    case ApiKey::leave_group: {
      const group::Ticket ticket = later(wire::LeaveGroupResponse());
      shard_outcome(shard.leave_group(*wire::LeaveGroupRequest::decode(reader, version), caller, ticket, now()));
      break;
    }
    case ApiKey::offset_commit: {
      const group::Ticket ticket = later(wire::OffsetCommitResponse());
      shard_outcome(shard.offset_commit(*wire::OffsetCommitRequest::decode(reader, version), ticket, now()));
      break;
    }
    case ApiKey::heartbeat: {
      done(shard.heartbeat(*wire::HeartbeatRequest::decode(reader, version), now()));
      arm_shard();
      break;
    }
    case ApiKey::offset_fetch: {
      const wire::OffsetFetchRequest request = *wire::OffsetFetchRequest::decode(reader, version);
      wire::OffsetFetchResponse response;
      for (const auto& group : request.groups) response.groups.push_back(shard.offset_fetch(group));
      done(response);
      break;
    }
    default: check_failed("the fake cluster does not know this API", __FILE__, __LINE__, std::string(wire::name_of(api)).c_str());
  }
}

FakeMachine::FakeMachine(FakeCluster& cluster, std::uint16_t node)
    : clock_(cluster.kernel), queue_(cluster.kernel.run_list()), scope(queue_),
      host_{clock_, cluster.kernel, cluster, disk_, cpu_, Random(node), scope, Tracer(cluster.kernel, node, cluster.kernel.now_ref()), [](Code) {}} {}

}  // namespace harrow::test
