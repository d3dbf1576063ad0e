#include "core/wire/frame.h"

#include "core/wire/codec.h"

namespace harrow::wire {

Result<RequestHeader> RequestHeader::decode(Reader& r) {
  RequestHeader header;
  header.api_key = r.i16();
  header.api_version = r.i16();
  header.correlation_id = r.i32();
  if (r.failed()) return codec::malformed();
  const ApiInfo* const info = find_api(header.api_key);
  // Every header since version 1 goes on with a client id of classic form, whatever the API makes of the rest.
  codec::read_string(r, header.client_id, false, true);
  if (r.failed()) return codec::malformed();
  if (info == nullptr || header.api_version < info->min_version || header.api_version > info->newest_version) return header;
  if (request_header_version(header.api(), header.api_version) >= 2) codec::read_tags(r, header.unknown_tags);
  if (r.failed()) return codec::malformed();
  return header;
}

Result<ResponseHeader> ResponseHeader::decode(Reader& r, ApiKey api, std::int16_t version) {
  ResponseHeader header;
  header.correlation_id = r.i32();
  if (response_header_version(api, version) >= 1) codec::read_tags(r, header.unknown_tags);
  if (r.failed()) return codec::malformed();
  return header;
}

namespace frame {

void begin_request(Writer& w, ApiKey api, std::int16_t version, std::int32_t correlation_id, std::optional<std::string_view> client_id) {
  w.i32(0);
  w.i16(static_cast<std::int16_t>(api));
  w.i16(version);
  w.i32(correlation_id);
  if (client_id) codec::write_string(w, *client_id, false);
  else w.i16(-1);
  if (request_header_version(api, version) >= 2) w.uvarint(0);
}

void begin_response(Writer& w, ApiKey api, std::int16_t version, std::int32_t correlation_id) {
  w.i32(0);
  w.i32(correlation_id);
  if (response_header_version(api, version) >= 1) w.uvarint(0);
}

Bytes finish(Writer& w) {
  w.patch_i32(0, static_cast<std::int32_t>(w.size() - 4));
  return w.finish();
}

}  // namespace frame
}  // namespace harrow::wire
