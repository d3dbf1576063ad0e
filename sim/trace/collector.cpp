#include "sim/trace/collector.h"

#include <algorithm>

namespace harrow::sim {

namespace {

/// Gaps shorter than this are ordinary latency; they are not kept one by one.
constexpr std::int64_t long_gap_ns = 200'000'000;

}  // namespace

std::span<const TraceKind> collector_kinds() {
  static constexpr TraceKind kinds[] = {TraceKind::send_invoked,   TraceKind::send_acked,           TraceKind::send_failed,  TraceKind::record_consumed, TraceKind::commit_acked,
                                        TraceKind::appended,       TraceKind::high_watermark_moved, TraceKind::truncated,    TraceKind::position_reset,  TraceKind::log_start_moved};
  return kinds;
}

Collector::PartitionState& Collector::state_of(std::string_view topic, std::int32_t partition) {
  const auto found = partitions_.find(std::pair(topic, partition));
  if (found != partitions_.end()) return found->second;
  PartitionState& state = partitions_[{std::string(topic), partition}];
  state.timeline.topic = topic;
  state.timeline.partition = partition;
  return state;
}

void Collector::count_under_replicated(std::int64_t now_ns, std::int64_t by) {
  if (by == 0) return;
  const std::int64_t before = under_replicated_;
  under_replicated_ += by;
  if (before == 0 && under_replicated_ > 0) under_replicated_since_ns_ = now_ns;
  if (before > 0 && under_replicated_ == 0) under_replicated_ns_ += now_ns - under_replicated_since_ns_;
  under_replicated_max_ = std::max(under_replicated_max_, under_replicated_);
  if (setup_.curves) under_replicated_curve_.points.emplace_back(now_ns, under_replicated_);
}

void Collector::partition_changed(std::int64_t now_ns, std::string_view topic, std::int32_t partition, std::int32_t leader, std::int32_t leader_epoch,
                                  std::span<const std::int32_t> isr, std::int32_t replicas) {
  PartitionState& state = state_of(topic, partition);
  const bool first = state.replicas == 0;
  const bool was_under = !first && !state.deleted && state.isr < state.replicas;
  const auto size = static_cast<std::int32_t>(isr.size());
  if (!first && leader_epoch > state.epoch && leader >= 0) ++elections_;
  if (!first && size < state.isr) ++isr_shrinks_;
  state.deleted = false;
  state.replicas = state.timeline.replicas = replicas;
  count_under_replicated(now_ns, (size < replicas ? 1 : 0) - (was_under ? 1 : 0));
  if (setup_.curves) {
    auto& leaders = state.timeline.leaders;
    if (first || leader != state.leader || leader_epoch != state.epoch) {
      if (!leaders.empty()) leaders.back().until_ns = now_ns;
      leaders.push_back({now_ns, now_ns, leader, leader_epoch});
    }
    auto& isrs = state.timeline.isrs;
    if (isrs.empty() || !std::equal(isr.begin(), isr.end(), isrs.back().isr.begin(), isrs.back().isr.end())) {
      if (!isrs.empty()) isrs.back().until_ns = now_ns;
      isrs.push_back({now_ns, now_ns, {isr.begin(), isr.end()}});
    }
  }
  state.leader = leader;
  state.epoch = leader_epoch;
  state.isr = size;
}

void Collector::partition_deleted(std::int64_t now_ns, std::string_view topic, std::int32_t partition) {
  PartitionState& state = state_of(topic, partition);
  if (state.deleted) return;
  count_under_replicated(now_ns, state.isr < state.replicas ? -1 : 0);
  for (const auto& [group, position] : state.position) change_lag(group, -std::max<std::int64_t>(state.high_watermark - position, 0));
  state.position.clear();
  state.high_watermark = 0;
  state.isr = state.replicas = 0;
  state.deleted = true;
  if (!state.timeline.leaders.empty()) state.timeline.leaders.back().until_ns = now_ns;
  if (!state.timeline.isrs.empty()) state.timeline.isrs.back().until_ns = now_ns;
}

void Collector::fault_began(std::int64_t now_ns, std::int64_t fault, std::string_view kind, std::string_view target) {
  fault_index_[fault] = faults_.size();
  faults_.push_back({std::string(kind), std::string(target), now_ns, -1, 0});
}
void Collector::fault_ended(std::int64_t now_ns, std::int64_t fault) {
  const auto found = fault_index_.find(fault);
  if (found != fault_index_.end()) faults_[found->second].until_ns = now_ns;
}

void Collector::follow(std::string_view topic, std::int32_t partition, std::int64_t offset) {
  path_ = Path();
  path_.path.topic = topic;
  path_.path.partition = partition;
  path_.path.offset = offset;
  following_ = true;
}

std::string Collector::node_name(std::uint16_t node) const { return node < nodes_.size() ? nodes_[node] : "node" + std::to_string(node); }

void Collector::change_lag(const std::string& group, std::int64_t by) {
  if (setup_.leaving_groups.count(group) != 0) return;
  if (by == 0) return;
  lag_of_group_[group] += by;
  lag_now_ += by;
  lag_max_ = std::max(lag_max_, lag_now_);
}

std::int64_t Collector::lag_of(std::string_view group) const {
  const auto found = lag_of_group_.find(group);
  return found == lag_of_group_.end() ? 0 : found->second;
}

void Collector::waited(std::int64_t from_ns, std::int64_t until_ns) {
  if (until_ns - from_ns > unavailable_max_ns_) unavailable_max_ns_ = until_ns - from_ns;
  if (until_ns - from_ns >= long_gap_ns) gaps_.push_back({from_ns, until_ns});
}

void Collector::roll(std::int64_t now_ns) {
  while (setup_.curves && now_ns >= interval_start_ns_ + setup_.interval_ns) close_interval(interval_start_ns_ + setup_.interval_ns);
}

void Collector::close_interval(std::int64_t at_ns) {
  interval_start_ns_ = at_ns;
  static constexpr std::pair<const char*, std::int64_t> quantiles[] = {{"p50", 500'000}, {"p99", 990'000}, {"p99.9", 999'000}};
  if (latency_curves_.empty())
    for (const char* what : {"produce", "end to end"})
      for (const auto& [name, q] : quantiles) latency_curves_.push_back({std::string(what) + " " + name, {}});
  std::size_t curve = 0;
  for (Histogram* const now : {&produce_now_, &end_to_end_now_}) {
    for (const auto& [name, q] : quantiles) {
      if (now->count() > 0) {
        const std::int64_t us = now->quantile(q) / 1000;
        latency_curves_[curve].points.emplace_back(at_ns, us);
        metrics_.push_back({at_ns, "clients", now == &produce_now_ ? "produce_latency_us" : "end_to_end_latency_us", std::string("quantile=") + name, us});
      }
      ++curve;
    }
    now->clear();
  }
  for (const auto& [group, lag] : lag_of_group_) {
    auto found = std::find_if(lag_curves_.begin(), lag_curves_.end(), [&](const Series& s) { return s.name == group; });
    if (found == lag_curves_.end()) found = lag_curves_.insert(lag_curves_.end(), Series{group, {}});
    found->points.emplace_back(at_ns, lag);
    metrics_.push_back({at_ns, "clients", "consumer_lag", "group=" + group, lag});
  }
  metrics_.push_back({at_ns, "cluster", "under_replicated_partitions", "", under_replicated_});
  metrics_.push_back({at_ns, "clients", "records_sent", "", sent_});
  metrics_.push_back({at_ns, "clients", "records_acked", "", acked_});
}

void Collector::on_event(const TraceEvent& event, const void* payload) {
  roll(event.time_ns);
  switch (event.kind) {
    case TraceKind::truncated: ++truncations_; break;
    case TraceKind::appended: {
      const auto* const note = static_cast<const AppendNote*>(payload);
      if (note == nullptr) break;
      if (!path_.done && path_.path.partition == note->partition && path_.path.topic == note->topic && path_.path.offset >= event.a && path_.path.offset <= event.b)
        path_.path.steps.push_back({event.time_ns, note->as_leader ? "stored by the leader" : "replicated by a follower", node_name(event.node)});
      // until the answer says which offset the record got, any batch of its topic may be the one
      if (setup_.curves && path_.value_hash != 0 && path_.path.offset < 0 && path_.path.topic == note->topic && path_.stored.size() < 4096)
        path_.stored.push_back({note->partition, event.a, event.b, {event.time_ns, note->as_leader ? "stored by the leader" : "replicated by a follower", node_name(event.node)}});
      break;
    }
    default: on_client(event, payload);
  }
  if (setup_.curves && !path_.done) watch_path(event, payload);
}

void Collector::on_client(const TraceEvent& event, const void* payload) {
  if (payload == nullptr) return;
  switch (event.kind) {
    case TraceKind::send_invoked: {
      const auto& note = *static_cast<const SendNote*>(payload);
      ++sent_;
      const auto groups = setup_.groups_of_topic.find(note.topic);
      flights_[note.value_hash] = Flight{event.time_ns, groups == setup_.groups_of_topic.end() ? 0 : groups->second, false};
      return;
    }
    case TraceKind::send_acked:
    case TraceKind::send_failed: {
      const auto& note = *static_cast<const SendNote*>(payload);
      const auto flight = flights_.find(note.value_hash);
      if (flight == flights_.end()) return;
      const bool acked = event.kind == TraceKind::send_acked;
      ++(acked ? acked_ : failed_);
      PartitionState& state = state_of(note.topic, note.partition);
      if (acked) {
        produce_.add(event.time_ns - flight->second.sent_ns);
        if (setup_.curves) produce_now_.add(event.time_ns - flight->second.sent_ns);
        // high watermark as clients can know it: what was acked by all may be read
        if (note.acks == -1 && note.offset.value() >= 0) {
          const std::int64_t end = note.offset.value() + 1;
          if (end > state.high_watermark) {
            for (const auto& [group, position] : state.position) change_lag(group, std::max<std::int64_t>(end - position, 0) - std::max<std::int64_t>(state.high_watermark - position, 0));
            state.high_watermark = end;
          }
        }
      }
      auto answered = state.answered_ns.find(note.producer);
      if (answered == state.answered_ns.end()) answered = state.answered_ns.emplace(std::string(note.producer), 0).first;
      std::int64_t& last = answered->second;
      waited(std::max(flight->second.sent_ns, last), event.time_ns);
      last = event.time_ns;
      flight->second.answered = true;
      if (flight->second.readers_left <= 0) flights_.erase(flight);
      return;
    }
    case TraceKind::record_consumed: {
      const auto& note = *static_cast<const ConsumeNote*>(payload);
      const auto flight = flights_.find(note.value_hash);
      PartitionState& state = state_of(note.topic, note.partition);
      const std::int64_t next = note.offset.value() + 1;
      auto position = state.position.find(note.group);
      if (position == state.position.end()) {
        position = state.position.emplace(std::string(note.group), 0).first;
        change_lag(position->first, state.high_watermark);
      }
      const bool first_time = next > position->second;
      if (first_time) {
        change_lag(position->first, std::max<std::int64_t>(state.high_watermark - next, 0) - std::max<std::int64_t>(state.high_watermark - position->second, 0));
        position->second = next;
      }
      if (flight == flights_.end() || !first_time) return;
      end_to_end_.add(event.time_ns - flight->second.sent_ns);
      if (setup_.curves) end_to_end_now_.add(event.time_ns - flight->second.sent_ns);
      if (--flight->second.readers_left <= 0 && flight->second.answered) flights_.erase(flight);
      return;
    }
    default: return;
  }
}

void Collector::watch_path(const TraceEvent& event, const void* payload) {
  if (payload == nullptr) return;
  RecordPath& path = path_.path;
  const auto step = [&](const char* what) { path.steps.push_back({event.time_ns, what, node_name(event.node)}); };
  switch (event.kind) {
    case TraceKind::send_invoked: {
      const auto& note = *static_cast<const SendNote*>(payload);
      // the first record that can be followed from its beginning; a later candidate replaces one that failed
      if (following_ || path_.value_hash != 0 || note.acks != -1) return;
      path_.value_hash = note.value_hash;
      path.producer = note.producer;
      path.topic = note.topic;
      path.sequence = note.sequence;
      step("produced");
      return;
    }
    case TraceKind::send_acked: {
      const auto& note = *static_cast<const SendNote*>(payload);
      const bool wanted = following_ ? path.topic == note.topic && path.partition == note.partition && path.offset == note.offset.value() : note.value_hash == path_.value_hash;
      if (!wanted) return;
      path.producer = note.producer;
      path.sequence = note.sequence;
      path.partition = note.partition;
      path.offset = note.offset.value();
      path_.value_hash = note.value_hash;
      for (Stored& stored : path_.stored)
        if (stored.partition == note.partition && stored.base <= path.offset && path.offset <= stored.last) path.steps.push_back(std::move(stored.step));
      path_.stored.clear();
      step("acknowledged");
      return;
    }
    case TraceKind::record_consumed: {
      const auto& note = *static_cast<const ConsumeNote*>(payload);
      if (path_.value_hash != 0 && note.value_hash == path_.value_hash) path.steps.push_back({event.time_ns, "consumed by " + std::string(note.group), node_name(event.node)});
      return;
    }
    case TraceKind::commit_acked: {
      const auto& note = *static_cast<const CommitNote*>(payload);
      if (path.offset < 0 || note.topic != path.topic || note.partition != path.partition || note.offset.value() <= path.offset) return;
      const std::string what = "committed by " + std::string(note.group);
      if (std::any_of(path.steps.begin(), path.steps.end(), [&](const RecordStep& s) { return s.what == what; })) return;
      step(what.c_str());
      const auto groups = setup_.groups_of_topic.find(path.topic);
      const auto commits = std::count_if(path.steps.begin(), path.steps.end(), [](const RecordStep& s) { return s.what.rfind("committed", 0) == 0; });
      if (!following_ && groups != setup_.groups_of_topic.end() && commits >= groups->second) path_.done = true;
      return;
    }
    default: return;
  }
}

void Collector::finish(std::int64_t now_ns) {
  roll(now_ns);
  if (setup_.curves) close_interval(now_ns);
  if (under_replicated_ > 0) {
    under_replicated_ns_ += now_ns - under_replicated_since_ns_;
    under_replicated_since_ns_ = now_ns;
  }
  for (auto& [id, state] : partitions_) {
    if (state.deleted) continue;
    if (!state.timeline.leaders.empty()) state.timeline.leaders.back().until_ns = now_ns;
    if (!state.timeline.isrs.empty()) state.timeline.isrs.back().until_ns = now_ns;
  }
  std::int64_t oldest_ns = -1;  // a minimum: the order of the walk does not show
  for (const auto& [hash, flight] : flights_)
    if (!flight.answered && (oldest_ns < 0 || flight.sent_ns < oldest_ns)) oldest_ns = flight.sent_ns;
  if (oldest_ns >= 0) waited(oldest_ns, now_ns);
  for (FaultBar& fault : faults_) {
    const std::int64_t until = fault.until_ns < 0 ? now_ns : fault.until_ns;
    for (const Gap& gap : gaps_)
      if (gap.from_ns <= until && gap.until_ns >= fault.from_ns) fault.unavailable_ns = std::max(fault.unavailable_ns, gap.until_ns - std::max(gap.from_ns, fault.from_ns));
  }
}

void Collector::fill(ReportData& report) const {
  report.partitions.clear();
  for (const auto& [id, state] : partitions_)
    if (!state.timeline.leaders.empty()) report.partitions.push_back(state.timeline);
  report.faults = faults_;
  report.latency_ms_micro = latency_curves_;
  report.lag = lag_curves_;
  report.under_replicated = under_replicated_curve_;
  report.path = path_.path;
  report.metrics = metrics_;
  std::stable_sort(report.path.steps.begin(), report.path.steps.end(), [](const RecordStep& a, const RecordStep& b) { return a.at_ns < b.at_ns; });
}

}  // namespace harrow::sim
