#include "core/client/producer.h"

#include "core/client/producer_sender.h"

namespace harrow {

Producer::Producer(Host& host, ProducerConfig config, DeliveryListener* listener)
    : sender_(std::make_unique<Sender>(host, std::move(config), listener)) {}
Producer::~Producer() = default;

TopicHandle Producer::topic(std::string_view name) { return sender_->topic(name); }
std::int32_t Producer::partitions_of(TopicHandle topic) const { return sender_->partitions_of(topic); }
Accepted Producer::send(const ProducerRecord& record) { return sender_->send(record); }
Task<Result<bool>> Producer::send_ready(TopicHandle topic, MonoNs deadline) { return sender_->send_ready(topic, deadline); }
Task<Accepted> Producer::send_waiting(ProducerRecord record) { return sender_->send_waiting(record); }
Task<Delivery> Producer::send_and_wait(ProducerRecord record) { return sender_->send_and_wait(record); }
Task<Result<bool>> Producer::flush() { return sender_->flush(never); }
Task<Result<bool>> Producer::close(MonoNs deadline) { return sender_->close(deadline); }
const Producer::Counts& Producer::counts() const { return sender_->counts(); }
std::uint64_t Producer::pending() const { return sender_->pending(); }
std::int64_t Producer::buffered_bytes() const { return sender_->buffered_bytes(); }
ProducerId Producer::producer_id() const { return sender_->producer_id(); }
ProducerEpoch Producer::producer_epoch() const { return sender_->producer_epoch(); }

}  // namespace harrow
