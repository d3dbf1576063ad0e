// Fetch on a broker, versions 4 to 18.
// - followers read to the log's end and report their position; consumers read to the high watermark.
// - 7: sessions. 9: leader epochs are checked. 12: diverging epochs. 13: topic ids. 15: the follower's broker epoch.
// - waits until min bytes, max wait, or anything worth saying at once (an error, a divergence).
// - whole batches; the first partition with data gives at least one even if it is larger than asked for.
#include <algorithm>
#include <boost/container/flat_map.hpp>

#include "core/base/mutation.h"
#include "core/model/trace_payloads.h"
#include "core/node/api/handlers.h"
#include "core/wire/fetch_request.h"
#include "core/wire/fetch_response.h"

namespace harrow {
namespace {

using PartitionData = wire::FetchResponse::PartitionData;

struct Collected {
  struct Answer {
    SessionPartition* wanted = nullptr;
    PartitionData data;
  };
  boost::container::small_vector<Answer, 4> answers;
  std::uint64_t bytes = 0;
  bool at_once = false;  // an error or a divergence: no waiting for more
};

/// A follower's position is judged and noted once per fetch, when the fetch names it.
Code note_follower(Partition& partition, SessionPartition& wanted, const FetchSession& session, BrokerEpoch epoch, MonoNs now, PartitionData& data) {
  const auto diverges = [&]() -> Code {
    const Result<std::optional<EpochEnd>> end = partition.divergence(wanted.last_fetched_epoch, wanted.fetch_offset);
    if (!end) return end.error().code;
    if (end->has_value()) {
      data.diverging_epoch.epoch = (*end)->epoch.value();
      data.diverging_epoch.end_offset = (*end)->end.value();
    }
    return Code::none;
  };
  if (mutated(Bug::R09)) {
    const Code code = partition.follower_fetched(session.replica(), epoch, wanted.fetch_offset, wanted.log_start, now);
    if (code != Code::none) return code;
    return diverges();
  }
  if (const Code code = diverges(); code != Code::none) return code;
  if (data.diverging_epoch.epoch >= 0) return Code::none;  // its position is not in this log
  if (wanted.fetch_offset > partition.log_end() || wanted.fetch_offset < partition.log_start()) return Code::offset_out_of_range;
  return partition.follower_fetched(session.replica(), epoch, wanted.fetch_offset, wanted.log_start, now);
}

/// What a look found out without waiting, or what has to be read from the disk first.
struct Look {
  bool cold = false;
  std::uint64_t most_bytes = 0;
  Offset limit = no_offset;
  bool first = false;
};

void take_read(Broker& broker, Result<ReadResult>& read, PartitionData& data) {
  if (read) {
    data.records = std::move(read->records);
    return;
  }
  if (read.error().code == Code::io_error) broker.fail_storage(read.error());
  data.error_code = static_cast<std::int16_t>(to_wire(read.error().code));
}

/// Fills `data`; what the page cache has is read at once.
Look look_at(Broker& broker, FetchSession& session, SessionPartition& wanted, BrokerEpoch replica_epoch, std::uint64_t room_bytes, bool first,
             PartitionData& data) {
  data.partition_index = wanted.id.partition;
  data.high_watermark = -1;
  data.records.emplace();  // empty with an error, too: clients take none for a broken answer
  Partition* const partition = broker.find(wanted.id);
  Code code = Code::none;
  if (partition == nullptr)
    code = broker.image().partition(wanted.id) != nullptr ? Code::not_leader_or_follower : Code::unknown_topic_or_partition;
  else if (!partition->is_leader())
    code = Code::not_leader_or_follower;
  else
    code = partition->check_leader_epoch(wanted.current_leader_epoch);
  // A position is judged when the fetch names it, and again under each new leadership: what agreed with an older log, or
  // was never judged because there was no leader here, may diverge from this one.
  const bool judge = code == Code::none && (wanted.unread || wanted.judged_epoch != partition->leader_epoch());
  if (judge && session.is_follower())
    code = note_follower(*partition, wanted, session, replica_epoch, broker.host().clock.mono(), data);
  if (judge && !session.is_follower() && wanted.last_fetched_epoch != no_epoch) {
    const Result<std::optional<EpochEnd>> end = partition->divergence(wanted.last_fetched_epoch, wanted.fetch_offset);
    if (!end) code = end.error().code;
    else if (end->has_value()) {
      data.diverging_epoch.epoch = (*end)->epoch.value();
      data.diverging_epoch.end_offset = (*end)->end.value();
    }
  }
  if (code != Code::none) {
    data.error_code = static_cast<std::int16_t>(to_wire(code));
    return {};
  }
  wanted.unread = false;
  wanted.judged_epoch = partition->leader_epoch();
  data.high_watermark = partition->high_watermark().value();
  data.last_stable_offset = data.high_watermark;
  data.log_start_offset = partition->log_start().value();
  if (data.diverging_epoch.epoch >= 0) {
    broker.host().trace.emit(TraceKind::divergence_answered, partition->subject(), data.diverging_epoch.epoch, data.diverging_epoch.end_offset);
    return {};
  }
  const Offset limit = session.is_follower() ? partition->log_end() : partition->high_watermark();
  if (wanted.fetch_offset < partition->log_start() || wanted.fetch_offset > partition->log_end()) {
    data.error_code = static_cast<std::int16_t>(Code::offset_out_of_range);
    data.high_watermark = -1;
    data.last_stable_offset = -1;
    data.log_start_offset = -1;
    return {};
  }
  if (wanted.fetch_offset >= limit || (room_bytes == 0 && !first)) return {};
  const std::uint64_t most = std::min<std::uint64_t>(static_cast<std::uint64_t>(std::max(wanted.max_bytes, 0)), room_bytes);
  std::optional<Result<ReadResult>> cached = partition->log().read_cached(wanted.fetch_offset, most, limit, first);
  if (!cached) return Look{true, most, limit, first};
  take_read(broker, *cached, data);
  return {};
}

Task<PartitionData> read_cold(Broker& broker, SessionPartition& wanted, Look look, PartitionData data) {
  const std::shared_ptr<Partition> partition = broker.share(wanted.id);
  const LeaderEpoch epoch = partition->leader_epoch();
  Task<Result<ReadResult>> reading = partition->log().read(wanted.fetch_offset, look.most_bytes, look.limit, look.first);
  Result<ReadResult> read = co_await reading;
  // The wait may have seen a new leader, a truncation or the topic's end.
  if (broker.find(wanted.id) != partition.get() || !partition->is_leader() || partition->leader_epoch() != epoch)
    data.error_code = static_cast<std::int16_t>(Code::not_leader_or_follower);
  else
    take_read(broker, read, data);
  co_return data;
}

/// Counts what a look found; a partition about which there is nothing new to say leaves the answer and the news.
void settle(Collected& collected, bool full) {
  SessionPartition& wanted = *collected.answers.back().wanted;
  const PartitionData& data = collected.answers.back().data;
  const auto code = static_cast<Code>(data.error_code);
  const bool has_records = data.records && !data.records->empty();
  if (has_records) collected.bytes += data.records->size();
  const bool urgent = code != Code::none || data.diverging_epoch.epoch >= 0;
  if (urgent) collected.at_once = true;
  const bool changed = full || has_records || urgent || data.high_watermark != wanted.sent_high_watermark.value() ||
                       data.log_start_offset != wanted.sent_log_start.value() || wanted.last_code != code;
  if (changed) return;
  collected.answers.pop_back();
  wanted.news.unlink();
}

/// Looks at what has news, in the order in which it came up, and moves it to `looked_at`. Stops at a partition that must
/// be read from the disk, which is the last answer then. At the end everything is news again, until the answer is sent.
Look collect(Broker& broker, FetchSession& session, BrokerEpoch replica_epoch, std::uint64_t max_bytes, bool full, Collected& collected,
             List<SessionPartition::News>& looked_at) {
  while (!session.news().empty()) {
    SessionPartition::News& news = session.news().front();
    looked_at.link_back(news);
    const std::uint64_t room = collected.bytes >= max_bytes ? 0 : max_bytes - collected.bytes;
    Collected::Answer& answer = collected.answers.emplace_back();
    answer.wanted = news.owner;
    const Look look = look_at(broker, session, *news.owner, replica_epoch, room, collected.bytes == 0, answer.data);
    if (look.cold) return look;
    settle(collected, full);
  }
  session.news().splice_back(looked_at);
  return {};
}

/// Goes on where collect() stopped. The references are to the fetch that waits for this.
Task<void> collect_cold(Broker& broker, FetchSession& session, BrokerEpoch replica_epoch, std::uint64_t max_bytes, bool full, Look look,
                        Collected& collected, List<SessionPartition::News>& looked_at) {
  while (look.cold) {
    Collected::Answer& answer = collected.answers.back();
    Task<PartitionData> reading = read_cold(broker, *answer.wanted, look, std::move(answer.data));
    answer.data = co_await reading;
    settle(collected, full);
    look = collect(broker, session, replica_epoch, max_bytes, full, collected, looked_at);
  }
}

bool has_more(const Partition* partition, const FetchSession& session, const SessionPartition& wanted, const PartitionData& data) {
  if (data.error_code != 0 || partition == nullptr) return true;
  const Offset limit = session.is_follower() ? partition->log_end() : partition->high_watermark();
  return wanted.fetch_offset < limit;
}

}  // namespace

Task<wire::FetchResponse> fetch(const RequestContext& context, wire::FetchRequest request) {
  Broker& broker = context.broker();
  Host& host = context.host();
  co_await host.cpu.spend(Work::handler, request.topics.size());
  wire::FetchResponse response;
  const NodeId replica(context.version >= 15 ? request.replica_state.replica_id : request.replica_id);
  const BrokerEpoch replica_epoch(context.version >= 15 ? request.replica_state.replica_epoch : -1);
  const NodeId follower = replica.value() >= 0 ? replica : no_node;
  const MonoNs now = host.clock.mono();
  const MonoNs deadline = after_ms(now, std::max(request.max_wait_ms, 0));

  // The session: an old one, a new one, or one for this fetch alone.
  std::shared_ptr<FetchSession> session;
  bool full = false;
  if (request.session_id != 0 && request.session_epoch > 0) {
    session = broker.sessions().find(request.session_id);
    Code code = Code::none;
    if (session == nullptr) code = Code::fetch_session_id_not_found;
    else if (session->next_epoch != request.session_epoch || session->busy) code = Code::invalid_fetch_session_epoch;
    if (code != Code::none) {
      response.error_code = static_cast<std::int16_t>(code);
      co_return response;
    }
    session->next_epoch = session->next_epoch == INT32_MAX ? 1 : session->next_epoch + 1;
  } else {
    full = true;
    if (request.session_id != 0) broker.sessions().close(request.session_id);
    std::size_t wanted = 0;
    for (const auto& topic : request.topics) wanted += topic.partitions.size();
    if (request.session_epoch == 0 && wanted > 0) {
      std::int32_t evicted = 0;
      session = broker.sessions().open(follower, wanted, now, evicted);
      if (evicted != 0) host.trace.emit(TraceKind::fetch_session_evicted, 0, evicted);
      if (session != nullptr) host.trace.emit(TraceKind::fetch_session_opened, 0, session->id(), static_cast<std::int64_t>(wanted));
      else host.trace.emit(TraceKind::fetch_session_full, 0, static_cast<std::int64_t>(wanted));
    }
    if (session == nullptr) session = std::make_shared<FetchSession>(host.timers, 0, follower);
  }
  session->used_at = now;
  session->busy = true;
  if (follower != no_node) broker.note_fetch_of(follower, now);
  response.session_id = session->id();

  std::vector<std::pair<std::string, PartitionData>> unknown_by_name;
  std::map<Uuid, std::vector<PartitionData>> unknown_by_id;
  for (const auto& topic : request.forgotten_topics_data) {
    Uuid id = topic.topic_id;
    if (context.version < 13)
      if (const controller::TopicImage* const image = broker.image().topic(topic.topic); image != nullptr) id = image->id;
    for (const std::int32_t partition : topic.partitions) session->forget(TopicIdPartition{id, partition});
  }
  for (const auto& topic : request.topics) {
    Uuid topic_id = topic.topic_id;
    const controller::TopicImage* const image = context.version < 13 ? broker.image().topic(topic.topic) : broker.image().topic(topic_id);
    if (image != nullptr) topic_id = image->id;
    for (const auto& asked : topic.partitions) {
      if (image == nullptr) {
        PartitionData data;
        data.partition_index = asked.partition;
        data.error_code = static_cast<std::int16_t>(context.version < 13 ? Code::unknown_topic_or_partition : Code::unknown_topic_id);
        data.high_watermark = -1;
        data.records = Bytes();
        if (context.version < 13) unknown_by_name.emplace_back(topic.topic, std::move(data));
        else unknown_by_id[topic_id].push_back(std::move(data));
        continue;
      }
      SessionPartition& wanted = session->want(TopicIdPartition{topic_id, asked.partition});
      if (context.version < 13) wanted.topic = topic.topic;
      wanted.fetch_offset = Offset(asked.fetch_offset);
      wanted.current_leader_epoch = LeaderEpoch(asked.current_leader_epoch);
      wanted.last_fetched_epoch = LeaderEpoch(asked.last_fetched_epoch);
      wanted.log_start = Offset(asked.log_start_offset);
      wanted.max_bytes = asked.partition_max_bytes;
      wanted.unread = true;
      if (Partition* const partition = broker.find(wanted.id); partition != nullptr && !wanted.linked()) partition->watch(wanted, follower != no_node);
      session->note(wanted);
    }
  }

  const std::uint64_t max_bytes = std::min<std::uint64_t>(static_cast<std::uint64_t>(std::max(request.max_bytes, 0)),
                                                          static_cast<std::uint64_t>(broker.settings().number(ConfigKey::fetch_max_bytes)));
  const auto min_bytes = static_cast<std::uint64_t>(std::max(request.min_bytes, 0));
  const bool unknown = !unknown_by_name.empty() || !unknown_by_id.empty();
  Collected collected;
  for (;;) {
    const std::uint64_t marks = session->marks();
    collected.answers.clear();
    collected.bytes = 0;
    List<SessionPartition::News> looked_at;
    const Look look = collect(broker, *session, replica_epoch, max_bytes, full, collected, looked_at);
    if (look.cold) {
      Task<void> reading = collect_cold(broker, *session, replica_epoch, max_bytes, full, look, collected, looked_at);
      co_await reading;
    }
    if (collected.at_once || unknown || collected.bytes >= min_bytes) break;
    if (host.clock.mono() >= deadline || session->evicted) break;
    if (session->marks() != marks) continue;
    const Reached changed = co_await session->changed().next(deadline);
    if (changed == Reached::closed) break;
  }

  // What is said now is off the news, unless there is more to say.
  List<SessionPartition::News> later;
  while (!session->news().empty()) session->news().front().unlink();
  boost::container::flat_map<Uuid, std::size_t> topic_at;
  for (Collected::Answer& answer : collected.answers) {
    auto& [wanted, data] = answer;
    wanted->sent_high_watermark = Offset(data.high_watermark);
    wanted->sent_log_start = Offset(data.log_start_offset);
    wanted->last_code = static_cast<Code>(data.error_code);
    Partition* const partition = broker.find(wanted->id);
    if (has_more(partition, *session, *wanted, data)) later.link_back(wanted->news);
    if (partition != nullptr) {
      if (!wanted->linked()) partition->watch(*wanted, follower != no_node);
      const FetchNote note{partition->name().topic, partition->name().partition, replica, wanted->fetch_offset, Offset(data.high_watermark),
                           partition->log_start(), partition->log_end(), partition->leader_epoch(), data.error_code == 0 ? &*data.records : nullptr,
                           request.isolation_level == 1, wanted->current_leader_epoch, wanted->judged_epoch};
      host.trace.emit(TraceKind::fetch_answered, partition->subject(), wanted->fetch_offset.value(), data.error_code, &note);
    }
    const auto [at, added] = topic_at.try_emplace(wanted->id.topic_id, response.responses.size());
    if (added) {
      auto& topic = response.responses.emplace_back();
      topic.topic_id = wanted->id.topic_id;
      topic.topic = wanted->topic;
      const auto other = std::find_if(&answer, collected.answers.data() + collected.answers.size(),
                                       [&](const Collected::Answer& next) { return next.wanted->id.topic_id != topic.topic_id; });
      topic.partitions.reserve(static_cast<std::size_t>(other - &answer));
    }
    // Without read_committed nobody asked for transactions.
    if (request.isolation_level == 0 && data.error_code == 0) data.aborted_transactions = std::nullopt;
    response.responses[at->second].partitions.push_back(std::move(data));
  }
  session->news().splice_back(later);
  session->busy = false;
  for (auto& [name, data] : unknown_by_name) {
    auto& topic = response.responses.emplace_back();
    topic.topic = name;
    topic.partitions.push_back(std::move(data));
  }
  for (auto& [id, partitions] : unknown_by_id) {
    auto& topic = response.responses.emplace_back();
    topic.topic_id = id;
    topic.partitions = std::move(partitions);
  }
  co_return response;
}

}  // namespace harrow
