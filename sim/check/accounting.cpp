#include "sim/check/accounting.h"

#include <algorithm>
#include <cstring>

#include "core/base/random.h"
#include "core/model/record_batch.h"
#include "sim/check/setup.h"
#include "sim/check/view.h"

namespace harrow::sim {
namespace {
struct ReadRecord {
  std::int64_t offset;
  std::uint64_t hash;
};
}  // namespace

bool Accounting::counts_for_loss(const JudgeSetup& setup, const std::string& producer) const {
  const std::vector<std::string>& wanted = setup.checks.loss_producers;
  if (wanted.empty()) return true;
  const std::string plan = producer.substr(0, producer.rfind('/'));
  return std::find(wanted.begin(), wanted.end(), plan) != wanted.end() || std::find(wanted.begin(), wanted.end(), producer) != wanted.end();
}

void Accounting::count(const Oracle& oracle, const JudgeSetup& setup, const ReadPartition& read) {
  counted_ = true;
  records_.sent = oracle.sent();
  records_.acked = oracle.acked();
  for (const auto& [name, facts] : setup.producers) stamps_[Random(7).fork(name).next()] = {name, facts};
  for (const auto& [key, partition] : oracle.partitions()) {
    if (partition->internal) continue;
    count_partition(*partition, read(*partition), oracle, setup);
  }
}

void Accounting::count_partition(const PartitionTruth& partition, const std::optional<Readable>& log, const Oracle& oracle, const JudgeSetup& setup) {
  std::vector<ReadRecord> present;
  std::map<std::uint64_t, std::int64_t> last_sequence;  // by stamp
  if (log) {
    for (const Bytes& batch : log->batches) {
      Result<RecordReader> reader = RecordReader::open(batch);
      if (!reader || reader->header().is_control()) continue;
      const bool idempotent = reader->header().has_producer();
      Record record;
      while (reader->next(record)) {
        const std::int64_t offset = record.offset.value();
        if (offset < log->start || offset >= log->end) continue;
        const std::string_view value = record.value.value_or(std::string_view());
        const std::uint64_t hash = hash_of(value);
        present.push_back({offset, hash});
        ++records_.readable;
        if (!oracle.refused_values().empty()) {
          ++refused_looked_for_;
          if (oracle.refused_values().contains(hash) && !first_refused_)
            first_refused_ = Oddity{partition.topic, partition.partition, offset, "a record whose producer was told that it was not written is in the log"};
        }
        constexpr std::size_t stamp_bytes = 16;
        if (value.size() < stamp_bytes) continue;  // nothing that tells it from another one
        const bool again = !seen_.try_emplace(hash, idempotent).second;
        if (again) {
          ++(idempotent ? records_.duplicated : records_.duplicated_unpromised);
          if (idempotent && !first_duplicate_) first_duplicate_ = Oddity{partition.topic, partition.partition, offset, "a second copy of an idempotent producer's record"};
        }
        // A batch that was written and not answered is sent again: without idempotence its records come twice, the second
        // time behind what followed them.
        if (again && !idempotent) continue;
        std::uint64_t stamp = 0;
        std::int64_t sequence = 0;
        std::memcpy(&stamp, value.data(), 8);
        std::memcpy(&sequence, value.data() + 8, 8);
        const auto producer = stamps_.find(stamp);
        if (producer == stamps_.end() || !producer->second.facts.ordered) continue;
        const auto [last, first_time] = last_sequence.try_emplace(stamp, sequence);
        ++sends_compared_;
        if (!first_time && sequence < last->second) {
          ++inversions_;
          if (!first_inversion_)
            first_inversion_ = Oddity{partition.topic, partition.partition, offset,
                                      producer->second.producer + " sent record " + std::to_string(sequence) + " before record " + std::to_string(last->second)};
        }
        last->second = sequence;
      }
    }
    std::sort(present.begin(), present.end(), [](const ReadRecord& a, const ReadRecord& b) { return a.offset < b.offset; });
  }
  const auto readable_at = [&](std::int64_t offset, std::uint64_t hash) {
    const auto found = std::lower_bound(present.begin(), present.end(), offset, [](const ReadRecord& one, std::int64_t wanted) { return one.offset < wanted; });
    return found != present.end() && found->offset == offset && found->hash == hash;
  };
  const bool gone = !partition.record.known && !log;  // the topic does not exist any more
  const auto lost = [&](std::int64_t offset, const AckSlot& slot, std::string why) {
    const std::string& producer = oracle.producer_name(slot.producer);
    return LostRecord{partition.topic, partition.partition, offset, producer, slot.at_ms, slot.acks, std::move(why)};
  };
  const std::int64_t removed_below = log ? log->start : partition.highest_start;
  std::int64_t last_read = -1;
  for (std::int64_t offset = partition.consumed.end(); offset-- > partition.consumed.base();)
    if (*partition.consumed.find(offset) != 0) {
      last_read = offset;
      break;
    }
  bool reading = false;
  for (std::int64_t offset = partition.acked.base(); offset < partition.acked.end(); ++offset) {
    const AckSlot& slot = *partition.acked.find(offset);
    const std::uint64_t* const read = partition.consumed.find(offset);
    if (read != nullptr && *read != 0) reading = true;
    if (slot.acks == 0) continue;
    if (offset < removed_below || gone) continue;
    // No promise: who reads now finds the newer record of its key (that this one stands is I32's business).
    if (partition.may_be_compacted(offset)) continue;
    if (slot.acks == 2) ++records_.promised;
    // I56: acknowledged, somebody read before and after it, nobody read it.
    if (reading && offset < last_read && partition.resets == 0) {
      ++reads_compared_;
      if (read == nullptr || *read == 0) {
        ++passed_over_;
        if (!first_passed_over_) first_passed_over_ = Oddity{partition.topic, partition.partition, offset, "acknowledged, but readers passed over it"};
      }
    }
    if (readable_at(offset, slot.hash)) continue;
    const bool promised = slot.acks == 2;
    std::string why = !log ? "the partition has no leader to read from" : offset >= log->end ? "the log ends before it" : "another record stands at its offset";
    if (promised && counts_for_loss(setup, oracle.producer_name(slot.producer))) {
      ++records_.lost;
      if (!first_lost_) first_lost_ = lost(offset, slot, std::move(why));
    } else {
      ++records_.lost_unpromised;
      if (slot.acks == 1) ++records_.lost_acks_1;
      if (promised || slot.acks == 1)
        if (!first_lost_unpromised_ && counts_for_loss(setup, oracle.producer_name(slot.producer))) first_lost_unpromised_ = lost(offset, slot, "acks=1: " + why);
    }
  }
  for (const UnpromisedAck& one : partition.unpromised) {
    if (readable_at(one.offset, one.slot.hash)) continue;
    const Excuse* const excuse = one.excuse == UnpromisedAck::no_excuse ? nullptr : &partition.excuses[one.excuse];
    if ((excuse != nullptr && excuse->reason == ExcuseReason::deleted) || one.offset < removed_below || partition.may_be_compacted(one.offset)) continue;
    ++records_.lost_unpromised;
    if (one.slot.acks == 1) ++records_.lost_acks_1;
    if (!first_lost_unpromised_ && counts_for_loss(setup, oracle.producer_name(one.slot.producer)))
      first_lost_unpromised_ = lost(one.offset, one.slot, excuse == nullptr ? std::string("its leader was replaced before another replica had it")
                                                                : std::string(name_of(excuse->reason)) + ", at " + std::to_string(excuse->at_ns / 1'000'000) + " ms (broker " + std::to_string(excuse->node.value()) + ")");
  }
}

}  // namespace harrow::sim
