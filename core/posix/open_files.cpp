#include "core/posix/open_files.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace harrow::posix {

void OpenFiles::set_most(std::size_t most) {
  most_ = std::max<std::size_t>(most, 1);
  while (open_ > most_ && give_one_back()) continue;
}

bool OpenFiles::give_one_back() {
  OpenFile* const file = used_.pop_front();
  if (file == nullptr) return false;
  file->descriptor_.reset();
  --open_;
  return true;
}

Descriptor OpenFiles::open_other(const char* name, int flags, int mode) {
  for (;;) {
    Descriptor opened(::open(name, flags | O_CLOEXEC, mode));
    if (opened.valid() || (errno != EMFILE && errno != ENFILE) || !give_one_back()) return opened;
  }
}

bool OpenFiles::open(OpenFile& file, std::string name, int flags) {
  while (open_ >= most_ && give_one_back()) continue;
  file.descriptor_ = open_other(name.c_str(), flags, 0644);
  if (!file.descriptor_.valid()) return false;
  ++open_;
  file.name_ = std::move(name);
  file.named_ = true;
  names_.emplace(file.name_, &file);
  used_.link_back(file);
  return true;
}

void OpenFiles::close(OpenFile& file) {
  if (file.named_) names_.erase(place_of(file));
  file.named_ = false;
  file.unlink();
  if (!file.descriptor_.valid()) return;
  file.descriptor_.reset();
  --open_;
}

int OpenFiles::descriptor(OpenFile& file) {
  if (file.descriptor_.valid()) {
    if (file.named_) used_.link_back(file);
    return file.descriptor_.get();
  }
  if (!file.named_) {
    errno = ENOENT;
    return -1;
  }
  while (open_ >= most_ && give_one_back()) continue;
  file.descriptor_ = open_other(file.name_.c_str(), O_RDWR);
  if (!file.descriptor_.valid()) return -1;
  ++open_;
  used_.link_back(file);
  return file.descriptor_.get();
}

OpenFiles::Names::iterator OpenFiles::place_of(OpenFile& file) {
  auto [at, end] = names_.equal_range(file.name_);
  while (at != end && at->second != &file) ++at;
  CHECK_SAYING(at != end, "an open file is known by its name");
  return at;
}

template <class Visit>
void OpenFiles::visit_below(const std::string& name, Visit visit) {
  std::vector<OpenFile*> found;
  const auto [first, last] = names_.equal_range(name);
  for (auto at = first; at != last; ++at) found.push_back(at->second);
  const std::string folder = name + "/";
  for (auto at = names_.lower_bound(folder); at != names_.end() && at->first.substr(0, folder.size()) == folder; ++at) found.push_back(at->second);
  for (OpenFile* const file : found) visit(*file);
}

void OpenFiles::renamed(const std::string& from, const std::string& to) {
  visit_below(from, [&](OpenFile& file) {
    names_.erase(place_of(file));
    file.name_.replace(0, from.size(), to);
    names_.emplace(file.name_, &file);
  });
}

void OpenFiles::keep(const std::string& name) {
  visit_below(name, [&](OpenFile& file) {
    descriptor(file);  // without one its contents are gone for this file, too
    file.unlink();
    names_.erase(place_of(file));
    file.named_ = false;
  });
}

}  // namespace harrow::posix
