// A shard with a log beside it: what the coordinator's shell does, without waiting. For tests.
#pragma once

#include <fmt/format.h>

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/group/consumer_protocol.h"
#include "core/group/shard.h"

namespace harrow::group {

class World {
 public:
  explicit World(Config config = {}) : config_(config), shard_(std::make_unique<Shard>(0, config)) {}

  Shard& shard() { return *shard_; }
  Now now() const { return now_; }
  Random& random() { return random_; }

  /// Writes, settles and remembers what an outcome says.
  void carry_out(Outcome outcome) {
    while (true) {
      for (Note& note : outcome.notes) notes.push_back(std::move(note));
      for (Answer& answer : outcome.answers) answers.push_back(std::move(answer));
      if (outcome.records.empty()) return;
      if (refuse_with != Code::none) {
        outcome = shard_->refused(outcome.batch, std::exchange(refuse_with, Code::none), now_);
        continue;
      }
      ++batches_written;
      for (Record& record : outcome.records) log.push_back(std::move(record));
      written.push_back({outcome.batch, log.size()});
      if (hold) return;
      outcome = commit_all();
    }
  }
  void release() { carry_out(commit_all()); }
  void time_out() {
    const auto late = written;
    for (const auto& [batch, end] : late) carry_out(shard_->timed_out(batch, Code::request_timed_out, now_));
  }
  /// Moves both clocks, firing each timer at its time.
  void advance_ms(std::int64_t ms) {
    const MonoNs to = after_ms(now_.mono, ms);
    while (shard_->next_deadline() <= to) {
      move_to(std::max(now_.mono, shard_->next_deadline()));
      carry_out(shard_->tick(now_));
    }
    move_to(to);
  }
  /// Another coordinator takes over: it knows only the committed part of the log, read in `buffers` parts.
  Shard load(std::size_t buffers, Outcome* outcome = nullptr) const {
    Shard other(0, config_);
    other.begin_load();
    const std::size_t step = log.size() / buffers + 1;
    for (std::size_t i = 0; i < log.size(); i += step)
      CHECK(other.load_buffer(std::span(log).subspan(i, std::min(step, log.size() - i))).has_value());
    Outcome loaded = other.end_load(now_);
    if (outcome != nullptr) *outcome = std::move(loaded);
    return other;
  }
  void fail_over(std::size_t buffers) {
    for (Answer& answer : shard_->resign(Code::not_coordinator)) answers.push_back(std::move(answer));
    written.clear();
    Outcome outcome;
    *shard_ = load(buffers, &outcome);
    carry_out(std::move(outcome));
  }

  Config config_;
  std::vector<Record> log;
  std::deque<std::pair<BatchId, std::size_t>> written;
  std::vector<Answer> answers;
  std::vector<Note> notes;
  bool hold = false;
  Code refuse_with = Code::none;
  int batches_written = 0;

 private:
  Outcome commit_all() {
    if (written.empty()) return {};
    const BatchId last = written.back().first;
    written.clear();
    return shard_->committed(last, now_);
  }
  void move_to(MonoNs to) {
    now_.wall = now_.wall + (to - now_.mono) / ns_per_ms;
    now_.mono = to;
  }
  std::unique_ptr<Shard> shard_;
  Now now_{WallMs(1'000'000), MonoNs(0)};
  Random random_{7};
};

}  // namespace harrow::group
