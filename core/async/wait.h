// What a coroutine can wait for. Each wait returns an enum, never bool: look at it, and check again whatever was true
// before the wait. Deadlines are on the node's monotonic clock; `never` waits for ever.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "core/async/task.h"
#include "core/async/timer.h"

namespace harrow {

enum class Reached { reached, deadline, closed };

/// `co_await Sleep(timers, at)`: until `at`.
class Sleep : public Ready {
 public:
  Sleep(Timers& timers, MonoNs at, const char* label = "sleep") : timers_(timers), at_(at), label_(label) {}
  Sleep(Sleep&&) = delete;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    suspend(handle, label_);
    timers_.arm(timer_, at_, *this);
  }
  void await_resume() noexcept {}

 private:
  Timers& timers_;
  MonoNs at_;
  const char* label_;
  Timer timer_;
};

/// A wait in some primitive's list, with a deadline.
class ListedWait : public Ready {
 public:
  ListedWait(Timers& timers, MonoNs deadline) : timers_(timers), deadline_(deadline) {}
  ListedWait(ListedWait&&) = delete;

 protected:
  struct Member : Hook {
    ListedWait* wait;
  };
  template <class Waits>
  void enlist(std::coroutine_handle<> handle, Waits& waits, const char* label) {
    suspend(handle, label);
    member_.wait = this;
    waits.link_back(member_);
    timers_.arm(timer_, deadline_, *this);
  }
  void delist() {
    member_.unlink();
    timer_.disarm();
  }
  Member member_;
  Timers& timers_;
  Timer timer_;
  MonoNs deadline_;
  bool woken_ = false;
  bool closed_ = false;
  template <class>
  friend class WaitList;
};

/// A FIFO of waits that a primitive wakes.
template <class Wait>
class WaitList {
 public:
  bool empty() { return members_.empty(); }
  template <class Member>
  void link_back(Member& member) { members_.link_back(member); }
  void wake_first() {
    if (!members_.empty()) wake(*static_cast<ListedWait::Member&>(members_.front()).wait);
  }
  void wake_all() {
    members_.for_each([](Hook& hook) { wake(*static_cast<ListedWait::Member&>(hook).wait); });
  }
  void close_all() {
    members_.for_each([](Hook& hook) {
      ListedWait& wait = *static_cast<ListedWait::Member&>(hook).wait;
      wait.closed_ = true;
      WaitList::wake(wait);
    });
  }
  /// Visits each wait; the visitor returns whether to wake it.
  template <class Visit>
  void wake_if(Visit visit) {
    members_.for_each([&](Hook& hook) {
      ListedWait& wait = *static_cast<ListedWait::Member&>(hook).wait;
      if (visit(static_cast<Wait&>(wait))) wake(wait);
    });
  }

 private:
  static void wake(ListedWait& wait) {
    wait.woken_ = true;
    wait.delist();
    wait.post();
  }
  List<Hook> members_;
};

/// A number that only grows (a high watermark, a flushed offset). `reach` waits until it is at least the target.
class Watermark {
 public:
  explicit Watermark(Timers& timers, std::int64_t value = 0) : timers_(timers), value_(value) {}
  std::int64_t value() const { return value_; }

  class Wait : public ListedWait {
   public:
    Wait(Watermark& mark, std::int64_t target, MonoNs deadline) : ListedWait(mark.timers_, deadline), mark_(mark), target_(target) {}
    bool await_ready() const noexcept { return mark_.closed_ || mark_.value_ >= target_; }
    void await_suspend(std::coroutine_handle<> handle) { enlist(handle, mark_.waits_, "watermark"); }
    Reached await_resume() {
      delist();
      if (closed_) return Reached::closed;
      return woken_ || mark_.value_ >= target_ ? Reached::reached : mark_.closed_ ? Reached::closed : Reached::deadline;
    }

   private:
    friend class Watermark;
    Watermark& mark_;
    std::int64_t target_;
  };
  Wait reach(std::int64_t target, MonoNs deadline = never) { return Wait(*this, target, deadline); }
  /// Waits that are satisfied are posted in the order in which they began.
  void advance(std::int64_t value) {
    CHECK(value >= value_);
    value_ = value;
    if (!waits_.empty()) waits_.wake_if([value](Wait& wait) { return wait.target_ <= value; });
  }
  /// For state that may legally fall (a truncated log's end): no wait is touched.
  void reset(std::int64_t value) { value_ = value; }
  /// Everybody gets `closed`; later waits too, until reopen(). Destroy it only in a later turn.
  void close() {
    closed_ = true;
    waits_.close_all();
  }
  void reopen() { closed_ = false; }
  bool closed() const { return closed_; }

 private:
  Timers& timers_;
  std::int64_t value_;
  bool closed_ = false;
  WaitList<Wait> waits_;
};

/// "Something changed, look again": wake() wakes everybody who waits now; nothing is remembered.
class Signal {
 public:
  explicit Signal(Timers& timers) : timers_(timers) {}
  class Wait : public ListedWait {
   public:
    Wait(Signal& signal, MonoNs deadline) : ListedWait(signal.timers_, deadline), signal_(signal) {}
    bool await_ready() const noexcept { return signal_.closed_; }
    void await_suspend(std::coroutine_handle<> handle) { enlist(handle, signal_.waits_, "signal"); }
    Reached await_resume() {
      delist();
      return closed_ || signal_.closed_ ? Reached::closed : woken_ ? Reached::reached : Reached::deadline;
    }

