#include "sim/disk/page_cache.h"

#include <algorithm>
#include <cstring>

namespace harrow::sim {
namespace {

// Appends below this are gathered in blocks of the file's own: neither an index entry nor a batch's header may keep a
// block alive for itself.
constexpr std::uint32_t gather_bytes = 160;
constexpr std::uint32_t least_gather_block_bytes = 1020;
constexpr std::uint32_t most_gather_block_bytes = 4080;

}  // namespace

Slice Extents::Gather::add(const Slice& slice) {
  const std::uint32_t size = slice.size();
  if (block_ == nullptr || block_->capacity() - used_ < size) {
    const std::uint32_t capacity = block_ == nullptr ? least_gather_block_bytes : std::min(block_->capacity() * 4, most_gather_block_bytes);
    drop();
    block_ = Block::create(capacity);
  }
  std::memcpy(block_->data() + used_, slice.data(), size);
  block_->retain();
  Slice added = Slice::adopt(block_, used_, size);
  used_ += size;
  return added;
}

void Extents::Gather::drop() {
  if (block_ != nullptr) block_->release();
  block_ = nullptr;
  used_ = 0;
}

void Extents::clear() {
  extents_.clear();
  stored_ = 0;
  gather_.drop();
}

void Extents::push_back(std::uint64_t at, const Slice& slice) {
  const std::uint32_t size = slice.size();
  if (size == 0) return;
  stored_ += size;
  Slice added = size < gather_bytes ? gather_.add(slice) : slice;
  if (!extents_.empty() && extents_.back().end() == at && extents_.back().slice.continued_by(added)) extents_.back().slice.extend(size);
  else extents_.push_back(Extent{at, std::move(added)});
}

std::size_t Extents::first_ending_after(std::uint64_t at) const {
  // Mostly the file's end is meant, or what stands shortly before it.
  std::size_t near = extents_.size();
  for (int steps = 0; steps < 4; ++steps, --near)
    if (near == 0 || extents_[near - 1].end() <= at) return near;
  const auto end = extents_.begin() + static_cast<std::ptrdiff_t>(near);
  return static_cast<std::size_t>(
      std::partition_point(extents_.begin(), end, [at](const Extent& extent) { return extent.end() <= at; }) - extents_.begin());
}

void Extents::insert(std::uint64_t at, const Bytes& bytes) {
  if (extents_.empty() || extents_.back().end() <= at) {
    for (const Slice& slice : bytes.slices()) {
      push_back(at, slice);
      at += slice.size();
    }
    return;
  }
  const std::size_t index = first_ending_after(at);
  std::vector<Extent> fresh;
  for (const Slice& slice : bytes.slices()) {
    fresh.push_back(Extent{at, slice});
    at += slice.size();
  }
  extents_.insert(extents_.begin() + static_cast<std::ptrdiff_t>(index), fresh.begin(), fresh.end());
  stored_ += bytes.size();
}

void Extents::write(std::uint64_t at, const Bytes& bytes, std::vector<Extent>* old) {
  if (bytes.empty()) return;
  if (!extents_.empty() && extents_.back().end() > at) erase(at, at + bytes.size(), old);
  insert(at, bytes);
}

void Extents::erase(std::uint64_t at, std::uint64_t end, std::vector<Extent>* old) {
  if (at >= end || extents_.empty() || extents_.back().end() <= at) return;
  std::size_t first = first_ending_after(at);
  if (first == extents_.size() || extents_[first].at >= end) return;
  const auto note = [old](std::uint64_t from, const Slice& slice) {
    if (old != nullptr) old->push_back(Extent{from, slice});
  };
  // An extent that begins before the hole keeps its head, and perhaps its tail.
  if (Extent& extent = extents_[first]; extent.at < at) {
    const auto head = static_cast<std::uint32_t>(at - extent.at);
    const std::uint64_t cut = std::min(extent.end(), end);
    const auto size = static_cast<std::uint32_t>(cut - at);
    note(at, extent.slice.sub(head, size));
    stored_ -= size;
    const Slice rest = extent.slice.sub(head + size, extent.slice.size() - head - size);
    extent.slice = extent.slice.sub(0, head);
    if (rest.size() > 0) {
      extents_.insert(extents_.begin() + static_cast<std::ptrdiff_t>(first) + 1, Extent{cut, rest});
      return;
    }
    ++first;
  }
  std::size_t last = first;
  while (last < extents_.size() && extents_[last].end() <= end) {
    note(extents_[last].at, extents_[last].slice);
    stored_ -= extents_[last].slice.size();
    ++last;
  }
  if (last < extents_.size() && extents_[last].at < end) {
    Extent& extent = extents_[last];
    const auto size = static_cast<std::uint32_t>(end - extent.at);
    note(extent.at, extent.slice.sub(0, size));
    stored_ -= size;
    extent.slice = extent.slice.sub(size, extent.slice.size() - size);
    extent.at = end;
  }
  extents_.erase(extents_.begin() + static_cast<std::ptrdiff_t>(first), extents_.begin() + static_cast<std::ptrdiff_t>(last));
}

bool Extents::any(std::uint64_t at, std::uint64_t end) const {
  const std::size_t index = first_ending_after(at);
  return index < extents_.size() && extents_[index].at < end;
}

Bytes Extents::read(std::uint64_t at, std::uint64_t size, const Slice& zeros) const {
  Bytes result;
  const std::uint64_t end = at + size;
  const auto fill = [&](std::uint64_t bytes) {
    while (bytes > 0) {
      const auto step = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, zeros.size()));
      result.append(zeros.sub(0, step));
      bytes -= step;
    }
  };
  for (std::size_t i = first_ending_after(at); i < extents_.size() && at < end; ++i) {
    const Extent& extent = extents_[i];
    if (extent.at >= end) break;
    if (extent.at > at) {
      fill(extent.at - at);
      at = extent.at;
    }
    const std::uint64_t step = std::min(extent.end(), end) - at;
    result.append(extent.slice.sub(static_cast<std::uint32_t>(at - extent.at), static_cast<std::uint32_t>(step)));
    at += step;
  }
  if (at < end) fill(end - at);
  return result;
}

