// The words of a run's last line: sent, acked, promised, readable, lost, duplicated, counted at the end by reading every
// partition's log as its leader would serve it and comparing it with what the oracle remembers.
// Owner: the Judge. May touch: the view's disks and replicas (const). Runs once, at the end.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/bytes.h"
#include "sim/check/oracle.h"
#include "sim/check/setup.h"
#include "sim/scenario/run.h"

namespace harrow::sim {

class View;

struct LostRecord {
  std::string topic;
  std::int32_t partition = -1;
  std::int64_t offset = -1;
  std::string producer;
  std::int64_t acked_at_ms = 0;
  std::uint8_t acks = 0;  // 1 or 2 (all)
  std::string why;
};

class Accounting {
 public:
  /// Batches of a partition as they stand, from the log's start to its high watermark; nothing if nobody can read it.
  struct Readable {
    std::int64_t start = 0, end = 0;
    std::vector<Bytes> batches;
  };
  using ReadPartition = std::function<std::optional<Readable>(const PartitionTruth&)>;

  void count(const Oracle& oracle, const JudgeSetup& setup, const ReadPartition& read);
  bool counted() const { return counted_; }
  const RecordCounts& records() const { return records_; }
  /// The first of each sort, in order of topic, partition and offset.
  const std::optional<LostRecord>& first_lost() const { return first_lost_; }
  const std::optional<LostRecord>& first_lost_unpromised() const { return first_lost_unpromised_; }
  struct Oddity {
    std::string topic;
    std::int32_t partition = -1;
    std::int64_t offset = -1;
    std::string what;
  };
  const std::optional<Oddity>& first_duplicate() const { return first_duplicate_; }
  const std::optional<Oddity>& first_inversion() const { return first_inversion_; }
  const std::optional<Oddity>& first_refused_but_present() const { return first_refused_; }
  const std::optional<Oddity>& first_passed_over() const { return first_passed_over_; }
  std::int64_t inversions() const { return inversions_; }
  std::int64_t sends_compared() const { return sends_compared_; }
  std::int64_t refused_looked_for() const { return refused_looked_for_; }
  std::int64_t reads_compared() const { return reads_compared_; }
  std::int64_t passed_over() const { return passed_over_; }

 private:
  void count_partition(const PartitionTruth& partition, const std::optional<Readable>& log, const Oracle& oracle, const JudgeSetup& setup);
  bool counts_for_loss(const JudgeSetup& setup, const std::string& producer) const;

  bool counted_ = false;
  RecordCounts records_;
  std::optional<LostRecord> first_lost_, first_lost_unpromised_;
  std::optional<Oddity> first_duplicate_, first_inversion_, first_refused_, first_passed_over_;
  std::int64_t inversions_ = 0, sends_compared_ = 0, refused_looked_for_ = 0, reads_compared_ = 0, passed_over_ = 0;
  struct Stamp {
    std::string producer;
    ProducerFacts facts;
  };
  std::map<std::uint64_t, Stamp> stamps_;  // by the first eight bytes of a value
  std::unordered_map<std::uint64_t, bool> seen_;  // value hashes in any log
};

}  // namespace harrow::sim
