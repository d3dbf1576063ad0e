#include "core/node/coordinator.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <type_traits>

#include "core/model/batch_builder.h"
#include "core/model/record_batch.h"
#include "core/model/trace_payloads.h"
#include "core/node/coordinator_state.h"

namespace harrow {
namespace {

constexpr Label load_label{"coordinator load"};
constexpr Label commit_label{"coordinator commits"};
constexpr Label timers_label{"coordinator timers"};
constexpr Label expiry_label{"offsets expiry"};

std::int16_t wire_code(Code code) { return static_cast<std::int16_t>(to_wire(code)); }

group::Config config_of(const ConfigSnapshot& settings) {
  group::Config config;
  config.min_session_timeout_ms = static_cast<std::int32_t>(settings.number(ConfigKey::group_min_session_timeout_ms));
  config.max_session_timeout_ms = static_cast<std::int32_t>(settings.number(ConfigKey::group_max_session_timeout_ms));
  config.initial_rebalance_delay_ms = static_cast<std::int32_t>(settings.number(ConfigKey::group_initial_rebalance_delay_ms));
  config.max_size = static_cast<std::int32_t>(settings.number(ConfigKey::group_max_size));
  config.offset_metadata_max_bytes = static_cast<std::int32_t>(settings.number(ConfigKey::offset_metadata_max_bytes));
  config.offsets_retention_ms = settings.number(ConfigKey::offsets_retention_minutes) * 60'000;
  return config;
}

std::string_view view_of(const Bytes& flat) {
  const std::span<const std::uint8_t> bytes = flat.span();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Bytes batch_of(const std::vector<group::Record>& records, WallMs now) {
  BatchBuilder builder(BatchOptions{});
  for (const group::Record& record : records) {
    const Bytes key = record.key.flat();
    if (record.value) {
      const Bytes value = record.value->flat();
      builder.add(now, view_of(key), view_of(value));
    } else {
      builder.add(now, view_of(key), std::nullopt);
    }
  }
  return builder.build();
}

/// The records of a read, in order; control batches say nothing to groups.
Result<std::vector<group::Record>> records_of(const Bytes& batches) {
  std::vector<group::Record> records;
  BatchCursor cursor(batches);
  while (cursor.next()) {
    const Bytes batch = cursor.batch();
    if (cursor.header().is_control()) continue;
    TRY(RecordReader reader, RecordReader::open(batch));
    Record record;
    while (reader.next(record)) {
      if (!record.key) continue;
      group::Record& read = records.emplace_back();
      read.key = reader.share(*record.key);
      if (record.value) read.value = reader.share(*record.value);
    }
    if (reader.failed()) return error(Code::corrupt_message, "record of the offsets topic");
  }
  if (cursor.broken()) return error(Code::corrupt_message, "batch of the offsets topic");
  return records;
}

CommitNote payload_of(const group::Note& note) {
  return CommitNote{note.group, note.member, note.topic, note.partition, note.generation,
                    note.offset, note.commit_time, note.now, note.code};
}

}  // namespace

group::Now CoordinatorState::now() const { return {host.clock.wall(), host.clock.mono()}; }

CoordinatorState::Slot* CoordinatorState::slot_of(std::int32_t partition, LeaderEpoch epoch) {
  const auto found = slots.find(partition);
  return found == slots.end() || found->second->epoch != epoch ? nullptr : found->second.get();
}

CoordinatorState::Route CoordinatorState::route(const std::string& group_id) {
  const std::int32_t count = broker.offsets_partition_count();
  if (count == 0) return {nullptr, Code::coordinator_not_available};
  const auto found = slots.find(coordinator_partition_of(group_id, count));
  if (found == slots.end()) return {nullptr, Code::not_coordinator};
  if (!found->second->loaded) return {nullptr, Code::coordinator_load_in_progress};
  return {found->second.get(), Code::none};
}

void CoordinatorState::emit(const group::Note& note) {
  const std::uint32_t subject = host.trace.intern("group " + note.group);
  if (note.kind == TraceKind::assignment_made) {
    const AssignmentNote payload{note.group, note.member, note.partitions};
    host.trace.emit(note.kind, subject, note.a, note.b, &payload);
  } else {
    const CommitNote payload = payload_of(note);
    host.trace.emit(note.kind, subject, note.a, note.b, &payload);
  }
}

void CoordinatorState::deliver(std::vector<group::Answer> answers) {
  for (group::Answer& answer : answers) {
    const auto found = replies.find(answer.ticket);
    if (found == replies.end()) continue;  // who asked is gone
    found->second->body = std::move(answer.body);
    found->second->arrived.set();
  }
}

bool CoordinatorState::carry_out(Slot& slot, group::Outcome outcome) {
  bool written = true;
  while (true) {
    for (const group::Note& note : outcome.notes) emit(note);
    deliver(std::move(outcome.answers));
    if (outcome.records.empty()) break;
    const group::Now at = now();
    const std::shared_ptr<Partition> partition = broker.offsets_partition(slot.partition);
    Result<Appended> appended = error(Code::not_leader_or_follower);
    if (partition != nullptr && partition->is_leader() && partition->leader_epoch() == slot.epoch) {
      const Bytes batch = batch_of(outcome.records, at.wall);
      appended = partition->append_as_leader(batch, Acks::all, AppendOrigin::coordinator, at.wall, at.mono);
    }
    if (appended) {
      if (partition->log().roll_flush_due()) broker.flush_later(partition->id());
      const MonoNs deadline = after_ms(at.mono, settings.number(ConfigKey::offsets_commit_timeout_ms));
      slot.written.push_back({outcome.batch, appended->end, deadline, false});
      break;
    }
    written = false;
    const Code code = appended.error().code;
    if (code == Code::io_error || code == Code::disk_full) broker.fail_storage(appended.error());
    outcome = slot.shard.refused(outcome.batch, code, at);
  }
  if (slot.shard.next_deadline() < timers_armed_at) timers_changed.wake();
  if (!slot.written.empty() && !slot.watched) {
    slot.watched = true;
    watch_commits(host.scope, commit_label, slot.partition, slot.epoch);
  }
  return written;
}

/// Answers what waits for the log, batch after batch; ends when nothing waits.
Root CoordinatorState::watch_commits(Scope&, Label, std::int32_t partition_id, LeaderEpoch epoch) {
  while (true) {
    Slot* slot = slot_of(partition_id, epoch);
    if (slot == nullptr) co_return;
    const std::shared_ptr<Partition> partition = broker.offsets_partition(partition_id);
    if (slot->written.empty() || partition == nullptr) {
      slot->watched = false;
      co_return;
    }
    const Offset end = slot->written.front().end;
    MonoNs deadline = never;
    for (const Written& batch : slot->written)
      if (!batch.timed_out) deadline = std::min(deadline, batch.deadline);
    if (partition->log().flush_due()) {
      const Result<bool> synced = co_await partition->log().synced(end);
      if (!synced) {
        broker.fail_storage(synced.error());
        co_return;
      }
      if (slot_of(partition_id, epoch) == nullptr) co_return;  // resigned() has answered
    }
    const Reached reached = co_await partition->replicated(end, deadline);
    slot = slot_of(partition_id, epoch);
    if (slot == nullptr) co_return;  // resigned() has answered
    if (reached == Reached::closed) {
      slot->watched = false;
      co_return;
    }
    if (reached == Reached::reached) {
      const Offset high_watermark = partition->high_watermark();
      group::BatchId done = 0;
      while (!slot->written.empty() && slot->written.front().end <= high_watermark) {
        done = slot->written.front().id;
        slot->written.pop_front();
      }
      carry_out(*slot, slot->shard.committed(done, now()));
      continue;
    }
    const MonoNs at = host.clock.mono();
    std::vector<group::BatchId> late;
    for (Written& batch : slot->written) {
      if (batch.timed_out || batch.deadline > at) continue;
      batch.timed_out = true;
      late.push_back(batch.id);
    }
    for (const group::BatchId id : late) carry_out(*slot, slot->shard.timed_out(id, Code::request_timed_out, now()));
  }
}

/// Sessions, joins and syncs of all groups here.
Root CoordinatorState::drive_timers(Scope&, Label) {
  while (true) {
    timers_armed_at = never;
    for (const auto& [id, slot] : slots)
      if (slot->loaded) timers_armed_at = std::min(timers_armed_at, slot->shard.next_deadline());
    const Reached reached = co_await timers_changed.next(timers_armed_at);
    if (reached == Reached::closed) co_return;
    const group::Now at = now();
    for (const auto& [id, slot] : slots)
      while (slot->loaded && slot->shard.next_deadline() <= at.mono) carry_out(*slot, slot->shard.tick(at));
  }
}

Root CoordinatorState::expire_offsets(Scope&, Label) {
  while (true) {
    const MonoNs next = after_ms(host.clock.mono(), settings.number(ConfigKey::offsets_retention_check_interval_ms));
    co_await Sleep(host.timers, next, "offsets expiry");
    co_await host.cpu.spend(Work::background, 1);
    for (const auto& [id, slot] : slots) {
      while (slot->loaded) {
        group::Outcome outcome = slot->shard.expire_offsets(now());
        if (outcome.records.empty()) break;
        if (!carry_out(*slot, std::move(outcome))) break;
      }
    }
  }
}

/// Folds the log from its start to the end it has now, in buffers. Requests are let in once all of that is committed,
/// so that nobody sees an offset that may still be lost.
Root CoordinatorState::load(Scope&, Label, std::int32_t partition_id, LeaderEpoch epoch) {
  Offset from = no_offset;
  const auto buffer_bytes = static_cast<std::uint64_t>(settings.number(ConfigKey::offsets_load_buffer_size));
  while (true) {
    Slot* slot = slot_of(partition_id, epoch);
    const std::shared_ptr<Partition> partition = broker.offsets_partition(partition_id);
    if (slot == nullptr || partition == nullptr || !partition->is_leader()) co_return;
    const Offset end = partition->log_end();
    if (from < partition->log_start()) {
      from = partition->log_start();
      slot->shard.begin_load();
    }
    if (from >= end) {
      const Reached reached = co_await partition->replicated(end, never);
      slot = slot_of(partition_id, epoch);
      if (slot == nullptr || reached != Reached::reached) co_return;
      break;
    }
    const Result<ReadResult> read = co_await partition->log().read(from, buffer_bytes, end, true);
    slot = slot_of(partition_id, epoch);
    if (slot == nullptr) co_return;
    if (!read) {
      if (read.error().code == Code::offset_out_of_range) continue;  // the log's start moved: from anew
      broker.fail_storage(read.error());
      co_return;
    }
    const Result<std::vector<group::Record>> records = records_of(read->records);
    const Result<void> folded = records ? slot->shard.load_buffer(*records) : tl::unexpected<Error>(records.error());
    if (!folded) {
      broker.fail_storage(folded.error());
      co_return;
    }
    // Compaction may leave nothing up to the end: the read's own next offset goes on, never the last record's.
    if (read->next <= from) from = end;
    else from = read->next;
    co_await host.cpu.spend(Work::background, 1);
  }
  Slot* const slot = slot_of(partition_id, epoch);
  if (slot == nullptr) co_return;
  group::Outcome outcome = slot->shard.end_load(now());
  slot->loaded = true;
  const CoordinatorNote note{&slot->shard, slot->shard.buffers_loaded()};
  host.trace.emit(TraceKind::coordinator_loaded, host.trace.intern("offsets " + std::to_string(partition_id)), partition_id,
                  slot->shard.records_loaded(), &note);
  carry_out(*slot, std::move(outcome));
}

void CoordinatorState::drop(std::int32_t partition) {
  const auto found = slots.find(partition);
  if (found == slots.end()) return;
  std::vector<group::Answer> answers = found->second->shard.resign(Code::not_coordinator);
  slots.erase(found);
  host.trace.emit(TraceKind::coordinator_unloaded, host.trace.intern("offsets " + std::to_string(partition)), partition);
  deliver(std::move(answers));
}

Coordinator::Coordinator(Host& host, const ConfigSnapshot& settings, CoordinatorBroker& broker)
    : state_(std::make_unique<CoordinatorState>(host, settings, broker)) {}
Coordinator::~Coordinator() = default;

void Coordinator::elected(Partition& partition) {
  CoordinatorState& state = *state_;
  const std::int32_t id = partition.name().partition;
  const LeaderEpoch epoch = partition.leader_epoch();
  // Epochs decide, not the order in which the news come: a late word of an older one changes nothing.
  if (const auto found = state.slots.find(id); found != state.slots.end()) {
    if (found->second->epoch >= epoch) return;
    state.drop(id);
  }
  state.slots.emplace(id, std::make_unique<CoordinatorState::Slot>(id, epoch, config_of(state.settings)));
  state.slots.at(id)->shard.begin_load();
  if (!state.running) {
    state.running = true;
    state.drive_timers(state.host.scope, timers_label);
    state.expire_offsets(state.host.scope, expiry_label);
  }
  state.load(state.host.scope, load_label, id, epoch);
}

void Coordinator::resigned(std::int32_t partition, LeaderEpoch epoch) {
  const auto found = state_->slots.find(partition);
  if (found != state_->slots.end() && found->second->epoch <= epoch) state_->drop(partition);
}

void Coordinator::topic_deleted(const std::string& topic) {
  for (const auto& [id, slot] : state_->slots)
    if (slot->loaded) state_->carry_out(*slot, slot->shard.delete_topic_offsets(topic, state_->now()));
}

const group::Shard* Coordinator::shard(std::int32_t partition) const {
  const auto found = state_->slots.find(partition);
  return found == state_->slots.end() || !found->second->loaded ? nullptr : &found->second->shard;
}

Task<wire::JoinGroupResponse> Coordinator::join_group(wire::JoinGroupRequest request, group::Caller caller) {
  CoordinatorState& state = *state_;
  const CoordinatorState::Route route = state.route(request.group_id);
  const Code code = request.group_id.empty() ? Code::invalid_group_id : route.code;
  if (code != Code::none) {
    wire::JoinGroupResponse refusal;
    refusal.member_id = request.member_id;
    refusal.error_code = wire_code(code);
    co_return refusal;
  }
  CoordinatorState::Reply reply(state);
  state.carry_out(*route.slot, route.slot->shard.join_group(request, caller, reply.ticket, state.now(), state.random));
  co_await reply.arrived.wait();
  co_return std::get<wire::JoinGroupResponse>(std::move(*reply.body));
}

Task<wire::SyncGroupResponse> Coordinator::sync_group(wire::SyncGroupRequest request, group::Caller) {
  CoordinatorState& state = *state_;
  const CoordinatorState::Route route = state.route(request.group_id);
  const Code code = request.group_id.empty() ? Code::invalid_group_id : route.code;
  if (code != Code::none) {
    // While groups load, members must not believe that their generation is gone.
    wire::SyncGroupResponse refusal;
    refusal.error_code = wire_code(code == Code::coordinator_load_in_progress ? Code::rebalance_in_progress : code);
    co_return refusal;
  }
  CoordinatorState::Reply reply(state);
  state.carry_out(*route.slot, route.slot->shard.sync_group(request, reply.ticket, state.now()));
  co_await reply.arrived.wait();
  co_return std::get<wire::SyncGroupResponse>(std::move(*reply.body));
}

Task<wire::HeartbeatResponse> Coordinator::heartbeat(wire::HeartbeatRequest request) {
  CoordinatorState& state = *state_;
  const CoordinatorState::Route route = state.route(request.group_id);
  wire::HeartbeatResponse response;
  // A member is alive while its groups load: it need not look for another coordinator.
  if (request.group_id.empty()) response.error_code = wire_code(Code::invalid_group_id);
  else if (route.slot != nullptr) response = route.slot->shard.heartbeat(request, state.now());
  else if (route.code != Code::coordinator_load_in_progress) response.error_code = wire_code(route.code);
  co_return response;
}

Task<wire::LeaveGroupResponse> Coordinator::leave_group(wire::LeaveGroupRequest request, group::Caller caller) {
  CoordinatorState& state = *state_;
  const CoordinatorState::Route route = state.route(request.group_id);
  const Code code = request.group_id.empty() ? Code::invalid_group_id : route.code;
  if (code != Code::none) {
    wire::LeaveGroupResponse refusal;
    refusal.error_code = wire_code(code);
    co_return refusal;
  }
  CoordinatorState::Reply reply(state);
  state.carry_out(*route.slot, route.slot->shard.leave_group(request, caller, reply.ticket, state.now()));
  co_await reply.arrived.wait();
  co_return std::get<wire::LeaveGroupResponse>(std::move(*reply.body));
}

Task<wire::OffsetCommitResponse> Coordinator::offset_commit(wire::OffsetCommitRequest request) {
  CoordinatorState& state = *state_;
  const CoordinatorState::Route route = state.route(request.group_id);
  if (route.slot == nullptr) {
    wire::OffsetCommitResponse refusal;
    for (const auto& topic : request.topics) {
      auto& refused_topic = refusal.topics.emplace_back();
      refused_topic.name = topic.name;
      refused_topic.topic_id = topic.topic_id;
      for (const auto& partition : topic.partitions) {
        auto& row = refused_topic.partitions.emplace_back();
        row.partition_index = partition.partition_index;
        row.error_code = wire_code(route.code);
      }
    }
    co_return refusal;
  }
  CoordinatorState::Reply reply(state);
  state.carry_out(*route.slot, route.slot->shard.offset_commit(request, reply.ticket, state.now()));
  co_await reply.arrived.wait();
  co_return std::get<wire::OffsetCommitResponse>(std::move(*reply.body));
}

wire::OffsetFetchResponse::OffsetFetchResponseGroup CoordinatorState::fetch(
    const wire::OffsetFetchRequest::OffsetFetchRequestGroup& request) {
  const Route to = route(request.group_id);
  if (to.slot == nullptr) {
    wire::OffsetFetchResponse::OffsetFetchResponseGroup refusal;
    refusal.group_id = request.group_id;
    refusal.error_code = wire_code(to.code);
    return refusal;
  }
  auto response = to.slot->shard.offset_fetch(request);
  for (const auto& topic : response.topics) {
    for (const auto& partition : topic.partitions) {
      group::Note note;
      note.kind = TraceKind::offset_fetched;
      note.a = partition.committed_offset;
      note.group = request.group_id;
      note.member = request.member_id.value_or("");
      note.topic = topic.name;
      note.partition = partition.partition_index;
      note.offset = Offset(partition.committed_offset);
      note.now = host.clock.wall();
      emit(note);
    }
  }
  return response;
}

Task<wire::OffsetFetchResponse> Coordinator::offset_fetch(wire::OffsetFetchRequest request, std::int16_t version) {
  CoordinatorState& state = *state_;
  wire::OffsetFetchResponse response;
  if (version >= 8) {
    for (const auto& group : request.groups) response.groups.push_back(state.fetch(group));
    co_return response;
  }
  wire::OffsetFetchRequest::OffsetFetchRequestGroup one;
  one.group_id = request.group_id;
  one.topics.reset();  // null asks for all
  if (request.topics) {
    one.topics.emplace();
    for (const auto& topic : *request.topics) {
      auto& asked = one.topics->emplace_back();
      asked.name = topic.name;
      asked.partition_indexes = topic.partition_indexes;
    }
  }
  auto found = state.fetch(one);
  response.error_code = found.error_code;
  for (auto& topic : found.topics) {
    auto& shown = response.topics.emplace_back();
    shown.name = topic.name;
    for (auto& partition : topic.partitions) {
      auto& row = shown.partitions.emplace_back();
      row.partition_index = partition.partition_index;
      row.committed_offset = partition.committed_offset;
      row.committed_leader_epoch = partition.committed_leader_epoch;
      row.metadata = std::move(partition.metadata);
    }
  }
  if (version < 2 && found.error_code != 0 && request.topics) {
    // Version 1 has no place for the error but beside each partition.
    for (const auto& topic : *request.topics) {
      auto& shown = response.topics.emplace_back();
      shown.name = topic.name;
      for (const std::int32_t index : topic.partition_indexes) {
        auto& row = shown.partitions.emplace_back();
        row.partition_index = index;
        row.committed_offset = -1;
        row.error_code = found.error_code;
      }
    }
  }
  co_return response;
}

Task<wire::OffsetDeleteResponse> Coordinator::offset_delete(wire::OffsetDeleteRequest request) {
  CoordinatorState& state = *state_;
  const CoordinatorState::Route route = state.route(request.group_id);
  if (route.slot == nullptr) {
    wire::OffsetDeleteResponse refusal;
    refusal.error_code = wire_code(route.code);
    co_return refusal;
  }
  CoordinatorState::Reply reply(state);
  state.carry_out(*route.slot, route.slot->shard.offset_delete(request, reply.ticket, state.now()));
  co_await reply.arrived.wait();
  co_return std::get<wire::OffsetDeleteResponse>(std::move(*reply.body));
}

Task<wire::DeleteGroupsResponse> Coordinator::delete_groups(wire::DeleteGroupsRequest request) {
  CoordinatorState& state = *state_;
  wire::DeleteGroupsResponse response;
  // All are written in this turn; then each is waited for.
  std::deque<CoordinatorState::Reply> replies;
  for (const std::string& group_id : request.groups_names) {
    const CoordinatorState::Route route = state.route(group_id);
    if (route.slot == nullptr) {
      auto& result = response.results.emplace_back();
      result.group_id = group_id;
      result.error_code = wire_code(route.code);
      continue;
    }
    CoordinatorState::Reply& reply = replies.emplace_back(state);
    state.carry_out(*route.slot, route.slot->shard.delete_groups(std::span(&group_id, 1), reply.ticket, state.now()));
  }
  for (CoordinatorState::Reply& reply : replies) {
    co_await reply.arrived.wait();
    for (auto& result : std::get<wire::DeleteGroupsResponse>(*reply.body).results) response.results.push_back(std::move(result));
  }
  co_return response;
}

Task<wire::DescribeGroupsResponse> Coordinator::describe_groups(wire::DescribeGroupsRequest request, std::int16_t version) {
  CoordinatorState& state = *state_;
  wire::DescribeGroupsResponse response;
  for (const std::string& group_id : request.groups) {
    const CoordinatorState::Route route = state.route(group_id);
    if (route.slot != nullptr) {
      response.groups.push_back(route.slot->shard.describe_group(group_id, version));
      continue;
    }
    auto& refused = response.groups.emplace_back();
    refused.group_id = group_id;
    refused.error_code = wire_code(route.code);
  }
  co_return response;
}

Task<wire::ListGroupsResponse> Coordinator::list_groups(wire::ListGroupsRequest request) {
  wire::ListGroupsResponse response;
  for (const auto& [id, slot] : state_->slots) {
    if (!slot->loaded) {
      response.error_code = wire_code(Code::coordinator_load_in_progress);
      continue;
    }
    for (auto& group : slot->shard.list_groups(request)) response.groups.push_back(std::move(group));
  }
  co_return response;
}

}  // namespace harrow
