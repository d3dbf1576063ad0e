#include "core/node/rpc.h"

namespace harrow {
namespace {
constexpr std::uint32_t answer_limit_bytes = 104857600;
}

Task<Result<Bytes>> RpcChannel::exchange_frame(Bytes frame) {
  if (connection_ == nullptr || connection_->closed()) {
    Result<ConnectionPtr> connected = co_await host_.net.connect(endpoint_);
    if (!connected) co_return pass(connected.error());
    connection_ = std::move(*connected);
  }
  const std::uint64_t sent_bytes = frame.size();
  connection_->send(std::move(frame));
  co_await host_.cpu.spend(Work::frame_out, sent_bytes);
  if (connection_ == nullptr) co_return error(Code::connection_reset, "dropped while sending");
  Result<Bytes> answer = co_await connection_->read_frame(answer_limit_bytes);
  if (answer) co_await host_.cpu.spend(Work::frame_in, answer->size());
  co_return answer;
}

}  // namespace harrow
