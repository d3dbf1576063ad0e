#include "core/posix/file_work.h"

#include <utility>

namespace harrow::posix {

void ParkedWork::do_first() {
  const std::unique_ptr<Parked> first = std::move(parked_.front());
  parked_.pop_front();
  first->act();
}

void ParkedWork::do_all() {
  std::list<std::unique_ptr<Parked>> parked = std::exchange(parked_, {});
  for (const std::unique_ptr<Parked>& one : parked) one->act();
}

void FileRounds::catch_up() {
  while (!later_.empty()) {
    later_.do_first();
    if (over()) return;
  }
}

}  // namespace harrow::posix
