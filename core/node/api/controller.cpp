// Requests that the active controller decides. Brokers forward those of clients (19 CreateTopics, 20 DeleteTopics,
// 33 AlterConfigs, 37 CreatePartitions, 43 ElectLeaders, 44 IncrementalAlterConfigs); 56 AlterPartition,
// 62 BrokerRegistration, 63 BrokerHeartbeat, 64 UnregisterBroker and 67 AllocateProducerIds come from brokers only.
// Who is not (or no longer) the active controller answers NOT_CONTROLLER.
#include <algorithm>

#include "core/node/api/refusals.h"

namespace harrow {
namespace {

/// On a controller: decide, commit, answer. `refuse` shapes the answer when that failed.
template <class Response, class Request, class Refuse>
Task<Response> decide(const RequestContext& context, Request request,
                      controller::ControllerResult<Response> (*method)(controller::Controller&, const Request&, ControllerShell&), Refuse refuse) {
  ControllerShell* const shell = context.node.controller();
  if (shell == nullptr) co_return refuse(request, Code::not_controller);
  const auto run = [method, &request, shell](controller::Controller& controller) { return method(controller, request, *shell); };
  Task<Result<Response>> running = shell->run<Response>(run);
  Result<Response> result = co_await running;
  if (!result) co_return refuse(request, result.error().code);
  co_return std::move(*result);
}

/// What only older versions say, said as in the newest one, which is sent on.
template <class Request>
void renew(Request& request) {
  if constexpr (requires { request.topic_names; }) {
    for (std::string& name : request.topic_names) request.topics.emplace_back().name = std::move(name);
    request.topic_names.clear();
  }
}

constexpr std::int64_t relay_timeout_ms = 60'000, relay_pause_ms = 50;

/// Whether an answer says, at its top or for one of its things, that another node is the active controller.
template <class Response>
bool from_no_controller(const Response& response) {
  constexpr auto wanted = static_cast<std::int16_t>(Code::not_controller);
  const auto any = [](const auto& rows) { return std::any_of(rows.begin(), rows.end(), [](const auto& row) { return row.error_code == wanted; }); };
  if constexpr (requires { response.error_code; }) return response.error_code == wanted;
  else if constexpr (requires { response.topics; }) return any(response.topics);
  else if constexpr (requires { response.responses; }) return any(response.responses);
  else return any(response.results);
}

/// On a broker: the controller's answer. While there is none, or it moves, the request is tried again, as in Kafka: clients
/// take a broker for the controller and do not expect NOT_CONTROLLER of it. After a minute, `refuse`.
template <class Response, class Request, class Refuse>
Task<Response> relay(const RequestContext& context, Request request, Refuse refuse) {
  renew(request);
  Host& host = context.host();
  const MonoNs deadline = after_ms(host.clock.mono(), relay_timeout_ms);
  for (;;) {
    Task<Result<Response>> asking = context.broker().forward<Response>(request);
    Result<Response> result = co_await asking;
    if (result && !from_no_controller(*result)) co_return std::move(*result);
    if (!result && result.error().code == Code::malformed_input) co_return refuse(request, to_wire(Code::malformed_input));
    const MonoNs again = after_ms(host.clock.mono(), relay_pause_ms);
    if (again >= deadline) co_return refuse(request, Code::request_timed_out);
    co_await Sleep(host.timers, again, "relay");
  }
}

std::int16_t number_of(Code code) { return static_cast<std::int16_t>(to_wire(code)); }

}  // namespace

#define HARROW_CONTROLLER_CALL(Name, expression)                                                                       \
  [](controller::Controller & controller, const wire::Name##Request& request, ControllerShell& shell) ->               \
      controller::ControllerResult<wire::Name##Response> {                                                             \
    static_cast<void>(shell);                                                                                          \
    return expression;                                                                                                 \
  }

#define HARROW_DECIDE_OR_RELAY(function, Name, expression)                                                             \
  Task<wire::Name##Response> function(const RequestContext& context, wire::Name##Request request) {                    \
    const auto refusal = [](const wire::Name##Request& asked, Code code) { return refuse(asked, code); };              \
    co_await context.host().cpu.spend(Work::handler, 1);                                                               \
    if (!context.on_controller) {                                                                                      \
      Task<wire::Name##Response> relaying = relay<wire::Name##Response>(context, std::move(request), refusal); \
      co_return co_await relaying;                                                                                     \
    }                                                                                                                  \
    Task<wire::Name##Response> deciding =                                                                              \
        decide<wire::Name##Response, wire::Name##Request>(context, std::move(request), HARROW_CONTROLLER_CALL(Name, expression), refusal); \
    co_return co_await deciding;                                                                                       \
  }

// Its answer has the error at the top alone.
static wire::ElectLeadersResponse refuse(const wire::ElectLeadersRequest&, Code code) {
  wire::ElectLeadersResponse response;
  response.error_code = number_of(code);
  return response;
}

HARROW_DECIDE_OR_RELAY(create_topics, CreateTopics, controller.create_topics(request))
HARROW_DECIDE_OR_RELAY(delete_topics, DeleteTopics, controller.delete_topics(request))
HARROW_DECIDE_OR_RELAY(create_partitions, CreatePartitions, controller.create_partitions(request))
HARROW_DECIDE_OR_RELAY(elect_leaders, ElectLeaders, controller.elect_leaders(request))
HARROW_DECIDE_OR_RELAY(alter_configs, AlterConfigs, controller.alter_configs(request))
HARROW_DECIDE_OR_RELAY(incremental_alter_configs, IncrementalAlterConfigs, controller.incremental_alter_configs(request))

// From brokers alone: only controllers have these rows.
template <class Response, class Request>
static Response refuse_at_top(const Request&, Code code) {
  Response response;
  response.error_code = number_of(code);
  return response;
}

#define HARROW_DECIDE(function, Name, expression)                                                                      \
  Task<wire::Name##Response> function(const RequestContext& context, wire::Name##Request request) {                    \
    co_await context.host().cpu.spend(Work::handler, 1);                                                               \
    Task<wire::Name##Response> deciding = decide<wire::Name##Response, wire::Name##Request>(                           \
        context, std::move(request), HARROW_CONTROLLER_CALL(Name, expression), refuse_at_top<wire::Name##Response, wire::Name##Request>); \
    co_return co_await deciding;                                                                                       \
  }

HARROW_DECIDE(alter_partition, AlterPartition, controller.alter_partition(request))
HARROW_DECIDE(broker_registration, BrokerRegistration, controller.register_broker(request, shell.next_offset(), shell.now()))
HARROW_DECIDE(broker_heartbeat, BrokerHeartbeat, controller.broker_heartbeat(request, shell.now()))
HARROW_DECIDE(unregister_broker, UnregisterBroker, controller.unregister_broker(request))
HARROW_DECIDE(allocate_producer_ids, AllocateProducerIds, controller.allocate_producer_ids(request))

#undef HARROW_DECIDE
#undef HARROW_DECIDE_OR_RELAY
#undef HARROW_CONTROLLER_CALL

}  // namespace harrow
