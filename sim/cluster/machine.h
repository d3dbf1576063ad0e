// One simulated machine: a clock, a disk, a place in the network, and whatever process runs on it now. The machine
// outlives its processes. Cluster machines run a Node; client machines run what the workload starts on them.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/node/node.h"
#include "sim/disk/sim_disk.h"
#include "sim/host/sim_host.h"
#include "sim/net/fabric.h"

namespace harrow::sim {

class Machine {
 public:
  struct Parts {
    Kernel& kernel;
    Fabric& fabric;
    std::uint16_t index;  // in the trace, and the host in the fabric
    std::string name;
    std::string rack;
    SimClock clock;
    DiskProfile disk;
    CpuProfile cpu;
    Random random;
    std::function<void(Machine&, Code)> on_halt;
  };
  explicit Machine(Parts parts);
  ~Machine();
  Machine(const Machine&) = delete;

  std::uint16_t index() const { return parts_.index; }
  const std::string& name() const { return parts_.name; }
  const std::string& rack() const { return parts_.rack; }
  SimClock& clock() { return parts_.clock; }
  SimDisk& disk() { return disk_; }
  const SimDisk& disk() const { return disk_; }
  std::uint32_t incarnation() const { return incarnation_; }

  /// Starts a process (its queue, scope, host); then `body` runs as its first turn.
  void start(const std::function<void(SimHost&)>& body);
  /// kill -9: the process is gone at once, peers get resets, the page cache stays.
  void kill();
  /// The machine loses power: peers notice nothing, un-synced data is diced.
  void lose_power(std::optional<FileSystem> file_system);
  bool running() const { return host_ != nullptr; }
  void pause();
  void resume();
  bool paused() const { return queue_ != nullptr && queue_->parked(); }
  void slow_cpu(std::int64_t factor);
  void set_drift(std::int64_t ppm);
  /// Both clocks jump forwards; timers that are due by then fire at once.
  void advance_clock(std::int64_t by_ns);

  SimHost* host() { return host_.get(); }
  ReadyQueue* queue() { return queue_.get(); }
  /// What the process consists of beyond its host; destroyed between its roots and its host.
  void own_node(std::unique_ptr<harrow::Node> node) { node_ = std::move(node); }
  harrow::Node* node() { return node_.get(); }
  const harrow::Node* node() const { return node_.get(); }

 private:
  void end_process();
  Parts parts_;
  SimDisk disk_;
  std::uint32_t incarnation_ = 0;
  std::int64_t cpu_factor_ = 1;
  bool started_before_ = false;
  std::unique_ptr<ReadyQueue> queue_;
  std::unique_ptr<SimHost> host_;
  std::unique_ptr<harrow::Node> node_;
};

}  // namespace harrow::sim