   private:
    Signal& signal_;
  };
  Wait next(MonoNs deadline = never) { return Wait(*this, deadline); }
  void wake() {
    if (!waits_.empty()) waits_.wake_all();
  }
  void close() {
    closed_ = true;
    waits_.close_all();
  }
  bool closed() const { return closed_; }

 private:
  Timers& timers_;
  bool closed_ = false;
  WaitList<Wait> waits_;
};

/// A flag that stays set: waits end at once when it is.
class Event {
 public:
  explicit Event(Timers& timers) : mark_(timers) {}
  bool is_set() const { return mark_.value() > 0; }
  void set() {
    if (!is_set()) mark_.advance(1);
  }
  void reset() { mark_.reset(0); }
  void close() { mark_.close(); }
  Watermark::Wait wait(MonoNs deadline = never) { return mark_.reach(1, deadline); }

 private:
  Watermark mark_;
};

/// Counts what is free (bytes of memory, slots). FIFO: a large request at the front is not overtaken.
class Semaphore {
 public:
  Semaphore(Timers& timers, std::int64_t free) : timers_(timers), free_(free) {}
  class Wait : public ListedWait {
   public:
    Wait(Semaphore& semaphore, std::int64_t amount, MonoNs deadline)
        : ListedWait(semaphore.timers_, deadline), semaphore_(semaphore), amount_(amount) {}
    bool await_ready() noexcept {
      if (!semaphore_.waits_.empty() || semaphore_.free_ < amount_) return false;
      semaphore_.free_ -= amount_;
      return woken_ = true;
    }
    void await_suspend(std::coroutine_handle<> handle) { enlist(handle, semaphore_.waits_, "semaphore"); }
    ~Wait() {
      if (woken_ && !resumed_) semaphore_.release(amount_);  // dropped between the wake-up and its turn
    }
    /// reached: the amount is taken and must be given back with release().
    Reached await_resume() {
      delist();
      resumed_ = true;
      return woken_ ? Reached::reached : Reached::deadline;
    }

   private:
    friend class Semaphore;
    Semaphore& semaphore_;
    std::int64_t amount_;
    bool resumed_ = false;
  };
  Wait take(std::int64_t amount, MonoNs deadline = never) { return Wait(*this, amount, deadline); }
  void release(std::int64_t amount) {
    free_ += amount;
    bool blocked = false;
    waits_.wake_if([&](Wait& wait) {
      blocked = blocked || free_ < wait.amount_;
      if (!blocked) free_ -= wait.amount_;
      return !blocked;
    });
  }
  std::int64_t free() const { return free_; }

 private:
  Timers& timers_;
  std::int64_t free_;
  WaitList<Wait> waits_;
};

/// Waits until one Task is done or the deadline has come: `const Reached r = co_await within(task, timers, at);`
/// then `task.take()`. The task goes on if the deadline came first; drop it to cancel it.
template <class T>
class Within : public Ready {
 public:
  Within(Task<T>& task, Timers& timers, MonoNs deadline) : task_(task), timers_(timers), deadline_(deadline) {}
  Within(Within&&) = delete;
  ~Within() { if (armed_ && task_.valid()) task_.notify(nullptr); }
  bool await_ready() const noexcept { return task_.done(); }
  void await_suspend(std::coroutine_handle<> handle) {
    suspend(handle, "within");
    armed_ = true;
    task_.notify(this);
    timers_.arm(timer_, deadline_, *this);
  }
  Reached await_resume() { return task_.done() ? Reached::reached : Reached::deadline; }

 private:
  Task<T>& task_;
  Timers& timers_;
  Timer timer_;
  MonoNs deadline_;
  bool armed_ = false;
};
template <class T>
Within<T> within(Task<T>& task, Timers& timers, MonoNs deadline) { return Within<T>(task, timers, deadline); }

/// Waits until at least one of two tasks is done. Ask `done()` of each; drop the other to cancel it.
template <class A, class B>
class Either : public Ready {
 public:
  Either(Task<A>& a, Task<B>& b) : a_(a), b_(b) {}
  Either(Either&&) = delete;
  ~Either() {
    if (!armed_) return;
    if (a_.valid()) a_.notify(nullptr);
    if (b_.valid()) b_.notify(nullptr);
  }
  bool await_ready() const noexcept { return a_.done() || b_.done(); }
  void await_suspend(std::coroutine_handle<> handle) {
    suspend(handle, "either");
    armed_ = true;
    a_.notify(this);
    b_.notify(this);
  }
  void await_resume() noexcept {}

 private:
  Task<A>& a_;
  Task<B>& b_;
  bool armed_ = false;
};
template <class A, class B>
Either<A, B> either(Task<A>& a, Task<B>& b) { return Either<A, B>(a, b); }

/// A queue between tasks of one node. `receive` waits for an item; `close` lets receivers drain and then get nothing.
template <class T>
class Channel {
 public:
  explicit Channel(Timers& timers) : signal_(timers) {}
  void send(T item) {
    items_.push_back(std::move(item));
    signal_.wake();
  }
  std::optional<T> try_receive() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    return item;
  }
  /// Wait for this, then try_receive() in a loop: another receiver may have been faster.
  Signal::Wait changed(MonoNs deadline = never) { return signal_.next(deadline); }
  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  bool closed() const { return signal_.closed(); }
  void close() { signal_.close(); }

 private:
  Signal signal_;
  std::deque<T> items_;
};

}  // namespace harrow
