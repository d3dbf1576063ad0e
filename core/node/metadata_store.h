// The folder `__cluster_metadata-0`: the log, its snapshots (`%020d-%010d.checkpoint`) and `quorum-state`.
// Owner: the quorum's shell. Invariants: the log starts at 0 or where a snapshot ends; a snapshot has its final name
// only when its content and the name are durable; the newest snapshot is never deleted.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/async/task.h"
#include "core/base/trace.h"
#include "core/host/disk.h"
#include "core/log/log.h"
#include "core/raft/raft.h"

namespace harrow {

struct MetadataStoreConfig {
  std::string log_dir;
  std::uint64_t segment_bytes = 0;
  std::int64_t segment_ms = 0;
  std::uint64_t index_interval_bytes = 4096;
  std::uint64_t segment_index_bytes = 10 << 20;
  std::uint64_t retention_bytes = 0;
  std::int64_t retention_ms = 0;
};

class MetadataStore {
 public:
  MetadataStore(Disk& disk, Tracer trace, MetadataStoreConfig config);

  /// Brings the folder into order: leftovers go, the log is recovered and synced, a snapshot that was fetched but not
  /// put into force yet replaces the log.
  Task<Result<bool>> open(WallMs now);
  /// What the core starts from.
  raft::LogState log_state() const;
  const raft::HardState& hard_state() const { return hard_state_; }

  Log& log() { return *log_; }
  const Log& log() const { return *log_; }
  const std::vector<raft::OffsetAndEpoch>& snapshots() const { return snapshots_; }
  std::optional<raft::OffsetAndEpoch> newest_snapshot() const;

  /// Durable when it returns.
  Task<Result<bool>> write_hard_state(raft::HardState state, raft::VoterSet voters, std::int16_t version);
  Task<Result<bool>> truncate_to(Offset end);
  /// Whole batches from `from`, all of them below the end.
  Task<Result<Bytes>> read(Offset from, std::uint64_t max_bytes, Offset limit);

  /// Writes the state at `id` with Kafka's header and footer records; durable when it returns.
  Task<Result<bool>> write_snapshot(raft::OffsetAndEpoch id, std::vector<Bytes> records, WallMs last_timestamp, WallMs now);
  /// The record values of a snapshot; corrupt_message if it is not whole.
  Task<Result<std::vector<Bytes>>> load_snapshot(raft::OffsetAndEpoch id);
  struct Piece {
    std::int64_t size = 0;
    Bytes bytes;
  };
  /// Bytes of a snapshot's file: snapshot_not_found, position_out_of_range.
  Task<Result<Piece>> read_piece(raft::OffsetAndEpoch id, std::int64_t position, std::uint64_t max_bytes);
  Result<bool> write_piece(raft::OffsetAndEpoch id, std::int64_t position, Bytes bytes);
  /// All pieces are there: the snapshot takes the place of the whole log. corrupt_message: it is not whole; nothing
  /// was changed.
  Task<Result<bool>> install_snapshot(raft::OffsetAndEpoch id);

  /// Retention: deletes old snapshots and the log below the oldest one left. True if the log's start moved.
  Result<bool> clean(WallMs now, Offset high_watermark);

 private:
  std::string path_of(raft::OffsetAndEpoch id) const;
  bool holds(raft::OffsetAndEpoch id) const;
  Result<bool> drop_snapshots_below(raft::OffsetAndEpoch id);
  Task<Result<bool>> put_in_place(FilePtr file, std::string from, std::string to);

  Disk& disk_;
  Tracer trace_;
  MetadataStoreConfig config_;
  std::string folder_;
  std::shared_ptr<LogConfig> log_config_;
  std::unique_ptr<Log> log_;
  std::vector<raft::OffsetAndEpoch> snapshots_;  // ascending
  raft::HardState hard_state_;
  FilePtr incoming_;
};

}  // namespace harrow
