#include "sim/disk/crash_dice.h"

#include <algorithm>

namespace harrow::sim {
namespace {

/// Undoes, in [at, end), all changes but the first `kept` of `changes`.
void revert_to(Node& file, const std::vector<Change>& changes, std::size_t kept, std::uint64_t at, std::uint64_t end) {
  for (std::size_t i = changes.size(); i-- > kept;) undo_within(file, changes[i], at, end);
}

std::uint64_t down(std::uint64_t value, std::uint64_t grain) { return value - value % grain; }

/// One of the places where an extension from `from` to `to` may be cut, both ends included.
std::uint64_t draw_cut(std::uint64_t from, std::uint64_t to, std::uint64_t grain, Random& random) {
  const std::uint64_t first = down(from, grain) / grain + 1;
  const std::uint64_t last = (to - 1) / grain;
  const std::uint64_t inner = last >= first ? last - first + 1 : 0;
  const std::uint64_t choice = random.below(inner + 2);
  if (choice == 0) return from;
  if (choice == inner + 1) return to;
  return (first + choice - 1) * grain;
}

}  // namespace

CrashLoss dice_file(Node& file, FileSystem file_system, std::uint64_t kept_up_to, Random& random) {
  CrashLoss loss;
  const std::uint64_t size_before = file.size;

  // What got lost by a failed sync is not on the disk, whoever asks.
  std::vector<Change> changes;
  for (Change& change : file.changes) changes.push_back(std::move(change));
  file.changes.clear();
  for (std::size_t i = changes.size(); i-- > 0;) {
    if (!changes[i].lost) continue;
    // Later changes that overlap it stay on top: undo only where none does.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> parts{{changes[i].at, changes[i].end}};
    for (std::size_t j = i + 1; j < changes.size(); ++j) {
      std::vector<std::pair<std::uint64_t, std::uint64_t>> rest;
      for (const auto& [from, to] : parts) {
        if (changes[j].at > from) rest.emplace_back(from, std::min(to, changes[j].at));
        if (changes[j].end < to) rest.emplace_back(std::max(from, changes[j].end), to);
      }
      std::erase_if(rest, [](const auto& part) { return part.first >= part.second; });
      parts = std::move(rest);
    }
    for (const auto& [from, to] : parts) {
      undo_within(file, changes[i], from, to);
      loss.bytes += to - from;
    }
  }
  std::size_t settled = 0;
  while (settled < changes.size() && changes[settled].number <= kept_up_to && file_system != FileSystem::strict &&
         file_system != FileSystem::adversarial)
    ++settled;
  std::vector<Change> open;
  for (std::size_t i = settled; i < changes.size(); ++i)
    if (!changes[i].lost || changes[i].new_size != changes[i].old_size) open.push_back(std::move(changes[i]));
  const std::uint64_t base_size = open.empty() ? file.size : open.front().old_size;

  std::uint64_t size = base_size;
  if (open.empty()) {
    // nothing to choose
  } else if (file_system == FileSystem::strict) {
    for (std::size_t i = open.size(); i-- > 0;) {
      undo_within(file, open[i], open[i].at, open[i].end);
      if (!open[i].lost && open[i].new_size >= open[i].old_size) loss.bytes += open[i].end - open[i].at;
    }
  } else {
    const std::uint64_t grain = file_system == FileSystem::adversarial ? sector_bytes : page_bytes;
    // The size: some moment of its history, perhaps within an extension.
    const std::size_t kept = random.below(open.size() + 1);
    std::uint64_t cut_end = 0;  // of the change that was under way
    size = kept == 0 ? base_size : open[kept - 1].new_size;
    if (kept < open.size() && open[kept].new_size > size && open[kept].end > size) {
      cut_end = draw_cut(std::max(size, open[kept].at), open[kept].end, grain, random);
      size = std::max(size, cut_end);
    }
    // Below this, the file had bytes at every moment; above, blocks were freed or newly taken on the way.
    std::uint64_t lowest_size = base_size;
    std::vector<std::uint64_t> lowest_until{base_size};  // and the same up to each moment
    for (const Change& change : open) {
      lowest_size = std::min(lowest_size, change.new_size);
      lowest_until.push_back(lowest_size);
    }
    // Grains that some change touched, each at a moment of its own history.
    std::vector<std::uint64_t> grains;
    for (const Change& change : open)
      for (std::uint64_t at = down(change.at, grain); at < change.end; at += grain) grains.push_back(at);
    std::sort(grains.begin(), grains.end());
    grains.erase(std::unique(grains.begin(), grains.end()), grains.end());
    for (const std::uint64_t at : grains) {
      const std::uint64_t end = at + grain;
      const std::size_t under_size = cut_end > at ? kept + 1 : kept;  // the moment that the size belongs to
      std::size_t seen = 0;
      if (file_system == FileSystem::adversarial || end <= lowest_size) {
        seen = random.below(open.size() + 1);
      } else if (file_system == FileSystem::ext4 || at < lowest_until[under_size] || random.chance(3, 4)) {
        seen = under_size;
      } else {
        loss.bytes += grain;  // the size got there, the page did not: zeros
        file.data.erase(at, end, nullptr);
        continue;
      }
      if (seen < open.size()) {
        for (std::size_t i = seen; i < open.size(); ++i) {
          const std::uint64_t from = std::max(at, open[i].at);
          const std::uint64_t to = std::min(end, open[i].end);
          if (from < to && !open[i].lost && open[i].new_size >= open[i].old_size) loss.bytes += to - from;
        }
        revert_to(file, open, seen, at, end);
      }
    }
  }
  if (file_system == FileSystem::strict) size = std::min(size, file.synced_size);
  file.data.erase(size, UINT64_MAX, nullptr);
  file.size = size;
  file.synced_size = size;
  if (size < size_before) loss.bytes = std::max(loss.bytes, size_before - size);
  return loss;
}

std::size_t dice_prefix(std::size_t pending, std::size_t committed, Random& random) {
  return committed + random.below(pending - committed + 1);
}

}  // namespace harrow::sim
