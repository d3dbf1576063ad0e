#include "core/group/consumer_protocol.h"

#include <algorithm>
#include <map>

#include "core/base/buffer.h"
#include "core/wire/consumer_protocol_assignment.h"
#include "core/wire/consumer_protocol_subscription.h"

namespace harrow::group {
namespace {

constexpr std::int16_t newest = 3;

/// Reads the leading version and says as what to read the rest.
Result<std::int16_t> readable_version(Reader& r) {
  const std::int16_t version = r.i16();
  if (r.failed() || version < 0) return error(Code::corrupt_message, "consumer protocol version");
  return std::min(version, newest);
}

template <class Wire>
void put(std::vector<Wire>& out, std::vector<TopicPartition> partitions) {
  std::sort(partitions.begin(), partitions.end());
  for (TopicPartition& p : partitions) {
    if (out.empty() || out.back().topic != p.topic) out.emplace_back().topic = std::move(p.topic);
    out.back().partitions.push_back(p.partition);
  }
}

template <class Wire>
std::vector<TopicPartition> take(const std::vector<Wire>& topics) {
  std::vector<TopicPartition> partitions;
  for (const Wire& topic : topics)
    for (const std::int32_t partition : topic.partitions) partitions.push_back({topic.topic, partition});
  std::sort(partitions.begin(), partitions.end());
  return partitions;
}

}  // namespace

Bytes encode(const Subscription& subscription) {
  wire::ConsumerProtocolSubscription message;
  message.topics = subscription.topics;
  std::sort(message.topics.begin(), message.topics.end());
  message.user_data = subscription.user_data;
  put(message.owned_partitions, subscription.owned);
  message.generation_id = subscription.generation;
  message.rack_id = subscription.rack;
  Writer w;
  w.i16(newest);
  message.encode(w, newest);
  return w.finish();
}

Result<Subscription> decode_subscription(const Bytes& bytes) {
  Reader r(bytes);
  TRY(const std::int16_t version, readable_version(r));
  wire::ConsumerProtocolSubscription message;
  message.read(r, version);  // a newer version may go on: what is left is not looked at
  if (r.failed()) return error(Code::corrupt_message, "consumer protocol subscription");
  Subscription subscription;
  subscription.topics = std::move(message.topics);
  subscription.user_data = std::move(message.user_data);
  subscription.owned = take(message.owned_partitions);
  subscription.generation = message.generation_id;
  subscription.rack = std::move(message.rack_id);
  return subscription;
}

Bytes encode_assignment(std::vector<TopicPartition> partitions) {
  wire::ConsumerProtocolAssignment message;
  put(message.assigned_partitions, std::move(partitions));
  Writer w;
  w.i16(newest);
  message.encode(w, newest);
  return w.finish();
}

Result<std::vector<TopicPartition>> decode_assignment(const Bytes& bytes) {
  Reader r(bytes);
  TRY(const std::int16_t version, readable_version(r));
  wire::ConsumerProtocolAssignment message;
  message.read(r, version);
  if (r.failed()) return error(Code::corrupt_message, "consumer protocol assignment");
  return take(message.assigned_partitions);
}

std::optional<std::set<std::string>> subscribed_topics_of(const Group& group) {
  if (!group.uses_consumer_protocol()) return std::nullopt;
  std::set<std::string> topics;
  for (const auto& [id, member] : group.members) {
    const auto protocol = std::find_if(member.protocols.begin(), member.protocols.end(),
                                       [&](const Protocol& p) { return p.name == group.protocol_name; });
    if (protocol == member.protocols.end()) return std::nullopt;
    Result<Subscription> subscription = decode_subscription(protocol->metadata);
    if (!subscription) return std::nullopt;
    for (std::string& topic : subscription->topics) topics.insert(std::move(topic));
  }
  return topics;
}

}  // namespace harrow::group
