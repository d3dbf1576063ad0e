// The broker of a node: its replicas and what keeps them going (fetchers, ISR changes, life cycle, background duties)
// and what requests need of it. Owner: Node. All waiting is in named roots or in request handlers.
// Invariants: every replica that the published image gives this broker has a Partition; at most one fetcher task per
// leading broker; leaders here are leaders by the newest image that this broker has published.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/controller/image.h"
#include "core/host/host.h"
#include "core/node/coordinator.h"
#include "core/node/fetch_session.h"
#include "core/node/node_config.h"
#include "core/node/quorum.h"
#include "core/node/rpc.h"
#include "core/replica/partition.h"
#include "core/wire/broker_heartbeat_response.h"

namespace harrow {

enum class BrokerState : std::uint8_t { not_running = 0, starting = 1, recovery = 2, running = 3, pending_shutdown = 6, shutting_down = 7 };

class Broker final : public Membership, public IsrRequests, public CoordinatorBroker {
 public:
  Broker(Host& host, const NodeConfig& config, const ConfigSnapshot& settings, Quorum& quorum, const controller::Image& image,
         const Uuid& directory_id);
  ~Broker() override;

  /// Reads the log folder: every partition's log is recovered or opened. Error: the node must halt.
  Task<Result<bool>> load_logs();
  /// Begins to publish, register and serve; after load_logs().
  void start();
  Task<bool> stop();

  // Metadata
  /// The image moved on; `delta` says how. Applied as a whole by one root, after the logs of new replicas are made.
  void publish(const controller::Delta& delta);
  /// The whole image was replaced (a snapshot was loaded).
  void publish_all();
  Offset published_offset() const { return published_offset_; }
  const controller::Image& image() const { return image_; }
  /// This broker's own epoch, -1 before its registration committed.
  BrokerEpoch epoch() const { return epoch_; }
  BrokerState state() const { return state_; }
  NodeId id() const { return config_.id; }

  // Replicas
  Partition* find(const TopicIdPartition& id) {
    const auto found = partitions_.find(id);
    return found == partitions_.end() ? nullptr : found->second.get();
  }
  Partition* find(std::string_view topic, std::int32_t partition);
  /// For whoever waits in the replica or its log: a topic may be deleted meanwhile, and its files are still being read or
  /// synced. What find() returned is good until the next wait only.
  std::shared_ptr<Partition> share(const TopicIdPartition& id) const {
    const auto found = partitions_.find(id);
    return found == partitions_.end() ? nullptr : found->second;
  }
  const std::map<TopicIdPartition, std::shared_ptr<Partition>>& partitions() const { return partitions_; }
  const ConfigSnapshot& topic_settings(const Uuid& topic_id) const;

  // Membership
  bool eligible(NodeId broker) const override { return image_.active(broker); }
  BrokerEpoch epoch_of(NodeId broker) const override;
  MonoNs last_fetch_of(NodeId broker) const override;
  void isr_proposed(const TopicIdPartition& id) override;
  void note_fetch_of(NodeId broker, MonoNs now) { last_fetches_[broker] = now; }

  // For handlers
  Host& host() { return host_; }
  const NodeConfig& config() const { return config_; }
  const ConfigSnapshot& settings() const { return settings_; }
  Quorum& quorum() { return quorum_; }
  FetchSessionCache& sessions() { return sessions_; }
  Coordinator& coordinator() { return *coordinator_; }
  Semaphore& request_memory() { return request_memory_; }
  /// The next producer id; asks the controller for a block when the last one is used up.
  Task<Result<ProducerId>> next_producer_id();
  /// Sends a request to the active controller on behalf of a client: once, wherever it is thought to be.
  template <class Response, class Request>
  Task<Result<Response>> forward(Request request) {
    if (!point_at_controller(forwarding_)) co_return error(Code::not_controller, "no active controller is known");
    Task<Result<Response>> call = forwarding_.call<Response>(Request::api_key, Request::max_version, std::move(request));
    Result<Response> response = co_await call;
    co_return response;
  }
  /// Halts the node: its only log folder failed (Kafka's rule for EIO, ENOSPC and failed syncs).
  void fail_storage(const Error& error) override;
  std::shared_ptr<Partition> offsets_partition(std::int32_t partition) override;
  std::int32_t offsets_partition_count() override;
  /// Makes a topic that a client or a coordinator asked for, with the broker's defaults; coalesced.
  void create_topic_automatically(const std::string& topic);
  bool fetching(const TopicIdPartition& id) const;
  /// A segment was rolled: what is below it is synced in the background.
  void flush_later(const TopicIdPartition& id) override;

