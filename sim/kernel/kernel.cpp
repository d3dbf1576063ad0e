#include "sim/kernel/kernel.h"

#include <memory>

namespace harrow::sim {
namespace {

class Call final : public Event, public Hook {
 public:
  explicit Call(std::function<void()> function) : function_(std::move(function)) {}
  void fire() override {
    const std::unique_ptr<Call> self(this);
    function_();
  }

 private:
  std::function<void()> function_;
};

std::uint64_t hash_of_text(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return mix64(hash);
}

}  // namespace

void Kernel::call_at(std::int64_t time_ns, std::function<void()> function) {
  Call* const call = new Call(std::move(function));
  calls_.link_back(*call);
  at(time_ns, *call);
}

Kernel::~Kernel() {
  while (!calls_.empty()) delete static_cast<Call*>(&calls_.front());
}

void Kernel::run_until(std::int64_t time_ns) {
  while (!stopped_) {
    while (!stopped_ && run_one(run_list_)) ++turns_;
    if (stopped_ || !step_event(time_ns)) break;
  }
  running() = Running{};
  if (!stopped_ && now_ns_ < time_ns) now_ns_ = time_ns;
}

std::uint32_t Kernel::intern(std::string_view name) {
  if (subject_index_.size() < subjects_.size() * 2 + 16) {
    subject_index_.assign(subjects_.size() * 4 + 64, 0);
    for (std::uint32_t i = 1; i < subjects_.size(); ++i) {
      std::size_t at = hash_of_text(subjects_[i]) % subject_index_.size();
      while (subject_index_[at] != 0) at = (at + 1) % subject_index_.size();
      subject_index_[at] = i;
    }
  }
  std::size_t at = hash_of_text(name) % subject_index_.size();
  while (subject_index_[at] != 0) {
    if (subjects_[subject_index_[at]] == name) return subject_index_[at];
    at = (at + 1) % subject_index_.size();
  }
  subject_index_[at] = static_cast<std::uint32_t>(subjects_.size());
  subjects_.emplace_back(name);
  return subject_index_[at];
}

void Kernel::listen_all(TraceListener& listener) {
  for (auto& listeners : listeners_) listeners.push_back(&listener);
}

}  // namespace harrow::sim
