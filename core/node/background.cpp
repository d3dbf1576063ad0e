// Background duties of a broker, each a named root: retention, checkpoints, removal of dead folders, topics that clients
// asked for. Periods are Kafka's own settings.
#include <algorithm>

#include "core/log/checkpoint_files.h"
#include "core/node/broker.h"
#include "core/wire/create_topics_request.h"
#include "core/wire/create_topics_response.h"

namespace harrow {
namespace {
constexpr std::int64_t folder_removal_ms = 60'000;
constexpr std::int64_t creation_retry_ms = 100;
constexpr std::int64_t longest_hand_over_ms = 5 * 60'000;
}  // namespace

Root Broker::retain(Scope&, Label) {
  co_await Sleep(host_.timers, after_ms(host_.clock.mono(), settings_.number(ConfigKey::log_initial_task_delay_ms)), "first retention run");
  for (;;) {
    std::uint32_t deleted = 0;
    std::vector<TopicIdPartition> ids;
    for (const auto& [id, partition] : partitions_) ids.push_back(id);
    for (const TopicIdPartition& id : ids) {
      if (stop_wanted_) co_return;  // logs are being closed one after another, and a closed one is no broken one
      const std::shared_ptr<Partition> partition = share(id);
      if (partition == nullptr) continue;
      const Result<std::uint32_t> went = partition->log().apply_retention(host_.clock.wall(), partition->high_watermark());
      if (!went) {
        fail_storage(went.error());
        co_return;
      }
      deleted += *went;
      partition->log().expire_producers(host_.clock.wall());
      if (partition->log().flush_time_due(host_.clock.wall())) {
        const Result<bool> flushed = co_await partition->log().flush();
        if (!flushed) {
          fail_storage(flushed.error());
          co_return;
        }
      }
    }
    if (deleted != 0) host_.trace.emit(TraceKind::retention_ran, 0, deleted);
    co_await Sleep(host_.timers, after_ms(host_.clock.mono(), settings_.number(ConfigKey::log_retention_check_interval_ms)), "retention");
  }
}

Task<Result<bool>> Broker::write_checkpoints(bool recovery_points) {
  co_await checkpoint_turn_.take(1);
  const CheckpointTurn turn(checkpoint_turn_);
  OffsetCheckpoint marks, starts;
  for (const auto& [id, partition] : partitions_) {
    if (recovery_points) {
      marks[partition->name()] = partition->log().recovery_point();
      if (partition->log_start() > partition->log().segments().front().base()) starts[partition->name()] = partition->log_start();
    } else {
      marks[partition->name()] = partition->high_watermark();
    }
  }
  // What was loaded and is not yet claimed by the image keeps what the files say of it.
  for (const auto& [id, log] : loaded_logs_) {
    if (recovery_points) {
      marks[log->name()] = log->recovery_point();
      if (log->start_offset() > log->segments().front().base()) starts[log->name()] = log->start_offset();
    } else if (const auto known = high_watermark_checkpoint_.find(log->name()); known != high_watermark_checkpoint_.end()) {
      marks[log->name()] = known->second;
    }
  }
  const std::string folder = config_.log_dir + "/";
  // From here on the file may say the one or the other.
  for (auto known = recovery_points_on_disk_.begin(); recovery_points && known != recovery_points_on_disk_.end();) {
    const auto mark = marks.find(known->first);
    if (mark != marks.end()) known->second = std::min(known->second, mark->second);
    known = mark == marks.end() ? recovery_points_on_disk_.erase(known) : std::next(known);
  }
  Task<Result<bool>> writing = write_durably(host_.disk, folder + std::string(recovery_points ? recovery_point_checkpoint : replication_offset_checkpoint), to_text(marks));
  Result<bool> written = co_await writing;
  if (written && recovery_points) {
    Task<Result<bool>> writing_starts = write_durably(host_.disk, folder + std::string(log_start_checkpoint), to_text(starts));
    written = co_await writing_starts;
  }
  if (written && recovery_points) {
    // What was compacted may have been cut: what comes there next must not count as compacted after a crash.
    Task<Result<bool>> writing_cleaned = write_cleaner_checkpoint();
    written = co_await writing_cleaned;
  }
  if (written && recovery_points) {
    checkpointed_.clear();
    for (const auto& [name, offset] : marks) checkpointed_.insert(name);
    recovery_points_on_disk_ = std::move(marks);
  }
  if (written) host_.trace.emit(TraceKind::checkpoint_written, 0, recovery_points ? 1 : 0, static_cast<std::int64_t>(partitions_.size()));
  co_return written;
}

Root Broker::checkpoint_high_watermarks(Scope&, Label) {
  std::uint64_t written_digest = 0;
  for (;;) {
    co_await Sleep(host_.timers, after_ms(host_.clock.mono(), settings_.number(ConfigKey::replica_high_watermark_checkpoint_interval_ms)), "high watermark checkpoint");
    // An idle broker writes nothing: the file would be the same.
    std::uint64_t digest = 1;
    for (const auto& [id, partition] : partitions_)
      digest = mix64(digest * 31 + static_cast<std::uint64_t>(partition->high_watermark().value()) + id.topic_id.low + static_cast<std::uint64_t>(id.partition));
    if (digest == written_digest) continue;
    Task<Result<bool>> writing = write_checkpoints(false);
    const Result<bool> written = co_await writing;
    if (!written) {
      fail_storage(written.error());
      co_return;
    }
    written_digest = digest;
  }
}

Root Broker::checkpoint_recovery_points(Scope&, Label) {
  for (;;) {
    co_await Sleep(host_.timers, after_ms(host_.clock.mono(), settings_.number(ConfigKey::log_flush_offset_checkpoint_interval_ms)), "recovery point checkpoint");
    Task<Result<bool>> writing = write_checkpoints(true);
    const Result<bool> written = co_await writing;
    if (!written) {
      fail_storage(written.error());
      co_return;
    }
  }
}

Root Broker::remove_folders(Scope&, Label) {
  for (;;) {
    co_await Sleep(host_.timers, after_ms(host_.clock.mono(), folder_removal_ms), "folder removal");
    std::vector<std::string> folders = std::move(folders_to_remove_);
    folders_to_remove_.clear();
    for (const std::string& folder : folders) {
      const Result<bool> removed = host_.disk.remove(folder);
      if (!removed) {
        fail_storage(removed.error());
        co_return;
      }
    }
  }
}

Root Broker::flush_rolled(Scope&, Label) {
  for (;;) {
    if (flushes_wanted_.empty()) {
      co_await flush_signal_.next();
      continue;
    }
    const TopicIdPartition id = *flushes_wanted_.begin();
    flushes_wanted_.erase(flushes_wanted_.begin());
    const std::shared_ptr<Partition> partition = share(id);
    if (partition == nullptr || !partition->log().roll_flush_due()) continue;
    const Offset below = partition->log().active_base();
    const Result<bool> synced = co_await partition->log().synced(below);
    if (!synced) {
      fail_storage(synced.error());
      co_return;
    }
  }
}

Root Broker::create_topics_later(Scope&, Label) {
  for (;;) {
    if (topics_to_create_.empty()) {
      co_await topics_to_create_changed_.next();
      continue;
    }
    wire::CreateTopicsRequest request;
    request.timeout_ms = static_cast<std::int32_t>(settings_.number(ConfigKey::request_timeout_ms));
    for (const std::string& name : topics_to_create_) {
      if (image_.topic(name) != nullptr) continue;
      auto& topic = request.topics.emplace_back();
      topic.name = name;
      topic.num_partitions = -1;
      topic.replication_factor = -1;
      if (name == offsets_topic_name) {
        topic.num_partitions = static_cast<std::int32_t>(settings_.number(ConfigKey::offsets_topic_num_partitions));
        topic.replication_factor = static_cast<std::int16_t>(settings_.number(ConfigKey::offsets_topic_replication_factor));
        const std::pair<std::string, std::string> configs[] = {
            {"cleanup.policy", "compact"},
            {"segment.bytes", std::to_string(settings_.number(ConfigKey::offsets_topic_segment_bytes))},
            {"compression.type", "producer"}};
        for (const auto& [key, value] : configs) {
          auto& config = topic.configs.emplace_back();
          config.name = key;
          config.value = value;
        }
      }
    }
    topics_to_create_.clear();
    if (!request.topics.empty()) {
      // What fails is asked for again by whoever still needs it.
      Task<Result<wire::CreateTopicsResponse>> asking = forward<wire::CreateTopicsResponse>(std::move(request));
      const Result<wire::CreateTopicsResponse> answer = co_await asking;
      if (!answer) co_await Sleep(host_.timers, after_ms(host_.clock.mono(), creation_retry_ms), "topic creation retry");
    }
  }
}

Task<bool> Broker::stop() {
  stop_wanted_ = true;
  stopping_.wake();
  // Leaderships are handed over first. Kafka's broker waits five minutes for the controller's word, even for one that will
  // never come: when all nodes are told to stop, the quorum ends before the last broker. A broker whose session passed
  // without an answer has nothing left to hand over: a controller, if there is one, has fenced it.
  const MonoNs asked_at = host_.clock.mono();
  const bool asks = settings_.flag(ConfigKey::controlled_shutdown_enable) && epoch_ >= BrokerEpoch(0);
  while (asks && !shutdown_granted_.is_set()) {
    const MonoNs session_end = after_ms(std::max(asked_at, answered_at_), settings_.number(ConfigKey::broker_session_timeout_ms));
    const MonoNs give_up = std::min(session_end, after_ms(asked_at, longest_hand_over_ms));
    if (host_.clock.mono() >= give_up) break;
    co_await shutdown_granted_.wait(give_up);
  }
  bool clean = true;
  std::vector<TopicIdPartition> ids;
  for (const auto& [id, partition] : partitions_) ids.push_back(id);
  for (const TopicIdPartition& id : ids) {
    const std::shared_ptr<Partition> partition = share(id);
    if (partition == nullptr) continue;
    stop_fetching(id);
    Task<Result<bool>> closing = partition->log().close_clean();
    const Result<bool> closed = co_await closing;
    clean = clean && closed.has_value();
  }
  Task<Result<bool>> writing_hw = write_checkpoints(false);
  const Result<bool> hw = co_await writing_hw;
  Task<Result<bool>> writing_recovery = write_checkpoints(true);
  const Result<bool> recovery = co_await writing_recovery;
  clean = clean && hw && recovery;
  if (clean) {
    Task<Result<bool>> marking = mark_clean_shutdown(host_.disk, host_.trace, config_.log_dir, epoch_.value());
    const Result<bool> marked = co_await marking;
    clean = marked.has_value();
  }
  co_return clean;
}

}  // namespace harrow
