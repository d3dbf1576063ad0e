#include "sim/cluster/machine.h"

namespace harrow::sim {

Machine::Machine(Parts parts)
    : parts_(std::move(parts)), disk_(parts_.kernel, parts_.index, parts_.disk, parts_.random.fork("disk")) {}

Machine::~Machine() {
  if (running()) {
    parts_.fabric.crash(parts_.index, CrashMode::reset);
    end_process();
  }
}

void Machine::start(const std::function<void(SimHost&)>& body) {
  CHECK(!running());
  if (started_before_) parts_.fabric.restart(parts_.index);
  started_before_ = true;
  ++incarnation_;
  disk_.prepare_start();
  queue_ = std::make_unique<ReadyQueue>(parts_.kernel.run_list());
  Port& port = parts_.fabric.attach(parts_.index, parts_.name, *queue_);
  host_ = std::make_unique<SimHost>(parts_.kernel, parts_.index, parts_.clock, port, disk_, parts_.cpu,
                                    parts_.random.fork("process", incarnation_), *queue_, [this](Code code) {
                                      // Its own event: no frame of this node may be on the stack when it ends.
                                      const std::uint32_t incarnation = incarnation_;
                                      parts_.kernel.call_at(parts_.kernel.now_ns(), [this, incarnation, code] {
                                        if (incarnation == incarnation_ && running()) parts_.on_halt(*this, code);
                                      });
                                    });
  host_->cpu().slow_by(cpu_factor_);
  host_->enter([&] { body(*host_); });
}

void Machine::end_process() {
  host_->scope().destroy_all();
  node_.reset();
  host_.reset();
  CHECK_SAYING(queue_->idle(), "a dead process still waits for something");
  queue_.reset();
}

void Machine::kill() {
  if (!running()) return;
  parts_.fabric.crash(parts_.index, CrashMode::reset);
  end_process();
  disk_.crash_process();
}

void Machine::lose_power(std::optional<FileSystem> file_system) {
  if (!running()) return;
  parts_.fabric.crash(parts_.index, CrashMode::black_hole);
  end_process();
  const Random dice = parts_.random.fork("power loss", incarnation_);
  if (file_system) disk_.crash_power(*file_system, dice);
  else disk_.crash_power(dice);
}

void Machine::pause() {
  if (queue_ != nullptr) queue_->park();
}

void Machine::resume() {
  if (queue_ != nullptr) queue_->release();
}

void Machine::slow_cpu(std::int64_t factor) {
  cpu_factor_ = factor;
  if (host_ != nullptr) host_->cpu().slow_by(factor);
}

void Machine::advance_clock(std::int64_t by_ns) {
  parts_.clock.advance(by_ns);
  if (host_ != nullptr) host_->timers().rearm_all();
}

void Machine::set_drift(std::int64_t ppm) {
  parts_.clock.set_drift(ppm);
  if (host_ != nullptr) host_->timers().rearm_all();
}

}  // namespace harrow::sim
