// Task<T>: a coroutine that starts at once and whose result is awaited later (or at once). It owns its frame: dropping
// a Task cancels it. Root: a named top-level coroutine owned by a Scope; destroying the scope (a crash) destroys its
// roots, newest first. No exception may leave a coroutine.
#pragma once

#include <coroutine>
#include <cstdlib>
#include <optional>
#include <utility>

#include "core/async/ready.h"

namespace harrow {

struct FrameMemory {
  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, std::size_t size) { free_frame(frame, size); }
};

struct TaskPromiseBase : FrameMemory {
  Ready* joiner = nullptr;
  std::suspend_never initial_suspend() noexcept { return {}; }
  struct Finish {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> handle) noexcept {
      if (Ready* const joiner = handle.promise().joiner; joiner != nullptr) joiner->post();
    }
    void await_resume() noexcept {}
  };
  Finish final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { check_failed("no exception leaves a coroutine", __FILE__, __LINE__, running().root); }
};

template <class T>
class [[nodiscard]] Task {
 public:
  struct promise_type : TaskPromiseBase {
    std::optional<T> value;
    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
    template <class U>
    void return_value(U&& v) { value.emplace(std::forward<U>(v)); }
  };
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      drop();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() { drop(); }

  bool valid() const { return static_cast<bool>(handle_); }
  bool done() const { return handle_.done(); }
  /// The result of a task that is done.
  T take() { return std::move(*handle_.promise().value); }
  /// For awaiters: who is posted when this task ends.
  void notify(Ready* joiner) { handle_.promise().joiner = joiner; }

  class Join : public Ready {
   public:
    explicit Join(Handle child) : child_(child) {}
    Join(Join&&) = delete;
    bool await_ready() const noexcept { return child_.done(); }
    void await_suspend(std::coroutine_handle<> parent) {
      suspend(parent, "task");
      child_.promise().joiner = this;
    }
    T await_resume() { return std::move(*child_.promise().value); }

   private:
    Handle child_;
  };
  Join operator co_await() { return Join(handle_); }

 private:
  explicit Task(Handle handle) : handle_(handle) {}
  void drop() {
    if (handle_) std::exchange(handle_, {}).destroy();
  }
  Handle handle_;
};

template <>
struct Task<void>::promise_type : TaskPromiseBase {
  Task get_return_object();
  void return_void() {}
};
template <>
inline void Task<void>::take() {}
template <>
class Task<void>::Join : public Ready {
 public:
  explicit Join(Handle child) : child_(child) {}
  Join(Join&&) = delete;
  bool await_ready() const noexcept { return child_.done(); }
  void await_suspend(std::coroutine_handle<> parent) {
    suspend(parent, "task");
    child_.promise().joiner = this;
  }
  void await_resume() {}

 private:
  Handle child_;
};
inline Task<void> Task<void>::promise_type::get_return_object() { return Task(Handle::from_promise(*this)); }

struct RootTask : Hook {
  std::coroutine_handle<> handle;
  const char* name = "";
};

/// Owns root tasks. A node's power: destroying the scope ends everything the node was doing.
class Scope {
 public:
  explicit Scope(ReadyQueue& queue) : queue_(queue) {}
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() { destroy_all(); }
  void destroy_all() {
    while (!roots_.empty()) roots_.back().handle.destroy();  // the promise unlinks itself
  }
  bool empty() const { return const_cast<Scope*>(this)->roots_.empty(); }
  ReadyQueue& queue() { return queue_; }
  void adopt(RootTask& root) { roots_.link_back(root); }

 private:
  ReadyQueue& queue_;
  List<RootTask> roots_;
};

/// Name of a root, a literal.
struct Label {
  const char* text;
  constexpr explicit Label(const char* literal) : text(literal) {}
};

/// `Root name(Scope&, Label, ...)` or, as a member, `Root X::name(Scope&, Label, ...)`: runs at once up to its first
/// wait, then belongs to the scope; frees itself at its end.
struct Root {
  explicit Root(Running starter) : starter_(starter) {}
  Root(Root&&) = delete;
  ~Root() { running() = starter_; }  // the starter goes on under its own name

  struct promise_type : FrameMemory, RootTask {
    template <class... Arguments>
    promise_type(Scope& scope, Label label, Arguments&...) { enter(scope, label); }
    template <class Object, class... Arguments>
    promise_type(Object&, Scope& scope, Label label, Arguments&...) { enter(scope, label); }
    Root get_return_object() {
      handle = std::coroutine_handle<promise_type>::from_promise(*this);
      return Root(starter);
    }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() noexcept { check_failed("no exception leaves a coroutine", __FILE__, __LINE__, name); }

   private:
    Running starter;
    void enter(Scope& scope, Label label) {
      name = label.text;
      scope.adopt(*this);
      starter = running();
      running() = Running{&scope.queue(), label.text};
    }
  };

 private:
  Running starter_;
};

}  // namespace harrow
