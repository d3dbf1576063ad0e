// I31, retention: a segment goes by time only when its newest record is older than retention.ms, by size only when the log
// without it still has retention.bytes; what is due goes within a bound.
// Listens to: segment_deleted; at the end the age of each leader's oldest closed segment.
// Legal exceptions: a closed segment may be older than retention.ms by the check interval; the active one never goes by
// itself, so a quiet topic keeps its last segment; segments below the log start go whatever their age. Time is the node's
// own wall clock, which a fault may have moved.
#include <algorithm>

#include "core/log/log.h"
#include "core/replica/partition.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/setup.h"
#include "sim/check/view.h"

namespace harrow::sim {
namespace {

class RetentionRule final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::segment_deleted, TraceKind::fault_began};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::fault_began) {
      if (payload != nullptr && note_of<FaultNote>(payload).kind.starts_with("clock")) clocks_moved_ = true;
      return;
    }
    if (payload == nullptr) return;
    const auto& note = note_of<SegmentNote>(payload);
    switch (static_cast<LogStartReason>(event.b)) {
      case LogStartReason::retention_time:
        expect(note.retention_ms >= 0 && note.now - note.largest_timestamp > note.retention_ms, at(event, event.a), [&] {
          return "deleted by time after " + std::to_string(note.now - note.largest_timestamp) + " ms, retention.ms is " + std::to_string(note.retention_ms);
        });
        break;
      case LogStartReason::retention_size: {
        // Several go in one act: what is left counts down.
        if (left_.subject != event.subject || left_.machine != event.node || left_.time_ns != event.time_ns) left_ = {event.subject, event.node, event.time_ns, note.log_size_bytes};
        left_.bytes -= std::min(left_.bytes, note.size_bytes);
        expect(note.retention_bytes >= 0 && left_.bytes >= static_cast<std::uint64_t>(note.retention_bytes), at(event, event.a), [&] {
          return "deleted by size, which leaves " + std::to_string(left_.bytes) + " bytes; retention.bytes is " + std::to_string(note.retention_bytes);
        });
        break;
      }
      default: break;
    }
  }
  void at_end() override {
    const controller::Image* const image = view().image();
    if (image == nullptr || clocks_moved_) return;
    constexpr std::int64_t slack_ms = 60'000;
    const std::int64_t interval_ms = setup().number("log.retention.check.interval.ms", 300'000);
    const std::int64_t now_ms = setup().start_wall_ms + now_ns() / 1'000'000;
    for (const auto& [id, topic] : image->topics())
      for (std::size_t index = 0; index < topic.partitions.size(); ++index) {
        const NodeId leader = topic.partitions[index].leader;
        const Partition* const live = leader == no_node ? nullptr : view().replica(leader, TopicIdPartition{id, static_cast<std::int32_t>(index)});
        if (live == nullptr || !live->is_leader()) continue;
        const Log& log = live->log();
        if (!log.config().deletes || log.config().retention_ms < 0 || log.segment_count() < 2) continue;
        const Segment& oldest = log.segments().front();
        if (oldest.age_timestamp().value() < 0 || log.segments()[1].base() > live->high_watermark()) continue;
        const std::int64_t age_ms = now_ms - oldest.age_timestamp().value();
        expect(age_ms <= log.config().retention_ms + interval_ms + slack_ms, Where{oracle().machine_of(leader), 0, oldest.base().value(), topic.name, static_cast<std::int32_t>(index)}, [&] {
          return "a closed segment is " + std::to_string(age_ms) + " ms old, retention.ms is " + std::to_string(log.config().retention_ms);
        });
      }
  }

 private:
  struct Left {
    std::uint32_t subject = 0;
    std::uint16_t machine = 0;
    std::int64_t time_ns = -1;
    std::uint64_t bytes = 0;
  };
  Left left_;
  bool clocks_moved_ = false;
};

}  // namespace

std::unique_ptr<Check> make_retention_rule() { return std::make_unique<RetentionRule>(); }

}  // namespace harrow::sim
