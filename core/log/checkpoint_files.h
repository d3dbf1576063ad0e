// The small text files of a log folder (facts section 4): offset checkpoints, meta.properties, the clean-shutdown mark,
// partition.metadata. Writing is durable and all or nothing: a temporary file, synced, renamed, its folder synced.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/async/task.h"
#include "core/base/trace.h"
#include "core/host/disk.h"
#include "core/model/ids.h"

namespace harrow {

/// `path` holds exactly `text` from now on, also after a power loss.
Task<Result<bool>> write_durably(Disk& disk, std::string path, std::string text);
/// The whole file; not_found if there is none.
Task<Result<std::string>> read_text(Disk& disk, std::string path);

using OffsetCheckpoint = std::map<TopicPartition, Offset>;
constexpr std::string_view replication_offset_checkpoint = "replication-offset-checkpoint";
constexpr std::string_view recovery_point_checkpoint = "recovery-point-offset-checkpoint";
constexpr std::string_view log_start_checkpoint = "log-start-offset-checkpoint";
constexpr std::string_view cleaner_checkpoint = "cleaner-offset-checkpoint";
std::string to_text(const OffsetCheckpoint& checkpoint);
/// malformed_input for anything but version 0 with its promised lines.
Result<OffsetCheckpoint> parse_offset_checkpoint(std::string_view text);
/// A missing or damaged file counts as empty: every log then starts from its beginning.
Task<Result<OffsetCheckpoint>> read_offset_checkpoint(Disk& disk, std::string path);

struct MetaProperties {
  std::string cluster_id;
  std::int32_t node_id = -1;
  Uuid directory_id;
  friend bool operator==(const MetaProperties&, const MetaProperties&) = default;
};
std::string to_text(const MetaProperties& properties);
/// Version 1, or version 0 with `broker.id`.
Result<MetaProperties> parse_meta_properties(std::string_view text);

std::string partition_metadata_text(const Uuid& topic_id);
Result<Uuid> parse_partition_metadata(std::string_view text);

std::string clean_shutdown_text(std::int64_t broker_epoch);
/// Broker epoch in the mark; -1 if it says none.
std::int64_t parse_clean_shutdown(std::string_view text);

/// What a log folder says at a start.
struct LogDirState {
  bool clean = false;              // the last stop was clean: logs need no recovery
  std::int64_t broker_epoch = -1;  // of the incarnation that stopped cleanly
  OffsetCheckpoint recovery_points;
  OffsetCheckpoint log_starts;
  OffsetCheckpoint high_watermarks;
  OffsetCheckpoint cleaned_ends;
};
/// Reads the checkpoints and takes the clean-shutdown mark away, durably, before any log is loaded: a crash while loading
/// must not look like a clean stop.
Task<Result<LogDirState>> open_log_dir(Disk& disk, std::string dir);
/// To be called when every log has been loaded.
Task<Result<bool>> logs_loaded(Disk& disk, std::string dir);
/// After every log was closed cleanly and the checkpoints were written.
Task<Result<bool>> mark_clean_shutdown(Disk& disk, Tracer trace, std::string dir, std::int64_t broker_epoch);

}  // namespace harrow
