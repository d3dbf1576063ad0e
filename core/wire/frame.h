// Frames: the four-byte size, the header and the body of a request or response, in one rope. `Conn::send` takes a frame
// with its size; `read_frame` has taken the size off already, so that is what the decoders here get.
//
// Headers: a request header holds API, version, correlation id and client id (v2 adds tags); a response header holds the
// correlation id (v1 adds tags). Which one goes with which version is the table's business (core/wire/api.h).
#pragma once

#include "core/base/buffer.h"
#include "core/wire/api.h"

namespace harrow::wire {

struct RequestHeader {
  std::int16_t api_key = 0;
  std::int16_t api_version = 0;
  std::int32_t correlation_id = 0;
  std::optional<std::string> client_id;
  std::vector<RawTag> unknown_tags;

  ApiKey api() const { return static_cast<ApiKey>(api_key); }
  /// Reads the header of a frame and leaves the reader at the body. An API or version which is not in the table is read
  /// up to the correlation id (and the client id, when it is there), so that an answer can still be addressed.
  static Result<RequestHeader> decode(Reader& r);
  bool operator==(const RequestHeader&) const = default;
};

struct ResponseHeader {
  std::int32_t correlation_id = 0;
  std::vector<RawTag> unknown_tags;

  static Result<ResponseHeader> decode(Reader& r, ApiKey api, std::int16_t version);
  bool operator==(const ResponseHeader&) const = default;
};

namespace frame {
/// Begins a frame: room for the size, then the header.
void begin_request(Writer& w, ApiKey api, std::int16_t version, std::int32_t correlation_id, std::optional<std::string_view> client_id);
void begin_response(Writer& w, ApiKey api, std::int16_t version, std::int32_t correlation_id);
/// Sets the size and takes the frame.
Bytes finish(Writer& w);
}  // namespace frame

/// A request as it goes to `Conn::send`. `expected_bytes` is a guess of the size without its records.
template <class Request>
Bytes encode_request(ApiKey api, std::int16_t version, std::int32_t correlation_id, std::optional<std::string_view> client_id,
                     const Request& request, std::uint32_t expected_bytes = 256) {
  CHECK(api == Request::api_key);
  Writer w(expected_bytes);
  frame::begin_request(w, api, version, correlation_id, client_id);
  request.encode(w, version);
  return frame::finish(w);
}
template <class Request>
Bytes encode_request(std::int16_t version, std::int32_t correlation_id, std::optional<std::string_view> client_id,
                     const Request& request) {
  return encode_request(Request::api_key, version, correlation_id, client_id, request);
}

template <class Response>
Bytes encode_response(ApiKey api, std::int16_t version, std::int32_t correlation_id, const Response& response,
                      std::uint32_t expected_bytes = 256) {
  CHECK(api == Response::api_key);
  Writer w(expected_bytes);
  frame::begin_response(w, api, version, correlation_id);
  response.encode(w, version);
  return frame::finish(w);
}
template <class Response>
Bytes encode_response(std::int16_t version, std::int32_t correlation_id, const Response& response) {
  return encode_response(Response::api_key, version, correlation_id, response);
}

/// The body behind a header, which must take the whole rest of the frame.
template <class Message>
Result<Message> decode_body(Reader& r, std::int16_t version) {
  Result<Message> message = Message::decode(r, version);
  if (message && r.left() != 0) return error(Code::malformed_input, "bytes after a message");
  return message;
}

}  // namespace harrow::wire
