// Which file descriptors are ready: a thin layer over epoll that calls one object a descriptor.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/check.h"

namespace harrow::posix {

/// Something with a descriptor. It may be destroyed at any time, also by a call of on_io for another one.
class Watched {
 public:
  virtual ~Watched() = default;
  virtual void on_io(bool readable, bool writable, bool broken) = 0;
};

class Poller {
 public:
  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// Calls `watched` when the descriptor is ready for what it wants (level-triggered), or broken.
  void watch(int fd, Watched& watched, bool readable, bool writable);
  void change(int fd, bool readable, bool writable);
  /// Must come before the descriptor is closed.
  void forget(int fd);
  /// Waits at most so long (0: not at all; below 0: for ever) and calls who is ready.
  void poll(int timeout_ms);

 private:
  struct Place {
    Watched* watched = nullptr;
    std::uint32_t generation = 0;  // so that an event of a descriptor's last user is not taken for the next one's
  };
  std::uint64_t key_of(int fd) const;
  int epoll_;
  std::vector<Place> places_;  // by descriptor
};

}  // namespace harrow::posix
