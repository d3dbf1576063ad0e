// The descriptors of a node's files: at most so many at once, however many files the node holds.
//
// Purpose: 10,000 partitions are more files than a process may have open. Owner: PosixDisk and its files. It touches
// descriptors and nothing else. Invariants: a file whose name still leads to it may lose its descriptor and gets it back when it
// is asked for; a file that was removed or replaced keeps it to its end, for only that still leads to the contents.
// A sync through a new descriptor covers what was written through an old one: the system keeps dirty pages by file.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <system_error>

#include "core/base/intrusive.h"
#include "core/posix/posix_net.h"

namespace harrow::posix {

/// One file: its name on this machine, and its descriptor while it has one. Linked while it may lose it.
class OpenFile : public Hook {
 public:
  const std::string& name() const { return name_; }

 private:
  friend class OpenFiles;
  std::string name_;
  Descriptor descriptor_;
  bool named_ = false;  // the name leads to this file
};

class OpenFiles {
 public:
  static constexpr std::size_t most_by_default = 4096;
  void set_most(std::size_t most);
  std::size_t open() const { return open_; }
  /// Opens `name` for `file`. False with errno.
  bool open(OpenFile& file, std::string name, int flags);
  void close(OpenFile& file);
  /// The file's descriptor, opened again if need be; below 0 with errno.
  int descriptor(OpenFile& file);
  /// What `from` leads to, or what lies below it, is called otherwise now.
  void renamed(const std::string& from, const std::string& to);
  /// Before what `name` leads to, or what lies below it, is removed or replaced.
  void keep(const std::string& name);
  /// Any other descriptor: gives one of ours back when there are too many. Below 0 with errno.
  Descriptor open_other(const char* name, int flags, int mode = 0);
  /// Acts that open folders for themselves.
  template <class Act>
  void with_room(std::error_code& failed, Act act) {
    do {
      failed.clear();
      act(failed);
    } while (failed == std::errc::too_many_files_open && give_one_back());
  }

 private:
  using Names = std::multimap<std::string_view, OpenFile*>;  // of the files whose name leads to them
  bool give_one_back();
  Names::iterator place_of(OpenFile& file);
  template <class Visit>
  void visit_below(const std::string& name, Visit visit);

  std::size_t most_ = most_by_default, open_ = 0;
  List<OpenFile> used_;  // with a descriptor that may be given back; the one unused for longest first
  Names names_;
};

}  // namespace harrow::posix
