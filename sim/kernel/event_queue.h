// The one queue of a run: a 4-ary heap of 16-byte entries (time, sequence and slot). Ties are FIFO because the sequence
// is part of the key. Entries name slots, not timers, so that moving them touches nothing else; a disarmed timer only
// empties its slot, and when more than half of the entries are empty the heap is rebuilt without them (the pop order is
// fixed by the keys, whatever the heap's shape).
#pragma once

#include <cstdint>
#include <vector>

#include "core/async/timer.h"

namespace harrow::sim {

class EventQueue {
 public:
  /// Returns the slot; the timer must call remove(slot) before it dies unless it was popped.
  std::uint32_t push(std::int64_t time_ns, Timer& timer) {
    std::uint32_t slot;
    if (free_ != none) {
      slot = free_;
      free_ = slots_[slot].next_free;
    } else {
      slot = static_cast<std::uint32_t>(slots_.size());
      CHECK_SAYING(slot < slot_limit, "more than 16 million timers");
      slots_.emplace_back();
    }
    slots_[slot].timer = &timer;
    const Entry entry{time_ns, (next_sequence_++ << slot_bits) | slot};
    std::size_t at = heap_.size();
    heap_.push_back(entry);
    while (at > 0) {
      const std::size_t parent = (at - 1) / 4;
      if (!before(entry, heap_[parent])) break;
      heap_[at] = heap_[parent];
      at = parent;
    }
    heap_[at] = entry;
    return slot;
  }

  void remove(std::uint32_t slot) {
    slots_[slot].timer = nullptr;
    if (++dead_ > 64 && dead_ * 2 > heap_.size()) compact();
  }

  /// Time of the next live timer; INT64_MAX when there is none.
  std::int64_t next_time() {
    while (!heap_.empty() && slots_[slot_of(heap_[0])].timer == nullptr) {
      release(slot_of(heap_[0]));
      --dead_;
      pop_top();
    }
    return heap_.empty() ? INT64_MAX : heap_[0].time_ns;
  }

  /// Takes the next live timer; only after next_time() said that there is one.
  Timer& pop() {
    const std::uint32_t slot = slot_of(heap_[0]);
    Timer& timer = *slots_[slot].timer;
    release(slot);
    pop_top();
    return timer;
  }

  std::size_t live() const { return heap_.size() - dead_; }

  template <class Visit>
  void for_each(Visit visit) {
    for (Slot& slot : slots_)
      if (slot.timer != nullptr) visit(*slot.timer);
  }

 private:
  static constexpr unsigned slot_bits = 24;
  static constexpr std::uint32_t slot_limit = 1u << slot_bits;
  static constexpr std::uint32_t none = UINT32_MAX;
  struct Entry {
    std::int64_t time_ns;
    std::uint64_t key;
  };
  struct Slot {
    Timer* timer = nullptr;
    std::uint32_t next_free = none;
  };
  static std::uint32_t slot_of(const Entry& entry) { return static_cast<std::uint32_t>(entry.key) & (slot_limit - 1); }
  static bool before(const Entry& a, const Entry& b) {
    return a.time_ns < b.time_ns || (a.time_ns == b.time_ns && a.key < b.key);
  }
  void release(std::uint32_t slot) {
    slots_[slot].timer = nullptr;
    slots_[slot].next_free = free_;
    free_ = slot;
  }
  void pop_top() {
    const Entry last = heap_.back();
    heap_.pop_back();
    if (!heap_.empty()) sift_down(0, last);
  }
  void sift_down(std::size_t at, const Entry entry) {
    const std::size_t size = heap_.size();
    for (;;) {
      const std::size_t first = at * 4 + 1;
      if (first >= size) break;
      std::size_t least = first;
      const std::size_t end = first + 4 < size ? first + 4 : size;
      for (std::size_t child = first + 1; child < end; ++child)
        if (before(heap_[child], heap_[least])) least = child;
      if (!before(heap_[least], entry)) break;
      heap_[at] = heap_[least];
      at = least;
    }
    heap_[at] = entry;
  }
  void compact() {
    std::size_t kept = 0;
    for (const Entry& entry : heap_) {
      if (slots_[slot_of(entry)].timer != nullptr) heap_[kept++] = entry;
      else release(slot_of(entry));
    }
    heap_.resize(kept);
    dead_ = 0;
    for (std::size_t i = kept / 4 + 1; i-- > 0;)
      if (i < kept) sift_down(i, heap_[i]);
  }

  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::uint32_t free_ = none;
  std::uint64_t next_sequence_ = 0;
  std::size_t dead_ = 0;
};

}  // namespace harrow::sim
