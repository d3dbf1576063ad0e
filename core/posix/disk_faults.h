// Faults of a real node's files, for tests: asked by each file operation, changed between turns on the node's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string_view>

#include "core/async/completion.h"
#include "core/base/result.h"

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
  template <class T>
  void park(Completion<T>& done, std::function<T()> act) {
    auto parked = std::make_unique<ParkedOf<T>>(std::move(act));
    done.attach(&parked->done);
    parked_.push_back(std::move(parked));
  }

 private:
  struct Parked {
    virtual ~Parked() = default;
    virtual void act() = 0;
  };
  template <class T>
  struct ParkedOf final : Parked {
    explicit ParkedOf(std::function<T()> act) : work(std::move(act)) {}
    ~ParkedOf() override {
      if (done != nullptr) done->detach();
    }
    void act() override {
      if (done != nullptr) done->complete(work());
    }
    Completion<T>* done = nullptr;
    std::function<T()> work;
  };
  std::list<Rule> rules_;
  std::list<std::unique_ptr<Parked>> parked_;
  bool stalled_ = false;
};

}  // namespace harrow::posix
