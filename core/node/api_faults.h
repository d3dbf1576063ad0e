// Armed faults at the protocol: a request may be answered with an error instead of being served, or its connection may be
// closed before or after it took effect. For tests of clients; a node without them asks nobody.
// Owner: whoever runs the node (it outlives it); asked on the node's own thread, once for each request on the brokers'
// listener, in the order of arrival.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/result.h"

namespace harrow {

struct ApiFault {
  enum class Act : std::uint8_t { none, refuse, close_before, close_after };
  Act act = Act::none;
  Code code = Code::none;      // refuse: what the answer says
  std::uint32_t ticket = 0;    // for settle()
};

class ApiFaults {
 public:
  virtual ~ApiFaults() = default;
  virtual ApiFault on_request(std::int16_t api_key, std::string_view client_id) = 0;
  /// What became of a fault that on_request() returned. It took no effect, and so does not count, if the answer had no place
  /// for the error (a fetch with nothing to say).
  virtual void settle(std::uint32_t ticket, bool took_effect) = 0;
};

}  // namespace harrow