void apply_write(Node& file, std::uint64_t at, const Bytes& bytes, std::uint64_t number) {
  const std::uint64_t end = at + bytes.size();
  // An append to a file whose last change is an append too: the common case, and it leaves no trace of its own.
  if (!file.changes.empty() && at >= file.data.end()) {
    Change& last = file.changes.back();
    if (last.end == at && last.new_size <= at && last.new_size == file.size && !last.sealed && !last.lost && at == file.size) {
      file.data.write(at, bytes, nullptr);
      last.end = last.new_size = file.size = end;
      last.number = number;
      return;
    }
    // The same within preallocated space.
    if (last.end == at && end <= file.size && last.new_size == file.size && last.old_size == file.size && !last.sealed && !last.lost) {
      file.data.write(at, bytes, nullptr);
      last.end = end;
      last.number = number;
      return;
    }
  }
  Change change{at, end, file.size, std::max(file.size, end), {}, number, false, false};
  file.data.write(at, bytes, &change.old);
  file.size = change.new_size;
  file.changes.push_back(std::move(change));
}

void apply_truncate(Node& file, std::uint64_t size, std::uint64_t number) {
  if (size == file.size) return;
  Change change{std::min(size, file.size), std::max(size, file.size), file.size, size, {}, number, false, false};
  if (size < file.size) file.data.erase(size, file.size, &change.old);
  else change.at = change.end = size;
  file.size = size;
  file.changes.push_back(std::move(change));
}

namespace {

void undo_in(Extents& data, const Change& change, std::uint64_t at, std::uint64_t end) {
  at = std::max(at, change.at);
  end = std::min(end, change.end);
  if (at >= end) return;
  data.erase(at, end, nullptr);
  for (const Extent& extent : change.old) {
    const std::uint64_t from = std::max(at, extent.at);
    const std::uint64_t to = std::min(end, extent.end());
    if (from >= to) continue;
    data.write(from, Bytes(extent.slice.sub(static_cast<std::uint32_t>(from - extent.at), static_cast<std::uint32_t>(to - from))), nullptr);
  }
}

}  // namespace

void undo_within(Node& file, const Change& change, std::uint64_t at, std::uint64_t end) { undo_in(file.data, change, at, end); }

