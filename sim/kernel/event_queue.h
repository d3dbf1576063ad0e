// The one queue of a run: a 4-ary heap of 16-byte entries (time, sequence and slot). Ties are FIFO because the sequence
// is part of the key. Entries name slots, not timers, so that moving them touches nothing else; a disarmed timer only
// empties its slot, and when more than half of the entries are empty the heap is rebuilt without them (the pop order is
// fixed by the keys, whatever the heap's shape).
// The four children of an entry share one cache line, and an entry is compared as one number of 128 bits.
#pragma once

#include <cstdint>
#include <vector>

#include "core/async/timer.h"
#include "core/base/wide.h"

namespace harrow::sim {

class EventQueue {
 public:
  /// Returns the slot; the timer must call remove(slot) before it dies unless it was popped. The time is not negative.
  std::uint32_t push(std::int64_t time_ns, Timer& timer) {
    std::uint32_t slot = free_;
    if (slot != none) {
      free_ = slots_[slot].next_free();
      slots_[slot].set(&timer);
    } else {
      slot = static_cast<std::uint32_t>(slots_.size());
      CHECK_SAYING(slot < slot_limit, "more than 16 million timers");
      slots_.emplace_back().set(&timer);
    }
    const Entry entry = static_cast<u128>(static_cast<std::uint64_t>(time_ns)) << 64 | next_sequence_++ << slot_bits | slot;
    if (size_ + before_first == lines_.size() * 4) lines_.resize(lines_.size() * 2);
    Entry* const heap = this->heap();
    std::size_t at = size_++;
    while (at > 0) {
      const std::size_t parent = (at - 1) / 4;
      if (heap[parent] < entry) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = entry;
    return slot;
  }

  void remove(std::uint32_t slot) {
    slots_[slot].set(nullptr);
    if (++dead_ > 64 && dead_ * 2 > size_) compact();
  }

  /// Time of the next live timer; INT64_MAX when there is none.
  std::int64_t next_time() {
    while (size_ > 0 && slots_[slot_of(heap()[0])].dead()) [[unlikely]] {
      release(slot_of(heap()[0]));
      --dead_;
      pop_top();
    }
    return size_ == 0 ? INT64_MAX : static_cast<std::int64_t>(static_cast<std::uint64_t>(heap()[0] >> 64));
  }

  /// Takes the next live timer; only after next_time() said that there is one.
  Timer& pop() {
    const std::uint32_t slot = slot_of(heap()[0]);
    Timer& timer = *slots_[slot].timer();
    release(slot);
    pop_top();
    // What comes next is known now; while the popped one fires, its memory can come nearer.
    if (size_ > 0) __builtin_prefetch(slots_[slot_of(heap()[0])].hint());
    return timer;
  }

  std::size_t live() const { return size_ - dead_; }

  template <class Visit>
  void for_each(Visit visit) {
    for (Slot& slot : slots_)
      if (Timer* const timer = slot.timer(); timer != nullptr) visit(*timer);
  }

 private:
  static constexpr unsigned slot_bits = 24;
  static constexpr std::uint32_t slot_limit = 1u << slot_bits;
  static constexpr std::uint32_t none = UINT32_MAX;
  static constexpr std::size_t before_first = 3;  // entries left out, so that children 4i+1 to 4i+4 fill a line
  using Entry = u128;                             // time, then sequence, then slot
  struct alignas(64) Line {
    Entry entries[4] = {};
  };
  /// A timer, nothing (disarmed, its entry is still in the heap), or the next free slot.
  class Slot {
   public:
    void set(Timer* timer) { word_ = reinterpret_cast<std::uintptr_t>(timer); }
    void set_free(std::uint32_t next) { word_ = static_cast<std::uintptr_t>(next) << 1 | 1; }
    bool dead() const { return word_ == 0; }
    Timer* timer() const { return (word_ & 1) != 0 ? nullptr : reinterpret_cast<Timer*>(word_); }
    std::uint32_t next_free() const { return static_cast<std::uint32_t>(word_ >> 1); }
    const void* hint() const { return reinterpret_cast<const void*>(word_); }

   private:
    std::uintptr_t word_ = 0;
  };

  Entry* heap() { return lines_.data()->entries + before_first; }
  static std::uint32_t slot_of(Entry entry) { return static_cast<std::uint32_t>(entry) & (slot_limit - 1); }
  void release(std::uint32_t slot) {
    slots_[slot].set_free(free_);
    free_ = slot;
  }
  void pop_top() {
    const Entry last = heap()[--size_];
    if (size_ > 0) sift_down(0, last);
  }
  void sift_down(std::size_t at, const Entry entry) {
    Entry* const heap = this->heap();
    const std::size_t size = size_;
    std::size_t first = at * 4 + 1;
    for (; first + 4 <= size; first = at * 4 + 1) {
      // Which child is least is a coin toss: numbers, not jumps.
      const std::size_t left = first + static_cast<std::size_t>(heap[first + 1] < heap[first]);
      const std::size_t right = first + 2 + static_cast<std::size_t>(heap[first + 3] < heap[first + 2]);
      const std::size_t least = heap[right] < heap[left] ? right : left;
      if (entry < heap[least]) {
        heap[at] = entry;
        return;
      }
      heap[at] = heap[least];
      at = least;
    }
    if (first < size) {
      std::size_t least = first;
      for (std::size_t child = first + 1; child < size; ++child)
        if (heap[child] < heap[least]) least = child;
      if (heap[least] < entry) {
        heap[at] = heap[least];
        at = least;
      }
    }
    heap[at] = entry;
  }
  void compact() {
    Entry* const heap = this->heap();
    std::size_t kept = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      if (!slots_[slot_of(heap[i])].dead()) heap[kept++] = heap[i];
      else release(slot_of(heap[i]));
    }
    size_ = kept;
    dead_ = 0;
    for (std::size_t i = kept / 4 + 1; i-- > 0;)
      if (i < kept) sift_down(i, heap[i]);
  }

  std::vector<Line> lines_ = std::vector<Line>(16);
  std::size_t size_ = 0;
  std::vector<Slot> slots_;
  std::uint32_t free_ = none;
  std::uint64_t next_sequence_ = 0;
  std::size_t dead_ = 0;
};

}  // namespace harrow::sim
