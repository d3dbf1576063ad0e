// Time of the processor. Real: spending is done by running, so it is ready at once. Simulated: the node's cores serve
// spends in order, each as long as the hardware profile says; everything else in a turn takes no time.
// Product code spends in exactly four places: frame in, handler entry (before any state is read), frame out, slices of
// background work.
#pragma once

#include <cstdint>

#include "core/async/completion.h"

namespace harrow {

enum class Work : std::uint8_t { frame_in, handler, frame_out, background, client };

class Cpu {
 public:
  virtual ~Cpu() = default;
  class SpendWait : public Completion<bool> {
   public:
    SpendWait(Cpu& cpu, Work work, std::uint64_t units) : cpu_(cpu), work_(work), units_(units) {}
    bool await_ready() {
      cpu_.start_spend(work_, units_, *this);
      return completed();
    }
    void await_suspend(std::coroutine_handle<> h) { suspend(h, "cpu"); }
    void await_resume() {}

   private:
    Cpu& cpu_;
    Work work_;
    std::uint64_t units_;
  };
  /// `units` are bytes for frames, records for a handler, milliseconds of work for the background.
  SpendWait spend(Work work, std::uint64_t units) { return SpendWait(*this, work, units); }

 protected:
  virtual void start_spend(Work work, std::uint64_t units, Completion<bool>& done) = 0;
};

}  // namespace harrow
