// Requests that the active controller decides. Brokers forward those of clients (19 CreateTopics, 20 DeleteTopics,
// 33 AlterConfigs, 37 CreatePartitions, 43 ElectLeaders, 44 IncrementalAlterConfigs); 56 AlterPartition,
// 62 BrokerRegistration, 63 BrokerHeartbeat, 64 UnregisterBroker and 67 AllocateProducerIds come from brokers only.
// Who is not (or no longer) the active controller answers NOT_CONTROLLER.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

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

/// What a broker does not even ask the controller for, as in Kafka: the configuration of another node, and numbers of
/// threads that change by more than a factor of two at once. Empty: nothing is wrong.
template <class Resource>
std::string refusal_of_broker(const Broker& broker, const Resource& resource) {
  if (resource.resource_type != static_cast<std::int8_t>(controller::ConfigResourceType::broker)) return {};
  const std::string& name = resource.resource_name;
  std::int32_t id = -1;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), id);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == name.data() + name.size();
  if (!name.empty() && !is_number) return "Node id must be an integer, but it is: " + name;
  if (!name.empty() && id != broker.id().value()) return fmt::format("Unexpected node id. Expected {}, but received {}", broker.id().value(), id);
  for (const auto& config : resource.configs) {
    if constexpr (requires { config.config_operation; })
      if (config.config_operation != 0) continue;
    const ConfigRow* const row = find_config(config.name);
    if (row == nullptr || !config.value) continue;
    using Key = ConfigKey;
    const bool counts_threads = row->key == Key::num_io_threads || row->key == Key::num_network_threads || row->key == Key::num_replica_fetchers ||
                                row->key == Key::num_recovery_threads_per_data_dir || row->key == Key::background_threads || row->key == Key::log_cleaner_threads;
    const auto wanted = parse_config(*row, *config.value);
    if (!counts_threads || !wanted) continue;
    const std::int64_t now = broker.settings().number(row->key);
    const std::string failed = fmt::format("Dynamic thread count update validation failed for {}={}, value should ", config.name, *wanted);
    if (*wanted < 1) return failed + "be at least 1";
    if (*wanted < now / 2) return failed + fmt::format("be at least half the current value {}", now);
    if (*wanted > now * 2) return failed + fmt::format("not be greater than double the current value {}", now);
  }
  return {};
}

/// The answers of the controller, and between them those that this broker gives itself.
template <class Response, class Request, class Refuse>
Task<Response> relay_configs(const RequestContext& context, Request request, Refuse refuse) {
  std::vector<std::pair<std::size_t, std::string>> refusals;
  Response response;
  const Request asked = request;
  request.resources.clear();
  for (std::size_t i = 0; i < asked.resources.size(); ++i) {
    std::string refusal = refusal_of_broker(context.broker(), asked.resources[i]);
    if (refusal.empty()) request.resources.push_back(asked.resources[i]);
    else refusals.emplace_back(i, std::move(refusal));
  }
  if (!request.resources.empty()) {
    Task<Response> relaying = relay<Response>(context, std::move(request), refuse);
    response = co_await relaying;
  }
  for (auto& [at, text] : refusals) {
    auto row = response.responses.emplace(response.responses.begin() + static_cast<std::ptrdiff_t>(std::min(at, response.responses.size())));
    row->error_code = number_of(Code::invalid_request);
    row->error_message = std::move(text);
    row->resource_type = asked.resources[at].resource_type;
    row->resource_name = asked.resources[at].resource_name;
  }
  co_return response;
}

}  // namespace

#define HARROW_CONTROLLER_CALL(Name, expression)                                                                       \
  [](controller::Controller & controller, const wire::Name##Request& request, ControllerShell& shell) ->               \
      controller::ControllerResult<wire::Name##Response> {                                                             \
    static_cast<void>(shell);                                                                                          \
    return expression;                                                                                                 \
  }

#define HARROW_DECIDE_OR_RELAY(function, Name, expression, relay_)                                                     \
  Task<wire::Name##Response> function(const RequestContext& context, wire::Name##Request request) {                    \
    const auto refusal = [](const wire::Name##Request& asked, Code code) { return refuse(asked, code); };              \
    co_await context.host().cpu.spend(Work::handler, 1);                                                               \
    if (!context.on_controller) {                                                                                      \
      Task<wire::Name##Response> relaying = relay_<wire::Name##Response>(context, std::move(request), refusal); \
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

HARROW_DECIDE_OR_RELAY(create_topics, CreateTopics, controller.create_topics(request), relay)
HARROW_DECIDE_OR_RELAY(delete_topics, DeleteTopics, controller.delete_topics(request), relay)
HARROW_DECIDE_OR_RELAY(create_partitions, CreatePartitions, controller.create_partitions(request), relay)
HARROW_DECIDE_OR_RELAY(elect_leaders, ElectLeaders, controller.elect_leaders(request), relay)
HARROW_DECIDE_OR_RELAY(alter_configs, AlterConfigs, controller.alter_configs(request), relay_configs)
HARROW_DECIDE_OR_RELAY(incremental_alter_configs, IncrementalAlterConfigs, controller.incremental_alter_configs(request), relay_configs)

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
