// File work that is put off: an operation, and whoever waits for it.
//
// Purpose: a node that recovers or makes thousands of logs would read and sync without a pause, and hear nobody meanwhile. Owner:
// PosixDisk and its files; PosixHost tells where rounds of its loop begin. Invariants: work is done in the order in which it came; work
// whose waiter has gone is not done.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>

#include "core/async/completion.h"
#include "core/host/clock.h"

namespace harrow::posix {

/// Operations that wait to be done.
class ParkedWork {
 public:
  template <class T>
  void park(Completion<T>& done, std::function<T()> act) {
    auto parked = std::make_unique<ParkedOf<T>>(std::move(act));
    done.attach(&parked->done);
    parked_.push_back(std::move(parked));
  }
  bool empty() const { return parked_.empty(); }
  void do_first();
  void do_all();

 private:
  struct Parked {
    virtual ~Parked() = default;
    virtual void act() = 0;
  };
  template <class T>
  struct ParkedOf final : Parked {
    explicit ParkedOf(std::function<T()> act) : work(std::move(act)) {}
    ~ParkedOf() override {
      if (done != nullptr) done->detach();
    }
    void act() override {
      if (done != nullptr) done->complete(work());
    }
    Completion<T>* done = nullptr;
    std::function<T()> work;
  };
  std::list<std::unique_ptr<Parked>> parked_;
};

/// Once a round of the loop has lasted long enough, what may wait is put off to the next one: sockets and timers come first.
class FileRounds {
 public:
  void begin(const Clock& clock) {
    clock_ = &clock;
    ends_ = after_ms(clock.mono(), longest_ms);
  }
  /// Without a loop no round ends.
  bool over() const { return clock_ != nullptr && clock_->mono() > ends_; }
  ParkedWork& later() { return later_; }
  /// At the begin of a round: what was put off, as far as there is time, and something in any case.
  void catch_up();

 private:
  static constexpr std::int64_t longest_ms = 5;
  const Clock* clock_ = nullptr;
  MonoNs ends_{0};
  ParkedWork later_;
};

}  // namespace harrow::posix
