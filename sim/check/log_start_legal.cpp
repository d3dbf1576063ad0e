// I30, log start: it never moves back within an incarnation, never passes the true high watermark, moves for a legal reason
// (retention, DeleteRecords, the leader's word, a snapshot, a fresh start above the old end), and segments are deleted only
// below it.
// Listens to: log_start_moved, segment_deleted.
// Legal exceptions: after a crash it comes back from its checkpoint; a new leader that has not heard of its predecessor's
// retention may begin lower, as in Kafka; the metadata log's start follows its snapshots (I20).
#include <algorithm>
#include <map>

#include "core/log/log.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class LogStartLegal final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::log_start_moved, TraceKind::segment_deleted};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    const PartitionTruth* const partition = oracle().partition(event.subject);
    if (partition == nullptr || partition->metadata) return;
    const auto reason = static_cast<LogStartReason>(event.b);
    if (event.kind == TraceKind::segment_deleted) {
      if (payload == nullptr) return;
      const auto& note = note_of<SegmentNote>(payload);
      const bool retention = reason == LogStartReason::retention_time || reason == LogStartReason::retention_size;
      expect(!retention || note.end_offset <= note.high_watermark, at(event, event.a), [&] { return "retention deletes up to " + std::to_string(note.end_offset.value()) + ", the high watermark is " + std::to_string(note.high_watermark.value()); });
      return;
    }
    Last& last = last_[{event.subject, event.node}];
    const std::uint32_t life = oracle().node(event.node).starts;
    const ReplicaTruth* const replica = partition->replica_on(event.node);
    evaluated();
    if (last.life == life && last.topic_id == partition->topic_id && event.a < last.start && reason != LogStartReason::restart)
      fail(at(event, event.a), "the log start went back from " + std::to_string(last.start) + " to " + std::to_string(event.a));
    else if (reason > LogStartReason::restart) fail(at(event, event.a), "no legal reason");
    else if (reason != LogStartReason::restart && event.a > std::max(partition->committed_end, partition->excuses.empty() ? 0 : partition->excuses.back().to) &&
             replica != nullptr && replica->high_watermark < event.a)
      fail(at(event, event.a), "the log start is " + std::to_string(event.a) + ", committed is everything below " + std::to_string(partition->committed_end));
    last = {life, partition->topic_id, event.a};
  }

 private:
  struct Last {
    std::uint32_t life = 0;
    Uuid topic_id;
    std::int64_t start = 0;
  };
  std::map<std::pair<std::uint32_t, std::uint16_t>, Last> last_;
};

}  // namespace

std::unique_ptr<Check> make_log_start_legal() { return std::make_unique<LogStartLegal>(); }

}  // namespace harrow::sim