 private:
  friend class ReplicaFetcher;  // writes checkpoints after a cut
  // broker.cpp
  Root apply_metadata(Scope& scope, Label label);
  Task<Result<bool>> make_missing_logs(const controller::Delta& delta);
  void apply(const controller::Delta& delta);
  void apply_partition(const TopicIdPartition& id);
  void drop_partition(const TopicIdPartition& id);
  void refresh_settings(const Uuid& topic_id);
  void refresh_own_settings();
  std::shared_ptr<const LogConfig> log_config_for(const Uuid& topic_id) const;
  bool point_at_controller(RpcChannel& channel) const;

  // lifecycle.cpp
  Root live(Scope& scope, Label label);
  Task<bool> register_broker();
  Task<Result<wire::BrokerHeartbeatResponse>> heartbeat(bool want_fence, bool want_shutdown);

  // follower.cpp
  void start_fetching(Partition& partition);
  void stop_fetching(const TopicIdPartition& id);

  // isr_channel.cpp
  Root change_isrs(Scope& scope, Label label);
  Root shrink_isrs(Scope& scope, Label label);

  // background.cpp
  Root retain(Scope& scope, Label label);
  Root checkpoint_high_watermarks(Scope& scope, Label label);
  Root checkpoint_recovery_points(Scope& scope, Label label);
  Root remove_folders(Scope& scope, Label label);
  Root flush_rolled(Scope& scope, Label label);
  Root create_topics_later(Scope& scope, Label label);
  Task<Result<bool>> write_checkpoints(bool recovery_points);
  /// The right to write checkpoints: two at once would take each other's temporary file. Given back with the frame.
  struct CheckpointTurn {
    Semaphore& turns;
    explicit CheckpointTurn(Semaphore& taken) : turns(taken) {}
    CheckpointTurn(CheckpointTurn&&) = delete;
    ~CheckpointTurn() { turns.release(1); }
  };

  // compaction.cpp
  Root compact(Scope& scope, Label label);
  /// The dirtiest log that is worth it; `any`: some log could become so without a new segment.
  std::optional<TopicIdPartition> dirtiest_log(bool& any);
  Offset compaction_limit(const Partition& partition) const;
  /// Only with the turn to write checkpoints.
  Task<Result<bool>> write_cleaner_checkpoint();

  Host& host_;
  const NodeConfig& config_;
  ConfigSnapshot settings_;  // static ones, and over them the dynamic ones of the cluster and of this broker
  Quorum& quorum_;
  const controller::Image& image_;
  BrokerState state_ = BrokerState::not_running;
  BrokerEpoch epoch_{-1};
  Uuid incarnation_id_;
  Uuid directory_id_;
  std::int64_t previous_epoch_ = -1;  // of the last clean stop, from the mark

  std::map<TopicIdPartition, std::shared_ptr<Partition>> partitions_;
  std::map<TopicIdPartition, std::unique_ptr<Log>> loaded_logs_;  // recovered or made, not yet claimed by the image
  std::map<TopicPartition, Offset> high_watermark_checkpoint_;
  std::set<TopicPartition> checkpointed_;  // named by the recovery-point or log-start checkpoint on disk
  std::map<TopicPartition, Offset> recovery_points_on_disk_;
  std::map<TopicPartition, Offset> cleaned_ends_on_disk_;
  std::set<TopicIdPartition> uncleanable_;  // compaction met a batch that it cannot read
  std::map<Uuid, std::shared_ptr<const ConfigSnapshot>> topic_settings_;
  std::vector<std::string> folders_to_remove_;
  controller::Delta pending_;        // committed, not yet applied
  bool pending_all_ = true;          // the first time everything counts
  Offset published_offset_ = no_offset;

  std::map<NodeId, MonoNs> last_fetches_;
  FetchSessionCache sessions_;
  Semaphore request_memory_;
  std::unique_ptr<Coordinator> coordinator_;

  RpcChannel forwarding_;
  RpcChannel heartbeating_;
  RpcChannel isr_channel_;
  std::set<TopicIdPartition> isr_wanted_;
  Signal isr_signal_;
  Signal metadata_changed_;
  Signal stopping_;
  Event shutdown_granted_;
  MonoNs answered_at_{0};  // the last heartbeat that the controller answered well
  bool stop_wanted_ = false;
  bool failed_ = false;

  std::map<NodeId, std::unique_ptr<class ReplicaFetcher>> fetchers_;

  std::int64_t next_producer_id_ = 0;
  std::int64_t producer_ids_left_ = 0;
  Semaphore producer_id_turn_;
  Semaphore checkpoint_turn_;
  std::set<std::string> topics_to_create_;
  Signal topics_to_create_changed_;
  std::set<TopicIdPartition> flushes_wanted_;
  Signal flush_signal_;
  Signal compaction_signal_;
  harrow::Event caught_up_;  // the controller has said so, once
};

}  // namespace harrow
