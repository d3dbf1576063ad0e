// The controller's waiting shell: carries decisions of core/controller into the metadata log and answers when they are
// committed. Owner: the node, if it is a controller. It decides nothing.
// Invariants: records are replayed into the controller in the turn in which the quorum takes them; an answer leaves only
// after its records committed, or says not_controller.
#pragma once

#include "core/controller/controller.h"
#include "core/node/node_config.h"
#include "core/node/quorum.h"
#include "core/wire/metadata_records.h"

namespace harrow {

class ControllerShell {
 public:
  ControllerShell(Host& host, const NodeConfig& config, const ConfigSnapshot& settings, Quorum& quorum);

  // From the quorum, through the node.
  Result<void> on_commit(const CommittedBatch& batch);
  void on_leader(LeaderEpoch epoch, Offset start);
  void on_resign(LeaderEpoch epoch, Offset committed_end);
  void load(controller::Image image) { controller_.load(std::move(image)); }

  bool active() const { return controller_.active(); }
  const controller::Controller& controller() const { return controller_; }
  controller::Controller& controller() { return controller_; }
  LeaderEpoch epoch() const { return epoch_; }

  /// Runs a decision: `decide` is called in this turn; the answer comes when its records are committed.
  template <class Response, class Decide>
  Task<Result<Response>> run(Decide decide) {
    if (!active()) co_return error(Code::not_controller);
    controller::ControllerResult<Response> result = decide(controller_);
    const Result<Offset> last = write(result.records, result.facts);
    if (!last) co_return pass(last.error());
    // A decision without records waits too: it may rest on state that is not committed yet.
    const Reached reached = co_await quorum_.committed(*last);
    if (reached != Reached::reached) co_return error(Code::not_controller, "leadership was lost before the commit");
    co_return std::move(result.response);
  }
  /// Appends and replays; gives the last record's offset.
  Result<Offset> write(const std::vector<wire::MetadataRecord>& records, const std::vector<controller::Fact>& facts);
  Offset next_offset() const { return quorum_.next_append_offset(); }
  MonoNs now() const { return host_.clock.mono(); }

 private:
  Root run_tasks(Scope& scope, Label label);

  Host& host_;
  const NodeConfig& config_;
  Quorum& quorum_;
  controller::Controller controller_;
  LeaderEpoch epoch_ = no_epoch;
  Signal activated_;
};

}  // namespace harrow
