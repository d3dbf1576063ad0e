// I66, convergence: at rest after the heal, every partition has a leader, its live replicas are all in the ISR and agree on log
// end, contents, epochs and high watermark, and all nodes have the same metadata.
// Judged at quiescence, from live replicas and the oracle's paths.
// Legal exceptions: partitions that are being written at that moment (the offsets topic, the metadata log) may differ by what
// is on its way; nodes that a fault stopped for good.
#include <map>

#include "core/replica/partition.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/view.h"

namespace harrow::sim {
namespace {

class Convergence final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::appended};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    written_[event.subject] = event.time_ns;
  }
  void at_quiescence() override {
    const controller::Image* const newest = view().image();
    if (newest == nullptr) return;
    const std::int64_t newest_offset = newest->offset().value();
    for (const NodeId id : view().brokers()) {
      const controller::Image* const image = view().image_of(id);
      if (image == nullptr) continue;
      constexpr std::int64_t on_its_way = 50;
      expect(image->offset().value() >= newest_offset - on_its_way, Where{oracle().machine_of(id), 0, -1, std::string(metadata_topic_name), 0}, [&] {
        return "its metadata ends at " + std::to_string(image->offset().value()) + ", the newest at " + std::to_string(newest_offset);
      });
    }
    for (const auto& [topic_id, topic] : newest->topics())
      for (std::size_t index = 0; index < topic.partitions.size(); ++index) judge(topic, topic_id, static_cast<std::int32_t>(index));
  }

 private:
  void judge(const controller::TopicImage& topic, const Uuid& topic_id, std::int32_t index) {
    const controller::PartitionImage& image = topic.partitions[static_cast<std::size_t>(index)];
    const PartitionTruth* const truth = oracle().partition(topic.name, index);
    const Where where{-1, truth == nullptr ? 0 : truth->subject, -1, topic.name, index};
    const Partition* const leader = image.leader == no_node ? nullptr : view().replica(image.leader, TopicIdPartition{topic_id, index});
    expect(leader != nullptr && leader->is_leader(), where, [] { return std::string("no live replica leads it"); });
    if (leader == nullptr) return;
    const auto last = truth == nullptr ? written_.end() : written_.find(truth->subject);
    const bool quiet = last == written_.end() || now_ns() - last->second > quiet_ns;
    for (const NodeId id : image.replicas) {
      if (!view().running(id)) continue;
      const Partition* const replica = view().replica(id, TopicIdPartition{topic_id, index});
      Where there = where;
      there.machine = oracle().machine_of(id);
      expect(image.in_isr(id), there, [&] { return "broker " + std::to_string(id.value()) + " runs and is not in the ISR"; });
      if (replica == nullptr || replica == leader || !quiet) continue;
      expect(replica->log_end() == leader->log_end() && replica->high_watermark() == leader->high_watermark(), there, [&] {
        return "log end " + std::to_string(replica->log_end().value()) + ", high watermark " + std::to_string(replica->high_watermark().value()) + "; the leader has " +
               std::to_string(leader->log_end().value()) + " and " + std::to_string(leader->high_watermark().value());
      });
      const ReplicaTruth* const mine = truth == nullptr ? nullptr : truth->replica_of(id);
      const ReplicaTruth* const theirs = truth == nullptr ? nullptr : truth->replica_of(image.leader);
      if (mine == nullptr || theirs == nullptr || mine->empty() || theirs->empty()) continue;
      expect(mine->tip() == theirs->tip(), there, [] { return std::string("its log has other records than the leader's"); });
    }
  }
  static constexpr std::int64_t quiet_ns = 2'000'000'000;
  std::map<std::uint32_t, std::int64_t> written_;
};

}  // namespace

std::unique_ptr<Check> make_convergence() { return std::make_unique<Convergence>(); }

}  // namespace harrow::sim
