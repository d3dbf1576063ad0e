// Faults of a real node's files, for tests: asked by each file operation, changed between turns on the node's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string_view>

#include "core/base/result.h"
#include "core/posix/file_work.h"

namespace harrow::posix {

class DiskFaults {
 public:
  enum class Operation : std::uint8_t { read, write, sync };
  struct Rule {
    std::uint32_t id = 0;
    Operation operation = Operation::read;
    std::function<bool(std::string_view path)> hits;
    std::uint32_t left = 1;  // strikes; 0: no end
  };
  /// Writes find no space.
  bool full = false;
  void fail(Rule rule) { rules_.push_back(std::move(rule)); }
  void clear(std::uint32_t id);
  /// Whether an operation of this kind would fail now, and the same taking the strike.
  bool fails(Operation operation, std::string_view path) const;
  bool strike(Operation operation, std::string_view path);

  bool stalled() const { return stalled_; }
  /// Operations that come while it stands still are done when it goes on.
  void stall() { stalled_ = true; }
  void go_on();
  ParkedWork& parked() { return parked_; }

 private:
  std::list<Rule> rules_;
  ParkedWork parked_;
  bool stalled_ = false;
};

}  // namespace harrow::posix
