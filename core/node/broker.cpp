#include "core/node/broker.h"

#include <algorithm>
#include <utility>

#include "core/log/checkpoint_files.h"
#include "core/node/replica_fetcher.h"
#include "core/wire/allocate_producer_ids_request.h"
#include "core/wire/allocate_producer_ids_response.h"

namespace harrow {
namespace {

constexpr std::int64_t memory_for_requests_bytes = 512LL << 20;

Uuid draw_uuid(Random& random) {
  Uuid id;
  id.high = random.next();
  id.low = random.next();
  return id;
}

/// "orders-3" → orders, 3; nothing for folders that hold no live partition.
std::optional<TopicPartition> partition_of_folder(std::string_view folder) {
  if (!folder.empty() && folder.back() == '/') folder.remove_suffix(1);
  if (folder.ends_with("-delete") || folder.ends_with("-future") || folder.ends_with("-stray")) return std::nullopt;
  const std::size_t dash = folder.rfind('-');
  if (dash == std::string_view::npos || dash == 0 || dash + 1 == folder.size()) return std::nullopt;
  std::int64_t number = 0;
  for (const char c : folder.substr(dash + 1)) {
    if (c < '0' || c > '9' || number > INT32_MAX) return std::nullopt;
    number = number * 10 + (c - '0');
  }
  return TopicPartition{std::string(folder.substr(0, dash)), static_cast<std::int32_t>(number)};
}

}  // namespace

Broker::Broker(Host& host, const NodeConfig& config, const ConfigSnapshot& settings, Quorum& quorum, const controller::Image& image,
               const Uuid& directory_id)
    : host_(host),
      config_(config),
      settings_(settings),
      quorum_(quorum),
      image_(image),
      directory_id_(directory_id),
      sessions_(host.timers, host.random.fork("fetch sessions"), static_cast<std::size_t>(settings.number(ConfigKey::max_incremental_fetch_session_cache_slots))),
      // The largest request must find room, or everybody waits behind it for ever.
      request_memory_(host.timers, std::max(memory_for_requests_bytes, settings.number(ConfigKey::socket_request_max_bytes))),
      forwarding_(host, "broker-" + std::to_string(config.id.value()) + "-forwarding", settings.number(ConfigKey::request_timeout_ms)),
      heartbeating_(host, "broker-" + std::to_string(config.id.value()) + "-heartbeat", settings.number(ConfigKey::broker_session_timeout_ms) / 2),
      isr_channel_(host, "broker-" + std::to_string(config.id.value()) + "-alter-partition", settings.number(ConfigKey::request_timeout_ms)),
      isr_signal_(host.timers),
      metadata_changed_(host.timers),
      stopping_(host.timers),
      shutdown_granted_(host.timers),
      producer_id_turn_(host.timers, 1),
      checkpoint_turn_(host.timers, 1),
      topics_to_create_changed_(host.timers),
      flush_signal_(host.timers),
      compaction_signal_(host.timers),
      caught_up_(host.timers) {
  Random random = host.random.fork("incarnation", static_cast<std::uint64_t>(host.clock.mono().value()));
  incarnation_id_ = draw_uuid(random);
}

Broker::~Broker() = default;

void Broker::fail_storage(const Error& why) {
  if (failed_) return;
  failed_ = true;
  host_.trace.emit(TraceKind::node_halted, 0, static_cast<std::int64_t>(why.code));
  host_.halt(why.code);
}

MonoNs Broker::last_fetch_of(NodeId broker) const {
  const auto found = last_fetches_.find(broker);
  return found == last_fetches_.end() ? MonoNs(INT64_MIN / 4) : found->second;
}

BrokerEpoch Broker::epoch_of(NodeId broker) const {
  if (broker == config_.id) return epoch_;
  const controller::BrokerImage* const image = image_.broker(broker);
  return image == nullptr ? BrokerEpoch(-1) : image->epoch;
}

Partition* Broker::find(std::string_view topic, std::int32_t partition) {
  const controller::TopicImage* const image = image_.topic(topic);
  return image == nullptr ? nullptr : find(TopicIdPartition{image->id, partition});
}

std::shared_ptr<Partition> Broker::offsets_partition(std::int32_t partition) {
  const controller::TopicImage* const topic = image_.topic(offsets_topic_name);
  return topic == nullptr ? nullptr : share(TopicIdPartition{topic->id, partition});
}

std::int32_t Broker::offsets_partition_count() {
  const controller::TopicImage* const topic = image_.topic(offsets_topic_name);
  return topic == nullptr ? 0 : static_cast<std::int32_t>(topic->partitions.size());
}

const ConfigSnapshot& Broker::topic_settings(const Uuid& topic_id) const {
  const auto found = topic_settings_.find(topic_id);
  return found == topic_settings_.end() ? settings_ : *found->second;
}

// ---- Starting: the folder

Task<Result<bool>> Broker::load_logs() {
  Disk& disk = host_.disk;
  Task<Result<LogDirState>> opening = open_log_dir(disk, config_.log_dir);
  Result<LogDirState> state = co_await opening;
  if (!state) co_return pass(state.error());
  const bool clean = state->clean;
  previous_epoch_ = state->broker_epoch;
  high_watermark_checkpoint_ = std::move(state->high_watermarks);
  for (const auto& [name, offset] : state->recovery_points) checkpointed_.insert(name);
  for (const auto& [name, offset] : state->log_starts) checkpointed_.insert(name);
  for (const auto& [name, offset] : state->cleaned_ends) checkpointed_.insert(name);
  recovery_points_on_disk_ = state->recovery_points;
  cleaned_ends_on_disk_ = state->cleaned_ends;
  const Result<std::vector<std::string>> folders = disk.list(config_.log_dir);
  if (!folders) co_return pass(folders.error());
  for (const std::string& folder : *folders) {
    if (folder.ends_with("-delete/")) {
      folders_to_remove_.push_back(config_.log_dir + "/" + folder.substr(0, folder.size() - 1));
      continue;
    }
    const std::optional<TopicPartition> name = folder.ends_with("/") ? partition_of_folder(folder) : std::nullopt;
    if (!name || name->topic == metadata_topic_name) continue;
    Task<Result<std::string>> reading_id = read_text(disk, config_.log_dir + "/" + folder_of(*name) + "/partition.metadata");
    const Result<std::string> text = co_await reading_id;
    if (!text && text.error().code == Code::io_error) co_return pass(text.error());
    const Result<Uuid> topic_id = text ? parse_partition_metadata(*text) : Result<Uuid>(pass(text.error()));
    if (!topic_id) {
      // Its name never became durable, so nothing in it was ever acknowledged beyond the page cache: out of the way.
      const std::string folder_path = config_.log_dir + "/" + folder_of(*name);
      std::string aside = folder_path + ".0-stray";
      for (int number = 1; disk.exists(aside); ++number) aside = folder_path + "." + std::to_string(number) + "-stray";
      const Result<bool> renamed = disk.rename(folder_path, aside);
      if (!renamed) co_return pass(renamed.error());
      continue;
    }
    Log::LoadOptions options;
    options.clean = clean;
    options.now = host_.clock.wall();
    if (const auto point = state->recovery_points.find(*name); point != state->recovery_points.end()) options.recovery_point = point->second;
    if (const auto start = state->log_starts.find(*name); start != state->log_starts.end()) options.log_start = start->second;
    if (const auto cleaned = state->cleaned_ends.find(*name); cleaned != state->cleaned_ends.end()) options.cleaned_end = cleaned->second;
    Log::Place place{disk, host_.trace, config_.log_dir, *name, *topic_id, log_config_for(*topic_id)};
    co_await host_.cpu.spend(Work::background, 0);
    Task<Result<std::unique_ptr<Log>>> loading = Log::load(std::move(place), options);
    Result<std::unique_ptr<Log>> log = co_await loading;
    if (!log) co_return pass(log.error());
    loaded_logs_.emplace(TopicIdPartition{*topic_id, name->partition}, std::move(*log));
  }
  Task<Result<bool>> finishing = logs_loaded(disk, config_.log_dir);
  const Result<bool> finished = co_await finishing;
  if (!finished) co_return pass(finished.error());
  co_return true;
}

void Broker::start() {
  coordinator_ = std::make_unique<Coordinator>(host_, settings_, *this);
  apply_metadata(host_.scope, Label("metadata publisher"));
  live(host_.scope, Label("broker life cycle"));
  change_isrs(host_.scope, Label("ISR changes"));
  shrink_isrs(host_.scope, Label("ISR shrink check"));
  retain(host_.scope, Label("retention"));
  checkpoint_high_watermarks(host_.scope, Label("high watermark checkpoint"));
  checkpoint_recovery_points(host_.scope, Label("recovery point checkpoint"));
  remove_folders(host_.scope, Label("folder removal"));
  flush_rolled(host_.scope, Label("flush of rolled segments"));
  if (settings_.flag(ConfigKey::log_cleaner_enable) && settings_.number(ConfigKey::log_cleaner_threads) > 0) compact(host_.scope, Label("compaction"));
  create_topics_later(host_.scope, Label("topic creation"));
}

// ---- Metadata

void Broker::publish(const controller::Delta& delta) {
  pending_.brokers.insert(delta.brokers.begin(), delta.brokers.end());
  for (const auto& [id, topic] : delta.removed_topics) pending_.removed_topics.insert_or_assign(id, topic);
  pending_.created_topics.insert(delta.created_topics.begin(), delta.created_topics.end());
  pending_.partitions.insert(delta.partitions.begin(), delta.partitions.end());
  pending_.configs.insert(delta.configs.begin(), delta.configs.end());
  metadata_changed_.wake();
}

void Broker::publish_all() {
  pending_all_ = true;
  metadata_changed_.wake();
}

Root Broker::apply_metadata(Scope&, Label) {
  // Old metadata must not make a leader of somebody who has been replaced long ago: nothing is applied before the
  // controller has said that this broker has caught up with its own registration.
  co_await caught_up_.wait();
  for (;;) {
    if (!pending_all_ && published_offset_ == image_.offset()) {
      co_await metadata_changed_.next();
      continue;
    }
    controller::Delta delta = std::move(pending_);
    pending_.clear();
    const bool everything = std::exchange(pending_all_, false);
    if (everything) {
      // Everything that the image has, and everything that is here and that it has no more.
      for (const auto& [id, topic] : image_.topics()) {
        delta.created_topics.insert(id);
        for (std::size_t i = 0; i < topic.partitions.size(); ++i) delta.partitions.insert({id, static_cast<std::int32_t>(i)});
      }
      for (const auto& [id, partition] : partitions_)
        if (image_.topic(id.topic_id) == nullptr) delta.removed_topics[id.topic_id] = {partition->name().topic, 0};
    }
    const auto is_own = [this](const controller::ConfigResource& one) {
      return one.type == controller::ConfigResourceType::broker && (one.name.empty() || one.name == std::to_string(config_.id.value()));
    };
    if (everything) delta.configs.insert(controller::ConfigResource{controller::ConfigResourceType::broker, ""});
    if (std::any_of(delta.configs.begin(), delta.configs.end(), is_own)) refresh_own_settings();
    Task<Result<bool>> making = make_missing_logs(delta);
    const Result<bool> made = co_await making;
    if (!made) {
      fail_storage(made.error());
      co_return;
    }
    apply(delta);
  }
}

Task<Result<bool>> Broker::make_missing_logs(const controller::Delta& delta) {
  for (const Uuid& id : delta.created_topics) refresh_settings(id);
  std::set<TopicPartition> names;  // of the replicas that are here, once one is missing
  for (const TopicIdPartition& id : delta.partitions) {
    const controller::TopicImage* const topic = image_.topic(id.topic_id);
    const controller::PartitionImage* const partition = image_.partition(id);
    if (topic == nullptr || partition == nullptr || !partition->has_replica(config_.id)) continue;
    if (find(id) != nullptr || loaded_logs_.count(id) != 0) continue;
    const TopicPartition name{topic->name, id.partition};
    if (names.empty()) {
      for (const auto& [other, log] : loaded_logs_) names.insert(log->name());
      for (const auto& [other, partition] : partitions_) names.insert(partition->name());
    }
    // A folder of that name may belong to an older topic of the same name: out of the way first (C08).
    const bool another = !names.insert(name).second;
    for (auto stray = another ? loaded_logs_.begin() : loaded_logs_.end(); stray != loaded_logs_.end();) {
      if (stray->second->name() == name) {
        Random random = host_.random.fork("stray", static_cast<std::uint64_t>(image_.offset().value()));
        const Result<std::string> renamed = stray->second->rename_for_deletion(draw_uuid(random));
        if (!renamed) co_return pass(renamed.error());
        folders_to_remove_.push_back(*renamed);
        stray = loaded_logs_.erase(stray);
      } else {
        ++stray;
      }
    }
    for (auto older = another ? partitions_.begin() : partitions_.end(); older != partitions_.end();) {
      const auto next = std::next(older);
      if (older->second->name() == name) drop_partition(TopicIdPartition(older->first));
      older = next;
    }
    // The files name topics without their ids: what they say of a deleted topic must not be taken for its successor's after
    // a crash, so it goes first.
    high_watermark_checkpoint_.erase(name);
    if (checkpointed_.contains(name)) {
      Task<Result<bool>> writing = write_checkpoints(true);
      const Result<bool> written = co_await writing;
      if (!written) co_return pass(written.error());
    }
    Log::LoadOptions options;
    options.now = host_.clock.wall();
    Log::Place place{host_.disk, host_.trace, config_.log_dir, name, id.topic_id, log_config_for(id.topic_id)};
    Task<Result<std::unique_ptr<Log>>> loading = Log::load(std::move(place), options);
    Result<std::unique_ptr<Log>> log = co_await loading;
    if (!log) co_return pass(log.error());
    // The folder's topic must be known after any crash: a folder without it is taken for a stray.
    Task<Result<bool>> naming = write_durably(host_.disk, (*log)->folder() + "/partition.metadata", partition_metadata_text(id.topic_id));
    const Result<bool> named = co_await naming;
    if (!named) co_return pass(named.error());
    loaded_logs_.emplace(id, std::move(*log));
  }
  co_return true;
}

void Broker::apply(const controller::Delta& delta) {
  for (const auto& [id, topic] : delta.removed_topics) {
    std::vector<TopicIdPartition> gone;
    for (auto it = partitions_.lower_bound(TopicIdPartition{id, 0}); it != partitions_.end() && it->first.topic_id == id; ++it) gone.push_back(it->first);
    for (const TopicIdPartition& partition : gone) drop_partition(partition);
    topic_settings_.erase(id);
    coordinator_->topic_deleted(topic.name);
  }
  for (const controller::ConfigResource& resource : delta.configs) {
    if (resource.type == controller::ConfigResourceType::topic) {
      if (const controller::TopicImage* const topic = image_.topic(resource.name); topic != nullptr) refresh_settings(topic->id);
    } else if (resource.type == controller::ConfigResourceType::broker) {
      for (const auto& [id, topic] : image_.topics()) refresh_settings(id);
    }
  }
  for (const TopicIdPartition& id : delta.partitions) apply_partition(id);
  // Who is eligible may have changed: it counts for high watermarks and ISR candidates.
  if (!delta.brokers.empty())
    for (auto& [id, partition] : partitions_) {
      partition->update_high_watermark(host_.clock.mono());
      partition->propose_expansion(host_.clock.mono());
    }
  published_offset_ = image_.offset();
}

void Broker::apply_partition(const TopicIdPartition& id) {
  const controller::TopicImage* const topic = image_.topic(id.topic_id);
  const controller::PartitionImage* const image = image_.partition(id);
  if (topic == nullptr || image == nullptr || !image->has_replica(config_.id)) {
    drop_partition(id);
    return;
  }
  Partition* partition = find(id);
  if (partition == nullptr) {
    const auto loaded = loaded_logs_.find(id);
    if (loaded == loaded_logs_.end()) return;  // the image moved on meanwhile: its own delta makes the log
    const TopicPartition name{topic->name, id.partition};
    const auto checkpoint = high_watermark_checkpoint_.find(name);
    const Offset high_watermark = checkpoint == high_watermark_checkpoint_.end() ? Offset(0) : checkpoint->second;
    const Partition::Wiring wiring{config_.id, host_.timers, host_.trace, *this, *this};
    auto made = std::make_shared<Partition>(wiring, id, name, std::move(loaded->second), high_watermark);
    loaded_logs_.erase(loaded);
    partition = made.get();
    partitions_.emplace(id, std::move(made));
    refresh_settings(id.topic_id);
  }
  PartitionTerm term;
  term.leader = image->leader;
  term.leader_epoch = image->leader_epoch;
  term.partition_epoch = image->partition_epoch;
  term.replicas = image->replicas;
  term.isr = image->isr;
  term.recovering = image->leader_recovery == controller::LeaderRecovery::recovering;
  const bool led = partition->is_leader();
  const LeaderEpoch epoch_before = partition->leader_epoch();
  if (image->leader == config_.id) {
    stop_fetching(id);
    const Result<bool> leading = partition->become_leader(term, host_.clock.mono());
    if (!leading) fail_storage(leading.error());
  } else {
    const bool anew = partition->become_follower(term);
    if (anew) {
      stop_fetching(id);
      if (image->leader != no_node) start_fetching(*partition);
    }
  }
  if (topic->name == offsets_topic_name) {
    if (partition->is_leader() && (!led || epoch_before != partition->leader_epoch())) coordinator_->elected(*partition);
    else if (led && !partition->is_leader()) coordinator_->resigned(id.partition, partition->leader_epoch());
  }
}

void Broker::drop_partition(const TopicIdPartition& id) {
  const auto found = partitions_.find(id);
  if (found == partitions_.end()) return;
  stop_fetching(id);
  Partition& partition = *found->second;
  if (partition.name().topic == offsets_topic_name && partition.is_leader()) coordinator_->resigned(id.partition, partition.leader_epoch());
  partition.close();
  Random random = host_.random.fork("deletion", static_cast<std::uint64_t>(image_.offset().value()) * 1000003 + static_cast<std::uint64_t>(id.partition));
  const Result<std::string> renamed = partition.log().rename_for_deletion(draw_uuid(random));
  if (renamed) folders_to_remove_.push_back(*renamed);
  else fail_storage(renamed.error());
  host_.trace.emit(TraceKind::partition_dropped, partition.subject(), partition.leader_epoch().value());
  partitions_.erase(found);
}

void Broker::refresh_settings(const Uuid& topic_id) {
  const controller::TopicImage* const topic = image_.topic(topic_id);
  if (topic == nullptr) return;
  auto settings = ConfigSnapshot::of_topic(settings_, image_.config(controller::ConfigResourceType::topic, topic->name));
  if (!settings) return;  // the controller has checked it: only a newer release's value can fail here
  const auto shared = std::make_shared<const ConfigSnapshot>(std::move(*settings));
  topic_settings_[topic_id] = shared;
  const auto log_config = log_config_for(topic_id);
  for (auto it = partitions_.lower_bound(TopicIdPartition{topic_id, 0}); it != partitions_.end() && it->first.topic_id == topic_id; ++it) {
    it->second->set_limits(static_cast<std::int32_t>(shared->number(ConfigKey::min_insync_replicas)), settings_.number(ConfigKey::replica_lag_time_max_ms));
    it->second->log().set_config(log_config);
    if (log_config->compacts) compaction_signal_.wake();
  }
}

/// Readers hold no more than a reference for one expression, so the new values are laid in place.
void Broker::refresh_own_settings() {
  using controller::ConfigResourceType;
  auto settings = ConfigSnapshot::of_broker(config_.properties, image_.config(ConfigResourceType::broker, ""),
                                            image_.config(ConfigResourceType::broker, std::to_string(config_.id.value())));
  if (!settings) return;  // the controller has checked it: only a newer release's value can fail here
  settings_ = std::move(*settings);
}

std::shared_ptr<const LogConfig> Broker::log_config_for(const Uuid& topic_id) const {
  return std::make_shared<const LogConfig>(log_config_of(topic_settings(topic_id)));
}

// ---- Fetchers

void Broker::start_fetching(Partition& partition) {
  std::unique_ptr<ReplicaFetcher>& fetcher = fetchers_[partition.leader()];
  if (fetcher == nullptr) fetcher = std::make_unique<ReplicaFetcher>(*this, partition.leader());
  fetcher->add(partition.id());
}

void Broker::stop_fetching(const TopicIdPartition& id) {
  for (auto& [leader, fetcher] : fetchers_) fetcher->remove(id);
}

bool Broker::fetching(const TopicIdPartition& id) const {
  return std::any_of(fetchers_.begin(), fetchers_.end(), [&](const auto& entry) { return entry.second->has(id); });
}

void Broker::flush_later(const TopicIdPartition& id) {
  flushes_wanted_.insert(id);
  flush_signal_.wake();
  if (const Partition* const partition = find(id); partition != nullptr && partition->log().config().compacts) compaction_signal_.wake();
}

// ---- Producer ids, topics on demand

Task<Result<ProducerId>> Broker::next_producer_id() {
  const Reached turn = co_await producer_id_turn_.take(1, after_ms(host_.clock.mono(), settings_.number(ConfigKey::request_timeout_ms)));
  if (turn != Reached::reached) co_return error(Code::timed_out, "no producer id in time");
  if (producer_ids_left_ == 0) {
    wire::AllocateProducerIdsRequest request;
    request.broker_id = config_.id.value();
    request.broker_epoch = epoch_.value();
    Task<Result<wire::AllocateProducerIdsResponse>> asking = forward<wire::AllocateProducerIdsResponse>(std::move(request));
    const Result<wire::AllocateProducerIdsResponse> block = co_await asking;
    if (!block || block->error_code != 0) {
      producer_id_turn_.release(1);
      co_return error(Code::coordinator_not_available, "the controller gives no producer ids");
    }
    next_producer_id_ = block->producer_id_start;
    producer_ids_left_ = block->producer_id_len;
  }
  --producer_ids_left_;
  const ProducerId id(next_producer_id_++);
  producer_id_turn_.release(1);
  co_return id;
}

void Broker::create_topic_automatically(const std::string& topic) {
  topics_to_create_.insert(topic);
  topics_to_create_changed_.wake();
}

}  // namespace harrow
