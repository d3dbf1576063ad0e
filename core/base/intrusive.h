// Doubly linked lists whose links live inside their members: no allocation, removal from anywhere in O(1), and a
// member that dies unlinks itself. Lists are FIFO: `link_back` adds at the end.
#pragma once

#include "core/base/check.h"

namespace harrow {

/// A link; it is linked into at most one list. Destroying it unlinks it.
struct Hook {
  Hook* prev = this;
  Hook* next = this;
  Hook() = default;
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;
  ~Hook() { unlink(); }
  bool linked() const { return next != this; }
  void unlink() {
    prev->next = next;
    next->prev = prev;
    prev = next = this;
  }
};

/// A list of T, where T derives from Hook (or from a Tag-ged class that does). It does not own its members.
template <class T>
class List {
 public:
  List() = default;
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List() {
    while (!empty()) head_.next->unlink();
  }
  bool empty() const { return !head_.linked(); }
  T& front() { return *static_cast<T*>(head_.next); }
  T& back() { return *static_cast<T*>(head_.prev); }
  void link_back(T& item) {
    Hook& hook = item;
    hook.unlink();
    hook.prev = head_.prev;
    hook.next = &head_;
    head_.prev->next = &hook;
    head_.prev = &hook;
  }
  T* pop_front() {
    if (empty()) return nullptr;
    T* const item = static_cast<T*>(head_.next);
    static_cast<Hook*>(item)->unlink();
    return item;
  }
  /// Moves every member of `other` to the end of this list, in order.
  void splice_back(List& other) {
    while (!other.empty()) link_back(*other.pop_front());
  }
  /// Visits each member in order; the visitor may unlink the member it is given.
  template <class Visit>
  void for_each(Visit visit) {
    for (Hook* hook = head_.next; hook != &head_;) {
      Hook* const after = hook->next;
      visit(*static_cast<T*>(hook));
      hook = after;
    }
  }

 private:
  Hook head_;
};

}  // namespace harrow
