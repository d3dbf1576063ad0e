// I73, effective configuration: what a broker works with is the last committed value of the strongest layer: the topic's own,
// its own dynamic one, the dynamic default of all brokers, its file, the built-in default.
// Judged at quiescence, from each broker's own image: what its replicas' logs and its topics' settings hold against a walk
// over the layers. Keys that nobody set are not looked at.
// Legal exceptions: a broker that has not applied its image yet.
#include <charconv>

#include "core/node/broker.h"
#include "sim/check/oracle.h"
#include "sim/check/registry.h"
#include "sim/check/view.h"

namespace harrow::sim {
namespace {

using controller::ConfigResourceType;

/// The text that counts for a topic's key on a broker; null if no layer has one.
const std::string* strongest(const controller::Image& image, const ConfigMap& file, NodeId broker, const std::string& topic, const ConfigRow& row) {
  const std::string_view on_broker = row.scope == ConfigScope::both ? row.name : row.broker_key;
  const std::pair<const ConfigMap*, std::string_view> layers[] = {{&image.config(ConfigResourceType::topic, topic), row.name},
                                                                 {&image.config(ConfigResourceType::broker, std::to_string(broker.value())), on_broker},
                                                                 {&image.config(ConfigResourceType::broker, ""), on_broker},
                                                                 {&file, on_broker}};
  for (const auto& [values, key] : layers)
    if (const auto found = values->find(key); found != values->end()) return &found->second;
  return nullptr;
}

class EffectiveConfig final : public Check {
 public:
  void at_quiescence() override {
    for (const NodeId id : view().brokers()) {
      const Broker* const broker = view().running(id) ? view().broker(id) : nullptr;
      const controller::Image* const image = view().image_of(id);
      if (broker == nullptr || image == nullptr || broker->published_offset() != image->offset()) continue;
      for (const auto& [topic_id, topic] : image->topics())
        for (std::size_t index = 0; index < topic.partitions.size(); ++index) {
          const Partition* const replica = view().replica(id, TopicIdPartition{topic_id, static_cast<std::int32_t>(index)});
          if (replica != nullptr) judge(*broker, *image, topic, *replica, static_cast<std::int32_t>(index));
        }
    }
  }

 private:
  void judge(const Broker& broker, const controller::Image& image, const controller::TopicImage& topic, const Partition& replica, std::int32_t index) {
    const LogConfig& log = replica.log().config();
    const std::pair<ConfigKey, std::int64_t> held[] = {{ConfigKey::retention_ms, log.retention_ms},
                                                       {ConfigKey::retention_bytes, log.retention_bytes},
                                                       {ConfigKey::segment_ms, log.segment_ms},
                                                       {ConfigKey::max_message_bytes, log.append_rules.max_message_bytes},
                                                       {ConfigKey::min_insync_replicas, broker.topic_settings(topic.id).number(ConfigKey::min_insync_replicas)}};
    for (const auto& [key, number] : held) {
      const ConfigRow& row = row_of(key);
      const std::string* const text = strongest(image, broker.config().properties, broker.id(), topic.name, row);
      if (text == nullptr) continue;
      std::int64_t wanted = 0;
      std::from_chars(text->data(), text->data() + text->size(), wanted);
      expect(number == wanted, Where{oracle().machine_of(broker.id()), 0, -1, topic.name, index}, [&, name = row.name, number = number] {
        return "works with " + std::string(name) + " = " + std::to_string(number) + ", its configuration says " + *text;
      });
    }
  }
};

}  // namespace

std::unique_ptr<Check> make_effective_config() { return std::make_unique<EffectiveConfig>(); }

}  // namespace harrow::sim
