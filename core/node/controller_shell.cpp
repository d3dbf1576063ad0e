#include "core/node/controller_shell.h"

#include "core/model/trace_payloads.h"

namespace harrow {
namespace {

controller::ControllerConfig controller_config_of(const NodeConfig& config, const ConfigSnapshot& settings) {
  controller::ControllerConfig result;
  result.id = config.id;
  result.cluster_id = config.cluster_id;
  result.default_partitions = static_cast<std::int32_t>(settings.number(ConfigKey::num_partitions));
  result.default_replication_factor = static_cast<std::int16_t>(settings.number(ConfigKey::default_replication_factor));
  result.default_min_isr = static_cast<std::int32_t>(settings.number(ConfigKey::min_insync_replicas));
  result.unclean_election = settings.flag(ConfigKey::unclean_leader_election_enable);
  result.session_timeout_ms = settings.number(ConfigKey::broker_session_timeout_ms);
  result.imbalance_check_interval_ms = settings.flag(ConfigKey::auto_leader_rebalance_enable)
                                           ? settings.number(ConfigKey::leader_imbalance_check_interval_seconds) * 1000
                                           : 0;
  result.unclean_election_interval_ms = settings.number(ConfigKey::unclean_leader_election_interval_ms);
  result.max_idle_interval_ms = settings.number(ConfigKey::metadata_max_idle_interval_ms);
  return result;
}

}  // namespace

ControllerShell::ControllerShell(Host& host, const NodeConfig& config, const ConfigSnapshot& settings, Quorum& quorum)
    : host_(host),
      config_(config),
      quorum_(quorum),
      controller_(controller_config_of(config, settings), host.random.fork("controller")),
      activated_(host.timers) {
  run_tasks(host.scope, Label("controller tasks"));
}

Result<void> ControllerShell::on_commit(const CommittedBatch& batch) {
  // The active controller has replayed its own records when it wrote them.
  if (batch.last > controller_.image().offset()) {
    CHECK_SAYING(!active() || batch.records.empty(), "a record committed that the active controller did not write");
    for (std::size_t i = 0; i < batch.records.size(); ++i) {
      const Result<wire::MetadataRecord> record = wire::decode_record(batch.records[i]);
      if (!record) return pass(record.error());
      TRY_VOID(controller_.replay(*record, batch.base + static_cast<std::int64_t>(i)));
    }
    controller_.advance_to(batch.last);
  }
  controller_.committed_to(batch.last + 1);
  return {};
}

void ControllerShell::on_leader(LeaderEpoch epoch, Offset start) {
  epoch_ = epoch;
  controller_.activate(host_.clock.mono());
  host_.trace.emit(TraceKind::controller_activated, 0, epoch.value(), start.value());
  if (controller_.image().features().empty()) {
    // A fresh cluster: the first records finalise the features it was formatted with.
    const controller::Decision first = controller_.bootstrap(config_.metadata_version, config_.elr);
    const Result<Offset> written = write(first.records, first.facts);
    if (!written) quorum_.renounce(epoch);
  }
  activated_.wake();
}

void ControllerShell::on_resign(LeaderEpoch epoch, Offset committed_end) {
  if (!active()) return;
  controller_.renounce(committed_end);
  host_.trace.emit(TraceKind::controller_renounced, 0, epoch.value(), committed_end.value());
  activated_.wake();
}

Result<Offset> ControllerShell::write(const std::vector<wire::MetadataRecord>& records, const std::vector<controller::Fact>& facts) {
  if (!active()) return error(Code::not_controller);
  if (records.empty()) return quorum_.next_append_offset() - 1;
  std::vector<Bytes> values;
  values.reserve(records.size());
  for (const wire::MetadataRecord& record : records) values.push_back(wire::encode_record(record));
  const Offset base = quorum_.next_append_offset();
  TRY(const Offset last, quorum_.schedule_append(epoch_, std::move(values)));
  CHECK(last == base + static_cast<std::int64_t>(records.size()) - 1);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Result<void> replayed = controller_.replay(records[i], base + static_cast<std::int64_t>(i));
    CHECK_SAYING(replayed.has_value(), "the controller's own decision does not replay");
  }
  host_.trace.emit(TraceKind::records_written, 0, base.value(), static_cast<std::int64_t>(records.size()));
  for (const controller::Fact& fact : facts) {
    switch (fact.kind) {
      case controller::Fact::Kind::leader_elected: {
        const controller::TopicImage* const topic = controller_.image().topic(fact.partition.topic_id);
        const std::uint32_t subject = topic == nullptr ? 0 : host_.trace.intern(folder_of({topic->name, fact.partition.partition}));
        const ElectionNote note{fact.partition.topic_id, fact.partition.partition, fact.unclean, fact.from_elr};
        host_.trace.emit(TraceKind::leader_elected, subject, fact.leader.value(), fact.leader_epoch.value(), &note);
        break;
      }
      case controller::Fact::Kind::broker_registered: host_.trace.emit(TraceKind::broker_registered, 0, fact.broker.value(), fact.broker_epoch.value()); break;
      case controller::Fact::Kind::broker_fenced: host_.trace.emit(TraceKind::broker_fenced, 0, fact.broker.value(), fact.broker_epoch.value()); break;
      case controller::Fact::Kind::broker_unfenced: host_.trace.emit(TraceKind::broker_unfenced, 0, fact.broker.value(), fact.broker_epoch.value()); break;
    }
  }
  return last;
}

Root ControllerShell::run_tasks(Scope&, Label) {
  for (;;) {
    const MonoNs at = active() ? controller_.next_task_at() : never;
    co_await activated_.next(at);
    while (active() && controller_.next_task_at() <= host_.clock.mono()) {
      const controller::Decision decision = controller_.run_task(host_.clock.mono());
      const Result<Offset> written = write(decision.records, decision.facts);
      if (!written) break;
    }
  }
}

}  // namespace harrow
