#include "sim/size/measure.h"

#include <algorithm>

#include "core/model/trace_payloads.h"

namespace harrow::size {
namespace {
constexpr std::int64_t late_ns = 1'000'000'000;  // an answer or a reader later than this is late
}

void Records::on_event(const TraceEvent& event, const void* payload) {
  switch (event.kind) {
    case TraceKind::send_invoked: {
      const auto& note = *static_cast<const SendNote*>(payload);
      flights_[note.value_hash] = Flight{event.time_ns, groups_};
      if (window_.has(event.time_ns)) ++invoked_;
      return;
    }
    case TraceKind::send_acked:
    case TraceKind::send_failed: {
      const auto& note = *static_cast<const SendNote*>(payload);
      const auto found = flights_.find(note.value_hash);
      if (found == flights_.end() || found->second.answered) return;
      Flight& flight = found->second;
      const std::int64_t took = event.time_ns - flight.sent_ns;
      longest_ = std::max(longest_, took);
      flight.answered = true;
      if (window_.has(flight.sent_ns)) {
        produce_.add(took);
        if (event.kind == TraceKind::send_acked && event.time_ns < window_.until_ns + late_ns / 4) ++acked_;
      }
      if (flight.readers_left <= 0 || event.kind == TraceKind::send_failed) flights_.erase(found);
      return;
    }
    case TraceKind::record_consumed: {
      const auto& note = *static_cast<const ConsumeNote*>(payload);
      const auto found = flights_.find(note.value_hash);
      if (found == flights_.end()) return;
      Flight& flight = found->second;
      if (window_.has(flight.sent_ns)) end_to_end_.add(event.time_ns - flight.sent_ns);
      if (--flight.readers_left <= 0 && flight.answered) flights_.erase(found);
      return;
    }
    default: return;
  }
}

void Records::finish(std::int64_t now_ns) {
  for (const auto& [hash, flight] : flights_) {
    if (!flight.answered) longest_ = std::max(longest_, now_ns - flight.sent_ns);
    if (!window_.has(flight.sent_ns) || now_ns - flight.sent_ns < late_ns) continue;
    if (!flight.answered) produce_.add(now_ns - flight.sent_ns);
    if (flight.readers_left > 0) {
      ++behind_;
      end_to_end_.add(now_ns - flight.sent_ns);
    }
  }
}

void Machines::attach(sim::Cluster& cluster) { cluster.kernel().listen(TraceKind::frame_received, *this); }

void Machines::on_event(const TraceEvent& event, const void*) {
  const auto add = [&](std::vector<std::uint64_t>& counts, std::size_t machine) {
    if (machine >= counts.size()) counts.resize(machine + 1, 0);
    counts[machine] += static_cast<std::uint64_t>(event.b);
  };
  add(in_, event.node);
  add(out_, static_cast<std::size_t>(event.a));
}

Machines::Reading Machines::read(sim::Cluster& cluster, std::size_t node) const {
  sim::Machine& machine = *cluster.nodes()[node].machine;
  const std::size_t index = machine.index();
  Reading reading;
  reading.at_ns = cluster.kernel().now_ns();
  reading.up = machine.running();
  if (machine.host() != nullptr) reading.cpu_ns = machine.host()->cpu().busy_ns();
  reading.stored = machine.disk().used_bytes();
  reading.in = index < in_.size() ? in_[index] : 0;
  reading.out = index < out_.size() ? out_[index] : 0;
  return reading;
}

void Machines::look(sim::Cluster& cluster) {
  const std::int64_t now = cluster.kernel().now_ns();
  if (now < window_.from_ns || now > window_.until_ns) return;
  const std::size_t count = cluster.nodes().size();
  if (first_.empty()) {
    for (std::size_t i = 0; i < count; ++i) first_.push_back(read(cluster, i));
    last_ = first_;
    return;
  }
  for (std::size_t i = 0; i < count; ++i) last_[i] = read(cluster, i);
}

Busy Machines::busiest() const {
  Busy busy;
  for (std::size_t i = 0; i < first_.size(); ++i) {
    const Reading &a = first_[i], &b = last_[i];
    const double seconds = static_cast<double>(b.at_ns - a.at_ns) / 1e9;
    if (seconds <= 0 || !a.up || !b.up) continue;
    busy.cpu = std::max(busy.cpu, static_cast<double>(b.cpu_ns - a.cpu_ns) / 1e9 / seconds);
    busy.disk = std::max(busy.disk, b.stored > a.stored ? static_cast<double>(b.stored - a.stored) / seconds : 0);
    busy.net_in = std::max(busy.net_in, static_cast<double>(b.in - a.in) / seconds);
    busy.net_out = std::max(busy.net_out, static_cast<double>(b.out - a.out) / seconds);
  }
  return busy;
}

}  // namespace harrow::size
