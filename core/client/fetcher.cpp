#include "core/client/fetcher.h"

#include <algorithm>

#include "core/base/mutation.h"
#include "core/model/trace_payloads.h"

namespace harrow {

Fetcher::Fetcher(Host& host, const ConsumerConfig& config, ConnectionPool& pool, Metadata& metadata, Signal& changed, const std::string& member_id)
    : host_(host), config_(config), pool_(pool), metadata_(metadata), changed_(changed), member_id_(member_id),
      random_(host.random.fork(config.client_id).fork("fetcher")), wake_(host.timers), scope_(host.scope.queue()) {
  pool_.add_listener(*this);
  metadata_.set_listener(*this);
  run(scope_, Label("consumer fetcher"));
}

void Fetcher::hold(const std::vector<TopicPartition>& partitions) {
  std::erase_if(held_, [&](const auto& held) { return std::find(partitions.begin(), partitions.end(), held->id) == partitions.end(); });
  for (const TopicPartition& id : partitions) {
    if (find(id) != nullptr) continue;
    auto held = std::make_unique<Held>();
    held->id = id;
    held->number = next_number_++;
    held->subject = host_.trace.intern(folder_of(id));
    metadata_.add_topic(id.topic);
    learn_leader(*held);
    held_.push_back(std::move(held));
  }
  wake();
}

std::vector<TopicPartition> Fetcher::held() const {
  std::vector<TopicPartition> ids;
  for (const auto& held : held_) ids.push_back(held->id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<TopicPartition> Fetcher::without_position() const {
  std::vector<TopicPartition> ids;
  for (const auto& held : held_)
    if (held->state == State::no_position) ids.push_back(held->id);
  return ids;
}

void Fetcher::moved(Held& held, Offset to, LeaderEpoch epoch) {
  held.position = held.fetch_position = to;
  held.position_epoch = held.fetch_epoch = epoch;
  held.batches.clear();
  held.reader.reset();
  held.failure.reset();
  held.retry_at = MonoNs(0);
  // A position that knows its epoch is held against the leader's history before anything is fetched.
  held.state = epoch != no_epoch ? State::validating : State::fetching;
  wake();
}

void Fetcher::seek(const TopicPartition& id, Offset offset, LeaderEpoch epoch) {
  Held* const held = find(id);
  if (held != nullptr) moved(*held, offset, epoch);
}

void Fetcher::reset(const TopicPartition& id, OffsetReset where) {
  Held* const held = find(id);
  if (held == nullptr) return;
  held->batches.clear();
  held->reader.reset();
  held->failure.reset();
  if (where == OffsetReset::none) {
    held->state = State::no_position;
    held->failure = Error{Code::offset_out_of_range, "no committed offset and no reset policy"};
  } else {
    held->state = State::resetting;
    held->reset_to = where;
    held->retry_at = MonoNs(0);
  }
  wake();
  changed_.wake();
}

void Fetcher::pause(const TopicPartition& id, bool paused) {
  Held* const held = find(id);
  if (held == nullptr) return;
  held->paused = paused;
  wake();
  changed_.wake();
}

std::optional<Offset> Fetcher::position(const TopicPartition& id) const {
  const Held* const held = find(id);
  if (held == nullptr || held->state == State::no_position || held->state == State::resetting) return std::nullopt;
  return held->position;
}

std::optional<std::int64_t> Fetcher::lag(const TopicPartition& id) const {
  const Held* const held = find(id);
  if (held == nullptr || held->high_watermark == no_offset || held->position == no_offset) return std::nullopt;
  return std::max<std::int64_t>(0, held->high_watermark - held->position);
}

CommitOffsets Fetcher::consumed() const {
  CommitOffsets offsets;
  for (const auto& held : held_) {
    if (held->state == State::no_position || held->state == State::resetting) continue;
    // F01: what was fetched ahead counts as consumed.
    if (mutated(Bug::F01)) offsets[held->id] = CommitOffset{held->fetch_position, held->fetch_epoch, ""};
    else offsets[held->id] = CommitOffset{held->position, held->position_epoch, ""};
  }
  return offsets;
}

Result<bool> Fetcher::collect(Polled& out) {
  const std::size_t limit = static_cast<std::size_t>(config_.max_poll_records);
  const bool wants_note = host_.trace.wants(TraceKind::record_consumed);
  bool freed = false;
  for (std::size_t i = 0; i < held_.size() && out.records_.size() < limit; ++i) {
    Held& held = *held_[(collect_from_ + i) % held_.size()];
    if (held.paused || held.state != State::fetching) continue;
    while (!held.batches.empty() && out.records_.size() < limit) {
      if (!held.reader) {
        Result<RecordReader> opened = RecordReader::open(held.batches.front());
        if (!opened) {
          held.failure = opened.error();
          break;
        }
        held.reader = std::move(*opened);
      }
      Record record;
      bool more = false;
      while (out.records_.size() < limit && (more = held.reader->next(record))) {
        if (record.offset < held.position) continue;
        out.records_.push_back(ConsumedRecord{held.id.topic, held.id.partition, held.reader->header().leader_epoch, record.offset, record.timestamp,
                                              record.key, record.value, record.header_count, record.raw_headers});
        held.position = record.offset + 1;
        held.position_epoch = held.reader->header().leader_epoch;
        const std::uint64_t value_hash = hash_of(record.value.value_or(std::string_view()));
        if (wants_note) {
          const ConsumeNote note{config_.group_id, member_id_, held.id.topic, held.id.partition, record.offset, value_hash, record.timestamp};
          host_.trace.emit(TraceKind::record_consumed, held.subject, record.offset.value(), static_cast<std::int64_t>(value_hash), &note);
        } else {
          host_.trace.emit(TraceKind::record_consumed, held.subject, record.offset.value(), static_cast<std::int64_t>(value_hash));
        }
      }
      out.holders_.push_back(*held.reader);
      if (more) break;  // the limit was reached within this batch
      if (held.reader->failed()) {
        held.failure = Error{Code::corrupt_message, "records of a batch are damaged"};
        break;
      }
      held.position = held.reader->header().end_offset();
      held.position_epoch = held.reader->header().leader_epoch;
      held.reader.reset();
      held.batches.pop_front();
      freed = true;
    }
    // Control batches and gaps at the end of what was fetched are passed without a record.
    if (held.batches.empty() && held.state == State::fetching && !held.failure && held.position < held.fetch_position) {
      held.position = held.fetch_position;
      held.position_epoch = held.fetch_epoch;
    }
  }
  if (!held_.empty()) collect_from_ = (collect_from_ + 1) % held_.size();
  if (freed) wake();
  if (!out.records_.empty()) return true;
  for (const auto& held : held_) {
    if (!held->failure) continue;
    const Error failure = *held->failure;
    held->failure.reset();
    if (held->state == State::fetching || held->state == State::validating) {
      // Back to what was given: the damaged data is asked for again, after a pause.
      const MonoNs retry_at = host_.timers.now() + backoff_ns(config_, 1, random_);
      moved(*held, held->position, held->position_epoch);
      held->state = State::fetching;
      held->retry_at = retry_at;
    }
    return pass(failure);
  }
  return true;
}

void Fetcher::stop() {
  stopped_ = true;
  held_.clear();
  wake();
}

void Fetcher::learn_leader(Held& held) {
  const Metadata::Topic* const topic = metadata_.find(held.id.topic);
  if (topic == nullptr || static_cast<std::size_t>(held.id.partition) >= topic->partitions.size()) {
    held.leader = no_node;
    return;
  }
  const Metadata::Partition& known = topic->partitions[static_cast<std::size_t>(held.id.partition)];
  if (!held.topic_id.is_zero() && held.topic_id != topic->id) {
    // Another topic of the same name: the old history and its epochs mean nothing in it.
    held.position_epoch = held.fetch_epoch = no_epoch;
    held.batches.clear();
    held.reader.reset();
    held.fetch_position = held.position;
    if (held.state == State::validating) held.state = State::fetching;
  }
  held.topic_id = topic->id;
  held.leader = known.leader;
  if (known.epoch != held.leader_epoch) {
    held.leader_epoch = known.epoch;
    if (held.state == State::fetching && held.position_epoch != no_epoch) {
      // A new leader may have another history: what is buffered is asked for again once the position is known to be in it.
      held.state = State::validating;
      held.batches.clear();
      held.reader.reset();
      held.fetch_position = held.position;
      held.fetch_epoch = held.position_epoch;
    }
  }
}

void Fetcher::metadata_changed() {
  for (const auto& held : held_) learn_leader(*held);
  wake();
  changed_.wake();
}

Fetcher::Held* Fetcher::find(const TopicPartition& id) const {
  for (const auto& held : held_)
    if (held->id == id) return held.get();
  return nullptr;
}
Fetcher::Held* Fetcher::find(std::uint64_t number) const {
  for (const auto& held : held_)
    if (held->number == number) return held.get();
  return nullptr;
}
Fetcher::Held* Fetcher::find(const Uuid& topic_id, std::string_view topic, std::int32_t partition) const {
  for (const auto& held : held_)
    if (held->id.partition == partition && (topic_id.is_zero() ? held->id.topic == topic : held->topic_id == topic_id)) return held.get();
  return nullptr;
}

Fetcher::Broker& Fetcher::broker_of(NodeId node) {
  std::unique_ptr<Broker>& broker = brokers_[node];
  if (broker == nullptr) {
    broker = std::make_unique<Broker>();
    broker->fetcher = this;
    broker->node = node;
    broker->connection = &pool_.to(node);
  }
  return *broker;
}

Root Fetcher::run(Scope&, Label) {
  for (;;) {
    woken_ = false;
    const MonoNs next = step();
    if (woken_) continue;
    co_await wake_.next(next);
  }
}

MonoNs Fetcher::step() {
  const MonoNs now = host_.timers.now();
  MonoNs next = never;
  if (stopped_) return next;
  bool needs_leader = false;
  bool look_up = false;
  for (const auto& held : held_) {
    if (held->leader == no_node) {
      needs_leader = true;
      continue;
    }
    Broker& broker = broker_of(*held);
    const MonoNs ready_at = std::max(held->retry_at, broker.retry_at);
    if (now < ready_at) {
      next = std::min(next, ready_at);
      continue;
    }
    if (held->state == State::resetting) look_up = true;
    if (held->state == State::validating && !held->asking) validate(scope_, Label("validate position"), held->number);
  }
  if (needs_leader) metadata_.request_update();
  if (look_up && !looking_up_) look_up_positions(scope_, Label("reset positions"));
  for (const auto& held : held_) {
    if (held->leader == no_node || held->state != State::fetching || held->paused || now < held->retry_at) continue;
    Broker& broker = broker_of(*held);
    if (!broker.in_flight && now >= broker.retry_at) fetch_from(broker, now);
  }
  return next;
}

void Fetcher::fetch_from(Broker& broker, MonoNs now) {
  if (!broker.connection->up()) {
    if (broker.connection->backing_off()) metadata_.request_update();
    broker.connection->want();
    return;
  }
  // One fetch's worth of data a partition is enough ahead: the broker is asked again when the application took it.
  for (const auto& held : held_)
    if (held->leader == broker.node && !held->paused && !held->batches.empty()) return;
  wire::FetchRequest& request = broker.request;
  request.topics.clear();
  request.forgotten_topics_data.clear();
  request.replica_state = {};
  request.max_wait_ms = config_.fetch_max_wait_ms;
  request.min_bytes = config_.fetch_min_bytes;
  request.max_bytes = config_.fetch_max_bytes;
  request.isolation_level = config_.read_committed ? 1 : 0;
  request.session_id = broker.session_id;
  request.session_epoch = broker.session_epoch;
  request.rack_id = config_.client_rack;
  broker.incremental = broker.session_epoch > 0;
  if (!broker.incremental) broker.session.clear();
  bool ids = true;
  const auto wanted = [&](const Held& held) {
    return held.leader == broker.node && held.state == State::fetching && !held.paused && now >= held.retry_at && !held.failure;
  };
  for (auto entry = broker.session.begin(); entry != broker.session.end();) {
    const Held* const held = find(entry->first);
    if (held != nullptr && wanted(*held) && held->topic_id == entry->second.topic_id) {
      ++entry;
      continue;
    }
    auto& forgotten = request.forgotten_topics_data.emplace_back();
    forgotten.topic = entry->second.topic;
    forgotten.topic_id = entry->second.topic_id;
    forgotten.partitions.push_back(entry->second.partition);
    entry = broker.session.erase(entry);
  }
  std::size_t count = 0;
  for (const auto& held : held_) {
    if (!wanted(*held)) continue;
    ++count;
    ids = ids && !held->topic_id.is_zero();
    const auto [entry, is_new] = broker.session.try_emplace(held->number);
    Sent& sent = entry->second;
    if (!is_new && sent.offset == held->fetch_position && sent.leader_epoch == held->leader_epoch) continue;
    if (is_new) {
      sent.topic_id = held->topic_id;
      sent.topic = held->id.topic;
      sent.partition = held->id.partition;
    }
    sent.offset = held->fetch_position;
    sent.leader_epoch = held->leader_epoch;
    if (request.topics.empty() || request.topics.back().topic_id != held->topic_id || request.topics.back().topic != held->id.topic) {
      auto& topic = request.topics.emplace_back();
      topic.topic = held->id.topic;
      topic.topic_id = held->topic_id;
    }
    auto& partition = request.topics.back().partitions.emplace_back();
    partition.partition = held->id.partition;
    partition.current_leader_epoch = held->leader_epoch.value();
    partition.fetch_offset = held->fetch_position.value();
    partition.partition_max_bytes = config_.max_partition_fetch_bytes;
  }
  if (count == 0 && !broker.incremental) return;
  if (count == 0 && request.forgotten_topics_data.empty()) return;
  const Result<bool> posted = broker.connection->post(request, &broker, config_.request_timeout_ms, ids ? INT16_MAX : std::int16_t{12});
  if (!posted) {
    end_session(broker, true);
    broker.retry_at = now + backoff_ns(config_, 1, random_);
    return;
  }
  broker.in_flight = true;
}

void Fetcher::end_session(Broker& broker, bool known_gone) {
  // Epoch 0 under the old id closes it at the broker and opens another.
  if (known_gone) broker.session_id = 0;
  broker.session_epoch = 0;
  broker.session.clear();
}

void Fetcher::unanswered(Broker& broker, Error) {
  broker.in_flight = false;
  end_session(broker, false);
  broker.retry_at = host_.timers.now() + backoff_ns(config_, 1, random_);
  metadata_.request_update();
  wake();
}

void Fetcher::answered(Broker& broker, Reader& body, std::int16_t version) {
  broker.in_flight = false;
  wake();
  const Result<wire::FetchResponse> response = wire::decode_body<wire::FetchResponse>(body, version);
  if (!response || response->error_code != 0) {
    const Code code = response ? code_from_wire(response->error_code) : Code::corrupt_message;
    end_session(broker, code == Code::fetch_session_id_not_found);
    const bool session_only = code == Code::fetch_session_id_not_found || code == Code::invalid_fetch_session_epoch || code == Code::fetch_session_topic_id_error;
    if (!session_only) broker.retry_at = host_.timers.now() + backoff_ns(config_, 1, random_);
    if (wants_metadata_refresh(code) || code == Code::fetch_session_topic_id_error) metadata_.request_update();
    return;
  }
  if (response->session_id == 0) {
    broker.session_id = broker.session_epoch = 0;
  } else {
    broker.session_id = response->session_id;
    broker.session_epoch = broker.session_epoch == INT32_MAX ? 1 : broker.session_epoch + 1;
  }
  for (const auto& endpoint : response->node_endpoints)
    pool_.set_broker(NodeId(endpoint.node_id), Endpoint{endpoint.host, static_cast<std::uint16_t>(endpoint.port)});
  bool news = false;
  for (const auto& topic : response->responses)
    for (const auto& data : topic.partitions) {
      Held* const held = find(topic.topic_id, topic.topic, data.partition_index);
      if (held == nullptr || held->state != State::fetching || held->leader != broker.node) continue;
      const auto sent = broker.session.find(held->number);
      if (sent == broker.session.end() || sent->second.offset != held->fetch_position) continue;  // sought elsewhere meanwhile
      take(*held, data);
      if (data.current_leader.leader_id >= 0)
        metadata_.update_leader(topic.topic_id, topic.topic, data.partition_index, NodeId(data.current_leader.leader_id), LeaderEpoch(data.current_leader.leader_epoch));
      news = news || !held->batches.empty() || held->failure;
    }
  if (news) changed_.wake();
}

void Fetcher::take(Held& held, const wire::FetchResponse::PartitionData& data) {
  const Code code = code_from_wire(data.error_code);
  if (code == Code::none) {
    held.high_watermark = Offset(data.high_watermark);
    if (data.records && !data.records->empty()) buffer(held, *data.records);
    return;
  }
  if (code == Code::offset_out_of_range) {
    out_of_range(held);
    return;
  }
  held.retry_at = host_.timers.now() + backoff_ns(config_, 1, random_);
  if (code == Code::unknown_leader_epoch) return;
  metadata_.request_update();
  if (code == Code::corrupt_message || code == Code::topic_authorization_failed) refuse(held, Error{code, "the broker refuses the fetch"});
}

void Fetcher::refuse(Held& held, Error error) {
  held.failure = error;
  if (error.code == Code::corrupt_message) host_.trace.emit(TraceKind::fetch_rejected_corrupt, held.subject, held.fetch_position.value());
}

void Fetcher::buffer(Held& held, const Bytes& records) {
  BatchCursor cursor(records);
  while (cursor.next()) {
    const BatchHeader& header = cursor.header();
    if (config_.check_crcs && batch_crc(records, cursor.position(), header) != header.crc) {
      if (mutated(Bug::F06)) held.position = held.fetch_position = header.end_offset();
      refuse(held, Error{Code::corrupt_message, "a batch has a wrong CRC"});
      return;
    }
    if (header.end_offset() <= held.fetch_position) continue;
    if (!header.is_control()) held.batches.push_back(cursor.batch());
    held.fetch_position = header.end_offset();
    held.fetch_epoch = header.leader_epoch;
  }
  if (cursor.broken()) refuse(held, Error{Code::corrupt_message, "what was fetched is no batch"});
}

void Fetcher::out_of_range(Held& held) {
  if (config_.auto_offset_reset == OffsetReset::none) {
    refuse(held, Error{Code::offset_out_of_range, "the position lies outside the log"});
    held.retry_at = host_.timers.now() + backoff_ns(config_, 1, random_);
    return;
  }
  held.state = State::resetting;
  held.reset_to = config_.auto_offset_reset;
  held.retry_at = MonoNs(0);
}

}  // namespace harrow
