// Room: node. The shell of shells: waits, decides nothing.
//
// Purpose: one Kafka node: a replica of the metadata quorum, plus a controller, a broker or both, composed over one
// metadata log. Owner: the host program (sim/cluster, core/posix), one Node an incarnation; destroying it after its
// scope is the crash. May touch: all of its Host and every room of core/ below it.
// Invariants: the committed image moves only in publish(), one batch a turn; what requests read between two waits is
// one consistent image.
#pragma once

#include <memory>
#include <optional>

#include "core/controller/image.h"
#include "core/host/host.h"
#include "core/node/broker.h"
#include "core/node/controller_shell.h"
#include "core/node/node_config.h"
#include "core/node/quorum.h"

namespace harrow {

class Node final : public QuorumListener {
 public:
  /// `host` and the node live equally long; the scope must be empty before the node goes.
  Node(Host& host, NodeConfig config);
  ~Node() override;

  /// Starts the roots: recovery, quorum, controller, broker. Returns at once.
  void start();
  /// Clean stop: controlled shutdown, logs synced, clean-shutdown mark. Requests fail afterwards.
  Task<bool> stop();

  const NodeConfig& config() const { return config_; }
  const ConfigSnapshot& settings() const { return settings_; }
  Host& host() { return host_; }
  Quorum* quorum() { return quorum_.get(); }
  const Quorum* quorum() const { return quorum_.get(); }
  ControllerShell* controller() { return controller_.get(); }
  const ControllerShell* controller() const { return controller_.get(); }
  Broker* broker() { return broker_.get(); }
  const Broker* broker() const { return broker_.get(); }
  const controller::Image& image() const { return image_; }
  bool ready() const;

  // QuorumListener
  void on_commit(const CommittedBatch& batch) override;
  void on_leader_known(NodeId leader, LeaderEpoch epoch) override;
  void on_leader(LeaderEpoch epoch, Offset start) override;
  void on_resign(LeaderEpoch epoch) override;
  void load_snapshot(const raft::OffsetAndEpoch& id, std::span<const Bytes> records) override;
  std::vector<Bytes> write_snapshot() override;
  std::uint64_t state_hash() override { return image_.hash(); }

 private:
  Root run(Scope& scope, Label label);
  Task<Result<bool>> prepare_folder();
  QuorumConfig quorum_config() const;
  Result<bool> listen(bool on_controller);
  void emit_image();
  void fail(const Error& why);

  Host& host_;
  NodeConfig config_;
  ConfigSnapshot settings_;
  controller::Image image_;
  std::unique_ptr<Quorum> quorum_;
  std::unique_ptr<ControllerShell> controller_;
  std::unique_ptr<Broker> broker_;
  Uuid directory_id_;
  bool listening_ = false;
};

}  // namespace harrow
