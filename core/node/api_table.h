// Which request goes to which handler: one row an API and listener. A handler is a free coroutine
// `Task<wire::XResponse> x(const RequestContext&, wire::XRequest)` in core/node/api/.
#pragma once

#include <span>
#include <string>

#include "core/async/task.h"
#include "core/node/node.h"
#include "core/wire/frame.h"

namespace harrow {

/// Who asks what; lives in the connection's loop while the request is handled.
struct RequestContext {
  Node& node;
  wire::ApiKey api;
  std::int16_t version;
  std::int32_t correlation;
  std::string client_id;
  std::string client_host;
  bool on_controller;
  ApiFault fault;  // armed for this request

  Broker& broker() const { return *node.broker(); }
  Host& host() const { return node.host(); }
};

struct Answer {
  Bytes frame;               // empty: nothing is sent (acks=0)
  bool close = false;        // the connection ends after it
  std::int16_t code = 0;     // for the trace
};

struct ApiRow {
  wire::ApiKey key;
  std::int16_t min_version;   // as advertised
  std::int16_t max_version;
  /// Decodes, handles, encodes. `reader` stands at the body; `frame` backs it.
  Task<Answer> (*handle)(const RequestContext& context, Bytes frame, std::uint64_t body_at);
};

/// Rows by ascending key.
std::span<const ApiRow> broker_apis();
std::span<const ApiRow> controller_apis();
const ApiRow* find_row(std::span<const ApiRow> rows, std::int16_t key);

/// Serves one accepted connection until it ends.
Root serve_connection(Scope& scope, Label label, Node& node, ConnectionPtr connection, bool on_controller);

}  // namespace harrow