void settle_changes(Node& file, std::uint64_t up_to, bool lost) {
  if (lost) {
    for (Change& change : file.changes)
      if (change.number <= up_to) change.lost = true;
    return;
  }
  bool any_lost = false;
  for (const Change& change : file.changes) {
    any_lost = any_lost || change.lost;
    if (change.number <= up_to) file.synced_size = std::min(file.synced_size, change.new_size);
  }
  if (!any_lost) {
    std::size_t kept = 0;
    while (kept < file.changes.size() && file.changes[kept].number <= up_to) ++kept;
    file.changes.erase(file.changes.begin(), file.changes.begin() + static_cast<std::ptrdiff_t>(kept));
    return;
  }
  // What was written again since it got lost is on the disk: take it out of the lost changes.
  std::vector<Change> left;
  for (std::size_t i = 0; i < file.changes.size(); ++i) {
    Change& change = file.changes[i];
    if (change.number > up_to) {
      left.push_back(std::move(change));
      continue;
    }
    if (!change.lost) continue;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> parts{{change.at, change.end}};
    for (std::size_t j = i + 1; j < file.changes.size(); ++j) {
      const Change& later = file.changes[j];
      if (later.number > up_to || later.lost || later.at >= later.end) continue;
      std::vector<std::pair<std::uint64_t, std::uint64_t>> rest;
      for (const auto& [from, to] : parts) {
        if (later.at > from) rest.emplace_back(from, std::min(to, later.at));
        if (later.end < to) rest.emplace_back(std::max(from, later.end), to);
      }
      std::erase_if(rest, [](const auto& part) { return part.first >= part.second; });
      parts = std::move(rest);
    }
    // The size is journalled apart from the data: it stands from now on.
    for (const auto& [from, to] : parts)
      left.push_back(Change{from, to, file.size, file.size, change.old, change.number, true, true});
  }
  file.changes = std::move(left);
}

std::pair<Extents, std::uint64_t> durable_state(const Node& file) {
  Extents data = file.data;
  std::uint64_t size = file.size;
  for (std::size_t i = file.changes.size(); i-- > 0;) {
    const Change& change = file.changes[i];
    undo_in(data, change, change.at, change.end);
    size = change.old_size;
  }
  data.erase(size, UINT64_MAX, nullptr);
  return {std::move(data), size};
}

Bytes with_rot(const Node& file, std::uint64_t at, Bytes bytes) {
  const std::uint64_t end = at + bytes.size();
  const auto first = file.rot.lower_bound(at);
  if (first == file.rot.end() || first->first >= end) return bytes;
  Block* const block = Block::create(static_cast<std::uint32_t>(bytes.size()));
  bytes.copy_to(0, std::span(block->data(), bytes.size()));
  for (auto flip = first; flip != file.rot.end() && flip->first < end; ++flip) block->data()[flip->first - at] ^= flip->second.mask;
  return Bytes(Slice::adopt(block, 0, static_cast<std::uint32_t>(bytes.size())));
}

bool is_cached(const Node& file, std::uint64_t at, std::uint64_t end) {
  if (file.all_cached || at >= end) return true;
  auto range = file.cached.upper_bound(at);
  if (range == file.cached.begin()) return false;
  --range;
  return range->second >= end;
}

void mark_cached(Node& file, std::uint64_t at, std::uint64_t end) {
  if (file.all_cached || at >= end) return;
  at -= at % page_bytes;
  end += (page_bytes - end % page_bytes) % page_bytes;
  auto range = file.cached.upper_bound(at);
  if (range != file.cached.begin()) {
    auto before = range;
    --before;
    if (before->second >= at) {
      at = before->first;
      end = std::max(end, before->second);
      file.cached_bytes -= before->second - before->first;
      range = file.cached.erase(before);
    }
  }
  while (range != file.cached.end() && range->first <= end) {
    end = std::max(end, range->second);
    file.cached_bytes -= range->second - range->first;
    range = file.cached.erase(range);
  }
  file.cached.emplace(at, end);
  file.cached_bytes += end - at;
}

void cool(Node& file) {
  file.all_cached = false;
  file.cached.clear();
  file.cached_bytes = 0;
}

void apply_name_change(const NameChange& change) {
  if (change.from_folder != nullptr) {
    auto& entries = change.from_folder->durable;
    const auto entry = entries.find(change.from);
    if (entry != entries.end() && entry->second == change.node) entries.erase(entry);
  }
  if (change.to_folder != nullptr) change.to_folder->durable[change.to] = change.node;
}

}  // namespace harrow::sim
