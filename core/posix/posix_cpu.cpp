#include "core/posix/posix_cpu.h"

#include <time.h>

namespace harrow::posix {
namespace {

std::int64_t read_clock(clockid_t which) {
  timespec now{};
  CHECK_SAYING(::clock_gettime(which, &now) == 0, "the system has clocks");
  return static_cast<std::int64_t>(now.tv_sec) * ns_per_s + now.tv_nsec;
}

}  // namespace

WallMs PosixClock::wall() const { return WallMs((read_clock(CLOCK_REALTIME) + wall_ahead_ns_) / ns_per_ms); }
MonoNs PosixClock::mono() const { return MonoNs(read_clock(CLOCK_MONOTONIC) + mono_ahead_ns_); }

void PosixTimers::put(std::size_t place, const Entry& entry) {
  heap_[place] = entry;
  entry.timer->position = static_cast<std::uint32_t>(place);
}

/// Puts the entry where it belongs, at `place` or above or below it.
void PosixTimers::settle(std::size_t place, const Entry& entry) {
  while (place > 0) {
    const std::size_t parent = (place - 1) / 2;
    if (!earlier(entry, heap_[parent])) break;
    put(place, heap_[parent]);
    place = parent;
  }
  for (;;) {
    std::size_t child = 2 * place + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && earlier(heap_[child + 1], heap_[child])) ++child;
    if (!earlier(heap_[child], entry)) break;
    put(place, heap_[child]);
    place = child;
  }
  put(place, entry);
}

void PosixTimers::insert(Timer& timer) {
  const Entry entry{&timer, armed_++};
  heap_.push_back(entry);
  settle(heap_.size() - 1, entry);
}

void PosixTimers::remove(Timer& timer) {
  const std::size_t place = timer.position;
  CHECK(place < heap_.size() && heap_[place].timer == &timer);
  const Entry last = heap_.back();
  heap_.pop_back();
  if (place < heap_.size()) settle(place, last);
}

void PosixTimers::fire_due() {
  const MonoNs now = clock_.mono();
  while (!heap_.empty() && heap_.front().timer->at <= now) {
    Timer& timer = *heap_.front().timer;
    remove(timer);
    timer.owner = nullptr;
    timer.fire();
  }
}

}  // namespace harrow::posix
