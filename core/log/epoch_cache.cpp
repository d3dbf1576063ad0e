#include "core/log/epoch_cache.h"

#include <algorithm>
#include <charconv>

namespace harrow {

bool EpochCache::assign(LeaderEpoch epoch, Offset start) {
  if (epoch < LeaderEpoch(0)) return false;
  if (!entries_.empty() && entries_.back().epoch == epoch && entries_.back().start <= start) return false;
  while (!entries_.empty() && (entries_.back().epoch >= epoch || entries_.back().start >= start)) entries_.pop_back();
  entries_.push_back(EpochStart{epoch, start});
  return true;
}

bool EpochCache::truncate_from_end(Offset end) {
  const std::size_t before = entries_.size();
  while (!entries_.empty() && entries_.back().start >= end) entries_.pop_back();
  return entries_.size() != before;
}

bool EpochCache::truncate_from_start(Offset start) {
  std::size_t covering = entries_.size();
  while (covering > 0 && entries_[covering - 1].start > start) --covering;
  if (covering == 0) return false;
  if (covering == 1 && entries_[0].start == start) return false;
  const bool changed = covering > 1 || entries_[0].start != start;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(covering - 1));
  entries_[0].start = start;
  return changed;
}

EpochEnd EpochCache::end_of(LeaderEpoch epoch, Offset log_end) const {
  if (entries_.empty() || epoch > entries_.back().epoch || epoch == no_epoch) return EpochEnd{};
  if (epoch == entries_.back().epoch) return EpochEnd{epoch, log_end};
  const auto higher = std::upper_bound(entries_.begin(), entries_.end(), epoch,
                                       [](LeaderEpoch asked, const EpochStart& entry) { return asked < entry.epoch; });
  if (higher == entries_.begin()) return EpochEnd{epoch, higher->start};
  return EpochEnd{(higher - 1)->epoch, higher->start};
}

LeaderEpoch EpochCache::epoch_at(Offset offset) const {
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry)
    if (entry->start <= offset) return entry->epoch;
  return no_epoch;
}

std::string EpochCache::to_text() const {
  std::string text = "0\n" + std::to_string(entries_.size()) + "\n";
  for (const EpochStart& entry : entries_)
    text += std::to_string(entry.epoch.value()) + " " + std::to_string(entry.start.value()) + "\n";
  return text;
}

Result<EpochCache> EpochCache::parse(std::string_view text) {
  const auto number = [&text](char separator, std::int64_t& out) {
    const std::size_t end = text.find(separator);
    if (end == std::string_view::npos) return false;
    const auto [at, code] = std::from_chars(text.data(), text.data() + end, out);
    if (code != std::errc() || at != text.data() + end) return false;
    text.remove_prefix(end + 1);
    return true;
  };
  std::int64_t version = 0, count = 0;
  if (!number('\n', version) || version != 0 || !number('\n', count) || count < 0)
    return error(Code::malformed_input, "a leader-epoch checkpoint has a wrong head");
  EpochCache cache;
  for (; count > 0; --count) {
    std::int64_t epoch = 0, start = 0;
    if (!number(' ', epoch) || !number('\n', start) || epoch < 0 || epoch > INT32_MAX || start < 0)
      return error(Code::malformed_input, "a leader-epoch checkpoint has a wrong line");
    const EpochStart entry{LeaderEpoch(epoch), Offset(start)};
    if (!cache.entries_.empty() && (entry.epoch <= cache.entries_.back().epoch || entry.start <= cache.entries_.back().start))
      return error(Code::malformed_input, "a leader-epoch checkpoint does not increase");
    cache.entries_.push_back(entry);
  }
  if (!text.empty()) return error(Code::malformed_input, "a leader-epoch checkpoint goes on behind its last line");
  return cache;
}

}  // namespace harrow
