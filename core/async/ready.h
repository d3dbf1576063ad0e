// The async room: how coroutines wait. Owner: nobody at run time (a node's ReadyQueue and Scope belong to its host).
// It touches no clock, socket or file; time reaches it through the abstract Timers.
// Invariants: a wake-up never runs code, it posts; FIFO among posts; each suspended awaiter is a linked Ready that
// unlinks itself on destruction, so dropping a frame leaves nothing behind.
#pragma once

#include <coroutine>
#include <cstddef>

#include "core/base/intrusive.h"

namespace harrow {

class ReadyQueue;

/// What the current thread is running: set by whoever resumes a coroutine or starts a root, read by whoever suspends
/// one. Together with the frame pool the only thread-local state of the product.
struct Running {
  ReadyQueue* queue = nullptr;
  const char* root = "";
};
namespace detail {
extern constinit thread_local Running running_now;
}
inline Running& running() { return detail::running_now; }

/// A suspended coroutine's place: in its queue's waiting list, or, once posted, in the run list.
struct Ready : Hook {
  std::coroutine_handle<> handle;
  ReadyQueue* queue = nullptr;
  const char* root = "";   // name of the root task it belongs to
  const char* label = "";  // what it waits for
  bool posted = false;
  /// Called by an awaiter's await_suspend.
  void suspend(std::coroutine_handle<> h, const char* waits_for);
  /// Wakes it: it will run after everything posted before. A second post before it ran does nothing.
  void post();
};

/// One node's queue. All nodes of a thread share one run list, so that the order among them is the order of posts.
/// A parked queue (a paused process) keeps its posts, in order, until it is released.
class ReadyQueue {
 public:
  explicit ReadyQueue(List<Ready>& run_list) : run_list_(run_list) {}
  ReadyQueue(const ReadyQueue&) = delete;
  ReadyQueue& operator=(const ReadyQueue&) = delete;

  void wait(Ready& ready) { waiting_.link_back(ready); }
  void post(Ready& ready) { (parked_ ? held_ : run_list_).link_back(ready); }
  void park() { parked_ = true; }
  void release() {
    parked_ = false;
    run_list_.splice_back(held_);
  }
  bool parked() const { return parked_; }
  bool idle() const { return waiting_.empty() && held_.empty(); }
  /// Who waits for what, oldest first: visit(root, label).
  template <class Visit>
  void for_each_waiting(Visit visit) {
    waiting_.for_each([&](Ready& ready) { visit(ready.root, ready.label); });
  }

 private:
  List<Ready>& run_list_;
  List<Ready> waiting_;
  List<Ready> held_;
  bool parked_ = false;
};

inline void Ready::suspend(std::coroutine_handle<> h, const char* waits_for) {
  handle = h;
  queue = running().queue;
  root = running().root;
  label = waits_for;
  posted = false;
  CHECK_SAYING(queue != nullptr, "a coroutine may wait only inside a node's turn");
  queue->wait(*this);
}

inline void Ready::post() {
  if (posted) return;
  posted = true;
  queue->post(*this);
}

/// Runs what was posted first; false when nothing is posted. Used by the two run loops (simulated and real).
inline bool run_one(List<Ready>& run_list) {
  Ready* const ready = run_list.pop_front();
  if (ready == nullptr) return false;
  if (ready->queue->parked()) [[unlikely]] {
    ready->queue->post(*ready);
    return true;
  }
  ready->posted = false;
  running() = Running{ready->queue, ready->root};
  ready->handle.resume();
  return true;
}

/// Memory for coroutine frames from free lists by size class.
void* allocate_frame(std::size_t size);
void free_frame(void* frame, std::size_t size);

}  // namespace harrow
