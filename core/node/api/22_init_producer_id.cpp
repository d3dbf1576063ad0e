// InitProducerId, versions 0 to 5, for idempotent producers: a fresh producer id with epoch 0, also for one that names an
// id it has. Ids come in blocks from the controller. Transactional ids are not served yet: COORDINATOR_NOT_AVAILABLE.
#include "core/node/api/handlers.h"

namespace harrow {

Task<wire::InitProducerIdResponse> init_producer_id(const RequestContext& context, wire::InitProducerIdRequest request) {
  co_await context.host().cpu.spend(Work::handler, 1);
  wire::InitProducerIdResponse response;
  response.producer_epoch = -1;
  if (request.transactional_id) {
    response.error_code = static_cast<std::int16_t>(request.transactional_id->empty() ? Code::invalid_request : Code::coordinator_not_available);
    co_return response;
  }
  Task<Result<ProducerId>> asking = context.broker().next_producer_id();
  const Result<ProducerId> id = co_await asking;
  if (!id) {
    response.error_code = static_cast<std::int16_t>(Code::coordinator_load_in_progress);
    co_return response;
  }
  response.producer_id = id->value();
  response.producer_epoch = 0;
  co_return response;
}

}  // namespace harrow
