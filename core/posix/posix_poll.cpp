#include "core/posix/posix_poll.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>

namespace harrow::posix {
namespace {

std::uint32_t events_of(bool readable, bool writable) {
  std::uint32_t events = 0;
  if (readable) events |= EPOLLIN;
  if (writable) events |= EPOLLOUT;
  return events;
}

}  // namespace

Poller::Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) { CHECK_SAYING(epoll_ >= 0, "epoll is available"); }

Poller::~Poller() { ::close(epoll_); }

std::uint64_t Poller::key_of(int fd) const {
  return static_cast<std::uint64_t>(places_[static_cast<std::size_t>(fd)].generation) << 32 | static_cast<std::uint32_t>(fd);
}

void Poller::watch(int fd, Watched& watched, bool readable, bool writable) {
  const auto index = static_cast<std::size_t>(fd);
  if (index >= places_.size()) places_.resize(index + 1);
  CHECK_SAYING(places_[index].watched == nullptr, "one watcher a descriptor");
  places_[index].watched = &watched;
  ++places_[index].generation;
  epoll_event event{};
  event.events = events_of(readable, writable);
  event.data.u64 = key_of(fd);
  CHECK_SAYING(::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0, "an open descriptor can be watched");
}

void Poller::change(int fd, bool readable, bool writable) {
  epoll_event event{};
  event.events = events_of(readable, writable);
  event.data.u64 = key_of(fd);
  CHECK_SAYING(::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) == 0, "a watched descriptor can be changed");
}

void Poller::forget(int fd) {
  places_[static_cast<std::size_t>(fd)].watched = nullptr;
  epoll_event unused{};
  CHECK_SAYING(::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, &unused) == 0, "a watched descriptor can be forgotten");
}

void Poller::poll(int timeout_ms) {
  constexpr int most = 64;
  epoll_event events[most];
  const int count = ::epoll_wait(epoll_, events, most, timeout_ms);
  CHECK_SAYING(count >= 0 || errno == EINTR, "epoll waits");
  for (int i = 0; i < count; ++i) {
    const Place& place = places_[static_cast<std::uint32_t>(events[i].data.u64)];
    if (place.watched == nullptr || place.generation != events[i].data.u64 >> 32) continue;
    const std::uint32_t ready = events[i].events;
    place.watched->on_io((ready & EPOLLIN) != 0, (ready & EPOLLOUT) != 0, (ready & (EPOLLERR | EPOLLHUP)) != 0);
  }
}

}  // namespace harrow::posix
