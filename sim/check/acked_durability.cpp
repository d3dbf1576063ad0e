// I1, acked durability: a record that was acknowledged with acks=all is in the log of every later leader, at its offset, with
// its bytes, until it is removed legally.
// Listens to: produce_answered (what was promised: the broker's own word, before the network can lose it), became_leader.
// Legal exceptions: acks=0 and 1; below the log start (retention, DeleteRecords); a deleted topic; an unclean election that
// the topic's configuration allows; un-synced loss on every copy that power losses took at once. The oracle knows them all
// as excuses and lowers the promise when they happen.
#include <map>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class AckedDurability final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::produce_answered, TraceKind::became_leader};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    if (event.kind == TraceKind::produce_answered) {
      if (event.b != 0 || payload == nullptr) return;
      const auto& note = note_of<ProduceNote>(payload);
      const PartitionTruth* const partition = oracle().partition(event.subject);
      const ReplicaTruth* const replica = partition == nullptr ? nullptr : partition->replica_on(event.node);
      if (note.acks != -1 || replica == nullptr) return;
      const RowId row = partition->find(*replica, note.last_offset.value());
      Promise& promise = promises_[event.subject];
      if (promise.topic_id != partition->topic_id || partition->excuses.size() != promise.excuses) promise = Promise{};
      promise.topic_id = partition->topic_id;
      promise.excuses = partition->excuses.size();
      if (row != no_row && note.last_offset.value() >= promise.end) {
        promise.end = note.last_offset.value() + 1;
        promise.row = row;
      }
      return;
    }
    const PartitionTruth* const partition = oracle().election().partition;
    const auto promise = promises_.find(event.subject);
    if (partition == nullptr || promise == promises_.end()) return;
    judge(*partition, *oracle().election().replica, promise->second);
  }
  void at_end() override {
    for (const auto& [subject, promise] : promises_) {
      const PartitionTruth* const partition = oracle().partition(subject);
      if (partition != nullptr && partition->leader() != nullptr) judge(*partition, *partition->leader(), promise);
    }
  }

 private:
  struct Promise {
    Uuid topic_id;
    std::size_t excuses = 0;
    std::int64_t end = 0;
    RowId row = no_row;  // of the highest promised record: who holds it holds all before it
  };
  void judge(const PartitionTruth& partition, const ReplicaTruth& leader, const Promise& promise) {
    if (promise.topic_id != partition.topic_id || promise.excuses != partition.excuses.size() || promise.row == no_row) return;
    expect(partition.holds(leader, promise.row), partition.where(leader.machine, partition.common_end(leader, promise.row)), [&] {
      return "the leader of epoch " + std::to_string(leader.leader_epoch) + " lacks records up to " + std::to_string(promise.end - 1) +
             " that were acknowledged with acks=all; its log agrees up to offset " + std::to_string(partition.common_end(leader, promise.row));
    });
  }
  std::map<std::uint32_t, Promise> promises_;
};

}  // namespace

std::unique_ptr<Check> make_acked_durability() { return std::make_unique<AckedDurability>(); }

}  // namespace harrow::sim
