// The inside of the coordinator's shell; only coordinator.cpp includes it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "core/async/wait.h"
#include "core/node/coordinator.h"

namespace harrow {

struct CoordinatorState {
  /// A batch in the log that is not yet known to be replicated.
  struct Written {
    group::BatchId id;
    Offset end;
    MonoNs deadline;
    bool timed_out;  // its requests are answered; it is still waited for
  };
  /// One offsets partition, for one leader epoch.
  struct Slot {
    Slot(std::int32_t id, LeaderEpoch leader_epoch, const group::Config& config)
        : partition(id), epoch(leader_epoch), shard(id, config) {}
    std::int32_t partition;
    LeaderEpoch epoch;
    group::Shard shard;
    bool loaded = false;
    bool watched = false;  // watch_commits runs
    std::deque<Written> written;
  };
  struct Route {
    Slot* slot;
    Code code;
  };
  /// A request that waits for its answer; lives in the request's frame and forgets itself with it.
  struct Reply {
    explicit Reply(CoordinatorState& owner) : state(owner), ticket(owner.next_ticket++), arrived(owner.host.timers) {
      state.replies.emplace(ticket, this);
    }
    Reply(const Reply&) = delete;
    ~Reply() { state.replies.erase(ticket); }
    CoordinatorState& state;
    group::Ticket ticket;
    Event arrived;
    std::optional<group::Body> body;
  };

  CoordinatorState(Host& h, const ConfigSnapshot& s, CoordinatorBroker& b)
      : host(h), settings(s), broker(b), random(h.random.fork("group member ids")), timers_changed(h.timers) {}

  group::Now now() const;
  Slot* slot_of(std::int32_t partition, LeaderEpoch epoch);
  Route route(const std::string& group_id);
  void emit(const group::Note& note);
  void deliver(std::vector<group::Answer> answers);
  /// Does what a shard decided: traces, answers, writes. False if the log refused the records.
  bool carry_out(Slot& slot, group::Outcome outcome);
  void drop(std::int32_t partition);
  wire::OffsetFetchResponse::OffsetFetchResponseGroup fetch(const wire::OffsetFetchRequest::OffsetFetchRequestGroup& request);

  Root load(Scope& scope, Label label, std::int32_t partition_id, LeaderEpoch epoch);
  Root watch_commits(Scope& scope, Label label, std::int32_t partition_id, LeaderEpoch epoch);
  Root drive_timers(Scope& scope, Label label);
  Root expire_offsets(Scope& scope, Label label);

  Host& host;
  const ConfigSnapshot& settings;
  CoordinatorBroker& broker;
  Random random;
  std::map<std::int32_t, std::unique_ptr<Slot>> slots;
  std::map<group::Ticket, Reply*> replies;
  group::Ticket next_ticket = 1;
  Signal timers_changed;
  MonoNs timers_armed_at = never;
  bool running = false;
};

}  // namespace harrow
