#include "core/controller/controller.h"

#include <algorithm>

namespace harrow::controller {

Controller::Controller(ControllerConfig config, Random random) : random_(random) { state_.config = std::move(config); }

Result<void> Controller::replay(const wire::MetadataRecord& record, Offset offset) {
  // A stopping broker may go only when all others have applied its last leadership change: remember where that stands.
  NodeId moved_from = no_node;
  if (active_) {
    if (const auto* change = std::get_if<wire::PartitionChangeRecord>(&record); change != nullptr && change->leader != -2) {
      if (const PartitionImage* const p = state_.image.partition(change->topic_id, change->partition_id)) moved_from = p->leader;
    }
    if (const auto* change = std::get_if<wire::BrokerRegistrationChangeRecord>(&record);
        change != nullptr && change->in_controlled_shutdown > 0) {
      moved_from = NodeId(change->broker_id);
    }
  }
  // A standby follows what is committed and never has to go back.
  TRY_VOID(state_.image.replay(record, offset, nullptr, active_ ? &journal_ : nullptr));
  if (const BrokerImage* const broker = state_.image.broker(moved_from); broker != nullptr && broker->in_controlled_shutdown) {
    state_.sessions[moved_from].shutdown_offset = offset;
  }
  if (const auto* gone = std::get_if<wire::UnregisterBrokerRecord>(&record)) state_.sessions.erase(NodeId(gone->broker_id));
  return {};
}

void Controller::activate(MonoNs now) {
  CHECK(!active_ && journal_.empty());
  active_ = true;
  state_.sessions.clear();
  for (const auto& [id, broker] : state_.image.brokers()) state_.sessions[id] = BrokerSession{now, no_offset, no_offset};
  const ControllerConfig& config = state_.config;
  const auto in = [now](std::int64_t interval_ms) { return interval_ms == 0 ? never : after_ms(now, interval_ms); };
  fence_check_at_ = after_ms(now, config.session_timeout_ms / 8);
  imbalance_check_at_ = in(config.imbalance_check_interval_ms);
  unclean_check_at_ = in(config.unclean_election_interval_ms);
  idle_at_ = in(config.max_idle_interval_ms);
  written_at_last_idle_check_ = state_.image.offset();
}

void Controller::renounce(Offset end) {
  active_ = false;
  state_.image.revert_to(end, journal_);
  journal_.commit_to(end.value());
  state_.sessions.clear();
  fence_check_at_ = imbalance_check_at_ = unclean_check_at_ = idle_at_ = never;
}

void Controller::load(Image image) {
  CHECK(!active_);
  state_.image = std::move(image);
}

MonoNs Controller::next_task_at() const {
  return std::min({fence_check_at_, imbalance_check_at_, unclean_check_at_, idle_at_});
}

Decision Controller::run_task(MonoNs now) {
  if (!active_) return {};
  const ControllerConfig& config = state_.config;
  // A task that found something runs again at once: the next one is decided on what this one wrote.
  if (fence_check_at_ <= now) {
    Decision decision = fence_stale_broker(now);
    if (!decision.records.empty()) return decision;
    fence_check_at_ = after_ms(now, config.session_timeout_ms / 8);
  }
  if (unclean_check_at_ <= now) {
    unclean_check_at_ = after_ms(now, config.unclean_election_interval_ms);
    Decision decision = elect_unclean_leaders();
    if (!decision.records.empty()) return decision;
  }
  if (imbalance_check_at_ <= now) {
    Decision decision = elect_preferred_leaders();
    const bool more = std::cmp_greater_equal(decision.records.size(), config.max_records_per_batch);
    if (!more) imbalance_check_at_ = after_ms(now, config.imbalance_check_interval_ms);
    if (!decision.records.empty()) return decision;
  }
  Decision decision;
  if (idle_at_ <= now) {
    idle_at_ = after_ms(now, config.max_idle_interval_ms);
    if (state_.image.offset() == written_at_last_idle_check_) decision.records.emplace_back(wire::NoOpRecord{});
    // The NoOp itself takes the next offset and must not count as news.
    written_at_last_idle_check_ = state_.image.offset() + static_cast<std::int64_t>(decision.records.size());
  }
  return decision;
}

}  // namespace harrow::controller
