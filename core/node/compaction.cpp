// Compaction as a background duty: one log at a time, the dirtiest first (facts section 5, "compaction pick").
#include <algorithm>

#include "core/base/mutation.h"
#include "core/log/checkpoint_files.h"
#include "core/log/cleaner.h"
#include "core/node/broker.h"

namespace harrow {

// Nothing that may still be cut or lost: below the high watermark and every open transaction, and below the recovery point
// as the disk knows it, because a load that doubts a segment takes gaps in it for damage.
Offset Broker::compaction_limit(const Partition& partition) const {
  const Log& log = partition.log();
  const auto on_disk = recovery_points_on_disk_.find(partition.name());
  if (on_disk == recovery_points_on_disk_.end()) return Offset(0);
  Offset limit = std::min(log.recovery_point(), on_disk->second);
  if (!mutated(Bug::K02)) limit = std::min(limit, partition.high_watermark());
  if (const std::optional<Offset> unstable = log.first_unstable_offset()) limit = std::min(limit, *unstable);
  return limit;
}

std::optional<TopicIdPartition> Broker::dirtiest_log(bool& any) {
  std::optional<TopicIdPartition> dirtiest;
  std::int64_t ratio = -1;
  for (const auto& [id, partition] : partitions_) {
    const Log& log = partition->log();
    if (!log.config().compacts || log.active_base() <= log.cleaned_end() || uncleanable_.contains(id)) continue;
    any = true;
    const Cleanable part = cleanable_part(log, compaction_limit(*partition), host_.clock.wall());
    if (!part.worthwhile(log.config()) || part.ratio_millionths() <= ratio) continue;
    ratio = part.ratio_millionths();
    dirtiest = id;
  }
  return dirtiest;
}

Root Broker::compact(Scope&, Label) {
  for (;;) {
    if (stop_wanted_) co_return;
    bool any = false;
    const std::optional<TopicIdPartition> id = dirtiest_log(any);
    // A broker without a closed segment to compact does not even sleep.
    if (!any) {
      co_await compaction_signal_.next();
      continue;
    }
    bool advanced = false;
    if (id) {
      const std::shared_ptr<Partition> partition = share(*id);
      LogCleaner::Options options;
      options.limit = compaction_limit(*partition);
      options.now = host_.clock.wall();
      options.map_bytes = static_cast<std::uint64_t>(settings_.number(ConfigKey::log_cleaner_dedupe_buffer_size));
      LogCleaner cleaner(partition->log(), host_.cpu, host_.timers, options);
      Task<Result<LogCleaner::Outcome>> running = cleaner.run();
      const Result<LogCleaner::Outcome> outcome = co_await running;
      if (!outcome && outcome.error().code == Code::corrupt_message) {
        uncleanable_.insert(*id);
      } else if (!outcome) {
        fail_storage(outcome.error());
        co_return;
      } else if (outcome->finished) {
        advanced = outcome->cleaned_end > outcome->first_dirty;
        co_await checkpoint_turn_.take(1);
        const CheckpointTurn turn(checkpoint_turn_);
        Task<Result<bool>> writing = write_cleaner_checkpoint();
        const Result<bool> written = co_await writing;
        if (!written) {
          fail_storage(written.error());
          co_return;
        }
      }
    }
    if (!advanced) co_await Sleep(host_.timers, after_ms(host_.clock.mono(), settings_.number(ConfigKey::log_cleaner_backoff_ms)), "compaction");
  }
}

Task<Result<bool>> Broker::write_cleaner_checkpoint() {
  OffsetCheckpoint ends;
  const auto add = [&ends](const Log& log) {
    if (log.cleaned_end() > log.start_offset()) ends[log.name()] = log.cleaned_end();
  };
  for (const auto& [id, partition] : partitions_) add(partition->log());
  for (const auto& [id, log] : loaded_logs_) add(*log);
  if (ends == cleaned_ends_on_disk_) co_return true;
  Task<Result<bool>> writing = write_durably(host_.disk, config_.log_dir + "/" + std::string(cleaner_checkpoint), to_text(ends));
  const Result<bool> written = co_await writing;
  if (written) cleaned_ends_on_disk_ = std::move(ends);
  co_return written;
}

}  // namespace harrow
