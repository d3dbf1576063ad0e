// What checks may look at beyond events: the live nodes and disks, through const eyes, between turns only. The cluster
// implements it (cluster_view.h); tests implement what they need.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/controller/image.h"
#include "core/model/ids.h"

namespace harrow {
class Broker;
class Partition;
}  // namespace harrow

namespace harrow::sim {

class SimDisk;

class View {
 public:
  virtual ~View() = default;
  /// Ids of the nodes that run a broker, and of the voters.
  virtual std::vector<NodeId> brokers() const { return {}; }
  virtual std::vector<NodeId> voters() const { return {}; }
  /// A process runs on the node's machine.
  virtual bool running(NodeId) const { return false; }
  /// The image of the live node that has seen most of the metadata log; null when there is none.
  virtual const controller::Image* image() const { return nullptr; }
  virtual const controller::Image* image_of(NodeId) const { return nullptr; }
  virtual const Broker* broker(NodeId) const { return nullptr; }
  virtual const Partition* replica(NodeId, const TopicIdPartition&) const { return nullptr; }
  virtual const SimDisk* disk(NodeId) const { return nullptr; }
  /// Folder of all logs on the node's disk.
  virtual std::string log_dir(NodeId) const { return ""; }
  virtual NodeId active_controller() const { return no_node; }
  virtual std::string machine_name(std::uint16_t index) const { return "node " + std::to_string(index); }
};

}  // namespace harrow::sim
