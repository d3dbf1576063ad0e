// Content hashes of the image's entries. The image's hash is their sum (modulo 2^64), so that replacing one entry costs
// one subtraction and one addition, and the order in which entries arrived does not show.
#pragma once

#include "core/controller/image.h"

namespace harrow::controller {

std::uint64_t hash_entry(const BrokerImage& broker);
std::uint64_t hash_entry(const ControllerImage& controller);
std::uint64_t hash_entry(const Uuid& topic, std::int32_t index, const PartitionImage& partition);
/// Id, name and partition count; its partitions are entries of their own.
std::uint64_t hash_entry(const TopicImage& topic);
/// The topic with all its partitions.
std::uint64_t hash_whole(const TopicImage& topic);
std::uint64_t hash_entry(const ConfigResource& resource, const ConfigMap& configs);
std::uint64_t hash_entry(const std::string& feature, std::int16_t level);
std::uint64_t hash_entry(const ProducerIdBlocks& blocks);

}  // namespace harrow::controller
