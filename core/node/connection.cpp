// The loop of one connection: frame in, header, version, handler, frame out. One request at a time, answers in order
// (facts section 1).
#include "core/model/trace_payloads.h"
#include "core/node/api_table.h"
#include "core/node/client_software.h"

namespace harrow {
namespace {

/// ApiVersions at a version that this node does not know is answered in the v0 layout with its own range, so that a newer
/// client can go on (KIP-511).
Bytes unsupported_api_versions(std::int32_t correlation, const ApiRow& row) {
  Writer w(64);
  w.i32(4 + 2 + 4 + 6);
  w.i32(correlation);
  w.i16(static_cast<std::int16_t>(Code::unsupported_version));
  w.i32(1);
  w.i16(static_cast<std::int16_t>(row.key));
  w.i16(row.min_version);
  w.i16(row.max_version);
  return w.finish();
}

/// Notes who is at the other end. `body` stands behind the header.
void learn_software(ClientSoftware& software, const wire::RequestHeader& header, Reader body) {
  if (software.name.empty() && header.client_id) software.name = *header.client_id;
  if (static_cast<wire::ApiKey>(header.api_key) != wire::ApiKey::api_versions ) return;
  Result<wire::ApiVersionsRequest> request = wire::ApiVersionsRequest::decode(body, header.api_version);
  if (!request || !names_client_software(*request, header.api_version)) return;
  software.name = std::move(request->client_software_name);
  software.version = std::move(request->client_software_version);
}

}  // namespace

Root serve_connection(Scope&, Label, Node& node, ConnectionPtr connection, bool on_controller) {
  Host& host = node.host();
  const auto limit = static_cast<std::uint32_t>(node.settings().number(ConfigKey::socket_request_max_bytes));
  const std::span<const ApiRow> rows = on_controller ? controller_apis() : broker_apis();
  ClientSoftware software;
  for (;;) {
    Result<Bytes> frame = co_await connection->read_frame(limit);
    if (!frame) break;
    const auto frame_bytes = static_cast<std::int64_t>(frame->size());
    co_await host.cpu.spend(Work::frame_in, frame->size());

    Reader reader(*frame);
    const Result<wire::RequestHeader> header = wire::RequestHeader::decode(reader);
    if (!header) break;
    const ApiRow* const row = find_row(rows, header->api_key);
    if (row == nullptr) break;
    if (header->api_version < row->min_version || header->api_version > row->max_version) {
      if (row->key != wire::ApiKey::api_versions) break;
      connection->send(unsupported_api_versions(header->correlation_id, *row));
      continue;
    }
    RequestContext context{node,
                           row->key,
                           header->api_version,
                           header->correlation_id,
                           header->client_id.value_or(""),
                           connection->peer().host,
                           on_controller,
                           {}};
    learn_software(software, *header, reader);
    const RequestNote note{header->api_key, header->api_version, header->correlation_id, &*frame, &software};
    host.trace.emit(TraceKind::request_handled, 0, header->api_key, header->api_version, &note);

    if (ApiFaults* const faults = node.config().api_faults; faults != nullptr && !on_controller)
      context.fault = faults->on_request(header->api_key, context.client_id);
    if (context.fault.act == ApiFault::Act::close_before) {
      node.config().api_faults->settle(context.fault.ticket, true);
      break;
    }

    Semaphore* const memory = node.broker() == nullptr ? nullptr : &node.broker()->request_memory();
    if (memory != nullptr) {
      const Reached taken = co_await memory->take(frame_bytes);
      CHECK(taken == Reached::reached);
    }
    const std::uint64_t body_at = reader.position();
    Task<Answer> handling = row->handle(context, std::move(*frame), body_at);
    Answer answer = co_await handling;
    if (memory != nullptr) memory->release(frame_bytes);

    if (context.fault.act == ApiFault::Act::close_after) {
      node.config().api_faults->settle(context.fault.ticket, true);
      break;
    }
    if (!answer.frame.empty()) {
      co_await host.cpu.spend(Work::frame_out, answer.frame.size());
      const RequestNote sent{header->api_key, header->api_version, header->correlation_id, &answer.frame, &software};
      host.trace.emit(TraceKind::response_sent, 0, header->api_key, answer.code, &sent);
      connection->send(std::move(answer.frame));
      const Result<bool> flushed = co_await connection->flushed();
      if (!flushed) break;
    }
    if (answer.close) break;
  }
  connection->close();
}

}  // namespace harrow
