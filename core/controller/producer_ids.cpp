// Producer ids are handed to brokers in blocks; a block is never given twice, whoever asks and whatever is lost.
#include "core/controller/controller.h"
#include "core/wire/allocate_producer_ids_request.h"
#include "core/wire/allocate_producer_ids_response.h"

namespace harrow::controller {

namespace {
constexpr std::int32_t block_size = 1000;
}

ControllerResult<wire::AllocateProducerIdsResponse> Controller::allocate_producer_ids(
    const wire::AllocateProducerIdsRequest& request) const {
  ControllerResult<wire::AllocateProducerIdsResponse> result;
  const BrokerImage* const broker = state_.image.broker(NodeId(request.broker_id));
  if (broker == nullptr || broker->epoch != BrokerEpoch(request.broker_epoch)) {
    result.response.error_code =
        static_cast<std::int16_t>(broker == nullptr ? Code::broker_id_not_registered : Code::stale_broker_epoch);
    return result;
  }
  const std::int64_t start = state_.image.next_producer_id();
  if (start > INT64_MAX - block_size) {
    result.response.error_code = static_cast<std::int16_t>(Code::unknown_server_error);
    return result;
  }
  wire::ProducerIdsRecord record;
  record.broker_id = request.broker_id;
  record.broker_epoch = request.broker_epoch;
  record.next_producer_id = start + block_size;
  result.records.emplace_back(std::move(record));
  result.response.producer_id_start = start;
  result.response.producer_id_len = block_size;
  return result;
}

}  // namespace harrow::controller
