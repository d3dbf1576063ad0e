// A consumer: with a group (subscribe) or by hand (assign). Everything that Java does inside poll() happens inside
// poll() here too: joining, revoking, auto commit, reset, validation. Heartbeats and fetching go on between polls.
//
//   Consumer consumer(host, config, &listener);
//   consumer.subscribe({"orders"});
//   for (;;) {
//     const Result<Polled> got = co_await consumer.poll(100);
//     if (!got) ...                                     // corrupt_message, offset_out_of_range (no reset policy), fenced...
//     for (const ConsumedRecord& record : *got) ...     // views, valid as long as the Polled
//   }
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/async/task.h"
#include "core/client/client_config.h"
#include "core/host/host.h"
#include "core/model/record_batch.h"

namespace harrow {

enum class OffsetReset : std::uint8_t { earliest, latest, none };
enum class Assignor : std::uint8_t { range, roundrobin, sticky, cooperative_sticky };

struct ConsumerConfig : ClientConfig {
  std::string group_id;  // empty: no group, no commits
  std::optional<std::string> group_instance_id;
  /// In order of preference. Only if all of them are cooperative does a member keep its partitions while the group rebalances.
  std::vector<Assignor> partition_assignment_strategy = {Assignor::range, Assignor::cooperative_sticky};
  OffsetReset auto_offset_reset = OffsetReset::latest;
  bool enable_auto_commit = true;
  std::int32_t auto_commit_interval_ms = 5'000;
  std::int32_t session_timeout_ms = 45'000;
  std::int32_t heartbeat_interval_ms = 3'000;
  std::int32_t max_poll_interval_ms = 300'000;
  std::int32_t max_poll_records = 500;
  std::int32_t fetch_min_bytes = 1;
  std::int32_t fetch_max_wait_ms = 500;
  std::int32_t fetch_max_bytes = 50 << 20;
  std::int32_t max_partition_fetch_bytes = 1 << 20;
  bool read_committed = false;
  bool check_crcs = true;
  std::string client_rack;
};

/// Texts point into the Polled that holds the record (topic: into the consumer).
struct ConsumedRecord {
  std::string_view topic;
  std::int32_t partition = 0;
  LeaderEpoch leader_epoch = no_epoch;
  Offset offset;
  WallMs timestamp;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::int32_t header_count = 0;
  std::string_view raw_headers;
  std::vector<RecordHeader> headers() const;
};

/// What one poll gave, with the bytes it points into.
class Polled {
 public:
  bool empty() const { return records_.empty(); }
  std::size_t size() const { return records_.size(); }
  const ConsumedRecord& at(std::size_t index) const { return records_.at(index); }
  auto begin() const { return records_.begin(); }
  auto end() const { return records_.end(); }

 private:
  friend class Fetcher;
  std::vector<ConsumedRecord> records_;
  std::vector<RecordReader> holders_;
};

struct CommitOffset {
  Offset offset;
  LeaderEpoch leader_epoch = no_epoch;
  std::string metadata;
};
using CommitOffsets = std::map<TopicPartition, CommitOffset>;

class Consumer;
class RebalanceListener {
 public:
  virtual ~RebalanceListener() = default;
  /// Before the partitions go (inside poll or close): the place to commit by hand. With auto commit on, the consumer
  /// commits right before this. Eager members give everything up before they rejoin, cooperative ones what the new
  /// assignment takes from them.
  virtual Task<void> revoking(Consumer& consumer, std::vector<TopicPartition> partitions);
  /// They are gone without a chance to commit (member id, generation or session lost).
  virtual void lost(std::span<const TopicPartition> partitions);
  /// What is new to this member; may be nothing.
  virtual void assigned(std::span<const TopicPartition> partitions);
};

class Consumer {
 public:
  /// The listener, if any, outlives the consumer.
  Consumer(Host& host, ConsumerConfig config, RebalanceListener* listener = nullptr);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  void subscribe(std::vector<std::string> topics);
  void assign(std::vector<TopicPartition> partitions);

  /// Records in offset order per partition, at most max.poll.records; empty when max_wait_ms passed. One poll at a time.
  Task<Result<Polled>> poll(std::int64_t max_wait_ms);

  /// Commits the consumed positions (what earlier polls returned), or the given ones, and waits for the answer.
  Task<Result<bool>> commit();
  Task<Result<bool>> commit(CommitOffsets offsets);
  /// Commits in the background; the newest call wins over one that is still to be sent.
  void commit_async();

  void seek(const TopicPartition& id, Offset offset);
  void seek_to(std::span<const TopicPartition> ids, OffsetReset where);
  void pause(std::span<const TopicPartition> ids);
  void resume(std::span<const TopicPartition> ids);

  std::vector<TopicPartition> assignment() const;
  /// Next offset to give to the application; nothing while unknown.
  std::optional<Offset> position(const TopicPartition& id) const;
  /// High watermark as last seen, minus position; nothing while either is unknown.
  std::optional<std::int64_t> lag(const TopicPartition& id) const;
  Task<Result<CommitOffsets>> committed(std::vector<TopicPartition> ids);
  Task<Result<std::map<TopicPartition, Offset>>> end_offsets(std::vector<TopicPartition> ids);

  /// Auto commit, revoke, LeaveGroup (dynamic members only), stop. At most `timeout_ms`.
  Task<Result<bool>> close(std::int64_t timeout_ms = 30'000);

  const std::string& member_id() const;
  std::int32_t generation() const;

 private:
  class Session;
  std::unique_ptr<Session> session_;
};

}  // namespace harrow
