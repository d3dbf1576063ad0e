// One consuming client of a run: a member of its group that polls, works and commits as its plan says.
#pragma once

#include <memory>

#include "core/client/consumer.h"
#include "sim/cluster/cluster.h"
#include "sim/kernel/sampler.h"

namespace harrow::sim {

class ConsumerWorkload {
 public:
  struct Job {
    const ConsumerPlan* plan;  // outlives the workload
    std::int32_t instance;
    Random random;
  };
  ConsumerWorkload(Cluster& cluster, Machine& machine, Job job);
  ~ConsumerWorkload();

  void start();
  void kill();
  void restart_after(std::int64_t ns);
  const std::string& name() const { return name_; }
  Machine& machine() { return machine_; }
  std::int64_t consumed() const { return consumed_; }
  /// Null while its process is down.
  const Consumer* consumer() const { return consumer_.get(); }

 private:
  Root run(Scope& scope, Label label);

  Cluster& cluster_;
  Machine& machine_;
  Job job_;
  std::string name_;
  Sampler work_;
  std::int64_t consumed_ = 0;
  std::unique_ptr<Consumer> consumer_;
};

}  // namespace harrow::sim
