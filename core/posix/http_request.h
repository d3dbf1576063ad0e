// One HTTP/1.1 request to a program on this machine, for tools: waits for the answer.
#pragma once

#include <string>

#include "core/host/net.h"
#include "core/posix/http_listener.h"

namespace harrow::posix {

/// Errors: connection_refused, timed_out (nothing came for `timeout_ms`), malformed_input (not HTTP), io_error.
Result<HttpAnswer> http_request(const Endpoint& to, const HttpRequest& request, std::int64_t timeout_ms);

}  // namespace harrow::posix
