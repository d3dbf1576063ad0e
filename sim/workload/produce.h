// One producing client of a run: sends what its plan says at the plan's times, on a machine of its own. Payload bytes
// are derived from (producer, sequence), so every record is unique and can be checked.
#pragma once

#include <memory>

#include "core/client/producer.h"
#include "sim/cluster/cluster.h"
#include "sim/workload/replay_file.h"
#include "sim/kernel/sampler.h"

namespace harrow::sim {

class ProducerWorkload final : public DeliveryListener {
 public:
  struct Job {
    const ProducerPlan* plan;  // outlives the workload
    std::int32_t instance;
    std::int64_t until_ns;     // kernel time at which it stops sending
    std::shared_ptr<const ReplayFile> replay;
    Random random;
  };
  ProducerWorkload(Cluster& cluster, Machine& machine, Job job);
  ~ProducerWorkload() override;

  /// Starts the client process (again, after it was killed: it goes on with the next sequence).
  void start();
  /// The machine's process ends; the client library's state dies with it.
  void kill();
  void restart_after(std::int64_t ns);
  bool done() const { return done_; }
  const std::string& name() const { return name_; }
  Machine& machine() { return machine_; }
  std::int64_t sent() const { return next_sequence_; }
  /// Records given to the client and without a fate.
  std::uint64_t pending() const { return producer_ == nullptr ? 0 : producer_->pending(); }

  void on_delivery(std::uint64_t tag, const Delivery& delivery) override;

 private:
  Root run(Scope& scope, Label label);
  Task<bool> send_one(std::int64_t key, std::int64_t size, std::int64_t replay_key);
  std::int64_t next_gap_ns();

  Cluster& cluster_;
  Machine& machine_;
  Job job_;
  std::string name_;
  std::uint64_t payload_key_;
  Sampler sizes_, keys_, key_sizes_, gaps_;
  Random tombstones_;
  std::int64_t next_sequence_ = 0;
  std::size_t next_recorded_ = 0;
  std::int64_t started_at_ns_ = -1;
  bool done_ = false;
  std::string value_, key_;
  std::unique_ptr<Producer> producer_;
};

}  // namespace harrow::sim
